"""How evidence events change the tables."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row
from crisplens.registry.evidence.events import EvidenceAdded, EvidenceRedacted
from crisplens.registry.evidence.tables import EvidenceRow


@applies(EvidenceAdded)
def apply_evidence_added(session: Session, recorded: Recorded, event: EvidenceAdded) -> None:
    """A new evidence file."""
    insert_row(session, EvidenceRow, recorded)


@applies(EvidenceRedacted)
def apply_evidence_redacted(session: Session, recorded: Recorded, event: EvidenceRedacted) -> None:
    """Why, by whom and when its content was redacted."""
    statement = (
        update(EvidenceRow)
        .where(EvidenceRow.project == recorded.project, EvidenceRow.digest == event.digest)
        .values(redacted_reason=event.reason, redacted_by=recorded.actor, redacted_at=recorded.at)
    )
    session.execute(statement.execution_options(synchronize_session=False))
