"""How a CSV is laid out: its header and delimiter, and the options that make DuckDB read it just so."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from crisplens.core.canonical import unreadable
from crisplens.core.errors import InputError
from crisplens.registry.data.files import format_of, not_utf8

_DELIMITERS = ",;\t|"


def read_header(file: Path) -> tuple[tuple[str, ...], str]:
    """The names in a CSV file's first line, and the delimiter they are separated by."""
    try:
        stat = file.stat()
    except OSError as error:
        raise unreadable(file, error) from error
    return _read_header(file, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _read_header(file: Path, _modified: int, _size: int) -> tuple[tuple[str, ...], str]:
    opener = gzip.open if file.suffix.casefold() == ".gz" else open
    try:
        with opener(file, "rt", encoding="utf-8-sig", newline="") as stream:
            start = stream.readline()
            delimiter = max(_DELIMITERS, key=start.count) if format_of(file) == "csv" else "\t"
            lines = _lines(start, stream)
            names = next(csv.reader(lines, delimiter=delimiter), [])
    except UnicodeDecodeError as error:
        raise not_utf8(file) from error
    except (OSError, EOFError, csv.Error) as error:
        raise unreadable(file, str(error)) from error
    if not any(names):
        raise InputError(f"{file} has no header line", slug="no-header", hint="Name the columns in line 1.")
    return tuple(names), delimiter


def _lines(start: str, rest: Iterator[str]) -> Iterator[str]:
    yield start
    yield from rest


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
