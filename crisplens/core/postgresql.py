"""PostgreSQL: opening a server's database, and how long it is waited for."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import NoSuchModuleError

from crisplens.core.errors import RegistryError
from crisplens.core.forking import note_engine, note_socket
from crisplens.core.sqlite import BUSY_SECONDS

CONNECT_SECONDS = 10
# A network that swallows everything is noticed after a minute, and not when the system gives up, in hours.
_OPTIONS = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


def open_server(url: URL) -> Engine:
    """An engine for the database at `url`. Raises `RegistryError` when this installation has no driver for it."""
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    try:
        # A connection that the server dropped meanwhile is replaced before it is used.
        options = {name: value for name, value in _OPTIONS.items() if name not in url.query}
        engine = create_engine(url, pool_pre_ping=True, connect_args=options)
    except (NoSuchModuleError, ModuleNotFoundError):
        raise RegistryError(
            f"registries on {url.get_backend_name()} cannot be opened here",
            slug="bad-registry-url",
            hint="SQLite works as installed; for PostgreSQL: pip install 'crisplens[postgres]'.",
        ) from None
    _wait_as_long_as_sqlite(engine)
    _end_what_was_interrupted(engine)
    note_engine(engine)
    return engine


def _wait_as_long_as_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        note_socket(connection)
        connection.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
        connection.commit()


def _end_what_was_interrupted(engine: Engine) -> None:
    # An interruption in the moment before a commit leaves the transaction open, and SQLAlchemy thinks it ended.
    @event.listens_for(engine, "checkin")
    def on_checkin(connection: Any, _record: object) -> None:
        # A server that does not answer ends it itself.
        with suppress(engine.dialect.loaded_dbapi.Error):
            if connection is not None and not connection.closed and connection.info.transaction_status != 0:
                connection.rollback()
