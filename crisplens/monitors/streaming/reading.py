"""Bytes of a batch: how they are read within bounds, and which format a file's name says."""

from __future__ import annotations

import gzip
import stat
import zlib
from os import fstat
from pathlib import Path
from typing import IO

from crisplens.core.errors import InputError
from crisplens.monitors.streaming.formats import FORMATS
from crisplens.monitors.streaming.refusals import MOST_BYTES, too_many_bytes

_ENDINGS = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
}


def format_of_batch(file: str) -> str:
    """The format that a file's name says. Raises `InputError` for an extension that is not known."""
    name = Path(file.casefold().removesuffix(".gz"))
    if name.suffix in _ENDINGS:
        return _ENDINGS[name.suffix]
    raise InputError(
        f"{file} is not of a known format",
        slug="unknown-format",
        hint=f"Name it with --format: {', '.join(FORMATS)}.",
    )


def read_bounded(stream: IO[bytes], *, gzipped: bool = False, most: int = MOST_BYTES) -> bytes:
    """All that a stream holds, unpacked when it is `gzipped`. Raises `InputError` for more than `most` bytes.

    A pipe is read to its end; a folder or device that a path names is refused.
    """
    if stat.S_ISDIR(fstat(stream.fileno()).st_mode):
        raise InputError(f"{stream.name} is a folder", slug="not-a-file", hint="Name a file.")
    try:
        content = (gzip.GzipFile(fileobj=stream) if gzipped else stream).read(most + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{stream.name} cannot be read: {error}", slug="unreadable-file") from None
    if len(content) > most:
        raise too_many_bytes(most)
    return content
