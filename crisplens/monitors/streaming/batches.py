"""A batch of rows as Arrow columns, each of the type that the monitor's reference has, or refused with the reason.

What is wrong is told by column and row, never by value: messages get into logs.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import msgspec

from crisplens.core.errors import InputError
from crisplens.core.names import nearest, unknown_name
from crisplens.core.text import count
from crisplens.monitors.engines import _arrow, _sql, arrow_engine
from crisplens.monitors.model import ColumnProfile, Family, OtherProfile, Profile
from crisplens.monitors.schedules.times import get_zone, is_utc
from crisplens.monitors.schedules.windows import TimeWindow
from crisplens.monitors.streaming.model import MOST_OTHERS, settled
from crisplens.monitors.streaming.packed import unpacked_bytes
from crisplens.registry.data.files import not_utf8

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

FORMATS = ("csv", "jsonl", "json", "parquet", "arrow")
MOST_BYTES = 256 << 20
MOST_ROWS = 1_000_000
_DELIMITERS = ",;\t|"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)
# Every zone's offset has changed at such moments only, since zones have offsets.
_QUARTER = 15 * 60 * 1_000_000
_TRUE = ["true", "True", "TRUE", "t", "T"]
_FALSE = ["false", "False", "FALSE", "f", "F"]
_WORDS = {Family.NUMBER: "numbers", Family.TEXT: "text", Family.BOOLEAN: "booleans"}


@dataclass(frozen=True)
class Wanted:
    """What is read of a batch: the watched columns of the reference, and the column of times, if any.

    Without its times a batch `needs_times` is refused; times without a zone are those of `zone`.
    """

    reference: Profile
    columns: tuple[str, ...]
    time_column: str = ""
    needs_times: bool = False
    zone: str = "UTC"

    @property
    def watched(self) -> list[ColumnProfile]:
        """The profiles of the watched columns, in the reference's order."""
        return [column for column in self.reference.columns if column.name in self.columns]


@dataclass(frozen=True)
class Batch:
    """Rows as columns: `times` are microseconds since 1970 in UTC, or 0 where `timed` is not set."""

    rows: int
    table: pa.Table
    others: tuple[str, ...]
    times: NDArray[np.int64] | None = None
    timed: NDArray[np.bool_] | None = None

    def extent(self) -> tuple[datetime, datetime] | None:
        """The earliest and the newest time; None when no row has one."""
        if self.times is None or self.timed is None or not self.timed.any():
            return None
        known = self.times[self.timed]
        return _moment(int(known.min())), _moment(int(known.max()))

    def within(self, window: TimeWindow) -> NDArray[np.bool_]:
        """Which rows lie in a window of time."""
        assert self.times is not None
        assert self.timed is not None
        start, end = (_microseconds(moment) for moment in (window.start, window.end))
        found: NDArray[np.bool_] = self.timed & (self.times >= start) & (self.times < end)
        return found

    def newest(self, chosen: NDArray[np.bool_] | slice) -> datetime | None:
        """The newest time of some rows; None when none has one."""
        if self.times is None or self.timed is None:
            return None
        known = self.times[chosen][self.timed[chosen]]
        return _moment(int(known.max())) if len(known) else None


def profile_part(batch: Batch, wanted: Wanted, chosen: NDArray[np.bool_] | slice) -> Profile:
    """The profile of some rows of a batch on the reference's edges, ready to be merged."""
    table = batch.table
    if isinstance(chosen, slice):
        table = table.slice(chosen.start, chosen.stop - chosen.start)
    elif not chosen.all():
        import pyarrow as pa

        table = table.filter(pa.array(chosen))
    table = table.combine_chunks()
    found = arrow_engine.profile_batches(table, wanted.reference, wanted.columns)
    return settled(found, wanted.reference, batch.others)


