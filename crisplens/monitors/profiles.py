"""Profiles: where bins begin and end, how profiles merge, and what can be read off them. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

import msgspec

from crisplens.core.errors import InputError
from crisplens.monitors.model import (
    CategoricalProfile,
    Category,
    ColumnProfile,
    ColumnSummary,
    Family,
    NumberCount,
    NumericProfile,
    OtherProfile,
    Profile,
)

# A reference with at most so many distinct numbers keeps a bin for each: its scores are then exact. Evidently
# tests p-values up to 1000 rows, so every default p-value is covered.
EXACT_VALUES = 1000
QUANTILES = tuple(
    sorted({k / 200 for k in range(201)} | {share for p in (1e-4, 5e-4, 1e-3, 2e-3) for share in (p, 1 - p)})
)
EQUAL_BINS = 64
# Numbers with at most so many distinct values are also kept value by value, as Evidently bins them so.
FEW_VALUES = 20
# In fewer rows, different numbers are no sign of a key.
LEAST_KEYS = 100
MOST_CATEGORIES = 1000


def exact_edges(values: Iterable[float]) -> tuple[float, ...]:
    """Edges that give every one of `values` a bin of its own, with the gaps between them and tails around."""
    distinct = sorted(set(values))
    inner = {edge for value in distinct for edge in (math.nextafter(value, -math.inf), value)}
    return _with_tails(inner, distinct[0], distinct[-1]) if distinct else ()


def quantile_edges(quantiles: Sequence[float], *, spread: float) -> tuple[float, ...]:
    """Edges at a reference's quantiles (those of `QUANTILES`), and tails in steps of `spread` beyond.

    A value that is more than one quantile holds a large share of the rows and gets a bin of its own.
    """
    inner = set(quantiles)
    heavy = {first for first, second in pairwise(quantiles) if first == second}
    inner |= {math.nextafter(value, -math.inf) for value in heavy}
    low, high = min(quantiles), max(quantiles)
    # Quantile bins straddle gaps in the data; bins of equal width show them as empty.
    inner |= {low + (high - low) * (i / EQUAL_BINS) for i in range(1, EQUAL_BINS)}
    return _with_tails(inner, low, high, spread=spread)


def _with_tails(inner: set[float], low: float, high: float, *, spread: float = 0.0) -> tuple[float, ...]:
    # Windows leave the reference's range: edges at growing distances tell a small step from a large one.
    step = spread or (high - low) / 4 or abs(high) / 4 or 1.0
    far = [step * 2.0**k for k in range(-4, 12)]
    edges = inner | {low - reach for reach in far} | {high + reach for reach in far}
    return tuple(sorted(edge for edge in edges if math.isfinite(edge)))


def profile_numbers(
    name: str,
    values: Iterable[float | None],
    edges: Sequence[float],
    *,
    type: str = "DOUBLE",
    exact: bool = False,
    keep_values: bool = False,
) -> NumericProfile:
    """The profile of a list of numbers on `edges`; None is a null. For small data: it is plain Python."""
    given = list(values)
    present = [value for value in given if value is not None]
    finite = [float(value) for value in present if math.isfinite(value)]
    mean, m2 = _moments(finite)
    counted = sorted(Counter(finite).items())
    return NumericProfile(
        name=name,
        type=type,
        rows=len(given),
        nulls=len(given) - len(present),
        nans=sum(math.isnan(value) for value in present),
        infinities=sum(math.isinf(value) for value in present),
        count=len(finite),
        mean=mean,
        m2=m2,
        minimum=min(finite, default=None),
        maximum=max(finite, default=None),
        edges=tuple(edges),
        counts=_count_pairs(edges, counted),
        exact=exact,
        values=tuple(NumberCount(value=v, count=c) for v, c in counted) if keep_values else None,
    )


def _moments(values: Sequence[float]) -> tuple[float | None, float | None]:
    """The mean and the sum of squared deviations from it; None for both where they are too large for a float."""
    if not values:
        return None, None
    try:
        mean = math.fsum(values) / len(values)
        m2 = math.fsum((value - mean) * (value - mean) for value in values)
    except OverflowError:
        return None, None
    return (mean, m2) if math.isfinite(m2) else (None, None)


def count_values(edges: Sequence[float], values: Iterable[NumberCount]) -> tuple[int, ...]:
    """How many values fall into each bin of `edges` (see `NumericProfile`), from the counts of each value."""
    return _count_pairs(edges, ((item.value, item.count) for item in values))


def _count_pairs(edges: Sequence[float], pairs: Iterable[tuple[float, int]]) -> tuple[int, ...]:
    counts = [0] * (len(edges) + 1)
    for value, count in pairs:
        counts[bisect_left(edges, value)] += count
    return tuple(counts)


def merge(a: Profile, b: Profile) -> Profile:
    """The profile of both tables together; the order does not matter.

    Raises `InputError` when they are not profiles of the same columns on the same edges. Where a profile
    lists only its commonest categories, the merged `n_unique` is a lower bound.
    """
    if [column.name for column in a.columns] != [column.name for column in b.columns]:
        raise _not_mergeable("they have different columns")
    columns = tuple(_merge_columns(x, y) for x, y in zip(a.columns, b.columns, strict=True))
    others = tuple(sorted(set(a.other_columns) | set(b.other_columns)))
    if a.features and b.features and a.features != b.features:
        raise _not_mergeable("their features are of different references")
    return Profile(
        rows=a.rows + b.rows, columns=columns, other_columns=others, features=a.features or b.features
    )


def _merge_columns(a: ColumnProfile, b: ColumnProfile) -> ColumnProfile:
    if isinstance(a, NumericProfile) and isinstance(b, NumericProfile):
        return _merge_numeric(a, b)
    if isinstance(a, CategoricalProfile) and isinstance(b, CategoricalProfile):
        return _merge_categorical(a, b)
    if isinstance(a, OtherProfile) and isinstance(b, OtherProfile):
        misfits = None if a.misfits is None or b.misfits is None else a.misfits + b.misfits
        ends = _alike(a.first, b.first, a.last, b.last)
        return OtherProfile(
            name=a.name,
            type=min(a.type, b.type),
            family=min(a.family, b.family),
            rows=a.rows + b.rows,
            nulls=a.nulls + b.nulls,
            reason=min(a.reason, b.reason),
            misfits=misfits,
            first=min(filter(None, ends[:2]), default=""),
            last=max(ends[2:]),
        )
    raise _not_mergeable(f"column {a.name!r} is of different kinds")


def _alike(*ends: str) -> list[str]:
    """Ends of columns in one form: days beside times are their first moments. One that is unknown is empty."""
    day = len("2000-01-01")
    timed = any(len(end) > day for end in ends)
    return [f"{end}T00:00:00" if timed and len(end) == day else end for end in ends]


def _merge_numeric(a: NumericProfile, b: NumericProfile) -> NumericProfile:
    if a.edges != b.edges:
        raise _not_mergeable(f"column {a.name!r} has different edges")
    mean, m2 = _merge_moments(a, b)
    values = None
    if a.values is not None and b.values is not None:
        total = Counter({item.value: item.count for item in a.values})
        total.update({item.value: item.count for item in b.values})
        values = tuple(NumberCount(value=value, count=count) for value, count in sorted(total.items()))
    return NumericProfile(
        name=a.name,
        type=min(a.type, b.type),
        integer=a.integer and b.integer,
        rows=a.rows + b.rows,
        nulls=a.nulls + b.nulls,
        nans=a.nans + b.nans,
        infinities=a.infinities + b.infinities,
        count=a.count + b.count,
        mean=mean,
        m2=m2,
        minimum=min((x for x in (a.minimum, b.minimum) if x is not None), default=None),
        maximum=max((x for x in (a.maximum, b.maximum) if x is not None), default=None),
        edges=a.edges,
        counts=tuple(x + y for x, y in zip(a.counts, b.counts, strict=True)),
        exact=a.exact and b.exact,
        n_unique=None if values is None else len(values),
        values=values,
        source=a.source,
        feature=a.feature,
    )


def _merge_moments(a: NumericProfile, b: NumericProfile) -> tuple[float | None, float | None]:
    """Chan, Golub and LeVeque's pairwise update, https://doi.org/10.1007/978-3-642-51461-6_3."""
    if not a.count or not b.count:
        return (b.mean, b.m2) if b.count else (a.mean, a.m2)
    if a.mean is None or a.m2 is None or b.mean is None or b.m2 is None:
        return None, None
    total = a.count + b.count
    # Written with shares of the total, so that swapping a and b gives the same bits.
    mean = a.mean * (a.count / total) + b.mean * (b.count / total)
    apart = b.mean - a.mean
    m2 = a.m2 + b.m2 + apart * apart * (a.count * b.count / total)
    return (mean, m2) if math.isfinite(m2) else (None, None)


