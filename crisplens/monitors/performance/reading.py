"""How tables are read for performance: into DuckDB once, only the columns needed, and grouped in one scan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
# A column of the wrong type is none when the table is empty: then nothing has shown its type.
TYPE_SLUGS = frozenset({"not-a-number", "bad-setting"})
# What a CSV's numbers that are no finite ones are written as; DuckDB may take a column of them for dates.
_NOT_FINITE = "('inf', 'infinity', 'nan')"
# Columns and the values that a group of rows shares in them; a null is None.
Segment = tuple[tuple[str, str | None], ...]
Query = Callable[[Mapping[str, Column], str], str]


class NoValues(InputError):
    """A column holds nothing but nulls, so that its type is not known."""


@dataclass(frozen=True)
class Row:
    """One row of a grouped query: the segment it is of, None for the whole, and its values."""

    segment: Segment | None
    values: tuple[Any, ...]


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

    Types are guessed anew from all rows where they do not fit. Raises `InputError` as the query does, and `NoValues`
    where a column, other than of `texts`, has the wrong type because it is null throughout.
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
        except InputError as error:
            if error.slug not in TYPE_SLUGS:
                raise
            _check_values(connection, table, [name for name in needed if name not in texts], only, error)
            raise
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


def _check_values(
    connection: DuckDBPyConnection, table: Table, names: Sequence[str], only: Slice | None, error: InputError
) -> None:
    """Raise a plainer error than `error` where a column has the wrong type for want of any value of the right one."""
    named = list(dict.fromkeys(names))
    found = columns_of(connection, table, named, named)
    relation = slice_sql(tabular.relation_sql(table, text=named), [*found.values()], only)
    texts = [f"{quote_name(name)}::VARCHAR" for name in named]
    counts = [
        f"count({text}), count({text}) FILTER (lower(ltrim(trim({text}), '+-')) IN {_NOT_FINITE})"
        for text in texts
    ]
    rows, *counted = one_row(connection, f"SELECT count(*), {', '.join(counts)} FROM {relation}")
    for name, values, infinite in zip(named, counted[::2], counted[1::2], strict=True):
        if rows and not values:
            raise NoValues(f"the column {name!r} is null in every row", slug=error.slug) from error
        if values and values == infinite:
            raise InputError(f"the column {name!r} has no finite number", slug=error.slug) from error


def check_groups(table: Table, segments: Sequence[Sequence[str]]) -> None:
    """Raise `InputError` for a column that is not there, and for one that makes a group of nearly every row."""
    names = segment_columns(segments)
    if not names:
        return
    with tabular.connected() as connection, tabular.duckdb_errors(table):
        found = columns_of(connection, table, names, names)
        relation = tabular.relation_sql(table, text=names)
        for columns in segments:
            chosen = ", ".join(f"{text_sql(found[name])} AS s{i}" for i, name in enumerate(columns))
            grouped_by = f"SELECT DISTINCT {chosen} FROM {relation}"
            (groups,) = one_row(
                connection, f"SELECT count(*) FROM (FROM ({grouped_by}) LIMIT {MOST_GROUPS + 1})"
            )
            (rows,) = one_row(connection, f"SELECT count(*) FROM {relation}")
            if groups > MOST_GROUPS:
                raise _too_many_groups(columns, f"more than {MOST_GROUPS} groups")
            if groups * 2 > rows:
                raise _too_many_groups(columns, f"{groups} groups in {rows} rows of {table.pattern}")


def _too_many_groups(columns: Sequence[str], how_many: str) -> InputError:
    return InputError(
        f"{' and '.join(columns)} has {how_many}",
        slug="too-many-segments",
        hint="Segment by a column with few values.",
    )


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
                raise _too_many_groups([name for name, _ in segment], f"more than {MOST_GROUPS} groups")
        yield Row(segment=segment or None, values=values)


def _order(row: tuple[Any, ...], width: int) -> tuple[Any, ...]:
    if not width:
        return ()
    return (*row[-width:], *((value is not None, value or "") for value in row[-2 * width : -width]))
