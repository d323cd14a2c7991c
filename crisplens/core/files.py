"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from crisplens.core.errors import InputError, RegistryError


@contextmanager
def written_whole(file: Path, *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """A file beside `file`, open for writing, that takes its place at the end and is gone after an error.

    So nothing that was there is lost to a full disk. Raises `InputError` when the place cannot be written or is
    taken and not to be overwritten, `RegistryError` when the disk fails.
    """
    if os.path.exists(file) and not os.path.isfile(file):
        raise InputError(f"{file} is not a regular file", slug="not-a-file", hint="Name a file.")
    if os.path.lexists(file) and not overwrite:
        raise InputError(f"{file} exists already", slug="exists", hint="Name another file, or pass --force.")
    part = file.with_name(f".{secrets.token_hex(8)}.part")
    try:
        opened = part.open("xb")
    except OSError as error:
        raise unwritable(file, error) from None
    try:
        try:
            with opened:
                yield opened
        except OSError as error:
            raise RegistryError(
                f"cannot write {file}: {error.strerror or error}", slug="unwritable", hint="Is the disk full?"
            ) from None
        try:
            part.replace(file)
        except OSError as error:
            raise unwritable(file, error) from None
    finally:
        part.unlink(missing_ok=True)


def write_whole(file: Path, content: str | bytes, *, overwrite: bool = True) -> None:
    """Write a file's content whole or not at all. Raises as `written_whole` does."""
    with written_whole(file, overwrite=overwrite) as opened:
        opened.write(content.encode() if isinstance(content, str) else content)


def read_beginning(file: Path, most: int) -> bytes:
    """A file's first `most` bytes. Raises `InputError` when it cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(most)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no file can have that name"
        raise InputError(f"cannot read {str(file)[:200]}: {why}", slug="unreadable-file") from None


def unwritable(file: Path, error: OSError) -> InputError:
    """The error for a place that cannot be written, and why."""
    return InputError(f"cannot write {file}: {error.strerror}", slug="unwritable")
