"""The past: the tables as they were at a point of the log, in private databases on the side."""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import RLock
from typing import cast

from sqlalchemy.orm import Session

from crisplens.core import clock
from crisplens.core.clock import to_text
from crisplens.core.database import translated_errors
from crisplens.core.errors import InputError
from crisplens.ledger.points import Point
from crisplens.ledger.replay import log_texts, replay, scratch_database
from crisplens.ledger.verdict import Progress

# What time it is for queries that ask: RFC 3339, in a session's `info`; without it the clock says.
NOW = "crisplens.now"


def time_of(session: Session) -> str:
    """The time that a session's reads are of: the point's, or the clock's (RFC 3339, UTC)."""
    return session.info.get(NOW) or to_text(clock.now())


class Past:
    """The tables as of `point`: replayed from the log when they are first read, and kept until closed."""

    def __init__(self, point: Point, read_log: Callable[[], AbstractContextManager[Session]]) -> None:
        self.point = point
        self._read_log = read_log
        self._lock = RLock()
        self._open = ExitStack()
        self._tables: Session | None = None
        self._closes = weakref.finalize(self, self._open.close)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """The session on those tables, for one thread at a time.

        Raises `RegistryError` when the log cannot be replayed; an unknown name is said to have been unknown then.
        """
        with self._lock, translated_errors():
            if self._tables is None:
                self._tables = self._replayed()
            try:
                yield self._tables
            except InputError as error:
                if error.slug != "unknown-name":
                    raise
                said = f"{error.message} as of {self.point}"
                raise InputError(said, slug=error.slug, hint=error.hint) from None

    def close(self) -> None:
        """Forget the tables; reading them again replays the log again."""
        with self._lock:
            self._tables = None
            self._open.close()

    def _replayed(self) -> Session:
        with ExitStack() as opening:
            tables = opening.enter_context(scratch_database())
            with self._read_log() as session:
                replay(log_texts(session, size=self.point.size), tables)
            self._open.enter_context(opening.pop_all())
        tables.info[NOW] = self.point.at
        return tables


@contextmanager
def tables_at(
    session: Session,
    first: Point,
    second: Point,
    progress: Progress | None = None,
    *,
    watch: Callable[[Iterable[str]], Iterable[str]] = iter,
) -> Iterator[tuple[Session, Session]]:
    """The tables at two points of one log, the earlier first; each event is replayed once.

    The entries from the first point to the second go through `watch`. Raises `RegistryError` when one cannot be
    replayed.
    """
    with scratch_database() as before, scratch_database() as after:
        replay(log_texts(session, size=first.size), before, progress)
        _copy(before, after)
        between = log_texts(session, start=first.size, size=second.size)
        replay(watch(between), after, progress, start=first.size)
        before.info[NOW], after.info[NOW] = first.at, second.at
        yield before, after


def _copy(source: Session, target: Session) -> None:
    # SQLite copies pages, and needs both ends between transactions.
    from_, to = (_sqlite_connection(session) for session in (source, target))
    from_.backup(to)


def _sqlite_connection(session: Session) -> sqlite3.Connection:
    connection = cast(sqlite3.Connection, session.connection().connection.driver_connection)
    session.commit()
    return connection
