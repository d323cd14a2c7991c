"""How tables are read for performance: into DuckDB once, only the columns needed, and grouped in one scan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crisplens.core.errors import InputError
from crisplens.core.names import unknown_name
from crisplens.monitors.engines._reading import slice_sql
from crisplens.monitors.engines._sql import family_of, finite_sql, one_row
from crisplens.monitors.engines.interface import Slice, TimeSlice
from crisplens.monitors.model import Family
from crisplens.registry.data import tabular
from crisplens.registry.data.tabular import Column, Table, quote_name, quote_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_GROUPS = 1000
FLOATS = frozenset({"FLOAT", "DOUBLE"})
# DuckDB raises this text; it is then told in the user's terms.
NOT_BINARY = "neither 0 nor 1: "
# Columns and the values that a group of rows shares in them; a null is None.
Segment = tuple[tuple[str, str | None], ...]
Query = Callable[[Mapping[str, Column], str], str]


@dataclass(frozen=True)
class Row:
    """One row of a grouped query: the segment it is of, None for the whole, and its values."""

    segment: Segment | None
    values: tuple[Any, ...]


@contextmanager
def opened() -> Iterator[DuckDBPyConnection]:
    """An in-memory DuckDB, closed at the end."""
    connection = tabular.connect()
    try:
        yield connection
    finally:
        connection.close()


def create(
    connection: DuckDBPyConnection,
    name: str,
    table: Table,
    needed: Sequence[str],
    texts: Sequence[str],
    query: Query,
    only: Slice | None = None,
) -> None:
    """Create a table from a query over a file, or a slice of it.

    Types are guessed anew from all rows where they do not fit.
    """
    if isinstance(only, TimeSlice):
        connection.execute(f"SET TimeZone = {quote_text(only.zone)}")
    elif only is not None:
        connection.execute("SET preserve_insertion_order = true")
    with tabular.duckdb_errors(table):
        try:
            found = columns_of(connection, table, needed, texts)
            relation = slice_sql(tabular.relation_sql(table, text=texts), [*found.values()], only)
            connection.execute(f"CREATE OR REPLACE TABLE {name} AS {query(found, relation)}")
        except Exception as error:
            if NOT_BINARY in str(error):
                raise InputError(
                    f"a class column of {table.pattern} holds numbers that are {NOT_BINARY.rstrip(': ')}",
                    slug="bad-setting",
                    hint="Name the positive class.",
                ) from error
            if not tabular.is_type_misfit(error):
                raise
            found = columns_of(connection, table, needed, texts, whole=True)
            relation = slice_sql(tabular.relation_sql(table, text=texts, whole=True), [*found.values()], only)
            connection.execute(f"CREATE OR REPLACE TABLE {name} AS {query(found, relation)}")


def columns_of(
    connection: DuckDBPyConnection,
    table: Table,
    needed: Sequence[str],
    texts: Sequence[str],
    *,
    whole: bool = False,
) -> dict[str, Column]:
    """A table's columns by name, with the types they are read as; `InputError` when a needed one is missing."""
    found = {
        column.name: column for column in tabular.table_columns(connection, table, text=texts, whole=whole)
    }
    for name in needed:
        if name not in found:
            raise unknown_name(f"column of {table.pattern}", name, found)
    return found


def is_empty(connection: DuckDBPyConnection, table: Table) -> bool:
    """Whether a table has no rows: a CSV may have only a header, and its columns no types."""
    with tabular.duckdb_errors(table):
        (rows,) = one_row(connection, f"SELECT count(*) FROM (FROM {tabular.relation_sql(table)} LIMIT 1)")
    return not rows


def is_number(column: Column) -> bool:
    """Whether a column holds numbers."""
    return family_of(column.type) is Family.NUMBER


def number_sql(column: Column) -> str:
    """The finite numbers of a column; NaN and infinities are null."""
    if not is_number(column):
        raise InputError(
            f"the column {column.name!r} is {column.type}, not numbers",
            slug="not-a-number",
            hint="Check for a value in it that is not a number.",
        )
    return finite_sql(column)


def text_sql(column: Column) -> str:
    """A value as text; 1.0 is `1`, so that classes and keys are the same whichever way they were stored."""
    name = quote_name(column.name)
    if column.type in FLOATS:
        whole = f"isfinite({name}) AND {name} = floor({name}) AND abs({name}) < 1e15"
        return (
            f"CASE WHEN {whole} THEN {name}::BIGINT::VARCHAR WHEN NOT isnan({name}) THEN {name}::VARCHAR END"
        )
    return f"{name}::VARCHAR"


def segment_columns(segments: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The columns of all segments, each once; `InputError` for a segment without a column."""
    if not all(segments):
        raise InputError("a segment names no column", slug="bad-setting")
    return tuple(dict.fromkeys(name for columns in segments for name in columns))


def grouped(
    connection: DuckDBPyConnection,
    select: str,
    within: Sequence[str],
    where: str,
    segments: Sequence[Sequence[str]],
) -> Iterator[Row]:
    """Rows of an aggregate query, for the whole and for each group of each segment, from one scan."""
    names = segment_columns(segments)
    position = {name: f"s{i}" for i, name in enumerate(names)}
    # A set that stands twice would be counted twice.
    wanted = {frozenset(columns): columns for columns in segments}
    sets = [within, *([*(position[name] for name in columns), *within] for columns in wanted.values())]
    grouping = ", ".join(f"({', '.join(one)})" for one in sets)
    marks = ", ".join(f"GROUPING({one})" for one in position.values())
    tail = f", {', '.join(position.values())}, {marks}" if names else ""
    rows = connection.execute(
        f"SELECT {select}{tail} FROM joined WHERE {where} GROUP BY GROUPING SETS ({grouping})"
    ).fetchall()
    width = len(names)
    seen: dict[tuple[str, ...], set[Segment]] = {}
    for row in sorted(rows, key=lambda one: _order(one, width)):
        values, held, marked = (
            row[: len(row) - 2 * width],
            row[len(row) - 2 * width : len(row) - width],
            row[len(row) - width :],
        )
        segment = tuple((name, held[i]) for i, name in enumerate(names) if not marked[i])
        if segment:
            groups = seen.setdefault(tuple(name for name, _ in segment), set())
            groups.add(segment)
            if len(groups) > MOST_GROUPS:
                columns = " and ".join(name for name, _ in segment)
                raise InputError(
                    f"{columns} has more than {MOST_GROUPS} groups",
                    slug="too-many-segments",
                    hint="Segment by a column with few values.",
                )
        yield Row(segment=segment or None, values=values)


def _order(row: tuple[Any, ...], width: int) -> tuple[Any, ...]:
    if not width:
        return ()
    return (*row[-width:], *((value is not None, value or "") for value in row[-2 * width : -width]))
