"""CSV and Parquet files as tables: finding them, opening them safely, and what is in them.

DuckDB does the reading and is imported only when something is read. Its errors never reach a user as they
are: `duckdb_errors` turns them into an `InputError` that names the file and, where known, the line.
"""

from __future__ import annotations

import atexit
import os
import re
import secrets
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from crisplens.core.canonical import unreadable
from crisplens.core.errors import InputError
from crisplens.registry.data.csv_files import (
    MOST_LINE_BYTES,
    csv_options,
    quote_name,
    quote_text,
    read_header,
)
from crisplens.registry.data.files import WITH_HEADER, Table, escape_glob, not_utf8, open_table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = [
    "Column",
    "Table",
    "TableDescription",
    "check_duplicates",
    "connect",
    "connected",
    "describe_table",
    "duckdb_errors",
    "is_type_misfit",
    "open_table",
    "quote_name",
    "quote_text",
    "read_header",
    "relation_sql",
    "table_columns",
]

# A line of JSON that is longer is none that a table's row should be.
MOST_OBJECT_BYTES = 16 << 20
NO_PROGRESS = "SET enable_progress_bar = false"
# Databases that are kept open for those who read next.
MOST_IDLE = 2
# Types that a CSV is read as in one way only; dates and times also need a format, which is guessed with them.
PLAIN_TYPES = frozenset({"BIGINT", "BOOLEAN", "DOUBLE", "VARCHAR"})


_KIND = re.compile(r"^(?:\w+ )*Error: ")


class Column(msgspec.Struct, frozen=True):
    """A column as DuckDB reads it; `type` is DuckDB's name, such as `BIGINT`, `DOUBLE` or `VARCHAR`."""

    name: str
    type: str


class TableDescription(msgspec.Struct, frozen=True):
    """What a table holds."""

    format: str
    columns: tuple[Column, ...]
    row_count: int


def describe_table(table: Table) -> TableDescription:
    """The columns, their types and the number of rows; the whole table is read once.

    Raises `InputError` when the table has no rows, a column name twice, a row with too few or too many
    fields, bytes that are not UTF-8, or is not the format its name says.
    """
    with connected() as connection, duckdb_errors(table):
        columns = table_columns(connection, table)
        counts = ", ".join(f"count({quote_name(column.name)})" for column in columns)
        try:
            # Counting every column makes DuckDB convert every value, so that a late misfit is found here.
            row = connection.execute(f"SELECT count(*), {counts} FROM {relation_sql(table)}").fetchone()
        except Exception as error:
            if not is_type_misfit(error):
                raise
            columns = table_columns(connection, table, whole=True)
            row = connection.execute(f"SELECT count(*) FROM {relation_sql(table, whole=True)}").fetchone()
    rows = int(row[0]) if row else 0
    if rows == 0:
        raise InputError(f"{table.pattern} has no rows", slug="no-rows")
    return TableDescription(format=table.format, columns=columns, row_count=rows)


def connect() -> DuckDBPyConnection:
    """An in-memory DuckDB that fetches no extension, shows no progress bar and leaves row order free."""
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "preserve_insertion_order": "false",
            # A file may be another one when it is read again.
            "enable_external_file_cache": "false",
            # DuckDB would spill into the working directory otherwise.
            "temp_directory": str(Path(tempfile.gettempdir()) / f"crisplens-duckdb-{secrets.token_hex(8)}"),
        },
    )
    connection.execute(NO_PROGRESS)
    return connection


@contextmanager
def connected() -> Iterator[DuckDBPyConnection]:
    """A connection as `connect` gives it, to a database without tables; it is not to be used afterwards.

    Opening a database takes longer than a small check, so one that was left in order is kept for the next.
    """
    # Of a process that was forked, only the memory is there and not the threads that DuckDB works with.
    idle = _idle.setdefault(os.getpid(), [])
    with _opening:
        database = idle.pop() if idle else None
    if database is None:
        database = connect()
    try:
        # Temporary tables and a session's settings end with it.
        with database.cursor() as connection:
            connection.execute(NO_PROGRESS)
            yield connection
        _empty(database)
    except BaseException:
        database.close()
        raise
    if len(idle) < MOST_IDLE:
        idle.append(database)
    else:
        database.close()


_idle: dict[int, list[DuckDBPyConnection]] = {}
_opening = threading.Lock()


