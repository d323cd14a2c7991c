"""Projects, goals and KPIs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crisplens.api import Registry
from tests.conftest import ANA, BO, assert_refused, state_goal

pytestmark = pytest.mark.stored

GOAL = {"problem": "p", "value": "v"}


def test_a_project_is_owned_by_who_adds_it_unless_named(bare: Registry) -> None:
    added = bare.project.add("churn")
    assert (added.project, added.title, added.owner, added.risk) == ("churn", "churn", ANA, "medium")
    other = bare.acting_as(BO).project.add("other", title="Other", owner=ANA, risk="high", description="d")
    assert (other.owner, other.recorded_by, other.risk, other.description) == (ANA, BO, "high", "d")
    assert [one.project for one in bare.project.list()] == ["churn", "other"]
    assert bare.project.show("churn") == added


def test_a_goal_and_its_kpis_are_stated_and_stated_anew(registry: Registry) -> None:
    assert registry.goal.show() is None
    state_goal(registry)
    goal = registry.goal.show()
    assert goal is not None
    assert goal.costs == {
        "data": "12000",
        "training": "800.50",
        "inference": "2400",
        "wrong-predictions": "90000",
    }
    assert [(option.name, option.assessment) for option in goal.options] == [
        ("rules", "too coarse"),
        ("gradient boosting", "chosen"),
    ]
    again = registry.goal.set(problem="other", value="other")
    assert (again.owner, again.costs, again.options, again.currency) == (ANA, {}, (), "USD")
    assert registry.goal.show() == again
    auc, latency = registry.kpi.list()
    assert (auc.name, auc.target, auc.baseline, auc.acceptable_error) == ("auc", "0.80", "0.71", "0.01")
    assert (latency.direction, latency.unit, latency.target) == ("lower", "ms", "120")
    changed = registry.kpi.set("auc", target="0.9")
    assert registry.kpi.list() == [changed, latency]
    assert changed.baseline is None


@pytest.mark.parametrize(
    ("call", "slug", "words"),
    [
        (lambda r: r.project.add("churn"), "exists", ["churn"]),
        (lambda r: r.project.add("CHURN"), "exists", ["CHURN"]),
        (lambda r: r.project.add("a b"), "bad-name", ["a b"]),
        (lambda r: r.project.add("x", risk="extreme"), "bad-choice", ["extreme", "low, medium, high"]),
        (lambda r: r.project.add("x", title="t" * 201), "text-too-long", ["200"]),
        (lambda r: r.project.add("x", owner=" "), "empty-text", ["owner"]),
        (lambda r: r.project.show("chrun"), "unknown-name", ["chrun", "churn"]),
        (lambda r: r.goal.set(problem=" ", value="v"), "empty-text", ["problem"]),
        (lambda r: r.goal.set(problem="p", value=""), "empty-text", ["value"]),
        (lambda r: r.goal.set(**GOAL, costs={"rent": 1}), "bad-choice", ["rent", "wrong-predictions"]),
        (lambda r: r.goal.set(**GOAL, costs={"data": "much"}), "not-a-number", ["data cost", "much"]),
        (lambda r: r.goal.set(**GOAL, options={"": "x"}), "empty-text", ["option"]),
        (lambda r: r.goal.set(**GOAL, currency=""), "empty-text", ["currency"]),
        (lambda r: r.kpi.set("a b", target=1), "bad-name", ["KPI"]),
        (lambda r: r.kpi.set("auc", target="high"), "not-a-number", ["target", "high"]),
        (lambda r: r.kpi.set("auc", target=1, baseline="x"), "not-a-number", ["baseline"]),
        (lambda r: r.kpi.set("auc", target=1, acceptable_error="x"), "not-a-number", ["acceptable error"]),
        (lambda r: r.kpi.set("auc", target=1, acceptable_error=-0.1), "not-a-number", ["-0.1", "0 or more"]),
        (lambda r: r.kpi.set("auc", target=1, direction="up"), "bad-choice", ["up", "higher, lower"]),
        (lambda r: r.acting_as(ANA, project="chrn").goal.set(**GOAL), "unknown-name", ["chrn", "churn"]),
        (lambda r: r.acting_as(ANA, project="chrn").kpi.list(), "unknown-name", ["chrn", "churn"]),
        (lambda r: r.acting_as(" ").goal.set(**GOAL), "bad-actor", []),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    registry: Registry, call: Callable[[Registry], Any], slug: str, words: list[str]
) -> None:
    assert_refused(registry, lambda: call(registry), slug, *words)


def test_projects_do_not_see_each_other(registry: Registry) -> None:
    state_goal(registry)
    registry.project.add("other")
    other = registry.acting_as(ANA, project="other")
    assert other.goal.show() is None
    assert other.kpi.list() == other.source.list() == []


def test_no_project_is_an_error_of_its_own(bare: Registry) -> None:
    from dataclasses import replace

    nameless = Registry(replace(bare.configuration, project=None), bare.engine, ANA)
    for call in (nameless.kpi.list, lambda: nameless.kpi.set("auc", target=1)):
        assert_refused(bare, call, "no-project", "CRISPLENS_PROJECT")
