"""Reads of monitors, mutes and checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, and_, bindparam, func, null, or_, select, union_all
from sqlalchemy.orm import Session

from crisplens.core.names import unknown_name
from crisplens.ledger.events import ClockCorrected
from crisplens.ledger.past import NOW, time_of
from crisplens.ledger.tables import LedgerEvent
from crisplens.monitors.decisions import Decision, Seen
from crisplens.monitors.incidents.model import Response, State
from crisplens.monitors.incidents.queries import Incident, Trigger, list_incidents, list_triggers
from crisplens.monitors.model import CheckResult, CheckSettings, MovingFindings, Verdict
from crisplens.monitors.moving import PastWindow, deciding_columns, deciding_verdict
from crisplens.monitors.performance.plans import Plan
from crisplens.monitors.quality.model import Violation
from crisplens.monitors.schedules.model import Schedule
from crisplens.monitors.schedules.windows import TimeRule, WindowRule
from crisplens.monitors.states import Window
from crisplens.monitors.tables import CheckRow, MonitorRow, MuteRow
from crisplens.registry.views import View, find_view, views


class Monitor(View, frozen=True, kw_only=True):
    """What is watched: a model, its reference data (profiled once), and where current data is found.

    Without a `plan` it is drift that is watched.
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
    change_reason: str | None
    retired_by: str | None
    retired_at: str | None
    retired_reason: str | None

    @property
    def zone(self) -> str:
        """The clock that its windows go by; windows of elapsed time go by that of its schedule."""
        if isinstance(self.windows, TimeRule) and self.windows.zone != "UTC":
            return self.windows.zone
        return self.schedule.zone if self.schedule else "UTC"


class Mute(View, frozen=True, kw_only=True):
    """A time, `end` not included, in which what a monitor finds is recorded and is no alarm."""

    id: str
    monitor: str
    start: str
    end: str
    reason: str
    ended_by: str | None
    ended_at: str | None
    ended_reason: str | None

    def holds(self, at: str) -> bool:
        """Whether it mutes at this time (RFC 3339, UTC)."""
        return self.start <= at < min(self.end, self.ended_at or self.end)


class Check(View, frozen=True, kw_only=True):
    """One comparison of a window with the reference, and the incident it belongs to, if any."""

    id: str
    monitor: str
    window: Window
    result: CheckResult
    violations: tuple[Violation, ...]
    decision: Decision
    attachments: tuple[str, ...]
    incident: str | None

    @property
    def deciding_verdict(self) -> Verdict:
        """The verdict without drift that earlier windows excuse."""
        return deciding_verdict(self.result, self.decision.moving, broken=is_broken(self.violations))


def list_monitors(session: Session, project: str) -> list[Monitor]:
    """The project's monitors, by name."""
    return views(
        session.scalars(select(MonitorRow).filter_by(project=project).order_by(MonitorRow.name)), Monitor
    )


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a monitor stands: its newest check's verdict, None before the first, and whether it is muted now."""

    monitor: Monitor
    verdict: Verdict | None
    muted: bool


def list_standings(session: Session, project: str) -> list[Standing]:
    """The project's monitors, by name, and how each stands."""
    now = time_of(session)
    newest = select(func.max(CheckRow.seq)).where(CheckRow.project == project).group_by(CheckRow.monitor)
    verdicts = select(CheckRow.monitor, CheckRow.verdict).where(CheckRow.seq.in_(newest))
    muting = select(MuteRow.monitor, null()).where(
        MuteRow.project == project,
        MuteRow.start <= now,
        MuteRow.end > now,
        or_(MuteRow.ended_at.is_(None), MuteRow.ended_at > now),
    )
    rows: Iterable[Any] = session.connection().execute(union_all(verdicts, muting))
    found = [(row[0], row[1]) for row in rows]
    verdict_of = {name: Verdict(verdict) for name, verdict in found if verdict is not None}
    muted = {name for name, verdict in found if verdict is None}
    return [
        Standing(monitor=one, verdict=verdict_of.get(one.name), muted=one.name in muted)
        for one in list_monitors(session, project)
    ]


def get_monitor(session: Session, project: str, name: str) -> Monitor:
    """One monitor. Raises `InputError` with the nearest names when there is none."""
    found = find_view(session, MonitorRow, (project, name), Monitor)
    if found is None:
        names = session.scalars(select(MonitorRow.name).filter_by(project=project))
        raise unknown_name("monitor", name, names, none_yet="Add one with `crisplens monitor add NAME`.")
    return found


