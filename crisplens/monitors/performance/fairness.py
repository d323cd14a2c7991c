"""How differently a binary classifier treats groups of people: Fairlearn's gaps, with confidence intervals. Pure.

Definitions: https://fairlearn.org/main/user_guide/assessment/common_fairness_metrics.html
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import msgspec

from crisplens.core.errors import InputError
from crisplens.monitors.performance import intervals
from crisplens.monitors.performance.model import BinaryStatistics, Group

GAPS = (
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equal_opportunity_difference",
    "false_positive_rate_difference",
    "equalized_odds_difference",
    "predictive_parity_difference",
)


class GroupRate(msgspec.Struct, frozen=True, kw_only=True):
    """The share of a group's rows that something holds for, of `rows` it could hold for; None where these are 0."""

    segment: dict[str, str | None]
    rate: str
    value: float | None
    rows: int


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """The largest difference (or least ratio) of a rate between two groups; None with a reason when undefined.

    The interval holds for all pairs of groups at once, so it stays valid though the extremes were picked.
    `lowest` and `highest` are the groups with the least and the greatest rate.
    """

    name: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    lowest: dict[str, str | None] | None = None
    highest: dict[str, str | None] | None = None
    reason: str = ""


class Fairness(msgspec.Struct, frozen=True, kw_only=True):
    """The rates of each group, and the gaps of `GAPS`; groups with too few rows are `left_out`."""

    rates: tuple[GroupRate, ...]
    gaps: tuple[Gap, ...]
    left_out: tuple[dict[str, str | None], ...] = ()


class _Rate(msgspec.Struct, frozen=True):
    group: Group
    part: int
    rows: int

    @property
    def share(self) -> float:
        return self.part / self.rows


_RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision")


def fairness_gaps(groups: Sequence[Group], *, level: float = 0.95, minimum_rows: int = 30) -> Fairness:
    """Gaps between groups of one set of segment columns, two or more, each of a binary classifier.

    A rate is compared between the groups that have at least `minimum_rows` rows it could hold for, such as
    actual positives for the true positive rate. Raises `InputError` for groups of other models or of several
    sets of columns, fewer than two groups, and settings out of range.
    """
    intervals.check_level(level)
    _check(groups, minimum_rows)
    rates = {name: [_rate(name, group) for group in groups] for name in _RATES}
    kept = {name: [one for one in found if one.rows >= minimum_rows] for name, found in rates.items()}
    opportunity = _difference("equal_opportunity_difference", kept["true_positive_rate"], level, minimum_rows)
    alarms = _difference("false_positive_rate_difference", kept["false_positive_rate"], level, minimum_rows)
    # Both rates at half the error each, so that the interval of the larger gap holds.
    halved = 1 - (1 - level) / 2
    gaps = (
        _difference("demographic_parity_difference", kept["selection_rate"], level, minimum_rows),
        _ratio("demographic_parity_ratio", kept["selection_rate"], level, minimum_rows),
        opportunity,
        alarms,
        _larger(
            "equalized_odds_difference",
            _difference("", kept["true_positive_rate"], halved, minimum_rows),
            _difference("", kept["false_positive_rate"], halved, minimum_rows),
        ),
        _difference("predictive_parity_difference", kept["precision"], level, minimum_rows),
    )
    return Fairness(
        rates=tuple(
            GroupRate(
                segment=one.group.segment, rate=name, value=one.share if one.rows else None, rows=one.rows
            )
            for name, found in rates.items()
            for one in found
        ),
        gaps=gaps,
        left_out=tuple(one.group.segment for one in rates["selection_rate"] if one.rows < minimum_rows),
    )


