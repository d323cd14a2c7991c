"""When a measured value meets a KPI: exact in decimals."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.registry.projects.model import Direction, RiskTier, Target, choose


def target(direction: str, number: str, error: str | None = None) -> Target:
    """A target."""
    return Target(direction=Direction(direction), target=number, acceptable_error=error)


@pytest.mark.parametrize(
    ("direction", "goal", "error", "value", "met"),
    [
        ("higher", "0.80", None, 0.8, True),
        ("higher", "0.80", None, 0.7999999999999999, False),
        ("higher", "0.3", None, 0.1 + 0.2, True),
        ("lower", "0.3", None, 0.1 + 0.2, False),
        ("lower", "0.3", None, 0.3, True),
        ("higher", "0.80", "0.01", 0.79, True),
        ("higher", "0.80", "0.01", 0.7899999999999999, False),
        ("higher", "0.3", "0.1", 0.2, True),
        ("lower", "0.3", "0.1", 0.4, True),
        ("lower", "0.3", "0.1", 0.4000000000000001, False),
        ("lower", "120", "5", 125.0, True),
        ("lower", "120", "5", 125.00000000000001, False),
        ("higher", "-1", None, -1.0, True),
        ("higher", "-1", None, -1.5, False),
        ("lower", "0", None, -0.0, True),
        ("higher", "1e3", None, 1000.0, True),
        ("higher", "0.80", "0", 0.8, True),
    ],
)
def test_a_value_meets_its_target_within_the_acceptable_error(
    direction: str, goal: str, error: str | None, value: float, met: bool
) -> None:
    assert target(direction, goal, error).is_met_by(value) is met


@given(st.sampled_from(["higher", "lower"]), st.decimals(-1000, 1000, places=3), st.floats(-1e6, 1e6))
def test_the_shortfall_is_the_exact_distance(direction: str, goal: Decimal, value: float) -> None:
    gap = goal - Decimal(repr(value))
    assert target(direction, str(goal)).shortfall(value) == (gap if direction == "higher" else -gap)


@given(st.decimals(-1000, 1000, places=3), st.decimals(0, 10, places=3))
def test_the_target_less_the_error_is_just_met_in_both_directions(goal: Decimal, error: Decimal) -> None:
    assert target("higher", str(goal), str(error)).is_met_by(float(str(goal - error)))
    assert target("lower", str(goal), str(error)).is_met_by(float(str(goal + error)))


def test_choices_are_listed() -> None:
    assert choose(RiskTier, "the risk tier", "high") == "high"
    with pytest.raises(InputError) as caught:
        choose(RiskTier, "the risk tier", "High")
    assert caught.value.slug == "bad-choice"
    assert "low, medium, high" in caught.value.hint
