"""How checkpoint, approval and cycle events change the tables."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row, replace_row, update_row
from crisplens.lifecycle.events import (
    ApprovalDecided,
    ApprovalRequested,
    ApprovalWithdrawn,
    CheckpointRecorded,
    CycleClosed,
    CycleOpened,
    GateDemanded,
    GateOverridden,
    OverrideReviewed,
)
from crisplens.lifecycle.roles.projection import withdraw_row
from crisplens.lifecycle.tables import (
    ApprovalRequestRow,
    ApprovalRow,
    CheckpointRow,
    CycleEndRow,
    CycleRow,
    GateDemandRow,
    OverrideRow,
)


@applies(CheckpointRecorded)
def apply_checkpoint_recorded(session: Session, recorded: Recorded, event: CheckpointRecorded) -> None:
    """A new checkpoint."""
    insert_row(session, CheckpointRow, recorded)


@applies(ApprovalDecided)
def apply_approval_decided(session: Session, recorded: Recorded, event: ApprovalDecided) -> None:
    """A new decision."""
    insert_row(session, ApprovalRow, recorded)


@applies(GateDemanded)
def apply_gate_demanded(session: Session, recorded: Recorded, event: GateDemanded) -> None:
    """What a gate demands, stated anew."""
    replace_row(session, GateDemandRow, recorded, "phase")


@applies(CycleOpened)
def apply_cycle_opened(session: Session, recorded: Recorded, event: CycleOpened) -> None:
    """A new cycle."""
    insert_row(session, CycleRow, recorded)


@applies(ApprovalRequested)
def apply_approval_requested(session: Session, recorded: Recorded, event: ApprovalRequested) -> None:
    """A new request."""
    insert_row(session, ApprovalRequestRow, recorded)


@applies(ApprovalWithdrawn)
def apply_approval_withdrawn(session: Session, recorded: Recorded, event: ApprovalWithdrawn) -> None:
    """The decision or request of this id counts no more."""
    for row in (ApprovalRow, ApprovalRequestRow):
        withdraw_row(session, row, recorded, event.id, event.reason)


@applies(GateOverridden)
def apply_gate_overridden(session: Session, recorded: Recorded, event: GateOverridden) -> None:
    """A new override."""
    insert_row(session, OverrideRow, recorded)


@applies(OverrideReviewed)
def apply_override_reviewed(session: Session, recorded: Recorded, event: OverrideReviewed) -> None:
    """What its review found."""
    update_row(
        session,
        OverrideRow,
        recorded,
        {"id": event.id},
        outcome=event.outcome,
        review_note=event.note,
        reviewed_by=recorded.actor,
        reviewed_at=recorded.at,
    )


@applies(CycleClosed)
def apply_cycle_closed(session: Session, recorded: Recorded, event: CycleClosed) -> None:
    """The cycle is at its end."""
    insert_row(session, CycleEndRow, recorded)
