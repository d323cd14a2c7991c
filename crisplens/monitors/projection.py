"""How monitor, incident and trigger events change the tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row
from crisplens.monitors.events import (
    IncidentAcknowledged,
    IncidentOpened,
    IncidentResolved,
    MonitorAdded,
    MonitorChecked,
    TriggerAcknowledged,
    TriggerDismissed,
    TriggerRaised,
    TriggerResolved,
)
from crisplens.monitors.states import State
from crisplens.monitors.tables import CheckRow, IncidentRow, MonitorRow, TriggerRow


@applies(MonitorAdded)
def apply_monitor_added(session: Session, recorded: Recorded, event: MonitorAdded) -> None:
    """A new monitor."""
    insert_row(session, MonitorRow, recorded)


@applies(MonitorChecked)
def apply_monitor_checked(session: Session, recorded: Recorded, event: MonitorChecked) -> None:
    """A new check."""
    insert_row(session, CheckRow, recorded, verdict=event.result.verdict)


@applies(IncidentOpened)
def apply_incident_opened(session: Session, recorded: Recorded, event: IncidentOpened) -> None:
    """A new incident."""
    insert_row(session, IncidentRow, recorded, state=State.OPEN, note="")


@applies(IncidentAcknowledged)
def apply_incident_acknowledged(session: Session, recorded: Recorded, event: IncidentAcknowledged) -> None:
    """Someone took the incident on."""
    _acknowledge(session, IncidentRow, recorded, event.id, event.note)


@applies(IncidentResolved)
def apply_incident_resolved(session: Session, recorded: Recorded, event: IncidentResolved) -> None:
    """The incident is over."""
    _close(session, IncidentRow, recorded, event.id, State.RESOLVED, note=event.note)


@applies(TriggerRaised)
def apply_trigger_raised(session: Session, recorded: Recorded, event: TriggerRaised) -> None:
    """A new trigger."""
    insert_row(session, TriggerRow, recorded, state=State.OPEN, note="")


@applies(TriggerAcknowledged)
def apply_trigger_acknowledged(session: Session, recorded: Recorded, event: TriggerAcknowledged) -> None:
    """Someone took the retraining on."""
    _acknowledge(session, TriggerRow, recorded, event.id, event.note)


@applies(TriggerResolved)
def apply_trigger_resolved(session: Session, recorded: Recorded, event: TriggerResolved) -> None:
    """A model version answered the trigger."""
    _close(session, TriggerRow, recorded, event.id, State.RESOLVED, note=event.note, resolved_by=event.model)


@applies(TriggerDismissed)
def apply_trigger_dismissed(session: Session, recorded: Recorded, event: TriggerDismissed) -> None:
    """The trigger needs no retraining."""
    _close(session, TriggerRow, recorded, event.id, State.DISMISSED, note=event.reason)


Answerable = type[IncidentRow] | type[TriggerRow]


def _acknowledge(session: Session, row: Answerable, recorded: Recorded, id: str, note: str) -> None:
    values = {"acknowledged_by": recorded.actor, "acknowledged_at": recorded.at, "note": note}
    _set(session, row, recorded, id, state=State.ACKNOWLEDGED, **values)


def _close(
    session: Session, row: Answerable, recorded: Recorded, id: str, state: State, **values: Any
) -> None:
    _set(session, row, recorded, id, state=state, closed_by=recorded.actor, closed_at=recorded.at, **values)


def _set(session: Session, row: Answerable, recorded: Recorded, id: str, **values: Any) -> None:
    statement = update(row).where(row.project == recorded.project, row.id == id).values(**values)
    session.execute(statement.execution_options(synchronize_session=False))
