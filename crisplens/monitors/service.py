"""Use cases of monitors: adding one, changing how it decides, muting it, retiring it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from crisplens.core.clock import parse_time, to_text
from crisplens.core.decoding import decode_json
from crisplens.core.errors import InputError
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.monitors import settings as options
from crisplens.monitors.adding import (
    Running,
    begin,
    check_new,
    check_time_column,
    check_zone,
    keep_reference,
    measure_reference_of,
    plan_running,
    profiled_columns,
    reference_window,
)
from crisplens.monitors.engines.by_name import DEFAULT_ENGINE, PUSHED_DOWN, get_engine, reads_reference_rows
from crisplens.monitors.engines.interface import Engine
from crisplens.monitors.events import (
    MonitorChanged,
    MonitorMuted,
    MonitorRetired,
    MonitorUnmuted,
)
from crisplens.monitors.idle import OF_PERFORMANCE, refuse_idle, refuse_idle_of_plan
from crisplens.monitors.kept_profiles import read_profile
from crisplens.monitors.model import CheckSettings, Profile
from crisplens.monitors.moving import check_moving
from crisplens.monitors.performance.plans import (
    PERFORMANCE_MEDIA_TYPE,
    PerformanceBaseline,
    PerformancePlan,
    check_borne,
    check_limits,
)
from crisplens.monitors.queries import Monitor, Mute, get_monitor, get_mute
from crisplens.monitors.schedules.model import Schedule, parse_schedule, schedule_text
from crisplens.monitors.sources.by_location import opened_source
from crisplens.monitors.states import Window
from crisplens.monitors.streaming.model import is_pushed
from crisplens.monitors.tables import MuteRow
from crisplens.registry.data.content import Bytes, digest_table
from crisplens.registry.data.locations import check_location
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
    tolerance: float | None = None,
    level: float | None = None,
    weights: Mapping[str, float] | None = None,
    persistence: str | None = None,
    reference_also: str | None = None,
    exact: bool = False,
    segments: Sequence[Sequence[str]] = (),
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
    escalate_after: int | None = None,
) -> Monitor:
    """Watch a model's data: profile the reference once and keep the profile as evidence.

    `reference` and `current` are paths or globs of CSV or Parquet files. No `columns` means all of the reference's;
    `thresholds` and `methods` override the defaults per column; `CheckSettings` says when a window drifts, and
    `Response` what follows (times in hours), and both what holds where None is given. `persistence` is `K/N` windows,
    2/3 unless given where windows come one after another. What drifts is excused where earlier windows that were
    accepted drift alike, if `reference_also` names some, such as `seasonal 4 of 7d`; `exact` scores come from every
    value. `segments` are columns, or several of them together, by whose values rows are compared apart, too.
    `constraints` is a file of quality constraints, or `suggest` for those of the reference. `window` and its step are
    as `parse_window_rule` reads them, over `time_column`, whose rows may come as late as `lateness`; `schedule` is a
    cron expression or `every 6h`. `zone` is that of both.
    Raises `InputError` for data that cannot be read, unknown columns, models, methods or engines, a setting out of its
    range or that does nothing beside another, or a name that is taken.
    """
    for location in (os.fspath(reference), current):
        check_location(location)
    run = plan_running(window, window_every, time_column, lateness, schedule, zone)
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
        reference_also=reference_also,
        exact=exact,
        segments=segments,
        comes_alone=run.comes_alone,
    )
    if settings.also is not None:
        check_moving(settings.also, run.windows, settings)
    response = options.check_response(
        trigger=trigger,
        cool_down=cool_down,
        owner=owner,
        escalate_to=escalate_to,
        escalate_after=escalate_after,
    )
    _check_pushed(current, engine, settings)
    # Reading comes before the first statement, so that no other writer waits for it.
    looked_at, profile = _profile_reference(os.fspath(reference), settings, get_engine(engine))
    check_time_column(time_column, profiled_columns(profile), current)
    check_new(work, name, model)
    kept = keep_reference(work, name, msgspec.json.encode(profile), PROFILE_MEDIA_TYPE)
    return begin(
        work,
        name,
        model=model,
        current=current,
        run=run,
        settings=settings,
        response=response,
        reference=looked_at,
        reference_profile=kept,
        engine=engine,
        constraints=_keep_constraints(work, name, constraints, profile),
    )


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
    reference_also: str | None = None,
    exact: bool | None = None,
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

    A `schedule` of `never` ends it; a `zone` alone is that of the schedule from now on. What does nothing for the
    monitor is refused. The reference, its columns
    and the windows stay: what they are is what earlier checks were compared by, so others need a monitor of their own.
    Raises `InputError` as `add_monitor`, and when nothing would change or the monitor is retired.
    """
    monitor = _in_use(work, name)
    check_location(current or monitor.current)
    asked: dict[str, Any] = {
        "thresholds": thresholds,
        "methods": methods,
        "drift_share": drift_share,
        "minimum_rows": minimum_rows,
        "tolerance": tolerance,
        "level": level,
        "weights": weights,
        "persistence": persistence,
        "reference_also": reference_also,
        "exact": exact,
    }
    if monitor.plan is not None:
        others = {"current": current, "engine": engine, "constraints": constraints}
        refuse_idle_of_plan(asked | others, monitor.plan)
    if isinstance(monitor.plan, PerformancePlan) and tolerance is not None:
        check_borne(tolerance)
    settings = options.changed(monitor.settings, **asked)
    if settings.also is not None:
        check_moving(settings.also, monitor.windows, settings)
    response = options.changed_response(
        monitor.response,
        trigger=trigger,
        cool_down=cool_down,
        owner=owner,
        escalate_to=escalate_to,
        escalate_after=escalate_after,
    )
    if current is not None and is_pushed(current) != is_pushed(monitor.current):
        raise InputError(
            f"{name} cannot change between rows that are pushed and data that is read",
            slug="bad-choice",
            hint="Add another monitor.",
        )
    _check_pushed(current or monitor.current, engine or monitor.engine, settings)
    planned = _planned_anew(monitor.schedule, schedule, zone)
    check_zone(zone, planned)
    held_to = None
    if monitor.plan is not None:
        if isinstance(monitor.plan, PerformancePlan):
            from crisplens.monitors.performance.judging import check_room

            check_limits(monitor.plan, settings.thresholds)
            refuse_idle({"tolerance": tolerance}, OF_PERFORMANCE, (monitor.plan, settings))
            kept = work.evidence.read(monitor.reference_profile)
            check_room(monitor.plan, settings, decode_json(kept, PerformanceBaseline))
    else:
        profile = read_profile(work.evidence, monitor.reference_profile)
        watched = get_engine(engine or monitor.engine).check_settings(profile, settings)
        options.check_fits(profile, watched, settings)
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


