"""Monitors of KPIs: each observation is judged once, by the target as it is set then."""

from __future__ import annotations

import pytest

from crisplens.api import Registry
from tests.conftest import Files, assert_refused

pytestmark = pytest.mark.stored


@pytest.fixture
def watched(registry: Registry, files: Files) -> Registry:
    """A model with a monitor on a KPI."""
    registry.model.register("churn-gbm", files.text("weights"))
    registry.kpi.set("revenue", target=100, unit="EUR")
    registry.monitor.add_kpi("money", model="churn-gbm", kpi="revenue", persistence="2/3")
    return registry


def observe(registry: Registry, month: int, value: float) -> None:
    """A month's revenue."""
    registry.kpi.observe("revenue", value, start=f"2026-{month:02d}-01", end=f"2026-{month:02d}-28")


def test_a_target_that_is_missed_again_is_an_alarm(watched: Registry) -> None:
    for month, value in ((1, 120), (2, 90), (3, 80)):
        observe(watched, month, value)
    (run,) = watched.monitor.run_due("money")
    assert [one.check.result.verdict for one in run.checks] == ["not-degraded", "degraded", "degraded"]
    assert [one.incident is not None for one in run.checks] == [False, False, True]
    assert run.checks[1].check.result.reason == (
        "revenue was 90 EUR (2026-02-01 to 2026-02-28), which misses its target 100 EUR."
    )
    # A person decides whether retraining helps a KPI.
    assert watched.trigger.list() == []
    assert watched.monitor.run_due("money")[0].checks == ()


def test_each_observation_is_judged_once_and_by_the_target_of_that_day(watched: Registry) -> None:
    observe(watched, 1, 90)
    assert watched.monitor.run("money").check.result.verdict == "degraded"
    watched.kpi.set("revenue", target=80, unit="EUR")
    observe(watched, 2, 85)
    assert watched.monitor.run("money").check.result.verdict == "not-degraded"
    assert_refused(watched, lambda: watched.monitor.run("money"), "nothing-due")
    assert watched.audit.verify().passed


def test_what_cannot_be_watched_is_refused(watched: Registry) -> None:
    monitor = watched.monitor
    assert_refused(
        watched, lambda: monitor.add_kpi("x", model="churn-gbm", kpi="revenu"), "unknown-name", "revenue"
    )
    assert_refused(watched, lambda: monitor.run("money", current="x.csv"), "bad-choice", "KPI")
    assert_refused(
        watched,
        lambda: monitor.change("money", thresholds={"revenue": 1.0}, reason="x"),
        "bad-setting",
        "thresholds",
    )
