"""Reads of the ledger: its head and its entries."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.core.decoding import decode_json
from crisplens.core.errors import RegistryError
from crisplens.ledger.model import Envelope
from crisplens.ledger.tables import LedgerEvent, LedgerHead, LedgerNode

BATCH = 1000


@dataclass(frozen=True)
class TreeHead:
    """How many events the log holds and the RFC 6962 root hash (hexadecimal) over them."""

    size: int
    root: str


@dataclass(frozen=True)
class EventFilter:
    """Which entries are wanted; what is None does not matter. Times are RFC 3339, UTC; ends included."""

    project: str | None = None
    type: str | None = None
    actor: str | None = None
    since: str | None = None
    until: str | None = None


def tree_head(session: Session) -> TreeHead:
    """The newest tree head. Raises `RegistryError` when the head row is gone."""
    head = session.execute(select(LedgerHead.size, LedgerHead.root)).one_or_none()
    if head is None:
        raise RegistryError(
            "the ledger's head is gone", slug="ledger-damaged", hint="Run `crisplens audit verify`."
        )
    return TreeHead(head.size, head.root.hex())


def leaf_hashes(session: Session, seqs: Collection[int]) -> dict[int, bytes]:
    """The leaf hashes of these events, by their place."""
    query = select(LedgerNode.idx, LedgerNode.hash).where(LedgerNode.level == 0, LedgerNode.idx.in_(seqs))
    return {row.idx: row.hash for row in session.execute(query)}


def read_events(
    session: Session,
    wanted: EventFilter = EventFilter(),
    *,
    after: int = -1,
    last: int | None = None,
    size: int | None = None,
) -> list[Envelope]:
    """Entries with a sequence number above `after` that pass the filter, in order; only the `last` n if given.

    With a `size`, of the log's first `size` entries.
    """
    query = select(LedgerEvent.envelope).where(LedgerEvent.seq > after)
    if size is not None:
        query = query.where(LedgerEvent.seq < size)
    for column in ("project", "type", "actor"):
        if (value := getattr(wanted, column)) is not None:
            query = query.where(getattr(LedgerEvent, column) == value)
    if wanted.since is not None:
        query = query.where(LedgerEvent.recorded_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(LedgerEvent.recorded_at <= wanted.until)
    if last is None:
        texts = list(session.scalars(query.order_by(LedgerEvent.seq)))
    else:
        texts = list(session.scalars(query.order_by(LedgerEvent.seq.desc()).limit(last)))[::-1]
    return [_decode(text) for text in texts]


def follow_events(
    read: Callable[[int], list[Envelope]], *, after: int, seconds: float = 1.0
) -> Iterator[Envelope]:
    """New entries as they come, for ever: `read(after)` gives those above a sequence number."""
    while True:
        for envelope in read(after):
            after = envelope.seq
            yield envelope
        time.sleep(seconds)


def _decode(text: str) -> Envelope:
    try:
        return decode_json(text, Envelope)
    except msgspec.MsgspecError as error:
        raise RegistryError(
            f"an entry of the ledger cannot be read: {error}",
            slug="ledger-damaged",
            hint="Run `crisplens audit verify` to see which.",
        ) from None
