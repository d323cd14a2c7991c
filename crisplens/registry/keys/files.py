"""Where private keys are: a file that only its owner can read, or the environment; never the database."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from crisplens.core.ed25519 import SEED_BYTES
from crisplens.core.errors import InputError
from crisplens.core.files import write_whole
from crisplens.ledger.notes import PRIVATE, Checkpoint, NoteError, NoteSigner, check_key_name, parse_signer
from crisplens.ledger.proofs import read_note_head

MOST_BYTES = 10_000


def is_private(location: str) -> bool:
    """Whether it is a private key itself, if perhaps a damaged one: it must not show where a file's name would."""
    return PRIVATE.rstrip("+") in location.upper()


def make_signer(name: str) -> NoteSigner:
    """A new private key for a log of this name. Raises `InputError` for a name that no key can have."""
    try:
        return NoteSigner(check_key_name(name), secrets.token_bytes(SEED_BYTES))
    except NoteError as error:
        raise InputError(str(error), slug="bad-name", hint="Such as example.org/registry.") from None


def write_signer(signer: NoteSigner, file: Path) -> None:
    """Write a private key to a new file with mode 0600. Raises `InputError` when the file is there already."""
    if os.path.lexists(file):
        raise _is_there(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror}", slug="unwritable") from None
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise _is_there(file) from None
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror}", slug="unwritable") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(f"{signer.secret()}\n")
            opened.flush()
            os.fsync(opened.fileno())
    # Such as a full disk.
    except OSError as error:
        file.unlink(missing_ok=True)
        raise InputError(f"cannot write {file}: {error.strerror}", slug="unwritable") from None


def load_signer(location: str, folder: Path) -> NoteSigner:
    """The private key at `location`: its text itself, or a file (relative to `folder`).

    Raises `InputError` when there is none, when others can read the file, or when it holds no key.
    """
    if is_private(location):
        return _parsed(location, "CRISPLENS_SIGNING_KEY")
    file = folder / location
    try:
        mode, text = file.stat().st_mode, file.read_bytes()[:MOST_BYTES].decode()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(
            f"the signing key {file} cannot be read: {reason}",
            slug="no-signing-key",
            hint="Make one with `crisplens key generate NAME`, or name it: signing_key in crisplens.toml, or "
            "CRISPLENS_SIGNING_KEY.",
        ) from None
    if stat.S_IMODE(mode) & 0o077:
        raise InputError(
            f"others may read the signing key {file} (mode {stat.S_IMODE(mode):04o})",
            slug="open-key",
            hint=f"chmod 600 {file}; if others could have read it, rotate it: crisplens key generate NAME.",
        )
    return _parsed(text, str(file))


def default_key_file(location: str) -> str:
    """Where a new private key goes if no file is named. Raises `InputError` when the environment holds the key."""
    if is_private(location):
        raise InputError(
            "the signing key comes from the environment, so there is no file to write a new one to",
            slug="no-signing-key",
            hint="Name it: --key-file FILE.",
        )
    return location


class SignedLast:
    """The head that a key signed last, kept beside the key's file, so that it never signs two histories.

    A key from the environment has no such memory.
    """

    def __init__(self, location: str, folder: Path) -> None:
        self.file = None if is_private(location) else folder / f"{location}.last-head"

    def read(self) -> Checkpoint | None:
        """The head, if one was signed. Raises `InputError` when the file was damaged."""
        if self.file is None or not self.file.exists():
            return None
        try:
            return read_note_head(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.file} does not hold the head that was signed last: {error}",
                slug="bad-head",
                hint="Verify the log against a head that was kept elsewhere; then remove the file.",
            ) from None

    def write(self, note: str) -> None:
        """Remember a head. Raises `InputError` when the file cannot be written."""
        if self.file is None:
            return
        write_whole(self.file, note)


def _is_there(file: Path) -> InputError:
    return InputError(
        f"{file} is there already, and a key is never overwritten",
        slug="exists",
        hint="To rotate keys, name a new file: --key-file FILE.",
    )


def _parsed(text: str, where: str) -> NoteSigner:
    try:
        return parse_signer(text)
    except NoteError as error:
        raise InputError(f"{where} holds no signing key: {error}", slug="bad-key") from None
