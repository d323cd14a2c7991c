"""Checking a window: looking at the data, deciding, recording what was found.

A check is three steps, so that no writer waits while data is read: load the monitor (`get_monitor`), look at the
data (`carry_out_check`, which touches no database), record what was found (`record_check`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

import msgspec

from crisplens.core.clock import parse_time, to_text
from crisplens.core.content_store import ContentStore
from crisplens.core.errors import InputError
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.monitors.decisions import Seen, decide_alarm
from crisplens.monitors.engines.by_name import REFERENCE_ROWS_NEEDED, get_engine, reads_reference_rows
from crisplens.monitors.engines.interface import Attachment, EngineResult, Reference, Rows, TimeSlice
from crisplens.monitors.engines.parts import (
    Expected,
    Stamps,
    expected_columns,
    is_changed,
    left_out,
    look_at_readable,
    stamps,
)
from crisplens.monitors.events import MonitorChecked
from crisplens.monitors.incidents.events import IncidentOpened
from crisplens.monitors.incidents.model import IncidentKind, State, is_overdue
from crisplens.monitors.incidents.queries import Incident, Trigger, get_incident, open_incidents
from crisplens.monitors.incidents.service import (
    escalate_incident,
    find_open_incident,
    next_incident_id,
    open_incident,
)
from crisplens.monitors.model import FOUND, CheckResult, MovingFindings, Profile, Verdict
from crisplens.monitors.moving import PastWindow, choose_windows, compare, excuse
from crisplens.monitors.performance.plans import PerformanceBaseline, PerformancePlan, VariantPlan
from crisplens.monitors.quality.model import Violation
from crisplens.monitors.queries import (
    Check,
    Monitor,
    Mute,
    is_broken,
    is_window_checked,
    last_check,
    list_monitors,
    list_mutes,
    newest_seen,
    seen,
)
from crisplens.monitors.results import bounded
from crisplens.monitors.schedules.windows import TimeRule
from crisplens.monitors.service import PROFILE_MEDIA_TYPE
from crisplens.monitors.sources.by_location import opened_source
from crisplens.monitors.states import Window
from crisplens.monitors.tables import CheckRow
from crisplens.registry.data.content import Bytes, digest_table
from crisplens.registry.data.files import Table
from crisplens.registry.evidence.service import add_evidence_bytes
from crisplens.registry.views import get_view, next_id

KINDS = {
    Verdict.DRIFT: IncidentKind.DRIFT,
    Verdict.DEGRADED: IncidentKind.PERFORMANCE,
    Verdict.BAD_DATA: IncidentKind.BAD_DATA,
}
# More would not be read, and the event has to stay small.
MOST_VIOLATIONS = 100


@dataclass(frozen=True)
class CheckFindings:
    """What `carry_out_check` found, ready to be recorded."""

    monitor: Monitor
    window: Window
    found: EngineResult
    violations: tuple[Violation, ...] = ()
    moving: MovingFindings | None = None


class CheckRecorded(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded check; `incident` and `trigger` are there when the check opened or belongs to an incident."""

    check: Check
    incident: Incident | None
    trigger: Trigger | None


def carry_out_check(
    monitor: Monitor,
    *,
    evidence: ContentStore,
    engine: str | None = None,
    rows: Rows,
    now: datetime,
    earlier: Callable[[], Sequence[PastWindow]] = tuple,
) -> CheckFindings:
    """Compare a window of a monitor with its reference; the registry's database is not touched.

    `earlier` gives the windows that the monitor has looked at (`past_windows`), and is asked where they may excuse
    a drift.

    Raises `InputError` when the data cannot be read at all or changes meanwhile, `RegistryError` when the engine
    fails.
    """
    if rows.remote is not None:
        return _look_at_remote(monitor, evidence, engine or monitor.engine, rows, now, earlier)
    asked, before = rows.table, stamps(rows.table)
    with ThreadPoolExecutor(max_workers=1) as pool:
        digesting = pool.submit(_digest, asked, before)
        try:
            found, rows = look_at_readable(
                lambda part: _look(monitor, evidence, engine or monitor.engine, part, now),
                rows,
                _expected(monitor, evidence, asked),
            )
            content = digesting.result() if rows.table == asked else _digest(rows.table, before)
        except InputError:
            _check_unchanged(asked, before)
            raise
    _check_unchanged(rows.table, before)
    return _findings(monitor, evidence, rows, found, content, now, earlier)


