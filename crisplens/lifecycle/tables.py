"""Tables of checkpoints, approvals and cycles."""

from __future__ import annotations

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.columns import JsonText
from crisplens.core.database import Base
from crisplens.ledger.tables import Traced
from crisplens.lifecycle.model import ApprovalSignature, ControlAnswer, EvidenceLink
from crisplens.lifecycle.roles.tables import Withdrawable
from crisplens.registry.keys.model import Endorsement
from crisplens.registry.model import GateDecision


class CheckpointRow(Traced, Base):
    """One checkpoint."""

    __tablename__ = "checkpoint"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    phase: Mapped[str] = mapped_column(Text)
    cycle: Mapped[int]
    subject: Mapped[str | None] = mapped_column(Text)
    summary: Mapped[str] = mapped_column(Text)
    answers: Mapped[tuple[ControlAnswer, ...]] = mapped_column(JsonText(tuple[ControlAnswer, ...]))
    evidence: Mapped[tuple[EvidenceLink, ...]] = mapped_column(JsonText(tuple[EvidenceLink, ...]))
    links: Mapped[tuple[str, ...]] = mapped_column(JsonText(tuple[str, ...]))
    digest: Mapped[str] = mapped_column(Text)


class ApprovalRow(Withdrawable, Base):
    """One decision on a checkpoint."""

    __tablename__ = "approval"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    checkpoint: Mapped[str] = mapped_column(Text)
    checkpoint_digest: Mapped[str] = mapped_column(Text)
    phase: Mapped[str] = mapped_column(Text)
    cycle: Mapped[int]
    decision: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    basis: Mapped[dict[str, int]] = mapped_column(JsonText(dict[str, int]))
    signature: Mapped[ApprovalSignature | None] = mapped_column(JsonText(ApprovalSignature))


class GateDemandRow(Traced, Base):
    """What a phase's gate demands of approvals, as last stated."""

    __tablename__ = "gate_demand"

    phase: Mapped[str] = mapped_column(Text, primary_key=True)
    signatures: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    endorsement: Mapped[Endorsement | None] = mapped_column(JsonText(Endorsement))


class CycleRow(Traced, Base):
    """One cycle after the first, which opens with the project."""

    __tablename__ = "cycle"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    from_phase: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    trigger: Mapped[str | None] = mapped_column(Text)


class ApprovalRequestRow(Withdrawable, Base):
    """One request to approve a checkpoint."""

    __tablename__ = "approval_request"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    checkpoint: Mapped[str] = mapped_column(Text)
    checkpoint_digest: Mapped[str] = mapped_column(Text)
    phase: Mapped[str] = mapped_column(Text)
    cycle: Mapped[int]
    subject: Mapped[str | None] = mapped_column(Text)
    basis: Mapped[dict[str, int]] = mapped_column(JsonText(dict[str, int]))
    approvers: Mapped[tuple[str, ...]] = mapped_column(JsonText(tuple[str, ...]))
    until: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)


class OverrideRow(Traced, Base):
    """One override of a gate, and its review."""

    __tablename__ = "gate_override"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    phase: Mapped[str] = mapped_column(Text)
    cycle: Mapped[int]
    subject: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    until: Mapped[str] = mapped_column(Text)
    unmet: Mapped[tuple[str, ...]] = mapped_column(JsonText(tuple[str, ...]))
    outcome: Mapped[str | None] = mapped_column(Text)
    review_note: Mapped[str | None] = mapped_column(Text)
    reviewed_by: Mapped[str | None] = mapped_column(Text)
    reviewed_at: Mapped[str | None] = mapped_column(Text)


class CycleEndRow(Traced, Base):
    """The end of one cycle, which may be the first."""

    __tablename__ = "cycle_end"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)
    gates: Mapped[tuple[GateDecision, ...]] = mapped_column(JsonText(tuple[GateDecision, ...]))
