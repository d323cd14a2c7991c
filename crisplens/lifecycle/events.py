"""Events of checkpoints, approvals and cycles."""

from __future__ import annotations

from crisplens.ledger.model import Event, event_type
from crisplens.lifecycle.model import ControlAnswer, Decision, EvidenceLink


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


@event_type("approval.decided")
class ApprovalDecided(Event, frozen=True, kw_only=True):
    """Someone other than the author decided on a checkpoint, on exactly this content and basis."""

    id: str
    checkpoint: str
    checkpoint_digest: str
    phase: str
    cycle: int
    decision: Decision
    reason: str
    basis: dict[str, int]


@event_type("cycle.opened")
class CycleOpened(Event, frozen=True, kw_only=True):
    """Another pass through the phases began at `from_phase`; earlier phases keep their checkpoints."""

    number: int
    from_phase: str
    reason: str
    trigger: str | None
