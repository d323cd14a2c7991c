"""Arrow files and streams as Parquet, batch by batch: engines read Parquet, and no batch is trusted unseen."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crisplens.core.canonical import unreadable
from crisplens.core.errors import InputError, RegistryError
from crisplens.registry.data.files import Table, Unreadable, shown_reason

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

# https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format
_FILE_MAGIC, _FEATHER_1_MAGIC = b"ARROW1", b"FEA1"
_STREAM_MARK = b"\xff\xff\xff\xff"
_STREAM_END = _STREAM_MARK + b"\0\0\0\0"


@contextmanager
def converted(table: Table, *, partial: bool = False) -> Iterator[Table]:
    """The table of Arrow files as Parquet files, which go away at the end; the user's own are its `originals`.

    A file is the IPC file format (Feather 2) or the IPC stream format, whichever it holds. Memory holds a batch of a
    file at a time. With `partial`, files that cannot be read are told in the table's `unreadable`, as long as others
    can be. Raises `InputError` for a file that cannot be read, `RegistryError` when pyarrow is not installed.
    """
    try:
        import pyarrow.ipc  # noqa: F401
    except ImportError as error:
        raise RegistryError(
            f"{table.pattern[:200]} needs a library that is not installed: {error}",
            slug="library-missing",
            hint="`pip install 'crisplens[arrow]'`, or convert the file to Parquet.",
        ) from None
    with tempfile.TemporaryDirectory(prefix="crisplens-source-") as folder:
        yield _convert_all(table, Path(folder), partial=partial)


def _convert_all(table: Table, folder: Path, *, partial: bool) -> Table:
    from crisplens.registry.data.tabular import connect

    made: dict[Path, Path] = {}
    bad: list[Unreadable] = []
    first: InputError | None = None
    connection = connect()
    try:
        # Windows of rows count them in the order of the file. Several threads would hold back many batches for that.
        connection.execute("SET preserve_insertion_order = true")
        connection.execute("SET threads = 1")
        for number, file in enumerate(table.files):
            inside = folder / str(number)
            inside.mkdir()
            # Under its own name, which tells windows that are files apart.
            spool = inside / file.name
            try:
                _convert(connection, file, spool)
                made[file] = spool
            except InputError as error:
                if not partial:
                    raise
                first = first or error
                bad.append(Unreadable(file, shown_reason(file, error)))
    finally:
        connection.close()
    if first is not None and not made:
        raise first
    return replace(
        table,
        files=tuple(made.values()),
        format="parquet",
        originals=tuple(made),
        unreadable=(*table.unreadable, *bad),
    )


def _convert(connection: DuckDBPyConnection, file: Path, spool: Path) -> None:
    import duckdb
    import pyarrow as pa

    from crisplens.registry.data.tabular import check_duplicates, quote_text

    before = _stamp(file)
    failures: list[Exception] = []
    try:
        # Not mapped into memory: a writer that cuts the file off would then kill the process.
        with pa.OSFile(str(file)) as source:
            schema, batches = _open(file, source)
            check_duplicates(file, schema.names)
            known = _known_types(schema)
            reader = pa.RecordBatchReader.from_batches(known, _sound(batches, known, failures))
            connection.register("arrow_rows", reader)
            connection.execute(
                f"COPY (SELECT * FROM arrow_rows) TO {quote_text(str(spool))} (FORMAT parquet)"
            )
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, MemoryError, duckdb.Error) as error:
        told = failures[0] if failures else error
        if isinstance(told, InputError):
            raise told from None
        raise unreadable(file, f"its Arrow data cannot be used ({_first_line(told)})") from None
    finally:
        connection.unregister("arrow_rows")
    if _stamp(file) != before:
        raise InputError(
            f"{file} changed while it was read",
            slug="changed-while-read",
            hint="Check it once its writer is done; writing to another name and renaming keeps readers safe.",
        )


def _open(file: Path, source: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    import pyarrow as pa

    start = source.read(8)
    source.seek(0)
    if start.startswith(_FILE_MAGIC):
        opened = pa.ipc.open_file(source)
        return opened.schema, (opened.get_batch(at) for at in range(opened.num_record_batches))
    if start.startswith(_FEATHER_1_MAGIC):
        raise InputError(
            f"{file} is of Feather version 1, which cannot be read batch by batch",
            slug="unreadable-file",
            hint="Write it as version 2 or as Parquet, for example: "
            "pyarrow.feather.write_feather(pyarrow.feather.read_table('old.feather'), 'new.feather')",
        )
    if not start.startswith(_STREAM_MARK):
        raise unreadable(file, "it holds no Arrow data")
    stream = pa.ipc.open_stream(source)
    return stream.schema, _whole_stream(file, source, stream)


def _whole_stream(file: Path, source: Any, stream: Any) -> Iterator[pa.RecordBatch]:
    yield from stream
    end = source.tell()
    source.seek(max(end - 8, 0))
    # Without the mark, nobody could tell a whole stream from one that was cut off between two batches.
    if source.read(8) != _STREAM_END:
        raise unreadable(file, "the stream has no end: it was cut off or is still being written")
    if end != source.size():
        raise unreadable(file, "something follows the end of the stream")


def _known_types(schema: pa.Schema) -> pa.Schema:
    """The schema with types that DuckDB reads, where it has none for numbers of Arrow's."""
    import pyarrow as pa

    def known(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_float16(kind):
            return pa.float32()
        return pa.float64() if pa.types.is_decimal256(kind) else kind

    return pa.schema([field.with_type(known(field.type)) for field in schema])


def _sound(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, failures: list[Exception]
) -> Iterator[pa.RecordBatch]:
    """Batches whose offsets and lengths have been checked: those of hostile bytes would reach beyond memory."""
    try:
        for batch in batches:
            batch.validate(full=True)
            yield batch if batch.schema.equals(schema) else batch.cast(schema)
    except Exception as error:
        # DuckDB would tell another one.
        failures.append(error)
        raise


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")[:200] or type(error).__name__


def _stamp(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns
