"""Constraints that a reference suggests: more of the same data passes, and what went wrong does not."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from crisplens.monitors import profiles
from crisplens.monitors.model import Family, NumericProfile, OtherProfile
from crisplens.monitors.quality.judge import judge
from crisplens.monitors.quality.model import ColumnConstraint, Constraints, Volume
from crisplens.monitors.quality.suggest import MOST_CATEGORIES, suggest
from tests.monitors.quality.made import numbers, table, text


def suggested(column) -> ColumnConstraint:
    return suggest(table(column)).columns[0]


def broken(constraints: Constraints, window) -> list[tuple[str | None, str]]:
    return [(violation.column, violation.rule.value) for violation in judge(constraints, window)]


# What is suggested


def test_columns_are_required_and_those_that_were_not_profiled_are_known():
    constraints = suggest(table(numbers([1.0, 2.0]), other_columns=("note",)))
    assert [(column.column, column.required) for column in constraints.columns] == [
        ("x", True),
        ("note", False),
    ]
    assert constraints.volume == Volume(least=1)
    assert not constraints.extra_columns


def test_a_column_keeps_what_its_values_are():
    assert suggested(numbers([1.5])).family is Family.NUMBER
    assert suggested(text(["a"])).family is Family.TEXT
    dates = OtherProfile(name="d", type="DATE", family=Family.OTHER, rows=5, nulls=0)
    assert (suggested(dates).family, suggested(dates).type) == (Family.OTHER, "DATE")
    ids = OtherProfile(name="d", type="VARCHAR", family=Family.TEXT, rows=5, nulls=0)
    assert suggested(ids).type is None
    assert suggested(text(["1", "2"], family=Family.NUMBER)).whole


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_share_of_nulls_is_the_clopper_pearson_bound_rounded_up(nulls, present):
    most = suggested(numbers([None] * nulls + [1.0] * present)).most_nulls
    bound = beta.ppf(0.99, nulls + 1, present)
    assert most is None if bound > 0.999 else bound <= most * (1 + 1e-9) <= bound * 1.02


def test_a_column_of_nulls_may_have_any_number_of_them():
    assert suggested(numbers([None] * 50)) == ColumnConstraint(
        column="x", family=Family.NUMBER, most_not_finite=0.0
    )


def test_nan_and_infinities_are_allowed_where_the_reference_has_them():
    assert suggested(numbers([1.0] * 100)).most_not_finite == 0.0
    assert 0.02 < suggested(numbers([1.0] * 98 + [math.nan, math.inf])).most_not_finite < 0.1


def test_few_categories_are_listed_and_many_are_not():
    assert suggested(text(["b", "a", "b"])).categories == ("a", "b")
    many = [str(i) for i in range(MOST_CATEGORIES + 1)] * 2
    assert suggested(text(many)).categories is None
    assert suggested(text(["a"] * 10, rest=3)).categories is None


def test_unseen_categories_may_be_as_many_as_single_ones_explain():
    assert suggested(text(["a", "b"] * 500)).most_outside < 0.005
    assert suggested(text([*("ab" * 500), *"cdefghij"])).most_outside > 0.008


def test_a_constant_column_keeps_its_value():
    constant = suggested(numbers([1234.5678] * 30))
    assert (constant.minimum, constant.maximum) == (1234.5678, 1234.5678)


def whole_numbers(values) -> NumericProfile:
    profile = numbers([float(value) for value in values], type="BIGINT")
    return msgspec.structs.replace(profile, integer=True, n_unique=len(set(values)))


def test_identifiers_grow_and_get_no_range():
    ids = suggested(whole_numbers(range(1000, 2000)))
    assert (ids.minimum, ids.maximum, ids.whole, ids.non_negative) == (None, None, True, True)
    repeated = suggested(whole_numbers([*range(1000, 2000), 1000]))
    assert repeated.maximum == int(repeated.maximum) >= 2000


def test_a_few_values_that_come_often_are_hardly_exceeded():
    column = suggested(numbers([0.0] * 59 + [1.0] * 71 + [2.0] * 48))
    assert (column.minimum, column.non_negative) == (None, True)
    assert 2.0 < column.maximum < 3.0


def test_bounds_of_whole_numbers_are_whole():
    drawn = np.random.default_rng(1).poisson(4.0, 300).tolist()
    column = suggested(whole_numbers(drawn))
    assert column.maximum > max(drawn)
    assert column.maximum.is_integer()
    assert column.non_negative


def test_bounds_have_three_digits_and_lie_outside():
    column = suggested(numbers([0.123456, 1.0, 98.7654321]))
    assert column.minimum < 0.123456
    assert column.maximum > 98.7654321
    assert float(f"{column.maximum:.3g}") == column.maximum


@pytest.mark.parametrize(
    ("draw", "never_negative"),
    [
        (lambda rng: rng.exponential(size=500), True),
        (lambda rng: rng.lognormal(size=500), True),
        (lambda rng: rng.uniform(size=500), True),
        (lambda rng: rng.poisson(2.0, size=500).astype(float), True),
        (lambda rng: np.where(rng.random(500) < 0.8, 0.0, rng.exponential(size=500)), True),
        (lambda rng: rng.normal(50.0, 2.0, size=500), True),
        (lambda rng: np.where(rng.random(100) < 0.3, 0.0, np.abs(rng.normal(5.0, 1.0, 100))), True),
        (lambda rng: rng.normal(size=500), False),
        # None of these is negative, and the next ones may be.
        (lambda rng: np.abs(rng.normal(3.5, 1.0, size=500)), False),
    ],
)
def test_a_column_is_never_negative_where_its_values_say_so(draw, never_negative):
    drawn = draw(np.random.default_rng(3)).tolist()
    assert suggested(numbers(drawn)).non_negative is never_negative


@given(
    st.lists(
        st.one_of(st.none(), st.floats(-1e150, 1e150), st.sampled_from([math.nan, math.inf, -math.inf])),
        min_size=1,
        max_size=60,
    )
)
def test_a_reference_breaks_nothing_of_its_own(values):
    reference = table(numbers(values))
    assert broken(suggest(reference), reference) == []


@given(st.lists(st.sampled_from([None, "a", "b", "c", ""]), min_size=1, max_size=60))
def test_a_reference_of_categories_breaks_nothing_of_its_own(values):
    reference = table(text(values))
    assert broken(suggest(reference), reference) == []


# More of the same data

WIDTH = 12
DISTRIBUTIONS = {
    "normal": lambda rng, n: rng.normal(3.0, 1.0, n),
    "uniform": lambda rng, n: rng.uniform(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "gamma": lambda rng, n: rng.gamma(9.0, 1.0, n),
    "log-normal": lambda rng, n: rng.lognormal(0.0, 1.0, n),
    "mixture": lambda rng, n: np.where(rng.random(n) < 0.9, rng.normal(0, 1, n), rng.normal(50, 1, n)),
    "mostly zero": lambda rng, n: np.where(rng.random(n) < 0.7, 0.0, rng.exponential(size=n)),
}


def sample(rng: np.random.Generator, rows: int, kind: str):
    """A table of four columns: numbers, numbers with nulls, categories with rare ones, categories with nulls."""
    drawn = DISTRIBUTIONS[kind](rng, rows)
    holes = np.where(rng.random(rows) < 0.03, None, drawn)
    # Like words of a language: the commonest category is common, and there is always one more.
    words = np.minimum(rng.zipf(2.2, rows), 60)
    flags = np.where(rng.random(rows) < 0.002, None, rng.choice(["y", "n"], rows))
    return table(
        numbers(drawn.tolist(), "drawn"),
        numbers(holes.tolist(), "holes"),
        text([str(word) for word in words], "words"),
        text(flags.tolist(), "flags"),
    )


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_samples_of_the_same_distribution_pass_but_for_one_in_a_hundred(kind):
    rng = np.random.default_rng(11)
    windows = []
    for _ in range(25):
        constraints = suggest(sample(rng, 500, kind))
        windows += [broken(constraints, sample(rng, rows, kind)) for rows in (20, 100, 500)]
    assert sum(map(bool, windows)) <= 2


def test_what_went_wrong_is_found():
    rng = np.random.default_rng(5)
    constraints = suggest(sample(rng, 500, "gamma"))
    drawn, holes, words, flags = sample(rng, 200, "gamma").columns
    hundredfold = numbers([100 * x for x in DISTRIBUTIONS["gamma"](rng, 200)], "drawn")
    assert broken(constraints, table(hundredfold, holes, words, flags)) == [("drawn", "above-maximum")]
    sentinel = numbers([-999.0, *DISTRIBUTIONS["gamma"](rng, 199)], "drawn")
    assert broken(constraints, table(sentinel, holes, words, flags)) == [("drawn", "below-minimum")]
    gone = numbers([None] * 30 + [9.0] * 170, "holes")
    assert broken(constraints, table(drawn, gone, words, flags)) == [("holes", "nulls")]
    recoded = text(["yes"] * 100 + ["no"] * 100, "flags")
    assert broken(constraints, table(drawn, holes, words, recoded)) == [("flags", "new-categories")]


def test_quantile_bins_give_about_the_same_range_as_exact_ones():
    drawn = np.random.default_rng(2).lognormal(0, 1, 3000)
    exact = suggested(numbers(drawn.tolist()))
    edges = profiles.quantile_edges(
        np.quantile(drawn, profiles.QUANTILES, method="inverted_cdf").tolist(),
        spread=float(np.ptp(drawn)) / 8,
    )
    binned = suggested(profiles.profile_numbers("x", drawn.tolist(), edges))
    assert binned.maximum == pytest.approx(exact.maximum, rel=0.05)
    assert binned.non_negative is exact.non_negative
