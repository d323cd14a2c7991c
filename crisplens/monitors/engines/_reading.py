"""How engines read a table: a connection, and SQL for its rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import msgspec

from crisplens.core.clock import to_text
from crisplens.core.errors import InputError
from crisplens.core.names import unknown_name
from crisplens.monitors.engines.interface import Slice, TimeSlice
from crisplens.registry.data import tabular
from crisplens.registry.data.files import WITH_HEADER
from crisplens.registry.data.tabular import Column, Table, quote_name, quote_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_THREADS = 4
# The table of what is read into memory.
READ_ONCE = "read_once"


Task = TypeVar("Task")
Found = TypeVar("Found")


def each_column(
    connection: DuckDBPyConnection,
    tasks: Sequence[Task],
    profile: Callable[[DuckDBPyConnection, Task], Found],
) -> tuple[Found, ...]:
    """`profile` of each column, a few columns at a time: one alone seldom keeps every processor busy.

    Each gets a cursor of its own, which sees the tables of the in-memory database but not temporary ones.
    """

    def on_cursor(task: Task) -> Found:
        with connection.cursor() as cursor:
            return profile(cursor, task)

    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, MOST_THREADS)) as pool:
        return tuple(pool.map(on_cursor, tasks))


class Times(msgspec.Struct, frozen=True):
    """A column of times, and the zone of those that have none."""

    column: str
    zone: str


@contextmanager
def opened(
    table: Table,
    *,
    text: Sequence[str] = (),
    needed: Sequence[str] | None = None,
    expected: Mapping[str, str] | None = None,
    only: Slice | None = None,
    times: Times | None = None,
) -> Iterator[tuple[DuckDBPyConnection, str, tuple[Column, ...]]]:
    """A connection, SQL for the table's rows (those of the slice `only`), and its columns.

    `times` is the column whose times are asked for, where that is not the slice's.

    A CSV is first read as the types that are `expected` of its columns; then as those guessed from its first
    rows; and where a value does not fit these, once more as those guessed from all.
    Parquet is queried where it is, column by column. Parsing dominates a CSV, so it is read once into memory.
    """
    if isinstance(only, TimeSlice):
        times = Times(only.column, only.zone)
    with tabular.connected() as connection, tabular.duckdb_errors(table):
        if times is not None:
            # For the cursors too, which columns are profiled with.
            connection.execute(f"SET GLOBAL TimeZone = {quote_text(times.zone)}")
        elif only is not None:
            connection.execute("SET preserve_insertion_order = true")
        typed = tabular.expected_columns(table, expected or {})
        if typed and _fits(connection, table, typed, text, needed, only):
            yield connection, READ_ONCE, typed
            return
        found = tabular.table_columns(connection, table, text=text)
        if times is not None and _may_lose_zones(connection, table, found, times.column):
            text = [*text, times.column]
            found = tabular.table_columns(connection, table, text=text)
        if table.format == "parquet":
            yield connection, slice_sql(tabular.relation_sql(table), found, only), found
            return
        try:
            found = _read_csv(connection, table, found, text, needed, only)
        except Exception as error:
            if not tabular.is_type_misfit(error):
                raise
            whole = tabular.table_columns(connection, table, text=text, whole=True)
            found = _read_csv(connection, table, whole, text, needed, only, whole=True)
        yield connection, READ_ONCE, found


def _may_lose_zones(
    connection: DuckDBPyConnection, table: Table, found: Sequence[Column], column: str
) -> bool:
    """Whether a column of a CSV was taken for times without a zone, and can be read as text in ISO 8601 instead.

    DuckDB drops the zones of later values then. Times in another form are readable only as it guessed them.
    """
    kind = next((one.type for one in found if one.name == column), "")
    if table.format not in WITH_HEADER or kind not in ("TIMESTAMP", "DATE"):
        return False
    name, relation = quote_name(column), tabular.relation_sql(table, text=[column])
    row = connection.execute(
        f"SELECT TRY_CAST({name} AS TIMESTAMPTZ) IS NOT NULL FROM {relation} WHERE {name} IS NOT NULL LIMIT 1"
    ).fetchone()
    return row is not None and bool(row[0])


def _fits(
    connection: DuckDBPyConnection,
    table: Table,
    typed: tuple[Column, ...],
    text: Sequence[str],
    needed: Sequence[str] | None,
    only: Slice | None,
) -> bool:
    """Read a CSV as columns of these types; False when a value does not fit."""
    try:
        _read_csv(connection, table, typed, text, needed, only)
    except Exception as error:
        if not tabular.is_type_misfit(error):
            raise
        return False
    return True


def _read_csv(
    connection: DuckDBPyConnection,
    table: Table,
    found: tuple[Column, ...],
    text: Sequence[str],
    needed: Sequence[str] | None,
    only: Slice | None,
    *,
    whole: bool = False,
) -> tuple[Column, ...]:
    wanted = [tabular.quote_name(c.name) for c in found if needed is None or c.name in needed] or ["1 AS one"]
    relation = slice_sql(tabular.relation_sql(table, text=text, whole=whole, typed=found), found, only)
    connection.execute(f"CREATE OR REPLACE TABLE {READ_ONCE} AS SELECT {', '.join(wanted)} FROM {relation}")
    return found


def slice_sql(relation: str, columns: Sequence[Column], only: Slice | None) -> str:
    """SQL for the rows of a slice. Raises `InputError` when its column is not there or holds no times."""
    if only is None:
        return relation
    if not isinstance(only, TimeSlice):
        return f"(SELECT * FROM {relation} LIMIT {only.end - only.start} OFFSET {only.start})"
    value, bound = time_sql(only.column, columns)
    start, end = (f"TIMESTAMPTZ {quote_text(to_text(moment))}{bound}" for moment in (only.start, only.end))
    return f"(SELECT * FROM {relation} WHERE {value} >= {start} AND {value} < {end})"


def time_sql(name: str, columns: Sequence[Column]) -> tuple[str, str]:
    """SQL for a column's times, and what a TIMESTAMPTZ is cast to for comparing with them.

    Columns of times are compared as they are, so that Parquet files need not be read where nothing is. Raises
    `InputError` when there is no such column, or it holds no times.
    """
    kinds = {column.name: column.type for column in columns}
    if name not in kinds:
        raise unknown_name("time column", name, kinds)
    quoted, kind = quote_name(name), kinds[name]
    if kind == "TIMESTAMP WITH TIME ZONE":
        return quoted, ""
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        return quoted, "::TIMESTAMP"
    if kind == "VARCHAR":
        return f"TRY_CAST({quoted} AS TIMESTAMPTZ)", ""
    raise InputError(
        f"the time column {name!r} holds {kind}, not times",
        slug="bad-window",
        hint="Accepted: timestamps, dates, and text in ISO 8601.",
    )
