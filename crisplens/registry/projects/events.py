"""Events of projects, goals and KPIs."""

from __future__ import annotations

from crisplens.ledger.model import Event, Payload, event_type, upcasts
from crisplens.registry.projects.model import CostKind, Direction, Option, RiskTier


@event_type("project.added", version=2)
class ProjectAdded(Event, frozen=True, kw_only=True):
    """A project came under the record, judged by a shipped policy (`name@version`) until it adopts another."""

    title: str
    owner: str
    risk: RiskTier
    description: str
    policy: str


@upcasts("project.added", 1)
def project_added_1(payload: Payload) -> Payload:
    """Before there were policies every project was judged by the rules that `standard` holds."""
    return {**payload, "policy": "standard@1"}


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
