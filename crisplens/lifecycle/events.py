"""Events of checkpoints, approvals and cycles."""

from __future__ import annotations

from crisplens.ledger.model import Event, Payload, event_type, upcasts
from crisplens.lifecycle.model import (
    ApprovalSignature,
    ControlAnswer,
    Decision,
    EvidenceLink,
    OverrideOutcome,
    Signatures,
)
from crisplens.lifecycle.roles.model import Role
from crisplens.registry.keys.model import Endorsement
from crisplens.registry.model import GateDecision


@event_type("checkpoint.recorded")
class CheckpointRecorded(Event, frozen=True, kw_only=True):
    """A dated statement about one phase in one cycle. `links` name entities of the registry.

    `digest` is `sha256:<hex>` of the canonical JSON of the other fields.
    """

    id: str
    phase: str
    cycle: int
    subject: str | None
    summary: str
    answers: tuple[ControlAnswer, ...]
    evidence: tuple[EvidenceLink, ...]
    links: tuple[str, ...]
    digest: str


@event_type("approval.decided", version=2)
class ApprovalDecided(Event, frozen=True, kw_only=True):
    """Someone other than the author decided on a checkpoint, on exactly this content and basis.

    `signature` is that of the approver's own key, if it was signed.
    """

    id: str
    checkpoint: str
    checkpoint_digest: str
    phase: str
    cycle: int
    decision: Decision
    reason: str
    basis: dict[str, int]
    signature: ApprovalSignature | None


@upcasts("approval.decided", 1)
def approval_decided_1(payload: Payload) -> Payload:
    """Approvals of version 1 could not be signed."""
    return {**payload, "signature": None}


@event_type("approval.requested")
class ApprovalRequested(Event, frozen=True, kw_only=True):
    """Someone asked for a checkpoint to be approved, exactly as it and what it rests on stood.

    `approvers` are those who were asked (nobody in particular when empty), `until` is the last day to answer.
    """

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


@event_type("approval.withdrawn")
class ApprovalWithdrawn(Event, frozen=True, kw_only=True):
    """A decision, or a request for one, was taken back by who made it."""

    id: str
    reason: str


@event_type("gate.overridden")
class GateOverridden(Event, frozen=True, kw_only=True):
    """In an emergency, someone in a `role` let a blocked gate be passed until the end of a day.

    `unmet` is what the gate said then.
    """

    id: str
    phase: str
    cycle: int
    subject: str | None
    reason: str
    role: Role
    until: str
    unmet: tuple[str, ...]


@event_type("gate.override-reviewed")
class OverrideReviewed(Event, frozen=True, kw_only=True):
    """Someone else looked at an override and said whether it was justified."""

    id: str
    outcome: OverrideOutcome
    note: str


@event_type("gate.demanded")
class GateDemanded(Event, frozen=True, kw_only=True):
    """From here on a phase's gate takes only signed approvals, or unsigned ones too; the latter is endorsed."""

    phase: str
    signatures: Signatures
    reason: str
    endorsement: Endorsement | None


@event_type("cycle.opened")
class CycleOpened(Event, frozen=True, kw_only=True):
    """Another pass through the phases began at `from_phase`; earlier phases keep their checkpoints."""

    number: int
    from_phase: str
    reason: str
    trigger: str | None


@event_type("cycle.closed")
class CycleClosed(Event, frozen=True, kw_only=True):
    """A cycle came to its end, through the gates that its policy asks for."""

    number: int
    note: str
    gates: tuple[GateDecision, ...]
