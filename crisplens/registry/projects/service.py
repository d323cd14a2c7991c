"""Use cases of projects, goals and KPIs."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from crisplens.core.decimals import check_amount, check_decimal
from crisplens.core.errors import InputError
from crisplens.core.names import check_name
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.registry.projects.events import GoalSet, KpiSet, ProjectAdded
from crisplens.registry.projects.model import CostKind, Direction, Option, RiskTier, choose
from crisplens.registry.projects.queries import Goal, Kpi, Project, find_goal, get_project
from crisplens.registry.projects.tables import KpiRow, ProjectRow
from crisplens.registry.views import get_view


def add_project(
    work: UnitOfWork,
    name: str,
    *,
    title: str = "",
    owner: str | None = None,
    risk: str = RiskTier.MEDIUM,
    description: str = "",
    policy: str,
) -> Project:
    """Bring a project under the record; its owner is the actor unless named, `policy` what it is judged by at first.

    Raises `InputError` for a name that exists or cannot name a project, or an unknown risk tier.
    """
    check_name("project", name)
    known = list(work.session.scalars(select(ProjectRow.project)))
    if name.casefold() in {other.casefold() for other in known}:
        raise InputError(f"project {name!r} exists already", slug="exists", hint="Choose another name.")
    event = ProjectAdded(
        title=check_text("the title", title or name, most=200),
        owner=check_text("the owner", owner or work.actor.id, most=320),
        risk=RiskTier(choose(RiskTier, "the risk tier", risk)),
        description=check_text("the description", description, required=False),
        policy=policy,
    )
    append(work, event, project=name)
    return get_project(work.session, name)


def set_goal(
    work: UnitOfWork,
    *,
    problem: str,
    value: str,
    owner: str | None = None,
    options: Mapping[str, str] | None = None,
    costs: Mapping[str, str | float] | None = None,
    currency: str = "USD",
) -> Goal:
    """State the business goal, or state it anew: the whole goal is given each time.

    `options` maps each way considered, ML or not, to what was thought of it; `costs` maps a cost kind
    (data, training, inference, wrong-predictions) to a decimal amount in `currency`.
    Raises `InputError` for an empty statement, an unknown cost kind or an amount that is not a number.
    """
    get_project(work.session, work.project)
    event = GoalSet(
        problem=check_text("the problem", problem),
        value=check_text("the value", value),
        owner=check_text("the owner", owner or work.actor.id, most=320),
        options=tuple(
            Option(check_text("an option", name, most=200), check_text(f"what was thought of {name}", text))
            for name, text in (options or {}).items()
        ),
        costs={
            CostKind(choose(CostKind, "the kind of cost", kind)): check_amount(f"the {kind} cost", amount)
            for kind, amount in (costs or {}).items()
        },
        currency=check_text("the currency", currency, most=20),
    )
    append(work, event)
    goal = find_goal(work.session, work.project)
    assert goal is not None
    return goal


def set_kpi(
    work: UnitOfWork,
    name: str,
    *,
    target: str | float,
    direction: str = Direction.HIGHER,
    unit: str = "",
    baseline: str | float | None = None,
    acceptable_error: str | float | None = None,
) -> Kpi:
    """Set a measure of success and its target, or change them. `name` is the metric that evaluations report.

    Raises `InputError` for a number that is none, a negative acceptable error or an unknown direction.
    """
    get_project(work.session, work.project)
    check_name("KPI", name)
    event = KpiSet(
        name=name,
        unit=check_text("the unit", unit, most=100, required=False),
        direction=Direction(choose(Direction, "the direction", direction)),
        target=check_decimal("the target", target),
        baseline=None if baseline is None else check_decimal("the baseline", baseline),
        acceptable_error=None
        if acceptable_error is None
        else check_amount("the acceptable error", acceptable_error),
    )
    append(work, event)
    return get_view(work.session, KpiRow, (work.project, name), Kpi)
