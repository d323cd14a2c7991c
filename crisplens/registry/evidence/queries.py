"""Reads of evidence, and whether the kept files are still what was recorded."""

from __future__ import annotations

import re
from itertools import groupby

import msgspec
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from crisplens.core.content_store import ContentLost, ContentStore
from crisplens.core.errors import InputError
from crisplens.core.names import unknown_name
from crisplens.ledger.verdict import MOST_FINDINGS, Finding, Findings, Progress, Verdict
from crisplens.registry.evidence.tables import EvidenceRow
from crisplens.registry.projects.tables import ProjectRow
from crisplens.registry.views import View, view, views

PREFIX_PATTERN = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})", re.IGNORECASE)
MOST_NAMED = 5
PROGRESS_STEP = 100


class Evidence(View, frozen=True, kw_only=True):
    """An evidence file: its content's digest (`sha256:<hex>`), the name it came with, size in bytes.

    When it was redacted, why, by whom and when. When the last check found its content damaged or gone: the `fault`.
    """

    project: str
    digest: str
    name: str
    media_type: str
    size: int
    redacted_reason: str | None
    redacted_by: str | None
    redacted_at: str | None
    fault: str | None
    fault_seq: int | None

    @property
    def redaction(self) -> str:
        """`redacted by WHO on DAY: WHY`, or nothing when it was not redacted."""
        if self.redacted_at is None:
            return ""
        return f"redacted by {self.redacted_by} on {str(self.redacted_at)[:10]}: {self.redacted_reason}"


def list_evidence(session: Session, project: str) -> list[Evidence]:
    """A project's evidence, in the order of recording."""
    return views(
        session.scalars(select(EvidenceRow).filter_by(project=project).order_by(EvidenceRow.seq)), Evidence
    )


def find_evidence(session: Session, project: str, digest: str) -> Evidence | None:
    """The project's evidence with this digest, if any."""
    row = session.get(EvidenceRow, (project, digest), populate_existing=True)
    return view(row, Evidence) if row else None


def get_evidence(session: Session, project: str, which: str) -> Evidence:
    """The project's evidence with this name, or with a digest that begins so (8 digits or more).

    Raises `InputError` when there is none, with the nearest, or when there are several.
    """
    wanted = EvidenceRow.name == which
    if prefix := PREFIX_PATTERN.fullmatch(which):
        wanted = or_(wanted, EvidenceRow.digest.startswith(f"sha256:{prefix[1].lower()}"))
    query = select(EvidenceRow).where(EvidenceRow.project == project, wanted)
    found = views(session.scalars(query.order_by(EvidenceRow.seq).limit(MOST_NAMED + 1)), Evidence)
    if len(found) > 1:
        more = ", ..." if len(found) > MOST_NAMED else ""
        named = ", ".join(f"{one.digest[:23]} ({one.name})" for one in found[:MOST_NAMED])
        raise InputError(
            f"{which!r} means several evidence files: {named}{more}",
            slug="ambiguous-evidence",
            hint="Name one by more of its digest.",
        )
    if not found:
        column = EvidenceRow.digest if prefix else EvidenceRow.name
        known = session.scalars(select(column).where(EvidenceRow.project == project))
        raise unknown_name(
            "evidence file", which, known, none_yet="There is no evidence yet: crisplens evidence add FILE"
        )
    return found[0]


def find_redaction(session: Session, digest: str) -> Evidence | None:
    """The evidence of any project that had this content when it was redacted, if it was."""
    return next((one for one in same_content(session, digest) if one.redacted_at is not None), None)


def same_content(session: Session, digest: str) -> list[Evidence]:
    """The evidence with this content, of every project that has it."""
    # By project, so that the primary key finds it.
    query = select(EvidenceRow).where(
        EvidenceRow.project.in_(select(ProjectRow.project)), EvidenceRow.digest == digest
    )
    rows = session.scalars(query.order_by(EvidenceRow.project).execution_options(populate_existing=True))
    return views(rows, Evidence)


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """Content that one or more projects keep as evidence; `redaction` says by whom, when and why it was redacted."""

    digest: str
    name: str
    redaction: str


def list_contents(session: Session) -> list[Content]:
    """Every content of the whole registry once, by digest."""
    rows = session.scalars(select(EvidenceRow).order_by(EvidenceRow.digest, EvidenceRow.seq))
    contents = []
    for digest, same in groupby(views(rows, Evidence), key=lambda one: one.digest):
        files = list(same)
        redactions = [one.redaction for one in files if one.redaction]
        contents.append(
            Content(digest=digest, name=files[0].name, redaction=redactions[0] if redactions else "")
        )
    return contents


def content_faults(session: Session, project: str, store: ContentStore) -> dict[str, str]:
    """What is wrong with the content of a project's evidence, by digest: empty text where nothing is.

    Every file is read. Raises `RegistryError` when the store itself cannot be used.
    """
    return {one.digest: _state(store, one) for one in list_evidence(session, project)}


def _state(store: ContentStore, evidence: Evidence) -> str:
    """What is wrong with one file, in words that are the same wherever the store is seen from."""
    if evidence.redaction:
        return ""
    try:
        store.check(evidence.digest)
    except ContentLost:
        return "is damaged" if store.exists(evidence.digest) else "is gone"
    except InputError:
        return "is damaged"
    return ""


def verify_evidence(session: Session, store: ContentStore, progress: Progress | None = None) -> Verdict:
    """Compare the content of every evidence file with the digest that was recorded for it.

    Content that was redacted must be gone, and is a note. Raises `RegistryError` when the store itself
    cannot be used.
    """
    findings, contents, notes = Findings(), list_contents(session), []
    for count, content in enumerate(contents, start=1):
        if progress and count % PROGRESS_STEP == 0:
            progress("Checking evidence", count)
        where = f"{content.name} ({str(content.digest)[:19]}…)"
        if content.redaction:
            notes.append(Finding(where, content.redaction))
        if fault := _fault(store, content):
            findings.add(where, fault)
    redacted = f", {len(notes)} redacted" if notes else ""
    verdict = findings.verdict("evidence", f"{len(contents)} files against their digests{redacted}")
    if len(notes) > MOST_FINDINGS:
        more = Finding("and", f"{len(notes) - MOST_FINDINGS} more that were redacted")
        notes = [*notes[:MOST_FINDINGS], more]
    return msgspec.structs.replace(verdict, notes=tuple(notes))


def _fault(store: ContentStore, content: Content) -> str:
    try:
        if not content.redaction:
            store.check(content.digest)
        elif store.exists(content.digest):
            return "it was redacted and is still in the store; run `crisplens evidence redact` again"
    except ContentLost as error:
        return f"it {error.what}"
    except InputError as error:
        return error.message
    return ""
