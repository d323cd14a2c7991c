"""Statistics of two parts of a table into those of the whole. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import reduce
from typing import TypeVar, cast

from crisplens.core.errors import InputError
from crisplens.monitors.performance.model import (
    BinaryStatistics,
    ClassCell,
    Confusion,
    LossSums,
    MulticlassStatistics,
    RegressionStatistics,
    ScoreBin,
    Statistics,
)

Kind = TypeVar("Kind", bound=Statistics)


def merge_all(parts: Iterable[Kind]) -> Kind:
    """All parts, at least one, as one; `InputError` when they are of different kinds of model."""
    return reduce(merge, parts)


def merge(first: Kind, second: Kind) -> Kind:
    """The statistics of both parts' rows together; `InputError` when they are of different kinds of model."""
    return cast(Kind, _merge(first, second))


def _merge(first: Statistics, second: Statistics) -> Statistics:
    if isinstance(first, BinaryStatistics) and isinstance(second, BinaryStatistics):
        return _merge_binary(first, second)
    if isinstance(first, MulticlassStatistics) and isinstance(second, MulticlassStatistics):
        counts = Counter({(cell.actual, cell.predicted): cell.count for cell in first.cells})
        counts.update({(cell.actual, cell.predicted): cell.count for cell in second.cells})
        return MulticlassStatistics(cells=tuple(ClassCell(*key, counts[key]) for key in sorted(counts)))
    if isinstance(first, RegressionStatistics) and isinstance(second, RegressionStatistics):
        return _merge_regression(first, second)
    raise InputError(
        "the statistics of one part are of another kind of model than the other's", slug="statistics-differ"
    )


def recentre(statistics: RegressionStatistics, centre: float) -> RegressionStatistics:
    """The same rows with the labels' distances taken from another centre."""
    shift, one = statistics.centre - centre, statistics
    if shift == 0:
        return one
    return RegressionStatistics(
        count=one.count,
        centre=centre,
        e=one.e,
        abs_e=one.abs_e,
        e2=one.e2,
        e4=one.e4,
        d=one.d + one.count * shift,
        d2=one.d2 + 2 * shift * one.d + one.count * shift**2,
        d3=one.d3 + 3 * shift * one.d2 + 3 * shift**2 * one.d + one.count * shift**3,
        d4=one.d4 + 4 * shift * one.d3 + 6 * shift**2 * one.d2 + 4 * shift**3 * one.d + one.count * shift**4,
        e2_d=one.e2_d + shift * one.e2,
        e2_d2=one.e2_d2 + 2 * shift * one.e2_d + shift**2 * one.e2,
        relative=one.relative,
        relative_count=one.relative_count,
    )


def _merge_binary(first: BinaryStatistics, second: BinaryStatistics) -> BinaryStatistics:
    if _rows(first) == 0 or _rows(second) == 0:
        return second if _rows(first) == 0 else first
    if (first.brier is None) != (second.brier is None):
        raise InputError("only one of two parts has scores", slug="statistics-differ")
    a, b = first.confusion, second.confusion
    bins = {one.bin: one for one in first.scores}
    for one in second.scores:
        there = bins.get(one.bin, ScoreBin(one.bin, 0, 0, 0, 0))
        bins[one.bin] = ScoreBin(
            one.bin, there.tp + one.tp, there.fp + one.fp, there.fn + one.fn, there.tn + one.tn
        )
    return BinaryStatistics(
        confusion=Confusion(tp=a.tp + b.tp, fp=a.fp + b.fp, fn=a.fn + b.fn, tn=a.tn + b.tn),
        scores=tuple(bins[index] for index in sorted(bins)),
        brier=_merge_losses(first.brier, second.brier),
        log_loss=_merge_losses(first.log_loss, second.log_loss),
    )


def _rows(statistics: BinaryStatistics) -> int:
    one = statistics.confusion
    return one.tp + one.fp + one.fn + one.tn


def _merge_losses(first: LossSums | None, second: LossSums | None) -> LossSums | None:
    if first is None or second is None:
        return first or second
    return LossSums(total=first.total + second.total, squares=first.squares + second.squares)


def _merge_regression(first: RegressionStatistics, second: RegressionStatistics) -> RegressionStatistics:
    if not first.count or not second.count:
        return first if first.count else second
    a, b = first, recentre(second, first.centre)
    return RegressionStatistics(
        count=a.count + b.count,
        centre=a.centre,
        e=a.e + b.e,
        abs_e=a.abs_e + b.abs_e,
        e2=a.e2 + b.e2,
        e4=a.e4 + b.e4,
        d=a.d + b.d,
        d2=a.d2 + b.d2,
        d3=a.d3 + b.d3,
        d4=a.d4 + b.d4,
        e2_d=a.e2_d + b.e2_d,
        e2_d2=a.e2_d2 + b.e2_d2,
        relative=LossSums(
            total=a.relative.total + b.relative.total, squares=a.relative.squares + b.relative.squares
        ),
        relative_count=a.relative_count + b.relative_count,
    )
