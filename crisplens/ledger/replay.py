"""Replay: are the tables what the log says? It is replayed on the side and compared row by row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Table, Text, create_engine, func, literal_column, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from crisplens.core.database import Base, use_explicit_transactions
from crisplens.ledger.model import decode
from crisplens.ledger.projection import apply
from crisplens.ledger.tables import LEDGER_TABLES, LedgerEvent
from crisplens.ledger.verdict import STREAM_ROWS, Findings, Progress, Verdict


def verify_projection(session: Session, progress: Progress | None = None) -> Verdict:
    """Replay the log into an empty database on the side and compare every table, row by row.

    Every area's projection must be imported before.
    """
    findings = Findings()
    tables = [table for name, table in sorted(Base.metadata.tables.items()) if name not in LEDGER_TABLES]
    # SQLite's unnamed database: private, spills to disk when it grows, gone when closed.
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(""), poolclass=StaticPool)
    use_explicit_transactions(engine)
    with Session(engine) as scratch:
        Base.metadata.create_all(scratch.connection(), tables=tables)
        replayed = _replay(session, scratch, findings, progress)
        # What cannot be replayed to its end would only be told once more, row by row.
        compared = [] if findings.count else tables
        rows = sum(_compare(table, session, scratch, findings) for table in compared)
    engine.dispose()
    return findings.verdict("projection", f"{rows} rows in {len(tables)} tables against {replayed} events")


def _replay(session: Session, scratch: Session, findings: Findings, progress: Progress | None) -> int:
    query = select(LedgerEvent.envelope).order_by(LedgerEvent.seq).execution_options(yield_per=STREAM_ROWS)
    count = 0
    with session.scalars(query) as texts:
        for count, text in enumerate(texts, start=1):
            try:
                apply(scratch, decode(text))
            # Whatever a forged event makes a projection raise is a finding, not a crash.
            except Exception as error:
                findings.add(f"event {count - 1}", f"cannot be replayed: {_first_line(error)}")
                return count - 1
            if progress and count % STREAM_ROWS == 0:
                progress("replaying events", count)
    return count


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _compare(table: Table, session: Session, scratch: Session, findings: Findings) -> int:
    """Walk both copies of a table in primary-key order and note every difference. Returns rows seen."""
    names = [column.name for column in table.columns]
    keys = [names.index(column.name) for column in table.primary_key]
    actual, replayed = _rows(table, session), _rows(table, scratch)
    row, twin, count = next(actual, None), next(replayed, None), 0
    while row is not None or twin is not None:
        count += 1
        key = tuple(row[i] for i in keys) if row is not None else None
        twin_key = tuple(twin[i] for i in keys) if twin is not None else None
        if twin_key is None or (key is not None and _sortable(key) < _sortable(twin_key)):
            findings.add(f"{table.name} {_label(key)}", "no event made this row")
            row = next(actual, None)
        elif key is None or _sortable(key) > _sortable(twin_key):
            findings.add(f"{table.name} {_label(twin_key)}", "the row is gone or its key was changed")
            twin = next(replayed, None)
        else:
            for name, value, expected in zip(names, row or (), twin or (), strict=True):
                if value != expected:
                    findings.add(
                        f"{table.name} {_label(key)}",
                        f"{name} is {value!r:.80}, the ledger says {expected!r:.80}",
                    )
            row, twin = next(actual, None), next(replayed, None)
    return count


def _rows(table: Table, session: Session) -> Iterator[Sequence[Any]]:
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


def _label(key: tuple[Any, ...] | None) -> str:
    return "/".join(str(part) for part in key or ())
