"""How incident and trigger events change the tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row, update_row
from crisplens.monitors.incidents.events import (
    IncidentAcknowledged,
    IncidentAssigned,
    IncidentEscalated,
    IncidentLinked,
    IncidentOpened,
    IncidentResolved,
    TriggerAcknowledged,
    TriggerDismissed,
    TriggerRaised,
    TriggerResolved,
)
from crisplens.monitors.incidents.model import Escalation, Link, State
from crisplens.monitors.incidents.tables import IncidentRow, TriggerRow


@applies(IncidentOpened)
def apply_incident_opened(session: Session, recorded: Recorded, event: IncidentOpened) -> None:
    """A new incident."""
    insert_row(session, IncidentRow, recorded, state=State.OPEN, note="", escalations=(), links=())


@applies(IncidentAcknowledged)
def apply_incident_acknowledged(session: Session, recorded: Recorded, event: IncidentAcknowledged) -> None:
    """Someone took the incident on."""
    _acknowledge(session, IncidentRow, recorded, event.id, event.note)


@applies(IncidentAssigned)
def apply_incident_assigned(session: Session, recorded: Recorded, event: IncidentAssigned) -> None:
    """The incident has another owner."""
    update_row(session, IncidentRow, recorded, {"id": event.id}, owner=event.owner)


@applies(IncidentEscalated)
def apply_incident_escalated(session: Session, recorded: Recorded, event: IncidentEscalated) -> None:
    """The incident was handed up once more."""
    one = Escalation(to=event.to, reason=event.reason, by=recorded.actor, at=recorded.at)
    _extend(session, recorded, event.id, "escalations", one)


@applies(IncidentLinked)
def apply_incident_linked(session: Session, recorded: Recorded, event: IncidentLinked) -> None:
    """The incident belongs with one thing more."""
    one = Link(target=event.target, note=event.note, by=recorded.actor, at=recorded.at)
    _extend(session, recorded, event.id, "links", one)


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
    update_row(session, row, recorded, {"id": id}, state=State.ACKNOWLEDGED, **values)


def _close(
    session: Session, row: Answerable, recorded: Recorded, id: str, state: State, **values: Any
) -> None:
    closed = {"closed_by": recorded.actor, "closed_at": recorded.at, **values}
    update_row(session, row, recorded, {"id": id}, state=state, **closed)


def _extend(session: Session, recorded: Recorded, id: str, column: str, one: Escalation | Link) -> None:
    known = session.scalar(
        select(getattr(IncidentRow, column)).where(
            IncidentRow.project == recorded.project, IncidentRow.id == id
        )
    )
    update_row(session, IncidentRow, recorded, {"id": id}, **{column: (*(known or ()), one)})
