"""Kept content handed out: read, written to a file, copied to another store."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from crisplens.core.content_store import ContentLost, ContentStore
from crisplens.core.errors import HalfDone, InputError, Refused
from crisplens.core.files import written_whole
from crisplens.ledger.verdict import Progress
from crisplens.registry.evidence.queries import Content, Evidence

MOST_NAMED = 3


class EvidenceCopied(msgspec.Struct, frozen=True, kw_only=True):
    """What a copy to the store at `to` did, in files: `copied` now, `present` before, `redacted` and so left out."""

    to: str
    copied: int
    present: int
    redacted: int


def read_evidence(store: ContentStore, evidence: Evidence) -> bytes:
    """The content of an evidence file, checked against its digest.

    Raises `Refused` when it was redacted, `RegistryError` when it is gone or is not what was recorded.
    """
    _check_not_redacted(evidence)
    return store.read(evidence.digest)


def save_evidence(
    store: ContentStore, evidence: Evidence, file: Path, *, overwrite: bool = False
) -> Evidence:
    """Write the content of an evidence file to `file`, whole and checked against its digest or not at all.

    Raises `InputError` when the file cannot be written or is there and not to be overwritten, and what
    `read_evidence` raises.
    """
    _check_not_redacted(evidence)
    with written_whole(file, overwrite=overwrite) as part:
        for chunk in store.checked_chunks(evidence.digest):
            part.write(chunk)
    return evidence


def copy_evidence(
    contents: Iterable[Content], source: ContentStore, target: ContentStore, progress: Progress | None = None
) -> EvidenceCopied:
    """Copy content from one store to another; what is there and right is not copied again.

    Everything is read back from the target and checked. Raises `RegistryError` when a store cannot be used,
    and `HalfDone` at the end when content is lost in the source; the rest has been copied by then.
    """
    copied = present = redacted = 0
    lost: list[Content] = []
    for count, content in enumerate(contents, start=1):
        if progress:
            progress("Copying evidence", count)
        if content.redaction:
            redacted += 1
        elif _is_kept(target, content.digest):
            present += 1
        elif _copy(source, target, content.digest):
            copied += 1
        else:
            lost.append(content)
    if lost:
        named = ", ".join(one.name for one in lost[:MOST_NAMED]) + (", ..." if len(lost) > MOST_NAMED else "")
        raise HalfDone(
            f"{len(lost)} files are gone from {source.location} or are not what was recorded: {named}; "
            f"{copied} were copied, {present} were there",
            slug="evidence-store",
            hint="`crisplens audit verify` names them all. Restore them from a backup, then run it again.",
        )
    return EvidenceCopied(to=target.location, copied=copied, present=present, redacted=redacted)


def _copy(source: ContentStore, target: ContentStore, digest: str) -> bool:
    try:
        with target.receive(source.checked_chunks(digest)) as incoming:
            # Of the right size, perhaps, but not the right content.
            target.remove(digest)
            incoming.keep()
    except (ContentLost, InputError):
        return False
    target.check(digest)
    return True


def _is_kept(store: ContentStore, digest: str) -> bool:
    try:
        store.check(digest)
    except (ContentLost, InputError):
        return False
    return True


def _check_not_redacted(evidence: Evidence) -> None:
    if evidence.redaction:
        raise Refused(
            f"{evidence.name} was {evidence.redaction}",
            slug="redacted",
            hint=f"Its content is gone; its digest stays: {evidence.digest}",
        )
