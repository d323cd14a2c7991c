"""Appending to the ledger: the only way in which anything is written.

A transaction's entries are hashed as they come and written together when it commits; rows of the
areas are written at once, so that a later command of the same transaction sees them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.orm import Session

from crisplens.core.clock import parse_time, to_text
from crisplens.core.errors import InputError, RegistryError
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger import merkle, projection
from crisplens.ledger.events import ClockCorrected
from crisplens.ledger.model import Envelope, Event, Recorded, decode, encode
from crisplens.ledger.tables import LedgerEvent, LedgerHead, LedgerNode

HASH_BYTES = 32
# The clocks of several machines differ; what is behind the log's last time by no more is recorded at that time.
MOST_BEHIND = timedelta(minutes=5)
_TAIL = "crisplens.ledger.tail"
_DERIVED = ("seq", "id", "type", "version", "project", "recorded_at", "occurred_at")
_LAST_TIME = select(LedgerEvent.recorded_at).where(LedgerEvent.seq == LedgerHead.size - 1)
_READ_HEAD = select(
    LedgerHead.size, LedgerHead.frontier, _LAST_TIME.correlate(LedgerHead).scalar_subquery().label("last")
).with_for_update(of=LedgerHead)
_LOCK_HEAD = select(LedgerHead.id).with_for_update()
_ADD_EVENTS = insert(LedgerEvent)
_ADD_NODES = insert(LedgerNode)
_MOVE_HEAD = update(LedgerHead).values(
    size=bindparam("size_"), root=bindparam("root_"), frontier=bindparam("frontier_")
)


@dataclass
class _Tail:
    """The end of the log as a transaction sees it, and what the transaction has still to write."""

    size: int
    frontier: tuple[bytes, ...]
    last_time: str
    entries: list[dict[str, Any]] = field(default_factory=list)
    nodes: list[dict[str, Any]] = field(default_factory=list)

    def add(self, envelope: Envelope, text: str) -> None:
        """Take in one entry."""
        self.frontier, grown = merkle.grow(self.frontier, self.size, merkle.leaf_hash(text.encode()))
        self.nodes += [{"level": node.level, "idx": node.index, "hash": node.hash} for node in grown]
        columns = {column: getattr(envelope, column) for column in _DERIVED}
        self.entries.append({**columns, "actor": envelope.actor.id, "envelope": text})
        self.size, self.last_time = self.size + 1, envelope.recorded_at


def append(work: UnitOfWork, event: Event, *, project: str | None = None) -> Recorded:
    """Record `event` and apply it to the tables, in the caller's transaction.

    `project` is the project it is about (by default the work's own). Raises `InputError` when the event
    holds what canonical JSON cannot, `Refused` when the actor may not record it, `RegistryError` when the ledger's
    head is gone or the clock went back.
    """
    about = None if event.OF_REGISTRY else project or work.project_name
    work.authorise(work, event, about)
    tail = _tail(work.session)
    now = to_text(work.now)
    recorded_at = now if isinstance(event, ClockCorrected) else _not_before(tail.last_time, now)
    envelope = Envelope(
        seq=tail.size,
        id=uuid.uuid4().hex,
        type=event.TYPE,
        version=event.VERSION,
        project=about,
        actor=work.actor,
        recorded_at=recorded_at,
        occurred_at=now,
        payload=msgspec.Raw(),
    )
    tail.add(envelope, encode(envelope, event))
    recorded = Recorded(envelope, event)
    projection.apply(work.session, recorded)
    return recorded


def append_entries(session: Session, texts: Iterable[str]) -> int:
    """Take over entries of another registry, byte for byte, and apply them; returns how many.

    They must be the ones that follow what is here. Raises `ValueError` for one that is out of its place
    or that this release cannot read.
    """
    tail = _tail(session)
    before = tail.size
    for text in texts:
        recorded = decode(text)
        if recorded.seq != tail.size:
            raise ValueError(f"event {recorded.seq} does not follow {tail.size} events")
        tail.add(recorded.envelope, text)
        projection.apply(session, recorded)
    flush(session)
    return tail.size - before


def correct_clock(work: UnitOfWork, reason: str) -> Recorded:
    """Say that the time of the log's last event is wrong and the clock, which is behind it, is right.

    Recording goes on from the clock's time. Raises `InputError` when the clock is not behind.
    """
    check_text("the reason", reason)
    if to_text(work.now) >= (last := _tail(work.session).last_time):
        raise InputError(
            f"the clock is not behind the log, whose last event was recorded at {last}",
            slug="clock",
            hint="There is nothing to correct.",
        )
    return append(work, ClockCorrected(last_recorded_at=last, reason=reason))


def next_seq(session: Session) -> int:
    """The place in the log that the next event of this transaction will have."""
    return _tail(session).size


def lock_head(connection: Connection) -> None:
    """Wait until no other writer is at work, so that what a command looks at is what it is recorded after."""
    connection.execute(_LOCK_HEAD)


def flush(session: Session) -> None:
    """Write the entries that a transaction has appended. Whoever commits calls it before."""
    tail: _Tail | None = session.info.pop(_TAIL, None)
    if tail is None or not tail.entries:
        return
    connection = session.connection()
    connection.execute(_ADD_EVENTS, tail.entries)
    connection.execute(_ADD_NODES, tail.nodes)
    root, frontier = merkle.root_hash(tail.frontier), b"".join(tail.frontier)
    connection.execute(_MOVE_HEAD, {"size_": tail.size, "root_": root, "frontier_": frontier})


def split_frontier(joined: bytes) -> list[bytes]:
    """The hashes that the head row keeps joined."""
    return [joined[start : start + HASH_BYTES] for start in range(0, len(joined), HASH_BYTES)]


def _tail(session: Session) -> _Tail:
    tail: _Tail | None = session.info.get(_TAIL)
    if tail is None:
        head = session.connection().execute(_READ_HEAD).one_or_none()
        if head is None:
            raise RegistryError(
                "the ledger's head is gone", slug="ledger-damaged", hint="Run `crisplens audit verify`."
            )
        tail = _Tail(head.size, tuple(split_frontier(head.frontier)), head.last or "")
        session.info[_TAIL] = tail
    return tail


def _not_before(last: str, now: str) -> str:
    """The time to record at: never before the event before, though clocks differ a little."""
    if now < last and parse_time(last) - parse_time(now) > MOST_BEHIND:
        raise RegistryError(
            f"the clock says {now}, but the last event was recorded at {last}",
            slug="clock",
            hint="Set the clock right. If it is right and the log's time is wrong, say so first:\n"
            "crisplens audit correct-clock --reason WHY",
        )
    return max(now, last)
