"""A backup: the whole registry in one SQLite file, made while others write, and verified."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from sqlalchemy import Engine

from crisplens.core.database import translated_errors
from crisplens.core.errors import InputError
from crisplens.core.sqlite import sqlite_file
from crisplens.ledger.queries import TreeHead
from crisplens.ledger.verdict import Progress
from crisplens.migrations import check_known
from crisplens.transfer.pages import copy_pages, part_beside, siblings, sync, unwritable
from crisplens.transfer.soundness import require_sound_file


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was made: the file, its bytes, its schema's revision and the tree head of the log in it."""

    file: str
    size: int
    revision: str
    head: TreeHead


def backup(
    engine: Engine, file: Path, *, overwrite: bool = False, progress: Progress | None = None
) -> Backup:
    """Write a SQLite registry, as it is at one moment, to `file`, and verify what was written.

    The file appears when it is whole and verified. Raises `InputError` when the registry is on PostgreSQL or `file`
    is there (unless `overwrite`), is the registry itself or cannot be written, `Refused` when it fails verification.
    """
    registry = sqlite_file(engine)
    if registry is None:
        raise InputError(
            "backups are of registries on SQLite, and this one is on PostgreSQL",
            slug="not-sqlite",
            hint="Use pg_dump, or copy it: crisplens registry copy postgresql://user@host/name sqlite:///FILE",
        )
    with translated_errors(), engine.connect() as connection:
        check_known(connection)
    _check_place(file, registry, overwrite=overwrite)
    with part_beside(file) as part:
        copy_pages(engine, part, progress)
        sound = require_sound_file(part, "the registry", progress)
        put_in_place(part, file, overwrite=overwrite)
    return Backup(file=str(file), size=file.stat().st_size, revision=sound.revision, head=sound.head)


def put_in_place(part: Path, file: Path, *, overwrite: bool) -> None:
    """Let `file` be what `part` is, in one step. Raises `InputError` when it is there and not to be overwritten."""
    with unwritable(file):
        if overwrite:
            part.replace(file)
        else:
            try:
                # Unlike a renaming, this never overwrites; some file systems cannot do it.
                os.link(part, file)
            except FileExistsError:
                raise _exists(file) from None
            except OSError:
                part.replace(file)
        sync(file.parent)


def _check_place(file: Path, registry: Path, *, overwrite: bool) -> None:
    if file.is_dir() or not file.parent.is_dir():
        what = "it is a folder" if file.is_dir() else f"there is no folder {file.parent}"
        raise InputError(f"cannot write {file}: {what}", slug="unwritable", hint="Name a file.")
    if file.exists() and file.samefile(registry):
        raise InputError(f"{file} is the registry itself", slug="exists", hint="Name another file.")
    if orphan := next((beside for beside in siblings(file) if beside.exists()), None):
        raise InputError(
            f"{orphan} is beside {file}: it belongs to a database that is in use, or was",
            slug="exists",
            hint="SQLite would take it for a part of the backup. Name another file.",
        )
    if os.path.lexists(file):
        if not overwrite:
            raise _exists(file)
        if not file.is_file():
            raise InputError(f"{file} is not a regular file", slug="not-a-file", hint="Name a file.")


def _exists(file: Path) -> InputError:
    return InputError(f"{file} exists already", slug="exists", hint="Name another file, or pass --force.")
