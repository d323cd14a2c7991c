"""Verification of a whole registry: the ledger's verdicts, with every area's projection, and the evidence."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from crisplens.areas import METADATA
from crisplens.core.content_store import ContentStore
from crisplens.core.names import unknown_name
from crisplens.ledger.notes import NoteKey
from crisplens.ledger.queries import TreeHead
from crisplens.ledger.tables import LedgerEvent, LedgerHead
from crisplens.ledger.verdict import Finding, Progress, Verdict
from crisplens.ledger.verify_consistency import KeptHead, verify_consistency
from crisplens.ledger.verify_integrity import verify_integrity
from crisplens.ledger.verify_projection import verify_projection
from crisplens.lifecycle.tables import ApprovalRow, CheckpointRow
from crisplens.lifecycle.verify_signatures import verify_signatures
from crisplens.migrations import check_schema, read_status
from crisplens.registry.evidence.queries import verify_evidence


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The verdicts on a registry, never blended, and the tree head that they are about."""

    head: TreeHead | None
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        """Whether every verdict passed."""
        return all(verdict.passed for verdict in self.verdicts)


def verify_registry(
    session: Session,
    store: ContentStore,
    progress: Progress | None = None,
    *,
    kept: Sequence[KeptHead] = (),
    pinned: Sequence[NoteKey] = (),
) -> Verification:
    """Check the log, the tables, the evidence files and the signatures; with heads that were `kept`, the growth.

    Only the log keys `pinned` are roots of trust; without any, the first one in the log is. Raises `RegistryError`
    when the database is no registry, or one of another release.
    """
    renumbered = _check_revision(session)
    integrity = verify_integrity(session, progress)
    projection = verify_projection(session, progress)
    if renumbered:
        projection = msgspec.structs.replace(
            projection, passed=False, found=projection.found + 1, findings=(renumbered, *projection.findings)
        )
    signatures, keyring = verify_signatures(session, [str(key) for key in pinned])
    consistency = [verify_consistency(session, kept, [*keyring.log_keys(), *pinned])] if kept else []
    evidence = verify_evidence(session, store, progress)
    return Verification(
        head=_head(session), verdicts=(integrity, *consistency, projection, evidence, signatures)
    )


def find_event(session: Session, project: str | None, thing: str) -> int:
    """The place in the log of an event: by its number, its id, or the checkpoint or approval that it recorded.

    Raises `InputError` when there is none.
    """
    if thing.isascii() and thing.isdigit():
        return int(thing.lstrip("0")[:18] or "0")
    seq = session.scalar(select(LedgerEvent.seq).where(LedgerEvent.id == thing))
    if seq is not None:
        return seq
    known: dict[str, int] = {}
    for row in (CheckpointRow, ApprovalRow):
        found = session.execute(select(row.id, row.seq).where(row.project == project))
        known |= {one.id: one.seq for one in found}
    if thing not in known:
        raise unknown_name(
            "event, checkpoint or approval", thing, known, none_yet="See `crisplens audit log`."
        )
    return known[thing]


def _head(session: Session) -> TreeHead | None:
    head = session.execute(select(LedgerHead.size, LedgerHead.root)).first()
    readable = head is not None and isinstance(head.size, int) and isinstance(head.root, bytes)
    return TreeHead(head.size, head.root.hex()) if head is not None and readable else None


def _check_revision(session: Session) -> Finding | None:
    """A finding when only the schema's number was changed; an error when the schema is another release's."""
    connection = session.connection()
    status = read_status(connection)
    if status.current:
        return None
    inspector = inspect(connection)
    columns = {
        name: {column["name"] for column in inspector.get_columns(name)}
        for name in inspector.get_table_names()
    }
    if any(
        columns.get(name) != {column.name for column in table.columns}
        for name, table in METADATA.tables.items()
    ):
        check_schema(connection)
    return Finding(
        "alembic_version", f"version_num is {status.revision!r}, the tables are those of {status.head!r}"
    )
