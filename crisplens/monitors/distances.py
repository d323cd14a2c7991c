"""The arithmetic of drift scores, on counts and on profiles. Pure.

Evidently's own, version 0.7.23, are in `evidently/legacy/calculations/stattests`.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from crisplens.monitors import profiles, pvalues
from crisplens.monitors.model import NumericProfile

# Evidently's own number of permutations; as there, they begin from a fixed seed.
PERMUTATIONS = 1000
# A number drawn without replacement that varies by more than this is drawn from the normal distribution.
_WIDE = 100.0
# With more degrees of freedom, Student's distribution is taken from the normal one.
_MOST_FREEDOM = 10_000
# A number of the reference and of the window.
Both = tuple[float, float]
# What counts of two tables are compared as: one pair a category or bin, or pairs and how often each stands.
Pairs = Iterable[Both] | Mapping[Both, int]


def score_counts(pairs: Pairs, method: str) -> float:
    """The score of counts in the reference and in the window, one pair a category or bin.

    With shares r of the reference and c of the window:
    `jensenshannon` is the square root of the mean of KL(r‖h) and KL(c‖h), h the mean of r and c, in nats.
    `hellinger` is √(1 - Σ√(r·c)).
    `psi` is Σ(r - c)·ln(r/c) and `kl_div` is KL(r‖c) = Σ r·ln(r/c), in nats. Both need shares above 0, so first, as in
    Evidently, every r that is 0 becomes 0.0001, or a millionth of the least other r where that is 0.0001 or less;
    the same with every c. PSI takes them so; Kullback-Leibler divides each side by its new sum.
    `chisquare`, `g_test`, `z` and `TVD` are p-values, see the functions below.
    """
    times = Counter(pairs)
    if method == "chisquare":
        return _goodness_of_fit(times, _pearson)
    if method == "g_test":
        return _goodness_of_fit(times, _likelihood_ratio)
    if method == "z":
        return _z_test(times)
    if method == "TVD":
        return _total_variation(times)
    total_r, total_c = _totals(times)
    shares = [(r / total_r, c / total_c, k) for (r, c), k in times.items()]
    if method == "jensenshannon":
        return _jensen_shannon(shares)
    if method == "hellinger":
        return math.sqrt(max(0.0, 1 - math.fsum(math.sqrt(r * c) * k for r, c, k in shares)))
    lift_r, lift_c = _lift(r for r, _, _ in shares), _lift(c for _, c, _ in shares)
    lifted = [(r or lift_r, c or lift_c, k) for r, c, k in shares]
    if method == "psi":
        return math.fsum((r - c) * math.log(r / c) * k for r, c, k in lifted)
    sum_r, sum_c = sum(r * k for r, _, k in lifted), sum(c * k for _, c, k in lifted)
    return math.fsum(r / sum_r * math.log((r / sum_r) / (c / sum_c)) * k for r, c, k in lifted)


def _totals(times: Mapping[Both, int]) -> tuple[float, float]:
    return sum(r * k for (r, _), k in times.items()), sum(c * k for (_, c), k in times.items())


def _lift(shares: Iterable[float]) -> float:
    least = min(share for share in shares if share)
    return least / 10**6 if least <= 0.0001 else 0.0001


def _goodness_of_fit(times: Counter[Both], term: Callable[[float, float], float]) -> float:
    """The chi-square p-value of the window's counts against the reference's, scaled to the window's size.

    SciPy's `power_divergence`. Evidently's G-test does not scale, and so fails on tables of two sizes.
    """
    total_r, total_c = _totals(times)
    if any(r == 0 for r, _ in times):
        return 0.0
    if times.total() == 1:
        return 1.0
    scale = total_c / total_r
    statistic = math.fsum(term(c, r * scale) * k for (r, c), k in times.items())
    return pvalues.chi_square_sf(statistic, times.total() - 1)


def _pearson(observed: float, expected: float) -> float:
    return (observed - expected) ** 2 / expected


def _likelihood_ratio(observed: float, expected: float) -> float:
    return 2 * observed * math.log(observed / expected) if observed else 0.0


def _z_test(times: Mapping[Both, int]) -> float:
    """The test of two proportions: the share of values other than the first."""
    (n, m), (first_r, first_c) = _totals(times), next(iter(times))
    p, q = (n - first_r) / n, (m - first_c) / m
    pooled = (p * n + q * m) / (n + m)
    if pooled in (0.0, 1.0):
        return 1.0
    return pvalues.normal_two_sided((p - q) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)))


def _total_variation(times: Counter[Both]) -> float:
    """How often a random split of both tables' rows is at least as far apart as they are: half of Σ|r - c|.

    Evidently's permutation test. A split of rows is drawn as counts of categories (multivariate hypergeometric), so
    the time taken grows with the number of categories and not with that of rows. Two seeds differ by up to
    about 0.05 (three standard errors), by 0.03 near the threshold of 0.1.
    """
    n, m = (round(total) for total in _totals(times))
    counts = [(round(r), round(r + c)) for r, c in times.elements()]
    # In whole numbers, so that ties are ties.
    observed = sum(abs(r * (n + m) - both * n) for r, both in counts)
    source, reached = random.Random(0), 0
    for _ in range(PERMUTATIONS):
        left, wanted, apart = n + m, n, 0
        for _, both in counts:
            drawn = _draw(source, both, left - both, wanted)
            apart += abs(drawn * (n + m) - both * n)
            left, wanted = left - both, wanted - drawn
        reached += apart >= observed
    return reached / PERMUTATIONS


def _draw(source: random.Random, good: int, bad: int, wanted: int) -> int:
    """How many of `wanted` rows, drawn without replacement, are among the `good` ones (hypergeometric)."""
    low, high = max(0, wanted - bad), min(good, wanted)
    if low == high:
        return low
    total = good + bad
    variance = wanted * good / total * bad / total * (total - wanted) / (total - 1)
    if variance > _WIDE**2:
        return min(high, max(low, round(source.gauss(wanted * good / total, math.sqrt(variance)))))
    # From the likeliest number outwards, until the shares passed reach a uniform number.
    up = down = (wanted + 1) * (good + 1) // (total + 2)
    share_up = share_down = math.exp(
        _log_choose(good, up) + _log_choose(bad, wanted - up) - _log_choose(total, wanted)
    )
    left = source.random() - share_up
    while left > 0 and (up < high or down > low):
        share_up *= (good - up) * (wanted - up) / ((up + 1) * (bad - wanted + up + 1))
        up += 1
        left -= share_up
        if left <= 0:
            return up
        share_down *= down * (bad - wanted + down) / ((good - down + 1) * (wanted - down + 1))
        down -= 1
        left -= share_down
    return max(low, down)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _jensen_shannon(shares: Iterable[tuple[float, float, int]]) -> float:
    """The square root of the divergence in nats, as `scipy.spatial.distance.jensenshannon`."""
    parts = []
    for r, c, k in shares:
        middle = (r + c) / 2
        parts.append(r * math.log(r / middle) * k if r else 0.0)
        parts.append(c * math.log(c / middle) * k if c else 0.0)
    return math.sqrt(max(0.0, math.fsum(parts) / 2))


def ks_distance(reference: NumericProfile, current: NumericProfile) -> float:
    """The largest distance of both distribution functions, taken at the edges of the bins.

    The largest of all is no less, and more by at most the largest share that both tables have in one bin of more than
    one value: inside it, one function can rise by the share of its table before the other does.
    """
    below_r = below_c = 0
    distance = 0.0
    for r, c in zip(reference.counts, current.counts, strict=True):
        below_r, below_c = below_r + r, below_c + c
        distance = max(distance, abs(below_r / reference.count - below_c / current.count))
    return distance


def wasserstein(reference: NumericProfile, current: NumericProfile) -> tuple[float, bool]:
    """The area between both distribution functions, over the reference's standard deviation; and whether approximate.

    https://en.wikipedia.org/wiki/Wasserstein_metric#One-dimensional_distributions. Inside a bin the functions
    are taken as straight lines. The means say by how much that errs in sum, and the error is laid where most
    of it can be: in wide bins with many values. It errs by at most Σ (r + c)·width over the standard deviation: a sum
    over the bins of more than one value, with the shares r and c of the tables in the bin.
    """
    area = signed = doubt = signed_doubt = 0.0
    for width, (r1, c1), (r2, c2) in _steps(reference, current):
        middle = (r1 - c1 + r2 - c2) / 2
        area += _area(r1 - c1, r2 - c2) * width
        signed += middle * width
        doubt += (r2 - r1 + c2 - c1) * width
        signed_doubt += math.copysign(r2 - r1 + c2 - c1, middle) * width
    shift = (current.mean or 0.0) - (reference.mean or 0.0)
    if doubt:
        area += (shift - signed) * signed_doubt / doubt
    # No distance is less than the difference of the means.
    return normed(max(area, abs(shift)), reference), not _all_known(reference, current)


def normed(area: float, reference: NumericProfile) -> float:
    """An area between distribution functions over the reference's standard deviation, or 0.001 if that is less."""
    return area / max(math.sqrt(profiles.variance(reference) or 0.0), 0.001)


