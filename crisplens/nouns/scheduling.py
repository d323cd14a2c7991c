"""The scheduler: a process that checks monitors when they are due, and shares the work with others like it.

All of them look into the registry and take a lease for what they do. The thread that calls `run` looks and waits,
so that it is there when it is to stop; workers check, one thread keeps the leases, and one attends to incidents that
nobody takes on and to notifications.
"""

from __future__ import annotations

import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from crisplens import migrations
from crisplens.binding import Noun
from crisplens.core import clock
from crisplens.core.clock import to_text
from crisplens.core.database import write_session
from crisplens.core.errors import CrisplensError, InputError, RegistryError
from crisplens.monitors import due, leases, planning
from crisplens.monitors.incidents.queries import Incident
from crisplens.monitors.leases import Lease
from crisplens.monitors.planning import CHECK, Entry, Key, Plan, Planner
from crisplens.monitors.queries import Monitor, get_monitor, last_check
from crisplens.monitors.schedules.windows import WholeRule
from crisplens.nouns.monitors import DueRun
from crisplens.nouns.notifications import Told
from crisplens.registry.projects.queries import get_project

if TYPE_CHECKING:
    from crisplens.api import Registry

EVERY, MOST, GRACE = 30.0, 10, 30.0
MOST_WORKERS = 32
# A lease lasts for two looks, so that what a dead process held is taken up soon; but not so short that a busy
# database keeps it from being renewed, which is done three times in its length.
SHORTEST_LEASE, LONGEST_LEASE, RENEWALS = 2.0, 120.0, 3
# What failed waits so long, twice as long each time; what was due and had no new data, likewise.
FIRST_DELAY, LONGEST_DELAY = 5.0, 600.0
LONGEST_QUIET = 300.0
FIRST_OUTAGE, LONGEST_OUTAGE = 1.0, 60.0
ESCALATION, NOTIFICATION = "escalation", "notification"
OF_ALL_PROJECTS = ""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What was done for one monitor."""

    project: str
    run: DueRun


class HandedUp(msgspec.Struct, frozen=True, kw_only=True):
    """Incidents that nobody took on in time, and who has them now."""

    project: str
    escalated: tuple[Incident, ...]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Something to know about the scheduler itself; `important` unless all is well."""

    text: str
    important: bool = True


News = Checked | HandedUp | Told | Said


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor that is to be checked: since when, and by whom or from when on, if that is so."""

    project: str
    monitor: str
    since: str
    holder: str = ""
    until: str = ""


class SchedulerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds which lease until when, which monitors are due or being checked, and when the next one is due."""

    leases: tuple[Lease, ...]
    due: tuple[Waiting, ...]
    next: str | None


@dataclass
class Stop:
    """Asks a scheduler to stop: from a signal's handler, or another thread."""

    asked: bool = False
    inbox: SimpleQueue[_Done | None] = field(default_factory=SimpleQueue)

    def ask(self) -> None:
        """Let it finish the windows at hand, and begin no other."""
        self.asked = True
        # The one kind of queue that a signal's handler may put into.
        self.inbox.put(None)


class Scheduler(Noun):
    """`crisplens scheduler`"""

    _registry: Registry

    def run(
        self,
        project: str | None = None,
        *,
        every: float = EVERY,
        most: int = MOST,
        workers: int = 1,
        grace: float = GRACE,
        once: bool = False,
        stop: Stop | None = None,
        tell: Callable[[News], None] | None = None,
    ) -> bool:
        """Check monitors when they are due, of all projects or of one, until `stop` is asked; with `once`, do one turn.

        It looks `every` so many seconds, and when a monitor becomes due; at a turn it checks at most so many windows
        of a monitor (`most`), `workers` monitors at a time. When it stops, it waits `grace` seconds for the windows
        at hand. Several processes may do this on one registry. `tell` is told what was done, from several threads.
        Returns whether every thread has ended: what one that has not goes on with is not recorded.
        Raises `InputError` for what cannot be, `RegistryError` when the registry has another release's schema.
        """
        _check("every", every, 0.1, 86_400, "seconds between two looks")
        _check("most", most, 1, 100_000, "windows of a monitor at a turn")
        _check("workers", workers, 1, MOST_WORKERS, "monitors that are checked at a time")
        _check("grace", grace, 0, 86_400, "seconds for the windows at hand")
        self._registry.actor  # noqa: B018  (refuse before the work, not after it)
        self._check_project(project)
        stop = stop or Stop()
        loop = _Loop(self._registry, stop, tell or _ignore, project, every, most, workers, grace, once)
        return loop.run()

    def status(self, project: str | None = None) -> SchedulerStatus:
        """What schedulers do now, in all projects or in one, and what waits for them."""
        self._check_project(project)
        with self._registry.reading_log() as session:
            plan = Planner(project).read(session)
        found = sorted((*plan.open, *plan.waiting), key=lambda one: one.since)
        return SchedulerStatus(
            leases=plan.leases,
            due=tuple(_waiting(one, plan) for one in found),
            next=None if plan.next is None else to_text(plan.next),
        )

    def _check_project(self, project: str | None) -> None:
        if project is not None:
            with self._registry.reading_log() as session:
                get_project(session, project)


