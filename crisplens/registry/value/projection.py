"""How cost and observation events change the tables."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row
from crisplens.registry.value.events import CostRecorded, KpiObserved
from crisplens.registry.value.tables import CostRow, KpiObservationRow


@applies(CostRecorded)
def apply_cost_recorded(session: Session, recorded: Recorded, event: CostRecorded) -> None:
    """A new cost."""
    insert_row(session, CostRow, recorded)


@applies(KpiObserved)
def apply_kpi_observed(session: Session, recorded: Recorded, event: KpiObserved) -> None:
    """A new observation."""
    insert_row(session, KpiObservationRow, recorded)
