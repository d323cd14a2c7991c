"""What `losses` estimates from, read with DuckDB: a labelled reference's errors and a window's rows, by cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from crisplens.core.errors import InputError
from crisplens.monitors.engines._sql import one_row
from crisplens.monitors.engines.interface import Slice
from crisplens.monitors.performance.losses import LossAxis, LossCell, LossCount, LossModel
from crisplens.monitors.performance.model import RegressionColumns
from crisplens.monitors.performance.reading import (
    Segment,
    create,
    grouped,
    is_number,
    number_sql,
    segment_columns,
    text_sql,
)
from crisplens.registry.data.tabular import Column, Table, connected, quote_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Bins of the prediction and of other columns; errors mostly go with the size of the prediction.
PREDICTION_BINS = 30
COLUMN_BINS = 8
_MOST_VALUES = 20


class LossGroup(msgspec.Struct, frozen=True, kw_only=True):
    """The rows by cell that share values of some columns; a null is None."""

    segment: dict[str, str | None]
    counts: tuple[LossCount, ...]


class LossCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a window by cell; `unusable` rows have no prediction."""

    unusable: int
    counts: tuple[LossCount, ...]
    groups: tuple[LossGroup, ...] = ()


def fit_losses(reference: Table, columns: RegressionColumns, *, by: Sequence[str] = ()) -> LossModel:
    """How large the errors are, by prediction and by further columns, of which the 1 or 2 that matter most do best.

    This needs no library, and is the coarse way. Where rows shift, bins show the direction but not all of the change,
    and the bounds do not know of it: on NannyML's car prices (benchmarks/estimated_performance.py) the MAE was
    estimated 6 percent too high after a shift by bins, and 2 percent by `boosted_losses.estimate_boosted`.

    Raises `InputError` for a column that is not there or of the wrong type, and when no row is labelled.
    """
    with connected() as connection:
        kinds: dict[str, bool] = {}

        def query(found: Mapping[str, Column], relation: str) -> str:
            kinds.update({name: is_number(found[name]) for name in by})
            error = f"abs({number_sql(found[columns.predicted])} - {number_sql(found[columns.label])})"
            parts = [f"{_value(found[name])} AS v{i}" for i, name in enumerate([columns.predicted, *by])]
            rows = f"SELECT {error} AS error, {', '.join(parts)} FROM {relation}"
            return f"SELECT * FROM ({rows}) WHERE error IS NOT NULL"

        create(connection, "joined", reference, [columns.predicted, columns.label, *by], [], query)
        (rows,) = one_row(connection, "SELECT count(*) FROM joined")
        if not rows:
            raise InputError(f"no row of {reference.pattern} has a prediction and a label", slug="no-rows")
        axes = [_axis(connection, columns.predicted, "v0", numeric=True, bins=PREDICTION_BINS)]
        axes += [
            _axis(connection, name, f"v{i}", numeric=kinds[name], bins=COLUMN_BINS)
            for i, name in enumerate(by, start=1)
        ]
        bins = [_bin(axis, f"v{i}") for i, axis in enumerate(axes)]
        found = connection.execute(
            f"SELECT {', '.join(bins)}, count(*), fsum(error), fsum(error ** 2), fsum(error ** 4) "
            f"FROM joined GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    width = len(axes)
    cells = tuple(LossCell(tuple(row[:width]), int(row[width]), *row[width + 1 :]) for row in found)
    if not all(math.isfinite(cell.fourth) for cell in cells):
        raise InputError("the errors are too large to be summed", slug="not-a-number")
    return LossModel(rows=int(rows), axes=tuple(axes), cells=cells)


def count_losses(
    window: Table, model: LossModel, *, segments: Sequence[Sequence[str]] = (), only: Slice | None = None
) -> LossCounts:
    """Count the rows of a window or a slice of it, labelled or not, by the cells of a model of errors, in one scan.

    Raises `InputError` for a column that is not there or of the wrong type.
    """
    names = [axis.column for axis in model.axes]
    with connected() as connection:

        def query(found: Mapping[str, Column], relation: str) -> str:
            parts = [
                _bin(
                    axis,
                    f"({number_sql(found[axis.column]) if not axis.values else text_sql(found[axis.column])})",
                )
                + f" AS b{i}"
                for i, axis in enumerate(model.axes)
            ]
            parts += [f"{text_sql(found[name])} AS s{i}" for i, name in enumerate(segment_columns(segments))]
            return f"SELECT {', '.join(parts)} FROM {relation}"

        texts = [name for name in segment_columns(segments) if name not in names]
        create(connection, "joined", window, [*names, *segment_columns(segments)], texts, query, only)
        (unusable,) = one_row(connection, "SELECT count(*) FILTER (b0 < 0) FROM joined")
        bins = [f"b{i}" for i in range(len(names))]
        found: dict[Segment | None, list[LossCount]] = {}
        for row in grouped(connection, f"{', '.join(bins)}, count(*)", bins, "b0 >= 0", segments):
            found.setdefault(row.segment, []).append(LossCount(tuple(row.values[:-1]), int(row.values[-1])))
    whole = tuple(sorted(found.pop(None, []), key=_key))
    groups = tuple(
        LossGroup(segment=dict(segment), counts=tuple(sorted(counts, key=_key)))
        for segment, counts in found.items()
        if segment
    )
    return LossCounts(unusable=int(unusable), counts=whole, groups=groups)


def _key(one: LossCount) -> tuple[int, ...]:
    return one.key


def _value(column: Column) -> str:
    return number_sql(column) if is_number(column) else text_sql(column)


def _axis(connection: DuckDBPyConnection, name: str, value: str, *, numeric: bool, bins: int) -> LossAxis:
    if numeric:
        shares = ", ".join(repr(i / bins) for i in range(1, bins))
        (edges,) = one_row(connection, f"SELECT quantile_disc({value}, [{shares}]) FROM joined")
        return LossAxis(column=name, edges=tuple(sorted({float(edge) for edge in edges or ()})))
    rows = connection.execute(
        f"SELECT {value} FROM joined WHERE {value} IS NOT NULL "
        f"GROUP BY {value} ORDER BY count(*) DESC, {value} LIMIT {_MOST_VALUES}"
    ).fetchall()
    # A column of nulls alone still has to be known for text.
    return LossAxis(column=name, values=tuple(str(row[0]) for row in rows) or ("",))


def _bin(axis: LossAxis, value: str) -> str:
    """The number of a value's bin on an axis, -1 for null."""
    if axis.values:
        tests = [f"WHEN {value} = {quote_text(known)} THEN {i}" for i, known in enumerate(axis.values)]
        last = len(axis.values)
    else:
        tests = [f"WHEN {value} <= {edge!r} THEN {i}" for i, edge in enumerate(axis.edges)]
        last = len(axis.edges)
    return f"CASE WHEN {value} IS NULL THEN -1 {' '.join(tests)} ELSE {last} END"
