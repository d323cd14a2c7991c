"""Verification: is the log what was written (integrity), and are the tables what the log says (projection)?

Each check is local (an entry against its leaf, a node against its children, a row against its replay),
so that a finding names the place that was changed and not everything after it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Table, Text, create_engine, func, literal_column, select
from sqlalchemy.orm import Session, aliased
from sqlalchemy.pool import StaticPool

from crisplens.core.database import Base, use_explicit_transactions
from crisplens.ledger import merkle
from crisplens.ledger.model import Envelope, Recorded, decode
from crisplens.ledger.projection import apply
from crisplens.ledger.service import split_frontier
from crisplens.ledger.tables import LEDGER_TABLES, LedgerEvent, LedgerHead, LedgerNode
from crisplens.ledger.triggers import expected_triggers, present_triggers

STREAM_ROWS = 2000
MOST_FINDINGS = 20
Progress = Callable[[str, int], None]


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it was recorded: `where` names the event, table row or file."""

    where: str
    what: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one kind of check; verdicts are never blended. `found` counts beyond those listed."""

    name: str
    passed: bool
    checked: str
    found: int = 0
    findings: tuple[Finding, ...] = ()


class Findings:
    """Collects findings up to a bound and counts the rest."""

    def __init__(self) -> None:
        self.listed: list[Finding] = []
        self.count = 0

    def add(self, where: str, what: str) -> None:
        """Note that something at `where` is wrong."""
        self.count += 1
        if len(self.listed) < MOST_FINDINGS:
            self.listed.append(Finding(where, what))

    def verdict(self, name: str, checked: str) -> Verdict:
        """The verdict: passed when nothing was found."""
        return Verdict(
            name=name, passed=not self.count, checked=checked, found=self.count, findings=tuple(self.listed)
        )


def verify_integrity(session: Session, progress: Progress | None = None) -> Verdict:
    """Entries against their leaves, nodes against their children, the head against the nodes, the triggers."""
    findings = Findings()
    size = _check_entries(session, findings, progress)
    nodes = _check_nodes(session, findings, size)
    _check_head(session, findings, size)
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
        if row.seq != expected:
            gap = f"event {expected}" if row.seq == expected + 1 else f"events {expected} to {row.seq - 1}"
            findings.add(gap if row.seq > expected else f"event {row.seq}", "missing from the sequence")
        expected = row.seq + 1
        count += 1
        for where, what in _entry_faults(row):
            findings.add(where, what)
        if progress and count % STREAM_ROWS == 0:
            progress("checking events", count)
    return count


def _entry_faults(row: Any) -> Iterator[tuple[str, str]]:
    where = f"event {row.seq} (ledger_event)"
    try:
        text = row.envelope.encode()
        envelope = msgspec.json.decode(text, type=Envelope)
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
        seen[row.level] = seen.get(row.level, 0) + 1
        where = f"node {row.level}/{row.idx} (ledger_node)"
        if not 0 <= row.level < 64 or not 0 <= row.idx < size >> row.level:
            findings.add(where, "covers no complete subtree of the log: it was inserted or moved")
        elif row.level and (row.a is None or row.b is None or merkle.node_hash(row.a, row.b) != row.hash):
            findings.add(where, "is not the hash of its two children")
    for level in range(size.bit_length()):
        if (missing := (size >> level) - seen.get(level, 0)) > 0:
            findings.add(f"level {level} (ledger_node)", f"{missing} nodes are missing")
    return sum(seen.values())


def _check_head(session: Session, findings: Findings, size: int) -> None:
    heads = session.execute(
        select(LedgerHead.id, LedgerHead.size, LedgerHead.root, LedgerHead.frontier)
    ).all()
    if len(heads) != 1 or heads[0].id != 1:
        findings.add("ledger_head", "is not the one row that it must be")
        return
    head, where = heads[0], "ledger_head"
    if head.size != size:
        findings.add(where, f"says {head.size} events; there are {size}")
    peaks = [
        (level, (size >> level) - 1) for level in reversed(range(size.bit_length())) if size >> level & 1
    ]
    hashes = [session.scalar(select(LedgerNode.hash).filter_by(level=level, idx=idx)) for level, idx in peaks]
    frontier = [hash for hash in hashes if hash is not None]
    if split_frontier(head.frontier) != frontier:
        findings.add(where, "its frontier is not made of the tree's nodes")
    if head.root != merkle.root_hash(frontier):
        findings.add(where, f"its root {head.root.hex()[:16]}… is not the tree's")


def verify_projection(session: Session, progress: Progress | None = None) -> Verdict:
    """Replay the log into an empty database on the side and compare every table, row by row.

    Every area's projection must be imported before.
    """
    findings = Findings()
    tables = [table for name, table in sorted(Base.metadata.tables.items()) if name not in LEDGER_TABLES]
    # SQLite's unnamed database: private, spills to disk when it grows, gone when closed.
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(""), poolclass=StaticPool)
    use_explicit_transactions(engine)
    with Session(engine) as scratch:
        Base.metadata.create_all(scratch.connection(), tables=tables)
        replayed = _replay(session, scratch, findings, progress)
        # What cannot be replayed to its end would only be told once more, row by row.
        compared = [] if findings.count else tables
        rows = sum(_compare(table, session, scratch, findings) for table in compared)
    engine.dispose()
    return findings.verdict("projection", f"{rows} rows in {len(tables)} tables against {replayed} events")


def stream_events(session: Session) -> Iterator[str]:
    """Every entry's text, in order."""
    query = select(LedgerEvent.envelope).order_by(LedgerEvent.seq).execution_options(yield_per=STREAM_ROWS)
    yield from session.scalars(query)


