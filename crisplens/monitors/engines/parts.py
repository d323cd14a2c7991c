"""Which files of a table cannot be read with the others: a check goes on without them, and says so."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from crisplens.core.errors import InputError
from crisplens.core.names import nearest
from crisplens.monitors.engines import _sql
from crisplens.monitors.engines._reading import opened
from crisplens.monitors.engines.interface import EngineResult, Rows, RowSlice
from crisplens.monitors.features import source_of
from crisplens.monitors.model import CategoricalProfile, Family, NumericProfile, Profile, Verdict
from crisplens.registry.data import tabular
from crisplens.registry.data.csv_files import read_header
from crisplens.registry.data.files import (
    WITH_HEADER,
    Table,
    Unreadable,
    escape_glob,
    open_text,
    openable,
    shown_reason,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What is wrong with one file, and not with what is asked of it.
OF_FILES = frozenset(
    {
        "changed-while-read",
        "duplicate-columns",
        "empty-file",
        "no-header",
        "not-a-file",
        "not-utf8",
        "ragged-csv",
        "unreadable-file",
    }
)
MOST_NAMED = 5
_HELD = {Family.NUMBER: "numbers", Family.TEXT: "text", Family.BOOLEAN: "booleans"}

Stamps = tuple[tuple[str, int, int], ...]
# A line of JSON need not say what is null. Chance leaves a column out of a whole file more seldom than this.
LEAST_CHANCE = 1e-3


class Expected(msgspec.Struct, frozen=True):
    """A column of the reference, as far as files must agree on it; no `family` where any will do.

    `nulls` is the share of its rows that are null.
    """

    name: str
    type: str
    family: Family | None
    nulls: float = 0.0


class _Held(msgspec.Struct, frozen=True):
    """What one file holds: its rows, and each column's type and how many of its values are there."""

    rows: int
    columns: Mapping[str, tuple[str, int]]


def expected_columns(reference: Profile, watched: Sequence[str] = ()) -> tuple[Expected, ...]:
    """What a reference asks of a window's files, in all of its columns or those that are watched."""
    return tuple(
        Expected(
            column.name,
            column.type,
            Family.NUMBER
            if isinstance(column, NumericProfile)
            else column.family
            if isinstance(column, CategoricalProfile)
            else None,
            column.nulls / column.rows if column.rows else 0.0,
        )
        for column in reference.columns
        if not source_of(column) and (not watched or column.name in watched)
    )


def look_at_readable(
    look: Callable[[Rows], EngineResult], rows: Rows, expected: Sequence[Expected] = ()
) -> tuple[EngineResult, Rows]:
    """What `look` finds in the rows, or in those of the files that can be read; and the rows that it looked at.

    Files that are left out are in `unreadable` of the table of the rows that are given back: they are searched for
    only when something fails, or columns differ. Rows that are counted over all files are looked at in full or not at
    all. Raises `InputError` as `look` does when no file is to blame, or none is left.
    """
    if not rows.table.files:
        raise InputError(rows.table.unreadable[0].reason, slug="unreadable-file")
    if len(rows.table.files) == 1 or isinstance(rows.only, RowSlice):
        return look(rows), rows
    if have_different_columns(rows.table, expected):
        rows = replace(rows, table=readable_part(rows.table, expected))
    try:
        found = look(rows)
    except InputError as error:
        part = readable_part(rows.table, expected) if error.slug in OF_FILES else rows.table
        if part == rows.table:
            raise
    else:
        if all(column.verdict is not Verdict.WRONG_TYPE for column in found.check.columns):
            return found, rows
        part = readable_part(rows.table, expected)
        if part == rows.table:
            return found, rows
    rows = replace(rows, table=part)
    return look(rows), rows


