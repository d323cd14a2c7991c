"""Numeric columns as ibis queries: few values counted one by one, many by the bin that each falls into."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from crisplens.monitors import profiles
from crisplens.monitors.engines import _sql
from crisplens.monitors.engines._ibis import check_whole, fetch, number
from crisplens.monitors.model import NumberCount, NumericProfile
from crisplens.registry.data.tabular import Column

if TYPE_CHECKING:
    import ibis.expr.types as ir

# The groups of what is no number; bins count from 0.
_NULL, _NAN, _INFINITE = -1, -2, -3
# PostgreSQL raises an error where a variance overflows; larger values are measured in a second query, scaled.
_SQUARABLE = 1e150


@dataclass(frozen=True)
class ValueCounts:
    """A numeric column with few distinct values: each with its count, and how many rows hold no finite number."""

    values: tuple[NumberCount, ...]
    nulls: int = 0
    nans: int = 0
    infinities: int = 0


def value_counts(table: ir.Table, name: str) -> ValueCounts | None:
    """The values of a numeric column, if it has few."""
    # The values, and one group each of nulls, NaN and infinities.
    most = profiles.MOST_CATEGORIES + 4
    grouped = table.select(kind=_group(table[name], 0), v=number(table[name])).group_by("kind", "v")
    rows = fetch(grouped.aggregate(n=lambda group: group.count()).limit(most))
    values: Counter[float] = Counter()
    kinds: Counter[int] = Counter()
    for kind, v, n in rows:
        kinds[kind] += n
        if v is not None:
            # No negative zero: whether one is in the group's key differs from run to run.
            values[v + 0.0] += n
    if len(values) > profiles.MOST_CATEGORIES:
        return None
    return ValueCounts(
        values=tuple(NumberCount(value=v, count=n) for v, n in sorted(values.items())),
        nulls=kinds[_NULL],
        nans=kinds[_NAN],
        infinities=kinds[_INFINITE],
    )


def reference_edges(table: ir.Table, name: str) -> tuple[tuple[float, ...], int]:
    """Where the bins of a column of many numbers begin and end, at exact quantiles, and its distinct values."""
    import ibis

    numbers = table.select(v=number(table[name]))
    numbers = numbers.filter(numbers.v.notnull())
    ((count, unique),) = fetch(numbers.aggregate(count=numbers.count(), unique=numbers.v.nunique()))
    # The nearest rank, as DuckDB's quantile_disc: exact in decimals, where floats would be one off.
    ranks = [max(1, math.ceil(Fraction(repr(share)) * count)) for share in profiles.QUANTILES]
    ordered = numbers.select("v", at=ibis.row_number().over(order_by=numbers.v))
    chosen = fetch(ordered.filter((ordered["at"] + 1).isin(sorted(set(ranks)))))
    by_rank = {at + 1: v + 0.0 for v, at in chosen}
    quantiles = [by_rank[rank] for rank in ranks]
    spread = (max(quantiles) - min(quantiles)) / 8
    return profiles.quantile_edges(quantiles, spread=spread), int(unique)


def few_numbers_profile(
    column: Column,
    found: ValueCounts,
    *,
    rows: int,
    edges: Sequence[float],
    exact: bool,
    keep_values: bool,
) -> NumericProfile:
    """The profile of a numeric column on given edges, from the counts of its few values."""
    mean, m2 = _moments([(item.count, item.value, 0.0) for item in found.values])
    count = sum(item.count for item in found.values)
    check_whole(column.name, rows, count + found.nulls + found.nans + found.infinities)
    return NumericProfile(
        name=column.name,
        type=column.type,
        integer=_sql.is_integer(column.type),
        rows=rows,
        nulls=found.nulls,
        nans=found.nans,
        infinities=found.infinities,
        count=count,
        mean=mean,
        m2=m2,
        minimum=found.values[0].value if found.values else None,
        maximum=found.values[-1].value if found.values else None,
        edges=tuple(edges),
        counts=profiles.count_values(edges, found.values),
        exact=exact,
        n_unique=len(found.values),
        values=found.values if keep_values else None,
    )


def binned_profile(
    table: ir.Table,
    column: Column,
    *,
    rows: int,
    edges: Sequence[float],
    exact: bool,
    unique: int | None = None,
) -> NumericProfile:
    """The profile of a numeric column on given edges, in one scan: counts and moments of each bin."""
    stored = table[column.name]
    bins = _bin_of(stored.cast("float64"), edges)
    narrow = table.select(bin=_group(stored, bins), v=number(stored))
    held = narrow.v.between(-_SQUARABLE, _SQUARABLE).ifelse(narrow.v, None)
    query = narrow.group_by("bin").aggregate(
        n=narrow.count(),
        held=held.count(),
        mean=held.mean(),
        spread=held.var(how="pop"),
        low=narrow.v.min(),
        high=narrow.v.max(),
    )
    groups = {int(row[0]): row[1:] for row in fetch(query)}
    check_whole(column.name, rows, sum(group[0] for group in groups.values()))
    special = {kind: int(groups.pop(kind)[0]) if kind in groups else 0 for kind in (_NULL, _NAN, _INFINITE)}
    low = min((group[4] + 0.0 for group in groups.values()), default=None)
    high = max((group[5] + 0.0 for group in groups.values()), default=None)
    if low is not None and high is not None and max(-low, high) > _SQUARABLE:
        mean, m2 = _scaled_moments(table, column.name, max(-low, high))
    else:
        mean, m2 = _moments(
            [(held, mean, spread * held) for _, held, mean, spread, *_ in groups.values() if held]
        )
    counts = [0] * (len(edges) + 1)
    if edges:
        for at, group in groups.items():
            counts[at] = int(group[0])
    return NumericProfile(
        name=column.name,
        type=column.type,
        integer=_sql.is_integer(column.type),
        rows=rows,
        nulls=special[_NULL],
        nans=special[_NAN],
        infinities=special[_INFINITE],
        count=sum(int(group[0]) for group in groups.values()),
        mean=mean,
        m2=m2,
        minimum=low,
        maximum=high,
        edges=tuple(edges),
        counts=tuple(counts),
        exact=exact,
        n_unique=unique,
    )


def _group(column: ir.Column, finite: Any) -> ir.IntegerColumn:
    """The group of each row: that of a `finite` value, or what it is instead."""
    import ibis

    value = column.cast("float64")
    if column.type().is_integer():
        return ibis.cases((value.isnull(), _NULL), else_=finite)
    largest = sys.float_info.max
    # NaN before null, as ibis takes NaN for null too on Spark.
    return ibis.cases(
        (value.isnan(), _NAN),
        (value.isnull(), _NULL),
        (value.between(-largest, largest), finite),
        else_=_INFINITE,
    )


def _bin_of(value: ir.FloatingColumn, edges: Sequence[float], first: int = 0) -> ir.IntegerColumn:
    """How many of the edges are below each value, by halving: some ten comparisons a row."""
    import ibis

    if not edges:
        return ibis.literal(first, "int32")
    middle = len(edges) // 2
    return (value <= ibis.literal(edges[middle], "float64")).ifelse(
        _bin_of(value, edges[:middle], first), _bin_of(value, edges[middle + 1 :], first + middle + 1)
    )


def _moments(parts: Iterable[tuple[int, float, float]]) -> tuple[float | None, float | None]:
    """The mean and `m2` of parts, each given by count, mean and `m2`; None where they are too large for a float."""
    parts = [*parts]
    total = sum(count for count, _, _ in parts)
    if not total:
        return None, None
    try:
        mean = math.fsum(mean * (count / total) for count, mean, _ in parts)
        m2 = math.fsum(m2 + count * ((own - mean) * (own - mean)) for count, own, m2 in parts)
    except OverflowError:
        return None, None
    return (mean, m2) if math.isfinite(m2) else (None, None)


def _scaled_moments(table: ir.Table, name: str, scale: float) -> tuple[float | None, float | None]:
    scaled = table.select(v=number(table[name]) / scale)
    ((count, mean, spread),) = fetch(
        scaled.aggregate(count=scaled.v.count(), mean=scaled.v.mean(), spread=scaled.v.var(how="pop"))
    )
    deviation = math.sqrt(spread) * scale
    m2 = deviation * deviation * count
    return (mean * scale, m2) if math.isfinite(m2) else (None, None)
