"""Risk tiers, goals and KPIs, and when a measured value meets a KPI."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from crisplens.core.errors import InputError


class RiskTier(StrEnum):
    """How much harm a wrong model of the project could do."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Direction(StrEnum):
    """Which values of a KPI are better."""

    HIGHER = "higher"
    LOWER = "lower"


class CostKind(StrEnum):
    """What a goal's costs are given for."""

    DATA = "data"
    TRAINING = "training"
    INFERENCE = "inference"
    WRONG_PREDICTIONS = "wrong-predictions"


class Option(msgspec.Struct, frozen=True):
    """A way to reach the goal that was considered, ML or not, and what was thought of it."""

    name: str
    assessment: str


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A KPI's numbers, decimals as given. `acceptable_error` is how far short of the target still counts as met."""

    direction: Direction
    target: str
    baseline: str | None = None
    acceptable_error: str | None = None

    def shortfall(self, value: float) -> Decimal:
        """How far `value` misses the target, in the KPI's unit; zero or less when it reaches it."""
        gap = Decimal(self.target) - Decimal(repr(value))
        return gap if self.direction is Direction.HIGHER else -gap

    def is_met_by(self, value: float) -> bool:
        """Whether `value` reaches the target, within the acceptable error."""
        return self.shortfall(value) <= Decimal(self.acceptable_error or 0)


def choose(kind: type[StrEnum], what: str, text: str) -> str:
    """`text` as a value of an enumeration. Raises `InputError` listing what is accepted."""
    try:
        return kind(text)
    except ValueError:
        raise InputError(
            f"{what} is {text!r}", slug="bad-choice", hint=f"Accepted: {', '.join(kind)}."
        ) from None
