"""SQLite: opening its file, staying with it, and waiting for its lock."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
import weakref
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.pool import NullPool

from crisplens.core.errors import RegistryError
from crisplens.core.forking import forked, living, note_engine, open_engines

# The smallest page that SQLite writes; it takes less for an empty database. https://www.sqlite.org/fileformat.html
LEAST_BYTES = 512
BUSY_SECONDS = 60
HEED_SECONDS = 0.5


def open_file(file: Path, *, create: bool = False) -> Engine:
    """An engine for the SQLite database in `file`.

    Raises `RegistryError` when the file is missing (unless `create`), and when connecting what is not a database.
    With `create`, its folder must be there.
    """
    # SQLite takes an empty file for an empty database, such as an interrupted start leaves.
    if not create or (file.exists() and file.stat().st_size):
        _check_sqlite_file(file)
    url = _sqlite_url(file)
    options: dict[str, Any] = {"timeout": BUSY_SECONDS}
    if url.query:
        engine = create_engine(url, poolclass=NullPool, connect_args=options)
        _look_again(engine, file)
    else:
        options["factory"] = partial(_connect, file.resolve(), create)
        # As many connections as threads: who waits for a writer must not keep others from reading.
        engine = create_engine(url, max_overflow=-1, connect_args=options)
        _stay_with_file(engine, file.resolve())
        _end_what_was_interrupted(engine)
        note_engine(engine)
    use_explicit_transactions(engine)
    return engine


_CONNECTIONS: weakref.WeakValueDictionary[int, _Connection] = weakref.WeakValueDictionary()


class _Connection(sqlite3.Connection):
    """A connection that is of use in the process that opened it, and while the file is where it was.

    What SQLite knows of its locks is wrong in a forked process, and the log beside a file that was moved is not
    that of the next one in its place. https://www.sqlite.org/howtocorrupt.html (2.2, 2.4, 2.6)
    """

    def __init__(self, file: Path, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.file, self.process, self.identity = file, os.getpid(), _identity(file)
        self.log = file.with_name(f"{file.name}-wal")
        self.log_identity: tuple[int, int] | None = None
        self.writer: int | None = None
        self.patience: float = BUSY_SECONDS
        _CONNECTIONS[id(self)] = self

    def cursor(self, *args: Any, **options: Any) -> Any:
        if self.process != os.getpid():
            raise sqlite3.ProgrammingError("a connection of the parent process")
        return super().cursor(*args, **options)

    def rollback(self) -> None:
        # A forked process has nothing to take back: the transaction is another's.
        if self.process == os.getpid():
            super().rollback()

    def close(self) -> None:
        if self.process == os.getpid():
            super().close()
            _CONNECTIONS.pop(id(self), None)

    def check_process(self) -> None:
        """Raise `RegistryError` in a process that was forked while this was in use."""
        if self.process != os.getpid():
            raise forked()

    def check_place(self) -> None:
        """Raise `RegistryError` when the file is no longer where it was opened."""
        if _identity(self.file) != self.identity:
            raise RegistryError(
                f"the registry {self.file} was moved, deleted or replaced while it was open",
                slug="registry-failed",
                hint=f"Nothing was changed. What was recorded last may be in {self.file.name}-wal: keep both together "
                "and put them back, or close the registry and open the one that is there now.",
            )
        if self.has_lost_log():
            raise RegistryError(
                f"{self.log.name} was deleted or replaced while the registry was open",
                slug="registry-failed",
                hint="Nothing was changed. A process that reads or copies a registry's file while it has it open loses "
                "its locks. Close the registry, open it again, and make copies with `crisplens registry backup`.",
            )

    def has_lost_log(self) -> bool:
        """Whether the write-ahead log is another one than this reads and writes: it held no lock on the file then."""
        now = _identity(self.log)
        self.log_identity = self.log_identity or now
        return now != self.log_identity


def _connect(file: Path, create: bool, *given: Any, **options: Any) -> _Connection:
    """Connect to a file, unless others of this process are connected to what was there before."""
    before = _identity(file)
    if before is None and not create:
        _check_sqlite_file(file)
    for other in [one for one in living(_CONNECTIONS.valuerefs()) if one.file == file]:
        other.check_process()
        if other.identity == before or other.log.exists():
            other.check_place()
    opened = _Connection(file, *given, **options)
    if before in (None, opened.identity):
        return opened
    # It was replaced meanwhile, or is another one once it is open for writing, as in a container's layers.
    opened.close()
    return _Connection(file, *given, **options)


def is_written_by_this_thread(engine: Engine) -> bool:
    """Whether this thread has a transaction open that writes to the engine's file, by whatever engine."""
    me = (threading.get_ident(), os.getpid())
    return any(
        (one.writer, one.process) == me and one.in_transaction and one.file == _real_file(engine)
        for one in living(_CONNECTIONS.valuerefs())
    )


