"""What every monitor begins with: a free name, a known model, windows, a schedule, and a reference that is kept."""

from __future__ import annotations

from dataclasses import dataclass

from crisplens.core.errors import InputError
from crisplens.core.names import check_name
from crisplens.core.work import UnitOfWork
from crisplens.monitors.performance.plans import PerformanceBaseline, PerformancePlan
from crisplens.monitors.queries import list_monitors
from crisplens.monitors.schedules.model import Schedule, parse_schedule
from crisplens.monitors.schedules.windows import TimeRule, Unit, WholeRule, WindowRule, parse_window_rule
from crisplens.monitors.sources.by_location import opened_source
from crisplens.monitors.states import Window
from crisplens.registry.data.content import Bytes, digest_table
from crisplens.registry.evidence.service import add_evidence_bytes
from crisplens.registry.models.queries import check_model
from crisplens.registry.projects.queries import get_project


@dataclass(frozen=True)
class Running:
    """How a monitor is run: its windows and its schedule."""

    windows: WindowRule
    schedule: Schedule | None

    @property
    def comes_alone(self) -> bool:
        """Whether a window is all that there is, and no other follows by itself."""
        return isinstance(self.windows, WholeRule) and self.schedule is None


def plan_running(
    window: str, step: str | None, column: str, lateness: str, schedule: str | None, zone: str
) -> Running:
    """Windows and schedule as they are given. Raises `InputError` for what cannot be read or does not fit."""
    windows = _windows(window, step, column, lateness, zone)
    return Running(windows, parse_schedule(schedule, zone=zone) if schedule else None)


def check_new(work: UnitOfWork, name: str, model: str) -> None:
    """Raise `InputError` for a name that is taken or none, and for an unknown model."""
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
    if window not in frozenset(Unit):
        # The zone is then the schedule's alone.
        zone = "UTC"
    return parse_window_rule(window, every=step, zone=zone, lateness=lateness)
