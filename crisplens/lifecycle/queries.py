"""Reads of checkpoints, approvals, cycles and what belongs to them."""

from __future__ import annotations

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crisplens.core.names import unknown_name
from crisplens.lifecycle.events import GateDemanded
from crisplens.lifecycle.model import (
    FIRST_CYCLE,
    ApprovalSignature,
    ControlAnswer,
    EvidenceLink,
    Signatures,
)
from crisplens.lifecycle.phases import list_phases
from crisplens.lifecycle.roles.queries import WithdrawableView
from crisplens.lifecycle.signatures import ApprovalStatement, signature_fault
from crisplens.lifecycle.tables import (
    ApprovalRequestRow,
    ApprovalRow,
    CheckpointRow,
    CycleEndRow,
    CycleRow,
    GateDemandRow,
    OverrideRow,
)
from crisplens.registry.keys.model import Keyring
from crisplens.registry.keys.queries import load_keyring
from crisplens.registry.model import GateDecision
from crisplens.registry.projects.queries import get_project
from crisplens.registry.views import View, find_view, views


class Checkpoint(View, frozen=True, kw_only=True):
    """A dated statement about one phase in one cycle; its author is `recorded_by`."""

    id: str
    phase: str
    cycle: int
    subject: str | None
    summary: str
    answers: tuple[ControlAnswer, ...]
    evidence: tuple[EvidenceLink, ...]
    links: tuple[str, ...]
    digest: str


class Approval(WithdrawableView, frozen=True, kw_only=True):
    """A decision on a checkpoint; who took it is `recorded_by`."""

    id: str
    checkpoint: str
    checkpoint_digest: str
    phase: str
    cycle: int
    decision: str
    reason: str
    basis: dict[str, int]
    signature: ApprovalSignature | None

    def statement(self, project: str, basis_digest: str) -> ApprovalStatement:
        """What the approver stated and, if it is signed, signed."""
        return ApprovalStatement(
            project=project,
            actor=self.recorded_by,
            checkpoint=self.checkpoint,
            checkpoint_digest=self.checkpoint_digest,
            phase=self.phase,
            cycle=self.cycle,
            decision=self.decision,
            reason=self.reason,
            basis=self.basis,
            basis_digest=basis_digest,
        )


class GateDemand(View, frozen=True, kw_only=True):
    """What a phase's gate demands of approvals beyond its rules."""

    phase: str
    signatures: str
    reason: str


class ApprovalRequest(WithdrawableView, frozen=True, kw_only=True):
    """A request to approve a checkpoint as it and what it rests on stood; who asked is `recorded_by`."""

    id: str
    checkpoint: str
    checkpoint_digest: str
    phase: str
    cycle: int
    subject: str | None
    basis: dict[str, int]
    approvers: tuple[str, ...]
    until: str | None
    note: str


class Override(View, frozen=True, kw_only=True):
    """A blocked gate that someone let be passed until the end of day `until`, and what the review of that found."""

    id: str
    phase: str
    cycle: int
    subject: str | None
    reason: str
    role: str
    until: str
    unmet: tuple[str, ...]
    outcome: str | None
    review_note: str | None
    reviewed_by: str | None
    reviewed_at: str | None


class CycleEnd(View, frozen=True, kw_only=True):
    """The end of a cycle, and what its gates said."""

    number: int
    note: str
    gates: tuple[GateDecision, ...]


class Cycle(View, frozen=True, kw_only=True):
    """A pass through the phases, from `from_phase` on."""

    number: int
    from_phase: str
    reason: str
    trigger: str | None


def list_cycles(session: Session, project: str) -> list[Cycle]:
    """The project's cycles; the first one opened with the project."""
    added = get_project(session, project)
    first = Cycle(
        number=FIRST_CYCLE,
        from_phase=list_phases()[0].id,
        reason="The project began.",
        trigger=None,
        recorded_by=added.recorded_by,
        recorded_at=added.recorded_at,
        seq=added.seq,
    )
    rows = session.scalars(select(CycleRow).filter_by(project=project).order_by(CycleRow.number))
    return [first, *views(rows, Cycle)]


