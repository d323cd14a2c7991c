"""The p-values that Evidently takes from SciPy, in plain Python: the base install has no SciPy. Pure.

The tests hold each function against SciPy.
"""

from __future__ import annotations

import cmath
import math
from itertools import accumulate

# Beyond this size of the larger sample SciPy's `ks_2samp` takes the asymptotic distribution, and so do we.
KS_EXACT_MOST = 10_000
_RESCALE_AT = 1e200


def normal_two_sided(z: float) -> float:
    """P(|Z| ≥ |z|) for a standard normal Z."""
    return math.erfc(abs(z) / math.sqrt(2))


def chi_square_sf(statistic: float, freedom: int) -> float:
    """P(X ≥ statistic) for a chi-square X with a whole number of degrees of freedom.

    The regularized incomplete gamma function of a half-integer is a finite sum: https://dlmf.nist.gov/8.4
    """
    half = statistic / 2
    if half <= 0:
        return 1.0
    if math.isinf(half):
        return 0.0
    first, start = (math.erfc(math.sqrt(half)), 0.5) if freedom % 2 else (0.0, 0.0)
    powers = (start + i for i in range(freedom // 2))
    terms = (math.exp(power * math.log(half) - half - math.lgamma(power + 1)) for power in powers)
    return min(1.0, first + math.fsum(terms))


def noncentral_chi_square_sf(statistic: float, freedom: int, noncentrality: float) -> float:
    """P(X ≥ statistic) for a noncentral chi-square X, such as a Pearson statistic of shares that do differ.

    The contour integral of the moment generating function (https://dlmf.nist.gov/3.5#vii, and for this function
    Gil, Segura and Temme 2014, https://doi.org/10.1145/2591004): about 40 terms whatever the arguments, and as
    precise in the far tail as in the middle.
    """
    if statistic < 1e-30:
        return 1.0
    if math.isinf(statistic):
        return 0.0
    half = freedom / 2
    saddle = (half + math.sqrt(half * half + statistic * noncentrality)) / statistic
    # The contour is z = crossing·(1 + iu)²: it crosses the real line near the saddle point, at some distance from
    # the pole at z = 1. Left of the pole the integral is the upper tail, right of it minus the lower tail.
    away = min(1.3 * _contour_width(statistic, noncentrality, saddle), 0.6)
    upper = saddle <= 1
    crossing = min(saddle, (1 + away) ** -2) if upper else max(saddle, (1 + away) ** 2)
    # The trapezoidal rule errs by exp(-2π·distance/step), the distance being that of the nearest singularity.
    distance = abs(1 - 1 / math.sqrt(crossing))
    step = min(0.15 * _contour_width(statistic, noncentrality, crossing), distance / 5.5, 0.1)
    lead = (crossing - 1) / 2 * (statistic - noncentrality / crossing)
    total, position, height = 0.5 / (1 - crossing), 0, 0.0
    # Past 38 the terms no longer change the sum: exp(-38) is below a float's precision.
    while height > -38:
        position += 1
        path = complex(1, position * step)
        z = crossing * path * path
        exponent = (z - 1) / 2 * (statistic - noncentrality / z) - lead - 2 * half * cmath.log(path)
        total += (cmath.exp(exponent) * path / (1 - z)).real
        height = exponent.real
    tail = total * math.exp(lead - half * math.log(crossing)) * 2 * crossing * step / math.pi
    return min(1.0, max(0.0, tail if upper else 1 + tail))


def _contour_width(statistic: float, noncentrality: float, crossing: float) -> float:
    """How far along the contour the integrand falls to exp(-1), near the saddle point."""
    return math.sqrt(2 / (statistic * crossing + 3 * noncentrality / crossing))


def ks_two_sample(distance: float, n: int, m: int) -> float:
    """The two-sided p-value of a Kolmogorov-Smirnov distance between samples of `n` and `m` values.

    Exact, as SciPy's, while both samples have at most 10,000 values; then Kolmogorov's limit with Vrbik's
    correction for a finite sample (https://doi.org/10.4236/am.2020.113018), within 0.001 of SciPy.
    """
    effective = n * m / (n + m)
    lattice = math.lcm(n, m)
    steps = round(distance * lattice)
    if steps == 0:
        return 1.0
    size = max(1, round(effective))
    x = math.sqrt(size) * distance
    rough = _kolmogorov_sf(x + 1 / (6 * math.sqrt(size)) + (x - 1) / (4 * size))
    if max(n, m) > KS_EXACT_MOST or rough < 1e-9:
        return rough
    return _outside_square(n, steps) if n == m else _outside_band(n, m, steps / lattice)


def _kolmogorov_sf(x: float) -> float:
    """Kolmogorov's limiting distribution; its two theta series converge fast on either side of 1."""
    if x <= 0:
        return 1.0
    if x < 1:
        factor = math.sqrt(2 * math.pi) / x
        below = factor * sum(math.exp(-(((2 * k - 1) * math.pi / x) ** 2) / 8) for k in range(1, 6))
        return min(1.0, max(0.0, 1 - below))
    terms = [math.exp(-2 * (k * x) ** 2) for k in range(1, 12)]
    return min(1.0, max(0.0, 2 * (sum(terms[::2]) - sum(terms[1::2]))))


def _outside_square(n: int, steps: int) -> float:
    """Equal sizes: 2·Σ(-1)^(k-1)·C(2n, n-kh)/C(2n, n), Gnedenko and Korolyuk 1951."""
    total = 0.0
    for k in range(n // steps, 0, -1):
        log_share = 2 * math.lgamma(n + 1) - math.lgamma(n - k * steps + 1) - math.lgamma(n + k * steps + 1)
        total = math.exp(log_share) - total
    return min(1.0, max(0.0, 2 * total))


def _outside_band(n: int, m: int, distance: float) -> float:
    """Counts the lattice paths from (0, 0) to (n, m) that keep |i/n - j/m| < distance.

    Hodges 1958, https://doi.org/10.1007/BF02589501. Rows are rescaled, as the counts outgrow a float.
    """
    n, m = min(n, m), max(n, m)
    # A hair narrower: a path that reaches the distance itself is outside.
    reach = distance * m - 1e-7
    low, scale = 0, 0.0
    row = [1.0] * (math.floor(reach) + 1)
    for i in range(1, n + 1):
        middle = i * m / n
        start, end = max(0, math.ceil(middle - reach)), min(m, math.floor(middle + reach))
        if end < start or start - low >= len(row):
            return 1.0
        above = row[start - low :]
        above += [0.0] * (end - start + 1 - len(above))
        row, low = list(accumulate(above)), start
        if row[-1] > _RESCALE_AT:
            row = [count / _RESCALE_AT for count in row]
            scale += math.log(_RESCALE_AT)
    inside = row[m - low]
    if inside <= 0:
        return 1.0
    paths = math.lgamma(n + m + 1) - math.lgamma(n + 1) - math.lgamma(m + 1)
    return min(1.0, max(0.0, -math.expm1(math.log(inside) + scale - paths)))
