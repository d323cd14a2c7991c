"""A layered layout: earlier things left, later things right, few crossings. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise

from crisplens.registry.lineage.model import Graph, Relation

NODE_GAP, BEND_GAP = 60.0, 22.0
SWEEPS = 6


@dataclass(frozen=True)
class Layout:
    """Places of nodes (layer from 0, y of the middle), and each edge with the places it bends at."""

    layers: int
    places: dict[str, tuple[int, float]]
    edges: list[tuple[Relation, list[tuple[int, float]]]]
    top: float
    bottom: float


def lay_out(graph: Graph) -> Layout:
    """Place the nodes of an acyclic graph; edges run from the earlier node to the later."""
    edges = _shown_edges(graph)
    ranks = _ranks(graph, [(source, target) for source, _, target in edges])
    chains, bends = _chains(edges, ranks)
    layers: list[list[str]] = [[] for _ in range(max(ranks.values(), default=0) + 1)]
    for name, rank in (ranks | bends).items():
        layers[rank].append(name)
    before, after = _neighbours([chain for _, chain in chains])
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        for layer in layers if forward else reversed(layers):
            _reorder(layer, before if forward else after, layers)
    ys = _heights(layers, before, after, set(bends))
    rank_of = ranks | bends
    return Layout(
        layers=len(layers),
        places={name: (ranks[name], ys[name]) for name in ranks},
        edges=[(relation, [(rank_of[name], ys[name]) for name in chain]) for relation, chain in chains],
        top=min(ys.values(), default=0.0),
        bottom=max(ys.values(), default=0.0),
    )


def _shown_edges(graph: Graph) -> list[tuple[str, Relation, str]]:
    """Without the derivations that a drawn run already shows: made by a run that used the same thing."""
    used = {(edge.source, edge.target) for edge in graph.edges if edge.relation is Relation.USED}
    made_by = {
        (edge.source, edge.target) for edge in graph.edges if edge.relation is Relation.WAS_GENERATED_BY
    }
    through_run = {(made, thing) for made, run in made_by for user, thing in used if user == run}
    return list(
        dict.fromkeys(
            (edge.source, Relation(edge.relation), edge.target)
            for edge in graph.edges
            if edge.relation is not Relation.WAS_DERIVED_FROM or (edge.source, edge.target) not in through_run
        )
    )


def _ranks(graph: Graph, edges: list[tuple[str, str]]) -> dict[str, int]:
    earlier: dict[str, set[str]] = {node.id: set() for node in graph.nodes}
    for source, target in edges:
        earlier[source].add(target)
    order = {node.id: place for place, node in enumerate(graph.nodes)}
    found: dict[str, int] = {}
    for name in TopologicalSorter(earlier).static_order():
        found[name] = max((found[other] + 1 for other in earlier[name]), default=0)
    return {name: found[name] for name in sorted(found, key=order.__getitem__)}


def _chains(
    edges: list[tuple[str, Relation, str]], ranks: dict[str, int]
) -> tuple[list[tuple[Relation, list[str]]], dict[str, int]]:
    """Each edge as a chain through every layer between its ends; the bends are nodes of their own."""
    chains: list[tuple[Relation, list[str]]] = []
    bends: dict[str, int] = {}
    for number, (source, relation, target) in enumerate(edges):
        between = {f"bend {number} {rank}": rank for rank in range(ranks[target] + 1, ranks[source])}
        bends |= between
        chains.append((relation, [target, *between, source]))
    return chains, bends


def _neighbours(chains: list[list[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for chain in chains:
        for earlier, later in pairwise(chain):
            before.setdefault(later, []).append(earlier)
            after.setdefault(earlier, []).append(later)
    return before, after


def _reorder(layer: list[str], neighbours: dict[str, list[str]], layers: list[list[str]]) -> None:
    place = {name: number for one in layers for number, name in enumerate(one)}
    middle = {
        name: sum(place[other] for other in near) / len(near)
        if (near := neighbours.get(name))
        else place[name]
        for name in layer
    }
    layer.sort(key=lambda name: (middle[name], place[name]))


def _heights(
    layers: list[list[str]], before: dict[str, list[str]], after: dict[str, list[str]], bends: set[str]
) -> dict[str, float]:
    ys: dict[str, float] = {}
    for layer in layers:
        ys |= _spread(layer, {name: place * NODE_GAP for place, name in enumerate(layer)}, bends)
    for sweep in range(SWEEPS):
        near = before if sweep % 2 == 0 else after
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = {
                name: sum(ys[other] for other in others) / len(others)
                if (others := near.get(name))
                else ys[name]
                for name in layer
            }
            ys |= _spread(layer, wanted, bends)
    return ys


def _spread(layer: list[str], wanted: dict[str, float], bends: set[str]) -> dict[str, float]:
    """Near the places wanted, with order and gaps kept: the mean of pushing down and pushing up."""
    gaps = [
        BEND_GAP
        if a in bends and b in bends
        else (NODE_GAP + BEND_GAP) / 2
        if a in bends or b in bends
        else NODE_GAP
        for a, b in pairwise(layer)
    ]
    down = [wanted[name] for name in layer]
    for place, gap in enumerate(gaps, start=1):
        down[place] = max(down[place], down[place - 1] + gap)
    up = [wanted[name] for name in layer]
    for place in range(len(gaps) - 1, -1, -1):
        up[place] = min(up[place], up[place + 1] - gaps[place])
    return {name: (low + high) / 2 for name, low, high in zip(layer, down, up, strict=True)}
