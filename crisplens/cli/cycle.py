"""`crisplens cycle`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.cli.text import day
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.lifecycle.cycles import CycleStory, PhaseOfCycle


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


@group.command()
@click.option("--note", default="", help="What is to be said of it.")
@command(acts=True)
def close(registry: Registry, note: str) -> Output:
    """Bring the current cycle to its end, through the gates that the policy puts there."""
    story = registry.cycle.close(note=note)
    return Output(story, f"Cycle {story.number} is closed.\n{_text(story)}")


@group.command()
@command()
def history(registry: Registry) -> Output:
    """Show each cycle: why it was opened, what it changed, how long its phases took, how it ended."""
    stories = registry.cycle.history()
    return Output(stories, lambda: "\n\n".join(map(_text, stories)))


def _text(story: CycleStory) -> str:
    trigger = f" ({story.trigger})" if story.trigger else ""
    lines = [
        f"Cycle {story.number}, {story.state}",
        f"  Opened    {day(story.opened_at)} by {story.opened_by}, from {story.from_phase}: {story.reason}{trigger}",
    ]
    if story.closed_by:
        note = f": {story.note}" if story.note else ""
        lines.append(f"  Closed    {day(story.ended_at)} by {story.closed_by}{note}")
    elif story.ended_at:
        lines.append(f"  Ended     {day(story.ended_at)}, when the next one was opened")
    lines += [f"  Changed   {', '.join(story.changes)}"] if story.changes else []
    kept = [one.phase for one in story.phases if one.inherited]
    lines += [f"  Kept      {', '.join(kept)}"] if kept else []
    worked = [one for one in story.phases if one.checkpoints]
    lines += ["  Phases"] if worked else []
    return "\n".join([*lines, *map(_phase, worked)])


def _phase(one: PhaseOfCycle) -> str:
    took = f"approved {day(one.approved_at)}, {one.days:g} days" if one.days is not None else "not approved"
    checkpoints = count(one.checkpoints, "checkpoint")
    return f"    {one.phase:<19}  {checkpoints} from {day(one.started_at)}, {took}"
