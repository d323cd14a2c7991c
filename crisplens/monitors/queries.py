"""Reads of monitors, checks, incidents and triggers."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crisplens.core.names import unknown_name
from crisplens.monitors.model import CheckResult, CheckSettings
from crisplens.monitors.states import OPEN_STATES, Window
from crisplens.monitors.tables import CheckRow, IncidentRow, MonitorRow, TriggerRow
from crisplens.registry.model import VersionRef
from crisplens.registry.views import View, find_view, views


class Monitor(View, frozen=True, kw_only=True):
    """What is watched: a model, its reference data (profiled once), and where current data is found."""

    name: str
    model: str
    reference: Window
    reference_profile: str
    current: str
    engine: str
    settings: CheckSettings


class Check(View, frozen=True, kw_only=True):
    """One comparison of a window with the reference, and the incident it belongs to, if any."""

    id: str
    monitor: str
    window: Window
    result: CheckResult
    attachments: tuple[str, ...]
    incident: str | None


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


class Incident(Answerable, frozen=True, kw_only=True):
    """Something a check found that someone must answer for; the check `check_id` opened it."""

    check_id: str
    kind: str
    summary: str


class Trigger(Answerable, frozen=True, kw_only=True):
    """A request to retrain `model`; `resolved_by` is the version that answered it."""

    incident: str
    reason: str
    resolved_by: VersionRef | None


def list_monitors(session: Session, project: str) -> list[Monitor]:
    """The project's monitors, by name."""
    return views(
        session.scalars(select(MonitorRow).filter_by(project=project).order_by(MonitorRow.name)), Monitor
    )


def get_monitor(session: Session, project: str, name: str) -> Monitor:
    """One monitor. Raises `InputError` with the nearest names when there is none."""
    found = find_view(session, MonitorRow, (project, name), Monitor)
    if found is None:
        names = session.scalars(select(MonitorRow.name).filter_by(project=project))
        raise unknown_name("monitor", name, names, none_yet="Add one with `crisplens monitor add NAME`.")
    return found


def list_checks(session: Session, project: str, monitor: str | None = None) -> list[Check]:
    """Checks of the project, or of one monitor, in the order of recording.

    Raises `InputError` with the nearest names when there is no such monitor.
    """
    query = select(CheckRow).filter_by(project=project)
    if monitor is not None:
        get_monitor(session, project, monitor)
        query = query.filter_by(monitor=monitor)
    return views(session.scalars(query.order_by(CheckRow.seq)), Check)


def count_checks(session: Session, project: str) -> dict[str, int]:
    """How often each of the project's monitors has run; those that never did are missing."""
    query = select(CheckRow.monitor, func.count()).filter_by(project=project).group_by(CheckRow.monitor)
    return {row[0]: row[1] for row in session.connection().execute(query)}


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


def get_incident(session: Session, project: str, id: str) -> Incident:
    """One incident. Raises `InputError` with the nearest ids when there is none."""
    return _get("incident", list_incidents(session, project), id)


def get_trigger(session: Session, project: str, id: str) -> Trigger:
    """One trigger. Raises `InputError` with the nearest ids when there is none."""
    return _get("trigger", list_triggers(session, project), id)


AnswerableT = TypeVar("AnswerableT", bound=Answerable)


def _get(kind: str, known: list[AnswerableT], id: str) -> AnswerableT:
    for one in known:
        if one.id == id:
            return one
    raise unknown_name(kind, id, [one.id for one in known], none_yet=f"No {kind} has been recorded.")
