"""How run events change the tables."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row
from crisplens.registry.runs.events import RunRecorded
from crisplens.registry.runs.tables import RunRow


@applies(RunRecorded)
def apply_run_recorded(session: Session, recorded: Recorded, event: RunRecorded) -> None:
    """A new run."""
    insert_row(session, RunRow, recorded)
