"""Points of the log: which of its beginnings an event's number or a time means."""

from __future__ import annotations

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.core.clock import parse_time, to_text
from crisplens.core.errors import InputError
from crisplens.ledger.tables import LedgerEvent

ACCEPTED = (
    "Give an event's number, as `crisplens audit log` lists them, or an ISO 8601 time such as 2026-03-01 (its first"
    " moment), 2026-03-01T12:30 or 2026-03-01T12:30:00+01:00."
)
MOST_DIGITS = 18


class Point(msgspec.Struct, frozen=True):
    """The log just after event `seq`, recorded at `at` (RFC 3339, UTC), was its last."""

    seq: int
    at: str

    @property
    def size(self) -> int:
        """How many events the log had."""
        return self.seq + 1

    def __str__(self) -> str:
        return f"event {self.seq}, {self.at[:10]} {self.at[11:19]} UTC"


def resolve_point(session: Session, text: str | int) -> Point:
    """The point that an event's number means, or a time: the longest beginning of the log that was recorded by then.

    Raises `InputError` when it is neither, lies beyond the log's end or before its first event.
    """
    written = str(text).strip()
    if written.isascii() and written.isdigit():
        return _at_event(session, written)
    try:
        moment = to_text(parse_time(written))
    except InputError:
        said = f"{written[:60]!r} is no point of the log"
        raise InputError(said, slug="bad-point", hint=ACCEPTED) from None
    before = select(LedgerEvent.seq, LedgerEvent.recorded_at).where(LedgerEvent.recorded_at <= moment)
    found = session.execute(before.order_by(LedgerEvent.seq.desc()).limit(1)).one_or_none()
    if found is None:
        raise InputError(
            f"nothing was recorded by {written}", slug="bad-point", hint=f"{_extent(session)}\n{ACCEPTED}"
        )
    return Point(found.seq, found.recorded_at)


def last_point(session: Session) -> Point:
    """The log as it is now. Raises `InputError` when nothing is recorded."""
    newest = select(LedgerEvent.seq, LedgerEvent.recorded_at).order_by(LedgerEvent.seq.desc()).limit(1)
    found = session.execute(newest).one_or_none()
    if found is None:
        raise InputError("the log has no events yet", slug="bad-point", hint="Record something first.")
    return Point(found.seq, found.recorded_at)


def _at_event(session: Session, digits: str) -> Point:
    if len(digits.lstrip("0")) <= MOST_DIGITS:
        seq = int(digits)
        at = session.scalar(select(LedgerEvent.recorded_at).where(LedgerEvent.seq == seq))
        if at is not None:
            return Point(seq, at)
    raise InputError(
        f"the log has no event {digits[:60]}", slug="bad-point", hint=f"{_extent(session)}\n{ACCEPTED}"
    )


def _extent(session: Session) -> str:
    """What the log has, for whoever asked for something else."""
    first = session.scalar(select(LedgerEvent.recorded_at).order_by(LedgerEvent.seq).limit(1))
    if first is None:
        return "The log has no events yet."
    last = last_point(session)
    return f"It has events 0 to {last.seq}, recorded from {first} to {last.at}."
