"""What is asked of a window's rows beyond their profile: where they begin and end in time, how many, how many twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from crisplens.core.errors import InputError
from crisplens.monitors.engines._reading import Times, opened, time_sql
from crisplens.monitors.engines._sql import one_row, row_count
from crisplens.monitors.engines.interface import Rows, TimeSlice
from crisplens.monitors.engines.parts import OF_FILES, readable_part
from crisplens.registry.data.tabular import Table, quote_name, quote_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def first_time(table: Table, column: str, zone: str, *, remote: Any = None) -> datetime | None:
    """The earliest time in a column, None when the table has no rows; times without a zone are those of `zone`.

    `remote` is the table itself where it stays in its database.

    Files that cannot be read are passed over here, as long as others can: checking the windows tells them. Raises
    `InputError` when the column is not there, or holds no time in any row.
    """
    if remote is not None:
        from crisplens.monitors.engines.ibis_engine import time_extent

        extent = time_extent(remote, column, zone)
        return extent[0] if extent else None
    if not table.files:
        raise InputError(table.unreadable[0].reason, slug="unreadable-file")
    try:
        return _first_time(table, column, zone)
    except InputError as error:
        part = readable_part(table) if error.slug in OF_FILES else table
        if part == table:
            raise
        return _first_time(part, column, zone)


def _first_time(table: Table, column: str, zone: str) -> datetime | None:
    found = _extreme(Rows(table), "min", column, zone)
    if found is None and (rows := count_rows(replace(table, unreadable=()))):
        raise InputError(
            f"no row of {rows} has a time in the column {column!r}",
            slug="bad-window",
            hint="Accepted: timestamps, dates, and text in ISO 8601.",
        )
    return found


def newest_time(rows: Rows, column: str) -> datetime | None:
    """The latest time in a column of a window, None when it holds none.

    Times without a zone are those of the window's zone, else UTC.
    """
    zone = rows.only.zone if isinstance(rows.only, TimeSlice) else "UTC"
    if rows.remote is not None:
        from crisplens.monitors.engines import ibis_engine

        extent = ibis_engine.time_extent(ibis_engine.sliced(rows.remote, rows.only), column, zone)
        return extent[1] if extent else None
    return _extreme(rows, "max", column, zone)


def count_rows(table: Table) -> int:
    """How many rows a table has. Raises `InputError` when one of its files cannot be read."""
    if table.unreadable:
        raise InputError(
            f"the rows of {table.pattern} cannot be counted: {table.unreadable[0].reason}",
            slug="unreadable-file",
            hint="Windows of rows count them over all files.",
        )
    with opened(table, needed=[]) as (connection, relation, _):
        return row_count(connection, relation)


def count_duplicates(rows: Rows, columns: Sequence[str] = ()) -> int:
    """How many rows of a window repeat an earlier one in these columns; in all when none is named."""
    if rows.remote is not None:
        from crisplens.monitors.engines import ibis_engine

        return ibis_engine.count_duplicates(ibis_engine.sliced(rows.remote, rows.only), columns)
    with opened(rows.table, needed=columns or None, only=rows.only) as (connection, relation, found):
        names = ", ".join(quote_name(name) for name in columns or [column.name for column in found])
        (distinct,) = one_row(connection, f"SELECT count(*) FROM (SELECT DISTINCT {names} FROM {relation})")
        return row_count(connection, relation) - int(distinct)


def _extreme(rows: Rows, which: str, column: str, zone: str) -> datetime | None:
    times = Times(column, zone)
    with opened(rows.table, needed=[column], only=rows.only, times=times) as (connection, relation, columns):
        connection.execute(f"SET TimeZone = {quote_text(zone)}")
        value, _ = time_sql(column, columns)
        (found,) = one_row(connection, f"SELECT epoch_us({which}({value})::TIMESTAMPTZ) FROM {relation}")
    return None if found is None else _EPOCH + timedelta(microseconds=found)
