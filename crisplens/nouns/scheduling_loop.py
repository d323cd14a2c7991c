"""One run of a scheduler: it looks at what is due, gives it to workers, waits, and ends when it is asked to.

The thread that calls `run` looks and waits, so that it is there when it is to stop. Workers check, one thread keeps
the leases, and one attends to incidents that nobody takes on and to notifications.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from crisplens import migrations
from crisplens.core import clock
from crisplens.core.errors import CrisplensError, RegistryError
from crisplens.monitors import planning
from crisplens.monitors.planning import Key, Plan, Planner
from crisplens.nouns.scheduling_checks import Checker, delay
from crisplens.nouns.scheduling_duties import Duties
from crisplens.nouns.scheduling_leases import HeldLeases
from crisplens.nouns.scheduling_news import Said, Teller

if TYPE_CHECKING:
    from crisplens.api import Registry

FIRST_OUTAGE, LONGEST_OUTAGE = 1.0, 60.0


class Done(NamedTuple):
    """A job has ended; `again` when there is more of it to do at once, `found` when it recorded something."""

    job: Key | None
    again: bool = False
    found: bool = False


@dataclass
class Stop:
    """Asks a scheduler to stop: from a signal's handler, or another thread."""

    asked: bool = False
    inbox: SimpleQueue[Done | None] = field(default_factory=SimpleQueue)

    def ask(self) -> None:
        """Let it finish the windows at hand, and begin no other."""
        self.asked = True
        # The one kind of queue that a signal's handler may put into.
        self.inbox.put(None)


@dataclass
class Loop:
    """One run of the scheduler. What is without a lock is changed by one thread alone, or by single operations."""

    registry: Registry
    stop: Stop
    teller: Teller
    project: str | None
    every: float
    most: int
    workers: int
    grace: float
    once: bool

    def __post_init__(self) -> None:
        """Nothing is due yet, and nothing held."""
        self.held = HeldLeases(self.registry.engine, every=self.every)
        self.checker = Checker(self.registry, self.held, self.teller, self.every, self.most, self._goes_on)
        self.duties = Duties(self.registry, self.held, self.teller, self._goes_on)
        self.planner = Planner(self.project)
        self.jobs: SimpleQueue[Key | None] = SimpleQueue()
        self.turns: SimpleQueue[tuple[str, ...] | None] = SimpleQueue()
        self.pending: set[Key] = set()
        self.attending = False
        self.found = False
        self.outages = 0
        self.look_at = 0.0
        self.over = threading.Event()
        self.incidents: tuple[str, ...] = ()

    def run(self) -> bool:
        """Work until it is asked to stop, or with `once` for a turn; whether every thread has ended in time."""
        threads = [_started(self._work) for _ in range(self.workers)]
        threads.append(_started(self._attend))
        _started(lambda: self.held.keep(self.over))
        self.teller.tell(
            Said(text=f"Scheduler {self.held.holder} looks every {self.every:g} s.", important=False)
        )
        try:
            looked = False
            while not self.stop.asked and not (looked and self.once and self._is_idle()):
                if time.monotonic() >= self.look_at and not (looked and self.once):
                    looked = self._look()
                self._receive(self.look_at)
        finally:
            ended = self._finish(threads)
        return ended

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
            self.teller.say("registry", f"{error.message}. It is tried again until it answers.")
            self.look_at = time.monotonic() + delay(self.outages, FIRST_OUTAGE, LONGEST_OUTAGE)
            return False
        if self.outages:
            self.outages = 0
            self.teller.say("registry", "The registry answers again.")
        for entry in plan.open:
            if entry.key not in self.pending:
                self.pending.add(entry.key)
                self.jobs.put(entry.key)
        self.teller.tell(
            Said(text=f"{len(plan.open)} due, {len(plan.waiting)} held or waiting.", important=False)
        )
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

    def _take_in(self, done: Done) -> None:
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
            self.held.release_all()
        except RegistryError as error:
            self.teller.say("stop", f"{error.message}. Its leases run out by themselves.")

    def _goes_on(self) -> bool:
        return not self.stop.asked

    def _work(self) -> None:
        while (job := self.jobs.get()) is not None:
            again = found = False
            try:
                if not self.stop.asked:
                    again, found = self.checker.check(job)
            except CrisplensError as error:
                self.teller.say("work", error.message)
            except Exception as error:
                # A defect in one monitor's check must not keep all others from being checked.
                self.teller.say("work", f"{': '.join(job)}: {type(error).__name__}: {error}")
            self.stop.inbox.put(Done(job, again, found))

    def _attend(self) -> None:
        while (projects := self.turns.get()) is not None:
            self.duties.attend(projects)
            self.stop.inbox.put(Done(None))


def _started(target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread
