"""Categorical columns as an ibis query: the commonest values, and those that the reference has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from crisplens.monitors import profiles
from crisplens.monitors.engines import _sql
from crisplens.monitors.engines._arrow import category_text
from crisplens.monitors.engines._ibis import Row, check_whole, fetch, number
from crisplens.monitors.model import CategoricalProfile, Family
from crisplens.registry.data.tabular import Column

if TYPE_CHECKING:
    import ibis.expr.types as ir


def categorical_profile(
    table: ir.Table, column: Column, *, rows: int, family: Family, wanted: Sequence[str] = ()
) -> CategoricalProfile:
    """The profile of a categorical column: its commonest values, and always those `wanted`.

    Of decimal numbers that are equally common, the smallest are listed first; of all else, as DuckDB does.
    """
    grouped = _grouped(table, column)
    most = profiles.MOST_CATEGORIES
    found = fetch(grouped.order_by(grouped.n.desc(), _text_order(grouped.v)).limit(most + 1))
    counts = _texts(found[:most])
    unique, present = len(found), sum(n for _, n in found)
    if len(found) > most:
        ((unique, present),) = fetch(grouped.aggregate(unique=grouped.count(), present=grouped.n.sum()))
        sought = [value for value in (_as_stored(text, column) for text in wanted) if value is not None]
        for start in range(0, len(sought), most):
            counts |= _texts(fetch(grouped.filter(grouped.v.isin(sought[start : start + most]))))
    check_whole(column.name, rows, max(rows, int(present)))
    return profiles.categorical(
        column.name,
        column.type,
        family,
        rows=rows,
        present=int(present),
        listed=profiles.sorted_categories(counts.items()),
        n_unique=int(unique),
    )


def _grouped(table: ir.Table, column: Column) -> ir.Table:
    """The values of a column as stored (decimal numbers as float64), and in how many rows each stands."""
    stored = table[column.name]
    decimal = _sql.family_of(column.type) is Family.NUMBER and not _sql.is_integer(column.type)
    value = number(stored) if decimal else stored
    narrow = table.select(v=value)
    grouped = narrow.filter(narrow.v.notnull()).group_by("v").aggregate(n=lambda group: group.count())
    return grouped


def _text_order(value: ir.Column) -> ir.Column:
    """What orders values as the bytes of their text do."""
    import ibis

    if value.type().is_floating() or value.type().is_boolean():
        return value
    text = value.cast("string")
    if value.get_backend().name != "postgres":
        return text

    # PostgreSQL orders text by the collation of its database.
    @ibis.udf.scalar.builtin(signature=(("string", "string"), "binary"))
    def convert_to(text, encoding):  # type: ignore[no-untyped-def]
        ...

    ordered: ir.Column = convert_to(text, "UTF8")
    return ordered


def _texts(rows: Iterable[Row]) -> dict[str, int]:
    return {_text(value): int(n) for value, n in rows}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else category_text(value)


def _as_stored(text: str, column: Column) -> Any:
    """A category as the column holds it; None when it cannot."""
    family = _sql.family_of(column.type)
    try:
        if family is not Family.NUMBER:
            return text == "true" if family is Family.BOOLEAN else text
        return int(text) if _sql.is_integer(column.type) else float(text)
    except ValueError:
        return None
