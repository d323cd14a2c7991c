"""Whole registries moved: copied into another database, backed up, restored."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from crisplens.core.configuration import load_configuration
from crisplens.core.database import disposing, open_engine
from crisplens.core.errors import InputError
from crisplens.core.sqlite import sqlite_file
from crisplens.ledger.verdict import Progress
from crisplens.transfer.backups import Backup, backup
from crisplens.transfer.copies import Copied, about, copy
from crisplens.transfer.restores import Restored, restore

__all__ = ["Backup", "Copied", "Restored", "backup_registry", "copy_registry", "restore_registry"]

Folder = str | os.PathLike[str] | None


def copy_registry(
    source: str, target: str, *, verify: bool = True, progress: Progress | None = None
) -> Copied:
    """Copy the registry at URL `source` into the database at URL `target`, event by event, and verify what is there.

    Relative SQLite paths start in the working directory. An empty database becomes a registry; one that holds the
    beginning of the source's log goes on from there. Raises `Refused` for a target with any other log, and what
    `connect` raises; `HalfDone` when the source is damaged, after what comes before the damage was copied.
    """
    with about("FROM"):
        from_engine = open_engine(source)
    with disposing(from_engine):
        with about("TO"):
            to_engine = open_engine(target, create=True)
        place = sqlite_file(to_engine)
        if place and not place.parent.is_dir():
            raise InputError(
                f"TO: there is no folder {place.parent}", slug="unwritable", hint="Make it first."
            )
        with disposing(to_engine):
            return copy(from_engine, to_engine, verify=verify, progress=progress)


def backup_registry(
    file: str | os.PathLike[str],
    *,
    registry: str | None = None,
    folder: Folder = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Backup:
    """Write the SQLite registry at URL `registry` (else the configuration's) to `file`, verified, while others write.

    Registries with an older release's schema are backed up too. Raises `InputError` when the registry is on
    PostgreSQL, or `file` is there (unless `overwrite`) or cannot be written, `Refused` when it fails verification.
    """
    configuration = load_configuration(Path(folder) if folder is not None else None)
    with disposing(open_engine(registry or configuration.registry, folder=configuration.folder)) as engine:
        return backup(engine, Path(file), overwrite=overwrite, progress=progress)


def restore_registry(
    file: str | os.PathLike[str],
    *,
    registry: str | None = None,
    folder: Folder = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> Restored:
    """Put the backup in `file` where the SQLite URL `registry` (else the configuration's) points, once it is verified.

    With `replace`, a registry that is there is moved aside and kept. Raises `InputError` when there is one and not to
    be replaced, or the file cannot be read, `Refused` when the backup fails verification, `RegistryError` when it is
    of a newer release or the old registry is in use.
    """
    configuration = load_configuration(Path(folder) if folder is not None else None)
    place = _sqlite_place(registry or configuration.registry, configuration.folder)
    return restore(Path(file), place, replace=replace, progress=progress)


def _sqlite_place(url: str, folder: Path) -> Path:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise InputError(
            "a backup is restored to a SQLite file, and the registry's URL names none",
            slug="not-sqlite",
            hint="To bring it into PostgreSQL: crisplens registry copy sqlite:///FILE postgresql://user@host/name",
        )
    return folder / str(parsed.database)
