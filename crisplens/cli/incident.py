"""`crisplens incident`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = "There is no incident."


@click.group()
def group() -> None:
    """Incidents: what monitors found and who answers."""


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's incidents."""
    incidents = registry.incident.list()
    rows = [
        (one.id, one.state, one.kind, one.monitor, one.summary, one.acknowledged_by, day(one.recorded_at))
        for one in incidents
    ]
    columns = ("Incident", "State", "Kind", "Monitor", "Summary", "Taken on by", "Opened")
    return Output.table(incidents, columns, rows, empty=NONE_YET)


@group.command()
@click.argument("incident", metavar="ID")
@click.option("--note", default="", help="What is to be said about it.")
@command(acts=True)
def acknowledge(registry: Registry, incident: str, note: str) -> Output:
    """Take on incident ID."""
    one = registry.incident.acknowledge(incident, note=note)
    return Output(one, f"{one.id} is taken on by {one.acknowledged_by}.")


@group.command()
@click.argument("incident", metavar="ID")
@click.option("--note", required=True, help="What was done about it.")
@command(acts=True)
def resolve(registry: Registry, incident: str, note: str) -> Output:
    """Close incident ID."""
    one = registry.incident.resolve(incident, note=note)
    return Output(one, f"{one.id} is resolved.")
