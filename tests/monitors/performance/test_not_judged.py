"""What was asked for and could not be judged is no good news: the window says so, and is not called not degraded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.monitors.model import CheckResult
from tests.conftest import Files

# What is judged and refused here touches no database, so one kind of it is enough.
pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)

GAP = "demographic_parity_difference"


@pytest.fixture
def look(
    registry: Registry, files: Files, watch: Callable[..., Any], people: Callable[..., Path]
) -> Callable[..., CheckResult]:
    """What a check by region and by sex says of a window of people."""

    def run(*, options: dict[str, Any] | None = None, **window: Any) -> CheckResult:
        people("people.csv")
        given = {"segments": [["region"]], "groups": ["sex"], "thresholds": {GAP: 0.2}}
        watch(reference=files.folder / "people.csv", **(given | (options or {})))
        people("live-1.csv", **window)
        return registry.monitor.run("quality").check.result

    return run


def verdicts(result: CheckResult) -> dict[str, str]:
    return {one.column: str(one.verdict) for one in result.columns}


def test_where_all_could_be_judged_nothing_is_said_to_be_missing(look: Callable[..., CheckResult]) -> None:
    result = look()
    assert result.verdict == "not-degraded"
    assert "could not be judged" not in result.reason


def test_labels_of_one_class_leave_area_and_segments_unjudged(look: Callable[..., CheckResult]) -> None:
    result = look(y="1")
    assert result.verdict == "insufficient-data"
    assert "roc_auc and roc_auc by region could not be judged: there is no actual negative." in result.reason
    assert "What could be judged is not degraded." in result.reason
    assert (result.drifted, result.checked) == (0, 1)


@pytest.mark.parametrize(
    ("window", "verdict", "words"),
    [
        ({"sex": ""}, "bad-data", f"{GAP} could not be judged: sex is null in every labelled row."),
        (
            {"sex": "f"},
            "insufficient-data",
            f"{GAP} could not be judged: there is only one group by sex: sex = f.",
        ),
        (
            {"region": ""},
            "bad-data",
            "roc_auc by region could not be judged: region is null in every labelled row.",
        ),
        ({"region": "north"}, "insufficient-data", "there is only one group by region: region = north."),
        ({"rows": 150}, "insufficient-data", "None of 2 segments could be. Where region = "),
        ({"sex": "", "region": ""}, "bad-data", "sex is null in every labelled row. roc_auc by region could"),
    ],
)
def test_groups_that_cannot_be_told_apart_are_named(
    look: Callable[..., CheckResult], window: dict[str, Any], verdict: str, words: str
) -> None:
    result = look(**window)
    assert result.verdict == verdict
    assert words.casefold() in result.reason.casefold()


def test_few_rows_with_a_null_column_are_too_few_and_no_alarm(look: Callable[..., CheckResult]) -> None:
    result = look(rows=50, region="", sex="")
    assert result.verdict == "insufficient-data"
    assert result.reason.startswith(
        f"roc_auc, {GAP} and roc_auc by region could not be judged: there are 50 labelled rows, fewer than 100."
    )


def test_a_degraded_window_stays_so_and_tells_what_was_not_judged(look: Callable[..., CheckResult]) -> None:
    result = look(noise=1.0, sex="", region="")
    assert result.verdict == "degraded"
    assert result.reason.startswith("roc_auc is 0.")
    assert f"{GAP} could not be judged: sex is null in every labelled row." in result.reason
    assert "roc_auc by region could not be judged" in result.reason


def test_one_small_segment_is_no_fault_of_the_window(
    registry: Registry, files: Files, watch: Callable[..., Any], people: Callable[..., Path]
) -> None:
    people("people.csv")
    watch(reference=files.folder / "people.csv", segments=[["region"]])
    header, *lines = people("live.csv").read_text("utf-8").splitlines()
    few = [
        line.replace("north", "east").replace("south", "east") if row < 20 else line
        for row, line in enumerate(lines)
    ]
    files.text("\n".join([header, *few, ""]), "live-1.csv")
    result = registry.monitor.run("quality").check.result
    assert result.verdict == "not-degraded"
    assert verdicts(result)["roc_auc where region = east"] == "insufficient-data"


def test_a_single_actual_negative_is_no_lost_performance(
    registry: Registry, files: Files, watch: Callable[..., Any], people: Callable[..., Path]
) -> None:
    watch(reference=people("people.csv"))
    text = people("live.csv", y="1").read_text("utf-8")
    files.text(text + "400,north,0.9999,0,f\n", "live-1.csv")
    result = registry.monitor.run("quality").check.result
    assert result.verdict == "insufficient-data"
    assert "an interval takes at least 2 positives and 2 negatives" in result.reason


def test_sets_of_columns_are_the_same_in_any_order(
    registry: Registry, files: Files, watch: Callable[..., Any], people: Callable[..., Path]
) -> None:
    people("people.csv", rows=1200)
    watch(
        reference=files.folder / "people.csv",
        segments=[["region"], ["sex", "region"]],
        groups=["sex", "region"],
        thresholds={GAP: 0.2},
    )
    people("live-1.csv", rows=1200)
    result = registry.monitor.run("quality").check.result
    assert verdicts(result)[GAP] == "not-degraded"
    assert verdicts(result)["roc_auc where region = north and sex = f"] == "not-degraded"
    assert result.verdict == "not-degraded"


def test_an_estimate_by_a_column_of_nulls_is_bad_data(look: Callable[..., CheckResult]) -> None:
    result = look(options={"estimated": True, "groups": [], "thresholds": {}}, region="")
    assert result.verdict == "bad-data"
    assert "roc_auc by region could not be judged: region is null in every row with a usable" in result.reason
    assert "What could be judged is not degraded." in result.reason


@pytest.mark.parametrize(
    ("estimated", "window", "words"),
    [
        (False, {"score": ""}, "The column 'score' is null in every row."),
        (True, {"score": ""}, "The column 'score' is null in every row."),
        (False, {"score": "inf"}, "The column 'score' has no finite number."),
        (True, {"score": "-inf"}, "The column 'score' has no finite number."),
        (False, {"y": ""}, "The column 'y' is null in every row."),
    ],
)
def test_a_column_without_a_value_is_told_as_such(
    look: Callable[..., CheckResult], estimated: bool, window: dict[str, str], words: str
) -> None:
    result = look(options={"estimated": estimated, "groups": [], "thresholds": {}}, **window)
    assert result.verdict == "bad-data"
    assert result.reason.startswith(words)


@pytest.mark.parametrize("estimated", [False, True])
def test_nulls_of_a_known_type_are_bad_data_as_well(
    registry: Registry, files: Files, watch: Callable[..., Any], estimated: bool
) -> None:
    import duckdb

    column = "score" if estimated else "y"
    watch(current=str(files.folder / "live-*.parquet"), estimated=estimated)
    source, target = files.scored("rows.csv"), files.folder / "live-1.parquet"
    duckdb.sql(f"COPY (SELECT * REPLACE (NULL::DOUBLE AS {column}) FROM '{source}') TO '{target}'")
    result = registry.monitor.run("quality").check.result
    assert result.verdict == "bad-data"
    assert ("usable prediction" if estimated else "'y' is null in every row") in result.reason


def test_labels_that_are_all_null_have_not_come_yet(
    registry: Registry, files: Files, watch: Callable[..., Any]
) -> None:
    watch(labels=str(files.folder / "labels.csv"), key=["id"])
    files.scored("live-1.csv", labels="")
    files.text("\n".join(["id,y", *(f"{row}," for row in range(400)), ""]), "labels.csv")
    (run,) = registry.monitor.run_due("quality")
    assert (run.checks, run.waiting) == ((), 1)


def test_scores_that_are_all_alike_are_told_as_such(look: Callable[..., CheckResult]) -> None:
    result = look(score="0.5")
    assert result.verdict == "degraded"
    assert "roc_auc is 0.5 (all scores are alike, so the interval is not known), below" in result.reason
