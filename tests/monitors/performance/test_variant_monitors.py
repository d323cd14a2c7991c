"""Monitors that compare a challenger with the champion, at every look."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from crisplens.api import Registry
from tests.conftest import Files, assert_refused

pytestmark = pytest.mark.stored


@pytest.fixture
def watch(registry: Registry, files: Files) -> Callable[..., Any]:
    """Add a monitor `tried` that compares B with A by `won`."""
    registry.model.register("churn-gbm", files.text("weights"))

    def add(**options: Any) -> Any:
        given = {
            "model": "churn-gbm",
            "current": str(files.folder / "rows.csv"),
            "variant": "variant",
            "champion": "A",
            "challenger": "B",
            "outcome": "won",
        }
        return registry.monitor.add_variants("tried", **(given | options))

    return add


def rows(files: Files, *, a: float, b: float, count: int = 6000, share: float = 0.5, seed: int = 1) -> None:
    """Rows of both variants, which win in these shares."""
    chance = random.Random(seed)
    lines = []
    for _ in range(count):
        variant = "B" if chance.random() < share else "A"
        lines.append(f"{variant},{str(chance.random() < (b if variant == 'B' else a)).lower()}")
    files.text("\n".join(["variant,won", *lines, "A,", ""]), "rows.csv")


def test_a_worse_challenger_is_an_alarm_and_asks_for_no_retraining(
    registry: Registry, files: Files, watch: Callable[..., Any]
) -> None:
    watch()
    rows(files, a=0.4, b=0.3)
    done = registry.monitor.run("tried")
    (found,) = done.check.result.columns
    assert done.check.result.verdict == "degraded"
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.score < found.high < 0
    assert done.incident is not None
    assert (done.incident.kind, done.trigger) == ("performance", None)
    assert done.check.result.current_rows == 6000
    # No rows are a reference: both variants' are the window's.
    assert done.check.result.reference_rows == 0
    assert done.check.result.reason.startswith("The mean of B less that of A is between -0.")


@pytest.mark.parametrize(
    ("options", "shares", "verdict", "words"),
    [
        ({}, (0.3, 0.4), "not-degraded", "B is better"),
        ({"higher_is_better": False}, (0.3, 0.4), "degraded", "B is worse"),
        ({}, (0.3, 0.3), "not-degraded", "no difference can be told yet"),
        ({"minimum_effect": 0.2}, (0.3, 0.3), "not-degraded", "either way"),
        ({"minimum_rows": 5000}, (0.3, 0.3), "insufficient-data", "fewer than 5000"),
        ({"share": 0.1}, (0.3, 0.3), "bad-data", "not as planned"),
        ({"challenger": "C"}, (0.3, 0.3), "bad-data", "variant"),
        ({"outcome": "lost"}, (0.3, 0.3), "bad-data", "lost"),
    ],
)
def test_what_a_look_says(
    registry: Registry,
    files: Files,
    watch: Callable[..., Any],
    options: dict[str, Any],
    shares: tuple[float, float],
    verdict: str,
    words: str,
) -> None:
    watch(**options)
    rows(files, a=shares[0], b=shares[1])
    check = registry.monitor.run("tried").check
    assert check.result.verdict == verdict
    assert words in check.result.reason


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"challenger": "A"}, "with itself"),
        ({"share": 1.5}, "share"),
        ({"minimum_effect": -1.0}, "effect"),
        ({"planned_rows": 0}, "planned rows"),
        ({"level": 1.0}, "level"),
    ],
)
def test_plans_that_cannot_be_are_refused(
    registry: Registry, watch: Callable[..., Any], options: dict[str, Any], words: str
) -> None:
    assert_refused(registry, lambda: watch(**options), "bad-setting", words)