def renew_monitor(
    work: UnitOfWork, name: str, *, to: str, reference: str | os.PathLike[str], reason: str
) -> Monitor:
    """Watch on as `to` against another reference, such as the data that the model was retrained on; retire `name`.

    The new monitor has the settings of the old one, and looks at the windows that come after those it has checked.
    Raises `InputError` as `add_monitor`, and for a monitor that has no reference.
    """
    monitor = _in_use(work, name)
    location = os.fspath(reference)
    labels = monitor.plan.labels if isinstance(monitor.plan, PerformancePlan) else ""
    for one in (location, monitor.current, labels):
        check_location(one)
    content: Profile | PerformanceBaseline
    if monitor.plan is None:
        looked_at, content = _profile_reference(location, monitor.settings, get_engine(monitor.engine))
        media_type = PROFILE_MEDIA_TYPE
    elif isinstance(monitor.plan, PerformancePlan):
        from crisplens.monitors.performance.judging import check_room

        looked_at, content = measure_reference_of(location, monitor.plan)
        check_room(monitor.plan, monitor.settings, content)
        media_type = PERFORMANCE_MEDIA_TYPE
    else:
        raise InputError(f"{name} compares with no reference", slug="bad-choice")
    check_new(work, to, monitor.model)
    kept = keep_reference(work, to, msgspec.json.encode(content), media_type)
    renewed = begin(
        work,
        to,
        model=monitor.model,
        current=monitor.current,
        run=Running(monitor.windows, monitor.schedule, monitor.time_column),
        settings=monitor.settings,
        response=monitor.response,
        reference=looked_at,
        reference_profile=kept,
        plan=monitor.plan,
        engine=monitor.engine,
        constraints=monitor.constraints,
        succeeds=name,
    )
    append(work, MonitorRetired(name=name, reason=check_text("the reason", reason)))
    return renewed


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


def _check_pushed(current: str, engine: str, settings: CheckSettings) -> None:
    if is_pushed(current) and settings.segments:
        raise InputError(
            "pushed rows are not told apart by segments",
            slug="not-pushed",
            hint="Push each segment's rows to a monitor of its own.",
        )
    if is_pushed(current) and reads_reference_rows(engine, settings):
        raise InputError(
            "of pushed rows only the profile is kept, and the engine, a method or exact scores need the rows",
            slug="not-pushed",
            hint="Watch what is pushed with the engine duckdb, by scores from profiles.",
        )


def _keep_constraints(
    work: UnitOfWork, name: str, given: str | os.PathLike[str] | None, reference: Profile
) -> str | None:
    if given is None:
        return None
    from crisplens.monitors.constraints import keep_constraints, load_constraints

    return keep_constraints(work, name, load_constraints(given, reference))


def _profile_reference(location: str, settings: CheckSettings, engine: Engine) -> tuple[Window, Profile]:
    if engine.name in PUSHED_DOWN and (found := _profile_remote(location, settings)):
        options.check_fits(found[1], engine.check_settings(found[1], settings), settings)
        return found
    from crisplens.monitors.engines.duckdb_engine import profile_reference
    from crisplens.monitors.engines.parts import check_alike, expected_columns

    with opened_source(location) as table:
        content = digest_table(table)
        profile = profile_reference(
            table, settings.columns, segments=settings.segments, least=settings.minimum_rows
        )
        check_alike(table, expected_columns(profile))
    options.check_fits(profile, engine.check_settings(profile, settings), settings)
    return reference_window(location, content, profile.rows), profile


def _profile_remote(location: str, settings: CheckSettings) -> tuple[Window, Profile] | None:
    """A reference that is profiled where it is; None for one that is a file, which DuckDB profiles."""
    from crisplens.monitors.engines import ibis_engine

    if not ibis_engine.is_remote(location):
        return None
    with ibis_engine.opened_remote(location) as table:
        profile = ibis_engine.profile_table(table, settings.columns)
    content = Bytes(*ibis_engine.profile_identity(profile), files=0)
    return reference_window(location, content, profile.rows), profile