def _merge_categorical(a: CategoricalProfile, b: CategoricalProfile) -> CategoricalProfile:
    total = Counter({item.value: item.count for item in a.categories})
    total.update({item.value: item.count for item in b.categories})
    listed = sorted_categories(total.items())
    return CategoricalProfile(
        name=a.name,
        type=min(a.type, b.type),
        family=min(a.family, b.family),
        rows=a.rows + b.rows,
        nulls=a.nulls + b.nulls,
        count=a.count + b.count,
        categories=listed,
        rest=a.rest + b.rest,
        n_unique=max(len(listed), a.n_unique, b.n_unique),
        source=a.source,
        feature=a.feature,
    )


def categorical(
    name: str,
    type: str,
    family: Family,
    *,
    rows: int,
    present: int,
    listed: tuple[Category, ...],
    n_unique: int,
) -> CategoricalProfile:
    """The profile of a column of which `present` of the rows have a value; those that are not `listed` are the rest."""
    return CategoricalProfile(
        name=name,
        type=type,
        family=family,
        rows=rows,
        nulls=rows - present,
        count=present,
        categories=listed,
        rest=present - sum(one.count for one in listed),
        n_unique=n_unique,
    )


def sorted_categories(counts: Iterable[tuple[str, int]]) -> tuple[Category, ...]:
    """Categories, most common first; equally common ones by their text."""
    ordered = sorted(counts, key=lambda pair: (-pair[1], pair[0]))
    return tuple(Category(value=value, count=count) for value, count in ordered)


