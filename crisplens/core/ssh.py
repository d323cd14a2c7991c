"""Signatures with people's SSH keys (Ed25519), in the format of `ssh-keygen -Y sign`.

They are made by ssh-keygen, which knows agents and passphrases, and checked here without it.
https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crisplens.core import ed25519
from crisplens.core.errors import InputError, RegistryError

KIND = "ssh-ed25519"
MOST_CHARACTERS = 10_000
SIGN_SECONDS = 120
_MAGIC, _VERSION = b"SSHSIG", 1
_HASHES: dict[str, Callable[[bytes], hashlib._Hash]] = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
_WIDTH = 70
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"


class SshError(ValueError):
    """A text is no Ed25519 SSH key or signature, or the signature is not the message's; says why."""


@dataclass(frozen=True)
class SshKey:
    """The public half of an Ed25519 SSH key: 32 bytes."""

    public: bytes

    @property
    def blob(self) -> bytes:
        """The key as it stands in base64 in a public key file."""
        return _pack(KIND.encode()) + _pack(self.public)

    @property
    def fingerprint(self) -> str:
        """`SHA256:…`, as `ssh-keygen -l` prints it."""
        return f"SHA256:{base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip('=')}"

    def __str__(self) -> str:
        return f"{KIND} {base64.b64encode(self.blob).decode()}"


def parse_public_key(line: str) -> SshKey:
    """Read a public key as it stands in a `.pub` file; the comment does not matter. Raises `SshError`."""
    kind, _, rest = line.strip()[:MOST_CHARACTERS].partition(" ")
    if kind != KIND:
        raise SshError(f"{kind[:40]!r} is not {KIND}: only Ed25519 keys are taken")
    return _read_key(_decode(rest.partition(" ")[0], "the key"))


def check_signature(armored: str, message: bytes, *, namespace: str) -> SshKey:
    """The key that signed `message` for `namespace`. Raises `SshError` for anything but a right signature."""
    key, hash_name, signature = parse_signature(armored, namespace=namespace)
    digest = _HASHES[hash_name](message).digest()
    parts = (namespace.encode(), b"", hash_name.encode(), digest)
    if not ed25519.is_signed(key.public, signature, _MAGIC + b"".join(map(_pack, parts))):
        raise SshError("the signature is of another text, or was changed")
    return key


def parse_signature(armored: str, *, namespace: str) -> tuple[SshKey, str, bytes]:
    """An armoured signature's key, hash name and 64 bytes, not checked against any text. Raises `SshError`."""
    body = _unarmoured(armored)
    if not body.startswith(_MAGIC) or body[6:10] != _VERSION.to_bytes(4, "big"):
        raise SshError("it is no SSH signature of version 1")
    blob, meant_for, _, hash_name, signature = _unpack(body[10:], 5)
    if meant_for != namespace.encode():
        raise SshError(f"it was made for {meant_for[:60].decode(errors='replace')!r}, not for {namespace!r}")
    if hash_name.decode(errors="replace") not in _HASHES:
        raise SshError("its hash is neither sha256 nor sha512")
    kind, raw = _unpack(signature, 2)
    if kind != KIND.encode() or len(raw) != ed25519.SIGNATURE_BYTES:
        raise SshError("it is no Ed25519 signature")
    return _read_key(blob), hash_name.decode(), raw


def armour(armored: str) -> str:
    """A signature in the lines in which ssh-keygen writes and reads it. Raises `SshError`."""
    encoded = base64.b64encode(_unarmoured(armored)).decode()
    lines = [encoded[start : start + _WIDTH] for start in range(0, len(encoded), _WIDTH)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def sign_with_ssh_keygen(key: Path, message: bytes, *, namespace: str) -> str:
    """`message` signed by ssh-keygen with a private key file, or a public one whose other half an agent holds.

    Asks for a passphrase on the terminal if the key has one. Raises `InputError` when the key cannot sign,
    `RegistryError` when there is no ssh-keygen.
    """
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key)]
    if not key.is_file():
        raise InputError(f"there is no key file {key}", slug="bad-key", hint="Such as ~/.ssh/id_ed25519.")
    try:
        done = subprocess.run(command, input=message, capture_output=True, timeout=SIGN_SECONDS, check=False)
    except FileNotFoundError:
        raise RegistryError(
            "there is no ssh-keygen here to sign with",
            slug="no-ssh-keygen",
            hint="Install OpenSSH, or sign elsewhere and pass --signature FILE.",
        ) from None
    except subprocess.TimeoutExpired:
        raise InputError(
            f"ssh-keygen did not sign within {SIGN_SECONDS} s", slug="bad-key", hint="Is the agent waiting?"
        ) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it does not say why"]
        raise InputError(f"ssh-keygen cannot sign with {key}: {said[-1]}", slug="bad-key")
    return done.stdout.decode()


def _unarmoured(armored: str) -> bytes:
    text = armored.strip()
    if len(text) > MOST_CHARACTERS or not (text.startswith(_BEGIN) and text.endswith(_END)):
        raise SshError(f"it is no SSH signature: it must stand between {_BEGIN} and {_END}")
    return _decode("".join(text[len(_BEGIN) : -len(_END)].split()), "the signature")


def _read_key(blob: bytes) -> SshKey:
    kind, public = _unpack(blob, 2)
    if kind != KIND.encode() or len(public) != ed25519.SEED_BYTES:
        raise SshError("it is no Ed25519 key")
    return SshKey(public)


def _pack(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def _unpack(content: bytes, count: int) -> list[bytes]:
    parts = []
    for _ in range(count):
        end = 4 + int.from_bytes(content[:4], "big")
        if len(content) < max(end, 4):
            raise SshError("it is cut off")
        parts.append(content[4:end])
        content = content[end:]
    if content:
        raise SshError("it is longer than it says")
    return parts


def _decode(text: str, what: str) -> bytes:
    try:
        decoded = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeError, binascii.Error):
        raise SshError(f"{what} is not base64") from None
    if base64.b64encode(decoded).decode() != text:
        raise SshError(f"{what} is not base64 as it is written: its last character was changed")
    return decoded
