"""Recording what a check found: whether it is an alarm, the incident and the trigger, what is kept as evidence."""

from __future__ import annotations

from datetime import datetime

import msgspec

from crisplens.core.clock import parse_time, to_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.monitors.checking import CheckFindings
from crisplens.monitors.decisions import Seen, decide_alarm
from crisplens.monitors.engines.interface import Attachment, EngineResult
from crisplens.monitors.events import MonitorChecked
from crisplens.monitors.incidents.events import IncidentOpened
from crisplens.monitors.incidents.model import IncidentKind
from crisplens.monitors.incidents.queries import Incident, Trigger, get_incident
from crisplens.monitors.incidents.service import find_open_incident, next_incident_id, open_incident
from crisplens.monitors.model import Verdict
from crisplens.monitors.moving import excuse
from crisplens.monitors.queries import (
    Check,
    Monitor,
    Mute,
    is_broken,
    is_window_checked,
    last_check,
    list_mutes,
    newest_seen,
    seen,
)
from crisplens.monitors.results import bounded
from crisplens.monitors.service import PROFILE_MEDIA_TYPE
from crisplens.monitors.tables import CheckRow
from crisplens.registry.evidence.service import add_evidence_bytes
from crisplens.registry.views import get_view, next_id

KINDS = {
    Verdict.DRIFT: IncidentKind.DRIFT,
    Verdict.DEGRADED: IncidentKind.PERFORMANCE,
    Verdict.BAD_DATA: IncidentKind.BAD_DATA,
}


class CheckRecorded(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded check; `incident` and `trigger` are there when the check opened or belongs to an incident."""

    check: Check
    incident: Incident | None
    trigger: Trigger | None


def record_check(work: UnitOfWork, findings: CheckFindings) -> CheckRecorded:
    """Record what a check found, and whether it is an alarm.

    An alarm opens an incident, unless one is open for that cause; drift or lost performance raises a retraining
    trigger as the monitor's response says. What is found while an incident is open belongs to it.
    """
    monitor, found = findings.monitor, findings.found
    check_id = next_id(work.session, work.project, CheckRow, "check")
    now = to_text(work.now)
    broken = is_broken(findings.violations)
    this = seen(findings.window, found.check, now, findings.moving, broken=broken)
    mutes = list_mutes(work.session, work.project, monitor.name)
    decision = decide_alarm(this, _earlier(work, monitor), monitor.settings, muted=_muted(mutes, this, now))
    if findings.moving is not None:
        said = excuse(found.check, findings.moving)
        reason = f"{decision.reason} {said}".strip() if this.drifting else said or decision.reason
        decision = msgspec.structs.replace(decision, moving=findings.moving, reason=reason)
    kind = KINDS.get(this.verdict)
    known = find_open_incident(work, monitor.name, kind) if kind else None
    opens = kind is not None and decision.alarm and known is None
    incident = known.id if known else next_incident_id(work) if opens else None
    append(
        work,
        MonitorChecked(
            id=check_id,
            monitor=monitor.name,
            window=findings.window,
            result=bounded(found.check),
            violations=findings.violations,
            decision=decision,
            attachments=_keep(work, check_id, found),
            incident=incident,
        ),
    )
    trigger = None
    if opens and kind and incident:
        opened = IncidentOpened(
            id=incident,
            monitor=monitor.name,
            model=monitor.model,
            check_id=check_id,
            kind=kind,
            summary=found.check.reason,
            owner=monitor.response.owner,
            since=decision.since,
        )
        trigger = open_incident(work, opened, monitor.response)
    return CheckRecorded(
        check=get_view(work.session, CheckRow, (work.project, check_id), Check),
        incident=get_incident(work.session, work.project, incident) if incident else None,
        trigger=trigger,
    )


def is_recorded(work: UnitOfWork, findings: CheckFindings, *, since: datetime | None) -> bool:
    """Whether another process recorded this meanwhile: the same window, or for windows of all data a check `since`."""
    monitor, window = findings.monitor, findings.window
    if window.end or window.name:
        return is_window_checked(work.session, work.project, monitor.name, window.key)
    last = last_check(work.session, work.project, monitor.name)
    return since is not None and last is not None and parse_time(last) >= since


def _earlier(work: UnitOfWork, monitor: Monitor) -> list[Seen]:
    # One more than counts, as the newest may be this window, looked at before.
    most = monitor.settings.of if monitor.settings.of > 1 else 0
    return newest_seen(work.session, work.project, monitor.name, most)


def _muted(mutes: list[Mute], window: Seen, now: str) -> str:
    """Why the window is no alarm: a mute that holds now, or held when its data began."""
    holding = (one for one in mutes if one.holds(now) or one.holds(window.start))
    return next((f"{one.id}, until {one.end[:16]}: {one.reason}" for one in holding), "")


def _keep(work: UnitOfWork, check_id: str, found: EngineResult) -> tuple[str, ...]:
    """Keep what the engine made as evidence; returns the digests, the profile's first."""
    attachments = [*found.attachments]
    if found.current_profile is not None:
        profile = msgspec.json.encode(found.current_profile)
        attachments.insert(0, Attachment("profile.json", PROFILE_MEDIA_TYPE, profile))
    if bounded(found.check) is not found.check:
        whole = msgspec.json.encode(found.check)
        attachments.append(Attachment("result.json", "application/vnd.crisplens.result+json", whole))
    return tuple(
        add_evidence_bytes(
            work, kept.content, name=f"{check_id}-{kept.name}", media_type=kept.media_type
        ).digest
        for kept in attachments
    )
