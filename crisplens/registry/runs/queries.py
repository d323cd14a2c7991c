"""Reads of runs."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.core.names import unknown_name
from crisplens.registry.model import Scalar, VersionRef
from crisplens.registry.runs.tables import RunRow
from crisplens.registry.views import View, find_view, views


class Run(View, frozen=True, kw_only=True):
    """An activity that made datasets or models; the agent is `recorded_by`."""

    name: str
    activity: str
    used_datasets: tuple[VersionRef, ...]
    used_models: tuple[VersionRef, ...]
    parameters: dict[str, Scalar]
    metrics: dict[str, float]
    code_version: str
    environment: dict[str, str]
    started_at: str | None
    ended_at: str | None


def list_runs(session: Session, project: str) -> list[Run]:
    """The project's runs, in the order of recording."""
    query = select(RunRow).filter_by(project=project).order_by(RunRow.seq)
    return views(session.connection().execute(query), Run)


def find_run(session: Session, project: str, name: str) -> Run | None:
    """The project's run of this name, if any."""
    return find_view(session, RunRow, (project, name), Run)


def get_run(session: Session, project: str, name: str) -> Run:
    """One run. Raises `InputError` with the nearest names when there is none."""
    found = find_run(session, project, name)
    if found is None:
        names = session.scalars(select(RunRow.name).filter_by(project=project))
        raise unknown_name("run", name, names, none_yet="Record one with `crisplens run record NAME`.")
    return found