def left_out(table: Table) -> str:
    """One sentence on the files that are not read with a table's others; empty when all are."""
    if not table.unreadable:
        return ""
    count, total = len(table.unreadable), len(table.unreadable) + len(table.files)
    named = "; ".join(one.reason.rstrip(".") for one in table.unreadable[:MOST_NAMED])
    more = f"; and {count - MOST_NAMED} more" if count > MOST_NAMED else ""
    return f"{count} of {total} files {'is' if count == 1 else 'are'} left out: {named}{more}."


def stamps(table: Table) -> Stamps:
    """The user's files of a table with their sizes and times of change; -1 for what is gone."""
    return tuple((str(file), *_stamp(file)) for file in table.originals or table.files)


def is_changed(table: Table, before: Stamps) -> bool:
    """Whether a file of the table is not what it was when `before` was taken."""
    return not set(before).issuperset(stamps(table))


def check_alike(table: Table, expected: Sequence[Expected]) -> None:
    """Raise `InputError` for a file that lacks a column that others have, or holds another type in it."""
    if have_different_columns(table, expected):
        for one in readable_part(table, expected).unreadable:
            raise _different(table, one.reason)


def _different(table: Table, reason: str) -> InputError:
    return InputError(
        f"the files of {table.pattern} differ: {reason}",
        slug="mixed-columns",
        hint="Give files with the same columns, or name those to watch that all have.",
    )


def have_different_columns(table: Table, expected: Sequence[Expected]) -> bool:
    """Whether files seem to differ in an expected column; only headers, footers and first lines are read."""
    if len(table.files) < 2 or not expected:
        return False
    try:
        if table.format == "parquet":
            return _parquet_differs(table, expected)
        names = _header_names if table.format in WITH_HEADER else _first_keys
        folded = table.format in WITH_HEADER
        wanted = {one.name.casefold() if folded else one.name for one in expected}
        found = {frozenset(wanted.intersection(names(file))) for file in table.files}
    except InputError:
        return True
    return len(found) > 1


def readable_part(table: Table, expected: Sequence[Expected] = ()) -> Table:
    """The table without the files that cannot be read, lack a column that others have, or hold other types in it.

    Each file is read alone, which takes as long as reading all. The table is given back as it is when none is at
    fault. Raises `InputError` when all are.
    """
    return _readable_part(table, tuple(expected), stamps(table))


@lru_cache(maxsize=32)
def _readable_part(table: Table, expected: tuple[Expected, ...], _stamps: Stamps) -> Table:
    good, unreadable = openable(table.files, partial=True)
    bad = {one.file: one.reason for one in unreadable}
    found: dict[Path, _Held] = {}
    first: InputError | None = None
    for file in good:
        try:
            found[file] = _read_alone(file, table.format, expected)
        except InputError as error:
            first = first or error
            bad[file] = shown_reason(file, error)
    if first is not None and not found:
        raise first
    bad |= _misfits(found, expected, folded=table.format != "jsonl")
    kept = [position for position, file in enumerate(table.files) if file not in bad]
    if len(kept) == len(table.files):
        return table
    if not kept:
        raise _different(table, next(iter(bad.values())))
    originals = dict(zip(table.files, table.originals, strict=True)) if table.originals else {}
    left = (Unreadable(originals.get(file, file), bad[file]) for file in table.files if file in bad)
    return replace(
        table,
        files=tuple(table.files[position] for position in kept),
        originals=tuple(table.originals[position] for position in kept) if table.originals else (),
        unreadable=(*table.unreadable, *left),
    )


