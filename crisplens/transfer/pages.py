"""SQLite databases copied page by page while others write, each into one file that needs none beside it."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Engine

from crisplens.core.errors import InputError, Refused, RegistryError
from crisplens.core.sqlite import sqlite_file
from crisplens.ledger.verdict import Progress

# Between as many pages the progress is shown and an interruption is heeded.
PAGES = 1000
_UNWRITABLE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@contextmanager
def part_beside(file: Path) -> Iterator[Path]:
    """The path of a file beside `file` that is gone at the end, unless it has taken its place."""
    part = file.with_name(f".{file.name[:80]}.{secrets.token_hex(4)}.part")
    try:
        yield part
    finally:
        for name in (part, *siblings(part)):
            name.unlink(missing_ok=True)


def siblings(file: Path) -> tuple[Path, ...]:
    """The files that SQLite keeps beside a database while it is open, or after a crash."""
    return tuple(file.with_name(f"{file.name}-{ending}") for ending in ("wal", "shm", "journal"))


def copy_pages(source: Engine, file: Path, progress: Progress | None = None) -> None:
    """Copy a SQLite database, as it is at one moment, to the new file `file`, with the same permissions.

    Raises `InputError` when it cannot be written, `Refused` when a page of the source cannot be read.
    """

    def tell(_status: int, remaining: int, total: int) -> None:
        if progress:
            progress(f"copying pages of {total:,}", total - remaining)

    with unwritable(file):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _mode(source)))
    with (
        _told(file),
        closing(source.raw_connection()) as raw,
        closing(sqlite3.connect(file, isolation_level=None)) as target,
    ):
        connection = raw.driver_connection
        assert isinstance(connection, sqlite3.Connection)
        # A transaction that has read keeps its moment; without one, each writer would make the copy start again.
        connection.execute("BEGIN")
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            connection.backup(target, pages=PAGES, progress=tell)
        finally:
            connection.execute("ROLLBACK")
        target.execute("PRAGMA journal_mode = DELETE")
    with unwritable(file):
        sync(file)


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk. Raises `OSError`."""
    if os.name != "posix":
        # SQLite synced the file; folders cannot be.
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def unwritable(file: Path) -> Iterator[None]:
    """Turn what the operating system refuses into our error."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror}", slug="unwritable") from None


def _mode(source: Engine) -> int:
    """The source's permissions: its copy must not be read by more people. It is written, even if the source is not."""
    file = sqlite_file(source)
    return 0o600 | (file.stat().st_mode & 0o777 if file else 0)


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _UNWRITABLE:
            raise InputError(f"cannot write {file}: {error}", slug="unwritable") from None
        if code in _DAMAGED:
            raise Refused(
                f"the database cannot be read: {error}",
                slug="fails-verification",
                hint="Restore it from a backup that is sound.",
            ) from None
        raise RegistryError(
            f"the database refused: {error}", slug="registry-failed", hint="Run it again."
        ) from error
