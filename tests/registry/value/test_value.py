"""Costs and observed KPIs, and how they compare with the goal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core.clock import now
from crisplens.core.dates import day_after, day_of
from crisplens.registry.value.queries import Cost, Observation
from tests.conftest import ANA, BO, Files, assert_refused, state_goal

pytestmark = pytest.mark.stored

KINDS = ["data", "training", "inference", "wrong-predictions"]
DAY = "2025-03-01"


@pytest.fixture
def stated(registry: Registry) -> Registry:
    """A goal in US dollars with every kind of cost, and the KPIs auc and latency_ms."""
    state_goal(registry)
    return registry


def tomorrow() -> str:
    """The day after this one, in UTC."""
    return day_after(day_of(now()))


def test_a_cost_says_what_for_when_and_what_shows_it(stated: Registry, files: Files) -> None:
    invoice = files.text("GPU hours", "invoice.txt")
    cost = stated.acting_as(BO).cost.record(
        "training", "800.50", start=DAY, end="2025-03-31", note="GPUs", evidence=invoice
    )
    (kept,) = stated.evidence.list()
    assert cost == Cost(
        id="cost-1",
        kind="training",
        amount="800.50",
        currency="USD",
        start=DAY,
        end="2025-03-31",
        note="GPUs",
        evidence=kept.digest,
        recorded_by=BO,
        recorded_at=cost.recorded_at,
        seq=cost.seq,
    )
    one_day = stated.cost.record("data", 12, start=DAY)
    assert (one_day.id, one_day.end, one_day.amount, one_day.evidence) == ("cost-2", DAY, "12", None)
    assert stated.cost.list() == [cost, one_day]
    assert stated.audit.verify().passed


def test_money_is_in_what_the_goal_is_in(registry: Registry) -> None:
    assert registry.cost.record("data", 1, start=DAY).currency == "USD"
    registry.goal.set(problem="p", value="v", currency="EUR")
    assert registry.cost.record("data", 1, start=DAY).currency == "EUR"
    assert registry.cost.record("data", 1, start=DAY, currency=" eur").currency == "EUR"
    assert registry.cost.record("data", 1, start=DAY, currency="CHF").currency == "CHF"


def test_what_was_spent_is_compared_kind_by_kind(stated: Registry) -> None:
    spend = stated.cost.record
    spend("data", "11999.90", start=DAY)
    spend("data", "0.10", start=DAY)
    spend("training", "800.51", start=DAY)
    spend("training", "70", start=DAY, currency="EUR")
    spend("training", "1.5", start=DAY, currency="eur")
    compared = stated.cost.compare()
    assert [
        (one.kind, one.currency, one.expected, one.actual, one.recorded, one.over) for one in compared
    ] == [
        ("data", "USD", "12000", "12000.00", 2, False),
        ("training", "USD", "800.50", "800.51", 1, True),
        ("inference", "USD", "2400", "0", 0, False),
        ("wrong-predictions", "USD", "90000", "0", 0, False),
        ("training", "EUR", None, "71.5", 2, False),
    ]


def test_a_project_without_a_goal_expects_nothing(registry: Registry) -> None:
    registry.cost.record("inference", 5, start=DAY)
    compared = registry.cost.compare()
    assert [(one.kind, one.currency, one.expected, one.over) for one in compared] == [
        (kind, "USD", None, False) for kind in KINDS
    ]
    assert [one.actual for one in compared] == ["0", "0", "5", "0"]


def test_a_goal_that_is_stated_anew_is_what_counts(stated: Registry) -> None:
    stated.cost.record("data", 500, start=DAY)
    stated.goal.set(problem="p", value="v", costs={"data": "499"}, currency="usd")
    data, *others = stated.cost.compare()
    assert (data.currency, data.expected, data.actual, data.over) == ("usd", "499", "500", True)
    assert [one.expected for one in others] == [None] * 3
    stated.goal.set(problem="p", value="v", costs={"data": "499"}, currency="EUR")
    data, *_, in_dollars = stated.cost.compare()
    assert (data.currency, data.actual, data.over) == ("EUR", "0", False)
    assert (in_dollars.currency, in_dollars.expected, in_dollars.actual) == ("USD", None, "500")


def test_what_was_recorded_wrongly_is_taken_back(stated: Registry) -> None:
    stated.cost.record("training", "8000", start=DAY)
    stated.cost.record("training", "-7200", start=DAY, note="cost-1 was 800")
    training = stated.cost.compare()[1]
    assert (training.actual, training.recorded, training.over) == ("800", 2, False)


def test_an_observation_says_when_and_what_it_was_worth(stated: Registry) -> None:
    seen = stated.kpi.observe(
        "auc", "0.83", start="2025-01-01", end="2025-01-31", worth="90000", note="January's labels"
    )
    assert seen == Observation(
        id="observation-1",
        kpi="auc",
        value="0.83",
        start="2025-01-01",
        end="2025-01-31",
        worth="90000",
        currency="USD",
        note="January's labels",
        recorded_by=ANA,
        recorded_at=seen.recorded_at,
        seq=seen.seq,
    )
    other = stated.kpi.observe("latency_ms", 96.5)
    assert (other.value, other.worth, other.currency) == ("96.5", None, None)
    assert stated.kpi.history() == [seen, other]
    assert stated.kpi.history("auc") == [seen]
    assert stated.audit.verify().passed


def test_a_period_that_is_left_out_is_today(stated: Registry) -> None:
    today = stated.kpi.observe("auc", 0.8)
    assert today.start == today.end == today.recorded_at[:10]
    since = stated.kpi.observe("auc", 0.8, start="2025-01-01")
    assert (since.start, since.end) == ("2025-01-01", since.recorded_at[:10])
    until = stated.kpi.observe("auc", 0.8, end="2025-01-31")
    assert (until.start, until.end) == ("2025-01-31", "2025-01-31")
    ahead = stated.kpi.observe("auc", 0.8, start=tomorrow())
    assert ahead.start == ahead.end > ahead.recorded_at[:10]


def test_the_newest_period_says_whether_a_kpi_is_met(stated: Registry) -> None:
    stated.kpi.set("f1", target="0.4")
    observe = stated.kpi.observe
    observe("auc", "0.71", end="2025-03-31", worth=-10)
    observe("auc", "0.79", end="2025-03-31", worth="1200.50")
    observe("auc", "0.90", end="2025-02-28", worth=300, currency="EUR")
    observe("latency_ms", "120.5", end="2025-03-31")
    auc, f1, latency = stated.kpi.compare()
    assert (auc.kpi, auc.target, auc.baseline, auc.acceptable_error) == ("auc", "0.80", "0.71", "0.01")
    assert (auc.observed, auc.end, auc.met, auc.observations) == ("0.79", "2025-03-31", True, 3)
    assert (auc.worth, auc.currency, auc.other_worth) == ("1190.50", "USD", {"EUR": "300"})
    assert (f1.observed, f1.end, f1.met, f1.observations, f1.worth, f1.other_worth) == (
        None,
        None,
        None,
        0,
        None,
        {},
    )
    assert (latency.unit, latency.direction, latency.met, latency.worth) == ("ms", "lower", False, None)


def test_a_target_that_is_moved_is_what_counts(stated: Registry) -> None:
    stated.kpi.observe("auc", "0.83")
    stated.kpi.set("auc", target="0.9")
    assert stated.kpi.compare()[0].met is False


@pytest.mark.parametrize(
    ("call", "slug", "words"),
    [
        (lambda r, f: r.cost.record("rent", 1, start=DAY), "bad-choice", ["rent", "wrong-predictions"]),
        (lambda r, f: r.cost.record("data", "much", start=DAY), "not-a-number", ["data cost", "much"]),
        (lambda r, f: r.cost.record("data", "1e99", start=DAY), "not-a-number", ["1e99"]),
        (lambda r, f: r.cost.record("data", -1, start=DAY), "empty-text", ["below 0"]),
        (lambda r, f: r.cost.record("data", 1, start="March"), "bad-time", ["March", "2026-03-01"]),
        (lambda r, f: r.cost.record("data", 1, start=DAY, end=""), "bad-time", ["last day"]),
        (lambda r, f: r.cost.record("data", 1, start=DAY, end="2025-02-28"), "bad-time", ["before"]),
        (lambda r, f: r.cost.record("data", 1, start="2999-01-01"), "bad-time", ["still to come"]),
        (lambda r, f: r.cost.record("data", 1, start=DAY, currency=" "), "empty-text", ["currency"]),
        (lambda r, f: r.cost.record("data", 1, start=DAY, currency="x" * 21), "text-too-long", ["20"]),
        (lambda r, f: r.cost.record("data", 1, start=DAY, note="x" * 20_001), "text-too-long", ["note"]),
        (
            lambda r, f: r.cost.record("data", 1, start=DAY, evidence=f.folder / "gone.pdf"),
            "unreadable-file",
            ["gone.pdf"],
        ),
        (lambda r, f: r.kpi.observe("acu", 1), "unknown-name", ["acu", "auc"]),
        (lambda r, f: r.kpi.history("acu"), "unknown-name", ["acu", "auc"]),
        (lambda r, f: r.kpi.observe("auc", "high"), "not-a-number", ["the value of auc", "high"]),
        (lambda r, f: r.kpi.observe("auc", "nan"), "not-a-number", ["nan"]),
        (lambda r, f: r.kpi.observe("auc", 1, worth="x"), "not-a-number", ["worth"]),
        (lambda r, f: r.kpi.observe("auc", 1, worth="1e-99"), "not-a-number", ["worth"]),
        (lambda r, f: r.kpi.observe("auc", 1, currency="EUR"), "empty-text", ["worth"]),
        (lambda r, f: r.kpi.observe("auc", 1, end="x"), "bad-time", ["the day is 'x'"]),
        (lambda r, f: r.kpi.observe("auc", 1, start="x"), "bad-time", ["the day is 'x'"]),
        (lambda r, f: r.kpi.observe("auc", 1, start="2025-02-01", end=DAY[:7]), "bad-time", ["last day"]),
        (lambda r, f: r.kpi.observe("auc", 1, start="2025-03-02", end=DAY), "bad-time", ["before"]),
        (lambda r, f: r.kpi.observe("auc", 1, start="2999-01-01"), "bad-time", ["still to come"]),
        (lambda r, f: r.on_project("chrn").cost.record("data", 1, start=DAY), "unknown-name", ["churn"]),
        (lambda r, f: r.on_project("chrn").kpi.observe("auc", 1), "unknown-name", ["chrn"]),
        (lambda r, f: r.on_project("chrn").cost.compare(), "unknown-name", ["chrn"]),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    stated: Registry, files: Files, call: Callable[[Registry, Files], Any], slug: str, words: list[str]
) -> None:
    assert_refused(stated, lambda: call(stated, files), slug, *words)
    assert stated.evidence.list() == []


def test_without_kpis_the_way_to_one_is_named(registry: Registry) -> None:
    assert_refused(registry, lambda: registry.kpi.observe("auc", 1), "unknown-name", "crisplens kpi set")
    assert registry.kpi.compare() == registry.kpi.history() == []


def test_projects_do_not_see_each_other(stated: Registry) -> None:
    stated.cost.record("data", 1, start=DAY)
    stated.kpi.observe("auc", 1)
    stated.project.add("other")
    other = stated.on_project("other")
    other.kpi.set("auc", target=1)
    assert other.cost.list() == other.kpi.history() == []
    assert [one.recorded for one in other.cost.compare()] == [0] * 4
    assert other.kpi.compare()[0].observed is None
    assert other.cost.record("data", 2, start=DAY).id == "cost-1"
    assert other.kpi.observe("auc", 2).id == "observation-1"
