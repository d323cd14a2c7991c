"""`crisplens trigger`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = "There is no trigger."


@click.group()
def group() -> None:
    """Triggers: requests to retrain a model."""


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's triggers."""
    triggers = registry.trigger.list()
    rows = [
        (one.id, one.state, one.model, one.incident, one.resolved_by, one.reason, day(one.recorded_at))
        for one in triggers
    ]
    columns = ("Trigger", "State", "Model", "Incident", "Resolved by", "Reason", "Raised")
    return Output.table(triggers, columns, rows, empty=NONE_YET)


@group.command()
@click.argument("trigger", metavar="ID")
@command()
def show(registry: Registry, trigger: str) -> Output:
    """Show trigger ID: what asks for retraining, and what became of it."""
    one = registry.trigger.get(trigger)
    taken = (
        f", taken on by {one.acknowledged_by} on {day(one.acknowledged_at)}" if one.acknowledged_at else ""
    )
    closed = f", closed by {one.closed_by} on {day(one.closed_at)}" if one.closed_at else ""
    answer = f" with {one.resolved_by}" if one.resolved_by else ""
    lines = [
        f"{one.id} is {one.state}: {one.model} is to be retrained, because of {one.incident}.",
        one.reason,
        f"Raised on {day(one.recorded_at)}{taken}{closed}{answer}.",
    ]
    return Output(one, "\n".join(lines))


@group.command("raise")
@click.option("--incident", required=True, metavar="ID", help="The incident that asks for it.")
@click.option("--reason", default="", help="Why the model is to be retrained; else what was found.")
@command(acts=True)
def raise_(registry: Registry, incident: str, reason: str) -> Output:
    """Ask for the model of an open incident to be retrained."""
    one = registry.trigger.raise_(incident=incident, reason=reason)
    return Output(one, f"{one.id} asks for {one.model} to be retrained.")


@group.command()
@click.argument("trigger", metavar="ID")
@click.option("--note", default="", help="What is to be said about it.")
@command(acts=True)
def acknowledge(registry: Registry, trigger: str, note: str) -> Output:
    """Take on the retraining that trigger ID asks for."""
    one = registry.trigger.acknowledge(trigger, note=note)
    return Output(one, f"{one.id} is taken on by {one.acknowledged_by}.")


@group.command()
@click.argument("trigger", metavar="ID")
@click.option("--model", required=True, metavar="MODEL@VERSION", help="The approved version that answers it.")
@click.option("--note", default="", help="What is to be said about it.")
@command(acts=True)
def resolve(registry: Registry, trigger: str, model: str, note: str) -> Output:
    """Close trigger ID, and its incident, with a newer version whose evaluation gate is open."""
    one = registry.trigger.resolve(trigger, model=model, note=note)
    return Output(one, f"{one.id} is resolved by {one.resolved_by}; {one.incident} is resolved with it.")


@group.command()
@click.argument("trigger", metavar="ID")
@click.option("--reason", required=True, help="Why no retraining is needed.")
@command(acts=True)
def dismiss(registry: Registry, trigger: str, reason: str) -> Output:
    """Close trigger ID, and its incident, without retraining."""
    one = registry.trigger.dismiss(trigger, reason=reason)
    return Output(one, f"{one.id} is dismissed; {one.incident} is resolved with it.")
