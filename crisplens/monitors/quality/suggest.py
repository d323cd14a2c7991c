"""Constraints for windows, from the profile of a reference: wide enough that more of the same data passes. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from crisplens.monitors import profiles
from crisplens.monitors.features import source_of
from crisplens.monitors.model import CategoricalProfile, ColumnProfile, Family, NumericProfile, Profile
from crisplens.monitors.quality.binomial import upper_bound
from crisplens.monitors.quality.model import ColumnConstraint, Constraints, Volume

# The chance that any suggested share is below the true one, all columns together.
ERROR = 0.01
# Categories are listed for columns with at most so many.
MOST_CATEGORIES = 100
# A whole number that never repeats in at least so many rows is taken for an identifier.
LEAST_IDENTIFIERS = 100
# With so many values, a short tail above 0 is taken for a column that cannot be negative. A normal sample of that
# size reaches further from its median than so many times the distance to its quartile, but for 1 in 100.
LEAST_FOR_EDGE = 200
SHORT_TAIL = 2.9
# So many zeros among values of 0 and more mean that there are no values below.
LEAST_ZEROS = 15
# How far numbers may go beyond the reference's (see `_Tail.reach`): the power by which a value there is rarer than
# the rarest seen, and the heaviness that a tail is given in advance, which counts as much as `FEW` values of its own.
RARER = 3
FEW = 10
HEAVY = 2.0


def suggest(reference: Profile) -> Constraints:
    """Constraints that windows of the reference's own distribution satisfy, but for about 1 in 100 of them.

    Each column is required and keeps its type. Margins:

    - Shares (nulls, NaN and infinities, values outside the listed categories) may reach the one-sided Clopper-Pearson
      bound of the reference's, at 1 - 0.01 / columns. A reference without a NaN or an infinity allows none.
    - Numbers may go as far on each side as values that are rarer by far than the reference's rarest one: a little
      beyond the range for a tail that ends short, about twice as far from the median for a normal one, three times
      for an exponential one, and tenfold and more for heavier ones (`_Tail.reach`). Bounds are rounded outwards to 3
      digits. A column of one value keeps to it.
    - Numbers are never negative where the reference's are not, and it has 15 zeros, or 200 values that crowd towards
      their lower end, or a lower bound above 0.
    - Up to 100 categories are listed. Unseen ones may take the share that single ones have (Good and Turing's
      estimate of what was not seen, https://doi.org/10.1093/biomet/40.3-4.237), with the bound above.

    Identifiers (whole numbers that never repeat) get no range, for they grow. A window has a row at least;
    freshness and duplicates are the user's to demand.

    Measured on halves of real tables (breast cancer, wine, an extramarital-affairs survey): 0 to 0.5 of 100 windows
    break a constraint; of a reference of 36 rows, 3. The margins cannot hold for windows ten times the reference's
    size, nor for tails that follow a power law: Student's with 3 degrees of freedom breaks its range, which is a
    warning, in 4 of 100 windows of the reference's size.
    """
    own = [column for column in reference.columns if not source_of(column)]
    among = max(1, len(own))
    columns = [_column(column, among) for column in own]
    # Columns that were not profiled belong to the table, and nothing is known of them.
    columns += [ColumnConstraint(column=name, required=False) for name in reference.other_columns]
    return Constraints(columns=tuple(columns), volume=Volume(least=1))


def _column(profile: ColumnProfile, among: int) -> ColumnConstraint:
    """The constraint of one column `among` so many, which share the chance of an error."""
    error = ERROR / among
    most_nulls = _share(profile.nulls, profile.rows, error)
    if isinstance(profile, NumericProfile):
        return _numbers(profile, most_nulls, among)
    if isinstance(profile, CategoricalProfile):
        return _categories(profile, most_nulls, error)
    return ColumnConstraint(
        column=profile.name,
        family=profile.family,
        # Of dates, times and the like only the type's name tells one from another.
        type=profile.type if profile.family is Family.OTHER else None,
        most_nulls=most_nulls,
    )


def _numbers(profile: NumericProfile, most_nulls: float | None, among: int) -> ColumnConstraint:
    odd = profile.nans + profile.infinities
    low, high, non_negative = _range(profile, among)
    return ColumnConstraint(
        column=profile.name,
        family=Family.NUMBER,
        whole=profile.integer,
        most_nulls=most_nulls,
        most_not_finite=_share(odd, profile.rows, ERROR / among) if odd else 0.0,
        non_negative=non_negative,
        minimum=None if low is None or (non_negative and low <= 0) else low,
        maximum=high,
    )


def _categories(profile: CategoricalProfile, most_nulls: float | None, error: float) -> ColumnConstraint:
    listed = profile.rest == 0 and 0 < len(profile.categories) <= MOST_CATEGORIES
    single = sum(category.count == 1 for category in profile.categories)
    return ColumnConstraint(
        column=profile.name,
        family=profile.family,
        # Numbers are profiled by category only when they are whole.
        whole=profile.family is Family.NUMBER,
        most_nulls=most_nulls,
        categories=tuple(sorted(category.value for category in profile.categories)) if listed else None,
        most_outside=(_share(single, profile.count, error) or 1.0) if listed else 0.0,
    )


def _share(count: int, rows: int, error: float) -> float | None:
    """The largest share that explains `count` of `rows`, rounded up to 3 digits; None when any would."""
    if rows == 0 or count >= rows:
        return None
    bound = _outwards(upper_bound(count, rows, error), up=True)
    return bound if bound < 1 else None


@dataclass(frozen=True)
class _Tail:
    """The values on one side of the median: how many, and how far away the farthest and the middle one are."""

    values: float
    farthest: float
    half: float

    def reach(self, among: int) -> float:
        """How far away values may lie.

        A Weibull tail of shape k holds n values of which the farthest lies about log2(n) ** (1/k) half-lives away,
        so the two tell 1/k, its heaviness. `RARER` ** (1/k) times as far out, the chance of a value is the power
        `RARER` of the chance at the farthest. Tails heavier than an exponential one (1/k > 1) may follow a power law
        and get more, most of all among many columns; a tail of few values is taken for heavy.
        """
        if self.values <= 0 or self.half <= 0:
            return self.farthest
        lives = max(1.0, self.farthest / self.half)
        told = self.values / (self.values + FEW)
        heaviness = told * math.log(lives) / math.log(math.log2(max(self.values, 4)))
        heaviness += (1 - told) * HEAVY
        # As wide as on a logarithmic scale at most.
        most = math.log(max(RARER, lives)) / math.log(RARER)
        return self.farthest * math.pow(
            RARER, min(most, max(heaviness, heaviness**2 * (1 + math.log10(among) / 4)))
        )

    def ends_short(self) -> bool:
        """Whether the values crowd towards an end instead of thinning out."""
        return self.farthest <= SHORT_TAIL * self.half


def _range(profile: NumericProfile, among: int) -> tuple[float | None, float | None, bool]:
    """The allowed minimum and maximum, None for an end without one, and whether the column is never negative."""
    least, most, knots = profile.minimum, profile.maximum, profiles.cumulative_knots(profile)
    if least is None or most is None or not knots[0]:
        return None, None, False
    if profile.integer and profile.n_unique == profile.count >= LEAST_IDENTIFIERS:
        return None, None, least >= 0
    if least == most:
        return least, most, least >= 0
    median = _quantile(knots, 0.5)
    below = profiles.share_at_most(knots, math.nextafter(median, -math.inf))
    above = 1 - profiles.share_at_most(knots, median)
    lower = _Tail(below * profile.count, median - least, median - _quantile(knots, below / 2))
    upper = _Tail(above * profile.count, most - median, _quantile(knots, 1 - above / 2) - median)
    low = _outwards(median - lower.reach(among), up=False)
    high = _outwards(median + upper.reach(among), up=True)
    if profile.integer:
        low, high = _whole(low, math.floor), _whole(high, math.ceil)
    crowded = lower.ends_short() and profile.count >= LEAST_FOR_EDGE
    zeros = profiles.share_at_most(knots, 0.0) * profile.count
    non_negative = least >= 0 and (low >= 0 or crowded or zeros >= LEAST_ZEROS)
    return _finite(low), _finite(high), non_negative


def _quantile(knots: tuple[list[float], list[float]], share: float) -> float:
    """The value below which `share` of the values lie, by straight lines between `knots` that lie apart."""
    xs, shares = knots
    at = bisect_left(shares, share)
    if at == 0 or at == len(xs):
        return xs[min(at, len(xs) - 1)]
    if xs[at - 1] >= math.nextafter(xs[at], -math.inf):
        return xs[at]
    before = shares[at - 1]
    return xs[at - 1] + (xs[at] - xs[at - 1]) * ((share - before) / (shares[at] - before))


def _outwards(number: float, *, up: bool) -> float:
    """`number` with 3 digits, rounded up or down."""
    if number == 0 or not math.isfinite(number):
        return number
    exponent = math.floor(math.log10(abs(number))) - 2
    digits = Decimal(number).scaleb(-exponent)
    whole = digits.to_integral_value(ROUND_CEILING if up else ROUND_FLOOR)
    return float(whole.scaleb(exponent))


def _whole(number: float, rounded: Callable[[float], int]) -> float:
    return float(rounded(number)) if math.isfinite(number) else number


def _finite(bound: float) -> float | None:
    return bound if math.isfinite(bound) else None
