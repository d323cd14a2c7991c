"""Batches from rows in memory: mappings, DataFrames of pandas or polars, data of pyarrow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crisplens.core.errors import InputError
from crisplens.monitors.engines import _arrow, _sql
from crisplens.monitors.model import ColumnProfile, Family, OtherProfile
from crisplens.monitors.streaming.batches import (
    Batch,
    Wanted,
    check_columns,
    expected_type,
    family_of,
    make_batch,
)
from crisplens.monitors.streaming.refusals import (
    bad_batch,
    check_bytes,
    check_rows,
    first_words,
    no_times,
    wrong_type,
)
from crisplens.monitors.streaming.shared_values import checked_bytes, presence, without_views
from crisplens.monitors.streaming.time_column import time_texts
from crisplens.registry.data.files import not_utf8

if TYPE_CHECKING:
    import pyarrow as pa


def read_rows(rows: Any, wanted: Wanted) -> Batch:
    """A batch from rows in memory: a list of mappings, a DataFrame of pandas or polars, or data of pyarrow.

    Raises `InputError` when it lacks a wanted column, has another type in it, or is none of these.
    """
    import pyarrow as pa

    if isinstance(rows, list | tuple):
        return from_mappings(rows, wanted)
    try:
        if type(rows).__module__.partition(".")[0] == "pandas" and hasattr(rows, "columns"):
            return _from_pandas(rows, wanted)
        if isinstance(rows, pa.RecordBatch):
            rows = pa.Table.from_batches([rows])
        elif not isinstance(rows, pa.Table) and hasattr(rows, "__arrow_c_stream__"):
            rows = pa.RecordBatchReader.from_stream(rows)
        if isinstance(rows, pa.RecordBatchReader):
            return from_stream(rows, wanted)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise bad_batch(f"the rows cannot be read: {first_words(error)}") from None
    if isinstance(rows, pa.Table):
        return from_table(rows, rows.schema.names, wanted)
    raise InputError(
        f"rows in a {type(rows).__name__} cannot be pushed",
        slug="bad-source",
        hint="Accepted: a list of dicts, a DataFrame of pandas or polars, a Table or RecordBatch of pyarrow.",
    )


def from_mappings(rows: Sequence[Any], wanted: Wanted) -> Batch:
    """A batch from mappings of names to values; a name that one of them lacks is a null there."""
    import pyarrow as pa

    check_rows(len(rows))
    for number, row in enumerate(rows):
        if type(row) is not dict and not isinstance(row, Mapping):
            raise bad_batch(
                f"row {number + 1} is a {type(row).__name__}", "Each row is a mapping, such as a dict."
            )
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not all(isinstance(name, str) for name in names):
        raise bad_batch("a column's name is no text")
    check_columns(names, wanted, rows=len(rows))
    columns: dict[str, pa.Array] = {}
    for column in wanted.watched:
        columns[column.name] = _array([row.get(column.name) for row in rows], column)
    times = None
    if wanted.time_column in names:
        times = time_texts([row.get(wanted.time_column) for row in rows], wanted.time_column)
    return make_batch(pa.table(columns), names, len(rows), times, wanted)


def from_table(table: pa.Table, names: Sequence[str], wanted: Wanted) -> Batch:
    """A batch from a table; each column must be of the reference's family."""
    import pyarrow as pa

    check_rows(table.num_rows)
    check_columns(names, wanted)
    columns = {}
    for column in wanted.watched:
        array = table.column(column.name)
        if pa.types.is_null(array.type):
            array = pa.chunked_array([pa.nulls(len(array), expected_type(column))])
        columns[column.name] = presence(array) if isinstance(column, OtherProfile) else without_views(array)
    times = without_views(table.column(wanted.time_column)) if wanted.time_column in names else None
    return make_batch(pa.table(columns), names, table.num_rows, times, wanted)


def from_stream(stream: Iterable[pa.RecordBatch], wanted: Wanted) -> Batch:
    """A batch from record batches of one schema, read no further than is taken in at once."""
    import pyarrow as pa

    names = stream.schema.names  # type: ignore[attr-defined]
    check_columns(names, wanted)
    needed = [name for name in names if name in {*wanted.columns, wanted.time_column}]
    # Of these only the nulls are counted.
    others = {column.name for column in wanted.watched if isinstance(column, OtherProfile)}
    kept, rows, size = [], 0, 0
    for batch in stream:
        rows += batch.num_rows
        check_rows(rows)
        part = batch.select(needed)
        size += sum(checked_bytes(part.column(name), deeply=name not in others) for name in needed)
        check_bytes(size)
        kept.append(part)
    schema = pa.schema([stream.schema.field(name) for name in needed])  # type: ignore[attr-defined]
    return from_table(pa.Table.from_batches(kept, schema), names, wanted)


def _from_pandas(frame: Any, wanted: Wanted) -> Batch:
    import pyarrow as pa

    names = [str(name) for name in frame.columns]
    check_columns(names, wanted)
    needed = [name for name in frame.columns if name in {*wanted.columns, wanted.time_column}]
    columns = {}
    for name in needed:
        try:
            columns[name] = pa.Array.from_pandas(frame[name])
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            known = {column.name: column for column in wanted.watched}
            if name in known:
                columns[name] = _array(frame[name].tolist(), known[name])
            else:
                raise no_times(name, "values of several types") from None
    return from_table(pa.table(columns), names, wanted)


def _array(values: list[Any], column: ColumnProfile) -> pa.Array:
    """A column of Python values. Whole numbers too large for 64 bits become floats, as in the reference."""
    import pyarrow as pa

    if isinstance(column, OtherProfile):
        return pa.array([None if value is None else True for value in values], pa.bool_())
    kinds = {type(value) for value in values} - {type(None)}
    family = _arrow.expected_family(column)
    try:
        if not kinds or family in (Family.TEXT, Family.BOOLEAN):
            if kinds <= ({str} if family is Family.TEXT else {bool}):
                return pa.array(values, expected_type(column))
        elif kinds <= {int, float}:
            if kinds == {int} and _sql.is_integer(column.type):
                try:
                    return pa.array(values, pa.int64())
                except (pa.ArrowInvalid, OverflowError):
                    pass
            if kinds != {float}:
                values = [None if value is None else float(value) for value in values]
            return pa.array(values, pa.float64())
        # What NumPy and others make of numbers and text is told by Arrow.
        array = pa.array(values)
    except UnicodeEncodeError:
        raise not_utf8(f"column {column.name!r}") from None
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        raise wrong_type(column, _row_of_other(values, family)) from None
    if family_of(array.type) is not family:
        raise wrong_type(column, _row_of_other(values, family))
    return array


def _row_of_other(values: list[Any], family: Family) -> int | None:
    accepted = {Family.NUMBER: (int, float), Family.TEXT: (str,), Family.BOOLEAN: (bool,)}.get(family, ())
    for number, value in enumerate(values):
        if value is not None and (
            not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted)
        ):
            return number + 1
    return None
