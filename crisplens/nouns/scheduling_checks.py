"""Checking one monitor under a lease, and when what is left of its work is to be taken up."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from crisplens.core import clock
from crisplens.core.errors import CrisplensError
from crisplens.monitors import due, leases
from crisplens.monitors.leases import Lease
from crisplens.monitors.planning import CHECK, Key
from crisplens.monitors.queries import Monitor, get_monitor, last_check
from crisplens.monitors.schedules.windows import WholeRule
from crisplens.nouns.monitors import DueRun
from crisplens.nouns.scheduling_leases import HeldLeases
from crisplens.nouns.scheduling_news import Checked, Teller

if TYPE_CHECKING:
    from crisplens.api import Registry

# What failed waits so long, twice as long each time; what was due and had no new data, likewise.
FIRST_DELAY, LONGEST_DELAY = 5.0, 600.0
LONGEST_QUIET = 300.0


@dataclass
class Checker:
    """Checks monitors, from several threads: at most so many windows of one (`most`), while `go_on` says so."""

    registry: Registry
    held: HeldLeases
    teller: Teller
    every: float
    most: int
    go_on: Callable[[], bool]
    _tries: dict[Key, int] = field(default_factory=dict)

    def check(self, key: Key) -> tuple[bool, bool]:
        """Check a monitor; whether there is more to do at once, and whether something was recorded."""
        project, name = key
        with self.held.taking(project, CHECK + name) as (session, lease):
            if lease is None:
                return False, False
            # What was planned may have been done or changed meanwhile.
            monitor = get_monitor(session, project, name)
            last = last_check(session, project, name)
        again: float | None = FIRST_DELAY
        run = None
        try:
            now = clock.now()
            moment = due.due_moment(monitor, last, now)
            if _is_open(monitor, moment):
                run = self._run(project, monitor, moment, now, lease)
                again = self._again(key, run, moment, due.next_moment(monitor, now))
            else:
                again = None
        finally:
            self.held.release(lease, again=again)
        return again == 0, bool(run and run.checks)

    def _run(
        self, project: str, monitor: Monitor, moment: datetime | None, now: datetime, lease: Lease
    ) -> DueRun:
        try:
            load_libraries()
            run = self.registry.on_project(project).monitor._run_windows(
                monitor, moment, now, self.most, hold=partial(leases.hold, lease=lease), go_on=self.go_on
            )
        except CrisplensError as error:
            run = DueRun(monitor=monitor.name, failure=error.message, exit_code=error.exit_code)
        except Exception as error:
            failure = f"crisplens failed: {type(error).__name__}: {error}"
            run = DueRun(monitor=monitor.name, failure=failure, exit_code=3)
        if run.checks or run.failure:
            self.teller.tell(Checked(project=project, run=run))
        return run

    def _again(self, key: Key, run: DueRun, moment: datetime | None, coming: datetime | None) -> float | None:
        """After how many seconds what is left of a monitor's work is to be taken up; None when nothing is left."""
        quiet = bool(run.awaited) or (moment is not None and not run.checks and not run.waiting)
        if run.exit_code in (0, 2) and not quiet:
            self._tries.pop(key, None)
            return 0 if run.waiting else None
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        if run.exit_code not in (0, 2):
            return delay(tries, FIRST_DELAY, LONGEST_DELAY)
        until = delay(tries, self.every, max(LONGEST_QUIET, self.every))
        return until if coming is None else min(until, max((coming - clock.now()).total_seconds(), 0.001))


def delay(tries: int, first: float, longest: float) -> float:
    """Seconds to wait after so many tries, each twice as long as before, moved by up to a tenth."""
    return float(min(first * 2.0 ** min(tries - 1, 20), longest) * random.uniform(0.9, 1.1))


def load_libraries() -> None:
    """Load what counts fastest: engines use it where it is loaded, as one check would not pay for it."""
    from crisplens.monitors.engines.arrow_use import available

    if available():
        import_module("pyarrow")


def _is_open(monitor: Monitor, moment: datetime | None) -> bool:
    """Whether there may be a window to check: the schedule says so, or someone who had begun may have left some."""
    if monitor.retired_at is not None:
        return False
    return moment is not None or not isinstance(monitor.windows, WholeRule)
