"""Use cases of evidence."""

from __future__ import annotations

import mimetypes
import os
from pathlib import Path

from crisplens.core.canonical import check_regular, unreadable
from crisplens.core.errors import InputError
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.registry.evidence.events import EvidenceAdded
from crisplens.registry.evidence.queries import Evidence, find_evidence
from crisplens.registry.evidence.store import keep_bytes
from crisplens.registry.projects.queries import get_project

MOST_BYTES = 256 << 20


def add_evidence(work: UnitOfWork, file: str | os.PathLike[str]) -> Evidence:
    """Keep a file as evidence of the project. A file whose content is kept already is recorded once.

    Raises `InputError` when the file cannot be read or is larger than `MOST_BYTES`.
    """
    path = Path(file)
    try:
        check_regular(path)
        if (size := path.stat().st_size) > MOST_BYTES:
            raise InputError(
                f"{path} has {size >> 20} MiB; evidence files have at most {MOST_BYTES >> 20}",
                slug="too-large",
                hint="Keep the large file where it is, and attach a note with its digest.",
            )
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return add_evidence_bytes(work, content, name=path.name, media_type=media_type)


def add_evidence_bytes(work: UnitOfWork, content: bytes, *, name: str, media_type: str) -> Evidence:
    """Keep `content` as evidence of the project under a file name."""
    get_project(work.session, work.project)
    check_text("the evidence file's name", name, most=255)
    digest, size = keep_bytes(work.evidence_folder, content)
    if known := find_evidence(work.session, work.project, digest):
        return known
    append(work, EvidenceAdded(digest=digest, name=name, media_type=media_type, size=size))
    added = find_evidence(work.session, work.project, digest)
    assert added is not None
    return added