def read_rows(rows: Any, wanted: Wanted) -> Batch:
    """A batch from rows in memory: a list of mappings, a DataFrame of pandas or polars, or data of pyarrow.

    Raises `InputError` when it lacks a wanted column, has another type in it, or is none of these.
    """
    import pyarrow as pa

    if isinstance(rows, list | tuple):
        return _from_mappings(rows, wanted)
    try:
        if type(rows).__module__.partition(".")[0] == "pandas" and hasattr(rows, "columns"):
            return _from_pandas(rows, wanted)
        if isinstance(rows, pa.RecordBatch):
            rows = pa.Table.from_batches([rows])
        elif not isinstance(rows, pa.Table) and hasattr(rows, "__arrow_c_stream__"):
            rows = pa.RecordBatchReader.from_stream(rows)
        if isinstance(rows, pa.RecordBatchReader):
            return _from_stream(rows, wanted)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise bad_batch(f"the rows cannot be read: {_first_words(error)}") from None
    if isinstance(rows, pa.Table):
        return _from_table(rows, rows.schema.names, wanted)
    raise InputError(
        f"rows in a {type(rows).__name__} cannot be pushed",
        slug="bad-source",
        hint="Accepted: a list of dicts, a DataFrame of pandas or polars, a Table or RecordBatch of pyarrow.",
    )


def parse_rows(content: bytes, format: str, wanted: Wanted) -> Batch:
    """A batch from `content` in one of `FORMATS`; `json` is an array of objects, `jsonl` one in each line.

    Raises `InputError` as `read_rows`, and for content that is not of the format.
    """
    readers = {
        "csv": _parse_csv,
        "jsonl": _parse_json_lines,
        "json": _parse_json,
        "parquet": _parse_parquet,
        "arrow": _parse_arrow,
    }
    if format not in readers:
        raise unknown_name("format", format, FORMATS)
    if not content.strip():
        raise InputError("the batch is empty (0 bytes)", slug="empty-file")
    return readers[format](content, wanted)


@cache
def require_arrow() -> None:
    """Raise `InputError` when the libraries that count pushed rows are not installed."""
    if not all(find_spec(name) for name in ("pyarrow", "numpy")):
        raise InputError(
            "pushed rows are counted with pyarrow, which is not installed",
            slug="not-installed",
            hint="pip install 'crisplens[arrow]'",
        )


def load_libraries() -> None:
    """Import what reads and counts batches, so that the first one need not wait for it."""
    require_arrow()
    import numpy  # noqa: F401
    import pyarrow.compute
    import pyarrow.csv
    import pyarrow.ipc  # noqa: F401


def bad_batch(message: str, hint: str = "") -> InputError:
    """The error for a batch that is refused."""
    return InputError(message, slug="bad-batch", hint=hint)


def _parse_json_lines(content: bytes, wanted: Wanted) -> Batch:
    return _decoded(msgspec.json.Decoder(dict[str, Any]).decode_lines, content, wanted)


def _parse_json(content: bytes, wanted: Wanted) -> Batch:
    return _decoded(msgspec.json.Decoder(list[dict[str, Any]]).decode, content, wanted)


def _decoded(decode: Any, content: bytes, wanted: Wanted) -> Batch:
    try:
        rows = decode(content.removeprefix(b"\xef\xbb\xbf"))
    except RecursionError:
        raise bad_batch("the JSON is nested too deeply") from None
    except UnicodeDecodeError:
        raise not_utf8("the batch") from None
    except msgspec.DecodeError as error:
        raise bad_batch(f"the batch is no JSON of rows: {error}", "Each row is an object.") from None
    return _from_mappings(rows, wanted)


def _from_mappings(rows: Sequence[Any], wanted: Wanted) -> Batch:
    import pyarrow as pa

    _check_rows(len(rows))
    for number, row in enumerate(rows):
        if type(row) is not dict and not isinstance(row, Mapping):
            raise bad_batch(
                f"row {number + 1} is a {type(row).__name__}", "Each row is a mapping, such as a dict."
            )
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not all(isinstance(name, str) for name in names):
        raise bad_batch("a column's name is no text")
    _check_columns(names, wanted, rows=len(rows))
    columns: dict[str, pa.Array] = {}
    for column in wanted.watched:
        columns[column.name] = _array([row.get(column.name) for row in rows], column)
    times = None
    if wanted.time_column in names:
        times = _time_texts([row.get(wanted.time_column) for row in rows], wanted.time_column)
    return _batch(pa.table(columns), names, len(rows), times, wanted)


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
                return pa.array(values, _expected_type(column))
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
        raise _wrong_type(column, _row_of_other(values, family)) from None
    if _family_of(array.type) is not family:
        raise _wrong_type(column, _row_of_other(values, family))
    return array


