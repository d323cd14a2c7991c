"""Which segments do worse than the rest, beyond what chance explains over all of them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from itertools import accumulate

import msgspec

from crisplens.core.errors import InputError
from crisplens.core.names import unknown_name
from crisplens.core.text import count
from crisplens.monitors.alarms import benjamini_hochberg
from crisplens.monitors.performance import intervals
from crisplens.monitors.performance.merging import merge, merge_all
from crisplens.monitors.performance.metrics import LOWER_IS_BETTER, by_name, metrics_of, row_count
from crisplens.monitors.performance.model import Group, Metric, Statistics
from crisplens.monitors.pvalues import normal_two_sided


class SegmentVerdict(StrEnum):
    """How a segment compares with all other rows."""

    WORSE = "worse"
    BETTER = "better"
    NO_DIFFERENCE = "no-difference"
    INSUFFICIENT_DATA = "insufficient-data"
    UNDEFINED = "undefined"


class SegmentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How segments are judged.

    `level` bounds the share of false findings among all; a difference smaller than `minimum_difference` is none;
    a segment with fewer labelled rows than `minimum_rows` is not judged.
    """

    level: float = 0.05
    minimum_rows: int = 100
    minimum_difference: float = 0.0


class SegmentFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One segment against the rest: `difference` is the segment's metric less that of all other rows.

    The interval of the difference is of 1 less the level and of this segment alone; `adjusted` is the p-value
    adjusted for the number of segments.
    """

    segment: dict[str, str | None]
    rows: int
    value: float | None = None
    rest: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    adjusted: float | None = None
    verdict: SegmentVerdict
    reason: str


def compare_segments(
    groups: Sequence[Group], metric: str, *, settings: SegmentSettings | None = None
) -> tuple[SegmentFinding, ...]:
    """Compare each group with all others together, the groups of one set of columns at a time; worst first.

    Proportions are compared by the pooled z-test, other metrics by their standard errors, both over all
    segments by Benjamini and Hochberg. Bias counts as worse the further it is from 0. Raises `InputError` for a
    metric that the groups do not have, and settings out of range.
    """
    rules = _check(settings or SegmentSettings())
    by_columns: dict[tuple[str, ...], list[Group]] = {}
    for group in groups:
        by_columns.setdefault(tuple(group.segment), []).append(group)
    found = [
        _finding(group, rest, metric, rules)
        for together in by_columns.values()
        for group, rest in zip(together, _rests([group.statistics for group in together]), strict=True)
    ]
    tested = [one for one in found if one.p_value is not None]
    corrected = benjamini_hochberg([one.p_value or 0.0 for one in tested], rules.level)
    adjusted = dict(zip(map(id, tested), corrected.adjusted, strict=True))
    judged = [_judge(one, adjusted.get(id(one)), metric, rules) for one in found]
    return tuple(sorted(judged, key=lambda one: _badness(one, metric), reverse=True))


def _rests(parts: Sequence[Statistics]) -> list[Statistics | None]:
    """For each part, all others as one; None when there are none. Each part is merged twice, however many there are."""
    before = list(accumulate(parts, merge))
    after = list(accumulate(reversed(parts), merge))[::-1]
    rests: list[Statistics | None] = []
    for i in range(len(parts)):
        sides = [*before[max(0, i - 1) : i], *after[i + 1 : i + 2]]
        rests.append(merge_all(sides) if sides else None)
    return rests


def _check(settings: SegmentSettings) -> SegmentSettings:
    if not 0 < settings.level < 1:
        raise InputError(f"the level {settings.level:g} is not between 0 and 1", slug="bad-setting")
    if settings.minimum_rows < 1:
        raise InputError(f"the minimum of rows is {settings.minimum_rows}, not 1 or more", slug="bad-setting")
    if not (math.isfinite(settings.minimum_difference) and settings.minimum_difference >= 0):
        raise InputError(
            f"the minimum difference is {settings.minimum_difference}, not 0 or more", slug="bad-setting"
        )
    return settings


def _finding(
    group: Group, merged: Statistics | None, metric: str, settings: SegmentSettings
) -> SegmentFinding:
    rows = row_count(group.statistics)
    level = 1 - settings.level
    found = by_name(metrics_of(group.statistics, level=level))
    if metric not in found:
        raise unknown_name("metric of this kind of model", metric, found)
    here = found[metric]

    def ended(verdict: SegmentVerdict, reason: str) -> SegmentFinding:
        return SegmentFinding(
            segment=group.segment, rows=rows, value=here.value, verdict=verdict, reason=reason
        )

    if rows < settings.minimum_rows:
        reason = f"The segment has {count(rows, 'labelled row')}, fewer than {settings.minimum_rows}."
        return ended(SegmentVerdict.INSUFFICIENT_DATA, reason)
    if merged is None:
        return ended(SegmentVerdict.UNDEFINED, "There is no other segment to compare with.")
    rest = by_name(metrics_of(merged, level=level))[metric]
    rest_rows = row_count(merged)
    if rest_rows < settings.minimum_rows:
        reason = (
            f"The other segments have {count(rest_rows, 'labelled row')}, fewer than {settings.minimum_rows}."
        )
        return ended(SegmentVerdict.INSUFFICIENT_DATA, reason)
    for side in (here, rest):
        if side.value is None or side.low is None:
            return ended(SegmentVerdict.UNDEFINED, side.reason or "The metric has no interval.")
    return _compared(group, rows, here, rest, metric)


def _compared(group: Group, rows: int, here: Metric, rest: Metric, metric: str) -> SegmentFinding:
    value, other = here.value or 0.0, rest.value or 0.0
    low, high = intervals.difference(
        value, (here.low or 0.0, here.high or 0.0), other, (rest.low or 0.0, rest.high or 0.0)
    )
    difference = abs(value) - abs(other) if metric == "bias" else value - other
    if here.proportion:
        pooled = (value * here.rows + other * rest.rows) / (here.rows + rest.rows)
        error = math.sqrt(pooled * (1 - pooled) * (1 / here.rows + 1 / rest.rows))
    else:
        error = math.hypot(here.standard_error or 0.0, rest.standard_error or 0.0)
    p_value = normal_two_sided(difference / error) if error > 0 else float(not difference)
    return SegmentFinding(
        segment=group.segment,
        rows=rows,
        value=value,
        rest=other,
        difference=difference,
        low=None if metric == "bias" else low,
        high=None if metric == "bias" else high,
        p_value=p_value,
        verdict=SegmentVerdict.NO_DIFFERENCE,
        reason="",
    )


def _judge(
    found: SegmentFinding, adjusted: float | None, metric: str, settings: SegmentSettings
) -> SegmentFinding:
    if adjusted is None or found.difference is None:
        return found
    what = (
        f"{metric} is {found.value:.4g} in the segment and {found.rest:.4g} in the rest "
        f"(p-value {adjusted:.2g} for all segments together)"
    )
    if adjusted > settings.level:
        verdict, reason = SegmentVerdict.NO_DIFFERENCE, f"{what}: no difference beyond chance."
    elif abs(found.difference) < settings.minimum_difference or not found.difference:
        verdict, reason = SegmentVerdict.NO_DIFFERENCE, f"{what}: a smaller difference than matters."
    else:
        worse = (found.difference > 0) == _lower_is_better(metric)
        verdict = SegmentVerdict.WORSE if worse else SegmentVerdict.BETTER
        reason = f"{what}: {verdict.value}."
    return msgspec.structs.replace(found, adjusted=adjusted, verdict=verdict, reason=reason)


def _lower_is_better(metric: str) -> bool:
    return metric in LOWER_IS_BETTER or metric == "bias"


def _badness(found: SegmentFinding, metric: str) -> tuple[bool, float]:
    if found.difference is None:
        return False, 0.0
    return True, found.difference if _lower_is_better(metric) else -found.difference
