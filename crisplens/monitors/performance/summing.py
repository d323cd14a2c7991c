"""Statistics of the rows of the table `joined` that `measuring` makes, in one scan for the whole and all segments."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from crisplens.core.errors import InputError
from crisplens.monitors.engines._sql import one_row
from crisplens.monitors.performance.model import (
    BinaryStatistics,
    ClassCell,
    Confusion,
    LossSums,
    ModelColumns,
    MulticlassColumns,
    MulticlassStatistics,
    RegressionColumns,
    RegressionStatistics,
    ScoreBin,
    Statistics,
)
from crisplens.monitors.performance.reading import Segment, grouped

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CLIP = 1e-15
# An error relative to a label as near to 0 as this says nothing, and its square is no float.
_NO_LABEL = 1e-70


def sum_up(
    connection: DuckDBPyConnection, columns: ModelColumns, where: str, segments: Sequence[Sequence[str]]
) -> dict[Segment | None, Statistics]:
    """The statistics of the rows that `where` holds for, by segment; None is the whole."""
    if isinstance(columns, RegressionColumns):
        return _regression(connection, where, segments)
    found: dict[Segment | None, list[tuple[Any, ...]]] = {}
    if isinstance(columns, MulticlassColumns):
        for row in grouped(
            connection, "actual, predicted, count(*)", ["actual", "predicted"], where, segments
        ):
            found.setdefault(row.segment, []).append(row.values)
        return {
            segment: MulticlassStatistics(cells=tuple(ClassCell(a, p, int(n)) for a, p, n in sorted(cells)))
            for segment, cells in found.items()
        }
    square = "(score - actual::INTEGER) ** 2"
    log = f"-ln(CASE WHEN actual THEN greatest(score, {_CLIP}) ELSE greatest(1 - score, {_CLIP}) END)"
    counts = [
        f"count(*) FILTER ({actual} AND {predicted})"
        for predicted, actual in (
            ("predicted", "actual"),
            ("predicted", "NOT actual"),
            ("NOT predicted", "actual"),
            ("NOT predicted", "NOT actual"),
        )
    ]
    sums = [f"fsum({loss})" for loss in (square, f"({square}) ** 2", log, f"({log}) ** 2")]
    for row in grouped(connection, ", ".join(["bin", *counts, *sums]), ["bin"], where, segments):
        found.setdefault(row.segment, []).append(row.values)
    return {segment: _binary(rows, scored=columns.score is not None) for segment, rows in found.items()}


def _binary(rows: Iterable[tuple[Any, ...]], *, scored: bool) -> BinaryStatistics:
    bins = [ScoreBin(int(row[0] or 0), *map(int, row[1:5])) for row in rows]
    confusion = Confusion(
        tp=sum(one.tp for one in bins),
        fp=sum(one.fp for one in bins),
        fn=sum(one.fn for one in bins),
        tn=sum(one.tn for one in bins),
    )
    if not scored:
        return BinaryStatistics(confusion=confusion)
    sums = [math.fsum(row[position] for row in rows) for position in range(5, 9)]
    return BinaryStatistics(
        confusion=confusion,
        scores=tuple(sorted(bins, key=lambda one: one.bin)),
        brier=LossSums(total=sums[0], squares=sums[1]),
        log_loss=LossSums(total=sums[2], squares=sums[3]),
    )


def _regression(
    connection: DuckDBPyConnection, where: str, segments: Sequence[Sequence[str]]
) -> dict[Segment | None, Statistics]:
    (centre,) = one_row(connection, f"SELECT avg(actual) FROM joined WHERE {where}")
    if centre is None:
        return {}
    e, d = "(predicted - actual)", f"(actual - ({float(centre)!r}))"
    relative = f"abs({e} / CASE WHEN abs(actual) > {_NO_LABEL} THEN actual END)"
    sums = [
        *(e, f"abs({e})", f"{e} ** 2", f"{e} ** 4"),
        *(d, f"{d} ** 2", f"{d} ** 3", f"{d} ** 4"),
        *(f"{e} ** 2 * {d}", f"{e} ** 2 * {d} ** 2", relative, f"{relative} ** 2"),
    ]
    select = ", ".join(["count(*)", f"count({relative})", *(f"coalesce(fsum({one}), 0)" for one in sums)])
    found: dict[Segment | None, Statistics] = {}
    for row in grouped(connection, select, [], where, segments):
        count, there, *values = row.values
        if not count:
            continue
        if not all(map(math.isfinite, values)):
            raise InputError("the numbers are too large for their errors to be summed", slug="not-a-number")
        names = ("e", "abs_e", "e2", "e4", "d", "d2", "d3", "d4", "e2_d", "e2_d2")
        found[row.segment] = RegressionStatistics(
            count=int(count),
            centre=float(centre),
            **dict(zip(names, values[:10], strict=True)),
            relative=LossSums(total=values[10], squares=values[11]),
            relative_count=int(there),
        )
    return found


def nothing(columns: ModelColumns) -> Statistics:
    """The statistics of no rows."""
    if isinstance(columns, RegressionColumns):
        return RegressionStatistics()
    if isinstance(columns, MulticlassColumns):
        return MulticlassStatistics()
    return BinaryStatistics(confusion=Confusion())
