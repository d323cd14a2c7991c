"""`crisplens gate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output, mark
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.lifecycle.model import GateResult


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
            "open" if gate.open else "blocked",
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


def _text(gate: GateResult) -> str:
    about = f" for {gate.subject}" if gate.subject else ""
    state = "open" if gate.open else f"blocked, {len(gate.unmet)} of {len(gate.rules)} rules unmet"
    lines = [f"The {gate.phase} gate{about} is {state} (cycle {gate.cycle})."]
    for rule in gate.rules:
        lines.append(f"  {mark(rule.met)}  {rule.title}: {rule.found}")
        if rule.remedy:
            lines.append(f"        to meet it: {rule.remedy}")
    return "\n".join(lines)
