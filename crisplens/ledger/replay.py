"""Replay: the tables as the log tells them, wherever and up to whichever event they are wanted."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Table, create_engine, delete, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from crisplens.core.database import Base, disposing
from crisplens.core.errors import RegistryError
from crisplens.core.sqlite import use_explicit_transactions
from crisplens.ledger.model import UnknownEvent, decode
from crisplens.ledger.projection import apply
from crisplens.ledger.tables import LEDGER_TABLES, LedgerEvent
from crisplens.ledger.verdict import STREAM_ROWS, Progress

UPGRADE_HINT = (
    "If a newer crisplens recorded it: pip install --upgrade crisplens.\n"
    "If none did, someone changed the log: crisplens audit verify"
)


class ReplayError(RegistryError):
    """An event that cannot be applied to the tables that the ones before it left."""

    def __init__(self, seq: int, error: Exception) -> None:
        self.seq, self.reason = seq, first_line(error)
        unknown = isinstance(error, UnknownEvent)
        super().__init__(
            f"event {seq} cannot be replayed: {self.reason}",
            slug="unknown-event" if unknown else "ledger-damaged",
            hint=UPGRADE_HINT if unknown else "Run `crisplens audit verify` to see what was changed.",
        )


def projected_tables() -> list[Table]:
    """Every table that events fill, by name. Every area's projection must have been imported."""
    return [table for name, table in sorted(Base.metadata.tables.items()) if name not in LEDGER_TABLES]


@contextmanager
def scratch_database() -> Iterator[Session]:
    """Empty projected tables on the side: a private SQLite database that spills to disk and goes when closed."""
    connect = partial(sqlite3.connect, "", check_same_thread=False)
    engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool)
    use_explicit_transactions(engine)
    with disposing(engine), Session(engine) as scratch:
        Base.metadata.create_all(scratch.connection(), tables=projected_tables())
        yield scratch


def replay(texts: Iterable[str], into: Session, progress: Progress | None = None, *, start: int = 0) -> int:
    """Apply entries, in the log's order from event `start` on, to the tables of `into`; returns how many.

    Raises `ReplayError` at the first that cannot be applied.
    """
    count = 0
    try:
        for count, text in enumerate(texts, start=1):
            try:
                apply(into, decode(text))
            # Whatever a forged event makes a projection raise says that the event is none of ours.
            except Exception as error:
                raise ReplayError(start + count - 1, error) from error
            if progress and count % STREAM_ROWS == 0:
                progress("replaying events", start + count)
    finally:
        if isinstance(texts, Generator):
            # Its rows are of a connection that may be closed before it is collected.
            texts.close()
    return count


def log_texts(
    session: Session, *, start: int = 0, size: int | None = None, project: str | None = None
) -> Iterator[str]:
    """The log's entries in order from event `start` on, as far as its first `size` go.

    With a `project` only those of it and of the registry.
    """
    query = select(LedgerEvent.envelope).where(LedgerEvent.seq >= start).order_by(LedgerEvent.seq)
    if size is not None:
        query = query.where(LedgerEvent.seq < size)
    if project is not None:
        query = query.where((LedgerEvent.project == project) | LedgerEvent.project.is_(None))
    with session.scalars(query.execution_options(yield_per=STREAM_ROWS)) as texts:
        yield from texts


def rebuild(session: Session, progress: Progress | None = None) -> int:
    """Empty every projected table and fill it again from the log; returns the number of events."""
    for table in projected_tables():
        session.execute(delete(table))
    return replay(log_texts(session), session, progress)


def first_line(error: Exception) -> str:
    """What an error says, on one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
