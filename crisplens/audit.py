"""Verification of a whole registry: the ledger's verdicts, with every area's projection, and the evidence."""

from __future__ import annotations

from pathlib import Path

import msgspec
from sqlalchemy import inspect
from sqlalchemy.orm import Session

from crisplens.areas import METADATA
from crisplens.ledger.queries import TreeHead
from crisplens.ledger.tables import LedgerHead
from crisplens.ledger.verify import Finding, Progress, Verdict, verify_integrity, verify_projection
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
    head = session.query(LedgerHead.size, LedgerHead.root).first()
    return Verification(
        head=TreeHead(head.size, bytes(head.root).hex()) if head else None,
        verdicts=(integrity, projection, verify_evidence(session, evidence_folder)),
    )


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