def open_ahead() -> None:
    """Open the database that the next `connected` takes, from another thread; a failure is left for it to find."""
    with _opening, suppress(Exception):
        _idle.setdefault(os.getpid(), []).append(connect())


def _empty(connection: DuckDBPyConnection) -> None:
    """Make a database as it was when it was opened."""
    for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
        connection.execute(f"DROP TABLE {quote_name(name)}")
    connection.execute("RESET GLOBAL TimeZone; RESET threads; SET preserve_insertion_order = false")


@atexit.register
def _close_idle() -> None:
    """Let DuckDB remove the files that it may have spilled to."""
    for connection in _idle.pop(os.getpid(), []):
        connection.close()


def relation_sql(
    table: Table, *, text: Sequence[str] = (), whole: bool = False, typed: Sequence[Column] = ()
) -> str:
    """SQL for the table in a FROM clause.

    A CSV's types are guessed from its first rows, or from all of it when `whole`; columns in `text` are kept
    as text whatever they look like. `typed` columns, all of the table's, have been guessed before, and are not
    guessed again. Raises `InputError` for a CSV header that cannot be read.
    """
    files = "[" + ", ".join(quote_text(escape_glob(file)) for file in table.files) + "]"
    options = ["union_by_name = true"] if len(table.files) > 1 else []
    options.append("hive_partitioning = false")
    if table.format == "parquet":
        return f"read_parquet({', '.join([files, *options])})"
    if table.format == "jsonl":
        # Types are those of all rows: one that does not fit the first rows' must not end the reading.
        options += ["format = 'newline_delimited'", "records = true", "sample_size = -1"]
        return f"read_json({', '.join([files, *options, f'maximum_object_size = {MOST_OBJECT_BYTES}'])})"
    header, delimiter = read_header(table.files[0])
    options += csv_options(table.files[0], delimiter)
    kept = [name for name in text if name in header]
    if len(table.files) == 1 and typed and all(column.type in PLAIN_TYPES for column in typed):
        pairs = (f"{quote_text(column.name)}: '{column.type}'" for column in typed)
        options += ["auto_detect = false", "columns = {" + ", ".join(pairs) + "}"]
    elif kept:
        options.append("types = {" + ", ".join(f"{quote_text(name)}: 'VARCHAR'" for name in kept) + "}")
    if whole:
        options.append("sample_size = -1")
    return f"read_csv({', '.join([files, *options])})"


def expected_columns(table: Table, types: Mapping[str, str]) -> tuple[Column, ...]:
    """A CSV's columns as the types that are expected of them; those that nothing is expected of are text.

    Empty when the table is not one CSV file, or a type is none that a CSV is read as in one way only.
    """
    if (
        table.format not in WITH_HEADER
        or len(table.files) > 1
        or not types
        or not PLAIN_TYPES.issuperset(types.values())
    ):
        return ()
    names = read_header(table.files[0])[0]
    check_duplicates(table.pattern, names)
    return tuple(Column(name=name, type=types.get(name, "VARCHAR")) for name in names)


def table_columns(
    connection: DuckDBPyConnection, table: Table, *, text: Sequence[str] = (), whole: bool = False
) -> tuple[Column, ...]:
    """The table's columns in order; `InputError` when a name stands twice (upper and lower case are one)."""
    relation = relation_sql(table, text=text, whole=whole)
    rows = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    for file in table.files:
        if table.format == "parquet":
            check_duplicates(_where(table, file), _parquet_names(connection, file))
        elif table.format in WITH_HEADER:
            check_duplicates(_where(table, file), read_header(file)[0])
    return tuple(Column(name=str(name), type=str(kind)) for name, kind, *_ in rows)


def _where(table: Table, file: Path) -> object:
    return table.pattern if len(table.files) == 1 else file


def is_type_misfit(error: Exception) -> bool:
    """Whether DuckDB met a value that does not fit the type it guessed from a CSV's first rows."""
    import duckdb

    return isinstance(error, duckdb.ConversionException)


