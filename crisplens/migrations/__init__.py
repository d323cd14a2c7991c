"""The database schema's versions, shipped with the package and run by `crisplens db upgrade`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec

from crisplens.core.errors import RegistryError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from crisplens.ledger.verdict import Progress

# The newest revision in `versions/`; a test holds that Alembic says the same.
HEAD = "0005"
# Alembic keeps the migration at hand in globals.
_ALEMBIC = threading.Lock()


class SchemaStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The schema version of a registry's database (None when it has none) and the one this release needs."""

    revision: str | None
    head: str
    current: bool


class Upgraded(SchemaStatus, frozen=True, kw_only=True):
    """The schema after an upgrade: the revision `before` it, and how many events the tables were told anew from."""

    before: str | None
    replayed: int


def read_status(connection: Connection) -> SchemaStatus:
    """The schema version of a database; cheap, and without Alembic."""
    from sqlalchemy import inspect, text

    revision = None
    if inspect(connection).has_table("alembic_version"):
        # One row, unless someone added others.
        found = connection.scalars(text("SELECT version_num FROM alembic_version ORDER BY version_num")).all()
        revision = " and ".join(map(str, found)) if found else None
    return SchemaStatus(revision=revision, head=HEAD, current=revision == HEAD)


def check_known(connection: Connection) -> SchemaStatus:
    """The schema version of a registry of this release or an older one. Raises `RegistryError` for any other."""
    status = read_status(connection)
    if status.revision is None:
        raise RegistryError(
            "the database is not a registry: it holds no crisplens schema",
            slug="not-a-registry",
            hint="Make it one with `crisplens db upgrade`, if it is meant to be.",
        )
    if not status.current and status.revision not in known_revisions():
        raise RegistryError(
            f"the registry's schema ({status.revision}) is newer than this crisplens knows ({HEAD})",
            slug="schema-too-new",
            hint="Upgrade crisplens: pip install --upgrade crisplens.",
        )
    return status


def check_schema(connection: Connection) -> None:
    """Raise `RegistryError`, naming the command to run, unless the database has this release's schema."""
    status = check_known(connection)
    if not status.current:
        back_up = "crisplens registry backup FILE" if connection.dialect.name == "sqlite" else "pg_dump"
        raise RegistryError(
            f"the registry's schema ({status.revision}) is older than this crisplens needs ({HEAD})",
            slug="schema-too-old",
            hint=f"Back it up ({back_up}), then run `crisplens db upgrade`.",
        )


def known_revisions() -> frozenset[str]:
    """The revisions that this release can upgrade from."""
    from importlib.resources import files

    names = (path.name for path in files("crisplens.migrations").joinpath("versions").iterdir())
    return frozenset(name.split("_")[0] for name in names if name[0].isdigit())


def upgrade(engine: Engine, revision: str = "head", progress: Progress | None = None) -> Upgraded:
    """Bring the database's schema to this release's, in one transaction, while nobody else writes.

    Events stay as they are; the tables are filled anew from them. Raises `RegistryError` when the schema is a newer
    release's, or the log cannot be replayed; the database is as before then.
    """
    from alembic import command
    from alembic.config import Config

    from crisplens.core.database import keep_write_ahead_log, translated_errors

    writing = engine.execution_options(sqlite_begin="IMMEDIATE")
    with translated_errors(), writing.begin() as connection:
        _wait_for_others(connection)
        before = read_status(connection).revision
        if before is not None:
            check_known(connection)
        config = Config()
        config.set_main_option("script_location", "crisplens:migrations")
        config.attributes["connection"] = connection
        with _ALEMBIC:
            command.upgrade(config, revision)
        status, replayed = read_status(connection), 0
        if status.current and before not in (None, HEAD):
            replayed = _tell_again(connection, progress)
    keep_write_ahead_log(engine)
    return Upgraded(**msgspec.structs.asdict(status), before=before, replayed=replayed)


def _wait_for_others(connection: Connection) -> None:
    """Keep upgrades and writers out until the transaction ends; on SQLite its beginning did."""
    from sqlalchemy import inspect, text

    if connection.dialect.name != "sqlite":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('crisplens upgrade'))"))
        if inspect(connection).has_table("ledger_head"):
            connection.execute(text("SELECT id FROM ledger_head FOR UPDATE"))


def _tell_again(connection: Connection, progress: Progress | None) -> int:
    """Fill the tables anew from the log, so that they say what this release makes of the old events."""
    from sqlalchemy.orm import Session

    import crisplens.areas  # noqa: F401  (registers every projection)
    from crisplens.ledger.replay import rebuild

    with Session(connection, join_transaction_mode="create_savepoint") as session, session.begin():
        return rebuild(session, progress)