def variance(profile: NumericProfile) -> float | None:
    """The population variance of the finite values; None when there are none."""
    return None if profile.m2 is None or not profile.count else profile.m2 / profile.count


def summary(profile: ColumnProfile) -> ColumnSummary:
    """The few numbers of a column that people read."""
    if isinstance(profile, NumericProfile):
        spread = variance(profile)
        return ColumnSummary(
            rows=profile.rows,
            nulls=profile.nulls + profile.nans,
            mean=profile.mean,
            std=None if spread is None else math.sqrt(spread),
            minimum=profile.minimum,
            maximum=profile.maximum,
            n_unique=profile.n_unique,
        )
    if isinstance(profile, CategoricalProfile):
        return ColumnSummary(
            rows=profile.rows,
            nulls=profile.nulls,
            top=tuple(
                # Events hold no NUL.
                msgspec.structs.replace(one, value=one.value.replace("\0", "\N{REPLACEMENT CHARACTER}"))
                for one in profile.categories[:5]
            ),
            n_unique=profile.n_unique,
        )
    return ColumnSummary(rows=profile.rows, nulls=profile.nulls)


def key_columns(reference: Profile) -> tuple[str, ...]:
    """Columns of whole numbers of which every row has its own: keys, or numbers that only grow, always drift."""
    return tuple(
        column.name
        for column in reference.columns
        if isinstance(column, NumericProfile)
        and column.integer
        and column.n_unique == column.count == column.rows >= LEAST_KEYS
    )


def cumulative_knots(profile: NumericProfile) -> tuple[list[float], list[float]]:
    """Points of the empirical distribution function that the profile knows: x, and the share of values ≤ x.

    Between two of them the function is taken as a straight line.
    """
    if profile.minimum is None or profile.maximum is None:
        return [], []
    below = list(accumulate(profile.counts))
    first = bisect_left(profile.edges, profile.minimum)
    last = bisect_right(profile.edges, profile.maximum)
    xs = [math.nextafter(profile.minimum, -math.inf)]
    shares = [0.0]
    for position in range(first, last):
        if profile.edges[position] > xs[-1]:
            xs.append(profile.edges[position])
            shares.append(below[position] / profile.count)
    if profile.maximum > xs[-1]:
        xs.append(profile.maximum)
        shares.append(1.0)
    return xs, shares


def share_at_most(knots: tuple[list[float], list[float]], x: float) -> float:
    """The share of values ≤ `x`, by straight lines between `knots`."""
    xs, shares = knots
    if not xs or x < xs[0]:
        return 0.0
    if x >= xs[-1]:
        return 1.0
    at = bisect_right(xs, x) - 1
    return shares[at] + (shares[at + 1] - shares[at]) * ((x - xs[at]) / (xs[at + 1] - xs[at]))


def _not_mergeable(why: str) -> InputError:
    return InputError(
        f"the profiles cannot be merged: {why}",
        slug="profiles-differ",
        hint="Profile the windows on the same reference.",
    )
