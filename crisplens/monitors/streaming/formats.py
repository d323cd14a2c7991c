"""Batches from bytes in a format: CSV, JSON, JSON lines, Parquet, Arrow."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from crisplens.core.decoding import decoder
from crisplens.core.errors import InputError
from crisplens.core.names import unknown_name
from crisplens.monitors.streaming.batches import Batch, Wanted, check_columns, expected_type
from crisplens.monitors.streaming.packed import unpacked_bytes
from crisplens.monitors.streaming.refusals import (
    bad_batch,
    check_bytes,
    check_rows,
    first_words,
    wrong_type,
)
from crisplens.monitors.streaming.rows import from_mappings, from_stream, from_table
from crisplens.registry.data.files import not_utf8

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("csv", "jsonl", "json", "parquet", "arrow")
_DELIMITERS = ",;\t|"
_TRUE = ["true", "True", "TRUE", "t", "T"]
_FALSE = ["false", "False", "FALSE", "f", "F"]


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


def _parse_json_lines(content: bytes, wanted: Wanted) -> Batch:
    return _decoded(decoder(dict[str, Any]).decode_lines, content, wanted)


def _parse_json(content: bytes, wanted: Wanted) -> Batch:
    return _decoded(decoder(list[dict[str, Any]]).decode, content, wanted)


def _decoded(decode: Any, content: bytes, wanted: Wanted) -> Batch:
    try:
        rows = decode(content.removeprefix(b"\xef\xbb\xbf"))
    except RecursionError:
        raise bad_batch("the JSON is nested too deeply") from None
    except UnicodeDecodeError:
        raise not_utf8("the batch") from None
    except msgspec.DecodeError as error:
        raise bad_batch(f"the batch is no JSON of rows: {error}", "Each row is an object.") from None
    return from_mappings(rows, wanted)


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
    check_columns(names, wanted)
    needed = [name for name in names if name in {*wanted.columns, wanted.time_column}]
    types = {column.name: expected_type(column) for column in wanted.watched}

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
    return from_table(table, names, wanted)


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
            return wrong_type(known[names[int(column[1])]], number)
    return bad_batch(f"{where}the CSV cannot be read")


def _parse_parquet(content: bytes, wanted: Wanted) -> Batch:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            check_rows(file.metadata.num_rows)
            groups = range(file.metadata.num_row_groups)
            check_bytes(sum(file.metadata.row_group(group).total_byte_size for group in groups))
            names = file.schema_arrow.names
            table = file.read(columns=[n for n in names if n in {*wanted.columns, wanted.time_column}])
            table.validate(full=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise bad_batch(f"the batch is no Parquet file: {first_words(error)}") from None
    return from_table(table, names, wanted)


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
                return from_stream(table.to_reader(), wanted)
        check_bytes(unpacked_bytes(content))
        with ipc.open_stream(source) as stream:
            return from_stream(stream, wanted)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise bad_batch(f"the batch is no Arrow stream: {first_words(error)}") from None
