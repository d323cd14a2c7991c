"""Which monitors are to be checked now, by schedules and leases together, and when to look again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.core import clock
from crisplens.core.clock import parse_time, to_text
from crisplens.monitors import leases
from crisplens.monitors.due import is_to_come
from crisplens.monitors.incidents.model import OPEN_STATES
from crisplens.monitors.incidents.tables import IncidentRow
from crisplens.monitors.leases import Lease
from crisplens.monitors.queries import counted_times, newest_times
from crisplens.monitors.schedules.model import Schedule, next_due
from crisplens.monitors.tables import CheckRow, MonitorRow

# Monitors' leases are told from others by how their names begin.
CHECK = "check/"

Key = tuple[str, str]


@dataclass(frozen=True)
class Entry:
    """A monitor that is due at `moment`, or that was left unfinished under `lease`, or both.

    `lease` is there while someone checks it, while what is left is to wait until `lease.until`, and after its
    holder died.
    """

    project: str
    monitor: str
    moment: datetime | None
    lease: Lease | None

    @property
    def key(self) -> Key:
        """Which monitor of which project."""
        return self.project, self.monitor

    @property
    def since(self) -> str:
        """Since when it waits (RFC 3339)."""
        return to_text(self.moment) if self.moment else self.lease.until if self.lease else ""


@dataclass(frozen=True)
class Plan:
    """What is due, the longest first: to be checked by whoever takes it, and what is held or has to wait.

    `next` is when something else will be due, or free to be taken up; None when nothing ever will be.
    """

    open: tuple[Entry, ...]
    waiting: tuple[Entry, ...]
    leases: tuple[Lease, ...]
    next: datetime | None


@dataclass
class Planner:
    """Reads plans, one after another, and remembers between them what cannot change: a check once recorded, a due time.

    `project` limits it to one.
    """

    project: str | None = None
    _last: dict[Key, tuple[int, str]] = field(default_factory=dict)
    _seen: int = -1
    _next: dict[Key, tuple[Schedule, str, datetime | None]] = field(default_factory=dict)

    def read(self, session: Session) -> Plan:
        """What is due now."""
        now, there = clock.now(), leases.read_clock(session.connection())
        found = leases.unfinished(session, self.project)
        self._read_last(session)
        due: list[Entry] = []
        waiting: list[Entry] = []
        coming: list[datetime] = []
        for entry in self._entries(session, found, now):
            moment, lease = entry.moment, entry.lease
            if moment is not None and moment > now:
                coming.append(moment)
                if lease is None:
                    continue
                entry = Entry(entry.project, entry.monitor, None, lease)
            if lease is not None and leases.is_ahead(lease, there):
                coming.append(now + (parse_time(lease.until) - there))
                waiting.append(entry)
            elif entry.moment is not None or lease is not None:
                due.append(entry)
        held = tuple(one for one in found.values() if leases.is_held(one, there))
        due.sort(key=lambda one: one.since)
        return Plan(tuple(due), tuple(waiting), held, min(coming, default=None))

    def _entries(self, session: Session, found: dict[Key, Lease], now: datetime) -> Iterator[Entry]:
        """Every monitor in use that has a schedule, with its next moment; and every other that has a lease."""
        left = {key: lease for key, lease in found.items() if key[1].startswith(CHECK)}
        last = counted_times(session, self._last)
        query = select(MonitorRow.project, MonitorRow.name, MonitorRow.schedule, MonitorRow.recorded_at)
        if self.project is not None:
            query = query.where(MonitorRow.project == self.project)
        for project, name, schedule, recorded_at in session.execute(
            query.where(MonitorRow.retired_at.is_(None))
        ):
            lease = left.pop((project, CHECK + name), None)
            if schedule is not None:
                after = last.get((project, name))
                if after is None and is_to_come(recorded_at, now):
                    yield Entry(project, name, now, lease)
                    continue
                yield Entry(
                    project, name, self._moment((project, name), schedule, after or recorded_at), lease
                )
            elif lease is not None:
                yield Entry(project, name, None, lease)
        for (project, name), lease in left.items():
            yield Entry(project, name.removeprefix(CHECK), None, lease)

    def _moment(self, key: Key, schedule: Schedule, after: str) -> datetime | None:
        # A cron expression takes some time to go through, and a thousand of them are asked for at every look.
        known = self._next.get(key)
        if known is None or known[:2] != (schedule, after):
            known = (schedule, after, next_due(schedule, parse_time(after)))
            self._next[key] = known
        return known[2]

    def _read_last(self, session: Session) -> None:
        """Learn of the checks that were recorded since the last time."""
        which = [CheckRow.seq > self._seen]
        if self.project is not None:
            which.append(CheckRow.project == self.project)
        newer = newest_times(session, *which)
        self._last |= newer
        self._seen = max([self._seen, *(seq for seq, _ in newer.values())])


def projects_with_incidents(session: Session, project: str | None = None) -> tuple[str, ...]:
    """The projects, all or the one named, in which an incident is open."""
    query = select(IncidentRow.project).where(IncidentRow.state.in_(OPEN_STATES)).distinct()
    if project is not None:
        query = query.where(IncidentRow.project == project)
    return tuple(sorted(session.scalars(query)))