class _Done(NamedTuple):
    """A job has ended; `again` when there is more of it to do at once, `found` when it recorded something."""

    job: Key | None
    again: bool = False
    found: bool = False


@dataclass
class _Loop:
    """One run of the scheduler. What is without a lock is changed by one thread alone, or by single operations."""

    registry: Registry
    stop: Stop
    tell: Callable[[News], None]
    project: str | None
    every: float
    most: int
    workers: int
    grace: float
    once: bool

    def __post_init__(self) -> None:
        self.holder = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(3)}"
        self.length = timedelta(seconds=min(max(2 * self.every, SHORTEST_LEASE), LONGEST_LEASE))
        self.planner = Planner(self.project)
        self.held: dict[tuple[str, str], Lease] = {}
        self.jobs: SimpleQueue[Key | None] = SimpleQueue()
        self.turns: SimpleQueue[tuple[str, ...] | None] = SimpleQueue()
        self.pending: set[Key] = set()
        self.attending = False
        self.found = False
        self.tries: dict[Key, int] = {}
        self.outages = 0
        self.said: dict[str, str] = {}
        self.look_at = 0.0
        self.over = threading.Event()
        self.incidents: tuple[str, ...] = ()

    def run(self) -> bool:
        threads = [_started(self._work) for _ in range(self.workers)]
        threads.append(_started(self._attend))
        _started(self._keep)
        self._tell(Said(text=f"Scheduler {self.holder} looks every {self.every:g} s.", important=False))
        try:
            looked = False
            while not self.stop.asked and not (looked and self.once and self._is_idle()):
                if time.monotonic() >= self.look_at and not (looked and self.once):
                    looked = self._look()
                self._receive(self.look_at)
        finally:
            ended = self._finish(threads)
        return ended

    # The thread that calls `run`.

    def _look(self) -> bool:
        """Give workers what is due; False when the registry cannot be asked."""
        try:
            with self.registry.reading_log() as session:
                migrations.check_schema(session.connection())
                plan = self.planner.read(session)
                self.incidents = planning.projects_with_incidents(session, self.project)
        except RegistryError as error:
            if self.once or error.slug != "registry-failed":
                raise
            self.outages += 1
            self._say("registry", f"{error.message}. It is tried again until it answers.")
            self.look_at = time.monotonic() + _delay(self.outages, FIRST_OUTAGE, LONGEST_OUTAGE)
            return False
        if self.outages:
            self.outages = 0
            self._say("registry", "The registry answers again.")
        for entry in plan.open:
            if entry.key not in self.pending:
                self.pending.add(entry.key)
                self.jobs.put(entry.key)
        self._tell(Said(text=f"{len(plan.open)} due, {len(plan.waiting)} held or waiting.", important=False))
        # Others may have recorded what is to be told.
        self.found = self.once
        self._begin_turn()
        self.look_at = time.monotonic() + self._pause(plan)
        return True

    def _pause(self, plan: Plan) -> float:
        """Seconds until the next look: no two processes keep step, and none looks before something can be due."""
        pause = self.every * random.uniform(0.9, 1.1)
        if plan.next is None:
            return pause
        wake = (plan.next - clock.now()).total_seconds() + random.uniform(0, 0.05)
        return max(min(pause, wake), min(1.0, self.every))

    def _receive(self, until: float) -> None:
        """Wait for a message, and take in all that are there."""
        try:
            done = self.stop.inbox.get(timeout=min(max(until - time.monotonic(), 0.01), self.every))
            while True:
                if done is not None:
                    self._take_in(done)
                done = self.stop.inbox.get_nowait()
        except Empty:
            pass
        if self.found and not self.pending and not self.stop.asked:
            self._begin_turn()

    def _begin_turn(self) -> None:
        """Have duties attended to, unless they are."""
        if not self.attending and not (self.once and self.pending):
            self.found, self.attending = False, True
            self.turns.put(self.incidents)

    def _take_in(self, done: _Done) -> None:
        if done.job is None:
            self.attending = False
            return
        self.found |= done.found
        if done.again and not self.once and not self.stop.asked:
            # To the end of the line: others are served before it.
            self.jobs.put(done.job)
        else:
            self.pending.discard(done.job)

    def _is_idle(self) -> bool:
        return not self.pending and not self.attending and not self.found

    def _finish(self, threads: list[threading.Thread]) -> bool:
        """Let the threads end, give back all leases; whether all threads have ended in time."""
        self.stop.asked = True
        for _ in range(self.workers):
            self.jobs.put(None)
        self.turns.put(None)
        until = time.monotonic() + self.grace
        while any(thread.is_alive() for thread in threads) and time.monotonic() < until:
            self._receive(min(until, time.monotonic() + 0.02))
        # A database that is busy for long must not keep it from ending.
        _started(self._give_back).join(max(until - time.monotonic(), 1.0))
        self.over.set()
        return not any(thread.is_alive() for thread in threads)

    def _give_back(self) -> None:
        try:
            with write_session(self.registry.engine) as session:
                there = leases.read_clock(session.connection())
                for (_, name), lease in list(self.held.items()):
                    # From here on nothing is recorded under it: see `leases.hold`.
                    leases.release(session, lease, again=there if name.startswith(CHECK) else None)
        except RegistryError as error:
            self._say("stop", f"{error.message}. Its leases run out by themselves.")

    # Workers.

    def _work(self) -> None:
        while (job := self.jobs.get()) is not None:
            again = found = False
            try:
                if not self.stop.asked:
                    again, found = self._check(job)
            except CrisplensError as error:
                self._say("work", error.message)
            except Exception as error:
                # A defect in one monitor's check must not keep all others from being checked.
                self._say("work", f"{': '.join(job)}: {type(error).__name__}: {error}")
            self.stop.inbox.put(_Done(job, again, found))

    def _check(self, job: Key) -> tuple[bool, bool]:
        """Check a monitor under a lease; whether there is more to do at once, and whether something was recorded."""
        project, name = job[0], CHECK + job[1]
        with write_session(self.registry.engine) as session:
            there = leases.read_clock(session.connection())
            lease = leases.take(session, project, name, self.holder, there, self.length)
            if lease is None:
                return False, False
            # What was planned may have been done or changed meanwhile.
            monitor = get_monitor(session, *job)
            last = last_check(session, *job)
        self.held[project, name] = lease
        again: float | None = FIRST_DELAY
        run = None
        try:
            now = clock.now()
            moment = due.due_moment(monitor, last, now)
            if _is_open(monitor, moment):
                run = self._run(project, monitor, moment, now, lease)
                again = self._again(job, run, moment, due.next_moment(monitor, now))
            else:
                again = None
        finally:
            self._release(lease, again)
        return again == 0, bool(run and run.checks)

    def _run(
        self, project: str, monitor: Monitor, moment: datetime | None, now: datetime, lease: Lease
    ) -> DueRun:
        try:
            _load_reader(monitor)
            run = self.registry.on_project(project).monitor._run_windows(
                monitor,
                moment,
                now,
                self.most,
                hold=partial(leases.hold, lease=lease),
                go_on=lambda: not self.stop.asked,
            )
        except CrisplensError as error:
            run = DueRun(monitor=monitor.name, failure=error.message, exit_code=error.exit_code)
        except Exception as error:
            failure = f"crisplens failed: {type(error).__name__}: {error}"
            run = DueRun(monitor=monitor.name, failure=failure, exit_code=3)
        if run.checks or run.failure:
            self._tell(Checked(project=project, run=run))
        return run

    def _again(self, key: Key, run: DueRun, moment: datetime | None, coming: datetime | None) -> float | None:
        """After how many seconds what is left of a monitor's work is to be taken up; None when nothing is left."""
        quiet = bool(run.awaited) or (moment is not None and not run.checks and not run.waiting)
        if run.exit_code in (0, 2) and not quiet:
            self.tries.pop(key, None)
            return 0 if run.waiting else None
        tries = self.tries[key] = self.tries.get(key, 0) + 1
        if run.exit_code not in (0, 2):
            return _delay(tries, FIRST_DELAY, LONGEST_DELAY)
        until = _delay(tries, self.every, max(LONGEST_QUIET, self.every))
        return until if coming is None else min(until, max((coming - clock.now()).total_seconds(), 0.001))

    def _release(self, lease: Lease, again: float | None) -> None:
        self.held.pop((lease.project, lease.name), None)
        with write_session(self.registry.engine) as session:
            after = None
            if again is not None:
                after = leases.read_clock(session.connection()) + timedelta(seconds=again)
            leases.release(session, lease, again=after)

    # The thread that keeps what is held.

    def _keep(self) -> None:
        while not self.over.wait(self.length.total_seconds() / RENEWALS):
            held = list(self.held.items())
            # Who records under a lease asks anyway whether it is still held; so a failure here is no harm.
            with suppress(RegistryError):
                for key in self._renewed(held) if held else ():
                    self.held.pop(key, None)

    def _renewed(self, held: list[tuple[tuple[str, str], Lease]]) -> list[tuple[str, str]]:
        """Renew leases; the keys of those that are lost."""
        with write_session(self.registry.engine) as session:
            there = leases.read_clock(session.connection())
            return [key for key, lease in held if not leases.renew(session, lease, there, self.length)]

    # The thread for what is not checking.

    def _attend(self) -> None:
        while (projects := self.turns.get()) is not None:
            for project in projects:
                self._in_peace(f"{ESCALATION} {project}", partial(self._hand_up, project))
            self._in_peace(NOTIFICATION, self._deliver)
            self.stop.inbox.put(_Done(None))

    def _in_peace(self, about: str, do: Callable[[], None]) -> None:
        try:
            do()
            self._say(about, "")
        except CrisplensError as error:
            self._say(about, error.message)
        except Exception as error:
            self._say(about, f"crisplens failed: {type(error).__name__}: {error}")

    def _hand_up(self, project: str) -> None:
        if self._is_ours(project, ESCALATION):
            late = self.registry.on_project(project).incident.escalate_overdue()
            if late:
                self._tell(HandedUp(project=project, escalated=late))

    def _deliver(self) -> None:
        notification = self.registry.notification
        if notification.channels() and self._is_ours(OF_ALL_PROJECTS, NOTIFICATION):
            told = notification.deliver()
            if told.deliveries:
                self._tell(told)

    def _is_ours(self, project: str, name: str) -> bool:
        """Whether this process has this duty. It keeps it until it stops: another has its own folder of notices."""
        if (project, name) not in self.held:
            if self.stop.asked:
                return False
            with write_session(self.registry.engine) as session:
                there = leases.read_clock(session.connection())
                lease = leases.take(session, project, name, self.holder, there, self.length)
            if lease is None:
                return False
            self.held[project, name] = lease
        return True

    def _tell(self, news: News) -> None:
        # Nobody who listens may stop the work.
        with suppress(Exception):
            self.tell(news)

    def _say(self, about: str, text: str) -> None:
        """Tell something once: not again until something else is said about the same."""
        if self.said.get(about, "") != text:
            self.said[about] = text
            if text:
                self._tell(Said(text=text))


