"""Variant against variant, looked at as often as one likes: intervals and p-values that hold at every look. Pure.

The test is a mixture sequential probability ratio test (mSPRT) on the difference of two means, with a normal
distribution of effects around none: Johari, Pekelis and Walsh 2017, https://arxiv.org/abs/1512.04922. Its interval
is the confidence sequence that belongs to it, as in Waudby-Smith et al. 2024, https://arxiv.org/abs/2103.06476.
A repeated t-test finds a difference between equal variants sooner or later; this one does so with at most
probability `level`. It rests on means being nearly normal, so it says nothing before each variant has `minimum_rows`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from crisplens.core.errors import InputError
from crisplens.core.text import count
from crisplens.monitors.pvalues import chi_square_sf

# Sums beyond this have products that are no floats.
_LARGEST = 1e140


class VariantVerdict(StrEnum):
    """What the rows so far say of the challenger."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    NO_DIFFERENCE_YET = "no-difference-yet"


class VariantStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What one variant did: rows, and the sum of an outcome over them and of its square.

    The outcome may be a number of each row, such as an absolute error or a revenue, or 1 and 0; then `squares`
    is `total`.
    """

    name: str
    rows: int
    total: float
    squares: float


class VariantSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How two variants are compared.

    `level` is the chance that equal variants are ever said to differ. Where less is better, as with errors,
    `higher_is_better` is False. With `minimum_effect`, variants that differ by less are equivalent. The test
    is sharpest when a variant has about `planned_rows`. All settings must be fixed before the first look.
    """

    level: float = 0.05
    higher_is_better: bool = True
    minimum_effect: float | None = None
    planned_rows: int = 10_000
    minimum_rows: int = 100


class VariantComparison(msgspec.Struct, frozen=True, kw_only=True):
    """The challenger's mean less the champion's, with its interval and p-value; both hold at every look.

    They are None as long as there are too few rows.
    """

    champion: str
    challenger: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    verdict: VariantVerdict
    reason: str


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """Whether rows fell to variants in the planned shares; if not, something sends them wrong.

    The p-value is for one look when all rows are in; it does not hold at every look.
    """

    p_value: float
    as_planned: bool
    reason: str


def of_proportion(name: str, *, successes: int, rows: int) -> VariantStatistics:
    """The statistics of a variant of whose rows so many succeeded."""
    return VariantStatistics(name=name, rows=rows, total=float(successes), squares=float(successes))


def merge_variants(first: VariantStatistics, second: VariantStatistics) -> VariantStatistics:
    """A variant's statistics over both parts of its rows; `InputError` when they are of two variants."""
    if first.name != second.name:
        raise InputError(
            f"statistics of {first.name!r} and {second.name!r} are of two variants", slug="statistics-differ"
        )
    return VariantStatistics(
        name=first.name,
        rows=first.rows + second.rows,
        total=first.total + second.total,
        squares=first.squares + second.squares,
    )


def compare_variants(
    champion: VariantStatistics, challenger: VariantStatistics, settings: VariantSettings | None = None
) -> VariantComparison:
    """Whether the challenger does better or worse than the champion, by all rows so far.

    Raises `InputError` for settings out of range and statistics that no rows can have.
    """
    rules = settings or VariantSettings()
    check_variant_settings(rules)
    for variant in (champion, challenger):
        _check_statistics(variant)
    for variant in (champion, challenger):
        if variant.rows < rules.minimum_rows:
            return VariantComparison(
                champion=champion.name,
                challenger=challenger.name,
                verdict=VariantVerdict.NO_DIFFERENCE_YET,
                reason=f"{variant.name} has {count(variant.rows, 'row')}, fewer than {rules.minimum_rows}.",
            )
    estimate = challenger.total / challenger.rows - champion.total / champion.rows
    spreads = _variance(champion), _variance(challenger)
    squared_error = spreads[0] / champion.rows + spreads[1] / challenger.rows
    # The scale of effects in the mixture, at which the interval at the planned size is shortest.
    scale = (spreads[0] + spreads[1]) * _best_scale(rules.level) / rules.planned_rows
    if squared_error == 0:
        # Outcomes that never vary leave no chance to reckon with, but also nothing to reckon by.
        return VariantComparison(
            champion=champion.name,
            challenger=challenger.name,
            estimate=estimate,
            verdict=VariantVerdict.NO_DIFFERENCE_YET,
            reason="The outcome is the same in every row of a variant, so chance cannot be judged.",
        )
    reach = _reach(squared_error, scale, rules.level)
    low, high = estimate - reach, estimate + reach
    verdict, reason = _decide(low, high, champion, challenger, rules)
    return VariantComparison(
        champion=champion.name,
        challenger=challenger.name,
        estimate=estimate,
        low=low,
        high=high,
        p_value=_p_value(estimate, squared_error, scale),
        verdict=verdict,
        reason=reason,
    )


