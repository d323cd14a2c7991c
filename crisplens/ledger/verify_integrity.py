"""Integrity: is the log what was written?

A log that is untouched is found so in one pass over blocks of it. Otherwise each entry is looked at against its
leaf, and each node against its children, so that a finding names the place that was changed and not everything
after it. SQLite keeps values of any type in any column, so that types are looked at too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from crisplens.core.decoding import decode_json
from crisplens.ledger import merkle
from crisplens.ledger.intact import is_intact, node_count
from crisplens.ledger.model import Envelope
from crisplens.ledger.service import split_frontier
from crisplens.ledger.tables import LedgerEvent, LedgerHead, LedgerNode
from crisplens.ledger.triggers import expected_triggers, present_triggers
from crisplens.ledger.verdict import STREAM_ROWS, Findings, Progress, Verdict


def verify_integrity(session: Session, progress: Progress | None = None) -> Verdict:
    """Entries against their leaves, nodes against their children, the head against the nodes, the triggers."""
    findings = Findings()
    size = is_intact(session, progress)
    if size is None:
        size = _check_entries(session, findings, progress)
        nodes = _check_nodes(session, findings, size)
        _check_head(session, findings, size)
    else:
        nodes = node_count(size)
    connection = session.connection()
    for name in sorted(expected_triggers(connection.dialect.name) - present_triggers(connection)):
        findings.add(f"trigger {name}", "is gone, so the database would let the ledger be changed")
    return findings.verdict("integrity", f"{size} events, {nodes} tree nodes, the head and its triggers")


def _check_entries(session: Session, findings: Findings, progress: Progress | None) -> int:
    leaf = aliased(LedgerNode)
    query = (
        select(*LedgerEvent.__table__.columns, leaf.hash)
        .outerjoin(leaf, (leaf.level == 0) & (leaf.idx == LedgerEvent.seq))
        .order_by(LedgerEvent.seq)
        .execution_options(yield_per=STREAM_ROWS)
    )
    count, expected = 0, 0
    for row in session.execute(query):
        count += 1
        if not isinstance(row.seq, int) or row.seq < expected:
            findings.add(f"event {row.seq!r} (ledger_event)", "has no place in the sequence")
            continue
        if row.seq > expected:
            findings.add(_events(expected, row.seq - 1), "missing from the sequence")
        expected = row.seq + 1
        for where, what in _entry_faults(row):
            findings.add(where, what)
        if progress and count % STREAM_ROWS == 0:
            progress("checking events", count)
    last = session.scalar(select(func.max(LedgerNode.idx)).where(LedgerNode.level == 0))
    if isinstance(last, int) and last >= expected:
        findings.add(_events(expected, last), "missing from the end: the tree has leaves for them")
    return count


def _events(first: int, last: int) -> str:
    return f"event {first}" if first == last else f"events {first} to {last}"


def _entry_faults(row: Any) -> Iterator[tuple[str, str]]:
    where = f"event {row.seq} (ledger_event)"
    try:
        text = row.envelope.encode()
        envelope = decode_json(text, Envelope)
    except (AttributeError, UnicodeError, msgspec.MsgspecError) as error:
        yield where, f"its envelope cannot be read: {error}"
        return
    if row.hash is None:
        yield where, "has no leaf in the tree: it was inserted or moved"
    elif merkle.leaf_hash(text) != row.hash:
        yield where, "its envelope is not what was hashed: it was changed"
    derived = {name: getattr(envelope, name) for name in ("seq", "id", "type", "version", "project")}
    derived |= {
        "actor": envelope.actor.id,
        "recorded_at": envelope.recorded_at,
        "occurred_at": envelope.occurred_at,
    }
    for column, value in derived.items():
        if getattr(row, column) != value:
            yield where, f"column {column} says {getattr(row, column)!r}, its envelope {value!r}"


def _check_nodes(session: Session, findings: Findings, size: int) -> int:
    left, right = aliased(LedgerNode), aliased(LedgerNode)
    query = (
        select(LedgerNode.level, LedgerNode.idx, LedgerNode.hash, left.hash.label("a"), right.hash.label("b"))
        .outerjoin(left, (left.level == LedgerNode.level - 1) & (left.idx == LedgerNode.idx * 2))
        .outerjoin(right, (right.level == LedgerNode.level - 1) & (right.idx == LedgerNode.idx * 2 + 1))
        .order_by(LedgerNode.level, LedgerNode.idx)
        .execution_options(yield_per=STREAM_ROWS)
    )
    seen: dict[int, int] = {}
    for row in session.execute(query):
        where = f"node {row.level}/{row.idx} (ledger_node)"
        if not (isinstance(row.level, int) and isinstance(row.idx, int) and isinstance(row.hash, bytes)):
            findings.add(where, "holds a value of another type")
            continue
        seen[row.level] = seen.get(row.level, 0) + 1
        if not 0 <= row.level < 64 or not 0 <= row.idx < size >> row.level:
            findings.add(where, "covers no complete subtree of the log: it was inserted or moved")
        elif row.level and not _is_parent(row):
            findings.add(where, "is not the hash of its two children")
    for level in range(size.bit_length()):
        if (missing := (size >> level) - seen.get(level, 0)) > 0:
            findings.add(f"level {level} (ledger_node)", f"{missing} nodes are missing")
    return sum(seen.values())


def _is_parent(row: Any) -> bool:
    children = isinstance(row.a, bytes) and isinstance(row.b, bytes)
    return children and merkle.node_hash(row.a, row.b) == row.hash


def _check_head(session: Session, findings: Findings, size: int) -> None:
    heads = session.execute(
        select(LedgerHead.id, LedgerHead.size, LedgerHead.root, LedgerHead.frontier)
    ).all()
    if len(heads) != 1 or heads[0].id != 1:
        findings.add("ledger_head", "is not the one row that it must be")
        return
    head, where = heads[0], "ledger_head"
    if not (isinstance(head.root, bytes) and isinstance(head.frontier, bytes)):
        findings.add(where, "holds a value of another type")
        return
    if head.size != size:
        findings.add(where, f"says {head.size} events; there are {size}")
    peaks = [
        (level, (size >> level) - 1) for level in reversed(range(size.bit_length())) if size >> level & 1
    ]
    hashes = [session.scalar(select(LedgerNode.hash).filter_by(level=level, idx=idx)) for level, idx in peaks]
    frontier = [hash for hash in hashes if isinstance(hash, bytes)]
    if split_frontier(head.frontier) != frontier:
        findings.add(where, "its frontier is not made of the tree's nodes")
    if head.root != merkle.root_hash(frontier):
        findings.add(where, f"its root {head.root.hex()[:16]}… is not the tree's")
