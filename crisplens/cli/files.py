"""Files that commands read and write."""

from __future__ import annotations

import os
from pathlib import Path

from crisplens.core.errors import InputError

MOST_BYTES = 10 << 20


def read_bytes(file: Path) -> bytes:
    """The content of a small file. Raises `InputError` when it cannot be read."""
    from crisplens.core.canonical import check_regular, unreadable

    try:
        check_regular(file)
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise unreadable(file, error) from None
    if len(content) > MOST_BYTES:
        raise unreadable(file, "it is too large")
    return content


def read_text(file: Path) -> str:
    """The text of a small file. Raises `InputError` when it cannot be read or is not UTF-8."""
    from crisplens.core.canonical import unreadable

    try:
        return read_bytes(file).decode()
    except UnicodeError:
        raise unreadable(file, "it is not UTF-8 text") from None


def check_place(file: Path) -> None:
    """Raise `InputError` when `file` cannot be written, before the work and not after it."""
    if os.path.isdir(file):
        raise InputError(f"cannot write {file}: it is a folder", slug="unwritable", hint="Name a file.")
    if not os.path.isdir(file.parent):
        raise InputError(f"cannot write {file}: there is no folder {file.parent}", slug="unwritable")


def write_file(file: Path, content: str | bytes) -> None:
    """Write `file` whole or not at all, so that what was there is not lost to a full disk.

    Raises `InputError`.
    """
    from crisplens.core.files import unwritable, write_whole

    if not os.path.exists(file) or os.path.isfile(file):
        write_whole(file, content)
        return
    try:
        # A device or a pipe, such as /dev/stdout.
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise unwritable(file, error) from None
