"""Exact binomial tail and bound, in plain Python: the base install has no SciPy. Pure; tests compare with SciPy."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import count

_TINY = 1e-300
_PRECISION = 1e-14


def at_least(k: int, n: int, share: float) -> float:
    """P(X ≥ k) for X of `n` trials that each succeed with probability `share`.

    Within 1e-6 up to 100 million trials, and closer the fewer they are.
    A binomial tail is a regularized incomplete beta function: https://dlmf.nist.gov/8.17.E5
    """
    if k <= 0:
        return 1.0
    if k > n or share <= 0:
        return 0.0
    return 1.0 if share >= 1 else _incomplete_beta(k, n - k + 1, share)


@lru_cache(maxsize=4096)
def upper_bound(k: int, n: int, error: float) -> float:
    """The Clopper-Pearson upper bound of a share of which a sample of `n` had `k`: too low with at most `error`.

    It solves P(X ≤ k) = error for the share: https://doi.org/10.1093/biomet/26.4.404
    """
    if k >= n:
        return 1.0
    if k == 0:
        return -math.expm1(math.log(error) / n)
    low, high = k / n, 1.0
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if 1 - at_least(k + 1, n, middle) > error else (low, middle)
    return high


def _incomplete_beta(a: int, b: int, x: float) -> float:
    """I_x(a, b), by the continued fraction that converges fast on its side of the mean."""
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1) / (a + b + 2):
        return min(1.0, front * _fraction(a, b, x) / a)
    return max(0.0, 1 - front * _fraction(b, a, 1 - x) / b)


def _fraction(a: int, b: int, x: float) -> float:
    """The continued fraction of https://dlmf.nist.gov/8.17.E22, from the front by Lentz's method."""
    numerator = 1.0
    value = denominator = 1 / (1 + _term(1, a, b, x) or _TINY)
    for step in count(2):
        term = _term(step, a, b, x)
        denominator = 1 / (1 + term * denominator or _TINY)
        numerator = 1 + term / numerator or _TINY
        change = numerator * denominator
        value *= change
        if abs(change - 1) < _PRECISION:
            break
    return value


def _term(step: int, a: int, b: int, x: float) -> float:
    m, odd = divmod(step, 2)
    if odd:
        return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
