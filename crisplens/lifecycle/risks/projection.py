"""How risk events change the table."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import and_, case
from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row, update_row
from crisplens.lifecycle.risks.events import RiskClosed, RiskRecorded, RiskReviewed, RiskUpdated
from crisplens.lifecycle.risks.model import RiskState
from crisplens.lifecycle.risks.tables import RiskRow


@applies(RiskRecorded)
def apply_risk_recorded(session: Session, recorded: Recorded, event: RiskRecorded) -> None:
    """A new risk."""
    insert_row(session, RiskRow, recorded, state=RiskState.OPEN, changed_seq=recorded.seq)


@applies(RiskUpdated)
def apply_risk_updated(session: Session, recorded: Recorded, event: RiskUpdated) -> None:
    """The risk as it is stated now."""
    _set(session, recorded, changed_seq=recorded.seq, **msgspec.structs.asdict(event))


@applies(RiskReviewed)
def apply_risk_reviewed(session: Session, recorded: Recorded, event: RiskReviewed) -> None:
    """The risk as its review found it."""
    same = and_(RiskRow.likelihood == event.likelihood, RiskRow.impact == event.impact)
    _set(
        session,
        recorded,
        id=event.id,
        changed_seq=case((same, RiskRow.changed_seq), else_=recorded.seq),
        likelihood=event.likelihood,
        impact=event.impact,
        review_by=event.review_by,
        reviewed_by=recorded.actor,
        reviewed_at=recorded.at,
        review_note=event.note,
    )


@applies(RiskClosed)
def apply_risk_closed(session: Session, recorded: Recorded, event: RiskClosed) -> None:
    """The risk is closed."""
    closed = {"closed_by": recorded.actor, "closed_at": recorded.at, "close_reason": event.reason}
    _set(session, recorded, id=event.id, state=RiskState.CLOSED, changed_seq=recorded.seq, **closed)


def _set(session: Session, recorded: Recorded, *, id: str, **values: Any) -> None:
    update_row(session, RiskRow, recorded, {"id": id}, **values)
