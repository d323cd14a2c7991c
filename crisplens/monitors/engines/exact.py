"""Scores from every value of both tables: DuckDB merges, sorts and counts them, and spills to disk where it must."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crisplens.core.errors import InputError
from crisplens.monitors import distances, pvalues
from crisplens.monitors.engines import _sql
from crisplens.monitors.engines._columns import Pair
from crisplens.monitors.engines._reading import each_column, opened
from crisplens.monitors.engines.interface import Rows
from crisplens.monitors.model import CategoricalProfile, Family, NumericProfile
from crisplens.registry.data import tabular
from crisplens.registry.data.tabular import Column, Table, quote_name, quote_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Question:
    """A column that is to be scored by a method, and its two profiles, which say how many values there are."""

    name: str
    pair: Pair
    method: str


@dataclass(frozen=True)
class _Side:
    """SQL for one table, and its columns by name."""

    relation: str
    columns: Mapping[str, Column]


def score_rows(reference: Table | None, current: Rows, questions: Sequence[Question]) -> dict[str, float]:
    """The scores by column, as Evidently computes them from the rows themselves.

    The profiles must be those of these rows. Raises `InputError` when there is no reference to read, or a file
    cannot be read.
    """
    if not questions:
        return {}
    if reference is None:
        raise InputError(
            "exact scores need the reference's rows, and only its profile is at hand",
            slug="reference-rows-needed",
            hint="Give the reference's file, or take the scores from its profile.",
        )
    text = [one.name for one in questions if getattr(one.pair.reference, "family", None) is Family.TEXT]
    types = {one.name: one.pair.reference.type for one in questions}
    with opened(current.table, text=text, needed=list(types), expected=types, only=current.only) as found:
        connection, relation, columns = found
        now = _side(relation, columns)
        with _beside(connection, reference, text, types) as before:
            scores = each_column(connection, questions, lambda cursor, one: _score(cursor, before, now, one))
    return {one.name: score for one, score in zip(questions, scores, strict=True)}


def _side(relation: str, columns: Sequence[Column]) -> _Side:
    return _Side(relation, {column.name: column for column in columns})


@contextmanager
def _beside(
    connection: DuckDBPyConnection, reference: Table, text: Sequence[str], types: Mapping[str, str]
) -> Iterator[_Side]:
    """The reference, readable on the window's connection; what is not Parquet is parsed once, into a file that is."""
    if reference.format == "parquet":
        with tabular.duckdb_errors(reference):
            columns = tabular.table_columns(connection, reference)
        yield _side(tabular.relation_sql(reference), columns)
        return
    with tempfile.TemporaryDirectory(prefix="crisplens-exact-") as folder:
        path = Path(folder, "reference.parquet")
        with opened(reference, text=text, needed=list(types), expected=types) as (other, relation, columns):
            names = ", ".join(quote_name(name) for name in types)
            other.execute(
                f"COPY (SELECT {names} FROM {relation}) TO {quote_text(str(path))} (FORMAT parquet)"
            )
        yield _side(tabular.relation_sql(tabular.open_table(str(path))), columns)


def _score(connection: DuckDBPyConnection, before: _Side, now: _Side, one: Question) -> float:
    reference, current = one.pair.reference, one.pair.current
    if isinstance(reference, CategoricalProfile) or isinstance(current, CategoricalProfile):
        return distances.score_counts(_grouped(connection, _merged_sql(before, now, one)), one.method)
    merged = _merged_sql(before, now, one)
    if one.method in _FROM_ORDER:
        return _score_order(connection, merged, one.method, reference, current)
    if one.method == "hellinger":
        (size,) = _sql.one_row(connection, f"SELECT count(*) FROM ({merged})")
    elif reference.values is not None:
        return distances.score_counts(_grouped(connection, merged), one.method)
    else:
        size = reference.count + current.count
    edges = distances.sturges_edges(reference, current, size)
    counts = (_counted(connection, side, one.name, edges) for side in (before, now))
    return distances.score_counts(list(zip(*counts, strict=True)), one.method)


def _value_sql(side: _Side, one: Question) -> str:
    numeric = isinstance(one.pair.reference, NumericProfile)
    return (_sql.finite_sql if numeric else _sql.category_sql)(side.columns[one.name])


def _merged_sql(before: _Side, now: _Side, one: Question) -> str:
    """SQL for the distinct values `v`, and how often each stands in the reference (`r`) and in the window (`c`)."""
    return (
        "SELECT v, count(*) FILTER (NOT current)::DOUBLE AS r, count(*) FILTER (current)::DOUBLE AS c FROM ("
        f"SELECT {_value_sql(before, one)} AS v, false AS current FROM {before.relation} UNION ALL "
        f"SELECT {_value_sql(now, one)}, true FROM {now.relation}) WHERE v IS NOT NULL GROUP BY v"
    )


def _grouped(connection: DuckDBPyConnection, merged: str) -> Counter[tuple[float, float]]:
    """How many values stand r times in the reference and c times in the window; that of the least value first."""
    # Far fewer than there are values.
    rows = connection.execute(
        f"SELECT r, c, count(*) FROM ({merged}) GROUP BY r, c ORDER BY min(v)"
    ).fetchall()
    return Counter({(r, c): times for r, c, times in rows})


_DISTANCE = "(below_r / n - below_c / m)"
_TIED = "(r + c)"
# What is summed up over the values in their order; `below_r` and `below_c` count values up to and including `v`.
_FROM_ORDER = {
    "ks": (f"max(abs({_DISTANCE}))",),
    "wasserstein": (f"fsum(abs({_DISTANCE}) * (next - v))",),
    "ed": (f"fsum({_DISTANCE} * {_DISTANCE} * (next - v))",),
    "mannw": ("fsum(c * (below_r - r / 2))", f"fsum({_TIED} * {_TIED} * {_TIED} - {_TIED})"),
}


def _score_order(
    connection: DuckDBPyConnection,
    merged: str,
    method: str,
    reference: NumericProfile,
    current: NumericProfile,
) -> float:
    n, m = reference.count, current.count
    running = (
        f"SELECT v, r, c, {n}::DOUBLE AS n, {m}::DOUBLE AS m, sum(r) OVER up_to AS below_r, "
        f"sum(c) OVER up_to AS below_c, lead(v) OVER up_to AS next FROM ({merged}) "
        "WINDOW up_to AS (ORDER BY v ROWS UNBOUNDED PRECEDING)"
    )
    found = _sql.one_row(connection, f"SELECT {', '.join(_FROM_ORDER[method])} FROM ({running})")
    # Of a single value there is no next one.
    sums = [one or 0.0 for one in found]
    if method == "ks":
        return pvalues.ks_two_sample(sums[0], n, m)
    if method == "wasserstein":
        return distances.normed(sums[0], reference)
    if method == "ed":
        return float((2 * sums[0]) ** 0.5)
    return distances.mann_whitney_p_value(sums[0], sums[1], n, m)


def _counted(
    connection: DuckDBPyConnection, side: _Side, name: str, edges: Sequence[float]
) -> tuple[float, ...]:
    """How many values are in each bin between the edges; a value equal to one is in the bin below it."""
    (found,) = _sql.one_row(
        connection,
        f"SELECT histogram({_sql.finite_sql(side.columns[name])}, ?) FROM {side.relation}",
        [[*edges, float("inf")]],
    )
    return tuple(float(found.get(edge, 0)) for edge in [*edges, float("inf")])
