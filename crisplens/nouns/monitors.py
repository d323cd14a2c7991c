"""What is watched in production, and what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from crisplens.binding import Command, Noun, ProjectQuery
from crisplens.core import clock
from crisplens.core.errors import CrisplensError, InputError
from crisplens.monitors import checking, due
from crisplens.monitors import queries as monitor_queries
from crisplens.monitors import service as monitors
from crisplens.monitors import settings as options
from crisplens.monitors.checking import CheckFindings, CheckRecorded
from crisplens.monitors.engines.interface import Rows
from crisplens.monitors.incidents import queries as incident_queries
from crisplens.monitors.sources.by_location import opened_data, opened_source

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.monitors import history as past
    from crisplens.monitors.queries import Monitor
    from crisplens.registry.data.files import Table


class DueRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did for one monitor: its checks, how many windows wait for the next run, and what stopped it.

    `exit_code` is that of what stopped it: 2 for data that cannot be read, 3 for an engine that failed.
    """

    monitor: str
    checks: tuple[CheckRecorded, ...] = ()
    waiting: int = 0
    failure: str = ""
    exit_code: int = 0


class Monitors(Noun):
    """`crisplens monitor`"""

    _registry: Registry

    add = Command(monitors.add_monitor)
    change = Command(monitors.change_monitor)
    retire = Command(monitors.retire_monitor)
    mute = Command(monitors.mute_monitor)
    unmute = Command(monitors.unmute_monitor)
    mutes = ProjectQuery(monitor_queries.list_mutes)
    list = ProjectQuery(monitor_queries.list_monitors)
    history = ProjectQuery(monitor_queries.list_checks)
    get = ProjectQuery(monitor_queries.get_monitor)
    _checked_windows = ProjectQuery(monitor_queries.checked_windows)
    _last_checks = ProjectQuery(monitor_queries.last_checks)

    def run(
        self, name: str, *, engine: str | None = None, current: str | Any | None = None
    ) -> checking.CheckRecorded:
        """Check a monitor now, and record what was found: its oldest window that was not checked, or `current`.

        `current` is a location, or a DataFrame of pandas or polars, or a pyarrow Table. Raises `InputError` when the
        data cannot be read at all or no window is due, `RegistryError` when the engine or the data's home fails.
        """
        self._registry.actor  # noqa: B018  (refuse before the work, not after it)
        monitor = self.get(name)
        monitors.check_in_use(monitor)
        with opened_data(monitor.current if current is None else current) as table:
            rows = self._oldest_window(monitor, table) if current is None else Rows(table)
            found = self._look(monitor, rows, engine=engine)
        with self._registry.writing() as work:
            return checking.record_check(work, found)

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

    def metrics(self) -> str:
        """What the project's monitors found last, as gauges in Prometheus' text format.

        Raises `RegistryError` when prometheus-client is not installed.
        """
        from crisplens.monitors import metrics

        with self._registry.reading() as session:
            project = self._registry.require_project(session)
            return metrics.metrics_text(
                project,
                monitor_queries.list_monitors(session, project),
                monitor_queries.newest_checks(session, project),
                mutes=monitor_queries.list_mutes(session, project),
                incidents=incident_queries.open_incidents(session, project),
                triggers=incident_queries.list_triggers(session, project),
                now=clock.now(),
            )

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
            monitor, self.history(name), settings, self._registry.configuration.open_evidence()
        )

    def tune(self, name: str, *, alarms: float = 1, windows: int = 90, effect: float = 0.2) -> past.Tuning:
        """Settings with at most so many false `alarms` in `windows` that find drift of `effect` soonest.

        The windows that a monitor has checked are taken as quiet, but for those with an incident. Raises `InputError`
        when no window was profiled, and for a rate or effect that cannot be.
        """
        from crisplens.monitors import history as past

        evidence = self._registry.configuration.open_evidence()
        checks = self.history(name)
        return past.tune(self.get(name), checks, evidence, most_alarms=alarms, period=windows, effect=effect)

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

    def _run_windows(self, monitor: Monitor, moment: datetime | None, now: datetime, most: int) -> DueRun:
        checks: list[CheckRecorded] = []
        try:
            with opened_source(monitor.current) as table:
                checked = self._checked_windows(monitor.name)
                found = due.due_rows(monitor, table, checked, now, most=most)
                for rows in found.rows:
                    checks += self._record_once(self._look(monitor, rows), moment)
        except CrisplensError as error:
            if isinstance(error, InputError) and moment is not None:
                checks += self._record_once(checking.unreadable(monitor, error), moment)
            return DueRun(
                monitor=monitor.name,
                checks=tuple(checks),
                failure=error.message,
                exit_code=error.exit_code,
            )
        return DueRun(monitor=monitor.name, checks=tuple(checks), waiting=found.waiting)

    def _record_once(self, found: CheckFindings, moment: datetime | None) -> tuple[CheckRecorded, ...]:
        with self._registry.writing() as work:
            if checking.is_recorded(work, found, since=moment):
                return ()
            return (checking.record_check(work, found),)

    def _look(self, monitor: Monitor, rows: Rows, *, engine: str | None = None) -> CheckFindings:
        evidence = self._registry.configuration.open_evidence()
        return checking.carry_out_check(monitor, evidence=evidence, engine=engine, rows=rows, now=clock.now())

    def _oldest_window(self, monitor: Monitor, table: Table) -> Rows:
        checked = self._checked_windows(monitor.name)
        found = due.due_rows(monitor, table, checked, clock.now(), most=1)
        if not found.rows:
            raise InputError(
                f"no window of {monitor.name} is complete and not yet checked",
                slug="nothing-due",
                hint=f"`crisplens monitor history {monitor.name}` lists those that were checked.",
            )
        return found.rows[0]
