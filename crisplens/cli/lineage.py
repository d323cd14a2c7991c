"""`crisplens lineage`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.registry.lineage.model import Graph


@click.group()
def group() -> None:
    """What was derived from what, by which run."""


@group.command()
@click.argument("name")
@command()
def show(registry: Registry, name: str) -> Output:
    """Show what NAME came from and what came from it.

    NAME is a dataset or model version such as churn-gbm@1, a run, a data source, an evaluation or a
    deployment.
    """
    graph = registry.lineage.show(name)
    return Output(graph, _text(graph))


def _text(graph: Graph) -> str:
    named = {node.id: node for node in graph.nodes}
    lines = []
    for node in graph.nodes:
        lines.append(f"{node.kind:<16} {node.name}" + (f"  ({node.detail})" if node.detail else ""))
        lines += [
            f"    {edge.relation} {named[edge.target].kind} {named[edge.target].name}"
            for edge in graph.edges
            if edge.source == node.id
        ]
    return "\n".join(lines)
