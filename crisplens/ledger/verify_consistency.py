"""Consistency: is the log a continuation of the one whose head was kept elsewhere?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.core.errors import RegistryError
from crisplens.core.text import count
from crisplens.ledger.notes import NoteError, NoteKey, open_note
from crisplens.ledger.proofs import head_at
from crisplens.ledger.queries import leaf_hashes
from crisplens.ledger.tables import LedgerHead
from crisplens.ledger.verdict import Finding, Findings, Verdict

_LEAVES = 500


@dataclass(frozen=True)
class KeptHead:
    """A tree head that someone kept: where it came from, the size and root it says, and its note if it is signed.

    `leaves` are leaf hashes known beside it, by place, such as those of a bundle's events.
    """

    name: str
    size: int
    root: bytes
    note: str | None = None
    leaves: Mapping[int, bytes] = field(default_factory=dict)


def verify_consistency(session: Session, kept: Sequence[KeptHead], keys: Sequence[NoteKey]) -> Verdict:
    """Compare the log with heads that were kept: each must be the head of its first events.

    A difference is narrowed down to the events between the last head that fits and the first that does not,
    and to the first one that differs where events were kept beside a head.
    """
    findings, notes = Findings(), []
    size, same = _size(session), 0
    for head in sorted(kept, key=lambda one: one.size):
        signed, fault = _signature(head, keys)
        if fault:
            findings.add(head.name, fault)
        notes.append(Finding(head.name, f"{head.size} events, root {head.root.hex()}, {signed}"))
        if size is None:
            findings.add(head.name, "cannot be compared: the log's own head is gone or damaged")
            continue
        if head.size > size:
            said = f"are gone: {head.name} is of {head.size} events, and the log has {size}"
            findings.add(events(size, head.size), said)
        else:
            root = _root(session, head.size)
            if root == head.root:
                same = max(same, head.size)
                continue
            if root is None:
                findings.add(head.name, "cannot be compared: the log's tree is damaged")
        where, what = _difference(session, head, same, size)
        if where:
            findings.add(where, what)
    checked = f"{count(len(kept), 'kept head')} against the log of {count(size or 0, 'event')}"
    return findings.verdict("consistency", checked, notes=notes)


def events(start: int, end: int) -> str:
    """The events [start, end) in words."""
    return f"event {start}" if end - start == 1 else f"events {start} to {end - 1}"


def _size(session: Session) -> int | None:
    """How many events the log has, if its head is one that can be read."""
    heads = session.execute(select(LedgerHead.size, LedgerHead.root)).all()
    readable = len(heads) == 1 and isinstance(heads[0].size, int) and isinstance(heads[0].root, bytes)
    return heads[0].size if readable else None


def _root(session: Session, size: int) -> bytes | None:
    """The root over the first `size` events, if the tree has every node for it."""
    try:
        return bytes.fromhex(head_at(session, size).root)
    # A node is gone, or is no hash: SQLite keeps values of any type.
    except (RegistryError, TypeError, AttributeError):
        return None


def _signature(head: KeptHead, keys: Sequence[NoteKey]) -> tuple[str, str]:
    if head.note is None:
        return "not signed", ""
    try:
        signed_by = open_note(head.note, keys).signed_by
    except NoteError as error:
        return "wrongly signed", str(error)
    if not signed_by:
        return "signed by none that is known", "is signed by no log key that this registry trusts"
    return f"signed by {' and '.join(key.id for key in signed_by)}", ""


def _difference(session: Session, head: KeptHead, same: int, size: int) -> tuple[str, str]:
    """Where the log and the one under a kept head part, as far as it can be told, and in what words."""
    differ = f"are not those under the head that was kept ({head.name})"
    common = min(head.size, size)
    known = sorted(seq for seq in head.leaves if same <= seq < common)
    for start in range(0, len(known), _LEAVES):
        chosen = known[start : start + _LEAVES]
        found = leaf_hashes(session, chosen)
        changed = next((seq for seq in chosen if found.get(seq) != head.leaves[seq]), None)
        if changed is not None:
            return events(changed, changed + 1), differ
    if head.size > size:
        return "", ""
    if len(known) == common - same:
        return (
            head.name,
            f"its root is not that of its {head.size} events, which are the log's: it was changed",
        )
    return f"some of {events(same, common)}", differ
