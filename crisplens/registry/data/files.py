"""Which files a user means, and whether they can be tables. Nothing of what is in them is read."""

from __future__ import annotations

import glob
import gzip
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

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
# Read where they can be turned into another format.
ARROW = "arrow"
ARROW_FORMATS = dict.fromkeys((".arrow", ".feather", ".arrows"), ARROW)
# Those whose first line names the columns.
WITH_HEADER = frozenset({"csv", "tsv"})
_GLOB_CHARACTERS = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Unreadable:
    """A file among others that is not read with them, and why, in words that name it."""

    file: Path
    reason: str


@dataclass(frozen=True)
class Table:
    """One table in one or more files of the same format; `pattern` is what the user gave.

    `originals` are the user's files where `files` were made of them, in the same order. `unreadable` are files that
    the pattern names too, and that are not among `files`.
    """

    pattern: str
    files: tuple[Path, ...]
    format: str
    originals: tuple[Path, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


def open_table(pattern: str, *, also: Mapping[str, str] | None = None, partial: bool = False) -> Table:
    """Find the files a path or glob names; nothing but their names and sizes is looked at.

    `also` are further endings of names that are accepted, and their formats. With `partial`, files that cannot be
    opened are told in the table's `unreadable`, as long as others can be. Raises `InputError` for no match, a
    directory, an unreadable or empty file, an extension that is not known and files of different formats.
    """
    files = matching_files(pattern)
    kind = common_format(pattern, files, also=also)
    good, bad = openable(files, partial=partial)
    return Table(pattern=pattern, files=good, format=kind, unreadable=bad)


def common_format(pattern: str, files: Iterable[Path], *, also: Mapping[str, str] | None = None) -> str:
    """The one format of files. Raises `InputError` for formats that differ or are not known."""
    formats = {format_of(file, also=also) for file in files}
    if len(formats) > 1:
        raise InputError(
            f"{pattern} names files of different formats: {', '.join(sorted(formats))}",
            slug="mixed-formats",
            hint="Give a pattern that matches one format, such as 'data/*.parquet'.",
        )
    return formats.pop()


def openable(files: Sequence[Path], *, partial: bool) -> tuple[tuple[Path, ...], tuple[Unreadable, ...]]:
    """The files that can be opened and hold something, and the others.

    Raises `InputError` for the first of the others when no file is left or, without `partial`, at once.
    """
    good: list[Path] = []
    bad: list[Unreadable] = []
    first: InputError | None = None
    for file in files:
        try:
            _check_readable(file)
            good.append(file)
        except InputError as error:
            if not partial:
                raise
            first = first or error
            bad.append(Unreadable(file, shown_reason(file, error)))
    if first is not None and not good:
        raise first
    return tuple(good), tuple(bad)


def shown_reason(file: Path, error: InputError) -> str:
    """Why a file is not read, with its name for its whole path."""
    return error.message.replace(str(file), file.name)


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
            inside = {parent for place in found for parent in place.parents}
            # What is no file, but could be data, is told when it is opened, and not passed over.
            files = tuple(
                place
                for place in found
                if not place.is_dir() or (_is_named_like_data(place) and place not in inside)
            )
            if files:
                return files
            raise InputError(f"no file matches {pattern} (looked from {Path.cwd()})", slug="no-such-file")
    except (OSError, ValueError) as error:
        raise InputError(f"{pattern!r} cannot be used as a path: {error}", slug="no-such-file") from error
    raise InputError(f"there is no file {pattern} (looked from {Path.cwd()})", slug="no-such-file")


def _is_named_like_data(place: Path) -> bool:
    return place.name.casefold().endswith((*FORMATS, *ARROW_FORMATS))


def format_of(file: Path, *, also: Mapping[str, str] | None = None) -> str:
    """The format that a file's name says; `also` are further endings that are accepted here.

    Raises `InputError` for an extension that is not known.
    """
    name = file.name.casefold()
    for ending, kind in {**FORMATS, **(also or {})}.items():
        if name.endswith(ending):
            return kind
    if name.endswith(tuple(ARROW_FORMATS)):
        hint = "Monitors read Arrow files; elsewhere convert them to Parquet."
    else:
        hint = f"Accepted: {ACCEPTED}."
    raise InputError(f"{file} is not of a known format", slug="unknown-format", hint=hint)


def _check_readable(file: Path) -> None:
    try:
        check_regular(file)
        with file.open("rb") as stream:
            first = stream.read(1)
    except OSError as error:
        raise unreadable(file, error) from error
    if not first:
        raise InputError(f"{file} is empty (0 bytes)", slug="empty-file")


def each_file(table: Table) -> tuple[tuple[str, Table], ...]:
    """The files of a table, each as a table of its own, by their names and in their order.

    Those that cannot be read are among them: their tables have no file, and the reason in `unreadable`.
    """
    remote = "://" in table.pattern
    found = []
    for position, file in enumerate(table.files):
        original = table.originals[position : position + 1]
        shown = table.pattern if remote else str(original[0] if original else file)
        found.append((str(original[0] if original else file), Table(shown, (file,), table.format, original)))
    for one in table.unreadable:
        shown = table.pattern if remote else str(one.file)
        found.append((str(one.file), Table(shown, (), table.format, unreadable=(one,))))
    return tuple((Path(place).name, one) for place, one in sorted(found, key=lambda pair: pair[0]))


def open_text(file: Path) -> TextIO:
    """A text file in UTF-8 to read from, also one that gzip has compressed. Raises `OSError`."""
    opener = gzip.open if file.suffix.casefold() == ".gz" else open
    return cast(TextIO, opener(file, "rt", encoding="utf-8-sig", newline=""))


def escape_glob(file: Path) -> str:
    """The path as a DuckDB pattern that matches nothing else."""
    # DuckDB expands wildcards in every path it is given; a class of one character stands for that character.
    return _GLOB_CHARACTERS.sub(lambda found: f"[{found.group()}]", str(file))


def not_utf8(where: object) -> InputError:
    """The error for a text file in another encoding."""
    return InputError(
        f"{where}: bytes that are not UTF-8",
        slug="not-utf8",
        hint="Convert the file first, for example: iconv -f latin1 -t utf-8 old.csv > new.csv (or -f utf-16).",
    )
