"""Time stamps (RFC 3161): a time-stamp authority says that a tree head existed at a time, whoever kept it.

https://www.rfc-editor.org/rfc/rfc3161
"""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from crisplens.core.canonical import unreadable
from crisplens.core.clock import to_text
from crisplens.core.errors import InputError, RegistryError
from crisplens.core.text import count
from crisplens.ledger.verdict import Finding, Findings, Verdict

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from rfc3161_client import TimeStampResponse

SUFFIX = ".tsr"
SECONDS = 30
MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Timestamp:
    """What a time-stamp authority said: that it saw the content at `time`."""

    time: datetime
    serial_number: int


def make_query(content: bytes) -> bytes:
    """The request to an authority for a time stamp on `content` (DER; a .tsq file), of which it sees the SHA-512."""
    _check_installed()
    from rfc3161_client import TimestampRequestBuilder

    return TimestampRequestBuilder().data(content).build().as_bytes()


def ask_authority(url: str, content: bytes) -> bytes:
    """An authority's response on `content` (DER; a .tsr file), over HTTP.

    Raises `InputError` for a URL that is none, `RegistryError` when the authority cannot be reached or refuses.
    """
    query = make_query(content)
    if not url.lower().startswith(("http://", "https://")):
        hint = "Such as https://tsa.example.org/tsr."
        raise InputError(
            f"{url[:200]!r} is not the URL of a time-stamp authority", slug="bad-authority", hint=hint
        )
    request = urllib.request.Request(
        url, data=query, headers={"Content-Type": "application/timestamp-query"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            response: bytes = answer.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise RegistryError(
            f"the time-stamp authority cannot be asked: {error}",
            slug="no-timestamp",
            hint="Try again, or ask another way: --query-to FILE, then --response FILE.",
        ) from None
    read_timestamp(response, content)
    return response


def read_timestamp(response: bytes, content: bytes) -> Timestamp:
    """What a response says, if it is about `content`; who signed it is not checked. Raises `InputError`."""
    try:
        info = _decode(response).tst_info
    except ValueError as error:
        raise _no_timestamp(error) from None
    hasher = _HASHES.get(info.message_imprint.hash_algorithm.dotted_string)
    if hasher is None or info.message_imprint.message != _digest(hasher, content):
        raise InputError("the time stamp is of another content", slug="no-timestamp")
    return Timestamp(info.gen_time, info.serial_number)


def check_timestamp(response: bytes, content: bytes, roots: Sequence[Certificate]) -> Timestamp:
    """The same, signed by an authority below one of the root certificates. Raises `InputError`."""
    _check_installed()
    from rfc3161_client import VerificationError, VerifierBuilder

    stamp = read_timestamp(response, content)
    try:
        VerifierBuilder(roots=list(roots)).build().verify_message(_decode(response), content)
    except (VerificationError, ValueError) as error:
        raise InputError(
            "the time stamp is not signed by an authority below one of these root certificates",
            slug="no-timestamp",
        ) from error
    return stamp


def read_certificates(file: Path) -> list[Certificate]:
    """The certificates in a PEM file. Raises `InputError`."""
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(file.read_bytes()[:MOST_BYTES])
    except OSError as error:
        raise unreadable(file, error) from None
    except ValueError as error:
        raise InputError(f"{file} holds no certificates in PEM: {error}", slug="bad-authority") from None


def verify_timestamps(heads: Sequence[Path], roots: Sequence[Certificate]) -> Verdict:
    """Whether each kept head has a time stamp beside it (HEAD.tsr) by an authority below one of `roots`."""
    findings, notes = Findings(), []
    for head in heads:
        response = head.with_name(f"{head.name}{SUFFIX}")
        try:
            stamp = check_timestamp(_read(response), _read(head), roots)
        except InputError as error:
            findings.add(response.name, error.message)
        else:
            notes.append(Finding(head.name, f"existed at {to_text(stamp.time)}"))
    return findings.verdict("timestamps", count(len(heads), "kept head"), notes=notes)


_HASHES = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}


def _digest(name: str, content: bytes) -> bytes:
    return hashlib.new(name, content).digest()


def _decode(response: bytes) -> TimeStampResponse:
    _check_installed()
    from rfc3161_client import PKIStatus, decode_timestamp_response

    try:
        decoded = decode_timestamp_response(response)
        if PKIStatus(decoded.status) not in (PKIStatus.GRANTED, PKIStatus.GRANTED_WITH_MODS):
            raise InputError(f"the authority refused: status {decoded.status}", slug="no-timestamp")
    except ValueError as error:
        raise _no_timestamp(error) from None
    return decoded


def _no_timestamp(reason: ValueError) -> InputError:
    return InputError(f"that is no time stamp: {reason}", slug="no-timestamp")


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MOST_BYTES)
    except OSError as error:
        raise unreadable(file, error) from None


def _check_installed() -> None:
    try:
        import rfc3161_client  # noqa: F401
    except ModuleNotFoundError:
        raise RegistryError(
            "time stamps need a library that is not installed",
            slug="not-installed",
            hint="pip install 'crisplens[timestamp]'",
        ) from None
