"""The database: engines, transactions and the declarative base; nothing about what is kept."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, MetaData, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm import DeclarativeBase, Session

from crisplens.core.errors import InputError, RegistryError
from crisplens.core.forking import forked, living
from crisplens.core.postgresql import open_server
from crisplens.core.sqlite import BUSY_SECONDS, is_written_by_this_thread, open_file

JOURNAL_TRIES = 50
_BUSY = f"someone else has been writing for {BUSY_SECONDS} seconds"
# The databases' own words for these lead nobody to the cause.
_CAUSES = {
    "SQLITE_FULL": "no space is left on its disk",
    "SQLITE_IOERR_SHMSIZE": "no space is left on its disk, and reading needs a little too",
    "SQLITE_IOERR_WRITE": "its disk takes no more: it is full, a quota or limit is used up, or it is broken",
    "SQLITE_BUSY": _BUSY,
    "55P03": _BUSY,
}
# Sessions whose transactions write to a server, and who began them.
_WRITING: weakref.WeakKeyDictionary[Session, tuple[int, int, URL]] = weakref.WeakKeyDictionary()


class OutcomeUnknown(RegistryError):
    """The connection broke while a transaction was being committed: it may have been, or not."""

    nothing_changed = False


class Base(DeclarativeBase):
    """Base of every table. Constraints are named so that migrations can refer to them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def open_engine(url: str, *, folder: Path | None = None, create: bool = False) -> Engine:
    """An engine for `url` (SQLite or PostgreSQL); relative SQLite paths start at `folder`.

    Raises `RegistryError` when the URL cannot be used or a SQLite file is missing (unless `create`), and when
    connecting what is not a database.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise RegistryError(
            "the registry's URL cannot be read",
            slug="bad-registry-url",
            hint="Use sqlite:///path/registry.db or postgresql://user@host/name.",
        ) from None
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed.database, folder or Path.cwd(), create=create)
    return open_server(parsed)


@contextmanager
def disposing(engine: Engine) -> Iterator[Engine]:
    """The engine, whose connections are closed at the end."""
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def write_session(
    engine: Engine,
    *,
    lock: Callable[[Connection], None] | None = None,
    finish: Callable[[Session], None] | None = None,
) -> Iterator[Session]:
    """A session whose transaction may write: committed once at the end, rolled back on any error.

    The transaction begins with the session's first statement and not before. Then `lock` is called, except on
    SQLite, where beginning to write locks; `finish` is called before the commit. Raises `InputError` when this
    thread is writing to the database already: it would wait for itself.
    """
    with translated_errors(), Session(_writing(engine)) as session:
        _check_own_thread(engine, session)
        if lock and engine.dialect.name != "sqlite":
            event.listen(session, "after_begin", lambda session, transaction, connection: lock(connection))
        with session.begin():
            yield session
            if finish:
                finish(session)
            session.flush()
            with _telling_what_is_unknown():
                session.commit()


def _check_own_thread(engine: Engine, session: Session) -> None:
    if engine.dialect.name == "sqlite":
        waits = is_written_by_this_thread(engine)
    else:
        me = (threading.get_ident(), os.getpid(), engine.url)
        waits = any(_WRITING.get(one) == me and one.in_transaction() for one in living(_WRITING.keyrefs()))
        event.listen(
            session, "after_begin", lambda session, transaction, connection: _WRITING.update({session: me})
        )
    if waits:
        raise InputError(
            "this thread has a transaction open on the registry, and would wait for itself",
            slug="nested-transaction",
            hint="Give the command to what `with registry.transaction() as ...` names, or give it after the `with`.",
        )


@contextmanager
def _telling_what_is_unknown() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise OutcomeUnknown(
            "the connection broke while this was being committed: it may be recorded, or not",
            slug="registry-failed",
            hint="Look before you do it again: crisplens audit log --last 3",
        ) from error


@lru_cache(maxsize=16)
def _writing(engine: Engine) -> Engine:
    return engine.execution_options(sqlite_begin="IMMEDIATE")


@contextmanager
def read_session(engine: Engine) -> Iterator[Session]:
    """A session for reading one consistent state."""
    options: dict[str, Any] = {}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with translated_errors(), Session(engine.execution_options(**options)) as session:
        yield session


def _sqlite_engine(database: str | None, folder: Path, *, create: bool) -> Engine:
    if not database or database == ":memory:":
        raise RegistryError(
            "a registry in memory would be lost at once",
            slug="bad-registry-url",
            hint="Name a file: sqlite:///.crisplens/registry.db.",
        )
    return open_file(folder / database, create=create)


def keep_write_ahead_log(engine: Engine) -> None:
    """Let readers and a writer work at once on SQLite, for good: the file remembers its journal's mode.

    Where the file system cannot, or others keep the database busy, the mode stays. https://www.sqlite.org/wal.html
    """
    if engine.dialect.name != "sqlite":
        return
    with translated_errors(), closing(engine.raw_connection()) as connection:
        for _ in range(JOURNAL_TRIES):
            try:
                connection.cursor().execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:
                # Others use the database; SQLite does not wait for them here.
                time.sleep(BUSY_SECONDS / 600)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what the database refuses into our error; the transaction has been rolled back by then."""
    process = os.getpid()
    try:
        yield
    except NoConnectionFree as error:
        raise RegistryError(
            "all connections to the registry's database are in use",
            slug="registry-failed",
            hint="Nothing was changed. Use fewer threads at once, or end the transactions that are open.",
        ) from error
    except DBAPIError as error:
        if os.getpid() != process:
            raise forked() from error
        reason = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
        if cause := _CAUSES.get(
            getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or ""
        ):
            reason = f"{reason} ({cause})"
        raise RegistryError(
            f"the registry's database refused: {reason}",
            slug="registry-failed",
            hint="Nothing was changed. Check that the database can be reached and written, then run it again.",
        ) from error
