"""What the queries of the ibis engine share: types and names, how few rows are fetched, what is a number."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from crisplens.core.errors import InputError
from crisplens.registry.data.tabular import Column

if TYPE_CHECKING:
    import ibis.expr.datatypes as dt
    import ibis.expr.types as ir

Row = tuple[Any, ...]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# PostgreSQL allows 1,664 expressions in a query, and Spark compiles 64 kB of code.
_AT_ONCE = 100
_SPACE = "[ \t\n\v\f\r]*"
_DIGITS = "[0-9]+(_[0-9]+)*"
# What DuckDB reads as a number; databases differ in what they cast.
_READS_AS_NUMBER = (
    f"^{_SPACE}[+-]?(({_DIGITS}[.]?({_DIGITS})?|[.]{_DIGITS})([eE][+-]?{_DIGITS})?"
    f"|[iI][nN][fF]([iI][nN][iI][tT][yY])?|[nN][aA][nN]){_SPACE}$"
)
_TYPES = {
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "string": "VARCHAR",
    "binary": "BLOB",
}


def columns_of(table: ir.Table) -> dict[str, Column]:
    """The table's columns by name, in order, with the types' names in DuckDB.

    Raises `InputError` when a name stands twice; upper and lower case are one.
    """
    found = {name: Column(name, kind) for name, kind in type_names(table).items()}
    twice = [name for name, count in Counter(name.casefold() for name in found).items() if count > 1]
    if twice:
        raise InputError(
            f"the table has the column {twice[0]!r} twice",
            slug="duplicate-columns",
            hint="Column names must differ by more than upper and lower case.",
        )
    return found


def type_names(table: ir.Table) -> dict[str, str]:
    """The types of a table's columns, as DuckDB names them."""
    names = {name: type_name(kind) for name, kind in table.schema().items()}
    backend = table.get_backend()
    if backend.name == "pyspark" and "TIMESTAMP" in names.values():
        # ibis has one type for the two of Spark.
        kinds = backend.raw_sql(backend.compile(table)).dtypes
        names |= {name: "TIMESTAMP WITH TIME ZONE" for name, kind in kinds if kind == "timestamp"}
    return names


def type_name(kind: dt.DataType) -> str:
    """DuckDB's name of a type, so that the profile does not depend on where the rows are."""
    if kind.is_decimal():
        given = kind.precision is not None and kind.scale is not None
        return f"DECIMAL({kind.precision},{kind.scale})" if given else "DECIMAL"
    if kind.is_timestamp():
        return "TIMESTAMP WITH TIME ZONE" if kind.timezone else "TIMESTAMP"
    name = str(kind(nullable=True))
    return _TYPES.get(name, name.upper())


def fetch(expression: ir.Table) -> list[Row]:
    """The rows of a query, which are few."""
    backend = expression.get_backend()
    if backend.name == "pyspark":
        # Past pandas, where a null would make whole numbers decimal ones.
        return [tuple(row) for row in backend.raw_sql(backend.compile(expression)).collect()]
    if backend.name == "postgres":
        # A cursor of the server, as ibis uses for Arrow, would keep the query from running in parallel.
        with backend.begin() as cursor:
            return list(cursor.execute(backend.compile(expression)).fetchall())
    return list(zip(*(column.to_pylist() for column in expression.to_pyarrow().columns), strict=True))


def fetch_ends(table: ir.Table, times: ir.Column) -> tuple[datetime, datetime] | None:
    """The first and the last of a table's `times`; those without a zone are given without one, or as if in UTC."""
    if table.get_backend().name == "pyspark":
        import ibis

        # Spark's driver gives times in the zone of this process.
        @ibis.udf.scalar.builtin(signature=(("timestamp('UTC')",), "int64"))
        def unix_micros(moment):  # type: ignore[no-untyped-def]
            ...

        times = unix_micros(times.cast("timestamp('UTC')"))
    ((first, last),) = fetch(table.aggregate(first=times.min(), last=times.max()))
    if first is None:
        return None
    if isinstance(first, int):
        return _EPOCH + timedelta(microseconds=first), _EPOCH + timedelta(microseconds=last)
    return first, last


def count_present(
    table: ir.Table, names: Sequence[str], texts: Sequence[str] = ()
) -> tuple[int, dict[str, int], dict[str, int]]:
    """How many rows there are; how many values each column in `names` has; and how many of `texts` are no numbers."""
    rows = int(fetch(table.aggregate(rows=table.count()))[0][0])
    asked: list[tuple[str, str, Any]] = [("present", name, table[name].count()) for name in names]
    asked += [("misfits", name, (~table[name].re_search(_READS_AS_NUMBER)).sum()) for name in texts]
    found: dict[str, dict[str, int]] = {"present": {}, "misfits": {}}
    for start in range(0, len(asked), _AT_ONCE):
        batch = asked[start : start + _AT_ONCE]
        query = table.aggregate(**{f"n{at}": count for at, (_, _, count) in enumerate(batch)})
        for (what, name, _), count in zip(batch, fetch(query)[0], strict=True):
            found[what][name] = int(count or 0)
    return rows, found["present"], found["misfits"]


def number(column: ir.Column) -> ir.FloatingColumn:
    """A numeric column's values as float64, with NaN and infinities as nulls."""
    value = column.cast("float64")
    if column.type().is_integer():
        return value
    # PostgreSQL and Spark have NaN larger than all numbers, others compare nothing with it.
    return value.between(-sys.float_info.max, sys.float_info.max).ifelse(value, None)


def check_whole(name: str, rows: int, counted: int) -> None:
    """Raise `InputError` when a column was counted over other rows than the table had."""
    if counted != rows:
        raise InputError(
            f"the table changed while it was read: it had {rows} rows, and then {counted} in column {name!r}",
            slug="changed-while-read",
            hint="Check it once its writer is done, or read a table that does not change.",
        )