def energy(reference: NumericProfile, current: NumericProfile) -> tuple[float, bool]:
    """The energy distance √(2·∫(F - G)²), in the root of the column's unit; and whether it is approximate.

    As `scipy.stats.energy_distance`. Inside a bin both distribution functions are taken as straight lines.
    """
    squares = 0.0
    for width, (r1, c1), (r2, c2) in _steps(reference, current):
        start, end = r1 - c1, r2 - c2
        squares += (start * start + start * end + end * end) / 3 * width
    return math.sqrt(2 * squares), not _all_known(reference, current)


def _steps(reference: NumericProfile, current: NumericProfile) -> Iterator[tuple[float, Both, Both]]:
    """From one known point of both distribution functions to the next: how wide, and the shares at both ends."""
    knots_r, knots_c = profiles.cumulative_knots(reference), profiles.cumulative_knots(current)
    xs = sorted({*knots_r[0], *knots_c[0]})
    known = [(x, (profiles.share_at_most(knots_r, x), profiles.share_at_most(knots_c, x))) for x in xs]
    for (x1, start), (x2, end) in pairwise(known):
        yield x2 - x1, start, end


def _all_known(reference: NumericProfile, current: NumericProfile) -> bool:
    """Whether the bins say what each value of both tables is: all of them stand in the reference."""
    known = {reference.edges[i] for i, count in enumerate(reference.counts[:-1]) if count}
    seen = {reference.edges[i] for i, count in enumerate(current.counts[:-1]) if count}
    return reference.exact and not current.counts[-1] and seen <= known