def _real_file(engine: Engine) -> Path | None:
    file = sqlite_file(engine)
    return file and file.resolve()


def sqlite_file(engine: Engine) -> Path | None:
    """The file of a SQLite engine's database; None for other databases."""
    if engine.dialect.name != "sqlite":
        return None
    database = str(engine.url.database)
    return Path(unquote(urlsplit(database).path) if database.startswith("file:") else database)


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _stay_with_file(engine: Engine, file: Path) -> None:
    @event.listens_for(engine, "checkout")
    def on_checkout(connection: _Connection, *_: object) -> None:
        connection.writer = None
        if _identity(file) == connection.identity and connection.has_lost_log():
            # What was recorded is in the file: who deletes a log has taken it over. The locks of this process are
            # right again once all of its connections to the file are closed.
            _close_what_is_idle(file)
            raise DisconnectionError

    @event.listens_for(engine, "begin")
    @event.listens_for(engine, "commit")
    def on_transaction(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert isinstance(driver, _Connection)
        driver.check_process()
        driver.check_place()


def _end_what_was_interrupted(engine: Engine) -> None:
    # An interruption in the moment before a commit leaves the transaction open, and SQLAlchemy thinks it ended.
    @event.listens_for(engine, "checkin")
    def on_checkin(connection: sqlite3.Connection | None, _record: object) -> None:
        # Nothing is open in what is closed.
        with suppress(sqlite3.Error):
            if connection is not None and connection.in_transaction:
                connection.rollback()


def _close_what_is_idle(file: Path) -> None:
    for engine in open_engines():
        if _real_file(engine) == file:
            engine.pool.dispose()


def _look_again(engine: Engine, file: Path) -> None:
    # A folder that this user cannot write may be written by others, whom each new connection must see.
    @event.listens_for(engine, "do_connect")
    def on_connect(dialect: Dialect, _record: object, given: list[Any], options: dict[str, Any]) -> None:
        given[:], more = dialect.create_connect_args(_sqlite_url(file))
        options.update(more)


def _sqlite_url(file: Path) -> URL:
    # Reading a write-ahead log needs an index of it beside it. Where none can be made, nobody writes either, and
    # SQLite must be told so. https://www.sqlite.org/wal.html#read_only_databases
    # Both are beside the file itself, wherever links to it are.
    real = file.resolve()
    log, index = (real.with_name(f"{real.name}-{part}") for part in ("wal", "shm"))
    if not file.exists() or os.access(real.parent, os.W_OK) or (log.exists() and index.exists()):
        return URL.create("sqlite", database=str(file))
    if log.exists() and log.stat().st_size:
        raise RegistryError(
            f"the registry's newest events are in {log.name}, which cannot be read in a read-only folder",
            slug="registry-failed",
            hint=f"Copy {file.name} and {log.name} to a folder that you can write, and open the copy.",
        )
    return URL.create("sqlite", database=file.absolute().as_uri(), query={"immutable": "1", "uri": "true"})


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
    def on_begin(connection: Connection) -> None:
        if connection.get_execution_options().get("sqlite_begin") == "IMMEDIATE":
            _begin_to_write(connection)
        else:
            _set_patience(connection.connection.driver_connection, BUSY_SECONDS)
            connection.exec_driver_sql("BEGIN DEFERRED")


def _begin_to_write(connection: Connection) -> None:
    # SQLite heeds no Ctrl-C while it waits, so it waits a little at a time.
    driver = connection.connection.driver_connection
    until = time.monotonic() + BUSY_SECONDS
    _set_patience(driver, min(HEED_SECONDS, BUSY_SECONDS))
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            break
        except OperationalError as error:
            code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
            if code != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
    if isinstance(driver, _Connection):
        driver.writer = threading.get_ident()
        if driver.log_identity is None:
            # With a write-ahead log who writes waits for nobody any more; otherwise a commit waits for readers.
            _set_patience(driver, BUSY_SECONDS)


def _set_patience(connection: Any, seconds: float) -> None:
    if isinstance(connection, _Connection) and connection.patience != seconds:
        connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")
        connection.patience = seconds


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
