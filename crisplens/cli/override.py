"""`crisplens override`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.lifecycle.queries import Override

NONE_YET = "No gate was overridden."


@click.group()
def group() -> None:
    """Overrides: blocked gates that were passed in an emergency, and their review."""


@group.command()
@click.argument("phase")
@click.option("--reason", required=True, help="What the emergency is.")
@click.option("--role", required=True, help="The role by which you may; the policy says which.")
@click.option("--until", required=True, metavar="DAY", help="The last day it is in force: 2026-03-01.")
@click.option(
    "--model", metavar="MODEL@VERSION", help="The version whose gate is meant; else the newest in this cycle."
)
@command(acts=True)
def grant(registry: Registry, phase: str, reason: str, role: str, until: str, model: str | None) -> Output:
    """Let what asks PHASE's blocked gate pass for some days, and say why.

    It shows in every report, and someone else has to review it.
    """
    made = registry.override.grant(phase, reason=reason, role=role, until=until, model=model)
    lines = [
        f"{made.id}: what asks the {_gate(made)} gate may pass until {made.until}, although",
        *(f"  - {rule}" for rule in made.unmet),
        f"Someone else reviews it: crisplens override review {made.id} --outcome justified --note NOTE",
    ]
    return Output(made, "\n".join(lines))


@group.command()
@click.argument("override", metavar="ID")
@click.option("--outcome", required=True, help="justified, or not-justified: then nothing passes any more.")
@click.option("--note", required=True, help="What the review found.")
@command(acts=True)
def review(registry: Registry, override: str, outcome: str, note: str) -> Output:
    """Say whether someone else's override ID was justified."""
    one = registry.override.review(override, outcome=outcome, note=note)
    return Output(one, f"{one.id} of {_gate(one)} is reviewed by {one.reviewed_by}: {one.outcome}.")


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's overrides of gates, and what their reviews found."""
    overrides = registry.override.list()
    rows = [
        (
            one.id,
            one.phase,
            one.subject,
            one.until,
            one.reason,
            f"{one.recorded_by} ({one.role})",
            day(one.recorded_at),
            f"{one.outcome} ({one.reviewed_by}): {one.review_note}" if one.outcome else "not reviewed",
        )
        for one in overrides
    ]
    columns = ("Override", "Phase", "About", "Until", "Reason", "By", "Granted", "Review")
    return Output.table(overrides, columns, rows, empty=NONE_YET)


def _gate(override: Override) -> str:
    return override.phase + (f" ({override.subject})" if override.subject else "")
