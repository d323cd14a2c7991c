"""`crisplens phase`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import showing
from crisplens.cli.output import Output

if TYPE_CHECKING:
    from crisplens.lifecycle.phases import Phase


@click.group()
def group() -> None:
    """The ten phases and their controls."""


@group.command("list")
@showing
def list_() -> Output:
    """List the phases in their order, with their places in CRISP-DM and the ML Lens."""
    from crisplens.lifecycle.phases import list_phases

    phases = list_phases()
    rows = [
        (one.id, one.title, ", ".join(one.crisp_dm), one.lens_phase, len(one.practices)) for one in phases
    ]
    return Output.table(phases, ("Phase", "Title", "CRISP-DM 1.0", "ML Lens", "Controls"), rows)


@group.command()
@click.argument("phase")
@showing
def show(phase: str) -> Output:
    """Show one PHASE with its controls and the rules of its gate."""
    from crisplens.lifecycle.phases import get_phase

    found = get_phase(phase)
    return Output(found, _text(found))


def _text(phase: Phase) -> str:
    from crisplens.lifecycle.rules import PHASE_RULES

    lines = [phase.title, phase.description, "", "Its controls:"]
    lines += [f"  {control.id:<6} {control.title}" for control in phase.practices]
    lines += ["", "Its gate asks:", *(f"  {rule.title}" for rule in PHASE_RULES[phase.id])]
    return "\n".join(lines + ([f"\nNote: {phase.note}"] if phase.note else []))