def _check(groups: Sequence[Group], minimum_rows: int) -> None:
    if len({tuple(group.segment) for group in groups}) > 1:
        raise InputError("the groups are of several sets of columns", slug="bad-setting")
    if len(groups) < 2:
        raise InputError(
            f"gaps are between groups, and there {'is 1' if groups else 'are none'}", slug="bad-setting"
        )
    if minimum_rows < 1:
        raise InputError(f"the minimum of rows is {minimum_rows}, not 1 or more", slug="bad-setting")
    if not all(isinstance(group.statistics, BinaryStatistics) for group in groups):
        raise InputError("fairness gaps are of binary classifiers", slug="statistics-differ")


def _rate(name: str, group: Group) -> _Rate:
    assert isinstance(group.statistics, BinaryStatistics)
    one = group.statistics.confusion
    selected = one.tp + one.fp
    part, rows = {
        "selection_rate": (selected, selected + one.fn + one.tn),
        "true_positive_rate": (one.tp, one.tp + one.fn),
        "false_positive_rate": (one.fp, one.fp + one.tn),
        "precision": (one.tp, selected),
    }[name]
    return _Rate(group, part, rows)


def _difference(name: str, rates: Sequence[_Rate], level: float, minimum_rows: int) -> Gap:
    if len(rates) < 2:
        return _too_few(name, minimum_rows)
    lowest, highest = _extremes(rates)
    z = _critical_for_pairs(rates, level)
    low, high = 0.0, 0.0
    for one, other in combinations(sorted(rates, key=lambda rate: rate.share, reverse=True), 2):
        near, far = intervals.difference(
            one.share,
            intervals.wilson(one.share, one.rows, z),
            other.share,
            intervals.wilson(other.share, other.rows, z),
        )
        # The gap is at least that of each pair, and at most the largest that any pair can have.
        low, high = max(low, near), max(high, far, -near)
    return Gap(
        name=name,
        value=highest.share - lowest.share,
        low=low,
        high=min(1.0, high),
        lowest=lowest.group.segment,
        highest=highest.group.segment,
    )


def _ratio(name: str, rates: Sequence[_Rate], level: float, minimum_rows: int) -> Gap:
    """Least over greatest rate; its interval is of the log of the ratio, Katz et al. 1978, https://doi.org/10.2307/2530610"""
    if len(rates) < 2:
        return _too_few(name, minimum_rows)
    lowest, highest = _extremes(rates)
    found = Gap(name=name, lowest=lowest.group.segment, highest=highest.group.segment)
    if not highest.part:
        return msgspec.structs.replace(found, reason="No group has a row that is predicted positive.")
    found = msgspec.structs.replace(found, value=lowest.share / highest.share)
    if not lowest.part:
        return msgspec.structs.replace(found, reason="A rate is 0, so the ratio has no interval.")
    z = _critical_for_pairs(rates, level)
    low, high = 1.0, 1.0
    for one, other in combinations(sorted(rates, key=lambda rate: rate.share), 2):
        error = math.sqrt((1 - one.share) / one.part + (1 - other.share) / other.part)
        ratio = one.share / other.share
        near, far = ratio * math.exp(-z * error), ratio * math.exp(z * error)
        low, high = min(low, near, 1 / far), min(high, far)
    return msgspec.structs.replace(found, low=low, high=high)


def _larger(name: str, first: Gap, second: Gap) -> Gap:
    if first.value is None or second.value is None:
        return Gap(name=name, reason=first.reason or second.reason)
    larger = first if first.value >= second.value else second
    return msgspec.structs.replace(
        larger,
        name=name,
        low=max(first.low or 0.0, second.low or 0.0),
        high=max(first.high or 0.0, second.high or 0.0),
    )


def _extremes(rates: Sequence[_Rate]) -> tuple[_Rate, _Rate]:
    return min(rates, key=lambda rate: rate.share), max(rates, key=lambda rate: rate.share)


def _critical_for_pairs(rates: Sequence[_Rate], level: float) -> float:
    pairs = len(rates) * (len(rates) - 1) / 2
    return intervals.critical(1 - (1 - level) / pairs)


def _too_few(name: str, minimum_rows: int) -> Gap:
    return Gap(name=name, reason=f"Fewer than two groups have {minimum_rows} rows to compare.")
