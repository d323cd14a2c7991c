"""What monitors found that someone answers for: incidents, and requests to retrain."""

from __future__ import annotations

from crisplens.binding import Command, Noun, ProjectQuery
from crisplens.lifecycle import doors
from crisplens.monitors.incidents import overdue, queries
from crisplens.monitors.incidents import service as incidents


class Incidents(Noun):
    """`crisplens incident`"""

    acknowledge = Command(incidents.acknowledge_incident)
    assign = Command(incidents.assign_incident)
    escalate = Command(incidents.escalate_incident)
    link = Command(incidents.link_incident)
    resolve = Command(incidents.resolve_incident)
    escalate_overdue = Command(overdue.escalate_overdue)
    list = ProjectQuery(queries.list_incidents)
    get = ProjectQuery(queries.get_incident)


class Triggers(Noun):
    """`crisplens trigger`"""

    raise_ = Command(incidents.raise_trigger)
    acknowledge = Command(incidents.acknowledge_trigger)
    resolve = Command(doors.resolve_trigger)
    dismiss = Command(incidents.dismiss_trigger)
    list = ProjectQuery(queries.list_triggers)
    get = ProjectQuery(queries.get_trigger)
