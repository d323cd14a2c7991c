"""A monitor's past windows judged anew: with the same settings, what was decided; no column's rule is lost."""

from __future__ import annotations

import random

import pytest

from crisplens.api import Registry
from tests.conftest import Files

pytestmark = pytest.mark.stored

SHIFTS = (0, 0, 8, 8, 8)


@pytest.fixture
def weekly(registry: Registry, files: Files) -> Registry:
    """A model, a reference, and five windows; `age` moves in the last three, `spend` never does."""
    for name, (seed, shift) in {
        "reference": (0, 0),
        **{f"week-{i}": (i, shift) for i, shift in enumerate(SHIFTS, 1)},
    }.items():
        chance = random.Random(seed)
        rows = [f"{chance.gauss(40 + shift, 8):.2f},{chance.expovariate(0.01):.2f}" for _ in range(500)]
        files.text("\n".join(["age,spend", *rows, ""]), f"{name}.csv")
    registry.model.register("scorer", files.text("weights", "model.bin"))
    return registry


def watch(weekly: Registry, files: Files, thresholds: dict[str, float]) -> None:
    """Monitor `weekly`, which has checked all windows; these columns are judged by their PSI."""
    weekly.monitor.add(
        "weekly",
        model="scorer",
        reference=files.folder / "reference.csv",
        current=str(files.folder / "week-*.csv"),
        window="file",
        methods=dict.fromkeys(thresholds, "psi"),
        thresholds=thresholds,
    )
    weekly.monitor.run_due("weekly")


@pytest.mark.parametrize(
    ("thresholds", "drifting"),
    [
        ({}, ["age"]),
        # Rules that decide otherwise than the effects do.
        ({"age": 99.0}, []),
        ({"spend": 0.000001}, ["age", "spend"]),
        ({"age": 99.0, "spend": 0.000001}, ["spend"]),
    ],
)
def test_the_same_settings_say_what_was_decided(
    weekly: Registry, files: Files, thresholds: dict[str, float], drifting: list[str]
) -> None:
    watch(weekly, files, thresholds)
    checks = weekly.monitor.history("weekly")
    found = weekly.monitor.backtest("weekly")
    assert sorted(found.windows[-1].alarming) == drifting
    for check, said in zip(checks, found.windows, strict=True):
        verdicts = {one.column: str(one.verdict) for one in check.result.columns}
        assert {name: "drift" if name in said.drifting else "no-drift" for name in verdicts} == verdicts
        assert sorted(said.alarming) == sorted(check.decision.columns)


def test_settings_are_tuned_on_the_columns_that_they_decide(weekly: Registry, files: Files) -> None:
    watch(weekly, files, {"age": 99.0})
    # The only column that moved is decided by its score.
    assert {one.false_alarms for one in weekly.monitor.tune("weekly").weighed} == {0}
