"""Profiles of windows in Parquet files or Arrow record batches, counted in NumPy: as DuckDB's, several times faster.

pyarrow and NumPy are an extra. What they cannot read or count here is left to DuckDB, which reads it or says
what is wrong with it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crisplens.core.errors import InputError
from crisplens.monitors import features
from crisplens.monitors.engines import _arrow, duckdb_engine
from crisplens.monitors.engines._reading import MOST_THREADS
from crisplens.monitors.model import ColumnProfile, Profile
from crisplens.registry.data.files import Table, not_utf8

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# What a thread reads before its counts are merged with the others'.
TASK_CELLS = 1 << 21
# A Python mapping of more categories takes more time and memory than DuckDB does.
MOST_DISTINCT = 200_000


def profile_current(table: Table, reference: Profile, columns: Sequence[str] = ()) -> Profile:
    """The profile that `duckdb_engine.profile_current` gives; the mean and `m2` may differ by rounding.

    Each column chunk is read once, by a few threads, and memory does not grow with the number of rows.
    Raises `InputError` as DuckDB does for files that cannot be read.
    """
    import pyarrow as pa

    try:
        opened = _open(table)
        found = None if opened is None else _profile_files(table, opened, reference, columns)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        found = None
    return found or duckdb_engine.profile_current(table, reference, columns)


def profile_array(array: pa.ChunkedArray, reference: ColumnProfile, type_name: str) -> ColumnProfile:
    """The profile of a column in memory, whose type DuckDB calls `type_name`."""
    tally = _arrow.start(reference, type_name)
    for chunk in array.chunks:
        _arrow.add(tally, chunk)
    return _arrow.finish(tally, reference, type_name)


def profile_batches(
    batches: pa.Table | Iterable[pa.RecordBatch], reference: Profile, columns: Sequence[str] = ()
) -> Profile:
    """The profile of a table in memory, or of a stream of record batches that have the same columns.

    As `profile_current`, but types that have no drift score keep Arrow's names, in capitals, and columns that are
    watched through features are not profiled. Raises
    `InputError` for a column name that stands twice, batches of different columns and text that is not UTF-8.
    """
    window = WindowTally(reference, columns)
    schema = getattr(batches, "schema", None)
    if schema is not None:
        window.begin(schema)
    for batch in batches.to_batches() if hasattr(batches, "to_batches") else batches:
        window.add(batch)
    return window.profile()


class WindowTally:
    """A window's profile in the making: batches are added as they come, and its profile is had at any time."""

    def __init__(self, reference: Profile, columns: Sequence[str] = ()) -> None:
        self._watched = _watched(reference, columns)
        self._schema: pa.Schema | None = None
        self._rows = 0
        self._types: dict[str, str] = {}
        self._tallies: dict[str, _arrow.Tally] = {}

    def begin(self, schema: pa.Schema) -> None:
        """Say which columns the window has; the first batch says it otherwise. See `add`."""
        if self._schema is not None:
            if not schema.equals(self._schema):
                raise InputError(
                    "a batch has other columns or types than the first",
                    slug="profiles-differ",
                    hint="Give all batches of a window the same schema.",
                )
            return
        if not _distinct_names(schema.names):
            raise InputError(
                "two columns of a batch have the same name",
                slug="duplicate-columns",
                hint="Column names must differ by more than upper and lower case.",
            )
        self._schema = schema
        for column in self._watched:
            if column.name in schema.names:
                kind = schema.field(column.name).type
                self._types[column.name] = _arrow.duckdb_type(kind) or _arrow.other_type(kind)
        self._tallies = self._empty()

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the rows of one more batch.

        Raises `InputError` for a column name that stands twice, a schema that differs from the first batch's
        and text that is not UTF-8.
        """
        self.begin(batch.schema)
        tallies = self._empty()

        def count(name: str) -> None:
            try:
                _arrow.add(tallies[name], batch.column(name))
            except UnicodeDecodeError as error:
                raise not_utf8(f"column {name!r}") from error

        if batch.num_rows * len(tallies) < TASK_CELLS // 8:
            for name in tallies:
                count(name)
        else:
            with ThreadPoolExecutor(max_workers=_threads()) as pool:
                list(pool.map(count, tallies))
        # A batch that cannot be read has left no trace.
        self._rows += batch.num_rows
        for name, tally in tallies.items():
            _arrow.merge(self._tallies[name], tally)

    def _empty(self) -> dict[str, _arrow.Tally]:
        return {
            column.name: _arrow.start(column, self._types[column.name])
            for column in self._watched
            if column.name in self._types
        }

    def profile(self) -> Profile:
        """The profile of all rows so far."""
        present = [column for column in self._watched if column.name in self._tallies]
        profiled = tuple(
            _arrow.finish(self._tallies[column.name], column, self._types[column.name]) for column in present
        )
        names = [] if self._schema is None else self._schema.names
        others = tuple(name for name in names if name not in self._tallies)
        return Profile(rows=self._rows, columns=profiled, other_columns=others)


@dataclass(frozen=True)
class _File:
    """One Parquet file's footer, and DuckDB's types of its columns; None for a type not counted here."""

    path: Path
    metadata: pq.FileMetaData
    types: dict[str, str | None]


@dataclass(frozen=True)
class _Task:
    """Some columns of some row groups of one file."""

    file: _File
    row_groups: tuple[int, ...]
    columns: tuple[ColumnProfile, ...]


def _open(table: Table) -> list[_File] | None:
    """The files' footers; None when the columns' names are not distinct, which DuckDB's path explains."""
    import pyarrow.parquet as pq

    files = []
    for path in table.files:
        with pq.ParquetFile(path) as opened:
            schema = opened.schema_arrow
            types: dict[str, str | None] = {field.name: _arrow.duckdb_type(field.type) for field in schema}
            for leaf in opened.schema:
                # Arrow takes these old times for nanoseconds, DuckDB for microseconds.
                if leaf.physical_type == "INT96" and leaf.path in types:
                    types[leaf.path] = None
            if not _distinct_names(schema.names):
                return None
            files.append(_File(path=path, metadata=opened.metadata, types=types))
    # Upper and lower case are one to DuckDB when it unites files by name.
    return files if _distinct_names({name for file in files for name in file.types}) else None


