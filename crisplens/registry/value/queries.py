"""Reads of costs and of observed KPIs, and how they compare with the goal."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.core.names import unknown_name
from crisplens.registry.projects.model import CostKind
from crisplens.registry.projects.queries import Kpi, find_goal, list_kpis
from crisplens.registry.value.model import (
    DEFAULT_CURRENCY,
    CostComparison,
    KpiComparison,
    Money,
    add_up,
    by_currency,
    compare_kind,
)
from crisplens.registry.value.tables import CostRow, KpiObservationRow
from crisplens.registry.views import View, views


class Cost(View, frozen=True, kw_only=True):
    """What was spent on something from `start` to `end`; `evidence` is the digest of what shows it."""

    id: str
    kind: str
    amount: str
    currency: str
    start: str
    end: str
    note: str
    evidence: str | None


class Observation(View, frozen=True, kw_only=True):
    """A KPI's value from `start` to `end`, and what it was worth, if that was said."""

    id: str
    kpi: str
    value: str
    start: str
    end: str
    worth: str | None
    currency: str | None
    note: str


def list_costs(session: Session, project: str) -> list[Cost]:
    """The project's costs, in the order of recording."""
    query = select(CostRow).filter_by(project=project).order_by(CostRow.seq)
    return views(session.connection().execute(query), Cost)


def list_observations(session: Session, project: str, kpi: str | None = None) -> list[Observation]:
    """Observations of the project's KPIs, or of one, in the order of recording.

    Raises `InputError` with the nearest names when there is no such KPI.
    """
    query = select(KpiObservationRow).filter_by(project=project)
    if kpi is not None:
        query = query.filter_by(kpi=get_kpi(session, project, kpi).name)
    return views(session.connection().execute(query.order_by(KpiObservationRow.seq)), Observation)


def get_kpi(session: Session, project: str, name: str) -> Kpi:
    """One KPI. Raises `InputError` with the nearest names when there is none."""
    known = {one.name: one for one in list_kpis(session, project)}
    if name not in known:
        raise unknown_name(
            "KPI", name, known, none_yet="Set one with `crisplens kpi set NAME --target NUMBER`."
        )
    return known[name]


def find_currency(session: Session, project: str) -> str:
    """What the project's money is in unless a command says otherwise: the goal's currency, else US dollars."""
    goal = find_goal(session, project)
    return goal.currency if goal else DEFAULT_CURRENCY


def compare_costs(session: Session, project: str) -> list[CostComparison]:
    """What was spent beside what the goal expects, each kind of cost once, then what was spent in other currencies.

    What is expected is as the goal states it now. A goal's costs are for no stated period: all that was ever
    recorded is compared with them.
    """
    goal, costs = find_goal(session, project), list_costs(session, project)
    currency = find_currency(session, project)
    compared = []
    for kind in CostKind:
        spent = [Money(one.amount, one.currency) for one in costs if one.kind == kind]
        compared.append(compare_kind(kind, spent, goal.costs.get(kind) if goal else None, currency))
    return [first for first, *_ in compared] + [other for _, *others in compared for other in others]


def compare_kpis(session: Session, project: str) -> list[KpiComparison]:
    """The project's KPIs, by name, each with its newest observation and whether that meets the target.

    The target is as it is set now. Worth adds up over every observation, also over those of the same period.
    """
    observations, currency = list_observations(session, project), find_currency(session, project)
    return [
        _compared(kpi, [one for one in observations if one.kpi == kpi.name], currency)
        for kpi in list_kpis(session, project)
    ]


def _compared(kpi: Kpi, observations: Sequence[Observation], currency: str) -> KpiComparison:
    newest = max(observations, key=lambda one: (one.end, one.seq), default=None)
    worth = [Money(one.worth, one.currency or currency) for one in observations if one.worth is not None]
    amounts = by_currency(worth, currency)
    main = amounts.pop(currency)
    return KpiComparison(
        kpi=kpi.name,
        unit=kpi.unit,
        direction=kpi.direction,
        target=kpi.target,
        baseline=kpi.baseline,
        acceptable_error=kpi.acceptable_error,
        observed=newest.value if newest else None,
        start=newest.start if newest else None,
        end=newest.end if newest else None,
        met=kpi.goal_line.is_met_by(float(newest.value)) if newest else None,
        observations=len(observations),
        worth=add_up(main) if main else None,
        currency=currency,
        other_worth={name: add_up(others) for name, others in amounts.items()},
    )
