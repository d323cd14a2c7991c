"""Reads of projects, goals and KPIs."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.core.names import unknown_name
from crisplens.registry.projects.model import CostKind, Direction, Option, Target
from crisplens.registry.projects.tables import GoalRow, KpiRow, ProjectRow
from crisplens.registry.views import View, find_view, views


class Project(View, frozen=True, kw_only=True):
    """A project: one ML use case, with an owner and a risk tier. `project` is its name.

    `policy` is the one that it began with.
    """

    project: str
    title: str
    owner: str
    risk: str
    description: str
    policy: str


class Goal(View, frozen=True, kw_only=True):
    """A project's business goal. Costs are decimals in `currency`."""

    problem: str
    value: str
    owner: str
    options: tuple[Option, ...]
    costs: dict[CostKind, str]
    currency: str


class Kpi(View, frozen=True, kw_only=True):
    """A measure of success with its target; numbers are decimals as given."""

    name: str
    unit: str
    direction: str
    target: str
    baseline: str | None
    acceptable_error: str | None

    @property
    def goal_line(self) -> Target:
        """The numbers alone, with the rule that judges a value by them."""
        return Target(
            direction=Direction(self.direction),
            target=self.target,
            baseline=self.baseline,
            acceptable_error=self.acceptable_error,
        )


def list_projects(session: Session) -> list[Project]:
    """Every project, by name."""
    return views(session.scalars(select(ProjectRow).order_by(ProjectRow.project)), Project)


def get_project(session: Session, project: str) -> Project:
    """One project. Raises `InputError` with the nearest names when there is none."""
    found = find_view(session, ProjectRow, (project,), Project)
    if found is None:
        names = session.scalars(select(ProjectRow.project))
        raise unknown_name("project", project, names, none_yet="Add one with `crisplens project add NAME`.")
    return found


def find_goal(session: Session, project: str) -> Goal | None:
    """The project's goal, if it has been stated."""
    return find_view(session, GoalRow, (project,), Goal)


def list_kpis(session: Session, project: str) -> list[Kpi]:
    """The project's KPIs, by name."""
    query = select(KpiRow).filter_by(project=project).order_by(KpiRow.name)
    return views(session.connection().execute(query), Kpi)
