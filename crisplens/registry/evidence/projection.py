"""How evidence events change the tables."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row
from crisplens.registry.evidence.events import EvidenceAdded
from crisplens.registry.evidence.tables import EvidenceRow


@applies(EvidenceAdded)
def apply_evidence_added(session: Session, recorded: Recorded, event: EvidenceAdded) -> None:
    """A new evidence file."""
    insert_row(session, EvidenceRow, recorded)