def current_cycle(session: Session, project: str) -> int:
    """The number of the project's current cycle."""
    return session.scalar(select(func.max(CycleRow.number)).filter_by(project=project)) or FIRST_CYCLE


def list_checkpoints(session: Session, project: str, phase: str | None = None) -> list[Checkpoint]:
    """The project's checkpoints, or those of one phase, in the order of recording."""
    query = select(CheckpointRow).filter_by(project=project)
    if phase is not None:
        query = query.filter_by(phase=phase)
    return views(session.connection().execute(query.order_by(CheckpointRow.seq)), Checkpoint)


def list_approvals(session: Session, project: str) -> list[Approval]:
    """The project's decisions on checkpoints, in the order of recording."""
    query = select(ApprovalRow).filter_by(project=project).order_by(ApprovalRow.seq)
    return views(session.connection().execute(query), Approval)


def list_requests(session: Session, project: str) -> list[ApprovalRequest]:
    """The project's requests for approval, in the order of recording."""
    query = select(ApprovalRequestRow).filter_by(project=project).order_by(ApprovalRequestRow.seq)
    return views(session.connection().execute(query), ApprovalRequest)


def list_overrides(session: Session, project: str) -> list[Override]:
    """The project's overrides of gates, in the order of recording."""
    query = select(OverrideRow).filter_by(project=project).order_by(OverrideRow.seq)
    return views(session.connection().execute(query), Override)


def list_cycle_ends(session: Session, project: str) -> list[CycleEnd]:
    """The ends of the project's cycles, in their order."""
    query = select(CycleEndRow).filter_by(project=project).order_by(CycleEndRow.number)
    return views(session.connection().execute(query), CycleEnd)


def get_approval(session: Session, project: str, id: str) -> Approval:
    """One decision. Raises `InputError` with the nearest ids when there is none."""
    found = find_view(session, ApprovalRow, (project, id), Approval)
    if found is None:
        ids = [approval.id for approval in list_approvals(session, project)]
        raise unknown_name("approval", id, ids, none_yet="Nothing is decided yet.")
    return found


def list_gate_demands(session: Session, project: str) -> list[GateDemand]:
    """What the project's gates demand of approvals, by phase; phases of which nothing was said are not listed.

    A demand that was lifted without a log key's endorsement still stands.
    """
    query = select(GateDemandRow).filter_by(project=project).order_by(GateDemandRow.phase)
    rows = list(session.scalars(query))
    lifted = [row for row in rows if row.signatures != Signatures.REQUIRED]
    keyring = load_keyring(session) if lifted else Keyring()
    standing = {row.phase for row in lifted if _lift_fault(row, keyring)}
    return [
        msgspec.structs.replace(one, signatures=Signatures.REQUIRED.value) if one.phase in standing else one
        for one in views(rows, GateDemand)
    ]


def _lift_fault(row: GateDemandRow, keyring: Keyring) -> str:
    said = {"type": GateDemanded.TYPE, "phase": row.phase, "signatures": row.signatures, "reason": row.reason}
    return keyring.endorsement_fault(row.seq, row.project, said, row.endorsement)


def signature_faults(session: Session, project: str, approvals: list[Approval]) -> dict[str, str]:
    """What is wrong with the signatures of those approvals that are signed, by id; empty where one is right."""
    signed = [(one, one.signature) for one in approvals if one.signature]
    if not signed:
        return {}
    keyring = load_keyring(session)
    faults: dict[str, str] = {}
    first: dict[bytes, str] = {}
    for one, signature in signed:
        statement = one.statement(project, signature.basis_digest)
        fault = signature_fault(statement, signature, keyring, seq=one.seq)
        if not fault and (before := first.setdefault(statement.message(), one.id)) != one.id:
            fault = f"it is a copy of that of {before}"
        faults[one.id] = fault
    return faults
