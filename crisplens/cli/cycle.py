"""`crisplens cycle`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry


@click.group()
def group() -> None:
    """Cycles: passes through the phases."""


@group.command("open")
@click.option(
    "--from-phase",
    default="data-collection",
    show_default=True,
    help="Where it begins; earlier phases keep their checkpoints.",
)
@click.option("--trigger", metavar="ID", help="The trigger that asked for it.")
@click.option("--reason", default="", help="Why; else the trigger's reason.")
@command(acts=True)
def open_(registry: Registry, from_phase: str, trigger: str | None, reason: str) -> Output:
    """Begin another pass through the phases."""
    cycle = registry.cycle.open(from_phase=from_phase, reason=reason, trigger=trigger)
    return Output(cycle, f"Cycle {cycle.number} begins at {cycle.from_phase}: {cycle.reason}")


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's cycles."""
    cycles = registry.cycle.list()
    rows = [
        (one.number, one.from_phase, one.trigger, one.reason, one.recorded_by, day(one.recorded_at))
        for one in cycles
    ]
    return Output.table(cycles, ("Cycle", "From", "Trigger", "Reason", "By", "Opened"), rows)
