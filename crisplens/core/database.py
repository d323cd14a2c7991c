"""The database: engines, transactions and the declarative base; nothing about what is kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import DeclarativeBase, Session

from crisplens.core.errors import RegistryError

SQLITE_HEADER = b"SQLite format 3\0"
BUSY_SECONDS = 60


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

    Raises `RegistryError` when the URL cannot be used or a SQLite file is missing (unless `create`)
    or is not a database.
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
        return create_engine(parsed)
    except (NoSuchModuleError, ModuleNotFoundError):
        raise RegistryError(
            f"registries on {parsed.get_backend_name()} cannot be opened here",
            slug="bad-registry-url",
            hint="SQLite works as installed; for PostgreSQL: pip install 'crisplens[postgres]'.",
        ) from None


@contextmanager
def write_session(
    engine: Engine, *, lock: Callable[[Connection], None] = lambda connection: None
) -> Iterator[Session]:
    """A session whose transaction may write: committed once at the end, rolled back on any error.

    The transaction begins, and `lock` is called, with the session's first statement and not before.
    """
    bound = engine.execution_options(sqlite_begin="IMMEDIATE")
    with translated_errors(), Session(bound) as session:
        event.listen(session, "after_begin", lambda session, transaction, connection: lock(connection))
        with session.begin():
            yield session


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
    file = folder / database
    if not create or file.exists():
        _check_sqlite_file(file)
    engine = create_engine(URL.create("sqlite", database=str(file)), connect_args={"timeout": BUSY_SECONDS})
    use_explicit_transactions(engine)
    return engine


def use_explicit_transactions(engine: Engine) -> None:
    """Let SQLAlchemy, not the sqlite3 module, begin transactions: writers need BEGIN IMMEDIATE.

    Two writers that begin deferred and then both upgrade to writing cannot wait for each other:
    one fails at once with "database is locked".
    """

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(
            f"BEGIN {connection.get_execution_options().get('sqlite_begin', 'DEFERRED')}"
        )


def _check_sqlite_file(file: Path) -> None:
    try:
        with file.open("rb") as opened:
            header = opened.read(len(SQLITE_HEADER))
    except FileNotFoundError:
        raise RegistryError(
            f"there is no registry at {file}",
            slug="no-registry",
            hint="Create one here with `crisplens init`, or name another with --registry or CRISPLENS_REGISTRY.",
        ) from None
    except OSError as error:
        raise RegistryError(
            f"cannot read the registry {file}: {error.strerror}", slug="no-registry"
        ) from None
    if header != SQLITE_HEADER:
        raise RegistryError(f"{file} is not a registry: it is not a SQLite database", slug="not-a-registry")


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what the database refuses into our error; the transaction has been rolled back by then."""
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
        raise RegistryError(
            f"the registry's database refused: {reason}",
            slug="registry-failed",
            hint="Nothing was changed. Check that the database can be reached and written, then run it again.",
        ) from error
