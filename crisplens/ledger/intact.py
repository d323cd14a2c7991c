"""Whether a log is untouched, as fast as it can be read and hashed: yes or no, and nothing about where.

Memory holds one block of entries, whatever the log's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from crisplens.core.decoding import decoder
from crisplens.ledger import merkle
from crisplens.ledger.tables import LedgerEvent, LedgerHead, LedgerNode
from crisplens.ledger.verdict import Progress

# Leaves of a block, as a power of two: a block is a complete subtree.
BLOCK_LEVEL = 13
_COLUMNS = ("seq", "id", "type", "version", "project", "recorded_at", "occurred_at")
_ENTRIES = select(
    LedgerEvent.envelope, LedgerEvent.actor, *(getattr(LedgerEvent, name) for name in _COLUMNS)
).order_by(LedgerEvent.seq)


class _Actor(msgspec.Struct, gc=False):
    id: str


class _Indexed(msgspec.Struct, gc=False):
    """What the columns beside an envelope are derived from; the payload is passed over."""

    actor: _Actor
    seq: int
    id: str
    type: str
    version: int
    project: str | None
    recorded_at: str
    occurred_at: str


_derived = attrgetter("actor.id", *_COLUMNS)
_decode = decoder(_Indexed).decode


def node_count(size: int) -> int:
    """How many complete subtrees a tree of `size` leaves has."""
    return sum(size >> level for level in range(size.bit_length()))


def is_intact(session: Session, progress: Progress | None = None) -> int | None:
    """The log's size if its entries, nodes and head are exactly what they should be, else None."""
    head = _read_head(session)
    if head is None or _counts(session) != (head.size, node_count(head.size)):
        return None
    tops: list[bytes] = []
    peaks: list[bytes] = []
    block = 1 << BLOCK_LEVEL
    for start in range(0, head.size, block):
        end = min(start + block, head.size)
        leaves = _leaf_hashes(session, start, end)
        levels = _grown(leaves) if leaves else None
        if levels is None or not _are_stored(session, levels, start, 0):
            return None
        if end - start < block:
            peaks = _peaks(levels, end - start)
            break
        tops += levels[-1]
        if progress:
            progress("checking events", end)
    upper = _grown(tops) if tops else []
    if not _are_stored(session, upper[1:], 0, BLOCK_LEVEL + 1):
        return None
    frontier = _peaks(upper, len(tops)) + peaks
    intact = head.frontier == b"".join(frontier) and head.root == merkle.root_hash(frontier)
    return head.size if intact else None


def _read_head(session: Session) -> Any:
    heads = session.execute(
        select(LedgerHead.id, LedgerHead.size, LedgerHead.root, LedgerHead.frontier)
    ).all()
    if len(heads) != 1 or heads[0].id != 1 or not isinstance(heads[0].size, int) or heads[0].size < 0:
        return None
    return heads[0]


def _counts(session: Session) -> tuple[Any, Any]:
    entries = session.scalar(select(func.count()).select_from(LedgerEvent))
    return entries, session.scalar(select(func.count()).select_from(LedgerNode))


def _leaf_hashes(session: Session, start: int, end: int) -> list[bytes]:
    """The leaf hashes of the entries [start, end), or none when a column does not say what its envelope does."""
    leaves, seq = [], start
    query = _ENTRIES.where(LedgerEvent.seq >= start, LedgerEvent.seq < end)
    for envelope, *columns in _rows(session, query):
        try:
            text = envelope.encode()
            derived = _derived(_decode(text))
        except (AttributeError, UnicodeError, msgspec.MsgspecError):
            return []
        if derived != tuple(columns) or columns[1] != seq:
            return []
        leaves.append(merkle.leaf_hash(text))
        seq += 1
    return leaves if seq == end else []


def _grown(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """The hashes of every complete subtree over `leaves`, level by level."""
    levels = [list(leaves)]
    while len(below := levels[-1]) > 1:
        levels.append([merkle.node_hash(a, b) for a, b in zip(below[::2], below[1::2], strict=False)])
    return levels


def _peaks(levels: Sequence[Sequence[bytes]], size: int) -> list[bytes]:
    return [levels[level][index] for level, index in merkle.peaks(0, size)]


def _are_stored(session: Session, levels: Sequence[Sequence[bytes]], start: int, lowest: int) -> bool:
    """Whether the tree holds these hashes: `levels[0]` at level `lowest`, from leaf `start` on."""
    for level, hashes in enumerate(levels, lowest):
        first = start >> level
        query = (
            select(LedgerNode.hash)
            .where(LedgerNode.level == level, LedgerNode.idx >= first, LedgerNode.idx < first + len(hashes))
            .order_by(LedgerNode.idx)
        )
        if [hash for (hash,) in _rows(session, query)] != hashes:
            return False
    return True


def _rows(session: Session, query: Select[Any]) -> Sequence[Any]:
    """Rows as the driver gives them, without what SQLAlchemy would wrap around a million of them."""
    result = session.connection().execute(query)
    cursor = result.cursor
    assert cursor is not None
    try:
        return cursor.fetchall()
    finally:
        result.close()
