"""`crisplens deployment`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command, many
from crisplens.cli.output import Output
from crisplens.cli.parsing import variants as parse_variants
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.registry.deployments.queries import Deployment

NONE_YET = "Nothing serves yet: crisplens deployment record MODEL@VERSION --environment NAME --kind batch"


@click.group()
def group() -> None:
    """Deployments: what serves where."""


@group.command()
@click.argument("model", metavar="MODEL@VERSION")
@click.option("--environment", required=True, help="Where it serves; `production` asks the gate.")
@click.option("--kind", required=True, help="How: batch or real-time.")
@many(
    "--variant",
    "variants",
    metavar="NAME=MODEL@VERSION:PERCENT",
    help="Another version, and its share of the traffic.",
)
@click.option("--note", default="", help="What is to be said about it.")
@command(acts=True)
def record(
    registry: Registry, model: str, environment: str, kind: str, variants: tuple[str, ...], note: str
) -> Output:
    """Record that MODEL@VERSION went into service; to production only through its open evaluation gate."""
    deployed = registry.deployment.record(
        model, environment=environment, kind=kind, variants=parse_variants(variants), note=note
    )
    return Output(deployed, f"{deployed.id}: {_served(deployed)} in {deployed.environment}, {deployed.kind}.")


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's deployments."""
    deployments = registry.deployment.list()
    rows = [
        (one.id, one.environment, one.kind, _served(one), one.recorded_by, day(one.recorded_at))
        for one in deployments
    ]
    columns = ("Deployment", "Environment", "Kind", "Serves", "By", "Recorded")
    return Output.table(deployments, columns, rows, empty=NONE_YET)


def _served(deployed: Deployment) -> str:
    return ", ".join(f"{one.model} {one.traffic} %" for one in deployed.variants)
