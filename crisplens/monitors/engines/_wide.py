"""Very wide tables: read some columns at a time, and counted here where there are few rows.

A query costs a few milliseconds on a table of a thousand columns and rather a second on one of ten thousand, however
few rows there are. So a wide table is read once, some hundred columns at a time.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from crisplens.monitors import profiles
from crisplens.monitors.engines import _sql
from crisplens.monitors.model import CategoricalProfile, ColumnProfile, Family, NumericProfile
from crisplens.registry.data.tabular import Column, quote_name

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# A table of more columns is wide.
WIDE = 300
BATCH_COLUMNS = 250
# What one batch holds at most: about 500 MB of numbers.
BATCH_CELLS = 1 << 26
# Up to so many rows, counting a column in Python takes less time than its queries do.
FEW_ROWS = 5000
# Distinct values that get bins of their own, over all columns: what a profile of all of them may hold.
EXACT_VALUES_IN_ALL = 1_000_000

Named = TypeVar("Named", bound=Any)


def exact_values(columns: int) -> int:
    """Up to how many distinct values each gets a bin of its own, in a table of so many columns."""
    return min(profiles.EXACT_VALUES, EXACT_VALUES_IN_ALL // max(columns, 1))


def batches(
    connection: DuckDBPyConnection, relation: str, columns: Sequence[Named], rows: int
) -> Iterator[tuple[str, Sequence[Named]]]:
    """The columns (anything with a `name`) some at a time, with SQL for a table of just these; all of few at once."""
    if len(columns) <= WIDE:
        yield relation, columns
        return
    step = max(1, min(BATCH_COLUMNS, BATCH_CELLS // max(rows, 1)))
    for start in range(0, len(columns), step):
        part = columns[start : start + step]
        names = ", ".join(quote_name(column.name) for column in part)
        connection.execute(f"CREATE OR REPLACE TABLE batch AS SELECT {names} FROM {relation}")
        yield "batch", part
    connection.execute("DROP TABLE batch")


def fetch(
    connection: DuckDBPyConnection, relation: str, expressions: Sequence[str]
) -> tuple[Sequence[Any], ...]:
    """The values of some expressions, one after another."""
    rows = connection.execute(f"SELECT {', '.join(expressions)} FROM {relation}").fetchall()
    return tuple(zip(*rows, strict=True)) if rows else tuple(() for _ in expressions)


def reference_sql(column: Column) -> str:
    """SQL for the values that `profile_reference_values` takes."""
    if _sql.family_of(column.type) is not Family.NUMBER:
        return _sql.category_sql(column)
    name = quote_name(column.name)
    return name if _sql.is_integer(column.type) else f"{name}::DOUBLE"


def window_sql(column: Column, before: ColumnProfile) -> str:
    """SQL for the values that `profile_window_values` takes."""
    if isinstance(before, NumericProfile):
        return f"{quote_name(column.name)}::DOUBLE"
    return _sql.category_sql(column)


def quantiles(ordered: Sequence[float]) -> list[float]:
    """The quantiles of `profiles.QUANTILES`, each a value that is there."""
    last = len(ordered) - 1
    return [ordered[min(last, max(0, math.ceil(share * len(ordered)) - 1))] for share in profiles.QUANTILES]


def numeric_reference(column: Column, values: Sequence[float | None], most_exact: int) -> NumericProfile:
    """As `_sql.numeric_profile` gives it for a reference."""
    finite = sorted(float(value) for value in values if value is not None and math.isfinite(value))
    unique = len(set(finite))
    exact = unique <= most_exact
    if exact:
        edges = profiles.exact_edges(finite)
    else:
        edges = profiles.quantile_edges(quantiles(finite), spread=(finite[-1] - finite[0]) / 8)
    made = profiles.profile_numbers(
        column.name,
        values,
        edges,
        type=column.type,
        exact=exact,
        keep_values=unique <= profiles.FEW_VALUES,
    )
    return _finished(made, column, unique)


def numeric_window(column: Column, values: Sequence[float | None], before: NumericProfile) -> NumericProfile:
    """As `_sql.numeric_profile` gives it for a window."""
    unique = None
    if before.exact or before.values is not None:
        unique = len({value for value in values if value is not None and math.isfinite(value)})
        unique = unique if unique <= profiles.MOST_CATEGORIES else None
    made = profiles.profile_numbers(
        column.name,
        values,
        before.edges,
        type=column.type,
        exact=before.exact,
        keep_values=before.values is not None and unique is not None,
    )
    return _finished(made, column, unique)


def _finished(made: NumericProfile, column: Column, unique: int | None) -> NumericProfile:
    return msgspec.structs.replace(made, integer=_sql.is_integer(column.type), n_unique=unique)


def categorical(
    column: Column, values: Sequence[str | None], family: Family, wanted: Sequence[str] = ()
) -> CategoricalProfile:
    """As `_sql.categorical_profile` gives it."""
    counts = Counter(value for value in values if value is not None)
    listed = profiles.sorted_categories(counts.items())
    if len(listed) > profiles.MOST_CATEGORIES:
        also = set(wanted)
        rest = [one for one in listed[profiles.MOST_CATEGORIES :] if one.value in also]
        listed = (*listed[: profiles.MOST_CATEGORIES], *rest)
    present = counts.total()
    return profiles.categorical(
        column.name,
        column.type,
        family,
        rows=len(values),
        present=present,
        listed=listed,
        n_unique=len(counts),
    )
