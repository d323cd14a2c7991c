"""What is watched in production, and what was found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from crisplens.binding import Command, Noun, ProjectQuery
from crisplens.core import clock
from crisplens.core.errors import CrisplensError, InputError
from crisplens.monitors import checking, due, recording
from crisplens.monitors import queries as monitor_queries
from crisplens.monitors import service as monitors
from crisplens.monitors import settings as options
from crisplens.monitors.checking import CheckFindings
from crisplens.monitors.engines.interface import Rows
from crisplens.monitors.idle import refuse_idle_of_plan
from crisplens.monitors.incidents import queries as incident_queries
from crisplens.monitors.opening import opened_for
from crisplens.monitors.performance import service as performance
from crisplens.monitors.performance.labels import LabelsAwaited
from crisplens.monitors.performance.plans import KpiPlan
from crisplens.monitors.recording import CheckRecorded
from crisplens.monitors.schedules.windows import FileRule, WholeRule
from crisplens.monitors.streaming.model import is_pushed

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from crisplens.api import Registry
    from crisplens.monitors import history as past
    from crisplens.monitors.metrics import Reading
    from crisplens.monitors.queries import Monitor
    from crisplens.nouns import streaming
    from crisplens.registry.data.files import Table


Window = TypeVar("Window")


class DueRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did for one monitor: its checks, how many windows wait for the next run, and what stopped it.

    `awaited` says which labels the oldest of them waits for.
    `exit_code` is that of what stopped it: 2 for data that cannot be read, 3 for an engine that failed.
    """

    monitor: str
    checks: tuple[CheckRecorded, ...] = ()
    waiting: int = 0
    awaited: str = ""
    failure: str = ""
    exit_code: int = 0


