"""Whether a copy of a registry is sound: what every way of moving one asks before it is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from sqlalchemy import Engine
from sqlalchemy.orm import Session

import crisplens.areas  # noqa: F401  (registers every projection)
from crisplens.core.database import disposing, read_session, translated_errors
from crisplens.core.errors import CrisplensError, Refused
from crisplens.core.sqlite import open_file
from crisplens.ledger.queries import TreeHead, tree_head
from crisplens.ledger.verdict import Progress, Verdict
from crisplens.ledger.verify_integrity import verify_integrity
from crisplens.ledger.verify_projection import verify_projection
from crisplens.migrations import check_known, upgrade
from crisplens.transfer.pages import copy_pages, part_beside

MOST_TOLD = 3


class Sound(msgspec.Struct, frozen=True, kw_only=True):
    """A database that passed: its tree head, its schema's revision, and whether that is this release's."""

    head: TreeHead
    revision: str
    current: bool


def require_sound_file(file: Path, what: str, progress: Progress | None = None) -> Sound:
    """Check the SQLite registry in `file`; one of an older schema is checked in a copy that is upgraded.

    `what` is what errors call it. Raises `Refused`, with what was found, when something is wrong, `RegistryError`
    when it is no registry or a newer release's.
    """
    with disposing(open_file(file)) as engine, _readable(what):
        _check_pages(engine, what)
        with translated_errors(), engine.connect() as connection:
            status = check_known(connection)
        if status.current:
            head = require_sound(engine, what, progress)
        else:
            with part_beside(file) as part:
                copy_pages(engine, part)
                with disposing(open_file(part)) as copy:
                    upgrade(copy, progress=progress)
                    head = require_sound(copy, what, progress)
    return Sound(head=head, revision=str(status.revision), current=status.current)


def require_sound(engine: Engine, what: str, progress: Progress | None = None) -> TreeHead:
    """The tree head of a registry whose log and tables are what they should be. Raises `Refused` for any other.

    Signatures and evidence are not looked at: a copy says the same of them as what it was made of.
    """
    with read_session(engine) as session:
        failed = [verdict for verdict in _verdicts(session, progress) if not verdict.passed]
        if failed:
            raise unsound(what, [line for verdict in failed for line in _lines(verdict)])
        return tree_head(session)


def unsound(what: str, lines: list[str]) -> Refused:
    """The error for a database that fails verification, with what was found."""
    return Refused(f"{what} fails verification", slug="fails-verification", hint="\n".join(lines))


def _verdicts(session: Session, progress: Progress | None) -> Iterator[Verdict]:
    yield verify_integrity(session, progress)
    yield verify_projection(session, progress)


def _lines(verdict: Verdict) -> Iterator[str]:
    for finding in verdict.findings[:MOST_TOLD]:
        yield f"{verdict.name}: {finding.where}: {finding.what}"
    if verdict.found > MOST_TOLD:
        yield f"{verdict.name}: and {verdict.found - MOST_TOLD:,} more"


@contextmanager
def _readable(what: str) -> Iterator[None]:
    """What SQLite or a replay stumbles over is a finding like any other."""
    try:
        yield
    except CrisplensError as error:
        if error.slug not in ("registry-failed", "ledger-damaged"):
            raise
        raise unsound(what, [error.message]) from error


def _check_pages(engine: Engine, what: str) -> None:
    with translated_errors(), engine.connect() as connection:
        found = connection.exec_driver_sql(f"PRAGMA integrity_check({MOST_TOLD})").scalars().all()
    if found != ["ok"]:
        raise unsound(what, [f"SQLite: {line}" for one in found for line in str(one).splitlines()])
