"""What the gates say of a project now."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.lifecycle.gates import check_gate
from crisplens.lifecycle.model import GateResult
from crisplens.lifecycle.phases import get_phase, list_phases
from crisplens.lifecycle.record import load_record
from crisplens.registry.model import VersionRef
from crisplens.registry.models.queries import get_model_version


def query_gate(
    session: Session, project: str, phase: str, *, model: str | VersionRef | None = None
) -> GateResult:
    """What the gate of `phase` says now: of `model` in any cycle, or of the newest version in this one.

    Raises `InputError` for an unknown phase or model version.
    """
    chosen = get_phase(phase)
    subject = get_model_version(session, project, model) if model else None
    return check_gate(load_record(session, project), chosen.id, subject=subject)


def list_gates(session: Session, project: str) -> list[GateResult]:
    """What every phase's gate says now, in the order of the phases."""
    record = load_record(session, project)
    return [check_gate(record, phase.id) for phase in list_phases()]
