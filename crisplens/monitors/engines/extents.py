"""What is asked of a window's rows beyond their profile: where they begin and end in time, how many, how many twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from crisplens.monitors.engines._reading import opened, time_sql
from crisplens.monitors.engines._sql import one_row, row_count
from crisplens.monitors.engines.interface import Rows, TimeSlice
from crisplens.registry.data.tabular import Table, quote_name, quote_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def first_time(table: Table, column: str, zone: str) -> datetime | None:
    """The earliest time in a column, None when it holds none; times without a zone are those of `zone`.

    Raises `InputError` when the column is not there or holds no times.
    """
    return _extreme(Rows(table), "min", column, zone)


def newest_time(rows: Rows, column: str) -> datetime | None:
    """The latest time in a column of a window, None when it holds none.

    Times without a zone are those of the window's zone, else UTC.
    """
    return _extreme(rows, "max", column, rows.only.zone if isinstance(rows.only, TimeSlice) else "UTC")


def count_rows(table: Table) -> int:
    """How many rows a table has."""
    with opened(table, needed=[]) as (connection, relation, _):
        return row_count(connection, relation)


def count_duplicates(rows: Rows, columns: Sequence[str] = ()) -> int:
    """How many rows of a window repeat an earlier one in these columns; in all when none is named."""
    with opened(rows.table, needed=columns or None, only=rows.only) as (connection, relation, found):
        names = ", ".join(quote_name(name) for name in columns or [column.name for column in found])
        (distinct,) = one_row(connection, f"SELECT count(*) FROM (SELECT DISTINCT {names} FROM {relation})")
        return row_count(connection, relation) - int(distinct)


def _extreme(rows: Rows, which: str, column: str, zone: str) -> datetime | None:
    with opened(rows.table, needed=[column], only=rows.only) as (connection, relation, columns):
        connection.execute(f"SET TimeZone = {quote_text(zone)}")
        value, _ = time_sql(column, columns)
        (found,) = one_row(connection, f"SELECT epoch_us({which}({value})::TIMESTAMPTZ) FROM {relation}")
    return None if found is None else _EPOCH + timedelta(microseconds=found)
