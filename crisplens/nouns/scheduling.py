"""The scheduler: a process that checks monitors when they are due, and shares the work with others like it.

All of them look into the registry and take a lease for what they do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from crisplens.binding import Noun
from crisplens.core.clock import to_text
from crisplens.core.errors import InputError
from crisplens.monitors.leases import Lease
from crisplens.monitors.planning import Entry, Plan, Planner
from crisplens.nouns.scheduling_loop import Loop, Stop
from crisplens.nouns.scheduling_news import Checked, HandedUp, News, Said, Teller
from crisplens.registry.projects.queries import get_project

if TYPE_CHECKING:
    from crisplens.api import Registry

__all__ = ["Checked", "HandedUp", "News", "Said", "Scheduler", "SchedulerStatus", "Stop", "Waiting"]

EVERY, MOST, GRACE = 30.0, 10, 30.0
MOST_WORKERS = 32


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
        Raises `InputError` for what cannot be and within a transaction, `RegistryError` when the registry has another
        release's schema.
        """
        if self._registry.in_transaction:
            raise InputError(
                "no scheduler runs within a transaction: each check is one of its own",
                slug="stands-alone",
                hint="Run it before or after.",
            )
        _check("every", every, 0.1, 86_400, "seconds between two looks")
        _check("most", most, 1, 100_000, "windows of a monitor at a turn")
        _check("workers", workers, 1, MOST_WORKERS, "monitors that are checked at a time")
        _check("grace", grace, 0, 86_400, "seconds for the windows at hand")
        self._registry.actor  # noqa: B018  (refuse before the work, not after it)
        self._check_project(project)
        stop = stop or Stop()
        teller = Teller(tell or _ignore)
        loop = Loop(self._registry, stop, teller, project, every, most, workers, grace, once)
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
