"""The database: engines, transactions and the declarative base; nothing about what is kept."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL, Connection, Dialect, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import NullPool

from crisplens.core.errors import RegistryError

# The smallest page that SQLite writes; it takes less for an empty database. https://www.sqlite.org/fileformat.html
LEAST_BYTES = 512
BUSY_SECONDS = 60
JOURNAL_TRIES = 50
CONNECT_SECONDS = 10
# A network that swallows everything is noticed after a minute, and not when the system gives up, in hours.
_POSTGRESQL_OPTIONS = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
# SQLite's own words for these lead nobody to the cause.
_SQLITE_CAUSES = {
    "SQLITE_FULL": "no space is left on its disk",
    "SQLITE_IOERR_SHMSIZE": "no space is left on its disk, and reading needs a little too",
    "SQLITE_IOERR_WRITE": "its disk takes no more: it is full, a quota or limit is used up, or it is broken",
    "SQLITE_BUSY": f"someone else has been writing for {BUSY_SECONDS} seconds",
}


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
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    try:
        # A connection that the server dropped meanwhile is replaced before it is used.
        options = {name: value for name, value in _POSTGRESQL_OPTIONS.items() if name not in parsed.query}
        return create_engine(parsed, pool_pre_ping=True, connect_args=options)
    except (NoSuchModuleError, ModuleNotFoundError):
        raise RegistryError(
            f"registries on {parsed.get_backend_name()} cannot be opened here",
            slug="bad-registry-url",
            hint="SQLite works as installed; for PostgreSQL: pip install 'crisplens[postgres]'.",
        ) from None


@contextmanager
def write_session(
    engine: Engine,
    *,
    lock: Callable[[Connection], None] | None = None,
    finish: Callable[[Session], None] | None = None,
) -> Iterator[Session]:
    """A session whose transaction may write: committed once at the end, rolled back on any error.

    The transaction begins with the session's first statement and not before. Then `lock` is called, except on
    SQLite, where beginning to write locks; `finish` is called before the commit.
    """
    with translated_errors(), Session(_writing(engine)) as session:
        if lock and engine.dialect.name != "sqlite":
            event.listen(session, "after_begin", lambda session, transaction, connection: lock(connection))
        with session.begin():
            yield session
            if finish:
                finish(session)
            session.flush()
            with _telling_what_is_unknown():
                session.commit()


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


def open_file(file: Path, *, create: bool = False) -> Engine:
    """An engine for the SQLite database in `file`.

    Raises `RegistryError` when the file is missing (unless `create`), and when connecting what is not a database.
    With `create`, its folder must be there.
    """
    # SQLite takes an empty file for an empty database, such as an interrupted start leaves.
    if not create or (file.exists() and file.stat().st_size):
        _check_sqlite_file(file)
    url = _sqlite_url(file)
    pool = NullPool if url.query else None
    engine = create_engine(url, poolclass=pool, connect_args={"timeout": BUSY_SECONDS})
    if pool is not None:
        _look_again(engine, file)
    use_explicit_transactions(engine)
    return engine


def sqlite_file(engine: Engine) -> Path | None:
    """The file of a SQLite engine's database; None for other databases."""
    if engine.dialect.name != "sqlite":
        return None
    database = str(engine.url.database)
    return Path(unquote(urlsplit(database).path) if database.startswith("file:") else database)


def _sqlite_engine(database: str | None, folder: Path, *, create: bool) -> Engine:
    if not database or database == ":memory:":
        raise RegistryError(
            "a registry in memory would be lost at once",
            slug="bad-registry-url",
            hint="Name a file: sqlite:///.crisplens/registry.db.",
        )
    return open_file(folder / database, create=create)


def _look_again(engine: Engine, file: Path) -> None:
    # A folder that this user cannot write may be written by others, whom each new connection must see.
    @event.listens_for(engine, "do_connect")
    def on_connect(dialect: Dialect, _record: object, given: list[Any], options: dict[str, Any]) -> None:
        given[:], more = dialect.create_connect_args(_sqlite_url(file))
        options.update(more)


def _sqlite_url(file: Path) -> URL:
    # Reading a write-ahead log needs an index of it beside it. Where none can be made, nobody writes either, and
    # SQLite must be told so. https://www.sqlite.org/wal.html#read_only_databases
    log, index = (file.with_name(f"{file.name}-{part}") for part in ("wal", "shm"))
    if not file.exists() or os.access(file.parent, os.W_OK) or (log.exists() and index.exists()):
        return URL.create("sqlite", database=str(file))
    if log.exists() and log.stat().st_size:
        raise RegistryError(
            f"the registry's newest events are in {log.name}, which cannot be read in a read-only folder",
            slug="registry-failed",
            hint=f"Copy {file.name} and {log.name} to a folder that you can write, and open the copy.",
        )
    return URL.create("sqlite", database=file.absolute().as_uri(), query={"immutable": "1", "uri": "true"})


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


def use_explicit_transactions(engine: Engine) -> None:
    """Let SQLAlchemy, not the sqlite3 module, begin transactions: writers need BEGIN IMMEDIATE.

    Two writers that begin deferred and then both upgrade to writing cannot wait for each other:
    one fails at once with "database is locked".
    """

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")
        try:
            # The first to read the file.
            connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
                raise
            raise _no_database(sqlite_file(engine)) from None

    @event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(
            f"BEGIN {connection.get_execution_options().get('sqlite_begin', 'DEFERRED')}"
        )


def _check_sqlite_file(file: Path) -> None:
    # Looked at, never opened: closing a file gives up all the locks that this process holds on it, so that others
    # take away what its open connections work with. https://www.sqlite.org/howtocorrupt.html (2.2)
    try:
        status = file.stat()
    except FileNotFoundError:
        raise RegistryError(
            f"there is no registry at {file}",
            slug="no-registry",
            hint="Create one here with `crisplens init`, or name another with --registry or CRISPLENS_REGISTRY.",
        ) from None
    except OSError as error:
        raise _unreadable(file, error.strerror) from None
    if stat.S_ISDIR(status.st_mode):
        raise _unreadable(file, "it is a folder")
    if not os.access(file, os.R_OK):
        raise _unreadable(file, "permission denied")
    if status.st_size < LEAST_BYTES:
        raise _no_database(file)


def _unreadable(file: Path, why: str | None) -> RegistryError:
    return RegistryError(f"cannot read the registry {file}: {why}", slug="no-registry")


def _no_database(file: object) -> RegistryError:
    return RegistryError(f"{file} is not a registry: it is not a SQLite database", slug="not-a-registry")


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what the database refuses into our error; the transaction has been rolled back by then."""
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
        if cause := _SQLITE_CAUSES.get(getattr(error.orig, "sqlite_errorname", "")):
            reason = f"{reason} ({cause})"
        raise RegistryError(
            f"the registry's database refused: {reason}",
            slug="registry-failed",
            hint="Nothing was changed. Check that the database can be reached and written, then run it again.",
        ) from error
