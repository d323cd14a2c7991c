"""Appending to the ledger: the only way in which anything is written."""

from __future__ import annotations

import uuid

import msgspec
from sqlalchemy import Connection, insert, select, update

from crisplens.core.clock import to_text
from crisplens.core.errors import RegistryError
from crisplens.core.work import UnitOfWork
from crisplens.ledger import merkle, projection
from crisplens.ledger.model import Envelope, Event, Recorded, encode
from crisplens.ledger.tables import LedgerEvent, LedgerHead, LedgerNode

HASH_BYTES = 32


def append(work: UnitOfWork, event: Event, *, project: str | None = None) -> Recorded:
    """Record `event` and apply it to the tables, in the caller's transaction.

    `project` is the project it is about (by default the work's own). Raises `InputError` when the
    event holds what canonical JSON cannot, `RegistryError` when the ledger's head is gone.
    """
    session = work.session
    head = session.execute(select(LedgerHead.size, LedgerHead.frontier).with_for_update()).one_or_none()
    if head is None:
        raise RegistryError(
            "the ledger's head is gone", slug="ledger-damaged", hint="Run `crisplens audit verify`."
        )
    size, moment = head.size, to_text(work.now)
    envelope = Envelope(
        seq=size,
        id=uuid.uuid4().hex,
        type=event.TYPE,
        version=event.VERSION,
        project=project or work.project_name,
        actor=work.actor,
        recorded_at=moment,
        occurred_at=moment,
        payload=msgspec.Raw(),
    )
    text = encode(envelope, event)
    columns = {
        column: getattr(envelope, column)
        for column in ("seq", "id", "type", "version", "project", "recorded_at", "occurred_at")
    }
    session.execute(insert(LedgerEvent).values(envelope=text, actor=envelope.actor.id, **columns))
    _grow_tree(work, size, split_frontier(head.frontier), merkle.leaf_hash(text.encode()))
    recorded = Recorded(envelope, event)
    projection.apply(session, recorded)
    return recorded


def lock_head(connection: Connection) -> None:
    """Wait until no other writer is at work, so that what a command looks at is what it is recorded after.

    On SQLite the transaction has done so already by beginning (BEGIN IMMEDIATE).
    """
    if connection.dialect.name != "sqlite":
        connection.execute(select(LedgerHead.id).with_for_update())


def split_frontier(joined: bytes) -> list[bytes]:
    """The hashes that the head row keeps joined."""
    return [joined[start : start + HASH_BYTES] for start in range(0, len(joined), HASH_BYTES)]


def _grow_tree(work: UnitOfWork, size: int, frontier: list[bytes], leaf: bytes) -> None:
    grown, nodes = merkle.grow(frontier, size, leaf)
    work.session.execute(
        insert(LedgerNode), [{"level": node.level, "idx": node.index, "hash": node.hash} for node in nodes]
    )
    work.session.execute(
        update(LedgerHead).values(size=size + 1, root=merkle.root_hash(grown), frontier=b"".join(grown))
    )
