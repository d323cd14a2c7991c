"""Reads of incidents and triggers."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.core.names import unknown_name
from crisplens.monitors.incidents.model import OPEN_STATES, Escalation, Link, hours_between
from crisplens.monitors.incidents.tables import IncidentRow, TriggerRow
from crisplens.registry.model import VersionRef
from crisplens.registry.views import View, find_view, views


class Answerable(View, frozen=True, kw_only=True):
    """What someone must answer: its state, and who acknowledged and closed it, and when."""

    id: str
    monitor: str
    model: str
    state: str
    acknowledged_by: str | None
    acknowledged_at: str | None
    closed_by: str | None
    closed_at: str | None
    note: str

    @property
    def is_open(self) -> bool:
        """Whether it still waits for an answer."""
        return self.state in OPEN_STATES

    @property
    def hours_to_acknowledge(self) -> float | None:
        """Hours from opening until someone took it on; None when nobody has."""
        return None if self.acknowledged_at is None else hours_between(self.recorded_at, self.acknowledged_at)

    @property
    def hours_to_recover(self) -> float | None:
        """Hours from opening until it was closed; None while it is open."""
        return None if self.closed_at is None else hours_between(self.recorded_at, self.closed_at)


class Incident(Answerable, frozen=True, kw_only=True):
    """Something a check found that someone must answer for; the check `check_id` opened it.

    `since` is the beginning of the data that showed it first; empty where that is not known.
    """

    check_id: str
    kind: str
    summary: str
    owner: str
    since: str
    escalations: tuple[Escalation, ...]
    links: tuple[Link, ...]

    @property
    def hours_to_detect(self) -> float | None:
        """Hours from the beginning of the data that showed it first until it was opened."""
        return hours_between(self.since, self.recorded_at) if self.since else None


class Trigger(Answerable, frozen=True, kw_only=True):
    """A request to retrain `model`; `resolved_by` is the version that answered it."""

    incident: str
    reason: str
    resolved_by: VersionRef | None


def list_incidents(session: Session, project: str) -> list[Incident]:
    """The project's incidents, in the order of opening."""
    return views(
        session.scalars(select(IncidentRow).filter_by(project=project).order_by(IncidentRow.seq)), Incident
    )


def list_triggers(session: Session, project: str) -> list[Trigger]:
    """The project's triggers, in the order of raising."""
    return views(
        session.scalars(select(TriggerRow).filter_by(project=project).order_by(TriggerRow.seq)), Trigger
    )


def open_incidents(session: Session, project: str) -> list[Incident]:
    """The project's incidents that wait for an answer, in the order of opening."""
    query = select(IncidentRow).where(IncidentRow.project == project, IncidentRow.state.in_(OPEN_STATES))
    return views(session.scalars(query.order_by(IncidentRow.seq)), Incident)


def triggers_of(session: Session, project: str, model: str) -> list[Trigger]:
    """The requests to retrain one model, in the order of raising."""
    query = select(TriggerRow).filter_by(project=project, model=model).order_by(TriggerRow.seq)
    return views(session.scalars(query), Trigger)


def get_incident(session: Session, project: str, id: str) -> Incident:
    """One incident. Raises `InputError` with the nearest ids when there is none."""
    found = find_view(session, IncidentRow, (project, id), Incident)
    return found or _unknown("incident", id, list_incidents(session, project))


def get_trigger(session: Session, project: str, id: str) -> Trigger:
    """One trigger. Raises `InputError` with the nearest ids when there is none."""
    found = find_view(session, TriggerRow, (project, id), Trigger)
    return found or _unknown("trigger", id, list_triggers(session, project))


AnswerableT = TypeVar("AnswerableT", bound=Answerable)


def _unknown(kind: str, id: str, known: list[AnswerableT]) -> AnswerableT:
    raise unknown_name(kind, id, [one.id for one in known], none_yet=f"No {kind} has been recorded.")
