from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from crisplens.registry.lineage.model import Edge, Graph, Node, NodeKind, Relation
from crisplens.reports.layout import NODE_GAP, lay_out


def graph(size: int, edges: set[tuple[int, int]]) -> Graph:
    nodes = tuple(Node(NodeKind.DATASET_VERSION, str(number)) for number in range(size))
    return Graph(nodes, tuple(Edge(nodes[a].id, Relation.USED, nodes[b].id) for a, b in sorted(edges)))


@st.composite
def acyclic_graphs(draw: st.DrawFn) -> Graph:
    size = draw(st.integers(0, 14))
    later = st.integers(1, size - 1).flatmap(lambda a: st.tuples(st.just(a), st.integers(0, a - 1)))
    return graph(size, draw(st.sets(later, max_size=30)) if size > 1 else set())


@given(acyclic_graphs())
def test_earlier_things_stand_left_and_nothing_overlaps(drawn: Graph) -> None:
    layout = lay_out(drawn)
    assert layout.places.keys() == {node.id for node in drawn.nodes}
    for edge in drawn.edges:
        assert layout.places[edge.target][0] < layout.places[edge.source][0]
    for (layer, y), (other_layer, other_y) in combinations(layout.places.values(), 2):
        assert layer != other_layer or abs(y - other_y) >= NODE_GAP - 1e-6
    for _, points in layout.edges:
        assert [layer for layer, _ in points] == list(range(points[0][0], points[-1][0] + 1))
        assert all(layout.top <= y <= layout.bottom for _, y in points)


@given(acyclic_graphs())
def test_the_same_graph_is_laid_out_the_same(drawn: Graph) -> None:
    assert lay_out(drawn) == lay_out(drawn)


def test_a_derivation_that_a_run_shows_is_not_drawn_twice() -> None:
    raw, made, run = (
        Node(NodeKind.DATASET_VERSION, "raw@1"),
        Node(NodeKind.DATASET_VERSION, "made@1"),
        Node(NodeKind.RUN, "run"),
    )
    edges = (
        Edge(run.id, Relation.USED, raw.id),
        Edge(made.id, Relation.WAS_GENERATED_BY, run.id),
        Edge(made.id, Relation.WAS_DERIVED_FROM, raw.id),
    )
    drawn = lay_out(Graph((raw, made, run), edges)).edges
    assert [relation for relation, _ in drawn] == [Relation.USED, Relation.WAS_GENERATED_BY]
    assert len(lay_out(Graph((raw, made), edges[2:])).edges) == 1
