"""Events of monitors, incidents and triggers."""

from __future__ import annotations

from crisplens.ledger.model import Event, event_type
from crisplens.monitors.model import CheckResult, CheckSettings
from crisplens.monitors.states import IncidentKind, Window
from crisplens.registry.model import GateDecision, VersionRef


@event_type("monitor.added")
class MonitorAdded(Event, frozen=True, kw_only=True):
    """A model's data came under watch. `reference_profile` is the evidence digest of the reference's profile."""

    name: str
    model: str
    reference: Window
    reference_profile: str
    current: str
    engine: str
    settings: CheckSettings


@event_type("monitor.checked")
class MonitorChecked(Event, frozen=True, kw_only=True):
    """A window was compared with the reference. `attachments` are evidence digests: profile, engine's report."""

    id: str
    monitor: str
    window: Window
    result: CheckResult
    attachments: tuple[str, ...]
    incident: str | None


@event_type("incident.opened")
class IncidentOpened(Event, frozen=True, kw_only=True):
    """A check found something that someone must answer for."""

    id: str
    monitor: str
    model: str
    check_id: str
    kind: IncidentKind
    summary: str


@event_type("incident.acknowledged")
class IncidentAcknowledged(Event, frozen=True, kw_only=True):
    """Someone took an incident on."""

    id: str
    note: str


@event_type("incident.resolved")
class IncidentResolved(Event, frozen=True, kw_only=True):
    """An incident is over; `note` says why."""

    id: str
    note: str


@event_type("trigger.raised")
class TriggerRaised(Event, frozen=True, kw_only=True):
    """A monitor asks for `model` to be retrained."""

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