def check_split(rows: Sequence[int], shares: Sequence[float], *, level: float = 0.001) -> Split:
    """Whether so many rows of each variant fit the planned shares (sample ratio mismatch), by a chi-square test.

    Raises `InputError` for other than two or more variants with rows and shares above 0.
    """
    if len(rows) != len(shares) or len(rows) < 2 or min(rows) < 0 or sum(rows) == 0 or not 0 < level < 1:
        raise InputError("a split takes two or more variants, with rows and a share each", slug="bad-setting")
    if not all(math.isfinite(share) and share > 0 for share in shares):
        raise InputError("the share of a variant is not above 0", slug="bad-setting")
    total, whole = sum(rows), math.fsum(shares)
    expected = [total * share / whole for share in shares]
    statistic = math.fsum((count - want) ** 2 / want for count, want in zip(rows, expected, strict=True))
    p_value = chi_square_sf(statistic, len(rows) - 1)
    fits = p_value >= level
    counts = ", ".join(f"{count} of {want:.0f}" for count, want in zip(rows, expected, strict=True))
    return Split(
        p_value=p_value,
        as_planned=fits,
        reason=f"Rows against those expected: {counts} (p-value {p_value:.2g}); "
        f"{'as planned' if fits else 'not as planned, so the variants cannot be compared'}.",
    )


def check_variant_settings(settings: VariantSettings) -> None:
    """Raise `InputError` naming the setting that is out of range."""
    if not 0 < settings.level < 1:
        raise InputError(f"the level {settings.level:g} is not between 0 and 1", slug="bad-setting")
    least = settings.minimum_effect
    if least is not None and not (math.isfinite(least) and least > 0):
        raise InputError(f"the minimum effect is {least}, not above 0", slug="bad-setting")
    if settings.planned_rows < 1 or settings.minimum_rows < 2:
        raise InputError("planned rows are 1 or more, and the minimum of rows 2 or more", slug="bad-setting")


def _check_statistics(variant: VariantStatistics) -> None:
    sums = variant.total, variant.squares
    # A little room for rounding: squares are never less than they would be if every row were the mean.
    possible = variant.rows >= 0 and all(map(math.isfinite, sums)) and 0 <= variant.squares < _LARGEST
    if possible and variant.rows:
        possible = variant.squares * (1 + 1e-9) >= variant.total * (variant.total / variant.rows)
    elif possible:
        possible = sums == (0, 0)
    if not possible:
        raise InputError(
            f"no rows can have the sums given for {variant.name!r}",
            slug="bad-setting",
            hint="Give the rows, the sum of the outcome, and the sum of its squares.",
        )


def _variance(variant: VariantStatistics) -> float:
    deviations = max(0.0, variant.squares - variant.total**2 / variant.rows)
    # Below this the sum of squared deviations is only rounding.
    if deviations <= 1e-12 * variant.squares:
        return 0.0
    return deviations / (variant.rows - 1)


def _best_scale(level: float) -> float:
    """The variance of effects, in squared errors of the planned size, that makes the interval there shortest.

    An approximation within a percent of length, Waudby-Smith et al. 2024.
    """
    return 2 * math.log(1 / level) + math.log(1 + 2 * math.log(1 / level))


def _reach(squared_error: float, scale: float, level: float) -> float:
    """Half the length of the interval: where the likelihood ratio of the mixture to the effect reaches 1 / level."""
    together = squared_error + scale
    ratio = 2 * math.log(1 / level) + math.log(together / squared_error)
    return math.sqrt(squared_error * together / scale * ratio)


def _p_value(estimate: float, squared_error: float, scale: float) -> float:
    """One over the likelihood ratio of the mixture to no effect, at most 1."""
    together = squared_error + scale
    log_ratio = scale * estimate**2 / (2 * squared_error * together) - math.log(together / squared_error) / 2
    return math.exp(-max(0.0, log_ratio))


def _decide(
    low: float,
    high: float,
    champion: VariantStatistics,
    challenger: VariantStatistics,
    settings: VariantSettings,
) -> tuple[VariantVerdict, str]:
    what = f"The mean of {challenger.name} less that of {champion.name} is between {low:.4g} and {high:.4g}"
    least = settings.minimum_effect
    if least is not None and -least < low and high < least:
        return VariantVerdict.EQUIVALENT, f"{what}: less than {least:g} either way."
    if low <= 0 <= high:
        return VariantVerdict.NO_DIFFERENCE_YET, f"{what}: no difference can be told yet."
    better = (low > 0) == settings.higher_is_better
    return (
        (VariantVerdict.BETTER, f"{what}: {challenger.name} is better.")
        if better
        else (VariantVerdict.WORSE, f"{what}: {challenger.name} is worse.")
    )