def _replay(session: Session, scratch: Session, findings: Findings, progress: Progress | None) -> int:
    count = 0
    for text in stream_events(session):
        recorded: Recorded | None = None
        try:
            recorded = decode(text)
            apply(scratch, recorded)
        except (
            Exception
        ) as error:  # whatever a forged event makes a projection raise is a finding, not a crash
            findings.add(
                f"event {recorded.seq if recorded else count}", f"cannot be replayed: {_first_line(error)}"
            )
            break
        count += 1
        if progress and count % STREAM_ROWS == 0:
            progress("replaying events", count)
    return count


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _compare(table: Table, session: Session, scratch: Session, findings: Findings) -> int:
    """Walk both copies of a table in primary-key order and note every difference. Returns rows seen."""
    names = [column.name for column in table.columns]
    keys = [names.index(column.name) for column in table.primary_key]
    actual, replayed = _rows(table, session), _rows(table, scratch)
    row, twin, count = next(actual, None), next(replayed, None), 0
    while row is not None or twin is not None:
        count += 1
        key = tuple(row[i] for i in keys) if row is not None else None
        twin_key = tuple(twin[i] for i in keys) if twin is not None else None
        if twin_key is None or (key is not None and _sortable(key) < _sortable(twin_key)):
            findings.add(f"{table.name} {_label(key)}", "no event made this row")
            row = next(actual, None)
        elif key is None or _sortable(key) > _sortable(twin_key):
            findings.add(f"{table.name} {_label(twin_key)}", "the row is gone or its key was changed")
            twin = next(replayed, None)
        else:
            for name, value, expected in zip(names, row or (), twin or (), strict=True):
                if value != expected:
                    findings.add(
                        f"{table.name} {_label(key)}",
                        f"{name} is {value!r:.80}, the ledger says {expected!r:.80}",
                    )
            row, twin = next(actual, None), next(replayed, None)
    return count


def _rows(table: Table, session: Session) -> Iterator[Sequence[Any]]:
    """Rows as the driver gives them (no conversion that could hide a change), in bytewise key order."""
    quote = session.connection().dialect.identifier_preparer.quote
    order = [
        func.coalesce(literal_column(quote(column.name)), "").collate("C")
        if session.connection().dialect.name == "postgresql" and isinstance(column.type, Text)
        else literal_column(quote(column.name))
        for column in table.primary_key
    ]
    columns: list[Any] = [literal_column(quote(column.name)) for column in table.columns]
    query = select(*columns).select_from(table).order_by(*order).execution_options(yield_per=STREAM_ROWS)
    yield from session.execute(query)


def _sortable(key: tuple[Any, ...]) -> tuple[tuple[bool, Any], ...]:
    """A key that compares even where tampering left a value of another type: numbers before text."""
    return tuple((isinstance(part, str), part) for part in key)


def _label(key: tuple[Any, ...] | None) -> str:
    return "/".join(str(part) for part in key or ())
