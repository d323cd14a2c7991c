"""The database schema's versions, shipped with the package and run by `crisplens db upgrade`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from crisplens.core.errors import RegistryError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

# The newest revision in `versions/`; a test holds that Alembic says the same.
HEAD = "0001"


class SchemaStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The schema version of a registry's database (None when it has none) and the one this release needs."""

    revision: str | None
    head: str
    current: bool


def read_status(connection: Connection) -> SchemaStatus:
    """The schema version of a database; cheap, and without Alembic."""
    from sqlalchemy import inspect, text

    revision = None
    if inspect(connection).has_table("alembic_version"):
        # One row, unless someone added others.
        found = connection.scalars(text("SELECT version_num FROM alembic_version ORDER BY version_num")).all()
        revision = " and ".join(map(str, found)) if found else None
    return SchemaStatus(revision=revision, head=HEAD, current=revision == HEAD)


def check_schema(connection: Connection) -> None:
    """Raise `RegistryError`, naming the command to run, unless the database has this release's schema."""
    status = read_status(connection)
    if status.current:
        return
    if status.revision is None:
        raise RegistryError(
            "the database is not a registry: it holds no crisplens schema",
            slug="not-a-registry",
            hint="Make it one with `crisplens db upgrade`, if it is meant to be.",
        )
    if status.revision not in known_revisions():
        raise RegistryError(
            f"the registry's schema ({status.revision}) is newer than this crisplens knows ({HEAD})",
            slug="schema-too-new",
            hint="Upgrade crisplens: pip install --upgrade crisplens.",
        )
    raise RegistryError(
        f"the registry's schema ({status.revision}) is older than this crisplens needs ({HEAD})",
        slug="schema-too-old",
        hint="Back the database up, then run `crisplens db upgrade`.",
    )


def known_revisions() -> frozenset[str]:
    """The revisions that this release can upgrade from."""
    from importlib.resources import files

    names = (path.name for path in files("crisplens.migrations").joinpath("versions").iterdir())
    return frozenset(name.split("_")[0] for name in names if name[0].isdigit())


def upgrade(engine: Engine, revision: str = "head") -> SchemaStatus:
    """Bring the database's schema to this release's, in one transaction."""
    from alembic import command
    from alembic.config import Config

    from crisplens.core.database import translated_errors

    writing = engine.execution_options(sqlite_begin="IMMEDIATE")
    with translated_errors(), writing.begin() as connection:
        status = read_status(connection)
        if status.revision is not None and status.revision not in known_revisions():
            check_schema(connection)
        config = Config()
        config.set_main_option("script_location", "crisplens:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        return read_status(connection)
