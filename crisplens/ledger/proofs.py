"""Proofs that need no trust in the database: an event is in the log, and the log only grew since a head.

A proof file is a C2SP tlog-proof whose extra data is the event's envelope: https://c2sp.org/tlog-proof
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from crisplens.core.errors import InputError, RegistryError
from crisplens.ledger import merkle
from crisplens.ledger.notes import (
    Checkpoint,
    NoteError,
    NoteKey,
    NoteSigner,
    open_note,
    parse_checkpoint,
    sign_note,
    split_note,
)
from crisplens.ledger.queries import TreeHead, tree_head
from crisplens.ledger.tables import LedgerEvent, LedgerNode

PROOF_FORMAT = "c2sp.org/tlog-proof@v1"
HASH_BYTES = 32
MOST_PROOF_CHARACTERS = 10_000_000
# As many nodes as one statement asks for; SQLite takes expressions of limited depth.
_PLACES = 200


@dataclass(frozen=True)
class Proof:
    """An event's envelope, its place, the audit path to the root, and the note of the head with that root."""

    envelope: str
    index: int
    path: tuple[bytes, ...]
    note: str

    def __str__(self) -> str:
        extra = base64.b64encode(self.envelope.encode()).decode()
        hashes = "".join(f"{base64.b64encode(hash).decode()}\n" for hash in self.path)
        return f"{PROOF_FORMAT}\nextra {extra}\nindex {self.index}\n{hashes}\n{self.note}"


def node_hashes(session: Session, places: Iterable[merkle.Place]) -> dict[merkle.Place, bytes]:
    """The hashes of complete subtrees. Raises `RegistryError` when one is missing."""
    wanted = list(dict.fromkeys(places))
    found: dict[merkle.Place, bytes] = {}
    for start in range(0, len(wanted), _PLACES):
        chosen = [
            and_(LedgerNode.level == level, LedgerNode.idx == index)
            for level, index in wanted[start : start + _PLACES]
        ]
        query = select(LedgerNode.level, LedgerNode.idx, LedgerNode.hash).where(or_(*chosen))
        found |= {(row.level, row.idx): row.hash for row in session.execute(query)}
    if missing := next((place for place in wanted if place not in found), None):
        raise RegistryError(
            f"node {missing[0]}/{missing[1]} of the ledger's tree is gone",
            slug="ledger-damaged",
            hint="Run `crisplens audit verify`.",
        )
    return found


def head_at(session: Session, size: int) -> TreeHead:
    """The tree head of the first `size` events. Raises `InputError` when the log has fewer."""
    now = tree_head(session)
    if not 0 <= size <= now.size:
        raise InputError(
            f"the log has {now.size} events, not {size}", slug="unknown-name", hint=f"Name 0 to {now.size}."
        )
    (hash,) = _span_hashes(session, [merkle.peaks(0, size)])
    return TreeHead(size, hash.hex())


def sign_head(session: Session, signers: Sequence[NoteSigner], *, last: Checkpoint | None = None) -> str:
    """The newest tree head as a signed note (tlog-checkpoint), in the name of the first signer's key.

    Raises `RegistryError` when the log is no continuation of `last`, the head that was signed before: a log
    must never sign two histories.
    """
    head = tree_head(session)
    if head_at(session, head.size) != head:
        raise RegistryError(
            "the ledger's head is not that of its tree",
            slug="ledger-damaged",
            hint="It is not signed. Run `crisplens audit verify`.",
        )
    if last is not None and last.size:
        grown = last.size <= head.size and head_at(session, last.size).root == last.root.hex()
        if not grown:
            raise RegistryError(
                f"the log is not the continuation of the {last.size} events whose head was signed last",
                slug="rewritten",
                hint="It was cut off, rewritten or replaced by another. Find out before you sign again:\n"
                "crisplens audit verify --against FILE, with the head that was kept.",
            )
    return sign_note(str(Checkpoint(signers[0].name, head.size, bytes.fromhex(head.root))), signers)


