"""Which events of the log people are told of, and in which words. Pure."""

from __future__ import annotations

from typing import Any

from crisplens.ledger.model import Envelope, Event, decode_event
from crisplens.monitors.incidents.events import (
    IncidentEscalated,
    IncidentOpened,
    IncidentResolved,
    TriggerDismissed,
    TriggerRaised,
    TriggerResolved,
)
from crisplens.monitors.notifications.model import Notice, NoticeKind, Severity, make_notice

TOLD = frozenset(
    event.TYPE
    for event in (
        IncidentOpened,
        IncidentEscalated,
        IncidentResolved,
        TriggerRaised,
        TriggerResolved,
        TriggerDismissed,
    )
)


def notice_of(envelope: Envelope) -> Notice | None:
    """What is told of an entry of the log; None for those that nobody is told of."""
    if envelope.type not in TOLD:
        return None
    event = decode_event(envelope)
    kind, severity, summary, more = _told(event, envelope.actor.id)
    return make_notice(
        kind,
        project=envelope.project or "",
        subject=event.id,  # type: ignore[attr-defined]
        summary=summary,
        severity=severity,
        at=envelope.recorded_at,
        **more,
    )


def _told(event: Event, actor: str) -> tuple[NoticeKind, Severity, str, dict[str, Any]]:
    match event:
        case IncidentOpened():
            about = {"monitor": event.monitor, "model": event.model}
            whose = f" Owner: {event.owner}." if event.owner else ""
            next = f"crisplens incident acknowledge {event.id}"
            return (
                NoticeKind.INCIDENT_OPENED,
                Severity.CRITICAL,
                event.summary + whose,
                {**about, "next": next},
            )
        case IncidentEscalated():
            summary = f"{event.id} is handed up to {event.to}: {event.reason}"
            next = f"crisplens incident acknowledge {event.id}"
            return NoticeKind.INCIDENT_ESCALATED, Severity.CRITICAL, summary, {"next": next}
        case TriggerRaised():
            about = {"monitor": event.monitor, "model": event.model, "incident": event.incident}
            summary = f"{event.model} is to be retrained: {event.reason}"
            next = f"crisplens trigger acknowledge {event.id}"
            return NoticeKind.TRIGGER_RAISED, Severity.WARNING, summary, {**about, "next": next}
        case TriggerResolved():
            summary = f"{event.id} is resolved by {event.model}."
            return NoticeKind.TRIGGER_RESOLVED, Severity.INFO, summary, {"model": event.model.name}
        case TriggerDismissed():
            summary = f"{event.id} was dismissed by {actor}: {event.reason}"
            return NoticeKind.TRIGGER_RESOLVED, Severity.INFO, summary, {}
        case IncidentResolved():
            return NoticeKind.INCIDENT_RESOLVED, Severity.INFO, f"{event.id} is resolved: {event.note}", {}
    raise TypeError(f"nobody is told of {type(event).__name__}")
