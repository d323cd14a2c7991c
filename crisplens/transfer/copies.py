"""A registry copied into another database: its events replayed there, byte for byte, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from sqlalchemy import Engine, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.orm import Session

import crisplens.areas  # noqa: F401  (every event and table)
from crisplens.core.database import read_session, write_session
from crisplens.core.errors import CrisplensError, HalfDone, InputError, Refused, RegistryError
from crisplens.core.sqlite import sqlite_file
from crisplens.ledger import merkle
from crisplens.ledger.model import UnknownEvent
from crisplens.ledger.proofs import head_at
from crisplens.ledger.queries import TreeHead, leaf_hashes, tree_head
from crisplens.ledger.replay import UPGRADE_HINT, first_line, log_texts
from crisplens.ledger.service import append_entries, flush, lock_head
from crisplens.ledger.verdict import Progress
from crisplens.migrations import check_schema, read_status, upgrade
from crisplens.transfer.soundness import require_sound

# Events of one transaction: as many as an interruption can cost.
BATCH = 1000


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """A copy that is complete: events `copied` now and `present` before, the tree head that both logs have.

    `appended` is how many events came to the source meanwhile, and are not in the copy.
    """

    source: str
    target: str
    copied: int
    present: int
    head: TreeHead
    appended: int
    verified: bool


def copy(source: Engine, target: Engine, *, verify: bool = True, progress: Progress | None = None) -> Copied:
    """Copy the source's log, as it is now, to the target, apply it there, and compare the tree heads.

    Every batch is committed, so that an interrupted copy goes on where it was. Raises `Refused` when the target's
    log is not a beginning of the source's, `InputError` when both are one database, `RegistryError` for schemas of
    other releases and a damaged source; `HalfDone` when that shows after events were copied.
    """
    with read_session(source) as reading:
        with about("FROM"):
            head = _sound_head(reading)
        _check_different(source, target)
        _prepare(target, progress)
        with read_session(target) as session:
            present = size = _check_beginning(session, reading, head)
        copied = 0
        while size < head.size:
            with _telling_what_stays(copied):
                start, size = _copy_batch(target, reading, head)
            copied += size - start
            if progress:
                progress(f"copying events of {head.size:,}", size)
        _check_end(target, head)
    if verify:
        require_sound(target, "the copy", progress)
    with read_session(source) as reading:
        appended = tree_head(reading).size - head.size
    return Copied(
        source=source.url.render_as_string(),
        target=target.url.render_as_string(),
        copied=copied,
        present=present,
        head=head,
        appended=appended,
        verified=verify,
    )


class _Entries:
    """The source's entries from `start` to `end`, each compared with its leaf; `seq` is the one at hand."""

    def __init__(self, reading: Session, start: int, end: int) -> None:
        self._reading, self._start, self._end, self.seq = reading, start, end, start

    def __iter__(self) -> Iterator[str]:
        leaves = leaf_hashes(self._reading, range(self._start, self._end))
        count = 0
        for count, entry in enumerate(log_texts(self._reading, start=self._start, size=self._end), start=1):
            self.seq = self._start + count - 1
            if merkle.leaf_hash(entry.encode()) != leaves.get(self.seq):
                raise ValueError("it is not what was hashed, or is gone")
            yield entry
        if self._start + count < self._end:
            self.seq = self._start + count
            raise ValueError("it is gone")


def _sound_head(reading: Session) -> TreeHead:
    check_schema(reading.connection())
    head = tree_head(reading)
    if head_at(reading, head.size) != head:
        raise RegistryError(
            "the ledger's head is not that of its tree",
            slug="ledger-damaged",
            hint="Nothing was copied. Run `crisplens audit verify`.",
        )
    return head


def _prepare(target: Engine, progress: Progress | None) -> None:
    """Make an empty database a registry, and let no other release's pass."""
    with about("TO"), read_session(target) as session:
        new = read_status(session.connection()).revision is None
        if not new:
            check_schema(session.connection())
    if new:
        upgrade(target, progress=progress)


def _check_beginning(session: Session, reading: Session, head: TreeHead) -> int:
    """How many of the source's events the target has. Raises `Refused` when it has any others."""
    with about("TO"):
        there = tree_head(session)
    if there.size > head.size:
        said = f"TO has {there.size:,} events, and FROM only {head.size:,}"
    elif head_at(reading, there.size) != there:
        said = f"TO holds another log: its {there.size:,} events are not the first of FROM's {head.size:,}"
    else:
        return there.size
    raise Refused(
        said,
        slug="not-a-copy",
        hint="Copy to an empty database, or to an earlier copy in which nothing was recorded.",
    )


def _copy_batch(target: Engine, reading: Session, head: TreeHead) -> tuple[int, int]:
    """Copy the events that follow the target's in one transaction; returns how many it had and has."""
    with write_session(target, lock=lock_head, finish=flush) as writing:
        # Another copy may have gone on meanwhile; from here on it waits.
        start = _check_beginning(writing, reading, head)
        end = min(start + BATCH, head.size)
        if start >= end:
            return start, start
        entries = _Entries(reading, start, end)
        with _damage_told(entries):
            append_entries(writing, entries)
            if tree_head(writing) != head_at(reading, end):
                raise ValueError(f"the tree over the first {end} events is not theirs")
    return start, end


def _check_different(source: Engine, target: Engine) -> None:
    if source.dialect.name == target.dialect.name and _identity(source) == _identity(target):
        raise InputError("FROM and TO are the same database", slug="not-a-copy", hint="Name another one.")


def _identity(engine: Engine) -> object:
    """What only one database has, however its URL is written."""
    file = sqlite_file(engine)
    if file is not None:
        return file.resolve()
    with read_session(engine) as session:
        query = text("SELECT current_database(), current_schema(), pg_postmaster_start_time()")
        return tuple(session.execute(query).one())


def _check_end(target: Engine, head: TreeHead) -> None:
    with read_session(target) as session:
        if tree_head(session).size < head.size or head_at(session, head.size) != head:
            raise HalfDone(
                "the copy's tree head is not the source's: something else was recorded in it meanwhile",
                slug="not-a-copy",
                hint="Copy to a database that nobody uses.",
            )


@contextmanager
def about(which: str) -> Iterator[None]:
    """Say which of the two registries an error is about."""
    try:
        yield
    except RegistryError as error:
        error.message = f"{which}: {error.message}"
        error.args = (error.message,)
        raise


@contextmanager
def _damage_told(entries: _Entries) -> Iterator[None]:
    """Turn whatever a forged entry makes the replay raise into our error. What the target refuses is none of it."""
    try:
        yield
    except Exception as error:
        if isinstance(error, CrisplensError) or (
            isinstance(error, DBAPIError) and not isinstance(error, IntegrityError | DataError)
        ):
            raise
        unknown = isinstance(error, UnknownEvent)
        raise RegistryError(
            f"event {entries.seq} of FROM cannot be copied: {first_line(error)}",
            slug="unknown-event" if unknown else "ledger-damaged",
            hint=UPGRADE_HINT
            if unknown
            else "Run `crisplens audit verify` on FROM, and restore it from a backup.",
        ) from error


@contextmanager
def _telling_what_stays(copied: int) -> Iterator[None]:
    """Say in an error that events were copied before."""
    try:
        yield
    except CrisplensError as error:
        if not copied:
            raise
        hint = error.hint.removeprefix("Nothing was changed. ")
        raise HalfDone(
            f"{error.message}; {copied:,} events were copied before it, and stay",
            slug=error.slug,
            hint=f"{hint}\nThe same command goes on from there.",
        ) from error
