"""Verification of a whole registry: the ledger's verdicts, with every area's projection, and the evidence."""

from __future__ import annotations

from pathlib import Path

import msgspec
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from crisplens.areas import METADATA
from crisplens.ledger.integrity import verify_integrity
from crisplens.ledger.queries import TreeHead
from crisplens.ledger.replay import verify_projection
from crisplens.ledger.tables import LedgerHead
from crisplens.ledger.verdict import Finding, Progress, Verdict
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
    session: Session, evidence_folder: Path, progress: Progress | None = None
) -> Verification:
    """Check the log, the tables and the evidence files.

    Raises `RegistryError` when the database is no registry, or one of another release.
    """
    renumbered = _check_revision(session)
    integrity = verify_integrity(session, progress)
    projection = verify_projection(session, progress)
    if renumbered:
        projection = msgspec.structs.replace(
            projection, passed=False, found=projection.found + 1, findings=(renumbered, *projection.findings)
        )
    return Verification(
        head=_head(session),
        verdicts=(integrity, projection, verify_evidence(session, evidence_folder)),
    )


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
