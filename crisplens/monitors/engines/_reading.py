"""How engines read a table: a connection, and SQL for its rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from crisplens.registry.data import tabular
from crisplens.registry.data.tabular import Column, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_THREADS = 4


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


@contextmanager
def opened(
    table: Table,
    *,
    text: Sequence[str] = (),
    needed: Sequence[str] | None = None,
    expected: Mapping[str, str] | None = None,
) -> Iterator[tuple[DuckDBPyConnection, str, tuple[Column, ...]]]:
    """A connection, SQL for the table's rows, and its columns.

    A CSV is first read as the types that are `expected` of its columns; then as those guessed from its first
    rows; and where a value does not fit these, once more as those guessed from all.
    Parquet is queried where it is, column by column. Parsing dominates a CSV, so it is read once into memory.
    """
    connection = tabular.connect()
    try:
        with tabular.duckdb_errors(table):
            typed = tabular.expected_columns(table, expected or {})
            if typed and _fits(connection, table, typed, text, needed):
                yield connection, "read_once", typed
                return
            found = tabular.table_columns(connection, table, text=text)
            if table.format == "parquet":
                yield connection, tabular.relation_sql(table), found
                return
            try:
                found = _read_csv(connection, table, found, text, needed)
            except Exception as error:
                if not tabular.is_type_misfit(error):
                    raise
                whole = tabular.table_columns(connection, table, text=text, whole=True)
                found = _read_csv(connection, table, whole, text, needed, whole=True)
            yield connection, "read_once", found
    finally:
        connection.close()


def _fits(
    connection: DuckDBPyConnection,
    table: Table,
    typed: tuple[Column, ...],
    text: Sequence[str],
    needed: Sequence[str] | None,
) -> bool:
    """Read a CSV as columns of these types; False when a value does not fit."""
    try:
        _read_csv(connection, table, typed, text, needed)
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
    *,
    whole: bool = False,
) -> tuple[Column, ...]:
    wanted = [tabular.quote_name(c.name) for c in found if needed is None or c.name in needed] or ["1 AS one"]
    relation = tabular.relation_sql(table, text=text, whole=whole, typed=found)
    connection.execute(f"CREATE OR REPLACE TABLE read_once AS SELECT {', '.join(wanted)} FROM {relation}")
    return found
