"""A regression's errors estimated without labels by boosted trees: closer than bins, and it needs scikit-learn.

Direct loss estimation as NannyML does it, with scikit-learn's histogram boosting in the place of LightGBM:
https://nannyml.readthedocs.io/en/stable/how_it_works/performance_estimation.html#direct-loss-estimation-dle
Rows are held in memory, and nothing that is fitted is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from crisplens.core.errors import InputError
from crisplens.monitors.engines._sql import one_row
from crisplens.monitors.performance.estimation import AlertThreshold, Estimate, bounded, check_deviations
from crisplens.monitors.performance.model import RegressionColumns
from crisplens.monitors.performance.reading import (
    Segment,
    create,
    is_number,
    number_sql,
    segment_columns,
    text_sql,
)
from crisplens.registry.data.tabular import Column, Table, connected

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SEED = 1
# The fourth power of an error, summed over many rows, still is a float.
_LARGEST_ERROR = 1e70


class EstimatedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Estimates for the rows that share values of some columns; a null is None."""

    segment: dict[str, str | None]
    estimates: tuple[Estimate, ...]


class Boosted(msgspec.Struct, frozen=True, kw_only=True):
    """Estimates for a window and its groups; `unusable` rows have no prediction."""

    unusable: int
    whole: tuple[Estimate, ...]
    groups: tuple[EstimatedGroup, ...] = ()


def estimate_boosted(
    reference: Table,
    window: Table,
    columns: RegressionColumns,
    *,
    by: Sequence[str],
    segments: Sequence[Sequence[str]] = (),
    thresholds: Mapping[str, AlertThreshold] | None = None,
    deviations: float = 3.0,
) -> Boosted:
    """Estimate MAE and RMSE of a window from the prediction and the columns `by`, best all that the model saw.

    Trees learn the absolute and the squared error on the labelled reference. Raises `InputError` for a column
    that is not there or of the wrong type, when no reference row is labelled, and without scikit-learn.
    """
    check_deviations(deviations)
    regressor = _regressor()
    names = list(dict.fromkeys([columns.predicted, *by]))
    with connected() as connection:
        _read(connection, reference, columns, names, (), "reference", labelled=True)
        _read(connection, window, columns, names, segments, "joined", labelled=False)
        (rows,) = one_row(connection, "SELECT count(*) FROM reference")
        if not rows:
            raise InputError(f"no row of {reference.pattern} has a prediction and a label", slug="no-rows")
        (largest,) = one_row(connection, "SELECT max(error) FROM reference")
        if largest > _LARGEST_ERROR:
            raise InputError("the errors are too large to be estimated", slug="not-a-number")
        _code_texts(connection, len(names))
        held = [f"c{i}" for i in range(len(names))]
        known = connection.execute(
            f"SELECT {', '.join(held)}, error FROM reference ORDER BY ALL"
        ).fetchnumpy()
        places = [f"s{i}" for i in range(len(segment_columns(segments)))]
        found = connection.execute(
            f"SELECT {', '.join([*held, *places])} FROM joined WHERE c0 IS NOT NULL"
        ).fetchnumpy()
        (unusable,) = one_row(connection, "SELECT count(*) FILTER (c0 IS NULL) FROM joined")
    features, error = _matrix(known, held), known["error"]
    rows_of = _matrix(found, held)
    expected = {power: _expect(regressor, features, error**power, rows_of) for power in (1, 2)}
    fourth = float((error**4).mean())
    scale = _Scale(thresholds or {}, deviations, int(rows), fourth)
    groups = tuple(
        EstimatedGroup(
            segment=dict(segment), estimates=_estimates(expected[1][positions], expected[2][positions], scale)
        )
        for segment, positions in _groups(found, segments)
    )
    return Boosted(unusable=int(unusable), whole=_estimates(expected[1], expected[2], scale), groups=groups)


def _regressor() -> Any:
    try:
        from sklearn.ensemble import HistGradientBoostingRegressor
    except ImportError as error:
        raise InputError(
            "boosted estimates take scikit-learn, which is not installed",
            slug="not-installed",
            hint="pip install 'crisplens[estimation]', or estimate by bins.",
        ) from error
    return HistGradientBoostingRegressor


def _expect(regressor: Any, features: Any, error: Any, rows: Any) -> Any:
    from threadpoolctl import threadpool_limits

    # Many threads on busy processors wait for each other: ten times slower than one.
    with threadpool_limits(1):
        model = regressor(random_state=_SEED, early_stopping=False).fit(features, error)
        return model.predict(rows).clip(0) if len(rows) else error[:0]