def _look_at_remote(
    monitor: Monitor,
    evidence: ContentStore,
    engine: str,
    rows: Rows,
    now: datetime,
    earlier: Callable[[], Sequence[PastWindow]],
) -> CheckFindings:
    from crisplens.monitors.engines.ibis_engine import profile_identity

    found = _look(monitor, evidence, engine, rows, now)
    assert found.current_profile is not None, "engines that push down profile every window"
    content = Bytes(*profile_identity(found.current_profile), files=0)
    return _findings(monitor, evidence, rows, found, content, now, earlier)


def _findings(
    monitor: Monitor,
    evidence: ContentStore,
    rows: Rows,
    found: EngineResult,
    content: Bytes,
    now: datetime,
    earlier: Callable[[], Sequence[PastWindow]],
) -> CheckFindings:
    window = _window(rows, content, found.check.current_rows)
    violations: tuple[Violation, ...] = ()
    if monitor.constraints is not None and found.current_profile is not None:
        from crisplens.monitors.constraints import judge_window, read_kept

        held_to = read_kept(evidence, monitor.constraints)
        violations = judge_window(
            held_to, found.current_profile, rows, reference_rows=monitor.reference.rows, now=now
        )[:MOST_VIOLATIONS]
    doubted = with_doubts(found, monitor, window, violations, left_out(rows.table))
    return CheckFindings(
        monitor, window, doubted, violations, look_back(monitor, window, doubted, earlier, evidence)
    )


def text_columns(monitor: Monitor, evidence: ContentStore) -> tuple[str, ...]:
    """The columns of a monitor's reference whose values are text, whatever they look like."""
    from crisplens.monitors.engines.ibis_engine import text_columns

    profile = msgspec.json.decode(evidence.read(monitor.reference_profile), type=Profile)
    return text_columns(profile)


def look_back(
    monitor: Monitor,
    window: Window,
    found: EngineResult,
    earlier: Callable[[], Sequence[PastWindow]],
    evidence: ContentStore,
) -> MovingFindings | None:
    """What the windows before say of a drift from the reference; None where there is nothing to excuse."""
    also, current = monitor.settings.also, found.current_profile
    if also is None or current is None or found.check.verdict is not Verdict.DRIFT:
        return None
    now = PastWindow(key=window.key, start=window.start, end=window.end, verdict=found.check.verdict)
    chosen = choose_windows(also, now, earlier(), zone=_zone(monitor))

    def read(digest: str) -> Profile:
        return msgspec.json.decode(evidence.read(digest), type=Profile)

    return compare(
        also,
        chosen,
        [read(one.profile) for one in chosen],
        reference=read(monitor.reference_profile),
        current=current,
        checks=found.check.columns,
        settings=monitor.settings,
    )


def _zone(monitor: Monitor) -> str:
    """The clock that the monitor's windows go by; windows of elapsed time go by that of its schedule."""
    if isinstance(monitor.windows, TimeRule) and monitor.windows.zone != "UTC":
        return monitor.windows.zone
    return monitor.schedule.zone if monitor.schedule else "UTC"


def _expected(monitor: Monitor, evidence: ContentStore, table: Table) -> tuple[Expected, ...]:
    """What a window's files must agree on, where there are several: for drift, the reference's columns."""
    if monitor.plan is not None or len(table.files) < 2:
        return ()
    profile = msgspec.json.decode(evidence.read(monitor.reference_profile), type=Profile)
    return expected_columns(profile, monitor.settings.columns)


def _check_unchanged(table: Table, before: Stamps) -> None:
    if is_changed(table, before):
        raise InputError(
            f"{table.pattern} changed while it was read",
            slug="changed-while-read",
            hint="Check it once its writer is done; writing to another name and renaming keeps readers safe.",
        )


def _look(monitor: Monitor, evidence: ContentStore, engine: str, rows: Rows, now: datetime) -> EngineResult:
    if isinstance(monitor.plan, VariantPlan):
        from crisplens.monitors.performance.variant_checks import check_variants

        return check_variants(monitor.plan, monitor.settings, rows)
    kept = evidence.read(monitor.reference_profile)
    if isinstance(monitor.plan, PerformancePlan):
        from crisplens.monitors.performance.checks import check_performance

        baseline = msgspec.json.decode(kept, type=PerformanceBaseline)
        return check_performance(monitor.plan, monitor.settings, baseline, rows, now=now)
    chosen = get_engine(engine)
    with _reference_rows(monitor, chosen.name) as table:
        reference = Reference(table=table, profile=msgspec.json.decode(kept, type=Profile))
        return chosen.check(reference, rows, monitor.settings)


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