def _profile_files(
    table: Table, files: Sequence[_File], reference: Profile, columns: Sequence[str]
) -> Profile | None:
    names = list(dict.fromkeys(name for file in files for name in file.types))
    present = [column for column in _watched(reference, columns) if column.name in names]
    types: dict[str, str] = {}
    for column in present:
        found = {file.types[column.name] for file in files if column.name in file.types}
        type_name = found.pop()
        if type_name is not None and not found:
            types[column.name] = type_name
    ours = [column for column in present if column.name in types]
    if present and not ours:
        return None
    tallies = _count(files, ours, types)
    profiled = {
        column.name: _arrow.finish(tallies[column.name], column, types[column.name])
        for column in ours
        if not _arrow.is_full(tallies[column.name])
    }
    left = [column.name for column in present if column.name not in profiled]
    left += [one.column for one in features.needed_sources(reference, columns) if one.column in names]
    if left:
        theirs = duckdb_engine.profile_current(table, reference, left)
        profiled |= {column.name: column for column in theirs.columns}
    return Profile(
        rows=sum(file.metadata.num_rows for file in files),
        columns=tuple(profiled[column.name] for column in reference.columns if column.name in profiled),
        other_columns=tuple(name for name in names if name not in profiled),
    )


def _count(
    files: Sequence[_File], columns: Sequence[ColumnProfile], types: Mapping[str, str]
) -> dict[str, _arrow.Tally]:
    def empty(column: ColumnProfile) -> _arrow.Tally:
        return _arrow.start(column, types[column.name], most=MOST_DISTINCT)

    def run(task: _Task) -> dict[str, _arrow.Tally]:
        tallies = {column.name: empty(column) for column in task.columns}
        _count_task(task, tallies)
        return tallies

    total = {column.name: empty(column) for column in columns}
    threads = _threads()
    tasks: list[_Task] = []
    for file in files:
        for column in columns:
            if column.name not in file.types:
                _arrow.add_missing(total[column.name], file.metadata.num_rows)
        tasks += _tasks(file, [column for column in columns if column.name in file.types], threads)
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for found in pool.map(run, tasks):
            for name, tally in found.items():
                _arrow.merge(total[name], tally)
    return total


