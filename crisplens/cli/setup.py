"""`crisplens init` and `crisplens db`: making a registry, and its schema."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crisplens.cli.options import check_directory, directory_option, registry_option, showing
from crisplens.cli.output import Output
from crisplens.cli.progress import progress_line
from crisplens.core.text import count

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from crisplens.migrations import Upgraded


@click.command()
@click.option("--directory", metavar="DIR", default=".", help="Where to make it; else here.")
@showing
def init(directory: str) -> Output:
    """Make this folder the home of a registry: crisplens.toml and .crisplens/registry.db.

    What is there already is kept.
    """
    from crisplens.api import init as init_registry

    with init_registry(directory) as registry:
        configuration, events = registry.configuration, registry.audit.head().size
    file = configuration.file or "no configuration"
    value = {"configuration": str(file), "registry": configuration.registry, "events": events}
    text = f"The registry {configuration.registry} is ready ({count(events, 'event')}), named by {file}."
    if configuration.project is None:
        text += "\nNext: crisplens project add NAME --title TITLE"
    return Output(value, text)


@click.group()
def db() -> None:
    """The registry's database and its schema."""


@db.command()
@registry_option
@directory_option
@showing
def status(registry: str | None, directory: str | None) -> Output:
    """Show the schema's version and the one that this release needs. Exits 1 when they differ."""
    from crisplens.core.database import read_session
    from crisplens.migrations import known_revisions, read_status

    with _opened(registry, directory) as engine, read_session(engine) as session:
        found = read_status(session.connection())
    if found.current:
        verdict = "up to date"
    elif found.revision is None or found.revision in known_revisions():
        verdict = f"this release needs {found.head}: run `crisplens db upgrade`"
    else:
        verdict = f"newer than this release knows ({found.head}): pip install --upgrade crisplens"
    return Output(
        found, f"Schema {found.revision or 'none'}: {verdict}.", exit_code=0 if found.current else 1
    )


@db.command()
@registry_option
@directory_option
@showing
def upgrade(registry: str | None, directory: str | None) -> Output:
    """Bring the database's schema to this release's, in one transaction.

    Events stay as they are; the tables are filled anew from them, in the form that this release gives them.
    """
    from crisplens.migrations import upgrade as upgrade_schema

    with _opened(registry, directory) as engine, progress_line() as progress:
        found = upgrade_schema(engine, progress=progress)
    return Output(found, _done(found))


def _done(found: Upgraded) -> str:
    if found.before is None:
        return f"The database is a registry now. Schema {found.revision}: up to date."
    if found.before == found.revision:
        return f"Schema {found.revision}: up to date; nothing was to be done."
    replayed = count(found.replayed, "event")
    return (
        f"Schema {found.before} is now {found.revision}, and the tables are filled anew from {replayed}.\n"
        "Next: crisplens audit verify"
    )


def _opened(registry: str | None, directory: str | None) -> AbstractContextManager[Engine]:
    from crisplens.core.configuration import load_configuration
    from crisplens.core.database import disposing, open_engine

    check_directory(directory)
    configuration = load_configuration(Path(directory) if directory else None)
    return disposing(open_engine(registry or configuration.registry, folder=configuration.folder))
