"""The arithmetic of drift scores, on counts and on profiles. Pure.

Evidently's own, version 0.7.23, are in `evidently/legacy/calculations/stattests`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

from crisplens.monitors import profiles, pvalues
from crisplens.monitors.model import NumericProfile


def score_counts(pairs: list[tuple[float, float]], method: str) -> float:
    """The score of counts in the reference and in the window, one pair a category or bin."""
    if method == "chisquare":
        return _chi_square(pairs)
    if method == "z":
        return _z_test(pairs)
    total_r, total_c = sum(r for r, _ in pairs), sum(c for _, c in pairs)
    shares = [(r / total_r, c / total_c) for r, c in pairs]
    if method == "jensenshannon":
        return _jensen_shannon(shares)
    # Evidently lifts empty bins off zero so that the logarithms exist.
    lift_r, lift_c = _lift(r for r, _ in shares), _lift(c for _, c in shares)
    lifted = [(r or lift_r, c or lift_c) for r, c in shares]
    if method == "psi":
        return math.fsum((r - c) * math.log(r / c) for r, c in lifted)
    sum_r, sum_c = sum(r for r, _ in lifted), sum(c for _, c in lifted)
    return math.fsum(r / sum_r * math.log((r / sum_r) / (c / sum_c)) for r, c in lifted)


def _lift(shares: Iterable[float]) -> float:
    least = min(share for share in shares if share)
    return least / 10**6 if least <= 0.0001 else 0.0001


def _chi_square(pairs: list[tuple[float, float]]) -> float:
    """Pearson's test of the window's counts against the reference's, scaled to the window's size."""
    scale = sum(c for _, c in pairs) / sum(r for r, _ in pairs)
    if any(r == 0 for r, _ in pairs):
        return 0.0
    if len(pairs) == 1:
        return 1.0
    statistic = math.fsum((c - r * scale) ** 2 / (r * scale) for r, c in pairs)
    return pvalues.chi_square_sf(statistic, len(pairs) - 1)


def _z_test(pairs: list[tuple[float, float]]) -> float:
    """The test of two proportions: the share of values other than the first."""
    n, m = sum(r for r, _ in pairs), sum(c for _, c in pairs)
    p, q = (n - pairs[0][0]) / n, (m - pairs[0][1]) / m
    pooled = (p * n + q * m) / (n + m)
    if pooled in (0.0, 1.0):
        return 1.0
    return pvalues.normal_two_sided((p - q) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)))


def _jensen_shannon(shares: list[tuple[float, float]]) -> float:
    """The square root of the divergence in nats, as `scipy.spatial.distance.jensenshannon`."""
    parts = []
    for r, c in shares:
        middle = (r + c) / 2
        parts.append(r * math.log(r / middle) if r else 0.0)
        parts.append(c * math.log(c / middle) if c else 0.0)
    return math.sqrt(max(0.0, math.fsum(parts) / 2))


def ks_distance(reference: NumericProfile, current: NumericProfile) -> float:
    """The largest distance of both distribution functions, taken at the edges of the bins."""
    below_r = below_c = 0
    distance = 0.0
    for r, c in zip(reference.counts, current.counts, strict=True):
        below_r, below_c = below_r + r, below_c + c
        distance = max(distance, abs(below_r / reference.count - below_c / current.count))
    return distance


def wasserstein(reference: NumericProfile, current: NumericProfile) -> tuple[float, bool]:
    """The area between both distribution functions, over the reference's standard deviation.

    https://en.wikipedia.org/wiki/Wasserstein_metric#One-dimensional_distributions. Inside a bin the functions
    are taken as straight lines. The means say by how much that errs in sum, and the error is laid where most
    of it can be: in wide bins with many values.
    """
    knots_r, knots_c = profiles.cumulative_knots(reference), profiles.cumulative_knots(current)
    xs = sorted({*knots_r[0], *knots_c[0]})
    shares = [(profiles.share_at_most(knots_r, x), profiles.share_at_most(knots_c, x)) for x in xs]
    area = signed = doubt = signed_doubt = 0.0
    for (x1, (r1, c1)), (x2, (r2, c2)) in pairwise(zip(xs, shares, strict=True)):
        middle = (r1 - c1 + r2 - c2) / 2
        area += _area(r1 - c1, r2 - c2) * (x2 - x1)
        signed += middle * (x2 - x1)
        doubt += (r2 - r1 + c2 - c1) * (x2 - x1)
        signed_doubt += math.copysign(r2 - r1 + c2 - c1, middle) * (x2 - x1)
    shift = (current.mean or 0.0) - (reference.mean or 0.0)
    if doubt:
        area += (shift - signed) * signed_doubt / doubt
    spread = max(math.sqrt(profiles.variance(reference) or 0.0), 0.001)
    known = {reference.edges[i] for i, count in enumerate(reference.counts[:-1]) if count}
    seen = {reference.edges[i] for i, count in enumerate(current.counts[:-1]) if count}
    exact = reference.exact and not current.counts[-1] and seen <= known
    # No distance is less than the difference of the means.
    return max(area, abs(shift)) / spread, not exact


def _area(start: float, end: float) -> float:
    """The mean of |y| while y goes straight from `start` to `end`."""
    if start * end >= 0:
        return abs(start + end) / 2
    return (start * start + end * end) / (2 * (abs(start) + abs(end)))


def sturges_counts(reference: NumericProfile, current: NumericProfile) -> list[tuple[float, float]]:
    """Both tables in NumPy's `sturges` bins of their joint range, read off the profiles.

    https://numpy.org/doc/stable/reference/generated/numpy.histogram_bin_edges.html
    """
    low = min(x for x in (reference.minimum, current.minimum) if x is not None)
    high = max(x for x in (reference.maximum, current.maximum) if x is not None)
    total = reference.count + current.count
    if high <= low:
        return [(float(reference.count), float(current.count))]
    width = (high - low) / (math.log2(total) + 1)
    if reference.integer and current.integer:
        width = max(width, 1.0)
    bins = max(1, math.ceil((high - low) / width))
    # NumPy's bins are closed below; ours are closed above.
    inner = [math.nextafter(low + (high - low) * i / bins, -math.inf) for i in range(1, bins)]
    columns = []
    for profile in (reference, current):
        knots = profiles.cumulative_knots(profile)
        # Whole rows: a sliver of a row in an empty bin would make the logarithms of PSI explode.
        below = [round(profiles.share_at_most(knots, edge) * profile.count) for edge in inner]
        columns.append([float(b - a) for a, b in pairwise([0, *below, profile.count])])
    return list(zip(columns[0], columns[1], strict=True))
