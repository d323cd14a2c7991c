"""What is asked of a window's rows beyond their profile: where they begin and end in time, how many, how many twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from crisplens.monitors.engines._reading import slice_sql, time_sql
from crisplens.monitors.engines.interface import Rows, TimeSlice
from crisplens.registry.data import tabular
from crisplens.registry.data.tabular import Column, Table, quote_name, quote_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def first_time(table: Table, column: str, zone: str) -> datetime | None:
    """The earliest time in a column, None when it holds none; times without a zone are those of `zone`.

    Raises `InputError` when the column is not there or holds no times.
    """
    with _opened(Rows(table), zone) as (connection, relation, columns):
        value, _ = time_sql(column, columns)
        return _moment(connection, f"SELECT epoch_us(min({value})::TIMESTAMPTZ) FROM {relation}")


def newest_time(rows: Rows, column: str) -> datetime | None:
    """The latest time in a column of a window, None when it holds none; times without a zone are UTC."""
    zone = rows.only.zone if isinstance(rows.only, TimeSlice) else "UTC"
    with _opened(rows, zone) as (connection, relation, columns):
        value, _ = time_sql(column, columns)
        return _moment(connection, f"SELECT epoch_us(max({value})::TIMESTAMPTZ) FROM {relation}")


def count_rows(table: Table) -> int:
    """How many rows a table has."""
    with _opened(Rows(table), "UTC") as (connection, relation, _):
        return _number(connection, f"SELECT count(*) FROM {relation}")


def count_duplicates(rows: Rows, columns: Sequence[str] = ()) -> int:
    """How many rows of a window repeat an earlier one in these columns; in all when none is named."""
    with _opened(rows, "UTC") as (connection, relation, found):
        names = ", ".join(quote_name(name) for name in columns or [column.name for column in found])
        distinct = f"SELECT count(*) FROM (SELECT DISTINCT {names} FROM {relation})"
        return _number(connection, f"SELECT (SELECT count(*) FROM {relation}) - ({distinct})")


@contextmanager
def _opened(rows: Rows, zone: str) -> Iterator[tuple[DuckDBPyConnection, str, tuple[Column, ...]]]:
    connection = tabular.connect()
    try:
        with tabular.duckdb_errors(rows.table):
            connection.execute(f"SET TimeZone = {quote_text(zone)}")
            columns = tabular.table_columns(connection, rows.table)
            yield connection, slice_sql(tabular.relation_sql(rows.table), columns, rows.only), columns
    finally:
        connection.close()


def _moment(connection: DuckDBPyConnection, query: str) -> datetime | None:
    row = connection.execute(query).fetchone()
    return None if row is None or row[0] is None else _EPOCH + timedelta(microseconds=row[0])


def _number(connection: DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
