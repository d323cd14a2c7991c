"""Rows of projected tables as two databases have them, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Table, Text, func, literal_column, select
from sqlalchemy.orm import Session

from crisplens.ledger.verdict import STREAM_ROWS

Row = Sequence[Any]


def paired_rows(table: Table, left: Session, right: Session) -> Iterator[tuple[Row | None, Row | None]]:
    """Every row of either copy of a table with its twin of the same primary key, or None, in key order."""
    names = [column.name for column in table.columns]
    keys = [names.index(column.name) for column in table.primary_key]

    def place(row: Row) -> tuple[tuple[int, Any], ...]:
        return _sortable(tuple(row[i] for i in keys))

    ours, theirs = _rows(table, left), _rows(table, right)
    row, twin = next(ours, None), next(theirs, None)
    while row is not None or twin is not None:
        if twin is None or (row is not None and place(row) < place(twin)):
            yield row, None
            row = next(ours, None)
        elif row is None or place(row) > place(twin):
            yield None, twin
            twin = next(theirs, None)
        else:
            yield row, twin
            row, twin = next(ours, None), next(theirs, None)


def _rows(table: Table, session: Session) -> Iterator[Row]:
    """Rows as the driver gives them (no conversion that could hide a change), in bytewise key order."""
    quote = session.connection().dialect.identifier_preparer.quote
    order = [
        func.coalesce(literal_column(quote(column.name)), "").collate("C")
        if session.connection().dialect.name == "postgresql" and isinstance(column.type, Text)
        else literal_column(quote(column.name))
        for column in table.primary_key
    ]
    columns: list[Any] = [literal_column(quote(column.name)) for column in table.columns]
    query = select(*columns).select_from(table).order_by(*order).execution_options(yield_per=STREAM_ROWS)
    yield from session.execute(query)


def _sortable(key: tuple[Any, ...]) -> tuple[tuple[int, Any], ...]:
    """A key in the order of SQLite, which sorts values of any type: numbers, then text, then bytes."""
    return tuple((2 if isinstance(part, bytes) else 1 if isinstance(part, str) else 0, part) for part in key)
