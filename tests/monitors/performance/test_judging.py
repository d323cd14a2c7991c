"""Judging metrics by their intervals: false findings stay rare, and lost performance is found."""

from __future__ import annotations

import random

import pytest

from crisplens.monitors.model import CheckSettings, Verdict
from crisplens.monitors.performance import judging
from crisplens.monitors.performance.model import BinaryStatistics, Confusion, Group, RegressionStatistics
from crisplens.monitors.performance.plans import PerformanceBaseline, make_plan

PLAN = make_plan(task="binary", label="y", predicted="p", judged=["accuracy", "recall", "precision"])
SETTINGS = CheckSettings(tolerance=0.05, minimum_rows=100)


def outcomes(rows: int, *, right: float, seed: int) -> BinaryStatistics:
    """A classifier that is right in a share of its rows."""
    chance = random.Random(seed)
    counts = {"tp": 0, "tn": 0, "fp": 0, "fn": 0}
    for _ in range(rows):
        positive, good = chance.random() < 0.4, chance.random() < right
        counts[("tp" if good else "fn") if positive else ("tn" if good else "fp")] += 1
    return BinaryStatistics(confusion=Confusion(**counts))


REFERENCE = PerformanceBaseline(rows=20_000, statistics=outcomes(20_000, right=0.8, seed=1))


def judge(statistics, plan=PLAN, settings=SETTINGS, groups=(), reference=REFERENCE):
    return judging.judge_measured(plan, settings, reference, statistics, groups)


def verdicts(checks):
    return {one.column: one.verdict for one in checks}


def test_windows_at_the_very_limit_are_seldom_called_degraded():
    # 5% less than in the reference: what the tolerance just bears.
    windows = [judge(outcomes(1000, right=0.76, seed=seed)) for seed in range(300)]
    found = sum(any(one.verdict is Verdict.DEGRADED for one in checks) for checks in windows)
    # 15 are expected at most; more than 28 come by chance once in a thousand.
    assert found <= 28


def test_a_clear_loss_is_found_and_an_equal_window_is_not_degraded():
    assert verdicts(judge(outcomes(2000, right=0.65, seed=2)))["accuracy"] is Verdict.DEGRADED
    assert set(verdicts(judge(outcomes(2000, right=0.8, seed=3))).values()) == {Verdict.NOT_DEGRADED}


def test_the_limit_is_the_one_set_else_that_of_the_reference_worsened():
    settings = CheckSettings(tolerance=0.1, thresholds={"recall": 0.5})
    limits = judging.limits_of(PLAN, settings, REFERENCE)
    confusion = REFERENCE.statistics.confusion
    accuracy = (confusion.tp + confusion.tn) / REFERENCE.rows
    assert limits["recall"] == 0.5
    assert limits["accuracy"] == pytest.approx(0.9 * accuracy)


def test_errors_are_worse_the_larger_and_bias_the_further_from_none():
    plan = make_plan(task="regression", label="y", predicted="p", limits={"bias": 0.5, "rmse": 1.5})
    errors = [1.0 + (-1) ** i * 0.5 for i in range(400)]
    statistics = RegressionStatistics(
        count=400,
        e=sum(errors),
        abs_e=sum(map(abs, errors)),
        e2=sum(e**2 for e in errors),
        e4=sum(e**4 for e in errors),
    )
    reference = PerformanceBaseline(rows=400, statistics=statistics)
    settings = CheckSettings(minimum_rows=100, thresholds={"bias": 0.5, "rmse": 1.5})
    found = verdicts(judge(statistics, plan, settings, reference=reference))
    assert found == {"bias": Verdict.DEGRADED, "rmse": Verdict.NOT_DEGRADED}


def test_too_few_rows_are_not_judged():
    checks = judge(outcomes(50, right=0.1, seed=4))
    assert set(verdicts(checks).values()) == {Verdict.INSUFFICIENT_DATA}
    found = judging.result(checks, engine="duckdb", reference_rows=1, current_rows=50)
    assert (found.verdict, found.checked, found.drifted) == (Verdict.INSUFFICIENT_DATA, 0, 0)


def test_a_segment_that_does_worse_than_the_rest_is_found_and_listed_first():
    plan = make_plan(task="binary", label="y", predicted="p", judged=["accuracy"], segments=[["region"]])
    groups = [
        Group(segment={"region": name}, statistics=outcomes(1000, right=right, seed=seed))
        for seed, (name, right) in enumerate([("a", 0.8), ("b", 0.8), ("c", 0.55)])
    ]
    checks = judge(outcomes(3000, right=0.75, seed=9), plan, groups=groups)
    assert checks[1].column == "accuracy where region = c"
    assert [one.verdict for one in checks[1:]] == [
        Verdict.DEGRADED,
        Verdict.NOT_DEGRADED,
        Verdict.NOT_DEGRADED,
    ]


def test_gaps_between_groups_are_judged_by_the_limit_set():
    plan = make_plan(
        task="binary",
        label="y",
        predicted="p",
        judged=["accuracy"],
        groups=["sex"],
        limits={"demographic_parity_difference": 0.1, "demographic_parity_ratio": 0.1},
    )
    settings = CheckSettings(
        thresholds={"demographic_parity_difference": 0.1, "demographic_parity_ratio": 0.1}
    )

    def group(name: str, tp: int) -> Group:
        confusion = Confusion(tp=tp, fp=100, fn=100, tn=1000 - tp)
        return Group(segment={"sex": name}, statistics=BinaryStatistics(confusion=confusion))

    whole = BinaryStatistics(confusion=Confusion(tp=700, fp=200, fn=200, tn=1300))
    checks = judge(whole, plan, settings, groups=[group("f", 200), group("m", 500)])
    assert verdicts(checks)["demographic_parity_difference"] is Verdict.DEGRADED
    assert verdicts(checks)["demographic_parity_ratio"] is Verdict.NOT_DEGRADED
    alone = verdicts(judge(whole, plan, settings, groups=[group("f", 200)]))
    assert alone["demographic_parity_difference"] is Verdict.UNSUPPORTED


def test_the_window_says_what_is_worst_and_how_much_more_there_is():
    checks = judge(outcomes(2000, right=0.6, seed=5))
    found = judging.result(checks, engine="duckdb", reference_rows=20_000, current_rows=2000, note="Noted.")
    assert found.verdict is Verdict.DEGRADED
    assert found.reason.startswith("accuracy is 0.")
    assert "below the limit" in found.reason
    assert found.reason.endswith(f"{found.drifted - 1} more of 3 are degraded. Noted.")
