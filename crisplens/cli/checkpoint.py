"""`crisplens checkpoint`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command, many
from crisplens.cli.output import Output
from crisplens.cli.parsing import answers
from crisplens.cli.text import day
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = "There is no checkpoint yet: crisplens checkpoint record PHASE"


@click.group()
def group() -> None:
    """Checkpoints: dated statements about a phase."""


@group.command()
@click.argument("phase")
@many(
    "--control",
    "controls",
    metavar="ID=ANSWER:REASON",
    help="A control's answer: met, partial, not-met or not-applicable, and why.",
)
@many(
    "--evidence",
    metavar="[KIND=]FILE",
    help="A file to keep as evidence, of the kind that a policy asks for: test-report=report.html.",
)
@many("--link", "links", metavar="NAME", help="A recorded thing it is about, such as customers@1.")
@click.option("--summary", default="", help="What is to be said of the phase as a whole.")
@click.option(
    "--model",
    metavar="MODEL@VERSION",
    help="The version it is about (training, evaluation); else the newest.",
)
@command(acts=True)
def record(
    registry: Registry,
    phase: str,
    controls: tuple[str, ...],
    evidence: tuple[str, ...],
    links: tuple[str, ...],
    summary: str,
    model: str | None,
) -> Output:
    """Record where PHASE stands. `crisplens phase show PHASE` lists its controls."""
    checkpoint = registry.checkpoint.record(
        phase, controls=answers(controls), evidence=evidence, links=links, summary=summary, model=model
    )
    said = f"{count(len(checkpoint.answers), 'control')}, {count(len(checkpoint.evidence), 'evidence file')}"
    text = f"{checkpoint.id} on {checkpoint.phase}, cycle {checkpoint.cycle}: {said}."
    return Output(checkpoint, f"{text}\nNext: crisplens gate check {checkpoint.phase}")


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's checkpoints."""
    checkpoints = registry.checkpoint.list()
    rows = [
        (
            one.id,
            one.phase,
            one.cycle,
            one.subject,
            len(one.answers),
            len(one.evidence),
            one.recorded_by,
            day(one.recorded_at),
        )
        for one in checkpoints
    ]
    columns = ("Checkpoint", "Phase", "Cycle", "About", "Controls", "Evidence", "By", "Recorded")
    return Output.table(checkpoints, columns, rows, empty=NONE_YET)
