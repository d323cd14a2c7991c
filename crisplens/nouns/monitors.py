"""What changed in production: monitors, incidents, triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crisplens.binding import Command, Noun, ProjectQuery
from crisplens.lifecycle import doors
from crisplens.monitors import answers
from crisplens.monitors import queries as monitor_queries
from crisplens.monitors import service as monitors

if TYPE_CHECKING:
    from crisplens.api import Registry


class Monitors(Noun):
    """`crisplens monitor`"""

    _registry: Registry

    add = Command(monitors.add_monitor)
    list = ProjectQuery(monitor_queries.list_monitors)
    history = ProjectQuery(monitor_queries.list_checks)
    _get = ProjectQuery(monitor_queries.get_monitor)

    def run(
        self, name: str, *, engine: str | None = None, current: str | None = None
    ) -> monitors.CheckRecorded:
        """Check a monitor's current data (or `current`) now, and record what was found.

        Raises `InputError` when the data cannot be read at all, `RegistryError` when the engine fails.
        """
        self._registry.actor  # noqa: B018  (refuse before the work, not after it)
        found = monitors.carry_out_check(
            self._get(name),
            evidence=self._registry.configuration.open_evidence(),
            engine=engine,
            current=current,
        )
        with self._registry.writing() as work:
            return monitors.record_check(work, found)


class Incidents(Noun):
    """`crisplens incident`"""

    acknowledge = Command(answers.acknowledge_incident)
    resolve = Command(answers.resolve_incident)
    list = ProjectQuery(monitor_queries.list_incidents)


class Triggers(Noun):
    """`crisplens trigger`"""

    acknowledge = Command(answers.acknowledge_trigger)
    resolve = Command(doors.resolve_trigger)
    dismiss = Command(answers.dismiss_trigger)
    list = ProjectQuery(monitor_queries.list_triggers)