def _started(target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def _is_open(monitor: Monitor, moment: datetime | None) -> bool:
    """Whether there may be a window to check: the schedule says so, or someone who had begun may have left some."""
    if monitor.retired_at is not None:
        return False
    return moment is not None or not isinstance(monitor.windows, WholeRule)


def _load_reader(monitor: Monitor) -> None:
    """Load what reads Parquet fastest: engines use it where it is loaded, as one check would not pay for it."""
    from crisplens.monitors.engines.arrow_engine import available

    if monitor.current.casefold().endswith(".parquet") and available():
        import_module("pyarrow")


def _delay(tries: int, first: float, longest: float) -> float:
    """Seconds to wait after so many tries, each twice as long as before, moved by up to a tenth."""
    return float(min(first * 2.0 ** min(tries - 1, 20), longest) * random.uniform(0.9, 1.1))


def _waiting(entry: Entry, plan: Plan) -> Waiting:
    # A lease that has run out says only that its holder left something.
    lease = entry.lease if entry in plan.waiting else None
    return Waiting(
        project=entry.project,
        monitor=entry.monitor,
        since=entry.since,
        holder=lease.holder if lease else "",
        until=lease.until if lease else "",
    )


def _check(name: str, value: float, least: float, most: float, what: str) -> None:
    if not least <= value <= most:
        raise InputError(
            f"{name} {value:g} is out of its range",
            slug="bad-setting",
            hint=f"Give {least:g} to {most:g} {what}.",
        )


def _ignore(news: News) -> None:
    """Tell nobody."""
