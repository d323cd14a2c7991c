"""Reads of evidence, and whether the kept files are still what was recorded."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.core.canonical import digest_file
from crisplens.core.errors import InputError
from crisplens.ledger.verdict import Findings, Verdict
from crisplens.registry.evidence.store import evidence_path
from crisplens.registry.evidence.tables import EvidenceRow
from crisplens.registry.views import View, view, views


class Evidence(View, frozen=True, kw_only=True):
    """An evidence file: its content's digest (`sha256:<hex>`), the name it came with, size in bytes."""

    project: str
    digest: str
    name: str
    media_type: str
    size: int


def list_evidence(session: Session, project: str) -> list[Evidence]:
    """A project's evidence, in the order of recording."""
    return views(
        session.scalars(select(EvidenceRow).filter_by(project=project).order_by(EvidenceRow.seq)), Evidence
    )


def find_evidence(session: Session, project: str, digest: str) -> Evidence | None:
    """The project's evidence with this digest, if any."""
    row = session.get(EvidenceRow, (project, digest))
    return view(row, Evidence) if row else None


def verify_evidence(session: Session, folder: Path) -> Verdict:
    """Compare every evidence file under `folder` with the digest that was recorded for it."""
    findings, checked = Findings(), 0
    names = select(EvidenceRow.digest, EvidenceRow.name).order_by(EvidenceRow.digest).distinct()
    for digest, name in session.execute(names):
        checked += 1
        where = f"{name} ({str(digest)[:19]}…)"
        try:
            if not isinstance(digest, str) or digest_file(evidence_path(folder, digest))[0] != digest:
                findings.add(where, "its content is not what was recorded")
        except InputError as error:
            findings.add(where, error.message)
    return findings.verdict("evidence", f"{checked} files against their digests")
