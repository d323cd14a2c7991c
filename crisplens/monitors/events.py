"""Events of monitors: what is watched, how, when not, and what each check found."""

from __future__ import annotations

from crisplens.ledger.model import Event, Payload, event_type, upcasts
from crisplens.monitors.decisions import Decision
from crisplens.monitors.incidents.model import Response
from crisplens.monitors.model import CheckResult, CheckSettings
from crisplens.monitors.performance.plans import Plan
from crisplens.monitors.quality.model import Violation
from crisplens.monitors.schedules.model import Schedule
from crisplens.monitors.schedules.windows import WindowRule
from crisplens.monitors.states import Window


@event_type("monitor.added", version=3)
class MonitorAdded(Event, frozen=True, kw_only=True):
    """A model came under watch. `reference_profile` is the evidence digest of the reference's profile.

    A `plan` says what else is watched; without one, its data is watched for drift. What needs no reference has an
    empty one. A monitor that `succeeds` another does not look at windows that the other has looked at.
    `constraints` is the evidence digest of what each window's quality is held to, if anything; without a `schedule`
    it is checked by hand. `time_column` says when a row belongs to, for windows of time.
    """

    name: str
    model: str
    reference: Window
    reference_profile: str
    plan: Plan | None
    succeeds: str | None
    current: str
    engine: str
    settings: CheckSettings
    constraints: str | None
    windows: WindowRule
    time_column: str
    schedule: Schedule | None
    response: Response


@upcasts("monitor.added", 1)
def monitor_added_1(payload: Payload) -> Payload:
    """Monitors of version 1 were run by hand; each window alone decided, and drift raised a trigger."""
    later = {
        "constraints": None,
        "windows": {"kind": "whole"},
        "time_column": "",
        "schedule": None,
        "response": {},
    }
    return {**payload, **later}


@upcasts("monitor.added", 2)
def monitor_added_2(payload: Payload) -> Payload:
    """Monitors of version 2 watched for drift."""
    return {**payload, "plan": None, "succeeds": None}


@event_type("monitor.changed")
class MonitorChanged(Event, frozen=True, kw_only=True):
    """A monitor decides, or is run, differently from now on: all of it is stated anew, with the reason."""

    name: str
    current: str
    engine: str
    settings: CheckSettings
    constraints: str | None
    schedule: Schedule | None
    response: Response
    reason: str


@event_type("monitor.retired")
class MonitorRetired(Event, frozen=True, kw_only=True):
    """A monitor is run no more."""

    name: str
    reason: str


@event_type("monitor.muted")
class MonitorMuted(Event, frozen=True, kw_only=True):
    """What a monitor finds between `start` and `end` (RFC 3339) is recorded, and is no alarm."""

    id: str
    monitor: str
    start: str
    end: str
    reason: str


@event_type("monitor.unmuted")
class MonitorUnmuted(Event, frozen=True, kw_only=True):
    """A mute ended before its time."""

    id: str
    reason: str


@event_type("monitor.checked", version=2)
class MonitorChecked(Event, frozen=True, kw_only=True):
    """A window was compared with the reference. `attachments` are evidence digests: profile, engine's report.

    `violations` are the constraints that its data broke, `decision` says whether it is an alarm.
    """

    id: str
    monitor: str
    window: Window
    result: CheckResult
    violations: tuple[Violation, ...]
    decision: Decision
    attachments: tuple[str, ...]
    incident: str | None


@upcasts("monitor.checked", 1)
def monitor_checked_1(payload: Payload) -> Payload:
    """In version 1 every window that drifted or could not be judged was an alarm."""
    alarm = payload["incident"] is not None
    reason = "This window alone decided." if alarm else "Nothing was found."
    return {**payload, "violations": [], "decision": {"alarm": alarm, "reason": reason}}
