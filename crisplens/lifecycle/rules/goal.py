"""Rules on the business goal and its framing."""

from __future__ import annotations

from decimal import Decimal

from crisplens.lifecycle.rules.situation import Outcome, Rule, Situation, goal_basis, kpi_basis, listed
from crisplens.registry.projects.model import CostKind, Direction


def goal_stated(s: Situation) -> Outcome:
    """Is there a goal?"""
    goal = s.record.goal
    return Outcome(
        goal is not None,
        f"stated by {goal.recorded_by}, owner {goal.owner}" if goal else "no goal",
        goal_basis(s),
    )


def kpi_measurable(s: Situation) -> Outcome:
    """Is there a KPI?"""
    found = listed(
        f"{kpi.name} {'≥' if kpi.direction == Direction.HIGHER else '≤'} {kpi.target}"
        for kpi in s.record.kpis
    )
    return Outcome(bool(s.record.kpis), found, kpi_basis(s))


def options_considered(s: Situation) -> Outcome:
    """Does the goal name an option?"""
    options = s.record.goal.options if s.record.goal else ()
    return Outcome(bool(options), listed(option.name for option in options), goal_basis(s))


def costs_estimated(s: Situation) -> Outcome:
    """Has the goal every kind of cost?"""
    costs = s.record.goal.costs if s.record.goal else {}
    missing = [kind for kind in CostKind if kind not in costs]
    return Outcome(not missing, f"missing: {listed(missing)}" if missing else "all four kinds", goal_basis(s))


def kpi_baseline(s: Situation) -> Outcome:
    """Has every KPI a baseline?"""
    missing = [kpi.name for kpi in s.record.kpis if kpi.baseline is None]
    met = bool(s.record.kpis) and not missing
    return Outcome(
        met,
        "every KPI has one" if met else f"without one: {listed(missing, 'there is no KPI')}",
        kpi_basis(s),
    )


def target_beats_baseline(s: Situation) -> Outcome:
    """Is every target better than its baseline?"""
    worse = [
        kpi.name
        for kpi in s.record.kpis
        if kpi.baseline is not None and kpi.goal_line.shortfall(float(kpi.baseline)) <= Decimal(0)
    ]
    met = bool(s.record.kpis) and not worse
    return Outcome(
        met,
        "every target is better" if met else f"not better: {listed(worse, 'there is no KPI')}",
        kpi_basis(s),
    )


RULES: dict[str, tuple[Rule, ...]] = {
    "business-goal": (
        Rule(
            "goal-stated",
            "The business goal is stated",
            goal_stated,
            "crisplens goal set --problem … --value …",
        ),
        Rule(
            "kpi-measurable",
            "At least one KPI has a target",
            kpi_measurable,
            "crisplens kpi set NAME --target NUMBER",
        ),
        Rule(
            "options-considered",
            "Options were considered",
            options_considered,
            "crisplens goal set … --option 'NAME=WHAT WAS THOUGHT OF IT'",
        ),
        Rule(
            "costs-estimated",
            "Data, training, inference and wrong predictions are costed",
            costs_estimated,
            "crisplens goal set … --cost KIND=AMOUNT",
        ),
    ),
    "problem-framing": (
        Rule(
            "kpi-baseline",
            "Every KPI has a baseline to beat",
            kpi_baseline,
            "crisplens kpi set NAME … --baseline NUMBER",
        ),
        Rule(
            "target-beats-baseline",
            "Every target is better than its baseline",
            target_beats_baseline,
            "set a target that is worth a model",
        ),
    ),
}
