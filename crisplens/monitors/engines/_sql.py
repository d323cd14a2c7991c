"""The queries of the DuckDB engine: one a column, which keeps memory small however wide the table is."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crisplens.monitors import profiles
from crisplens.monitors.model import CategoricalProfile, Family, NumberCount, NumericProfile
from crisplens.registry.data.tabular import Column, quote_name

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_INTEGERS = frozenset(
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
)
# Ibis gives no digits for a number of any size.
_DECIMAL = re.compile(r"DECIMAL(\(\d+,\d+\))?")
_TEXT = re.compile(r"VARCHAR|ENUM\(.*", re.DOTALL)


def family_of(type_name: str) -> Family:
    """What values of a DuckDB type are."""
    if is_integer(type_name) or type_name in ("FLOAT", "DOUBLE") or _DECIMAL.fullmatch(type_name):
        return Family.NUMBER
    if type_name == "BOOLEAN":
        return Family.BOOLEAN
    return Family.TEXT if _TEXT.fullmatch(type_name) else Family.OTHER


def is_integer(type_name: str) -> bool:
    """Whether a DuckDB type holds whole numbers only."""
    return type_name in _INTEGERS


def row_count(connection: DuckDBPyConnection, relation: str) -> int:
    """How many rows there are."""
    return int(one_row(connection, f"SELECT count(*) FROM {relation}")[0])


def null_count(connection: DuckDBPyConnection, relation: str, column: Column) -> int:
    """How many values are null."""
    return int(one_row(connection, f"SELECT count(*) - count({quote_name(column.name)}) FROM {relation}")[0])


def not_number_count(connection: DuckDBPyConnection, relation: str, column: Column) -> int:
    """How many values of a text column do not read as numbers."""
    name = quote_name(column.name)
    counted = f"count(*) FILTER ({name} IS NOT NULL AND TRY_CAST({name} AS DOUBLE) IS NULL)"
    return int(one_row(connection, f"SELECT {counted} FROM {relation}")[0])


def distinct_count(
    connection: DuckDBPyConnection, relation: str, column: Column, family: Family
) -> tuple[int, int]:
    """How many distinct values there are, and how many values; nulls, NaN and infinities are neither."""
    value = finite_sql(column) if family is Family.NUMBER else quote_name(column.name)
    unique, present = one_row(connection, f"SELECT count(DISTINCT {value}), count({value}) FROM {relation}")
    return int(unique), int(present)


def reference_numbers(
    connection: DuckDBPyConnection,
    relation: str,
    column: Column,
    *,
    rows: int,
    unique: int,
    most_exact: int = profiles.EXACT_VALUES,
) -> NumericProfile:
    """The profile of a reference's numeric column, which has `unique` values, on edges of its own."""
    edges, exact = _reference_edges(connection, relation, column, unique, most_exact)
    few = unique <= profiles.FEW_VALUES
    return _numbers(
        connection, relation, column, rows=rows, edges=edges, exact=exact, unique=unique, keep_values=few
    )


def profile_like(
    connection: DuckDBPyConnection,
    relation: str,
    column: Column,
    *,
    rows: int,
    reference: NumericProfile | CategoricalProfile,
) -> NumericProfile | CategoricalProfile:
    """The profile of a column on the edges, or with the categories, of its reference."""
    if isinstance(reference, CategoricalProfile):
        wanted = [category.value for category in reference.categories]
        return categorical_profile(
            connection, relation, column, rows=rows, family=reference.family, wanted=wanted
        )
    return _numbers(
        connection,
        relation,
        column,
        rows=rows,
        edges=reference.edges,
        exact=reference.exact,
        keep_values=reference.values is not None,
    )


def _reference_edges(
    connection: DuckDBPyConnection,
    relation: str,
    column: Column,
    unique: int,
    most_exact: int,
) -> tuple[tuple[float, ...], bool]:
    # Where the bins begin and end, and whether each distinct value has its own.
    value = finite_sql(column)
    if unique <= most_exact:
        rows = connection.execute(
            f"SELECT DISTINCT v FROM (SELECT {value} AS v FROM {relation}) WHERE v IS NOT NULL"
        ).fetchall()
        return profiles.exact_edges(row[0] for row in rows), True
    shares = ", ".join(repr(share) for share in profiles.QUANTILES)
    quantiles, low, high = one_row(
        connection,
        f"SELECT quantile_disc(v, [{shares}]), min(v), max(v) FROM (SELECT {value} AS v FROM {relation})",
    )
    return profiles.quantile_edges(quantiles, spread=(high - low) / 8), False


