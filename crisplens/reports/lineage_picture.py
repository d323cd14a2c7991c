"""The lineage as SVG, left to right; what the picture shows also stands in a table beside it."""

from __future__ import annotations

from markupsafe import Markup

from crisplens.registry.lineage.model import Graph, Node, NodeKind, Relation
from crisplens.reports.layout import Layout, lay_out
from crisplens.reports.numbers import shorten

WIDTH, HEIGHT, GAP, MARGIN = 122, 46, 30, 4
_NAME, _DETAIL = 17, 19
# The picture shrinks a little to fit a page; on narrower ones it scrolls.
_SMALLEST = 0.85
_LINES = {Relation.USED: "used", Relation.WAS_GENERATED_BY: "generated", Relation.WAS_DERIVED_FROM: "derived"}


def lineage_picture(graph: Graph) -> Markup:
    """Nodes in layers with their relations; arrows point to the earlier thing, as PROV draws them."""
    layout = lay_out(graph)
    width = layout.layers * (WIDTH + GAP) - GAP + 2 * MARGIN
    height = layout.bottom - layout.top + HEIGHT + 2 * MARGIN
    edges = Markup("").join(_edge(layout, relation, points) for relation, points in layout.edges)
    nodes = Markup("").join(_node(layout, node) for node in graph.nodes)
    return Markup(
        '<svg class="lineage" role="img" aria-describedby="lineage-relations" viewBox="0 0 {0:.0f} {1:.0f}"'
        ' style="width:100%;min-width:{6:.0f}px;max-width:{0:.0f}px">'
        "<title>Lineage: {2} things and {3} relations; the table that follows"
        " lists every relation</title>"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
        ' orient="auto-start-reverse"><path d="M0 .6L8 4 0 7.4z"/></marker></defs>{4}{5}</svg>'
    ).format(width, height, len(graph.nodes), len(graph.edges), edges, nodes, width * _SMALLEST)


def _left(layer: int) -> int:
    return MARGIN + layer * (WIDTH + GAP)


def _edge(layout: Layout, relation: Relation, points: list[tuple[int, float]]) -> Markup:
    """A curve from the earlier node's right side through its bends to the later node's left side."""
    drop = HEIGHT / 2 + MARGIN - layout.top
    layer, y = points[0]
    x = float(_left(layer) + WIDTH)
    path = f"M{x:.0f} {y + drop:.1f}"
    for place, (layer, next_y) in enumerate(points[1:], start=2):
        next_x = float(_left(layer))
        half = (next_x - x) / 2
        path += f"C{x + half:.0f} {y + drop:.1f} {next_x - half:.0f} {next_y + drop:.1f}"
        path += f" {next_x:.0f} {next_y + drop:.1f}"
        x, y = next_x, next_y
        if place < len(points):
            x += WIDTH
            path += f"H{x:.0f}"
    return Markup('<path class="{}" d="{}" marker-start="url(#tip)"/>').format(_LINES[relation], path)


def _node(layout: Layout, node: Node) -> Markup:
    layer, y = layout.places[node.id]
    return Markup(
        '<g class="{}" transform="translate({} {:.1f})"><title>{} {}{}</title>'
        '<rect width="{}" height="{}" rx="{}"/>'
        '<text class="kind" x="8" y="13">{}</text><text class="name" x="8" y="27">{}</text>'
        '<text class="more" x="8" y="39">{}</text></g>'
    ).format(
        node.kind,
        _left(layer),
        y - layout.top + MARGIN,
        _words(node.kind),
        node.name,
        f", {node.detail}" if node.detail else "",
        WIDTH,
        HEIGHT,
        # PROV draws entities round and activities square.
        0 if node.kind is NodeKind.RUN else 9,
        _words(node.kind),
        shorten(node.name, _NAME),
        _cut(node.detail),
    )


def _words(kind: NodeKind) -> str:
    return str(kind).replace("-", " ")


def _cut(detail: str) -> str:
    return detail if len(detail) <= _DETAIL else detail[: _DETAIL - 1].rstrip(" ,…") + "…"
