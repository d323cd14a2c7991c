"""`crisplens approval`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = "Nothing is decided yet: crisplens approval grant PHASE"


@click.group()
def group() -> None:
    """Approvals: decisions on checkpoints by someone else."""


@group.command()
@click.argument("phase")
@click.option("--reason", default="", help="Why, if there is something to say.")
@click.option(
    "--model", metavar="MODEL@VERSION", help="The version whose checkpoint is meant; else the newest."
)
@command(acts=True)
def grant(registry: Registry, phase: str, reason: str, model: str | None) -> Output:
    """Approve PHASE's checkpoint, exactly as it and what it rests on stand now.

    The author of a checkpoint cannot; the gate's other rules must be met.
    """
    approval = registry.approval.grant(phase, reason=reason, model=model)
    what = f"{approval.checkpoint} ({approval.phase}, {approval.checkpoint_digest[:19]}…)"
    return Output(approval, f"{approval.id}: {approval.recorded_by} approved {what}.")


@group.command()
@click.argument("phase")
@click.option("--reason", required=True, help="Why.")
@click.option(
    "--model", metavar="MODEL@VERSION", help="The version whose checkpoint is meant; else the newest."
)
@command(acts=True)
def reject(registry: Registry, phase: str, reason: str, model: str | None) -> Output:
    """Refuse to approve PHASE's checkpoint, and say why."""
    approval = registry.approval.reject(phase, reason=reason, model=model)
    what = f"{approval.checkpoint} ({approval.phase})"
    return Output(approval, f"{approval.id}: {approval.recorded_by} rejected {what}.")


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's decisions on checkpoints."""
    approvals = registry.approval.list()
    rows = [
        (
            one.id,
            one.decision,
            one.checkpoint,
            one.phase,
            one.cycle,
            one.recorded_by,
            one.reason,
            day(one.recorded_at),
        )
        for one in approvals
    ]
    columns = ("Approval", "Decision", "Checkpoint", "Phase", "Cycle", "By", "Reason", "Decided")
    return Output.table(approvals, columns, rows, empty=NONE_YET)
