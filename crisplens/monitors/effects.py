"""How much a column differs from its reference, and how sure that is: effect sizes and their tests. Pure.

A p-value alone says "not the same", which is true of every large table. The question here is another: is the
difference larger than what is tolerated? Its size is Cohen's w over bins, from 0 (alike) to 2 (nothing in common):
0.1 is small, 0.3 medium, 0.5 large (Cohen 1988, https://doi.org/10.4324/9780203771587). The test is that of Murphy
and Myors 1999, https://doi.org/10.1037/0021-9010.84.2.234, with the noncentral chi-square distribution.

Cohen's w² is Σ(q-p)²/p for shares p of the reference and q of the window. Here the mean share (p+q)/2 stands for the
denominator. Small effects are the same either way. But this w is defined for a category that the reference lacks, it
does not depend on how many rows either table has, and its test is right where the other's is not: with an effect of
just the tolerance in a tail of the distribution, at a level of 0.001, this one rejects in 0.0005 to 0.0012 of
windows, the other in up to 0.015 (10,000 rows against 1,000) and 0.05 (1,000 against 50,000).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache, reduce
from itertools import accumulate, pairwise

import msgspec

from crisplens.core.errors import InputError
from crisplens.monitors import pvalues
from crisplens.monitors.features import not_comparable
from crisplens.monitors.model import CategoricalProfile, ColumnProfile, NumericProfile, OtherProfile, Profile
from crisplens.monitors.profiles import merge

TOLERANCE = 0.1
# Below it a statistic of this kind no longer follows its distribution: a classic bound.
LEAST_EXPECTED = 5
# Each bin more finds narrower changes and adds noise. By simulated power (w of 0.15 to 0.3, windows of 1,000 and
# 10,000 rows, six kinds of change), 12 is within 0.09 of the best of 4 to 30 everywhere; no other number tried is.
CENTRAL_BINS = 12
# Changes of spread and filler values such as -999 show in the tails. A bin for each tail made the power against a
# wider spread 0.40 where it was 0.09 (w = 0.15, windows of 10,000 rows).
TAIL_SHARE = 0.01


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """How much a window's column differs from the reference, and the test that it is more than `tolerance`.

    `w` is without what sampling noise adds to it, 0 at least. `p_value` is the probability of a `statistic` as
    large if w were just `tolerance`. `effective_rows` is n·m/(n+m) for n rows of the reference and m of the window:
    both are samples, so both add noise. `statistic` is the w² seen in `bins` bins, times that. With these three,
    `at_tolerance` gives the test of any other tolerance.
    """

    w: float
    p_value: float
    tolerance: float
    bins: int
    statistic: float
    effective_rows: float


def effect(
    reference: ColumnProfile, current: ColumnProfile, *, tolerance: float = TOLERANCE
) -> Effect | None:
    """The effect of a column whose profiles are of one kind, a numeric one on the same edges.

    None when it cannot be told: for columns of another kind, for profiles of two kinds, and for fewer rows than
    two bins need. One bin means that nearly all rows of both have one value, and no difference then shows.

    Missing values are a bin when there are enough of them. Bins that expect fewer than 5 rows are pooled; what
    they expect is taken from both tables together. So a category that the reference does not have needs no
    pseudo-count: it stands alone when it is frequent in the window, and is pooled with the rare ones otherwise.

    Raises `InputError` for a tolerance that is not in [0, 2).
    """
    check_tolerance(tolerance)
    if isinstance(reference, NumericProfile) and isinstance(current, NumericProfile):
        if reference.edges != current.edges:
            raise InputError(
                f"the profiles of column {reference.name!r} have different edges",
                slug="profiles-differ",
                hint="Profile the windows on the same reference.",
            )
        pairs = _numeric_pairs(reference, current)
    elif isinstance(reference, CategoricalProfile) and isinstance(current, CategoricalProfile):
        pairs = _categorical_pairs(reference, current)
    else:
        return None
    return None if pairs is None else _effect_of_pairs(pairs, tolerance)


def effects(reference: Profile, window: Profile, tolerance: float = TOLERANCE) -> dict[str, Effect]:
    """The effects of the columns of both profiles, by name; columns whose effect cannot be told are left out."""
    current = {column.name: column for column in window.columns}
    apart = not_comparable(reference, window, tolerance)
    found = {
        column.name: effect(column, current[column.name], tolerance=tolerance)
        for column in reference.columns
        if column.name in current and column.name not in apart
    }
    return {name: value for name, value in found.items() if value is not None}


def effects_together(
    reference: Profile, windows: Sequence[Profile], tolerance: float = TOLERANCE
) -> dict[str, Effect]:
    """The effects of several windows taken as one, by column: more rows, so a small drift shows sooner.

    A column is taken from the windows in which it is of the reference's kind, and left out where there is none.
    """
    by_name = [{part.name: (window.rows, part) for part in window.columns} for window in windows]
    found = {}
    for column in reference.columns:
        parts = [
            Profile(rows=columns[column.name][0], columns=(columns[column.name][1],))
            for columns in by_name
            if column.name in columns and type(columns[column.name][1]) is type(column)
        ]
        if isinstance(column, OtherProfile) or not parts:
            continue
        if value := effect(column, reduce(merge, parts).columns[0], tolerance=tolerance):
            found[column.name] = value
    return found


def at_tolerance(found: Effect, tolerance: float) -> Effect:
    """The same effect, tested against another tolerance: nothing of the data is needed for that."""
    check_tolerance(tolerance)
    if tolerance == found.tolerance:
        return found
    return msgspec.structs.replace(
        found,
        tolerance=tolerance,
        p_value=_p_value(found.statistic, found.bins, found.effective_rows, tolerance),
    )


# Two tables that have nothing in common.
MOST_TOLERATED = 2.0


def check_tolerance(tolerance: float) -> None:
    """Raise `InputError` for a tolerance that is not in [0, 2)."""
    if not 0 <= tolerance < MOST_TOLERATED:
        raise InputError(
            f"the tolerance {tolerance!r} is not a size of effect",
            slug="bad-setting",
            hint="Give Cohen's w, from 0 to less than 2: 0.1 is a small effect, 0.3 a medium and 0.5 a large one.",
        )


def _effect_of_pairs(pairs: list[tuple[int, int]], tolerance: float) -> Effect:
    n, m = sum(r for r, _ in pairs), sum(c for _, c in pairs)
    shares = [(r / n, c / m) for r, c in pairs]
    freedom, effective = len(pairs) - 1, n * m / (n + m)
    statistic = effective * math.fsum(2 * (q - p) ** 2 / (p + q) for p, q in shares)
    return Effect(
        w=math.sqrt(max(0.0, statistic - freedom) / effective),
        p_value=_p_value(statistic, len(pairs), effective, tolerance),
        tolerance=tolerance,
        bins=len(pairs),
        statistic=statistic,
        effective_rows=effective,
    )


def _p_value(statistic: float, bins: int, effective_rows: float, tolerance: float) -> float:
    return pvalues.noncentral_chi_square_sf(statistic, bins - 1, effective_rows * tolerance**2)


def _numeric_pairs(reference: NumericProfile, current: NumericProfile) -> list[tuple[int, int]] | None:
    """Rows of reference and window in coarse bins and, when they are enough, among the missing values."""
    needed = _needed(reference.rows, current.rows)
    if needed is None:
        return None
    pairs = [
        (sum(reference.counts[start:stop]), sum(current.counts[start:stop]))
        for start, stop in pairwise(coarse_bins(reference.counts))
    ]
    while len(pairs) > 1 and min(map(sum, pairs)) < needed:
        rarest = min(range(len(pairs)), key=lambda i: sum(pairs[i]))
        beside = [i for i in (rarest - 1, rarest) if 0 <= i < len(pairs) - 1]
        first = min(beside, key=lambda i: sum(pairs[i]) + sum(pairs[i + 1]))
        pairs[first : first + 2] = [_together(pairs[first : first + 2])]
    return _with_missing(pairs, reference, current, needed)


@lru_cache(maxsize=4096)
def coarse_bins(counts: tuple[int, ...]) -> tuple[int, ...]:
    """Where coarse bins begin and end among a reference's fine ones: 12 of equal mass between two tails.

    A fine bin is never split, so there are fewer coarse bins when single values hold many rows.
    """
    below = list(accumulate(counts))
    total = below[-1] if below else 0
    cuts = {0, len(counts)}
    for k in range(CENTRAL_BINS + 1):
        wanted = total * (TAIL_SHARE + (1 - 2 * TAIL_SHARE) * k / CENTRAL_BINS)
        above = bisect_right(below, wanted)
        nearest_below = above > 0 and wanted - below[above - 1] <= below[min(above, len(below) - 1)] - wanted
        cuts.add(above if nearest_below else above + 1)
    return tuple(sorted(cut for cut in cuts if cut <= len(counts)))


def _categorical_pairs(
    reference: CategoricalProfile, current: CategoricalProfile
) -> list[tuple[int, int]] | None:
    """Rows of reference and window in each category; rare ones, and those not listed by both, are one."""
    needed = _needed(reference.rows, current.rows)
    if needed is None:
        return None
    first = {item.value: item.count for item in reference.categories}
    second = {item.value: item.count for item in current.categories}
    kept: list[tuple[int, int]] = []
    rare = [(reference.rest, current.rest)]
    for value in {**first, **second}:
        pair = (first.get(value, 0), second.get(value, 0))
        # A category that one table does not list may still be in it, among the rest.
        unknown = (reference.rest and value not in first) or (current.rest and value not in second)
        (rare if unknown or sum(pair) < needed else kept).append(pair)
    kept.sort(key=sum)
    pooled = _together(rare)
    while kept and 0 < sum(pooled) < needed:
        pooled = _together([pooled, kept.pop(0)])
    return _with_missing([*kept, pooled] if sum(pooled) else kept, reference, current, needed)


def _with_missing(
    pairs: list[tuple[int, int]],
    reference: NumericProfile | CategoricalProfile,
    current: NumericProfile | CategoricalProfile,
    needed: float,
) -> list[tuple[int, int]] | None:
    """`pairs`, and missing and infinite values as one more when they are enough; None without rows in both."""
    missing = (reference.rows - reference.count, current.rows - current.count)
    every = [pair for pair in (*pairs, *([missing] if sum(missing) >= needed else [])) if sum(pair)]
    together = _together(every)
    return every if all(together) else None


def _needed(n: int, m: int) -> float | None:
    """How many rows of both tables together let the smaller expect 5; None when it cannot expect that twice."""
    fewer = min(n, m)
    return LEAST_EXPECTED * (n + m) / fewer if fewer >= 2 * LEAST_EXPECTED else None


def _together(pairs: list[tuple[int, int]]) -> tuple[int, int]:
    return sum(r for r, _ in pairs), sum(c for _, c in pairs)