def prove_inclusion(session: Session, seq: int, note: str) -> Proof:
    """A proof that event `seq` is in the log with the head in `note`. Raises `InputError` when it is not."""
    try:
        split_note(note)
        head = read_note_head(note)
    except NoteError as error:
        raise InputError(
            f"that is no signed tree head: {error}",
            slug="bad-head",
            hint="Make one with `crisplens audit head --sign`.",
        ) from None
    if head.size > (size := tree_head(session).size):
        raise InputError(
            f"that head is of {head.size} events, and the log has {size}",
            slug="bad-head",
            hint="It is another log's, or this one was cut off: crisplens audit verify --against FILE.",
        )
    envelope = session.scalar(select(LedgerEvent.envelope).where(LedgerEvent.seq == seq))
    if envelope is None or seq >= head.size:
        raise InputError(
            f"the log of that head has no event {seq}: it has {head.size}",
            slug="unknown-name",
            hint="Events count from 0; see `crisplens audit log`.",
        )
    path = tuple(_span_hashes(session, merkle.inclusion_spans(seq, head.size)))
    proof = Proof(envelope, seq, path, note)
    if root_of(proof) != head.root:
        raise RegistryError(
            f"event {seq} is not in the log with that head",
            slug="ledger-damaged",
            hint="Run `crisplens audit verify --against FILE` with the head.",
        )
    return proof


def parse_proof(text: str) -> Proof:
    """Read a tlog-proof that carries its event. Raises `NoteError`."""
    if len(text) > MOST_PROOF_CHARACTERS:
        raise NoteError("it is too long for a proof")
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    if len(lines) < 3 or lines[0] != PROOF_FORMAT or not blank:
        raise NoteError(f"it is no proof: its first line is not {PROOF_FORMAT}")
    if not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise NoteError("it is no proof of an event: its lines `extra` and `index` are missing")
    index = lines[2].removeprefix("index ")
    if not (index.isascii() and index.isdigit()) or len(index) > 18 or str(int(index)) != index:
        raise NoteError(f"{index[:40]!r} is no place in a log")
    try:
        envelope = base64.b64decode(lines[1].removeprefix("extra "), validate=True).decode()
        path = tuple(base64.b64decode(line, validate=True) for line in lines[3:])
    except (binascii.Error, UnicodeError, ValueError):
        raise NoteError("it holds what is not base64 of text or hashes") from None
    if any(len(hash) != HASH_BYTES for hash in path):
        raise NoteError(f"its path holds what has not {HASH_BYTES} bytes")
    proof = Proof(envelope, int(index), path, note)
    if str(proof) != text:
        raise NoteError("its base64 is not as it is written: a last character was changed")
    return proof


def check_proof(proof: Proof, keys: Iterable[NoteKey]) -> tuple[NoteKey, ...]:
    """The keys that signed the head which a proof leads to. Raises `NoteError` when it proves nothing."""
    head = read_note_head(proof.note)
    try:
        root = root_of(proof)
    except ValueError as error:
        raise NoteError(str(error)) from None
    if root != head.root:
        raise NoteError(
            "its path does not lead to the head's root: the event, its place or the path was changed"
        )
    return open_note(proof.note, keys).signed_by


def root_of(proof: Proof) -> bytes:
    """The root that a proof's event and path lead to. Raises `ValueError` for a path of the wrong length."""
    size = read_note_head(proof.note).size
    return merkle.root_from_inclusion(
        proof.index, size, merkle.leaf_hash(proof.envelope.encode()), proof.path
    )


def read_note_head(note: str) -> Checkpoint:
    """The tree head in a note, signed or not; no signature is checked. Raises `NoteError`."""
    text, blank, _ = note.partition("\n\n")
    return parse_checkpoint(f"{text}\n" if blank else note)


def _span_hashes(session: Session, spans: Sequence[merkle.Span]) -> list[bytes]:
    found = node_hashes(session, (place for span in spans for place in span))
    return [merkle.span_hash(span, found.__getitem__) for span in spans]
