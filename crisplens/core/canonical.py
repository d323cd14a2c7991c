"""Canonical JSON (RFC 8785) and SHA-256: one text per value, so that equal content has equal digests."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path
from typing import Any

import msgspec
import rfc8785

from crisplens.core.errors import InputError

CHUNK = 1 << 20
MOST_EXACT = 2**53 - 1


def canonical_json(value: Any) -> str:
    """`value` (built-in types) as RFC 8785 text.

    Raises `InputError` for what such a text cannot hold exactly: NaN, infinities, integers beyond
    2**53, text that is not Unicode; and for NUL characters, which PostgreSQL's text cannot hold.
    """
    try:
        try:
            text = msgspec.json.encode(_plain(value), order="sorted").decode()
        except _NotPlain:
            text = rfc8785.dumps(value).decode()
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
        raise InputError(
            f"a value cannot be recorded exactly: {error}",
            slug="not-exact",
            hint="Use finite numbers, integers within ±(2**53 - 1) and Unicode text.",
        ) from None
    if "\\u0000" in text.replace("\\\\", ""):
        raise InputError("text must not hold NUL characters", slug="not-exact")
    return text


class _NotPlain(Exception):
    """A value that msgspec does not write as RFC 8785 says."""


def _plain(value: Any) -> Any:
    """`value` as one whose sorted JSON by msgspec, made many times faster, is its RFC 8785 text (a test compares)."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is float:
        return _plain_float(value)
    if kind is dict:
        for key in value:
            if type(key) is not str or not key.isascii():
                raise _NotPlain
        return {key: _plain(one) for key, one in value.items()}
    if kind in (list, tuple):
        return [_plain(one) for one in value]
    if kind is int and abs(value) <= MOST_EXACT:
        return value
    raise _NotPlain


def _plain_float(value: float) -> int | float | msgspec.Raw:
    if value.is_integer() and abs(value) <= MOST_EXACT:
        return int(value)
    # Here both write the shortest digits that read back, without an exponent.
    if 1e-5 <= abs(value) < MOST_EXACT:
        return value
    return msgspec.Raw(rfc8785.dumps(value))


def digest_json(value: Any) -> str:
    """`sha256:<hex>` of the canonical JSON of `value`."""
    return digest_bytes(canonical_json(value).encode())


def digest_bytes(content: bytes) -> str:
    """`sha256:<hex>` of `content`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest_file(path: Path) -> tuple[str, int]:
    """`sha256:<hex>` and size in bytes of a file, read in chunks. Raises `InputError` if it cannot be read."""
    hasher, size = hashlib.sha256(), 0
    try:
        check_regular(path)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                hasher.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise unreadable(path, error) from None
    return f"sha256:{hasher.hexdigest()}", size


def check_regular(path: Path) -> None:
    """Raise `InputError` for a folder, pipe or device: reading one would never end. `OSError` if it is gone."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise InputError(f"{path} is not a regular file", slug="not-a-file", hint="Name a file.")


def unreadable(where: object, reason: OSError | str) -> InputError:
    """The error for a file that a command was given and cannot read, and why."""
    why = reason if isinstance(reason, str) else reason.strerror or str(reason)
    return InputError(f"{where} cannot be read: {why}", slug="unreadable-file")
