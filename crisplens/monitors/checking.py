"""Checking a window: looking at the data, deciding, recording what was found.

A check is three steps, so that no writer waits while data is read: load the monitor (`get_monitor`), look at the
data (`carry_out_check`, which touches no database), record what was found (`record_check`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
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
from crisplens.monitors.engines.by_name import REFERENCE_ROWS_NEEDED, get_engine
from crisplens.monitors.engines.interface import Attachment, EngineResult, Reference, Rows, TimeSlice
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
from crisplens.monitors.model import CheckResult, Profile, Verdict
from crisplens.monitors.quality.model import Violation
from crisplens.monitors.queries import (
    Check,
    Monitor,
    Mute,
    is_window_checked,
    last_checks,
    list_monitors,
    list_mutes,
    newest_seen,
    seen,
)
from crisplens.monitors.service import PROFILE_MEDIA_TYPE
from crisplens.monitors.sources.by_location import opened_source
from crisplens.monitors.states import Window
from crisplens.monitors.tables import CheckRow
from crisplens.registry.data.content import Bytes, digest_table
from crisplens.registry.data.files import Table
from crisplens.registry.evidence.service import add_evidence_bytes
from crisplens.registry.views import get_view, next_id

KINDS = {Verdict.DRIFT: IncidentKind.DRIFT, Verdict.BAD_DATA: IncidentKind.BAD_DATA}
# More would not be read, and the event has to stay small.
MOST_VIOLATIONS = 100


@dataclass(frozen=True)
class CheckFindings:
    """What `carry_out_check` found, ready to be recorded."""

    monitor: Monitor
    window: Window
    found: EngineResult
    violations: tuple[Violation, ...] = ()


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
) -> CheckFindings:
    """Compare a window of a monitor with its reference; the registry's database is not touched.

    Raises `InputError` when the data cannot be read at all or changes meanwhile, `RegistryError` when the engine
    fails.
    """
    profile = msgspec.json.decode(evidence.read(monitor.reference_profile), type=Profile)
    chosen = get_engine(engine or monitor.engine)
    before = _stamps(rows.table)
    with ThreadPoolExecutor(max_workers=1) as pool, _reference_rows(monitor, chosen.name) as table:
        digesting = pool.submit(_digest, rows.table, before)
        found = chosen.check(Reference(table=table, profile=profile), rows, monitor.settings)
        content = digesting.result()
    if _stamps(rows.table) != before:
        raise InputError(
            f"{rows.table.pattern} changed while it was read",
            slug="changed-while-read",
            hint="Check it once its writer is done; writing to another name and renaming keeps readers safe.",
        )
    window = _window(rows, content, found.check.current_rows)
    violations: tuple[Violation, ...] = ()
    if monitor.constraints is not None and found.current_profile is not None:
        from crisplens.monitors.constraints import judge_window, read_kept

        held_to = read_kept(evidence, monitor.constraints)
        violations = judge_window(
            held_to, found.current_profile, rows, reference_rows=monitor.reference.rows, now=now
        )[:MOST_VIOLATIONS]
    return CheckFindings(monitor, window, _with_doubts(found, monitor, window, violations), violations)


def record_check(work: UnitOfWork, findings: CheckFindings) -> CheckRecorded:
    """Record what a check found, and whether it is an alarm.

    An alarm opens an incident, unless one is open for that cause; drift raises a retraining trigger as the monitor's
    response says. What is found while an incident is open belongs to it.
    """
    monitor, found = findings.monitor, findings.found
    check_id = next_id(work.session, work.project, CheckRow, "check")
    now = to_text(work.now)
    this = seen(findings.window, found.check, now)
    mutes = list_mutes(work.session, work.project, monitor.name)
    decision = decide_alarm(this, _earlier(work, monitor), monitor.settings, muted=_muted(mutes, this, now))
    kind = KINDS.get(found.check.verdict)
    known = find_open_incident(work, monitor.name, kind) if kind else None
    opens = kind is not None and decision.alarm and known is None
    incident = known.id if known else next_incident_id(work) if opens else None
    append(
        work,
        MonitorChecked(
            id=check_id,
            monitor=monitor.name,
            window=findings.window,
            result=found.check,
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


def unreadable(monitor: Monitor, error: InputError) -> CheckFindings:
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
    window = Window(location=monitor.current, digest="", size=0, files=0, rows=0)
    return CheckFindings(monitor, window, EngineResult(result, None))


def is_recorded(work: UnitOfWork, findings: CheckFindings, *, since: datetime | None) -> bool:
    """Whether another process recorded this meanwhile: the same window, or for windows of all data a check `since`."""
    monitor, window = findings.monitor, findings.window
    if window.end or window.name:
        return is_window_checked(work.session, work.project, monitor.name, window.key)
    last = last_checks(work.session, work.project).get(monitor.name)
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
    return tuple(
        add_evidence_bytes(
            work, kept.content, name=f"{check_id}-{kept.name}", media_type=kept.media_type
        ).digest
        for kept in attachments
    )


def _with_doubts(
    found: EngineResult, monitor: Monitor, window: Window, violations: tuple[Violation, ...]
) -> EngineResult:
    """The result, with what makes its data doubtful said in its reason, and a verdict of bad data where it breaks
    what it is held to."""
    check, said = found.check, []
    errors = [one for one in violations if one.severity == "error"]
    if errors:
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        said.append(f"It breaks a constraint: {errors[0].reason.rstrip('.')}{more}.")
    if window.digest == monitor.reference.digest:
        said.append("Its data is the very data of the reference.")
    if not said:
        return found
    verdict = Verdict.BAD_DATA if errors and check.verdict is not Verdict.DRIFT else check.verdict
    judged: CheckResult = msgspec.structs.replace(
        check, verdict=verdict, reason=" ".join([check.reason, *said])
    )
    return replace(found, check=judged)


def _stamps(table: Table) -> tuple[tuple[str, int, int], ...]:
    found = [(str(file), os.stat(file)) for file in table.files]
    return tuple((file, one.st_size, one.st_mtime_ns) for file, one in found)


@lru_cache(maxsize=32)
def _digest(table: Table, stamps: tuple[tuple[str, int, int], ...]) -> Bytes:
    """The content's digest, read once for all windows of files that have not changed."""
    return digest_table(table)


@contextmanager
def _reference_rows(monitor: Monitor, engine: str) -> Iterator[Table | None]:
    """The reference's rows, for an engine that reads them. `InputError` when they are not those of the profile."""
    if engine not in REFERENCE_ROWS_NEEDED:
        yield None
        return
    with opened_source(monitor.reference.location) as table:
        if digest_table(table).digest != monitor.reference.digest:
            raise InputError(
                f"the reference {monitor.reference.location} is not the data that the monitor was added with",
                slug="reference-changed",
                hint=f"Engine {engine} needs its rows: restore the file, or use --engine duckdb.",
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