def _family_of(kind: pa.DataType) -> Family:
    return _sql.family_of(_arrow.duckdb_type(kind) or _arrow.other_type(kind))


def _row_of_other(values: list[Any], family: Family) -> int | None:
    accepted = {Family.NUMBER: (int, float), Family.TEXT: (str,), Family.BOOLEAN: (bool,)}.get(family, ())
    for number, value in enumerate(values):
        if value is not None and (
            not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted)
        ):
            return number + 1
    return None


def _time_texts(values: list[Any], name: str) -> pa.Array:
    import pyarrow as pa

    kinds = {type(value) for value in values} - {type(None)}
    if not all(issubclass(kind, str | date) for kind in kinds):
        raise _no_times(name, "values that are not text")
    texts = [value.isoformat() if isinstance(value, date) else value for value in values]
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        raise not_utf8(f"column {name!r}") from None


def _parse_csv(content: bytes, wanted: Wanted) -> Batch:
    import pyarrow as pa
    from pyarrow import csv as reader

    try:
        start = content[: content.find(b"\n") + 1 or len(content)].decode("utf-8-sig")
        delimiter = max(_DELIMITERS, key=start.count)
        names = next(csv.reader(io.StringIO(start), delimiter=delimiter), [])
    except UnicodeDecodeError:
        raise not_utf8("the batch") from None
    except csv.Error as error:
        raise bad_batch(f"the header cannot be read: {error}") from None
    _check_columns(names, wanted)
    needed = [name for name in names if name in {*wanted.columns, wanted.time_column}]
    types = {column.name: _expected_type(column) for column in wanted.watched}

    def read(types: Mapping[str, pa.DataType]) -> pa.Table:
        return reader.read_csv(
            pa.BufferReader(content),
            # One block, read by one thread: rows keep their order, and are counted in messages.
            read_options=reader.ReadOptions(use_threads=False, block_size=max(len(content) + 1, 1 << 16)),
            parse_options=reader.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=reader.ConvertOptions(
                include_columns=needed,
                column_types={name: types.get(name, pa.string()) for name in needed},
                null_values=[""],
                true_values=_TRUE,
                false_values=_FALSE,
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )

    try:
        try:
            table = read(types)
        except pa.ArrowInvalid:
            # Whole numbers may come with a fraction, or be large.
            table = read(
                {n: pa.float64() if pa.types.is_integer(kind) else kind for n, kind in types.items()}
            )
    except pa.ArrowInvalid as error:
        raise _csv_error(str(error), names, wanted) from None
    return _from_table(table, names, wanted)


def _csv_error(text: str, names: Sequence[str], wanted: Wanted) -> InputError:
    row = re.search(r"Row #(\d+)", text)
    # The header is its first row.
    number = int(row[1]) - 1 if row else None
    where = f"row {number}: " if number else ""
    fields = re.search(r"Expected (\d+) columns, got (\d+)", text)
    if fields:
        message = f"{where}{fields[2]} fields, but the header has {fields[1]}"
        return InputError(message, slug="ragged-csv", hint="Every row must have all fields; none was kept.")
    if "UTF8" in text or "UTF-8" in text:
        return not_utf8("the batch")
    column = re.search(r"In CSV column #(\d+)", text)
    if column and int(column[1]) < len(names):
        known = {one.name: one for one in wanted.watched}
        if names[int(column[1])] in known:
            return _wrong_type(known[names[int(column[1])]], number)
    return bad_batch(f"{where}the CSV cannot be read")


def _parse_parquet(content: bytes, wanted: Wanted) -> Batch:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            _check_rows(file.metadata.num_rows)
            groups = range(file.metadata.num_row_groups)
            _check_bytes(sum(file.metadata.row_group(group).total_byte_size for group in groups))
            names = file.schema_arrow.names
            table = file.read(columns=[n for n in names if n in {*wanted.columns, wanted.time_column}])
            table.validate(full=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise bad_batch(f"the batch is no Parquet file: {_first_words(error)}") from None
    return _from_table(table, names, wanted)


def _parse_arrow(content: bytes, wanted: Wanted) -> Batch:
    import pyarrow as pa
    import pyarrow.ipc as ipc

    try:
        source = pa.BufferReader(content)
        if content.startswith(b"ARROW1"):
            with ipc.open_file(source) as file:
                table = pa.Table.from_batches(
                    (file.get_batch(number) for number in range(file.num_record_batches)), file.schema
                )
                return _from_stream(table.to_reader(), wanted)
        _check_bytes(unpacked_bytes(content))
        with ipc.open_stream(source) as stream:
            return _from_stream(stream, wanted)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise bad_batch(f"the batch is no Arrow stream: {_first_words(error)}") from None


def _from_stream(stream: Iterable[pa.RecordBatch], wanted: Wanted) -> Batch:
    import pyarrow as pa

    names = stream.schema.names  # type: ignore[attr-defined]
    _check_columns(names, wanted)
    needed = [name for name in names if name in {*wanted.columns, wanted.time_column}]
    kept, rows, size = [], 0, 0
    for batch in stream:
        rows += batch.num_rows
        _check_rows(rows)
        part = batch.select(needed)
        # Offsets and lengths are the sender's word, and a false one is followed beyond its buffer, also by `nbytes`.
        part.validate(full=True)
        size += part.nbytes
        _check_bytes(size)
        kept.append(part)
    schema = pa.schema([stream.schema.field(name) for name in needed])  # type: ignore[attr-defined]
    return _from_table(pa.Table.from_batches(kept, schema), names, wanted)


def _from_pandas(frame: Any, wanted: Wanted) -> Batch:
    import pyarrow as pa

    names = [str(name) for name in frame.columns]
    _check_columns(names, wanted)
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
                raise _no_times(name, "values of several types") from None
    return _from_table(pa.table(columns), names, wanted)


def _from_table(table: pa.Table, names: Sequence[str], wanted: Wanted) -> Batch:
    """A batch from a table; each column must be of the reference's family."""
    import pyarrow as pa

    _check_rows(table.num_rows)
    _check_columns(names, wanted)
    columns = {}
    for column in wanted.watched:
        array = table.column(column.name)
        if pa.types.is_null(array.type):
            array = pa.chunked_array([pa.nulls(len(array), _expected_type(column))])
        columns[column.name] = array
    times = table.column(wanted.time_column) if wanted.time_column in names else None
    return _batch(pa.table(columns), names, table.num_rows, times, wanted)


def _batch(table: pa.Table, names: Sequence[str], rows: int, times: Any, wanted: Wanted) -> Batch:
    for column in wanted.watched:
        kind = table.schema.field(column.name).type
        if not isinstance(column, OtherProfile) and _family_of(kind) is not _arrow.expected_family(column):
            raise _wrong_type(column, None)
    others = tuple(sorted(name for name in names if name not in wanted.columns)[:MOST_OTHERS])
    if times is None:
        return Batch(rows, table, others)
    instants, timed = _instants(times, wanted)
    return Batch(rows, table, others, instants, timed)


def _check_columns(names: Sequence[str], wanted: Wanted, *, rows: int = 1) -> None:
    folded = {name.casefold() for name in names}
    if len(folded) != len(names):
        raise InputError(
            "two columns of the batch have the same name",
            slug="duplicate-columns",
            hint="Column names must differ by more than upper and lower case.",
        )
    # Rows of JSON name their columns, and no rows name none.
    if not rows:
        return
    needed = [column.name for column in wanted.watched]
    if wanted.needs_times:
        needed.append(wanted.time_column)
    missing = [name for name in dict.fromkeys(needed) if name not in names]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        close = nearest(missing[0], names, most=1)
        raise bad_batch(
            f"the batch lacks {'the column' if len(missing) == 1 else 'columns'} {shown}",
            f"The nearest there is {close[0][:60]}."
            if close
            else "A column without values is sent as nulls.",
        )


def _check_rows(rows: int) -> None:
    if rows > MOST_ROWS:
        raise InputError(
            f"the batch has {count(rows, 'row')}; at most {MOST_ROWS:,} are taken in at once",
            slug="batch-too-large",
            hint="Push it in parts; files can be checked where they are, by a monitor of files.",
        )


def _check_bytes(size: int) -> None:
    if size > MOST_BYTES:
        raise too_many_bytes(MOST_BYTES)


def too_many_bytes(most: int) -> InputError:
    """The error for a batch of too many bytes."""
    return InputError(
        f"the batch has more than {most:,} bytes, which are taken in at most at once",
        slug="batch-too-large",
        hint="Push it in parts; files can be checked where they are, by a monitor of files.",
    )


def _wrong_type(column: ColumnProfile, row: int | None) -> InputError:
    expected = _WORDS.get(_arrow.expected_family(column), "values")
    where = f" (row {row})" if row else ""
    return bad_batch(
        f"column {column.name!r} holds something else than {expected}{where}, which its reference holds",
        "Send null for what is not known.",
    )


def _no_times(name: str, what: str) -> InputError:
    return bad_batch(
        f"the time column {name!r} holds {what}", "Accepted: timestamps, dates, and text in ISO 8601."
    )


def _expected_type(column: ColumnProfile) -> pa.DataType:
    import pyarrow as pa

    if isinstance(column, OtherProfile):
        return pa.string()
    family = _arrow.expected_family(column)
    if family is Family.NUMBER:
        return pa.int64() if _sql.is_integer(column.type) else pa.float64()
    return pa.bool_() if family is Family.BOOLEAN else pa.string()


def _instants(column: Any, wanted: Wanted) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """A column's times as microseconds since 1970 in UTC, and which rows have one."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.int64), np.zeros(len(column), np.bool_)
    if _arrow.duckdb_type(column.type) == "VARCHAR":
        return _parsed(column.to_pylist(), wanted.zone)
    if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        raise _no_times(wanted.time_column, str(column.type))
    timed = _arrow.present_values(pc.cast(pc.is_valid(column), pa.uint8())).astype(np.bool_)
    naive = pa.types.is_date(column.type) or column.type.tz is None
    stamps = column.cast(pa.timestamp("us", None if naive else column.type.tz), safe=False)
    # A copy: the buffer's memory is Arrow's.
    times = np.array(_arrow.present_values(pc.fill_null(stamps.cast(pa.int64()), 0)), np.int64)
    if naive and not is_utc(wanted.zone):
        times[timed] -= _offsets(times[timed], wanted.zone)
    return times, timed


def _offsets(local: NDArray[np.int64], zone: str) -> NDArray[np.int64]:
    """What a zone was ahead of UTC at local times, in microseconds.

    A time that the clock showed twice is the later one, one that it skipped is before the gap: as in files.
    """
    import numpy as np

    place = get_zone(zone)
    quarters, where = np.unique(local // _QUARTER, return_inverse=True)
    moments = (_NAIVE_EPOCH + timedelta(microseconds=int(one) * _QUARTER) for one in quarters)
    ahead = [moment.replace(tzinfo=place, fold=1).utcoffset() or timedelta() for moment in moments]
    return np.array([one // timedelta(microseconds=1) for one in ahead], np.int64)[where]


def _parsed(texts: list[str | None], zone: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Times in ISO 8601; what is none is no time, as in files."""
    import numpy as np

    place = UTC if is_utc(zone) else get_zone(zone)
    times = np.zeros(len(texts), np.int64)
    timed = np.zeros(len(texts), np.bool_)
    for number, text in enumerate(texts):
        if text is None:
            continue
        try:
            moment = datetime.fromisoformat(text.strip())
            aware = moment if moment.tzinfo else moment.replace(tzinfo=place, fold=1)
            times[number] = _microseconds(aware)
        except (ValueError, OverflowError):
            continue
        timed[number] = True
    return times, timed


def _moment(microseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        raise bad_batch("a time lies beyond the year 9999 or before the year 1") from None


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _first_words(error: Exception) -> str:
    # What a library says may go on with values of the data.
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return re.split(r"[:'\"]", text)[0][:120]
