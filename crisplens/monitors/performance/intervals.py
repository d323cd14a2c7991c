"""Confidence intervals that metrics are given with. Pure, in plain Python: the base install has no SciPy."""

from __future__ import annotations

import math

from crisplens.core.errors import InputError

Interval = tuple[float, float]


def check_level(level: float) -> float:
    """`level` if it can be a confidence level, else `InputError`."""
    if 0 < level < 1:
        return level
    raise InputError(
        f"the confidence level {level:g} is not between 0 and 1", slug="bad-setting", hint="Give 0.95, say."
    )


def critical(level: float) -> float:
    """How many standard errors a two-sided normal interval of this level reaches: 1.96 for 0.95."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + check_level(level) / 2)


def wilson(share: float, rows: float, z: float) -> Interval:
    """Wilson's score interval of a proportion of `rows`, more than 0 of them.

    Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953
    """
    middle = share + z * z / (2 * rows)
    reach = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    width = 1 + z * z / rows
    # Rounding must not cut the ends off that the interval reaches exactly.
    low = 0.0 if share <= 0 else max(0.0, (middle - reach) / width)
    high = 1.0 if share >= 1 else min(1.0, (middle + reach) / width)
    return low, high


def difference(first: float, first_interval: Interval, second: float, second_interval: Interval) -> Interval:
    """The interval of `first - second`, from the intervals of two independent estimates ("square and add").

    Newcombe 1998, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8%3C873::AID-SIM779%3E3.0.CO;2-I;
    for estimates in general, Zou and Donner 2008, https://doi.org/10.1002/sim.3095
    """
    gap = first - second
    return (
        gap - math.hypot(first - first_interval[0], second_interval[1] - second),
        gap + math.hypot(first_interval[1] - first, second - second_interval[0]),
    )


def on_logit(value: float, standard_error: float, z: float) -> Interval | None:
    """An interval of a value strictly between 0 and 1 that stays there; None at 0 and 1."""
    if not 0 < value < 1:
        return None
    middle, reach = math.log(value / (1 - value)), z * standard_error / (value * (1 - value))
    return _expit(middle - reach), _expit(middle + reach)


def on_fisher_z(value: float, standard_error: float, z: float) -> Interval | None:
    """An interval of a correlation strictly between -1 and 1 that stays there; None at -1 and 1."""
    if not -1 < value < 1:
        return None
    middle, reach = math.atanh(value), z * standard_error / (1 - value * value)
    return math.tanh(middle - reach), math.tanh(middle + reach)


def _expit(x: float) -> float:
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    return math.exp(max(x, -700.0)) / (1 + math.exp(max(x, -700.0)))