def _read(
    connection: DuckDBPyConnection,
    table: Table,
    columns: RegressionColumns,
    names: Sequence[str],
    segments: Sequence[Sequence[str]],
    into: str,
    *,
    labelled: bool,
) -> None:
    def query(found: Mapping[str, Column], relation: str) -> str:
        number_sql(found[columns.predicted])
        parts = [
            f"{number_sql(found[name]) if is_number(found[name]) else text_sql(found[name])} AS c{i}"
            for i, name in enumerate(names)
        ]
        parts += [f"{text_sql(found[name])} AS s{i}" for i, name in enumerate(segment_columns(segments))]
        if not labelled:
            return f"SELECT {', '.join(parts)} FROM {relation}"
        error = f"abs({number_sql(found[columns.predicted])} - {number_sql(found[columns.label])})"
        return f"SELECT * FROM (SELECT {', '.join(parts)}, {error} AS error FROM {relation}) WHERE error IS NOT NULL"

    needed = [*names, *segment_columns(segments), *([columns.label] if labelled else [])]
    texts = [name for name in segment_columns(segments) if name not in (*names, columns.label)]
    create(connection, into, table, needed, texts, query)


def _code_texts(connection: DuckDBPyConnection, count: int) -> None:
    """Texts become their mean error's rank in the reference, which trees split well; unknown ones are missing."""
    kinds = dict(
        connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'reference'"
        ).fetchall()
    )
    for i in range(count):
        if kinds[f"c{i}"] == "DOUBLE":
            connection.execute(f"ALTER TABLE joined ALTER c{i} TYPE DOUBLE USING TRY_CAST(c{i} AS DOUBLE)")
            continue
        connection.execute(
            f"CREATE OR REPLACE TABLE codes AS SELECT c{i} AS text, "
            f"rank() OVER (ORDER BY avg(error), c{i})::DOUBLE AS code "
            f"FROM reference WHERE c{i} IS NOT NULL GROUP BY c{i}"
        )
        for table in ("reference", "joined"):
            connection.execute(
                f"CREATE OR REPLACE TABLE {table} AS SELECT t.* REPLACE (codes.code AS c{i}) "
                f"FROM {table} t LEFT JOIN codes ON t.c{i}::VARCHAR = codes.text"
            )


def _matrix(found: Mapping[str, Any], names: Sequence[str]) -> Any:
    import numpy as np

    return np.column_stack([np.ma.filled(np.ma.asarray(found[name], dtype=float), np.nan) for name in names])


def _groups(found: Mapping[str, Any], segments: Sequence[Sequence[str]]) -> list[tuple[Segment, list[int]]]:
    """Each group of each segment and the positions of its rows."""
    import numpy as np

    position = {name: f"s{i}" for i, name in enumerate(segment_columns(segments))}
    groups = []
    for columns in segments:
        held = [np.ma.asarray(found[position[name]], dtype=object).filled(None).tolist() for name in columns]
        rows: dict[tuple[str | None, ...], list[int]] = {}
        for i, values in enumerate(zip(*held, strict=True)):
            rows.setdefault(values, []).append(i)
        in_order = sorted(rows, key=lambda values: [(value is not None, value or "") for value in values])
        groups += [(tuple(zip(columns, values, strict=True)), rows[values]) for values in in_order]
    return groups


@dataclass(frozen=True)
class _Scale:
    """What estimates are judged by: thresholds, bounds, and the reference's rows and mean error to the fourth power."""

    thresholds: Mapping[str, AlertThreshold]
    deviations: float
    reference: int
    fourth: float


def _estimates(first: Any, second: Any, scale: _Scale) -> tuple[Estimate, ...]:
    rows = len(first)
    mae = square = mae_error = rmse_error = None
    if rows:
        widening = math.sqrt(1 / rows + 1 / scale.reference)
        mae, square = float(first.mean()), float(second.mean())
        mae_error = widening * math.sqrt(max(0.0, square - mae**2))
        # The spread of squared errors is the reference's: trees are not fitted to a fourth power.
        spread = math.sqrt(max(0.0, scale.fourth - square**2))
        rmse_error = widening * spread / (2 * math.sqrt(square)) if square else 0.0
    return tuple(
        bounded(
            name,
            value,
            error,
            rows=rows,
            threshold=scale.thresholds.get(name, AlertThreshold()),
            deviations=scale.deviations,
            reason="" if rows else "The window has no usable row.",
        )
        for name, value, error in (
            ("mae", mae, mae_error),
            ("rmse", None if square is None else math.sqrt(square), rmse_error),
        )
    )