def unreadable(monitor: Monitor, error: InputError, rows: Rows | None = None) -> CheckFindings:
    """What is recorded when the data that a schedule asked for cannot be read."""
    result = CheckResult(
        engine=monitor.engine,
        verdict=Verdict.BAD_DATA,
        reason=f"The data could not be read: {error.message}.",
        columns=(),
        reference_rows=monitor.reference.rows,
        current_rows=0,
        drifted=0,
        checked=0,
        drift_share=monitor.settings.drift_share,
    )
    window = _window(rows or Rows(Table(monitor.current, (), "")), Bytes("", 0, 0), 0)
    return CheckFindings(monitor, window, EngineResult(result, None))


def is_recorded(work: UnitOfWork, findings: CheckFindings, *, since: datetime | None) -> bool:
    """Whether another process recorded this meanwhile: the same window, or for windows of all data a check `since`."""
    monitor, window = findings.monitor, findings.window
    if window.end or window.name:
        return is_window_checked(work.session, work.project, monitor.name, window.key)
    last = last_check(work.session, work.project, monitor.name)
    return since is not None and last is not None and parse_time(last) >= since


def escalate_overdue(work: UnitOfWork) -> tuple[Incident, ...]:
    """Hand up the open incidents that nobody took on in the time that their monitors give; returns those."""
    responses = {one.name: one.response for one in list_monitors(work.session, work.project)}
    late = [
        one
        for one in open_incidents(work.session, work.project)
        if one.state == State.OPEN
        and not one.escalations
        and is_overdue(one.recorded_at, responses[one.monitor], work.now)
    ]
    return tuple(
        escalate_incident(
            work,
            one.id,
            to=responses[one.monitor].escalate_to,
            reason=f"Nobody took it on within {responses[one.monitor].escalate_after} hours.",
        )
        for one in late
    )


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


def with_doubts(
    found: EngineResult,
    monitor: Monitor,
    window: Window,
    violations: tuple[Violation, ...],
    missing: str = "",
) -> EngineResult:
    """The result, with what makes its data doubtful said in its reason, and a verdict of bad data where it breaks
    what it is held to."""
    check, said = found.check, [missing] if missing else []
    errors = [one for one in violations if one.severity == "error"]
    if errors:
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        said.append(f"It breaks a constraint: {errors[0].reason.rstrip('.')}{more}.")
    if window.digest and window.digest == monitor.reference.digest:
        said.append("Its data is the very data of the reference.")
    if not said:
        return found
    verdict = Verdict.BAD_DATA if (errors or missing) and check.verdict not in FOUND else check.verdict
    judged: CheckResult = msgspec.structs.replace(
        check, verdict=verdict, reason=" ".join([check.reason, *said])
    )
    return replace(found, check=judged)


@lru_cache(maxsize=32)
def _digest(table: Table, _stamps: Stamps) -> Bytes:
    """The content's digest, read once for all windows of files that have not changed."""
    return digest_table(table)


@contextmanager
def _reference_rows(monitor: Monitor, engine: str) -> Iterator[Table | None]:
    """The reference's rows, for an engine that reads them. `InputError` when they are not those of the profile."""
    if not reads_reference_rows(engine, monitor.settings):
        yield None
        return
    with opened_source(monitor.reference.location) as table:
        if digest_table(table).digest != monitor.reference.digest:
            raise InputError(
                f"the reference {monitor.reference.location} is not the data that the monitor was added with",
                slug="reference-changed",
                hint=f"Engine {engine} needs its rows: restore the file, or use --engine duckdb."
                if engine in REFERENCE_ROWS_NEEDED
                else "Its scores need its rows: restore the file, or take scores from its profile alone.",
            )
        yield table


def _window(rows: Rows, content: Bytes, count: int) -> Window:
    return Window(
        location=rows.table.pattern,
        digest=content.digest,
        size=content.size,
        files=content.files,
        rows=count,
        start=to_text(rows.only.start) if isinstance(rows.only, TimeSlice) else None,
        end=to_text(rows.only.end) if isinstance(rows.only, TimeSlice) else None,
        name=rows.name,
    )
