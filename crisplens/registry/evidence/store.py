"""The folder that keeps evidence files, each under the SHA-256 of its content."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from crisplens.core.canonical import digest_bytes, digest_file
from crisplens.core.errors import RegistryError


def evidence_path(folder: Path, digest: str) -> Path:
    """Where the content with this `sha256:<hex>` digest is kept."""
    algorithm, _, name = digest.partition(":")
    return folder / algorithm / name[:2] / name


def keep_bytes(folder: Path, content: bytes) -> tuple[str, int]:
    """Keep `content` and return its digest and size. What is there already is not written again.

    Written aside and renamed, so that an interruption leaves no half file under a digest.
    Raises `RegistryError` when the folder cannot be written.
    """
    digest = digest_bytes(content)
    path = evidence_path(folder, digest)
    if path.exists() and digest_file(path)[0] == digest:
        return digest, len(content)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as aside:
            aside.write(content)
            aside.flush()
            os.fsync(aside.fileno())
        os.replace(aside.name, path)
    except OSError as error:
        raise RegistryError(
            f"the evidence store {folder} cannot be written: {error.strerror}", slug="evidence-store"
        ) from None
    return digest, len(content)


def read_bytes(folder: Path, digest: str) -> bytes:
    """The content with this digest. Raises `RegistryError` when it is gone or is not that content."""
    try:
        content = evidence_path(folder, digest).read_bytes()
    except OSError as error:
        raise RegistryError(
            f"evidence {digest} cannot be read: {error.strerror}",
            slug="evidence-store",
            hint="Run `crisplens audit verify` to see what is missing.",
        ) from None
    if digest_bytes(content) != digest:
        raise RegistryError(
            f"evidence {digest} is not the content that was recorded",
            slug="evidence-store",
            hint="Run `crisplens audit verify`; restore the file from a backup.",
        )
    return content
