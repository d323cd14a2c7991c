"""Signed notes and tree heads in the formats of C2SP, so that tools which are not ours can check them.

https://c2sp.org/signed-note and https://c2sp.org/tlog-checkpoint
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from crisplens.core import ed25519

ED25519 = b"\x01"
PRIVATE = "PRIVATE+KEY+"
MOST_CHARACTERS = 1_000_000
MOST_SIGNATURES = 100
_DASH = "\N{EM DASH} "


class NoteError(ValueError):
    """A text is no note, key or tree head; the message says why."""


@dataclass(frozen=True)
class NoteKey:
    """A key that notes are checked with: its name and the 32 bytes of its Ed25519 public half."""

    name: str
    public: bytes

    @property
    def hash(self) -> bytes:
        """The four bytes that tell keys of one name apart."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    @property
    def id(self) -> str:
        """`name+hash`, as it stands in front of a verifier key."""
        return f"{self.name}+{self.hash.hex()}"

    def __str__(self) -> str:
        return f"{self.id}+{_encode(ED25519 + self.public)}"


@dataclass(frozen=True)
class NoteSigner:
    """A key that signs notes; its text is a secret."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def key(self) -> NoteKey:
        """The public half."""
        return NoteKey(self.name, ed25519.public_key(self.seed))

    def secret(self) -> str:
        """The private key as text, in the form that Go's note package reads."""
        return f"{PRIVATE}{self.key.id}+{_encode(ED25519 + self.seed)}"

    def sign(self, message: bytes) -> bytes:
        """The signature of `message`."""
        return ed25519.sign(self.seed, message)


@dataclass(frozen=True)
class Note:
    """A note's text and those of the given keys that signed it."""

    text: str
    signed_by: tuple[NoteKey, ...]


@dataclass(frozen=True)
class Checkpoint:
    """A tree head as a note's text: which log, how many leaves, and the root hash over them."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{_encode(self.root)}\n"


def check_key_name(name: str) -> str:
    """`name` if a key can have it: not empty, printable, without spaces or plus signs; else `NoteError`."""
    if not name or len(name) > 200 or not name.isprintable() or "+" in name or any(map(str.isspace, name)):
        raise NoteError(f"{name[:60]!r} cannot name a key: no spaces, no plus sign, at most 200 characters")
    return name


def parse_key(text: str) -> NoteKey:
    """Read a verifier key, `name+hash+base64`. Raises `NoteError`."""
    name, public = _parse_key(text.strip())
    return _checked_hash(NoteKey(name, public), text.strip())


def parse_signer(text: str) -> NoteSigner:
    """Read a private key, `PRIVATE+KEY+name+hash+base64`. Raises `NoteError`, whose message shows none of it."""
    stripped = text.strip()
    if not stripped.startswith(PRIVATE):
        raise NoteError("it is not a private key")
    rest = stripped.removeprefix(PRIVATE)
    name, seed = _parse_key(rest)
    signer = NoteSigner(name, seed)
    _checked_hash(signer.key, rest)
    return signer


def sign_note(text: str, signers: Iterable[NoteSigner]) -> str:
    """The signed note of `text`, which must end in a newline. Raises `NoteError` for text that no note holds."""
    _check_text(text)
    lines = [
        f"{_DASH}{signer.name} {_encode(signer.key.hash + signer.sign(text.encode()))}\n"
        for signer in signers
    ]
    return f"{text}\n{''.join(lines)}"


def open_note(note: str, keys: Iterable[NoteKey]) -> Note:
    """A note's text, with the keys that signed it; signatures of unknown keys are passed over.

    Raises `NoteError` for what is no note, and when the signature of a known key is wrong.
    """
    text, signatures = split_note(note)
    known = {(key.name, key.hash): key for key in keys}
    signed_by: dict[NoteKey, None] = {}
    for name, hash, signature in signatures:
        key = known.get((name, hash))
        if key is None:
            continue
        if not ed25519.is_signed(key.public, signature, text.encode()):
            raise NoteError(f"the signature of {key.id} is wrong")
        signed_by[key] = None
    return Note(text, tuple(signed_by))


def split_note(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """A note's text and its signatures (key name, key hash, signature), none of them checked."""
    if len(note) > MOST_CHARACTERS:
        raise NoteError("it is too long for a note")
    text, blank, tail = note.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise NoteError("it is no signed note: a blank line and signatures must follow the text")
    lines = tail[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise NoteError("it has too many signatures")
    _check_text(note)
    return text + "\n", [_signature(line) for line in lines]


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a tree head. Raises `NoteError`."""
    origin, *rest = text.split("\n")
    if len(rest) < 3 or not origin or rest[-1]:
        raise NoteError("it is no tree head: origin, size and root hash must stand on a line each")
    size, root = rest[0], _decode(rest[1], "the root hash")
    if not (size.isascii() and size.isdigit()) or str(int(size[:20])) != size:
        raise NoteError(f"{size[:40]!r} is no tree size")
    if len(root) != hashlib.sha256().digest_size:
        raise NoteError("the root hash has not 32 bytes")
    if not all(rest[2:-1]):
        raise NoteError("it has an empty line")
    return Checkpoint(origin, int(size), root)


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not name:
        raise NoteError(f"{line[:60]!r} is no signature line")
    decoded = _decode(encoded, "a signature")
    if len(decoded) < 5:
        raise NoteError("a signature is too short")
    return name, decoded[:4], decoded[4:]


def _parse_key(text: str) -> tuple[str, bytes]:
    name, *rest = text.split("+", 2)
    if len(rest) != 2:
        raise NoteError("it is no key: name, hash and key must be joined by plus signs")
    key = _decode(rest[1], "the key")
    if key[:1] != ED25519 or len(key) != 1 + ed25519.SEED_BYTES:
        raise NoteError("it is no Ed25519 key")
    return check_key_name(name), key[1:]


def _checked_hash(key: NoteKey, text: str) -> NoteKey:
    if text.split("+", 2)[1] != key.hash.hex():
        raise NoteError("the key's hash does not fit: a character was changed")
    return key


def _check_text(text: str) -> None:
    if not text.endswith("\n") or any(ord(one) < 32 and one != "\n" for one in text):
        raise NoteError("a note's text ends in a newline and holds no control characters")
    try:
        text.encode()
    except UnicodeError:
        raise NoteError("a note is UTF-8 text") from None


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decode(text: str, what: str) -> bytes:
    try:
        decoded = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeError, binascii.Error):
        raise NoteError(f"{what} is not base64") from None
    if _encode(decoded) != text:
        raise NoteError(f"{what} is not base64 as it is written: its last character was changed")
    return decoded
