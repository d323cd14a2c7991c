"""Reading what an auditor kept of a log: a signed note, the text or JSON of `audit head`, a proof, a bundle."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from pathlib import Path

import msgspec

from crisplens.core.canonical import check_regular, unreadable
from crisplens.core.decoding import decode_json
from crisplens.core.errors import InputError
from crisplens.ledger import merkle
from crisplens.ledger.notes import MOST_CHARACTERS, NoteError, NoteKey, parse_checkpoint, parse_key
from crisplens.ledger.proofs import MOST_PROOF_CHARACTERS, PROOF_FORMAT, parse_proof, read_note_head
from crisplens.ledger.verify_consistency import KeptHead

ROOT_CHARACTERS = 64
HEAD_FILE, EVENTS_FILE = "head.txt", "events.jsonl"
MOST_LINE_BYTES = 4 << 20


class _Envelope(msgspec.Struct):
    seq: int


class _JsonHead(msgspec.Struct):
    size: int | None = None
    root: str = ""
    note: str = ""


def read_kept_head(path: Path) -> KeptHead:
    """What was kept in a file. Raises `InputError` when it is nothing that holds a tree head."""
    try:
        check_regular(path)
        if zipfile.is_zipfile(path):
            return _read_bundle(path)
        with path.open("rb") as file:
            text = file.read(MOST_PROOF_CHARACTERS + 1).decode()
        return parse_kept_head(text, path.name)
    except OSError as error:
        raise unreadable(path, error) from None
    # What zipfile raises for archives that are damaged, cut off, encrypted or packed in a way it does not know.
    except (
        ValueError,
        KeyError,
        EOFError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
    ) as error:
        raise InputError(
            f"{path} holds no tree head: {error}",
            slug="bad-head",
            hint="Give what `crisplens audit head` printed, a signed head, a proof, or a bundle.",
        ) from None


def parse_kept_head(text: str, name: str) -> KeptHead:
    """Read a tree head, whichever way it was written down. Raises `ValueError`."""
    if text.startswith(PROOF_FORMAT):
        proof = parse_proof(text)
        head = read_note_head(proof.note)
        leaf = merkle.leaf_hash(proof.envelope.encode())
        return KeptHead(name, head.size, head.root, proof.note, {proof.index: leaf})
    if len(text) > MOST_CHARACTERS:
        raise NoteError("it is too long")
    if text.lstrip().startswith("{"):
        found = decode_json(text, _JsonHead)
        if found.note:
            head = read_note_head(found.note)
            return KeptHead(name, head.size, head.root, found.note)
        return _plain_head(name, found.size, found.root)
    words = text.split()
    if len(words) == 3 and words[1] == "events":
        return _plain_head(
            name, int(words[0]) if words[0].isascii() and words[0].isdigit() else None, words[2]
        )
    if "\n\n" in text:
        head = read_note_head(text)
        return KeptHead(name, head.size, head.root, text)
    head = parse_checkpoint(text)
    return KeptHead(name, head.size, head.root)


def read_pinned_key(text: str) -> NoteKey:
    """A log's verifier key that a reader got elsewhere. Raises `InputError`."""
    try:
        return parse_key(text)
    except NoteError as error:
        raise InputError(
            f"that is no verifier key: {error}", slug="bad-key", hint="As `crisplens key list` prints it."
        ) from None


def _plain_head(name: str, size: int | None, root: str) -> KeptHead:
    if size is None or size < 0 or bytes.fromhex(root).hex() != root or len(root) != ROOT_CHARACTERS:
        raise NoteError("size and root hash are not those of a tree head")
    return KeptHead(name, size, bytes.fromhex(root))


def _read_bundle(path: Path) -> KeptHead:
    leaves = {}
    with zipfile.ZipFile(path) as bundle:
        with bundle.open(HEAD_FILE) as file:
            head = parse_kept_head(file.read(MOST_CHARACTERS).decode(), path.name)
        with bundle.open(EVENTS_FILE) as file:
            while line := file.readline(MOST_LINE_BYTES):
                text = line.removesuffix(b"\n")
                leaves[decode_json(text, _Envelope).seq] = merkle.leaf_hash(text)
    return KeptHead(path.name, head.size, head.root, head.note, leaves)
