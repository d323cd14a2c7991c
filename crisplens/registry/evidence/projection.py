"""How evidence events change the tables."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row, update_row
from crisplens.registry.evidence.events import (
    EvidenceAdded,
    EvidenceFailed,
    EvidenceRedacted,
    EvidenceRestored,
)
from crisplens.registry.evidence.tables import EvidenceRow


@applies(EvidenceAdded)
def apply_evidence_added(session: Session, recorded: Recorded, event: EvidenceAdded) -> None:
    """A new evidence file."""
    insert_row(session, EvidenceRow, recorded)


@applies(EvidenceRedacted)
def apply_evidence_redacted(session: Session, recorded: Recorded, event: EvidenceRedacted) -> None:
    """Why, by whom and when its content was redacted."""
    values = {"redacted_reason": event.reason, "redacted_by": recorded.actor, "redacted_at": recorded.at}
    update_row(session, EvidenceRow, recorded, {"digest": event.digest}, **values)


@applies(EvidenceFailed)
def apply_evidence_failed(session: Session, recorded: Recorded, event: EvidenceFailed) -> None:
    """What is wrong with its content, and since when."""
    key = {"digest": event.digest}
    update_row(session, EvidenceRow, recorded, key, fault=event.fault, fault_seq=recorded.seq)


@applies(EvidenceRestored)
def apply_evidence_restored(session: Session, recorded: Recorded, event: EvidenceRestored) -> None:
    """Nothing is wrong with it any more."""
    update_row(session, EvidenceRow, recorded, {"digest": event.digest}, fault=None, fault_seq=None)
