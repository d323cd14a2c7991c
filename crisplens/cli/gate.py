"""`crisplens gate`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output, mark
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.lifecycle.model import ApprovalStanding, Cause, GateResult


@click.group()
def group() -> None:
    """Gates: whether a phase is in order, and what is missing."""


@group.command()
@click.argument("phase")
@click.option(
    "--model", metavar="MODEL@VERSION", help="Ask about this version; else the newest one in this cycle."
)
@command()
def check(registry: Registry, phase: str, model: str | None) -> Output:
    """Ask every rule of PHASE. Exits 0 when the gate is open, 1 when it is blocked."""
    gate = registry.gate.check(phase, model=model)
    return Output(gate, _text(gate), exit_code=0 if gate.open else 1)


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """Show the gates of all phases."""
    gates = registry.gate.list()
    rows = [
        (
            gate.phase,
            _state(gate),
            f"{len(gate.rules) - len(gate.unmet)} of {len(gate.rules)}",
            "; ".join(rule.title for rule in gate.unmet),
        )
        for gate in gates
    ]
    return Output.table(gates, ("Phase", "Gate", "Rules met", "Missing"), rows)


@group.command()
@click.argument("phase")
@click.argument("signatures")
@click.option("--reason", required=True, help="Why.")
@command(acts=True)
def demand(registry: Registry, phase: str, signatures: str, reason: str) -> Output:
    """Say whether PHASE's gate takes signed approvals only: SIGNATURES is required or optional.

    To make them optional again takes the log's signing key.
    """
    demanded = registry.gate.demand(phase, signatures, reason=reason)
    return Output(
        demanded, f"Signatures on {demanded.phase} are {demanded.signatures} from event {demanded.seq} on."
    )


@group.command()
@command()
def demands(registry: Registry) -> Output:
    """List what gates demand of approvals; phases that are not listed take unsigned ones too."""
    stated = registry.gate.demands()
    rows = [(one.phase, one.signatures, one.reason, one.recorded_by, day(one.recorded_at)) for one in stated]
    columns = ("Phase", "Signatures", "Reason", "By", "Stated")
    return Output.table(stated, columns, rows, empty="Every gate takes unsigned approvals.")


def cause_lines(causes: Iterable[Cause], *, indent: int) -> list[str]:
    """What made an approval stale, a line each: from what changed through the lineage to the checkpoint."""
    return [f"{' ' * indent}{' -> '.join(one.path)} (event {one.seq})" for one in causes]


def _state(gate: GateResult) -> str:
    if gate.open:
        return "open"
    return f"blocked ({gate.override})" if gate.override else "blocked"


def _text(gate: GateResult) -> str:
    about = f" for {gate.subject}" if gate.subject else ""
    state = "open" if gate.open else f"blocked, {len(gate.unmet)} of {len(gate.rules)} rules unmet"
    lines = [f"The {gate.phase} gate{about} is {state} (cycle {gate.cycle}, policy {gate.policy})."]
    for rule in gate.rules:
        lines.append(f"  {mark(rule.met)}  {rule.title}: {rule.found}")
        if rule.remedy:
            lines.append(f"        to meet it: {rule.remedy}")
    if gate.approvals:
        lines.append(f"Decisions on {gate.checkpoint}:")
    for one in gate.approvals:
        lines += [_standing(one), *cause_lines(one.causes, indent=8)]
    if gate.override:
        lines.append(
            f"{gate.override} is in force: what asks this gate may pass. See `crisplens override list`."
        )
    return "\n".join(lines)


def _standing(one: ApprovalStanding) -> str:
    reason = one.reason.removeprefix(f"{one.state}: ")
    # What was taken back or replaced speaks neither for nor against.
    counts = "--" if one.state in ("superseded", "withdrawn") else mark(one.state == "stands")
    return f"  {counts}  {one.approval} by {one.by}: {one.state}: {reason}"