def _numbers(
    connection: DuckDBPyConnection,
    relation: str,
    column: Column,
    *,
    rows: int,
    edges: Sequence[float],
    exact: bool,
    unique: int | None = None,
    keep_values: bool = False,
) -> NumericProfile:
    # One scan, or two where values are kept.
    name = quote_name(column.name)
    values = _few_values(connection, relation, column) if exact or keep_values else None
    # Few values were counted one by one, which is faster; the bins follow from them.
    scan = bool(edges) and values is None
    bins = "histogram(v, ?)" if scan else "NULL"
    query = (
        f"SELECT count({name}), count(v), min(v), max(v), avg(v), var_pop(v), {bins} "
        f"FROM (SELECT {name}, {finite_sql(column)} AS v FROM {relation})"
    )
    found = one_row(connection, query, [list(edges)] if scan else [])
    present, count, low, high, mean, spread, histogram = found
    nans = 0
    if present > count:
        (nans,) = one_row(connection, f"SELECT count(*) FILTER (isnan({name})) FROM {relation}")
    m2 = spread * count if spread is not None and math.isfinite(spread * count) else None
    counts = _bin_counts(edges, histogram or {})
    if values is not None:
        unique, counts = len(values), profiles.count_values(edges, values)
    return NumericProfile(
        name=column.name,
        type=column.type,
        integer=is_integer(column.type),
        rows=rows,
        nulls=rows - present,
        nans=nans,
        infinities=present - count - nans,
        count=count,
        mean=mean if m2 is not None else None,
        m2=m2,
        minimum=low,
        maximum=high,
        edges=tuple(edges),
        counts=counts,
        exact=exact,
        n_unique=unique,
        values=values if keep_values else None,
    )


def categorical_profile(
    connection: DuckDBPyConnection,
    relation: str,
    column: Column,
    *,
    rows: int,
    family: Family,
    wanted: Sequence[str] = (),
) -> CategoricalProfile:
    """The profile of a categorical column: its commonest values, and always those `wanted`."""
    # Grouped as stored, then written as text: a text for each value and not for each row.
    grouped = (
        f"SELECT {category_sql(column)} AS value, sum(n)::BIGINT AS n "
        f"FROM (SELECT {quote_name(column.name)}, count(*) AS n FROM {relation} GROUP BY ALL) GROUP BY ALL"
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE category_counts AS {grouped}")
    listed = connection.execute(
        "SELECT value, n, count(*) OVER (), sum(n) OVER () FROM category_counts WHERE value IS NOT NULL "
        f"ORDER BY n DESC, value LIMIT {profiles.MOST_CATEGORIES}"
    ).fetchall()
    unique, present = (listed[0][2], listed[0][3]) if listed else (0, 0)
    counts = {str(value): int(n) for value, n, *_ in listed}
    if unique > len(counts) and wanted:
        rows_wanted = connection.execute(
            "SELECT value, n FROM category_counts WHERE value IN (SELECT unnest(?))", [list(wanted)]
        ).fetchall()
        counts |= {str(value): int(n) for value, n in rows_wanted}
    return profiles.categorical(
        column.name,
        column.type,
        family,
        rows=rows,
        present=int(present),
        listed=profiles.sorted_categories(counts.items()),
        n_unique=int(unique),
    )


def _few_values(
    connection: DuckDBPyConnection, relation: str, column: Column
) -> tuple[NumberCount, ...] | None:
    """The values of a numeric column, if it has few; a window of many makes them useless."""
    counted = connection.execute(
        f"SELECT v, count(*) FROM (SELECT {finite_sql(column)} AS v FROM {relation}) WHERE v IS NOT NULL "
        f"GROUP BY v LIMIT {profiles.MOST_CATEGORIES + 1}"
    ).fetchall()
    if len(counted) > profiles.MOST_CATEGORIES:
        return None
    return tuple(NumberCount(value=value, count=count) for value, count in sorted(counted))


def finite_sql(column: Column) -> str:
    """SQL for a numeric column's values as DOUBLE, with NaN and infinities as nulls."""
    name = quote_name(column.name)
    if column.type in ("FLOAT", "DOUBLE"):
        return f"CASE WHEN isfinite({name}) THEN {name}::DOUBLE END"
    return f"{name}::DOUBLE"


def category_sql(column: Column) -> str:
    """SQL for a value as text; 1 and 1.0 are one category, NaN is none."""
    name = quote_name(column.name)
    if column.type in ("FLOAT", "DOUBLE") or column.type.startswith("DECIMAL"):
        number = f"{name}::DOUBLE"
        whole = f"{number} = trunc({number}) AND abs({number}) < 1e15"
        return (
            f"CASE WHEN NOT isfinite({number}) THEN NULL WHEN {whole} THEN {number}::BIGINT::VARCHAR "
            f"ELSE {number}::VARCHAR END"
        )
    return f"{name}::VARCHAR"


def _bin_counts(edges: Sequence[float], histogram: dict[float, int]) -> tuple[int, ...]:
    return (*(int(histogram.get(edge, 0)) for edge in edges), int(histogram.get(float("inf"), 0)))


def one_row(connection: DuckDBPyConnection, query: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
    """The one row of a query that always gives one, such as aggregates without GROUP BY."""
    row = connection.execute(query, list(parameters)).fetchone()
    assert row is not None, "an aggregate without GROUP BY always gives a row"
    return row