class Monitors(Noun):
    """`crisplens monitor`"""

    _registry: Registry

    add = Command(monitors.add_monitor)
    add_performance = Command(performance.add_performance_monitor)
    add_variants = Command(performance.add_variants_monitor)
    add_kpi = Command(performance.add_kpi_monitor)
    change = Command(monitors.change_monitor)
    retire = Command(monitors.retire_monitor)
    renew = Command(monitors.renew_monitor)
    mute = Command(monitors.mute_monitor)
    unmute = Command(monitors.unmute_monitor)
    mutes = ProjectQuery(monitor_queries.list_mutes)
    list = ProjectQuery(monitor_queries.list_monitors)
    standings = ProjectQuery(monitor_queries.list_standings)
    history = ProjectQuery(monitor_queries.list_checks)
    get = ProjectQuery(monitor_queries.get_monitor)
    _past_windows = ProjectQuery(monitor_queries.past_windows)
    _checked_windows = ProjectQuery(monitor_queries.checked_windows)
    _last_checks = ProjectQuery(monitor_queries.last_checks)

    def run(self, name: str, *, engine: str | None = None, current: str | Any | None = None) -> CheckRecorded:
        """Check a monitor now, and record what was found: its oldest window that was not checked, or `current`.

        `current` is a location, or a DataFrame of pandas or polars, or a pyarrow Table. Raises `InputError` when the
        data cannot be read at all, no window is due or `engine` would do nothing, `RegistryError` when the engine or
        the data's home fails.
        """
        self._registry.actor  # noqa: B018  (refuse before the work, not after it)
        monitor = self.get(name)
        monitors.check_in_use(monitor)
        if isinstance(monitor.plan, KpiPlan):
            if current is not None or engine is not None:
                raise InputError(f"{name} watches what is recorded of a KPI", slug="bad-choice")
            found = _first(monitor, self._observed(monitor, 1))
        elif current is None and is_pushed(monitor.current):
            if engine is not None:
                raise InputError(
                    "--engine does nothing for pushed rows, of which only the profile is kept",
                    slug="bad-choice",
                    hint="Leave it out, or check files with it: --current FILES.",
                )
            return _first(monitor, self._close_due(monitor, None, clock.now(), 1).checks)
        else:
            if monitor.plan is not None:
                refuse_idle_of_plan({"engine": engine}, monitor.plan)
            data = monitor.current if current is None else current
            with self._opened(monitor, engine or monitor.engine, data) as (table, remote):
                own = current is None
                rows = self._oldest_window(monitor, table, remote) if own else Rows(table, remote=remote)
                found = self._look(monitor, rows, engine=engine)
        with self._registry.writing() as work:
            if current is None and recording.is_recorded(work, found, since=None):
                raise InputError(
                    f"another process has just checked {found.window.key} of {name}",
                    slug="nothing-due",
                    hint=f"crisplens monitor history {name} shows what it found.",
                )
            return recording.record_check(work, found)

    def run_due(
        self,
        name: str | None = None,
        *,
        most: int = due.MOST_WINDOWS,
        progress: Callable[[DueRun], None] | None = None,
    ) -> tuple[DueRun, ...]:
        """Check what is due: the monitors whose schedule says so, or the windows of monitor `name`.

        Each window is checked once, those that were missed in order, at most `most` of a monitor. Data that cannot
        be read is recorded as bad data when a schedule asked for it. One monitor's failure keeps no other from being
        checked: it is in its `DueRun`. `progress` is told of each run as it ends.
        """
        self._registry.actor  # noqa: B018
        now = clock.now()
        done: tuple[DueRun, ...] = ()
        for monitor, moment in self._chosen(name, now):
            done += (self._run_windows(monitor, moment, now, most),)
            if progress:
                progress(done[-1])
        return done

    def push(
        self, name: str, rows: Any, *, format: str = "", batch: str = "", close: bool = False
    ) -> streaming.Pushed:
        """Count rows in the open windows of a monitor, and check the windows that are complete with them.

        `rows` are a list of dicts, a DataFrame of pandas or polars, data of pyarrow, or bytes in a `format`: csv,
        jsonl, json, parquet or arrow. The same `batch` id again changes nothing. `close` checks what is open then,
        complete or not. Raises `InputError` for rows that lack a watched column or have another type in it, and for a
        monitor that nothing is pushed to; then nothing is changed.
        """
        from crisplens.nouns import streaming

        return streaming.push(self._registry, name, rows, format=format, batch=batch, close=close)

    def close(self, name: str) -> streaming.Closed:
        """Check the open windows of a monitor now, whether they are complete or not, and close them.

        Raises `InputError` when nothing was pushed to one.
        """
        from crisplens.nouns import streaming

        return streaming.close(self._registry, name)

    def metrics(self) -> str:
        """What the project's monitors found last, as gauges in Prometheus' text format.

        Raises `RegistryError` when prometheus-client is not installed.
        """
        from crisplens.monitors import metrics

        return metrics.prometheus_text(self._readings(clock.now()))

    def push_metrics(self) -> int:
        """Send the same numbers to an OpenTelemetry collector, as the OTEL_* variables say; returns how many.

        Raises `RegistryError` when it cannot be reached or opentelemetry is not installed.
        """
        from crisplens.monitors import telemetry

        now = clock.now()
        return telemetry.push_metrics(self._readings(now), now=now)

    def _readings(self, now: datetime) -> Sequence[Reading]:
        from crisplens.monitors import metrics

        with self._registry.reading() as session:
            project = self._registry.require_project(session)
            found = metrics.readings(
                project,
                monitor_queries.list_monitors(session, project),
                monitor_queries.newest_checks(session, project),
                mutes=monitor_queries.list_mutes(session, project),
                incidents=incident_queries.open_incidents(session, project),
                triggers=incident_queries.list_triggers(session, project),
                now=now,
            )
            return tuple(found)

    def keys(self, name: str) -> tuple[str, ...]:
        """The watched columns of a monitor's reference of which every row has its own number, such as keys."""
        from crisplens.monitors.kept_profiles import read_profile
        from crisplens.monitors.profiles import key_columns

        monitor = self.get(name)
        if monitor.plan is not None:
            return ()
        reference = read_profile(self._registry.configuration.open_evidence(), monitor.reference_profile)
        chosen = monitor.settings.columns
        return tuple(
            column
            for column in key_columns(reference)
            if (not chosen or column in chosen) and monitor.settings.weights.get(column) != 0
        )

    def near_time_column(self, name: str) -> str | None:
        """The column of the reference that is named most like a monitor's time column, empty when none is like it.

        None when the reference has the time column, or current data can be looked at instead.
        """
        from crisplens.core.names import nearest
        from crisplens.monitors.adding import column_names, profiled_columns
        from crisplens.monitors.kept_profiles import read_profile

        monitor = self.get(name)
        if not monitor.time_column:
            return None
        known: Collection[str] | None
        if monitor.plan is None:
            evidence = self._registry.configuration.open_evidence()
            known = profiled_columns(read_profile(evidence, monitor.reference_profile))
        else:
            known = column_names(monitor.reference.location)
        if known is None or monitor.time_column in known or column_names(monitor.current) is not None:
            return None
        return next(iter(nearest(monitor.time_column, known, most=1)), "")

    def backtest(
        self,
        name: str,
        *,
        tolerance: float | None = None,
        level: float | None = None,
        persistence: str | None = None,
    ) -> past.Backtest:
        """What other settings would have said over the windows that a monitor has checked; no data is read.

        Raises `InputError` for a setting out of its range, and when no window was profiled.
        """
        from crisplens.monitors import history as past

        monitor = self.get(name)
        settings = options.changed(
            monitor.settings, tolerance=tolerance, level=level, persistence=persistence
        )
        return past.backtest(
            monitor,
            self.history(name),
            settings,
            self._registry.configuration.open_evidence(),
            earlier=self._past_windows(name),
        )

    def tune(self, name: str, *, alarms: float = 1, windows: int = 90, effect: float = 0.2) -> past.Tuning:
        """Settings with at most so many false `alarms` in `windows` that find drift of `effect` soonest.

        The windows that a monitor has checked are taken as quiet, but for those with an incident. Raises `InputError`
        when no window was profiled, and for a rate or effect that cannot be.
        """
        from crisplens.monitors import history as past

        evidence = self._registry.configuration.open_evidence()
        checks = self.history(name)
        return past.tune(
            self.get(name),
            checks,
            evidence,
            most_alarms=alarms,
            period=windows,
            effect=effect,
            earlier=self._past_windows(name),
        )

    def _chosen(self, name: str | None, now: datetime) -> Iterator[tuple[Monitor, datetime | None]]:
        """The monitors to run, each with the moment that its schedule asked for."""
        if name is not None:
            monitor = self.get(name)
            monitors.check_in_use(monitor)
            yield monitor, None
            return
        last = self._last_checks()
        for monitor in self.list():
            moment = due.due_moment(monitor, last.get(monitor.name), now)
            if moment is not None:
                yield monitor, moment

    def _run_windows(
        self,
        monitor: Monitor,
        moment: datetime | None,
        now: datetime,
        most: int,
        *,
        hold: Callable[[Session], None] | None = None,
        go_on: Callable[[], bool] = lambda: True,
    ) -> DueRun:
        # For schedulers: `hold` may refuse, with `RegistryError`, what a transaction is to record, and `go_on` says
        # before each window whether to begin it.
        checks: list[CheckRecorded] = []
        if isinstance(monitor.plan, KpiPlan):
            for findings in self._observed(monitor, most):
                checks += self._record_once(findings, moment, hold)
            return DueRun(monitor=monitor.name, checks=tuple(checks))
        if is_pushed(monitor.current):
            return self._close_due(monitor, moment, now, most, hold=hold, go_on=go_on)
        left = 0
        try:
            with self._opened(monitor, monitor.engine, monitor.current) as (table, remote):
                whole = isinstance(monitor.windows, WholeRule)
                checked = [] if whole else self._checked_windows(monitor.name)
                found = due.due_rows(monitor, table, checked, now, most=most, remote=remote)
                left = len(found.rows) + found.waiting
                for rows in found.rows:
                    if not go_on():
                        break
                    checks += self._record_once(self._look_or_tell(monitor, rows), moment, hold)
                    left -= 1
        except CrisplensError as error:
            if _is_awaited(monitor, error):
                # Windows are checked in order: those after it wait with it.
                return DueRun(monitor=monitor.name, checks=tuple(checks), waiting=left, awaited=error.message)
            if isinstance(error, InputError) and moment is not None:
                checks += self._record_once(checking.unreadable(monitor, error), moment, hold)
            return DueRun(
                monitor=monitor.name,
                checks=tuple(checks),
                failure=error.message,
                exit_code=error.exit_code,
            )
        return DueRun(monitor=monitor.name, checks=tuple(checks), waiting=left)

    def _close_due(
        self,
        monitor: Monitor,
        moment: datetime | None,
        now: datetime,
        most: int,
        *,
        hold: Callable[[Session], None] | None = None,
        go_on: Callable[[], bool] = lambda: True,
    ) -> DueRun:
        from crisplens.nouns import streaming

        holding = hold or (lambda session: None)
        try:
            done = streaming.close_due(
                self._registry, monitor, moment, now, most=most, hold=holding, go_on=go_on
            )
        except CrisplensError as error:
            return DueRun(monitor=monitor.name, failure=error.message, exit_code=error.exit_code)
        return DueRun(monitor=monitor.name, checks=done.checks, waiting=done.waiting)

    def _record_once(
        self,
        found: CheckFindings,
        moment: datetime | None,
        hold: Callable[[Session], None] | None = None,
    ) -> tuple[CheckRecorded, ...]:
        with self._registry.writing() as work:
            if hold:
                hold(work.session)
            if recording.is_recorded(work, found, since=moment):
                return ()
            return (recording.record_check(work, found),)

    def _look(self, monitor: Monitor, rows: Rows, *, engine: str | None = None) -> CheckFindings:
        evidence = self._registry.configuration.open_evidence()
        return checking.carry_out_check(
            monitor,
            evidence=evidence,
            engine=engine,
            rows=rows,
            now=clock.now(),
            earlier=lambda: self._past_windows(monitor.name),
        )

    def _look_or_tell(self, monitor: Monitor, rows: Rows) -> CheckFindings:
        """Look at a window; one that is a file is bad data when it cannot be read, and keeps no other waiting."""
        try:
            return self._look(monitor, rows)
        except InputError as error:
            if _is_awaited(monitor, error) or not isinstance(monitor.windows, FileRule):
                raise
            return checking.unreadable(monitor, error, rows)

    def _opened(self, monitor: Monitor, engine: str, data: Any) -> AbstractContextManager[tuple[Table, Any]]:
        evidence = self._registry.configuration.open_evidence()
        return opened_for(engine, data, text=lambda: checking.text_columns(monitor, evidence), partial=True)

    def _oldest_window(self, monitor: Monitor, table: Table, remote: Any) -> Rows:
        checked = self._checked_windows(monitor.name)
        return _first(monitor, due.due_rows(monitor, table, checked, clock.now(), most=1, remote=remote).rows)

    def _observed(self, monitor: Monitor, most: int) -> tuple[CheckFindings, ...]:
        from crisplens.monitors.kpis import look_at_kpi

        with self._registry.reading() as session:
            return look_at_kpi(session, self._registry.require_project(session), monitor, most=most)


def _is_awaited(monitor: Monitor, error: CrisplensError) -> bool:
    """Whether a window stays open: its labels are to come, or the file that it is is still being written."""
    written = isinstance(monitor.windows, FileRule) and error.slug == "changed-while-read"
    return written or isinstance(error, LabelsAwaited)


def _first(monitor: Monitor, windows: Sequence[Window]) -> Window:
    if not windows:
        raise InputError(
            f"no window of {monitor.name} is complete and not yet checked",
            slug="nothing-due",
            hint=f"`crisplens monitor close {monitor.name}` checks what was pushed, complete or not."
            if is_pushed(monitor.current)
            else f"`crisplens monitor history {monitor.name}` lists those that were checked.",
        )
    return windows[0]