def list_checks(session: Session, project: str, monitor: str | None = None) -> list[Check]:
    """Checks of the project, or of one monitor, in the order of recording.

    Raises `InputError` with the nearest names when there is no such monitor.
    """
    query = select(CheckRow).filter_by(project=project)
    if monitor is not None:
        get_monitor(session, project, monitor)
        query = query.filter_by(monitor=monitor)
    return views(session.scalars(query.order_by(CheckRow.seq)), Check)


def count_checks(session: Session, project: str) -> dict[str, int]:
    """How often each of the project's monitors has run; those that never did are missing."""
    query = select(CheckRow.monitor, func.count()).filter_by(project=project).group_by(CheckRow.monitor)
    return {row[0]: row[1] for row in session.connection().execute(query)}


def list_mutes(session: Session, project: str, monitor: str | None = None) -> list[Mute]:
    """The mutes of the project, or of one monitor, in the order of recording."""
    query = select(MuteRow).filter_by(project=project)
    if monitor is not None:
        query = query.filter_by(monitor=monitor)
    return views(session.scalars(query.order_by(MuteRow.seq)), Mute)


def get_mute(session: Session, project: str, id: str) -> Mute:
    """One mute. Raises `InputError` with the nearest ids when there is none."""
    found = find_view(session, MuteRow, (project, id), Mute)
    if found is None:
        ids = [one.id for one in list_mutes(session, project)]
        raise unknown_name("mute", id, ids, none_yet="No monitor has been muted.")
    return found


def checked_windows(session: Session, project: str, monitor: str) -> list[str]:
    """The keys of the windows that a monitor and those it succeeds have looked at, in the order of recording."""
    query = (
        select(CheckRow.window_key)
        .where(CheckRow.project == project, CheckRow.monitor.in_(_line(session, project, monitor)))
        .order_by(CheckRow.seq)
    )
    return list(session.scalars(query))


def _line(session: Session, project: str, monitor: str) -> list[str]:
    """A monitor and those before it."""
    query = select(MonitorRow.name, MonitorRow.succeeds).where(
        MonitorRow.project == project, MonitorRow.succeeds.is_not(None)
    )
    before = {row[0]: row[1] for row in session.connection().execute(query)}
    line = [monitor]
    while (known := before.get(line[-1])) is not None:
        line.append(known)
    return line


def is_window_checked(session: Session, project: str, monitor: str, key: str) -> bool:
    """Whether a monitor has looked at the window of this key."""
    query = select(CheckRow.id).where(
        CheckRow.project == project, CheckRow.monitor == monitor, CheckRow.window_key == key
    )
    return session.scalar(query.limit(1)) is not None


def last_checks(session: Session, project: str) -> dict[str, str]:
    """When each of the project's monitors was last checked (RFC 3339); those that never were are missing.

    Of one whose newest check bears a time to come, see `counted_times`.
    """
    found = newest_times(session, CheckRow.project == project)
    return {monitor: at for (_, monitor), at in counted_times(session, found).items()}


def newest_times(session: Session, *which: ColumnElement[bool]) -> dict[tuple[str, str], tuple[int, str]]:
    """The newest of `which` checks of each project's monitor: its place in the log, and its time (RFC 3339)."""
    newest = (
        select(CheckRow.project, CheckRow.monitor, func.max(CheckRow.seq).label("seq"))
        .where(*which)
        .group_by(CheckRow.project, CheckRow.monitor)
        .subquery()
    )
    # Joined by more than `seq`, so that an index answers it.
    query = select(CheckRow.project, CheckRow.monitor, CheckRow.seq, CheckRow.recorded_at).join(
        newest,
        and_(
            CheckRow.project == newest.c.project,
            CheckRow.monitor == newest.c.monitor,
            CheckRow.seq == newest.c.seq,
        ),
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in session.connection().execute(query)}


_LAST = (
    select(CheckRow.seq, CheckRow.recorded_at)
    .where(CheckRow.project == bindparam("project_"), CheckRow.monitor == bindparam("monitor_"))
    .order_by(CheckRow.seq.desc())
    .limit(1)
)


def last_check(session: Session, project: str, monitor: str) -> str | None:
    """When a monitor was last checked (RFC 3339, see `counted_times`); None when it never was."""
    found = session.connection().execute(_LAST, {"project_": project, "monitor_": monitor}).one_or_none()
    return None if found is None else counted_times(session, {monitor: (found[0], found[1])})[monitor]


KeyT = TypeVar("KeyT")
_CORRECTIONS = select(LedgerEvent.seq, LedgerEvent.recorded_at).where(LedgerEvent.type == ClockCorrected.TYPE)


