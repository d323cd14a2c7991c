"""How a CSV is laid out: its header and delimiter, and the options that make DuckDB read it just so."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from crisplens.core.canonical import unreadable
from crisplens.core.errors import InputError
from crisplens.registry.data.files import format_of, not_utf8, open_text

_DELIMITERS = ",;\t|"
# DuckDB reads no longer line, and overlooks a last one that does not fit its buffer of 16 such lines.
MOST_LINE_BYTES = 2_000_000
_BUFFER_BYTES = 16 * MOST_LINE_BYTES
_CHUNK = 1 << 18


def read_header(file: Path) -> tuple[tuple[str, ...], str]:
    """The names in a CSV file's first line, and the delimiter they are separated by.

    Raises `InputError` for a file that cannot be read, has no header, NUL bytes or another encoding in it, or a last
    line that is longer than a row can be.
    """
    try:
        stat = file.stat()
    except OSError as error:
        raise unreadable(file, error) from error
    return _read_header(file, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _read_header(file: Path, _modified: int, size: int) -> tuple[tuple[str, ...], str]:
    try:
        with open_text(file) as stream:
            start = stream.readline(MOST_LINE_BYTES)
            if len(start) == MOST_LINE_BYTES:
                raise _too_long(f"{file}, line 1")
            if "\0" in start:
                raise InputError(
                    f"{file} has NUL bytes in its first line: it is no text in UTF-8",
                    slug="not-utf8",
                    hint="A file in UTF-16 can be converted: iconv -f utf-16 -t utf-8 old.csv > new.csv",
                )
            delimiter = max(_DELIMITERS, key=start.count) if format_of(file) == "csv" else "\t"
            names = next(csv.reader(_lines(start, stream), delimiter=delimiter), [])
        _check_last_line(file, size)
    except UnicodeDecodeError as error:
        raise not_utf8(file) from error
    except (OSError, EOFError, csv.Error, zlib.error) as error:
        raise unreadable(file, str(error)) from error
    if not any(names):
        raise InputError(f"{file} has no header line", slug="no-header", hint="Name the columns in line 1.")
    return tuple(names), delimiter


def _lines(start: str, rest: TextIO) -> Iterator[str]:
    yield start
    # A quoted name may go on in the next line.
    while line := rest.readline(MOST_LINE_BYTES):
        yield line


def _check_last_line(file: Path, size: int) -> None:
    """Raise `InputError` for a last line that DuckDB would overlook, which only a long file can have."""
    if file.suffix.casefold() != ".gz":
        if size > _BUFFER_BYTES and not _ends_in_lines(file, size):
            raise _too_long(f"{file}, its last line")
    elif max(size, _size_inside(file)) > _BUFFER_BYTES and _last_line_bytes(file) > MOST_LINE_BYTES:
        raise _too_long(f"{file}, its last line")


def _ends_in_lines(file: Path, size: int) -> bool:
    """Whether a line ends in the last bytes, but for the very last."""
    with file.open("rb") as stream:
        for end in range(size - 1, size - 1 - MOST_LINE_BYTES, -_CHUNK):
            stream.seek(end - _CHUNK)
            if any(sign in stream.read(_CHUNK) for sign in (b"\n", b"\r")):
                return True
    return False


def _size_inside(file: Path) -> int:
    """How large a gzip says its content is (the last part of it, modulo 4 GiB)."""
    with file.open("rb") as stream:
        stream.seek(max(file.stat().st_size - 4, 0))
        return int.from_bytes(stream.read(4), "little")


def _last_line_bytes(file: Path) -> int:
    """How long the last line of a gzip's content is, with its end; memory stays small however long it is."""
    length, ended = 0, True
    with gzip.open(file, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            # The very last byte ends the last line and begins none.
            end = max(chunk.rfind(b"\n", 0, -1), chunk.rfind(b"\r", 0, -1))
            length = len(chunk) - end - 1 if end >= 0 or ended else length + len(chunk)
            ended = chunk[-1:] in (b"\n", b"\r")
    return length


def _too_long(where: str) -> InputError:
    return InputError(
        f"{where} cannot be read: it is longer than {MOST_LINE_BYTES:,} bytes",
        slug="unreadable-file",
        hint="A row of a table is shorter. Is a line break or a quote missing, or was the file not written to its end?",
    )


def csv_options(file: Path, delimiter: str) -> list[str]:
    """Options of DuckDB's `read_csv` for one dialect."""
    # Fixed, so that a broken row is an error and not a reason for DuckDB to guess another dialect.
    compression = "gzip" if file.suffix.casefold() == ".gz" else "none"
    return [
        f"compression = '{compression}'",
        f"delim = {quote_text(delimiter)}",
        "quote = '\"'",
        "escape = '\"'",
        "header = true",
        "skip = 0",
        "comment = ''",
        "null_padding = false",
        "ignore_errors = false",
    ]


def quote_name(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """`text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"
