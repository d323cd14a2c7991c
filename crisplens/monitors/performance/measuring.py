"""Statistics of a model's performance from tables of predictions and labels, in one reading of each, with DuckDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from crisplens.core.errors import InputError
from crisplens.monitors.engines._sql import one_row
from crisplens.monitors.engines.interface import Slice
from crisplens.monitors.performance import score_bins
from crisplens.monitors.performance.labels import LabelCounts
from crisplens.monitors.performance.model import (
    BinaryColumns,
    Group,
    ModelColumns,
    MulticlassColumns,
    PredictedBin,
    RegressionColumns,
    Statistics,
)
from crisplens.monitors.performance.reading import (
    FLOATS,
    NOT_BINARY,
    TYPE_SLUGS,
    NoValues,
    Segment,
    columns_of,
    create,
    grouped,
    is_empty,
    is_number,
    number_sql,
    segment_columns,
    text_sql,
)
from crisplens.monitors.performance.summing import nothing, sum_up
from crisplens.registry.data import tabular
from crisplens.registry.data.tabular import Column, Table, connected, quote_name, quote_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of all labelled predictions, and of each group of segment columns.

    `unusable` labelled rows are in neither: the prediction is missing, or a score is not from 0 to 1.
    """

    counts: LabelCounts
    unusable: int
    whole: Statistics
    groups: tuple[Group, ...] = ()


