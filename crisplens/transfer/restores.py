"""A backup put in the place of a registry: verified first, and the registry that was there kept."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import msgspec

from crisplens.core import clock
from crisplens.core.canonical import check_regular, unreadable
from crisplens.core.database import disposing, keep_write_ahead_log
from crisplens.core.errors import InputError, RegistryError
from crisplens.core.sqlite import open_file
from crisplens.ledger import merkle
from crisplens.ledger.queries import TreeHead
from crisplens.ledger.verdict import Progress
from crisplens.transfer.pages import copy_pages, part_beside, siblings, sync, unwritable
from crisplens.transfer.soundness import require_sound_file

# How long others are waited for who have the registry open.
BUSY_SECONDS = 5.0


class Replaced(msgspec.Struct, frozen=True, kw_only=True):
    """The registry that was there: where it is kept, and its tree head (None when it could not be read).

    `lost` is how many of its events the backup lacks; None when the two logs are not of one history, or it could
    not be read.
    """

    kept: str
    head: TreeHead | None
    lost: int | None


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """A registry that was restored: its file, schema revision and tree head, and the one that it replaced."""

    file: str
    revision: str
    current: bool
    head: TreeHead
    replaced: Replaced | None


def restore(
    backup: Path, place: Path, *, replace: bool = False, progress: Progress | None = None
) -> Restored:
    """Put a copy of the backup at `place` once it is verified; with `replace`, what is there is moved aside and kept.

    Raises `InputError` when something is there and not to be replaced, or files cannot be read or written, `Refused`
    when the backup fails verification, `RegistryError` when it is a newer release's or the old registry is in use.
    """
    place = place.resolve()
    _check(backup, place, replace=replace)
    with unwritable(place):
        place.parent.mkdir(parents=True, exist_ok=True)
    with part_beside(place) as part:
        with disposing(open_file(backup)) as source:
            copy_pages(source, part, progress)
        sound = require_sound_file(part, "the backup", progress)
        replaced = _put(part, place)
    with disposing(open_file(place)) as engine:
        keep_write_ahead_log(engine)
    return Restored(
        file=str(place), revision=sound.revision, current=sound.current, head=sound.head, replaced=replaced
    )


def _check(backup: Path, place: Path, *, replace: bool) -> None:
    try:
        check_regular(backup)
    except OSError as error:
        raise unreadable(backup, error) from None
    if place.exists() and place.samefile(backup):
        raise InputError(f"{backup} is the registry itself", slug="exists", hint="Name a backup of it.")
    there = next((one for one in (place, *siblings(place)) if os.path.lexists(one)), None)
    if there and not replace:
        raise InputError(
            f"there is a registry at {place}" if there == place else f"{there} is left of a registry",
            slug="exists",
            hint="With --replace it is moved aside, and kept.",
        )
    if there == place and not place.is_file():
        raise InputError(f"{place} is not a regular file", slug="not-a-file", hint="Name a file.")


def _put(part: Path, place: Path) -> Replaced | None:
    """Put `part` at `place`, at once; what was there keeps its content under another name."""
    if not place.exists():
        with unwritable(place):
            _keep(place)
            part.replace(place)
            sync(place.parent)
        return None
    with _held(place) as old:
        head, lost = _compared(old, part) if old else (None, None)
        with unwritable(place):
            shutil.copymode(place, part)
            kept = _keep(place)
            part.replace(place)
            sync(place.parent)
    return Replaced(kept=str(kept), head=head, lost=lost)


@contextmanager
def _held(place: Path) -> Iterator[sqlite3.Connection | None]:
    """The registry at `place`, whole in its one file and locked against everybody else; None if it is unreadable.

    Raises `RegistryError` when others have it open.
    """
    with closing(sqlite3.connect(place, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        try:
            # Also the check that nobody has it open: with others there SQLite cannot leave the write-ahead log.
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise RegistryError(
                    f"the registry {place} is open in another process, or in this one",
                    slug="in-use",
                    hint="Stop what uses it, or close it, then run it again.",
                ) from None
            yield None
            return
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            connection.execute("PRAGMA journal_mode = WAL")
            raise


def _compared(old: sqlite3.Connection, part: Path) -> tuple[TreeHead | None, int | None]:
    """The old log's head, and how many of its events the new one lacks (None when they share no history)."""
    try:
        with closing(sqlite3.connect(part)) as new:
            (size, root), (new_size, _) = _head(old), _head(new)
            shared = min(size, new_size)
            same = _root(old, shared) == _root(new, shared)
    except (sqlite3.Error, TypeError):
        return None, None
    return TreeHead(size, root.hex()), max(size - new_size, 0) if same else None


def _head(connection: sqlite3.Connection) -> tuple[int, bytes]:
    size, root = connection.execute("SELECT size, root FROM ledger_head").fetchone()
    if not (isinstance(size, int) and isinstance(root, bytes)):
        raise TypeError("no tree head")
    return size, root


def _root(connection: sqlite3.Connection, size: int) -> bytes:
    query = "SELECT hash FROM ledger_node WHERE level = ? AND idx = ?"
    return merkle.root_hash(
        [connection.execute(query, place).fetchone()[0] for place in merkle.peaks(0, size)]
    )


def _keep(place: Path) -> Path:
    """Give what is at `place` another name besides, so that there is no moment without a registry.

    The files beside it that only an unreadable or deleted registry leaves go along: SQLite would take them for parts
    of the new one.
    """
    named = f"{place.name}.replaced-{clock.now():%Y%m%dT%H%M%SZ}"
    names = (place.with_name(named if number == 1 else f"{named}-{number}") for number in count(1))
    kept = next(name for name in names if not os.path.lexists(name))
    if place.exists():
        try:
            os.link(place, kept)
        except OSError:
            # Not every file system knows a second name.
            place.rename(kept)
    for beside, moved in zip(siblings(place), siblings(kept), strict=True):
        if beside.exists():
            beside.rename(moved)
    return kept
