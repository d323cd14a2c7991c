"""Limits that no window could be beyond, and columns that are not there, are refused when a monitor is added."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crisplens.api import Registry
from tests.conftest import Files, assert_refused

# What is judged and refused here touches no database, so one kind of it is enough.
pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)

REGRESSION = {"task": "regression", "score": None, "predicted": "score"}


@pytest.mark.parametrize(
    ("options", "slug", "words"),
    [
        ({"thresholds": {"roc_auc": 7}}, "bad-setting", "not above 0 and at most 1"),
        ({"thresholds": {"roc_auc": 0}}, "bad-setting", "not above 0 and at most 1"),
        ({"thresholds": {"brier": 1}}, "bad-setting", "not from 0 to less than 1"),
        ({"thresholds": {"mcc": 1.1}}, "bad-setting", "not above -1 and at most 1"),
        (REGRESSION | {"thresholds": {"r2": 1.5}}, "bad-setting", "not at most 1"),
        (REGRESSION | {"thresholds": {"rmse": -1}}, "bad-setting", "0 or more"),
        (REGRESSION | {"thresholds": {"mae": float("inf")}}, "not-a-number", "not a number"),
        (
            {"groups": ["region"], "thresholds": {"demographic_parity_difference": 1}},
            "bad-setting",
            "from 0 to less than 1",
        ),
        (
            {"groups": ["region"], "thresholds": {"demographic_parity_ratio": 0}},
            "bad-setting",
            "above 0 and at most 1",
        ),
        ({"tolerance": 1.5}, "bad-setting", "Give a tolerance below 1,"),
        (
            {"metrics": ["brier"], "tolerance": 1.99, "predicted": None, "cut": 0.5, "score": "off"},
            "bad-setting",
            "1 is the worst",
        ),
        (
            {"task": "multiclass", "score": None, "predicted": "region"},
            "not-calibrated",
            "the worst that it can be",
        ),
        ({"tolerance": -1}, "bad-setting", "not a share from 0"),
        ({"tolerance": 2}, "bad-setting", "5 percent"),
        ({"cut": 7}, "bad-setting", "the cut 7 is not from 0 to 1"),
        ({"segments": [["regoin"]]}, "unknown-name", "Did you mean region?"),
        ({"groups": ["sex"], "thresholds": {"demographic_parity_difference": 0.1}}, "unknown-name", "'sex'"),
        ({"segments": [["id"]]}, "too-many-segments", "id has 400 groups in 400 rows"),
        ({"segments": [["region", "id"]]}, "too-many-segments", "region and id has"),
        (
            {"groups": ["id"], "thresholds": {"demographic_parity_difference": 0.1}},
            "too-many-segments",
            "id has",
        ),
        ({"segments": [["region", "region"]]}, "bad-setting", "different columns"),
    ],
)
def test_what_could_never_be_judged_is_refused_when_it_is_added(
    registry: Registry,
    files: Files,
    watch: Callable[..., Any],
    options: dict[str, Any],
    slug: str,
    words: str,
) -> None:
    if options.get("score") == "off":
        lines = files.scored("reference.csv").read_text("utf-8").splitlines()
        far = [f"{line},{1 - float(line.split(',')[3]) * 0.9:.2f}" for line in lines[1:]]
        options = options | {"reference": files.text("\n".join([f"{lines[0]},off", *far, ""]), "off.csv")}
    assert_refused(registry, lambda: watch(**options), slug, words)


def test_many_segments_of_a_large_reference_are_refused(
    registry: Registry, files: Files, watch: Callable[..., Any]
) -> None:
    reference = files.scored("large.csv", rows=3000)
    assert_refused(
        registry, lambda: watch(reference=reference, segments=[["id"]]), "too-many-segments", "more than 1000"
    )


@pytest.mark.parametrize(
    "options",
    [
        {"thresholds": {"roc_auc": 1}},
        {"thresholds": {"brier": 0}},
        REGRESSION | {"thresholds": {"rmse": 0}},
        REGRESSION | {"metrics": ["mae"], "tolerance": 1.9},
        {"metrics": ["mcc"], "tolerance": 1.2},
        {"groups": ["region"], "thresholds": {"demographic_parity_ratio": 1}},
    ],
)
def test_strict_and_wide_limits_that_windows_can_be_beyond_are_taken(
    watch: Callable[..., Any], options: dict[str, Any]
) -> None:
    assert watch(**options).name == "quality"


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"roc_auc": 7, "demographic_parity_difference": 0.1}, "at most 1"),
        ({"roc_auc": 0.5, "demographic_parity_difference": 1}, "less than 1"),
        ({"roc_auc": 0.5}, "demographic_parity_difference is not judged without a limit"),
    ],
)
def test_limits_are_held_to_the_same_when_they_are_changed(
    registry: Registry,
    watch: Callable[..., Any],
    people: Callable[..., Path],
    limits: dict[str, float],
    words: str,
) -> None:
    watch(reference=people("people.csv"), groups=["sex"], thresholds={"demographic_parity_difference": 0.1})
    assert_refused(
        registry,
        lambda: registry.monitor.change("quality", thresholds=limits, reason="x"),
        "bad-setting",
        words,
    )


@pytest.mark.parametrize(("tolerance", "words"), [(1.5, "Give a tolerance below 1,"), (-1, "not a share")])
def test_a_tolerance_that_bears_everything_is_no_change(
    registry: Registry, watch: Callable[..., Any], tolerance: float, words: str
) -> None:
    watch()
    assert_refused(
        registry,
        lambda: registry.monitor.change("quality", tolerance=tolerance, reason="x"),
        "bad-setting",
        words,
    )


def test_a_new_reference_without_room_to_be_worse_is_refused(
    registry: Registry, files: Files, watch: Callable[..., Any]
) -> None:
    watch(score=None, predicted="guess", reference=files.text("y,guess\n" + "1,1\n0,0\n" * 200, "right.csv"))
    wrong = files.text("y,guess\n" + "1,0\n0,1\n" * 200, "wrong.csv")
    assert_refused(
        registry,
        lambda: registry.monitor.renew("quality", to="next", reference=str(wrong), reason="x"),
        "not-calibrated",
        "the worst that it can be",
    )