def mann_whitney(reference: NumericProfile, current: NumericProfile) -> tuple[float, bool]:
    """The p-value of the Mann-Whitney test, values in one bin counting as equal; and whether it is approximate."""
    below = larger = ties = 0.0
    for r, c in zip(reference.counts, current.counts, strict=True):
        larger += c * (below + r / 2)
        ties += (r + c) ** 3 - (r + c)
        below += r
    exact = _all_known(reference, current)
    return mann_whitney_p_value(larger, ties, reference.count, current.count), not exact


def mann_whitney_p_value(larger: float, ties: float, n: int, m: int) -> float:
    """The p-value of "the window is larger", which is the side that Evidently tests: smaller values are no drift.

    `larger` counts the pairs of a reference's and a window's value of which the window's is larger, equal ones half;
    `ties` is Σ(t³ - t) over values that stand t times in both tables. Normal, corrected for ties and for
    continuity, as `scipy.stats.mannwhitneyu` for samples of more than 8 values.
    """
    total = n + m
    spread = math.sqrt(max(0.0, n * m / 12 * (total + 1 - ties / (total * (total - 1)))))
    above = larger - n * m / 2 - 0.5
    if not spread:
        return 1.0
    return math.erfc(above / spread / math.sqrt(2)) / 2


def t_test(reference: NumericProfile, current: NumericProfile) -> float:
    """The p-value of Student's two-sample test of the means, from the moments; as `scipy.stats.ttest_ind`."""
    ends = {reference.minimum, reference.maximum, current.minimum, current.maximum}
    freedom = reference.count + current.count - 2
    # Of one and the same number the mean can be off by rounding.
    if len(ends) == 1 or freedom < 1:
        return 1.0
    variance = ((reference.m2 or 0.0) + (current.m2 or 0.0)) / freedom
    apart = (reference.mean or 0.0) - (current.mean or 0.0)
    if not variance:
        return 0.0
    return _student_two_sided(
        apart / math.sqrt(variance * (1 / reference.count + 1 / current.count)), freedom
    )