def _tasks(file: _File, columns: Sequence[ColumnProfile], threads: int) -> Iterator[_Task]:
    """The file in parts of a few million cells, and enough of them to keep every thread busy."""
    even = max(1, math.ceil(len(columns) / (2 * threads)))
    for row_groups, rows in _joined_row_groups(file.metadata):
        width = max(1, min(even, TASK_CELLS // rows))
        for first in range(0, len(columns), width):
            yield _Task(file=file, row_groups=row_groups, columns=tuple(columns[first : first + width]))


def _joined_row_groups(metadata: pq.FileMetaData) -> Iterator[tuple[tuple[int, ...], int]]:
    """Small row groups together, as each reading has its cost; and how many rows they have."""
    joined: list[int] = []
    rows = 0
    for index in range(metadata.num_row_groups):
        more = metadata.row_group(index).num_rows
        if joined and rows + more > _arrow.MOST_ROWS:
            yield tuple(joined), max(rows, 1)
            joined, rows = [], 0
        joined.append(index)
        rows += more
    if joined:
        yield tuple(joined), max(rows, 1)


def _count_task(task: _Task, tallies: Mapping[str, _arrow.Tally]) -> None:
    import pyarrow.parquet as pq

    names = [name for name in tallies if not _count_nulls_in_footer(task, name, tallies[name])]
    if not names:
        return
    texts = [name for name in names if task.file.types[name] == "VARCHAR"]
    # The file is not mapped into memory: a writer that truncates it would then kill the process.
    with pq.ParquetFile(task.file.path, metadata=task.file.metadata, read_dictionary=texts) as opened:
        for batch in opened.iter_batches(
            _arrow.MOST_ROWS, row_groups=list(task.row_groups), columns=names, use_threads=False
        ):
            for name in names:
                _arrow.add(tallies[name], batch.column(name))


def _count_nulls_in_footer(task: _Task, name: str, tally: _arrow.Tally) -> bool:
    """Take a column's nulls from the footer, where nothing else is asked and the footer has them."""
    if not isinstance(tally, _arrow.Nulls):
        return False
    metadata = task.file.metadata
    leaves = [i for i in range(metadata.num_columns) if metadata.schema.column(i).path == name]
    if len(leaves) != 1:
        return False
    rows = nulls = 0
    for index in task.row_groups:
        statistics = metadata.row_group(index).column(leaves[0]).statistics
        if statistics is None or not statistics.has_null_count:
            return False
        rows += metadata.row_group(index).num_rows
        nulls += statistics.null_count
    tally.rows += rows
    tally.nulls += nulls
    return True


def _threads() -> int:
    return min(os.cpu_count() or 1, MOST_THREADS)


def _watched(reference: Profile, columns: Sequence[str]) -> list[ColumnProfile]:
    """The columns to count here; those that are watched through features are DuckDB's."""
    apart = features.feature_names(reference)
    return [
        column
        for column in reference.columns
        if not (features.source_of(column) or column.name in apart)
        and (not columns or column.name in columns)
    ]


def _distinct_names(names: Collection[str]) -> bool:
    return "" not in names and len({name.casefold() for name in names}) == len(names)
