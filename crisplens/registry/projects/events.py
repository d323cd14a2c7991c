"""Events of projects, goals and KPIs."""

from __future__ import annotations

from crisplens.ledger.model import Event, event_type
from crisplens.registry.projects.model import CostKind, Direction, Option, RiskTier


@event_type("project.added")
class ProjectAdded(Event, frozen=True, kw_only=True):
    """A project came under the record."""

    title: str
    owner: str
    risk: RiskTier
    description: str


@event_type("goal.set")
class GoalSet(Event, frozen=True, kw_only=True):
    """The project's business goal was stated, or stated anew. Costs are decimals in `currency`."""

    problem: str
    value: str
    owner: str
    options: tuple[Option, ...]
    costs: dict[CostKind, str]
    currency: str


@event_type("kpi.set")
class KpiSet(Event, frozen=True, kw_only=True):
    """A measure of success and its target were set, or changed. Numbers are decimals as given."""

    name: str
    unit: str
    direction: Direction
    target: str
    baseline: str | None
    acceptable_error: str | None