def _student_two_sided(t: float, freedom: int) -> float:
    """P(|T| ≥ |t|): a finite sum, Abramowitz and Stegun 26.7.3 and 26.7.4, https://personal.math.ubc.ca/~cbm/aands.

    With very many degrees of freedom the normal distribution of Wallace 1959, https://doi.org/10.1214/aoms/1177706093.
    """
    if freedom > _MOST_FREEDOM:
        z = math.sqrt(freedom * math.log1p(t * t / freedom))
        return pvalues.normal_two_sided(z * (8 * freedom + 1) / (8 * freedom + 3))
    angle = math.atan2(abs(t), math.sqrt(freedom))
    term = math.cos(angle) if freedom % 2 else 1.0
    terms = []
    for i in range(2 + freedom % 2, freedom + 1, 2):
        terms.append(term)
        term *= math.cos(angle) ** 2 * (i - 1) / i
    inside = math.sin(angle) * math.fsum(terms)
    if freedom % 2:
        inside = 2 / math.pi * (angle + inside)
    return min(1.0, max(0.0, 1 - inside))


def _area(start: float, end: float) -> float:
    """The mean of |y| while y goes straight from `start` to `end`."""
    if start * end >= 0:
        return abs(start + end) / 2
    return (start * start + end * end) / (2 * (abs(start) + abs(end)))


def sturges_edges(reference: NumericProfile, current: NumericProfile, size: float) -> list[float]:
    """Where NumPy's `sturges` bins of both tables' joint range meet; a value equal to an edge is in the bin below it.

    `size` is the number of values that the bins are chosen for. Evidently gives the rows of both tables, and for
    Hellinger's distance the number of distinct values. Bins of whole numbers are at least 1 wide, unless there are
    nulls: pandas then holds decimal numbers.
    https://numpy.org/doc/stable/reference/generated/numpy.histogram_bin_edges.html
    """
    low = min(x for x in (reference.minimum, current.minimum) if x is not None)
    high = max(x for x in (reference.maximum, current.maximum) if x is not None)
    if high <= low:
        return []
    width = (high - low) / (math.log2(size) + 1)
    if all(one.integer and not one.nulls for one in (reference, current)):
        width = max(width, 1.0)
    bins = max(1, math.ceil((high - low) / width))
    step = (high - low) / bins
    # NumPy's bins are closed below; ours are closed above.
    return [math.nextafter(i * step + low, -math.inf) for i in range(1, bins)]


def binned(reference: NumericProfile, current: NumericProfile, edges: Sequence[float]) -> list[Both]:
    """How many values of both tables are in each bin between these edges, read off the profiles."""
    columns = []
    for profile in (reference, current):
        if profile.values is not None:
            columns.append([float(count) for count in profiles.count_values(edges, profile.values)])
            continue
        knots = profiles.cumulative_knots(profile)
        # Whole rows: a sliver of a row in an empty bin would make the logarithms of PSI explode.
        below = [round(profiles.share_at_most(knots, edge) * profile.count) for edge in edges]
        columns.append([float(b - a) for a, b in pairwise([0, *below, profile.count])])
    return list(zip(columns[0], columns[1], strict=True))


def distinct_estimate(reference: NumericProfile, current: NumericProfile) -> float:
    """About how many different values both tables hold together.

    Where the window's are not known, new values are taken to come as in the reference: one row in n/d, with d
    distinct values in n rows, brings one at first, and less and less so (with (d/n)³, which is about right for values
    on a grid) as the grid fills. Only the logarithm of the estimate is used.
    """
    if reference.values is not None and current.values is not None:
        return len({one.value for part in (reference.values, current.values) for one in part})
    distinct = reference.n_unique or reference.count
    return distinct + current.count * (distinct / reference.count) ** 3
