"""Monitors of performance: labels that come late, estimates, lost performance, its incident and trigger."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from crisplens.api import Registry
from crisplens.monitors.performance.checks import PerformanceReport
from tests.conftest import Files, assert_refused

pytestmark = pytest.mark.stored

LONG_AGO = 1_000_000_000


def test_a_window_like_the_reference_is_not_degraded(
    registry: Registry, files: Files, watch: Callable[..., Any]
) -> None:
    monitor = watch(segments=[["region"]])
    assert (monitor.plan.metrics, monitor.reference.rows) == (("roc_auc",), 400)
    files.scored("live-1.csv")
    check = registry.monitor.run("quality").check
    assert check.result.verdict == "not-degraded"
    assert check.result.columns[0].column == "roc_auc"
    assert len(check.result.columns) == 3
    (digest,) = check.attachments
    report = msgspec.json.decode(registry.evidence.get(digest), type=PerformanceReport)
    assert report.measured is not None
    assert {one.name for one in report.metrics} >= {"roc_auc", "brier", "f1"}
    assert registry.audit.verify().passed


def test_lost_performance_is_an_alarm_that_asks_for_retraining(
    registry: Registry, files: Files, watch: Callable[..., Any]
) -> None:
    watch(persistence="2/3")
    for name in ("live-1.csv", "live-2.csv"):
        files.scored(name, noise=1.0)
    (run,) = registry.monitor.run_due("quality")
    assert [one.check.result.verdict for one in run.checks] == ["degraded", "degraded"]
    assert [one.check.decision.alarm for one in run.checks] == [False, True]
    assert run.checks[1].check.decision.reason == "Lost performance in 2 of the newest 2 windows of roc_auc."
    assert run.checks[1].incident is not None
    assert run.checks[1].incident.kind == "performance"
    assert run.checks[1].trigger is not None


def test_a_window_waits_for_its_labels_and_those_after_it_wait_with_it(
    registry: Registry, files: Files, watch: Callable[..., Any]
) -> None:
    watch(labels=str(files.folder / "labels.csv"), key=["id"], coverage=0.9)
    files.scored("live-1.csv", labels="")
    files.scored("live-2.csv", labels="")
    files.outcomes("labels.csv", missing=100)
    (run,) = registry.monitor.run_due("quality")
    assert (run.checks, run.waiting, run.exit_code) == ((), 2, 0)
    assert "300 of 400 predictions are labelled" in run.awaited
    assert_refused(registry, lambda: registry.monitor.run("quality"), "labels-awaited", "300 of 400")
    files.outcomes("labels.csv", missing=20)
    (run,) = registry.monitor.run_due("quality")
    assert [one.check.result.verdict for one in run.checks] == ["not-degraded", "not-degraded"]
    assert "380 of 400 predictions are labelled." in run.checks[0].check.result.reason
    assert registry.monitor.run_due("quality")[0].checks == ()


def test_labels_that_did_not_come_in_time_are_bad_data(
    registry: Registry, files: Files, watch: Callable[..., Any]
) -> None:
    watch(labels=str(files.folder / "labels.csv"), key=["id"], labels_within="7d")
    os.utime(files.scored("live-1.csv", labels=""), (LONG_AGO, LONG_AGO))
    files.outcomes("labels.csv", missing=300)
    done = registry.monitor.run("quality")
    assert done.check.result.verdict == "bad-data"
    assert "the deadline 2001-09-16" in done.check.result.reason
    assert done.incident is not None
    assert done.incident.kind == "bad-data"


def test_windows_of_time_hold_their_own_predictions(
    registry: Registry, files: Files, watch: Callable[..., Any]
) -> None:
    watch(window="day", time_column="at", current=str(files.folder / "scored.csv"), minimum_rows=50)
    lines = files.scored("rows.csv").read_text("utf-8").splitlines()
    stamped = [f"{line},2026-03-0{1 + place // 200}T12:00:00Z" for place, line in enumerate(lines[1:])]
    files.text("\n".join([f"{lines[0]},at", *stamped, ""]), "scored.csv")
    (run,) = registry.monitor.run_due("quality", most=2)
    assert [one.check.result.current_rows for one in run.checks] == [200, 200]


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        ("id,region,skore,y", "1,north,0.5,1", "'score'. Did you mean skore?"),
        ("id,region,score,y", "1,north,high,1", "not numbers"),
        ("id,region,score,y", "1,north,1.5,1", "usable prediction"),
        ("id,region,score,y", "1,north,0.5,maybe", "none is named as positive"),
    ],
)
def test_data_of_another_shape_is_bad_data(
    registry: Registry, files: Files, watch: Callable[..., Any], header: str, row: str, words: str
) -> None:
    watch()
    files.text("\n".join([header, *[row] * 200, ""]), "live-1.csv")
    done = registry.monitor.run("quality")
    assert done.check.result.verdict == "bad-data"
    assert words in done.check.result.reason
    assert done.incident is not None


def test_performance_is_estimated_from_scores_alone(
    registry: Registry, files: Files, watch: Callable[..., Any]
) -> None:
    watch(estimated=True, segments=[["region"]], metrics=["roc_auc", "accuracy"])
    files.scored("live-1.csv", labels="")
    half = [f"{row},north,{0.45 + row % 10 / 100:.2f}" for row in range(400)]
    files.text("\n".join(["id,region,score", *half, ""]), "live-2.csv")
    (run,) = registry.monitor.run_due("quality")
    assert [one.check.result.verdict for one in run.checks] == ["not-degraded", "degraded"]
    estimated = run.checks[1].check.result.columns[0]
    assert (estimated.method, estimated.approximate) == ("estimated", True)
    assert estimated.score == pytest.approx(0.5, abs=0.1)


def test_a_regression_is_estimated_by_how_its_errors_went(
    registry: Registry, files: Files, watch: Callable[..., Any]
) -> None:
    rows = [f"{row % 50},{row % 50 + (-1) ** row * (row % 50) / 10}" for row in range(1000)]
    reference = files.text("\n".join(["predicted,actual", *rows, ""]), "numbers.csv")
    watch(
        reference=reference,
        task="regression",
        label="actual",
        score=None,
        predicted="predicted",
        estimated=True,
    )
    files.text("\n".join(["predicted", *(str(row % 50) for row in range(500)), ""]), "live-1.csv")
    files.text("\n".join(["predicted", *(str(45 + row % 5) for row in range(500)), ""]), "live-2.csv")
    (run,) = registry.monitor.run_due("quality")
    assert [one.check.result.verdict for one in run.checks] == ["not-degraded", "degraded"]
    assert run.checks[1].check.result.columns[0].score == pytest.approx(4.7, rel=0.05)


def test_limits_change_and_what_belongs_to_drift_does_not(
    registry: Registry, files: Files, watch: Callable[..., Any]
) -> None:
    watch(current=str(files.scored("live-1.csv")), window="whole")
    registry.monitor.change("quality", thresholds={"roc_auc": 0.99}, reason="the goal was raised")
    assert registry.monitor.run("quality").check.result.verdict == "degraded"
    for change, words in (
        ({"thresholds": {"recall": 0.5}}, "metric that is judged"),
        ({"engine": "evidently"}, "monitors of drift"),
        ({"drift_share": 0.5}, "monitors of drift"),
        ({"constraints": "suggest"}, "monitors of drift"),
    ):
        assert_refused(
            registry,
            lambda change=change: registry.monitor.change("quality", reason="x", **change),
            ("bad-setting", "unknown-name"),
            words,
        )
    assert_refused(registry, lambda: registry.monitor.backtest("quality"), "bad-setting", "drift")


@pytest.mark.parametrize(
    ("options", "slug", "words"),
    [
        ({"label": "yy"}, "unknown-name", "yy"),
        ({"score": "region"}, "not-a-number", "region"),
        ({"metrics": ["auc"]}, "unknown-name", "auc"),
        ({"model": "churn"}, "unknown-name", "churn"),
        ({"tolerance": -1}, "bad-setting", "tolerance"),
    ],
)
def test_what_cannot_be_watched_is_refused(
    registry: Registry, watch: Callable[..., Any], options: dict[str, Any], slug: str, words: str
) -> None:
    assert_refused(registry, lambda: watch(**options), slug, words)


def test_a_reference_of_one_class_is_refused(
    registry: Registry, files: Files, watch: Callable[..., Any]
) -> None:
    ones = "\n".join(["score,y", *["0.5,1"] * 100, ""])
    reference = files.text(ones, "ones.csv")
    assert_refused(registry, lambda: watch(reference=reference), "not-calibrated", "roc_auc")
