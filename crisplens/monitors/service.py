"""Use cases of monitors: adding one, changing how it decides, muting it, retiring it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import msgspec

from crisplens.core.clock import parse_time, to_text
from crisplens.core.errors import InputError
from crisplens.core.names import check_name
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.monitors import settings as options
from crisplens.monitors.engines.by_name import DEFAULT_ENGINE, get_engine
from crisplens.monitors.engines.interface import Engine
from crisplens.monitors.events import (
    MonitorAdded,
    MonitorChanged,
    MonitorMuted,
    MonitorRetired,
    MonitorUnmuted,
)
from crisplens.monitors.model import CheckSettings, Profile
from crisplens.monitors.queries import Monitor, Mute, get_monitor, get_mute, list_monitors
from crisplens.monitors.schedules.model import Schedule, parse_schedule, schedule_text
from crisplens.monitors.schedules.windows import TimeRule, Unit, WholeRule, WindowRule, parse_window_rule
from crisplens.monitors.sources.by_location import opened_source
from crisplens.monitors.states import Window
from crisplens.monitors.tables import MuteRow
from crisplens.registry.data.content import digest_table
from crisplens.registry.evidence.service import add_evidence_bytes
from crisplens.registry.models.queries import check_model
from crisplens.registry.projects.queries import get_project
from crisplens.registry.views import next_id

PROFILE_MEDIA_TYPE = "application/vnd.crisplens.profile+json"
# What ends a schedule.
NEVER = "never"


def add_monitor(
    work: UnitOfWork,
    name: str,
    *,
    model: str,
    reference: str | os.PathLike[str],
    current: str,
    columns: Sequence[str] = (),
    thresholds: Mapping[str, float] | None = None,
    methods: Mapping[str, str] | None = None,
    drift_share: float | None = None,
    minimum_rows: int = 30,
    tolerance: float = 0.1,
    level: float = 0.05,
    weights: Mapping[str, float] | None = None,
    persistence: str | None = None,
    engine: str = DEFAULT_ENGINE,
    constraints: str | os.PathLike[str] | None = None,
    window: str = "whole",
    window_every: str | None = None,
    time_column: str = "",
    lateness: str = "0s",
    schedule: str | None = None,
    zone: str = "UTC",
    trigger: str = "automatic",
    cool_down: int = 0,
    owner: str = "",
    escalate_to: str = "",
    escalate_after: int = 24,
) -> Monitor:
    """Watch a model's data: profile the reference once and keep the profile as evidence.

    `reference` and `current` are paths or globs of CSV or Parquet files. No `columns` means all of the
    reference's; `thresholds` and `methods` override the defaults per column; `CheckSettings` says when a window
    drifts, and `Response` what follows (times in hours). `persistence` is `K/N` windows, 2/3 unless given where
    windows come one after another. `constraints` is a file of quality constraints, or `suggest` for those of the
    reference. `window` and its step are as `parse_window_rule` reads them, over `time_column`, whose rows may come as
    late as `lateness`; `schedule` is a cron expression or `every 6h`. `zone` is that of both.
    Raises `InputError` for data that cannot be read, unknown columns, models, methods or engines, a setting out of
    its range, or a name that is taken.
    """
    windows = _windows(window, window_every, time_column, lateness, zone)
    planned = parse_schedule(schedule, zone=zone) if schedule else None
    settings = options.check_settings(
        columns=columns,
        thresholds=thresholds,
        methods=methods,
        drift_share=drift_share,
        minimum_rows=minimum_rows,
        tolerance=tolerance,
        level=level,
        weights=weights,
        persistence=persistence,
        comes_alone=isinstance(windows, WholeRule) and planned is None,
    )
    response = options.check_response(
        trigger=trigger,
        cool_down=cool_down,
        owner=owner,
        escalate_to=escalate_to,
        escalate_after=escalate_after,
    )
    # Reading comes before the first statement, so that no other writer waits for it.
    looked_at, profile = _profile_reference(os.fspath(reference), settings, get_engine(engine))
    get_project(work.session, work.project)
    check_name("monitor", name)
    check_model(work.session, work.project, model)
    if name in {monitor.name for monitor in list_monitors(work.session, work.project)}:
        raise InputError(f"monitor {name!r} exists already", slug="exists", hint="Choose another name.")
    kept = add_evidence_bytes(
        work,
        msgspec.json.encode(profile),
        name=f"{name}-reference-profile.json",
        media_type=PROFILE_MEDIA_TYPE,
    )
    event = MonitorAdded(
        name=name,
        model=model,
        reference=looked_at,
        reference_profile=kept.digest,
        current=current,
        engine=engine,
        settings=settings,
        constraints=_keep_constraints(work, name, constraints, profile),
        windows=windows,
        time_column=time_column,
        schedule=planned,
        response=response,
    )
    append(work, event)
    return get_monitor(work.session, work.project, name)


def change_monitor(
    work: UnitOfWork,
    name: str,
    *,
    reason: str,
    current: str | None = None,
    engine: str | None = None,
    thresholds: Mapping[str, float] | None = None,
    methods: Mapping[str, str] | None = None,
    drift_share: float | None = None,
    minimum_rows: int | None = None,
    tolerance: float | None = None,
    level: float | None = None,
    weights: Mapping[str, float] | None = None,
    persistence: str | None = None,
    constraints: str | os.PathLike[str] | None = None,
    schedule: str | None = None,
    zone: str | None = None,
    trigger: str | None = None,
    cool_down: int | None = None,
    owner: str | None = None,
    escalate_to: str | None = None,
    escalate_after: int | None = None,
) -> Monitor:
    """Let a monitor decide, or be run, differently from now on; what is not given stays as it is.

    A `schedule` of `never` ends it; a `zone` alone is that of the schedule from now on. The reference, its columns
    and the windows stay: what they are is what earlier checks were compared by, so others need a monitor of their own.
    Raises `InputError` as `add_monitor`, and when nothing would change or the monitor is retired.
    """
    monitor = _in_use(work, name)
    settings = options.changed(
        monitor.settings,
        thresholds=thresholds,
        methods=methods,
        drift_share=drift_share,
        minimum_rows=minimum_rows,
        tolerance=tolerance,
        level=level,
        weights=weights,
        persistence=persistence,
    )
    given = {
        "trigger": trigger,
        "cool_down": cool_down,
        "owner": owner,
        "escalate_to": escalate_to,
        "escalate_after": escalate_after,
    }
    known = msgspec.structs.asdict(monitor.response)
    response = options.check_response(**{**known, **{k: v for k, v in given.items() if v is not None}})
    profile = msgspec.json.decode(work.evidence.read(monitor.reference_profile), type=Profile)
    get_engine(engine or monitor.engine).check_settings(profile, settings)
    planned = _planned_anew(monitor.schedule, schedule, zone)
    held_to = _keep_constraints(work, name, constraints, profile)
    event = MonitorChanged(
        name=name,
        current=current or monitor.current,
        engine=engine or monitor.engine,
        settings=settings,
        constraints=held_to or monitor.constraints,
        schedule=planned,
        response=response,
        reason=check_text("the reason", reason),
    )
    if all(getattr(event, field) == getattr(monitor, field) for field in _CHANGEABLE):
        raise InputError(f"monitor {name} is so already", slug="nothing-to-change")
    append(work, event)
    return get_monitor(work.session, work.project, name)


def _planned_anew(known: Schedule | None, schedule: str | None, zone: str | None) -> Schedule | None:
    if schedule == NEVER:
        return None
    if schedule is None and (zone is None or known is None):
        return known
    text = schedule_text(known) if schedule is None and known else schedule or ""
    return parse_schedule(text, zone=zone or (known.zone if known else "UTC"))


_CHANGEABLE = ("current", "engine", "settings", "constraints", "schedule", "response")


def retire_monitor(work: UnitOfWork, name: str, *, reason: str) -> Monitor:
    """Run a monitor no more; what it found stays. Raises `InputError` when it is unknown or retired."""
    _in_use(work, name)
    append(work, MonitorRetired(name=name, reason=check_text("the reason", reason)))
    return get_monitor(work.session, work.project, name)


def mute_monitor(work: UnitOfWork, name: str, *, until: str, reason: str, start: str | None = None) -> Mute:
    """Record what a monitor finds from `start` (now unless given) `until` then, and take none of it for an alarm.

    A mute that starts later is a maintenance window. Raises `InputError` for an unknown or retired monitor, and a
    time that has passed or comes before the start.
    """
    _in_use(work, name)
    begin = parse_time(start) if start else work.now
    end = parse_time(until)
    if end <= max(begin, work.now):
        raise InputError(
            f"a mute from {to_text(begin)} until {to_text(end)} would be over",
            slug="bad-time",
            hint="It ends after it starts, and after now.",
        )
    id = next_id(work.session, work.project, MuteRow, "mute")
    reason = check_text("the reason", reason)
    append(work, MonitorMuted(id=id, monitor=name, start=to_text(begin), end=to_text(end), reason=reason))
    return get_mute(work.session, work.project, id)


def unmute_monitor(work: UnitOfWork, id: str, *, reason: str) -> Mute:
    """End a mute before its time. Raises `InputError` when it is unknown or over."""
    mute = get_mute(work.session, work.project, id)
    if mute.ended_at or mute.end <= to_text(work.now):
        raise InputError(f"{id} ended on {(mute.ended_at or mute.end)[:10]}", slug="not-open")
    append(work, MonitorUnmuted(id=id, reason=check_text("the reason", reason)))
    return get_mute(work.session, work.project, id)


def _in_use(work: UnitOfWork, name: str) -> Monitor:
    monitor = get_monitor(work.session, work.project, name)
    check_in_use(monitor)
    return monitor


def check_in_use(monitor: Monitor) -> None:
    """Raise `InputError` for a monitor that is retired."""
    if monitor.retired_at is not None:
        raise InputError(
            f"monitor {monitor.name} was retired on {monitor.retired_at[:10]}: {monitor.retired_reason}",
            slug="not-open",
            hint="Add another one.",
        )


def _keep_constraints(
    work: UnitOfWork, name: str, given: str | os.PathLike[str] | None, reference: Profile
) -> str | None:
    if given is None:
        return None
    from crisplens.monitors.constraints import keep_constraints, load_constraints

    return keep_constraints(work, name, load_constraints(given, reference))


def _windows(window: str, step: str | None, column: str, lateness: str, zone: str) -> WindowRule:
    timed = isinstance(rule := _rule(window, step, lateness, zone), TimeRule)
    if timed and not column:
        raise InputError(
            f"windows of {window} need a time column",
            slug="bad-window",
            hint="Name the column that says when a row belongs to: --time-column NAME.",
        )
    if column and not timed:
        raise InputError(f"windows of kind {window!r} have no time column", slug="bad-window")
    return rule


def _rule(window: str, step: str | None, lateness: str, zone: str) -> WindowRule:
    if window not in frozenset(Unit):
        # The zone is then the schedule's alone.
        zone = "UTC"
    return parse_window_rule(window, every=step, zone=zone, lateness=lateness)


def _profile_reference(location: str, settings: CheckSettings, engine: Engine) -> tuple[Window, Profile]:
    from crisplens.monitors.engines.duckdb_engine import profile_reference

    with opened_source(location) as table:
        content = digest_table(table)
        profile = profile_reference(table, settings.columns)
    engine.check_settings(profile, settings)
    window = Window(
        location=location, digest=content.digest, size=content.size, files=content.files, rows=profile.rows
    )
    return window, profile
