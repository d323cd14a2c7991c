"""What every monitor begins with: a free name, a known model, windows, a schedule, and a reference that is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from crisplens.core.errors import InputError
from crisplens.core.names import check_name, unknown_name
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.monitors.engines.by_name import DEFAULT_ENGINE
from crisplens.monitors.events import MonitorAdded
from crisplens.monitors.features import source_of
from crisplens.monitors.incidents.model import Response
from crisplens.monitors.model import CheckSettings, Profile
from crisplens.monitors.performance.plans import PerformanceBaseline, PerformancePlan, Plan
from crisplens.monitors.queries import Monitor, get_monitor, list_monitors
from crisplens.monitors.schedules.model import Schedule, parse_schedule
from crisplens.monitors.schedules.windows import TimeRule, Unit, WholeRule, WindowRule, parse_window_rule
from crisplens.monitors.sources.by_location import opened_source, scheme_of
from crisplens.monitors.states import Window
from crisplens.monitors.streaming.model import is_pushed
from crisplens.registry.data.content import Bytes, digest_table
from crisplens.registry.evidence.service import add_evidence_bytes
from crisplens.registry.projects.queries import get_project

# What a monitor has that compares with nothing that was before.
NO_REFERENCE = Window(location="", digest="", size=0, files=0, rows=0)


class Running(msgspec.Struct, frozen=True):
    """How a monitor is run: its windows, over which column if they are of time, and its schedule."""

    windows: WindowRule
    schedule: Schedule | None
    time_column: str = ""

    @property
    def comes_alone(self) -> bool:
        """Whether a window is all that there is, and no other follows by itself."""
        return isinstance(self.windows, WholeRule) and self.schedule is None


def plan_running(
    window: str, step: str | None, column: str, lateness: str, schedule: str | None, zone: str
) -> Running:
    """Windows and schedule as they are given. Raises `InputError` for what cannot be read or does not fit."""
    windows = _windows(window, step, column, lateness, zone)
    if not _is_calendar(window):
        check_zone(zone, schedule, "or calendar windows, such as --window day")
    return Running(windows, parse_schedule(schedule, zone=zone) if schedule else None, column)


def whole_running(schedule: str | None, zone: str) -> Running:
    """All data as one window, on a schedule if one is given. Raises `InputError` for one that cannot be read."""
    check_zone(zone, schedule)
    return Running(WholeRule(), parse_schedule(schedule, zone=zone) if schedule else None)


def check_zone(zone: str | None, schedule: object, *others: str) -> None:
    """Raise `InputError` for a zone that is given without the schedule, or one of `others`, that goes by it."""
    if zone not in (None, "UTC") and not schedule:
        raise InputError(
            f"--zone does nothing without {' '.join(['--schedule', *others])}",
            slug="bad-setting",
            hint="It is the zone that those go by. Give one of them, or leave it out."
            if others
            else "It is the zone that a schedule goes by. Give one, or leave it out.",
        )


def check_columns(wanted: Iterable[str], what: str, known: Collection[str] | None) -> None:
    """Raise `InputError`, with the nearest names, for a column that is not among those that are known, if any are."""
    for name in wanted:
        if known is not None and name not in known:
            raise unknown_name(f"column of {what}", name, known)


def check_time_column(column: str, reference: Collection[str] | None, current: str) -> None:
    """Raise `InputError` for a time column that neither the reference nor the current data has, so far as is known.

    A reference needs none: only windows are told apart by it.
    """
    if column and reference is not None and column not in reference:
        check_columns([column], "the current data", column_names(current))


def profiled_columns(reference: Profile) -> frozenset[str]:
    """The columns of the table that a profile is of, watched or not."""
    return frozenset(one.name for one in reference.columns if not source_of(one)) | {*reference.other_columns}


def column_names(location: str) -> tuple[str, ...] | None:
    """The columns of local files as they are now; None where nothing can be read yet, or not here."""
    if is_pushed(location) or scheme_of(location):
        return None
    from crisplens.registry.data.tabular import connected, duckdb_errors, table_columns

    try:
        with (
            opened_source(location, partial=True) as table,
            connected() as connection,
            duckdb_errors(table),
        ):
            return tuple(column.name for column in table_columns(connection, table))
    except InputError:
        # What is wrong with the data is told by the check that reads it.
        return None


def begin(
    work: UnitOfWork,
    name: str,
    *,
    model: str,
    current: str,
    run: Running,
    settings: CheckSettings,
    response: Response,
    reference: Window = NO_REFERENCE,
    reference_profile: str = "",
    plan: Plan | None = None,
    engine: str = DEFAULT_ENGINE,
    constraints: str | None = None,
    succeeds: str | None = None,
) -> Monitor:
    """Record that a monitor watches from now on; `reference_profile` and `constraints` are evidence digests."""
    event = MonitorAdded(
        name=name,
        model=model,
        reference=reference,
        reference_profile=reference_profile,
        plan=plan,
        succeeds=succeeds,
        current=current,
        engine=engine,
        settings=settings,
        constraints=constraints,
        windows=run.windows,
        time_column=run.time_column,
        schedule=run.schedule,
        response=response,
    )
    append(work, event)
    return get_monitor(work.session, work.project, name)


def check_new(work: UnitOfWork, name: str, model: str) -> None:
    """Raise `InputError` for a name that is taken or none, and for an unknown model."""
    from crisplens.registry.models.queries import check_model

    get_project(work.session, work.project)
    check_name("monitor", name)
    check_model(work.session, work.project, model)
    if name in {monitor.name for monitor in list_monitors(work.session, work.project)}:
        raise InputError(f"monitor {name!r} exists already", slug="exists", hint="Choose another name.")


def keep_reference(work: UnitOfWork, name: str, content: bytes, media_type: str) -> str:
    """Keep what windows are compared with as evidence; returns its digest."""
    file = f"{name}-reference-profile.json"
    return add_evidence_bytes(work, content, name=file, media_type=media_type).digest


def reference_window(location: str, content: Bytes, rows: int) -> Window:
    """The reference's data as it was looked at."""
    return Window(location=location, digest=content.digest, size=content.size, files=content.files, rows=rows)


def measure_reference_of(location: str, plan: PerformancePlan) -> tuple[Window, PerformanceBaseline]:
    """How a model did on the labelled predictions at a location. Raises `InputError` for what cannot be measured."""
    from crisplens.monitors.performance.checks import measure_reference

    with opened_source(location) as table:
        content = digest_table(table)
        baseline = measure_reference(plan, table)
    return reference_window(location, content, baseline.rows), baseline


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
    if not _is_calendar(window):
        # The zone is then the schedule's alone.
        zone = "UTC"
    return parse_window_rule(window, every=step, zone=zone, lateness=lateness)


def _is_calendar(window: str) -> bool:
    return window.strip().lower() in frozenset(Unit)