def counted_times(session: Session, found: Mapping[KeyT, tuple[int, str]]) -> dict[KeyT, str]:
    """The times at which what was recorded counts as done, given its places in the log and its times there.

    What was recorded before the clock was corrected may bear a time that is still to come. It counts as done when
    recording went on from the right time; else nothing would be due until the clock has caught up.
    """
    now = time_of(session)
    # Tables as of a point of the log have no log beside them.
    if NOW in session.info or all(at <= now for _, at in found.values()):
        return {key: at for key, (_, at) in found.items()}
    corrections = session.execute(_CORRECTIONS).all()
    return {
        key: at if at <= now else min([at, *(again for place, again in corrections if place > seq)])
        for key, (seq, at) in found.items()
    }


def newest_checks(session: Session, project: str) -> dict[str, Check]:
    """The newest check of each of the project's monitors; those that never were checked are missing."""
    newest = select(func.max(CheckRow.seq)).where(CheckRow.project == project).group_by(CheckRow.monitor)
    rows = session.scalars(select(CheckRow).where(CheckRow.seq.in_(newest)))
    return {one.monitor: one for one in views(rows, Check)}


def newest_seen(session: Session, project: str, monitor: str, most: int) -> list[Seen]:
    """What a monitor found in the newest `most` windows that it looked at, oldest first."""
    if most < 1:
        return []
    query = (
        select(CheckRow)
        .filter_by(project=project, monitor=monitor)
        # A window that is checked again and again must not push the others out.
        .order_by(CheckRow.seq.desc())
        .limit(most * 10)
    )
    newest: dict[str, Seen] = {}
    for row in session.scalars(query):
        if row.window_key not in newest and len(newest) < most:
            newest[row.window_key] = seen(
                row.window, row.result, row.recorded_at, row.decision.moving, broken=is_broken(row.violations)
            )
    return [*newest.values()][::-1]


def seen(
    window: Window,
    result: CheckResult,
    checked_at: str,
    moving: MovingFindings | None,
    *,
    broken: bool = False,
) -> Seen:
    """What a check found, as far as later alarms need it."""
    return Seen(
        window=window.key,
        start=window.start or checked_at,
        verdict=deciding_verdict(result, moving, broken=broken),
        drifting=deciding_columns(result.columns, moving),
    )


def is_broken(violations: Sequence[Violation]) -> bool:
    """Whether a constraint of severity error is broken, so that the data is bad."""
    return any(one.severity == "error" for one in violations)


def past_windows(session: Session, project: str, monitor: str) -> list[PastWindow]:
    """The windows that a monitor has looked at, for its moving reference, in the order of recording.

    Drift counts as accepted when the trigger that it raised, or that its incident was linked to, was dismissed.
    """
    accepted = _accepted_incidents(session, project, monitor)
    mutes = list_mutes(session, project, monitor)
    return [_past_window(check, accepted, mutes) for check in list_checks(session, project, monitor)]


def _accepted_incidents(session: Session, project: str, monitor: str) -> list[tuple[Incident, str]]:
    """The monitor's incidents whose drift was accepted, each with when that was."""
    dismissed = [one for one in list_triggers(session, project) if one.state == State.DISMISSED]
    answered = [
        (incident, [at for one in dismissed if (at := one.closed_at or "") and _answers(one, incident, at)])
        for incident in list_incidents(session, project)
        if incident.monitor == monitor
    ]
    return [(incident, min(times)) for incident, times in answered if times]


def _answers(trigger: Trigger, incident: Incident, closed_at: str) -> bool:
    # A link to a trigger that was closed before is no answer to it.
    return trigger.incident == incident.id or any(
        link.target == trigger.id and link.at <= closed_at for link in incident.links
    )


def _past_window(check: Check, accepted: list[tuple[Incident, str]], mutes: list[Mute]) -> PastWindow:
    start = check.window.start or check.recorded_at
    times = [
        at
        for one, at in accepted
        # The windows that led to the incident are not in it.
        if check.incident == one.id or (check.incident is None and one.since <= start and check.seq < one.seq)
    ]
    return PastWindow(
        key=check.window.key,
        start=check.window.start,
        end=check.window.end,
        verdict=check.result.verdict,
        profile=check.attachments[0] if check.attachments and check.result.columns else "",
        incident=check.incident,
        muted=any(one.holds(start) or one.holds(check.recorded_at) for one in mutes),
        accepted=bool(times),
        accepted_at=min(times, default=""),
        seq=check.seq,
    )
