"""Events of incidents and retraining triggers."""

from __future__ import annotations

from crisplens.ledger.model import Event, Payload, event_type, upcasts
from crisplens.monitors.incidents.model import IncidentKind
from crisplens.registry.model import GateDecision, VersionRef


@event_type("incident.opened", version=2)
class IncidentOpened(Event, frozen=True, kw_only=True):
    """A check found something that someone must answer for.

    `since` is the beginning of the data that showed it first, or when that was checked; empty where it was not said,
    as `owner` may be.
    """

    id: str
    monitor: str
    model: str
    check_id: str
    kind: IncidentKind
    summary: str
    owner: str
    since: str


@upcasts("incident.opened", 1)
def incident_opened_1(payload: Payload) -> Payload:
    """Incidents of version 1 had no owner, and did not say since when."""
    return {**payload, "owner": "", "since": ""}


@event_type("incident.acknowledged")
class IncidentAcknowledged(Event, frozen=True, kw_only=True):
    """Someone took an incident on."""

    id: str
    note: str


@event_type("incident.assigned")
class IncidentAssigned(Event, frozen=True, kw_only=True):
    """An incident has another owner."""

    id: str
    owner: str
    note: str


@event_type("incident.escalated")
class IncidentEscalated(Event, frozen=True, kw_only=True):
    """An incident was handed up."""

    id: str
    to: str
    reason: str


@event_type("incident.linked")
class IncidentLinked(Event, frozen=True, kw_only=True):
    """An incident belongs with something: a trigger, another incident, a ticket's address, a cause in words."""

    id: str
    target: str
    note: str


@event_type("incident.resolved")
class IncidentResolved(Event, frozen=True, kw_only=True):
    """An incident is over; `note` says why."""

    id: str
    note: str


@event_type("trigger.raised")
class TriggerRaised(Event, frozen=True, kw_only=True):
    """A monitor, or a person for it, asks for `model` to be retrained."""

    id: str
    incident: str
    monitor: str
    model: str
    reason: str


@event_type("trigger.acknowledged")
class TriggerAcknowledged(Event, frozen=True, kw_only=True):
    """Someone took the retraining on."""

    id: str
    note: str


@event_type("trigger.resolved")
class TriggerResolved(Event, frozen=True, kw_only=True):
    """A new model version answers the trigger; `gate` is what let it."""

    id: str
    model: VersionRef
    gate: GateDecision
    note: str


@event_type("trigger.dismissed")
class TriggerDismissed(Event, frozen=True, kw_only=True):
    """No retraining is needed; `reason` says why."""

    id: str
    reason: str