@contextmanager
def duckdb_errors(table: Table) -> Iterator[None]:
    """Turn what DuckDB raises while it reads `table` into an `InputError` in the user's terms."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise _explain(table, error) from error


def _parquet_names(connection: DuckDBPyConnection, file: Path) -> list[str]:
    rows = connection.execute(
        "SELECT name, coalesce(num_children, 0) FROM parquet_schema(?)", [escape_glob(file)]
    ).fetchall()
    names: list[str] = []
    inside = 0
    for name, children in rows[1:]:
        if inside:
            inside += children - 1
        else:
            names.append(name)
            inside = children
    return names


def check_duplicates(where: object, names: Iterable[str]) -> None:
    """Raise `InputError` when a column name stands twice; upper and lower case are one."""
    seen: dict[str, str] = {}
    for name in filter(None, names):
        first = seen.get(name.casefold())
        if first is not None:
            both = f"{first!r} twice" if first == name else f"{first!r} and {name!r}"
            raise InputError(
                f"{where} has the column {both}",
                slug="duplicate-columns",
                hint="Column names must differ by more than upper and lower case.",
            )
        seen[name.casefold()] = name


def _explain(table: Table, error: Exception) -> InputError:
    text = str(error)
    if table.format in WITH_HEADER and "dialect" in text:
        text = _reread_as_text(table) or text
    named = re.search(r"^\s*file = (.+)$", text, re.MULTILINE) or re.search(
        r"""[Ff]ile ["'](.+?)["']""", text
    )
    line = re.search(r"CSV Error on Line: (\d+)", text)
    where = named.group(1) if named and len(table.files) > 1 else table.pattern
    where += f", line {line.group(1)}" if line else ""
    if "utf-8" in text.casefold() and ("nicode" in text or "encoding" in text):
        return not_utf8(where)
    if table.format == "jsonl":
        return _explain_json(where, text)
    fields = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if fields:
        message = f"{where}: {fields.group(2)} fields, but the header has {fields.group(1)}"
        return InputError(message, slug="ragged-csv", hint="Every row must have all fields; none was kept.")
    if "unterminated quote" in text:
        return InputError(f"{where}: a quoted value does not end", slug="ragged-csv")
    if "No magic bytes" in text:
        return unreadable(where, "it is no Parquet file, or was not written to its end")
    longest = re.search(r"Maximum line size of \d+ bytes exceeded", text)
    if longest or "Parallel CSV Reader" in text:
        return unreadable(where, f"a line is longer than {MOST_LINE_BYTES:,} bytes")
    misfit = re.search(r'Error when converting column "(.+?)"\..* to \'(\w+)\'', text)
    if misfit:
        return unreadable(where, f"a value of column {misfit[1]!r} does not read as {misfit[2]}")
    if line:
        return unreadable(where, "a row does not fit the others")
    return unreadable(where, _first_line(text))


def _explain_json(where: str, text: str) -> InputError:
    """What is wrong with lines of JSON; the row itself, which DuckDB repeats, must not get into messages and logs."""
    transformed = re.search(r"transform error .*?in line (\d+): (.*)", text)
    twice = re.search(r'has duplicate key "(.{0,60})"', text)
    malformed = re.search(r"Malformed JSON .*?: ([a-z ,]+)\.?", text)
    if transformed:
        where += f", line {transformed.group(1)}"
    if twice:
        return InputError(
            f"{where}: an object has the key {twice.group(1)!r} twice", slug="duplicate-columns"
        )
    if malformed:
        return unreadable(where, f"a line is no JSON: {malformed.group(1)}")
    if "non-record" in text or "records" in text:
        return unreadable(where, "a line is no JSON object")
    return unreadable(where, "its lines are not JSON objects of one kind")


def _reread_as_text(table: Table) -> str:
    """DuckDB's type guessing gives no line for a broken row; reading everything as text does."""
    import duckdb

    for file in table.files:
        header, delimiter = read_header(file)
        names = [f"c{position}" for position in range(len(header))]
        columns = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in names) + "}"
        options = [f"columns = {columns}", "auto_detect = false", *csv_options(file, delimiter)]
        relation = f"read_csv({quote_text(escape_glob(file))}, {', '.join(options)})"
        counts = ", ".join(f"count({name})" for name in names)
        try:
            connect().execute(f"SELECT {counts} FROM {relation}").fetchall()
        except duckdb.Error as error:
            return f"{error}\n  file = {file}"
    return ""


def _first_line(text: str) -> str:
    lines = (line.strip() for line in text.splitlines() if line.strip())
    # What comes after the first line may repeat a row, which must not get into messages and logs.
    return _KIND.sub("", next(lines, "unknown reason"))[:200]