class ScoreGroup(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of the rows that share values of some columns; a null is None."""

    segment: dict[str, str | None]
    scores: tuple[PredictedBin, ...]


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """Scores of all predictions, labelled or not, by bin and predicted class; `unusable` rows are left out."""

    unusable: int
    scores: tuple[PredictedBin, ...]
    groups: tuple[ScoreGroup, ...] = ()


def measure(
    predictions: Table,
    columns: ModelColumns,
    *,
    labels: Table | None = None,
    key: Sequence[str] = (),
    segments: Sequence[Sequence[str]] = (),
    only: Slice | None = None,
) -> Measured:
    """Join predictions with their labels and sum up how they agree, for the whole and for every segment.

    Without `labels` the label is a column of the predictions. With it, rows meet by the `key` columns, which
    both tables have; a key whose labels contradict each other has none. Only the predictions of a slice are measured,
    if one is given. Each of `segments` is one or more
    columns of the predictions to group by. Raises `InputError` for a column that is not there or of the
    wrong type, and for more than `MOST_GROUPS` groups of one segment.
    """
    if (labels is None) != (not key):
        raise InputError(
            "labels in a table of their own are joined by a key, and only they",
            slug="bad-setting",
            hint="Name both the labels and the key columns, or neither.",
        )
    _check_columns(columns)
    with connected() as connection:
        try:
            counts = _join(
                connection, predictions, columns, labels=labels, key=key, segments=segments, only=only
            )
        except InputError as error:
            if error.slug not in TYPE_SLUGS or not is_empty(connection, predictions):
                raise
            return Measured(counts=LabelCounts(predictions=0, labelled=0), unusable=0, whole=nothing(columns))
        usable = _usable(columns)
        (unusable,) = one_row(
            connection, f"SELECT count(*) FILTER (NOT ({usable})) FROM joined WHERE actual IS NOT NULL"
        )
        if unusable and unusable == counts.labelled:
            raise InputError(
                f"no labelled row of {predictions.pattern} has a usable prediction",
                slug="bad-scores",
                hint="A score is a probability from 0 to 1; a prediction is not null.",
            )
        found = sum_up(connection, columns, f"actual IS NOT NULL AND {usable}", segments)
    whole = found.pop(None, None) or nothing(columns)
    groups = tuple(Group(segment=dict(segment), statistics=one) for segment, one in found.items() if segment)
    return Measured(counts=counts, unusable=int(unusable), whole=whole, groups=groups)


def read_scores(
    predictions: Table,
    columns: BinaryColumns,
    *,
    segments: Sequence[Sequence[str]] = (),
    only: Slice | None = None,
) -> Scored:
    """Count the scores of all predictions, labelled or not: what performance is estimated from.

    Raises `InputError` as `measure` does, and when there is no column of scores.
    """
    _check_columns(columns)
    if columns.score is None:
        raise InputError("performance is estimated from scores, and no column is named", slug="bad-setting")
    with connected() as connection:
        try:
            _join(
                *(connection, predictions, columns),
                labels=None,
                key=(),
                segments=segments,
                labelled=False,
                only=only,
            )
        except InputError as error:
            if error.slug not in TYPE_SLUGS or not is_empty(connection, predictions):
                raise
            return Scored(unusable=0, scores=())
        usable = _usable(columns)
        (unusable,) = one_row(connection, f"SELECT count(*) FILTER (NOT ({usable})) FROM joined")
        select = "bin, count(*) FILTER (predicted), count(*) FILTER (NOT predicted)"
        found: dict[Segment | None, list[PredictedBin]] = {}
        for row in grouped(connection, select, ["bin"], usable, segments):
            found.setdefault(row.segment, []).append(PredictedBin(*map(int, row.values)))
    whole = tuple(sorted(found.pop(None, []), key=_bin))
    groups = tuple(
        ScoreGroup(segment=dict(segment), scores=tuple(sorted(bins, key=_bin)))
        for segment, bins in found.items()
        if segment
    )
    return Scored(unusable=int(unusable), scores=whole, groups=groups)


def _bin(one: PredictedBin) -> int:
    return one.bin


def _check_columns(columns: ModelColumns) -> None:
    if not isinstance(columns, BinaryColumns):
        return
    if columns.score is None and columns.predicted is None:
        raise InputError("neither scores nor predicted classes are named", slug="bad-setting")
    if not 0 <= columns.threshold <= 1:
        raise InputError(f"the threshold {columns.threshold:g} is not from 0 to 1", slug="bad-setting")


def _join(
    connection: DuckDBPyConnection,
    predictions: Table,
    columns: ModelColumns,
    *,
    labels: Table | None,
    key: Sequence[str],
    segments: Sequence[Sequence[str]],
    labelled: bool = True,
    only: Slice | None = None,
) -> LabelCounts:
    """Make the table `joined` of what is needed of each prediction, and count how labels were found."""
    key_types = _key_types(connection, predictions, labels, key)
    if labels is not None:
        _read_labels(connection, labels, columns, key_types)

    def query(found: Mapping[str, Column], relation: str) -> str:
        keys = [f"{_key(found[name], key_types[name])} AS k{i}" for i, name in enumerate(key)]
        parts = [*keys, *_prediction(columns, found)]
        parts += [f"{text_sql(found[name])} AS s{i}" for i, name in enumerate(segment_columns(segments))]
        own = labels is None and labelled
        parts.append(f"{_actual(columns, found[columns.label]) if own else 'NULL'} AS own_label")
        rows = f"SELECT {', '.join(parts)} FROM {relation}"
        if labels is None:
            return f"SELECT *, own_label AS actual FROM ({rows})"
        on = " AND ".join(f"p.k{i} = l.k{i}" for i in range(len(key)))
        actual = "CASE WHEN NOT l.conflict THEN l.actual END AS actual"
        return f"SELECT p.*, {actual} FROM ({rows}) p LEFT JOIN labels l ON {on}"

    needed = [*key, *_prediction_names(columns), *segment_columns(segments)]
    needed += [columns.label] if labels is None and labelled else []
    numbers = [*_prediction_names(columns), columns.label]
    texts = [name for name in (*key, *segment_columns(segments)) if name not in numbers]
    create(connection, "joined", predictions, needed, texts, query, only)
    counted, met = one_row(connection, "SELECT count(*), count(actual) FROM joined")
    if labels is None:
        return LabelCounts(predictions=int(counted), labelled=int(met))
    return _count_keys(connection, len(key), int(counted), int(met))


def _read_labels(
    connection: DuckDBPyConnection, labels: Table, columns: ModelColumns, key_types: Mapping[str, str]
) -> None:
    key = list(key_types)

    def query(found: Mapping[str, Column], relation: str) -> str:
        keys = [f"{_key(found[name], key_types[name])} AS k{i}" for i, name in enumerate(key)]
        rows = f"SELECT {', '.join(keys)}, {_actual(columns, found[columns.label])} AS actual FROM {relation}"
        names = ", ".join(f"k{i}" for i in range(len(key)))
        present = " AND ".join(f"k{i} IS NOT NULL" for i in range(len(key)))
        # A label that is null has not arrived yet.
        return (
            f"SELECT {names}, min(actual) AS actual, min(actual) <> max(actual) AS conflict, count(*) AS times "
            f"FROM ({rows}) WHERE actual IS NOT NULL AND {present} GROUP BY {names}"
        )

    try:
        create(connection, "labels", labels, [*key, columns.label], key, query)
    except InputError as error:
        # Labels that are all null have not arrived yet, either.
        nothing_yet = isinstance(error, NoValues) or is_empty(connection, labels)
        if error.slug not in TYPE_SLUGS or not nothing_yet:
            raise
        kind = {BinaryColumns: "BOOLEAN", MulticlassColumns: "VARCHAR", RegressionColumns: "DOUBLE"}[
            type(columns)
        ]
        keys = [f"k{i} {key_types[name]}" for i, name in enumerate(key)]
        connection.execute(
            f"CREATE TABLE labels ({', '.join(keys)}, actual {kind}, conflict BOOLEAN, times BIGINT)"
        )


def _key_types(
    connection: DuckDBPyConnection, predictions: Table, labels: Table | None, key: Sequence[str]
) -> dict[str, str]:
    """What each key column is compared as: its type where both tables have the same, else text."""
    if labels is None:
        return {}
    sides = []
    for table in (predictions, labels):
        with tabular.duckdb_errors(table):
            sides.append(columns_of(connection, table, key, key))
    first, second = sides
    return {
        name: first[name].type
        if first[name].type == second[name].type and first[name].type not in FLOATS
        else "VARCHAR"
        for name in key
    }


def _count_keys(connection: DuckDBPyConnection, keys: int, predictions: int, labelled: int) -> LabelCounts:
    names = ", ".join(f"k{i}" for i in range(keys))
    present = " AND ".join(f"k{i} IS NOT NULL" for i in range(keys))
    (without,) = one_row(connection, f"SELECT count(*) FILTER (NOT ({present})) FROM joined")
    (repeated,) = one_row(
        connection,
        f"SELECT count(*) FROM (SELECT 1 FROM joined WHERE {present} GROUP BY {names} HAVING count(*) > 1)",
    )
    twice, conflicting = one_row(
        connection, "SELECT count(*) FILTER (times > 1), count(*) FILTER (conflict) FROM labels"
    )
    on = " AND ".join(f"l.k{i} = p.k{i}" for i in range(keys))
    (orphans,) = one_row(connection, f"SELECT count(*) FROM labels l ANTI JOIN joined p ON {on}")
    return LabelCounts(
        predictions=predictions,
        labelled=labelled,
        without_key=int(without),
        repeated_predictions=int(repeated),
        repeated_labels=int(twice),
        conflicting_labels=int(conflicting),
        orphan_labels=int(orphans),
    )


def _prediction_names(columns: ModelColumns) -> list[str]:
    if isinstance(columns, BinaryColumns):
        return [name for name in (columns.score, columns.predicted) if name is not None]
    return [columns.predicted]


def _prediction(columns: ModelColumns, found: Mapping[str, Column]) -> list[str]:
    if isinstance(columns, RegressionColumns):
        return [f"{number_sql(found[columns.predicted])} AS predicted"]
    if isinstance(columns, MulticlassColumns):
        return [f"{text_sql(found[columns.predicted])} AS predicted"]
    score = "NULL::DOUBLE" if columns.score is None else number_sql(found[columns.score])
    guess = (
        f"{score} >= {columns.threshold!r}"
        if columns.predicted is None
        else _is_positive(found[columns.predicted], columns.positive)
    )
    inside = f"CASE WHEN {score} BETWEEN 0 AND 1 THEN {score} END"
    return [
        f"{inside} AS score",
        f"CASE WHEN {score} BETWEEN 0 AND 1 THEN {score_bins.bin_sql(f'({score})')} END AS bin",
        f"{guess} AS predicted",
    ]


def _actual(columns: ModelColumns, label: Column) -> str:
    if isinstance(columns, RegressionColumns):
        return number_sql(label)
    if isinstance(columns, MulticlassColumns):
        return text_sql(label)
    return _is_positive(label, columns.positive)


def _usable(columns: ModelColumns) -> str:
    scored = isinstance(columns, BinaryColumns) and columns.score is not None
    return "predicted IS NOT NULL" + (" AND score IS NOT NULL" if scored else "")


def _is_positive(column: Column, positive: str | None) -> str:
    """Whether a class is the positive one; null where it is null, an error where it is neither 0 nor 1."""
    name = quote_name(column.name)
    if column.type == "BOOLEAN":
        if positive is not None and positive.casefold() in ("false", "0"):
            return f"NOT {name}"
        return name
    if not is_number(column):
        if positive is None:
            raise InputError(
                f"the classes of {column.name!r} are text, and none is named as positive",
                slug="bad-setting",
                hint="Name the positive class.",
            )
        return f"{text_sql(column)} = {quote_text(positive)}"
    number = number_sql(column)
    if positive is None:
        unknown = f"CASE WHEN {number} IS NOT NULL THEN error({quote_text(NOT_BINARY + column.name)}) END"
        return f"CASE {number} WHEN 1 THEN true WHEN 0 THEN false ELSE {unknown} END"
    try:
        return f"{number} = {float(positive)!r}"
    except ValueError:
        raise InputError(
            f"the positive class {positive!r} is not a number, and those of {column.name!r} are",
            slug="bad-setting",
        ) from None


def _key(column: Column, compared_as: str) -> str:
    return quote_name(column.name) if column.type == compared_as else text_sql(column)
