"""When monitors are checked: what is due, and what makes another scheduler call them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from crisplens.binding import Noun, ProjectQuery
from crisplens.core import clock
from crisplens.core.clock import to_text
from crisplens.core.errors import InputError
from crisplens.monitors import due, queries
from crisplens.monitors.schedules.export import export
from crisplens.monitors.schedules.model import schedule_text

if TYPE_CHECKING:
    from crisplens.api import Registry


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """When a monitor was checked last, since when it is due, if it is, and when it is due next (RFC 3339)."""

    monitor: str
    schedule: str
    zone: str
    last_check: str | None
    due: str | None
    next: str | None


class Schedules(Noun):
    """`crisplens schedule`"""

    _registry: Registry
    _monitors = ProjectQuery(queries.list_monitors)
    _monitor = ProjectQuery(queries.get_monitor)
    _last_checks = ProjectQuery(queries.last_checks)

    def list(self) -> list[Plan]:
        """The monitors that have a schedule, by name."""
        now, last, plans = clock.now(), self._last_checks(), []
        for monitor in self._monitors():
            if monitor.schedule is None or monitor.retired_at is not None:
                continue
            moment = due.due_moment(monitor, last.get(monitor.name), now)
            coming = due.next_moment(monitor, now)
            plans.append(
                Plan(
                    monitor=monitor.name,
                    schedule=schedule_text(monitor.schedule),
                    zone=monitor.schedule.zone,
                    last_check=last.get(monitor.name),
                    due=None if moment is None else to_text(moment),
                    next=None if coming is None else to_text(coming),
                )
            )
        return plans

    def export(self, monitor: str, *, to: str, image: str = "") -> dict[str, str]:
        """The files, by name, that make the scheduler `to` run a monitor when it is due.

        Raises `InputError` when the monitor has no schedule, or the target cannot say it, with the nearest that it can.
        """
        found = self._monitor(monitor)
        if found.schedule is None:
            raise InputError(
                f"monitor {monitor} has no schedule",
                slug="no-schedule",
                hint=f"Give it one: crisplens monitor change {monitor} --schedule '0 6 * * *' --reason WHY",
            )
        project = self._registry.configuration.project or ""
        command = ["crisplens", "monitor", "run", monitor, "--due", "--project", project]
        return export(found.schedule, monitor, command, to, now=clock.now(), image=image)
