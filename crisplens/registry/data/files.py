"""Which files a user means, and whether they can be tables. Nothing of what is in them is read."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from pathlib import Path

from crisplens.core.canonical import check_regular, unreadable
from crisplens.core.errors import InputError

FORMATS = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "tsv",
    ".tsv.gz": "tsv",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".ndjson": "jsonl",
    ".ndjson.gz": "jsonl",
    ".parquet": "parquet",
}
ACCEPTED = (
    "CSV (.csv), tab-separated (.tsv), JSON lines (.jsonl, .ndjson), each also as .gz, and Parquet (.parquet)"
)
# Those whose first line names the columns.
WITH_HEADER = frozenset({"csv", "tsv"})
_GLOB_CHARACTERS = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Table:
    """One table in one or more files of the same format; `pattern` is what the user gave."""

    pattern: str
    files: tuple[Path, ...]
    format: str


def open_table(pattern: str) -> Table:
    """Find the files a path or glob names; nothing but their names and sizes is looked at.

    Raises `InputError` for no match, a directory, an unreadable or empty file, an extension that is not known
    and files of different formats.
    """
    files = matching_files(pattern)
    formats = {format_of(file) for file in files}
    if len(formats) > 1:
        raise InputError(
            f"{pattern} names files of different formats: {', '.join(sorted(formats))}",
            slug="mixed-formats",
            hint="Give a pattern that matches one format, such as 'data/*.parquet'.",
        )
    for file in files:
        _check_readable(file)
    return Table(pattern=pattern, files=files, format=formats.pop())


def matching_files(pattern: str) -> tuple[Path, ...]:
    """The file that a path names, or the files that a glob matches, in the order of their names.

    Raises `InputError` for no match and for a directory.
    """
    try:
        path = Path(pattern)
        if path.is_dir():
            raise InputError(
                f"{pattern} is a directory",
                slug="not-a-file",
                hint=f"Name a file, or a pattern in quotes: '{pattern.rstrip('/')}/*.parquet'.",
            )
        if path.exists():
            return (path.absolute(),)
        if _GLOB_CHARACTERS.search(pattern):
            found = [Path(name).absolute() for name in sorted(glob.glob(pattern, recursive=True))]
            files = tuple(file for file in found if file.is_file())
            if files:
                return files
            raise InputError(f"no file matches {pattern} (looked from {Path.cwd()})", slug="no-such-file")
    except (OSError, ValueError) as error:
        raise InputError(f"{pattern!r} cannot be used as a path: {error}", slug="no-such-file") from error
    raise InputError(f"there is no file {pattern} (looked from {Path.cwd()})", slug="no-such-file")


def format_of(file: Path) -> str:
    """The format that a file's name says. Raises `InputError` for an extension that is not known."""
    name = file.name.casefold()
    for ending, kind in FORMATS.items():
        if name.endswith(ending):
            return kind
    raise InputError(f"{file} is not of a known format", slug="unknown-format", hint=f"Accepted: {ACCEPTED}.")


def _check_readable(file: Path) -> None:
    try:
        check_regular(file)
        with file.open("rb") as stream:
            first = stream.read(1)
    except OSError as error:
        raise unreadable(file, error) from error
    if not first:
        raise InputError(f"{file} is empty (0 bytes)", slug="empty-file")


def escape_glob(file: Path) -> str:
    """The path as a DuckDB pattern that matches nothing else."""
    # DuckDB expands wildcards in every path it is given; a class of one character stands for that character.
    return _GLOB_CHARACTERS.sub(lambda found: f"[{found.group()}]", str(file))


def not_utf8(where: object) -> InputError:
    """The error for a text file in another encoding."""
    return InputError(
        f"{where}: bytes that are not UTF-8",
        slug="not-utf8",
        hint="Convert the file first, for example: iconv -f latin1 -t utf-8 old.csv > new.csv",
    )
