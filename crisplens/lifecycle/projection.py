"""How checkpoint, approval and cycle events change the tables."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row, replace_row
from crisplens.lifecycle.events import ApprovalDecided, CheckpointRecorded, CycleOpened, GateDemanded
from crisplens.lifecycle.tables import ApprovalRow, CheckpointRow, CycleRow, GateDemandRow


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