def _misfits(found: Mapping[Path, _Held], expected: Iterable[Expected], *, folded: bool) -> dict[Path, str]:
    """Why files do not go with the others; a column that no file has, or has as expected, is no fault of one."""

    def key(name: str) -> str:
        return name.casefold() if folded else name

    columns = {file: {key(name): one for name, one in held.columns.items()} for file, held in found.items()}
    bad: dict[Path, str] = {}
    for one in expected:
        having = {file: held[key(one.name)] for file, held in columns.items() if key(one.name) in held}
        if not having:
            continue
        for file, held in found.items():
            by_chance = not folded and one.nulls**held.rows >= LEAST_CHANCE
            if file not in having and not by_chance:
                close = nearest(one.name, held.columns, most=1)
                hint = f"; the nearest there is {close[0]}" if close else ""
                bad.setdefault(file, f"{file.name} lacks the column {one.name}{hint}")
        # A column without a value is of any type.
        other = {
            file: kind
            for file, (kind, count) in having.items()
            if count and one.family is not None and _sql.family_of(kind) is not one.family
        }
        if one.family is not None and len(other) < len(having):
            for file, kind in other.items():
                holds = _HELD.get(_sql.family_of(kind), kind)
                wanted = _HELD.get(one.family, one.type)
                bad.setdefault(file, f"{file.name} holds {holds} in the column {one.name}, not {wanted}")
    return bad


def _read_alone(file: Path, kind: str, expected: Sequence[Expected]) -> _Held:
    """What is in one file, all of whose rows are read. Raises `InputError` when they cannot be."""
    names = [one.name for one in expected]
    text = [one.name for one in expected if one.family is Family.TEXT]
    types = {one.name: one.type for one in expected}
    table = Table(str(file), (file,), kind)
    with opened(table, text=text, needed=names or None, expected=types) as (connection, relation, columns):
        folded = {name.casefold() for name in names}
        read = [column for column in columns if not names or column.name in names]
        if kind == "parquet" and names:
            read = [column for column in columns if column.name.casefold() in folded]
        rows, counts = _counts(connection, relation, [column.name for column in read])
    return _Held(rows, {column.name: (column.type, counts.get(column.name, 0)) for column in columns})


def _counts(
    connection: DuckDBPyConnection, relation: str, names: Sequence[str]
) -> tuple[int, dict[str, int]]:
    # Counts can come from a footer; a hash needs each value.
    quoted = [tabular.quote_name(name) for name in names]
    asked = ["count(*)", *(f"count({name}), bit_xor(hash({name}))" for name in quoted)]
    rows, *found = _sql.one_row(connection, f"SELECT {', '.join(asked)} FROM {relation}")
    return int(rows), {name: int(found[2 * position]) for position, name in enumerate(names)}


def _parquet_differs(table: Table, expected: Sequence[Expected]) -> bool:
    """Whether footers name other columns, or types of another family."""
    wanted = {one.name.casefold() for one in expected}
    alike: dict[frozenset[tuple[str, str, str]], Path] = {}
    with tabular.connected() as connection, tabular.duckdb_errors(table):
        rows = connection.execute(
            "SELECT file_name, lower(name), coalesce(type, ''), coalesce(logical_type::VARCHAR, '') "
            "FROM parquet_schema(?)",
            [[escape_glob(file) for file in table.files]],
        ).fetchall()
        held: dict[str, set[tuple[str, str, str]]] = {}
        for file, *column in rows:
            held.setdefault(file, set()).add((str(column[0]), str(column[1]), str(column[2])))
        for file, signature in held.items():
            watched = frozenset(one for one in signature if one[0] in wanted)
            alike.setdefault(watched, Path(file))
        if len(alike) < 2:
            return False
        kinds = {
            frozenset(
                (column.name.casefold(), _sql.family_of(column.type))
                for column in tabular.table_columns(connection, Table(str(file), (file,), "parquet"))
                if column.name.casefold() in wanted
            )
            for file in alike.values()
        }
    return len(kinds) > 1


def _header_names(file: Path) -> Iterable[str]:
    return [name.casefold() for name in read_header(file)[0]]


def _first_keys(file: Path) -> Iterable[str]:
    """The keys of the first line of JSON; none when it is no object, which reading will tell."""
    try:
        with open_text(file) as stream:
            found = json.loads(stream.readline(tabular.MOST_OBJECT_BYTES))
    except (OSError, EOFError, ValueError, RecursionError, zlib.error):
        return ()
    return found if isinstance(found, dict) else ()


def _stamp(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns
