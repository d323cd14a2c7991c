"""Incidents that nobody took on in the time that their monitors give are handed up."""

from __future__ import annotations

from crisplens.core.text import count
from crisplens.core.work import UnitOfWork
from crisplens.monitors.incidents.model import State, is_overdue
from crisplens.monitors.incidents.queries import Incident, open_incidents
from crisplens.monitors.incidents.service import escalate_incident
from crisplens.monitors.queries import list_monitors


def escalate_overdue(work: UnitOfWork) -> tuple[Incident, ...]:
    """Hand up the open incidents that nobody took on in the time that their monitors give; returns those."""
    responses = {one.name: one.response for one in list_monitors(work.session, work.project)}
    late = [
        one
        for one in open_incidents(work.session, work.project)
        if one.state == State.OPEN
        and not one.escalations
        and is_overdue(one.recorded_at, responses[one.monitor], work.now)
    ]
    return tuple(
        escalate_incident(
            work,
            one.id,
            to=responses[one.monitor].escalate_to,
            reason=f"Nobody took it on within {count(responses[one.monitor].escalate_after, 'hour')}.",
        )
        for one in late
    )
