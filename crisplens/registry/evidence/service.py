"""Use cases of evidence."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from crisplens.core.content_store import MOST_BYTES, ContentStore, file_chunks
from crisplens.core.errors import HalfDone, Refused, RegistryError
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.registry.evidence.events import (
    EvidenceAdded,
    EvidenceFailed,
    EvidenceRedacted,
    EvidenceRestored,
)
from crisplens.registry.evidence.queries import (
    Evidence,
    find_evidence,
    find_redaction,
    get_evidence,
    list_evidence,
    same_content,
)
from crisplens.registry.projects.queries import get_project

MOST_REASON = 2000


class Redaction(msgspec.Struct, frozen=True, kw_only=True):
    """Redacted evidence, the projects for which that was recorded now, and whether content was removed now."""

    evidence: Evidence
    projects: tuple[str, ...]
    removed: bool = False


def add_evidence(work: UnitOfWork, file: str | os.PathLike[str]) -> Evidence:
    """Keep a file as evidence of the project. A file whose content is kept already is recorded once.

    Raises `InputError` when the file cannot be read or is larger than `MOST_BYTES`, `Refused` when its
    content was redacted.
    """
    path = Path(file)
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _add(work, file_chunks(path), name=path.name, media_type=media_type, what=str(path))


def add_evidence_bytes(work: UnitOfWork, content: bytes, *, name: str, media_type: str) -> Evidence:
    """Keep `content` as evidence of the project under a file name. Raises `Refused` when it was redacted."""
    return _add(work, [content], name=name, media_type=media_type, what=name)


def redact_evidence(work: UnitOfWork, which: str, *, reason: str) -> Redaction:
    """Record that the content of an evidence file must be forgotten, for every project that has it.

    `which` is its name or the beginning of its digest. What was redacted before is not recorded again.
    The content is removed by `forget_content`, once this is committed.
    """
    get_project(work.session, work.project)
    check_text("the reason", reason, most=MOST_REASON)
    digest = get_evidence(work.session, work.project, which).digest
    projects = tuple(one.project for one in same_content(work.session, digest) if one.redacted_at is None)
    for project in projects:
        append(work, EvidenceRedacted(digest=digest, reason=reason), project=project)
    redacted = find_evidence(work.session, work.project, digest)
    assert redacted is not None
    return Redaction(evidence=redacted, projects=projects)


def record_faults(work: UnitOfWork, faults: Mapping[str, str]) -> list[Evidence]:
    """Record what a check of the project's evidence found where that is news; returns what has a fault now.

    `faults` are by digest (see `content_faults`). What was approved on failed evidence is stale until it is restored.
    """
    for digest, fault in faults.items():
        known = find_evidence(work.session, work.project, digest)
        if known is None or (known.fault or "") == fault:
            continue
        append(work, EvidenceFailed(digest=digest, fault=fault) if fault else EvidenceRestored(digest=digest))
    return [one for one in list_evidence(work.session, work.project) if one.fault]


def forget_content(store: ContentStore, redaction: Redaction) -> Redaction:
    """Remove the content of redacted evidence from the store; done again, it removes what came back.

    Raises `Refused` when it was redacted before and is gone, `HalfDone` when it cannot be removed.
    """
    evidence = redaction.evidence
    try:
        removed = store.remove(evidence.digest)
    except RegistryError as error:
        raise HalfDone(
            f"the redaction is recorded, but the content is still there: {error.message}",
            slug=error.slug,
            hint=f"{error.hint}\nThe same command removes it.",
        ) from None
    if not removed and not redaction.projects:
        raise Refused(
            f"{evidence.name} was {evidence.redaction}",
            slug="redacted",
            hint="Its content is gone from the store; there is nothing left to redact.",
        )
    return msgspec.structs.replace(redaction, removed=removed)


def _add(work: UnitOfWork, chunks: Iterable[bytes], *, name: str, media_type: str, what: str) -> Evidence:
    # Read before the first statement, so that no other writer waits for it.
    with work.evidence.receive(chunks, what=what, most=MOST_BYTES) as incoming:
        get_project(work.session, work.project)
        check_text("the evidence file's name", name, most=255)
        if redacted := find_redaction(work.session, incoming.digest):
            raise Refused(
                f"the content of {name} was {redacted.redaction}",
                slug="redacted",
                hint="What was redacted is not kept again.",
            )
        # Kept while no other writer can redact it.
        incoming.keep()
        if known := find_evidence(work.session, work.project, incoming.digest):
            return known
        append(
            work,
            EvidenceAdded(digest=incoming.digest, name=name, media_type=media_type, size=incoming.size),
        )
        added = find_evidence(work.session, work.project, incoming.digest)
    assert added is not None
    return added
