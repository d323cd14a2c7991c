"""`crisplens incident`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.cli.text import day
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.monitors.incidents.queries import Incident

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
@click.option("--to", required=True, metavar="WHO", help="Who answers for it now.")
@click.option("--note", default="", help="What is to be said about it.")
@command(acts=True)
def assign(registry: Registry, incident: str, to: str, note: str) -> Output:
    """Give incident ID another owner."""
    one = registry.incident.assign(incident, to=to, note=note)
    return Output(one, f"{one.id} is owned by {one.owner}.")


@group.command()
@click.argument("incident", metavar="ID")
@click.option("--to", required=True, metavar="WHO", help="Who it goes to.")
@click.option("--reason", required=True, help="Why it is handed up.")
@command(acts=True)
def escalate(registry: Registry, incident: str, to: str, reason: str) -> Output:
    """Hand incident ID up."""
    one = registry.incident.escalate(incident, to=to, reason=reason)
    return Output(one, f"{one.id} is handed up to {one.escalations[-1].to}.")


@group.command()
@click.argument("incident", metavar="ID")
@click.argument("target")
@click.option("--note", default="", help="What is to be said about it.")
@command(acts=True)
def link(registry: Registry, incident: str, target: str, note: str) -> Output:
    """Say that incident ID belongs with TARGET: a trigger, an incident, a ticket's address, a cause in words."""
    one = registry.incident.link(incident, target, note=note)
    return Output(one, f"{one.id} belongs with {one.links[-1].target}.")


@group.command()
@click.argument("incident", metavar="ID")
@command()
def show(registry: Registry, incident: str) -> Output:
    """Show incident ID: what was found, who answers, and how long it took."""
    one = registry.incident.get(incident)
    return Output(one, lambda: _text(one))


@group.command()
@click.argument("incident", metavar="ID")
@click.option("--reason", help="What was done about it, or why nothing is to be. Required.")
@click.option("--note", hidden=True, help="The older name of --reason.")
@command(acts=True)
def resolve(registry: Registry, incident: str, reason: str | None, note: str | None) -> Output:
    """Close incident ID."""
    if reason is None and note is None:
        raise click.UsageError("Missing option '--reason'.")
    one = registry.incident.resolve(incident, reason=reason or "", note=note or "")
    return Output(one, f"{one.id} is resolved.")


def _text(one: Incident) -> str:
    lines = [f"{one.id}: {one.kind}, {one.state}. {one.summary}"]
    facts = [
        ("Monitor", f"{one.monitor}, of {one.model}, by {one.check_id}"),
        ("Owner", one.owner),
        ("Data since", _with_hours(one.since, one.hours_to_detect, "until it was opened")),
        ("Opened", day(one.recorded_at)),
        (
            "Taken on",
            _with_hours(one.acknowledged_at, one.hours_to_acknowledge, "after", one.acknowledged_by),
        ),
        ("Closed", _with_hours(one.closed_at, one.hours_to_recover, "after", one.closed_by)),
        ("Note", one.note),
        *(("Handed up", f"to {up.to} on {day(up.at)} by {up.by}: {up.reason}") for up in one.escalations),
        *(("Belongs with", f"{link.target}{f': {link.note}' if link.note else ''}") for link in one.links),
    ]
    return "\n".join([*lines, *(f"  {name:<13}{said}" for name, said in facts if said)])


def _with_hours(at: str | None, hours: float | None, words: str, by: str | None = None) -> str:
    if not at:
        return ""
    who = f" by {by}" if by else ""
    return f"{day(at)}{who}" + ("" if hours is None else f", {_duration(hours)} {words}")


def _duration(hours: float) -> str:
    """A time in hours; less than two of them in minutes."""
    if hours < 2:
        return count(round(hours * 60), "minute")
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"
