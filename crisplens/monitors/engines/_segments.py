"""Columns within segments in DuckDB: which segments a reference has, and SQL for the rows of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from crisplens.core.errors import InputError
from crisplens.monitors.engines import _sql
from crisplens.monitors.model import Family, Segment
from crisplens.monitors.segments import MOST_SEGMENTS, check_count, segment_name
from crisplens.registry.data.tabular import Column, quote_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def find_segments(
    connection: DuckDBPyConnection,
    relation: str,
    columns: Mapping[str, Column],
    wanted: Sequence[Sequence[str]],
    least: int,
) -> tuple[tuple[Segment, int], ...]:
    """The segments that have at least so many rows, and how many each has; rows with a null are in none.

    Raises `InputError` for a column whose values are no categories, or too many of them.
    """
    found: list[tuple[Segment, int]] = []
    for names in wanted:
        for name in names:
            if _sql.family_of(columns[name].type) is Family.OTHER:
                raise InputError(
                    f"the column {name} holds {columns[name].type}, and segments are told apart by text, booleans "
                    "or numbers",
                    slug="bad-setting",
                )
        places = [f"k{i}" for i in range(len(names))]
        keys = ", ".join(
            f"{_sql.category_sql(columns[name])} AS {place}"
            for name, place in zip(names, places, strict=True)
        )
        present = " AND ".join(f"{place} IS NOT NULL" for place in places)
        rows = connection.execute(
            f"SELECT *, count(*) AS n FROM (SELECT {keys} FROM {relation}) WHERE {present} GROUP BY ALL "
            f"HAVING n >= {least} ORDER BY n DESC, {', '.join(places)} LIMIT {MOST_SEGMENTS + 1}"
        ).fetchall()
        check_count(names, len(rows))
        for *values, count in rows:
            where = dict(zip(names, values, strict=True))
            found.append(
                (Segment(name=segment_name(where, {one.name for one, _ in found}), where=where), count)
            )
    return tuple(found)


def inside(relation: str, segment: Segment, columns: Mapping[str, Column]) -> str:
    """SQL for the rows of a segment, whose columns are all there."""
    where = " AND ".join(
        f"{_sql.category_sql(columns[name])} = {quote_text(value)}" for name, value in segment.where.items()
    )
    return f"(SELECT * FROM {relation} WHERE {where})"
