import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.monitors import profiles
from crisplens.monitors.effects import (
    CENTRAL_BINS,
    at_tolerance,
    coarse_bins,
    effect,
    effects,
    effects_together,
)
from crisplens.monitors.model import (
    CategoricalProfile,
    Category,
    Family,
    NumericProfile,
    OtherProfile,
    Profile,
)


def numbers(values, like=None, *, nulls=0, exact=False):
    values = np.asarray(values, dtype=float)
    if like is not None:
        edges = like.edges
    elif exact:
        edges = profiles.exact_edges(values.tolist())
    else:
        quantiles = np.quantile(values, profiles.QUANTILES, method="inverted_cdf").tolist()
        edges = profiles.quantile_edges(quantiles, spread=float(values.std()))
    counts = np.bincount(np.searchsorted(edges, values, "left"), minlength=len(edges) + 1)
    return NumericProfile(
        name="x",
        type="DOUBLE",
        rows=len(values) + nulls,
        nulls=nulls,
        count=len(values),
        edges=edges,
        counts=tuple(counts.tolist()),
    )


def categories(counts, *, nulls=0, rest=0):
    count = sum(counts.values()) + rest
    return CategoricalProfile(
        name="x",
        type="VARCHAR",
        family=Family.TEXT,
        rows=count + nulls,
        nulls=nulls,
        count=count,
        categories=tuple(Category(value=value, count=c) for value, c in counts.items()),
        rest=rest,
        n_unique=len(counts),
    )


def shares(reference, current):
    """The w of two lists of shares, as the formula says."""
    p, q = np.array(reference), np.array(current)
    return math.sqrt(float((2 * (q - p) ** 2 / (p + q)).sum()))


def test_alike_tables_have_no_effect():
    same = categories({"a": 600, "b": 400})
    found = effect(same, same)
    assert (found.w, found.statistic, found.bins) == (0.0, 0.0, 2)
    assert found.p_value == pytest.approx(1.0)


def test_without_a_tolerance_and_with_equal_tables_it_is_pearsons_test_of_scipy():
    from scipy import stats

    a, b = [300, 500, 120, 80], [350, 430, 130, 90]
    found = effect(
        categories(dict(zip("abcd", a, strict=True))),
        categories(dict(zip("abcd", b, strict=True))),
        tolerance=0,
    )
    expected = stats.chi2_contingency([a, b], correction=False)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue)


def test_the_test_of_a_tolerance_is_the_noncentral_one_of_scipy():
    from scipy import stats

    found = effect(categories({"a": 5000, "b": 5000}), categories({"a": 600, "b": 400}), tolerance=0.15)
    rows = 10_000 * 1000 / 11_000
    assert found.effective_rows == pytest.approx(rows)
    assert found.statistic == pytest.approx(rows * shares([0.5, 0.5], [0.6, 0.4]) ** 2)
    assert found.p_value == pytest.approx(stats.ncx2.sf(found.statistic, 1, rows * 0.15**2), rel=1e-9)


@pytest.mark.parametrize("rows", [1000, 10_000])
def test_w_is_without_what_sampling_noise_adds(rows):
    rng = np.random.default_rng(4)
    p = np.full(10, 0.1)
    q = p + 0.02 * np.array([1, -1] * 5)
    true = shares(p, q)
    squares = []
    for _ in range(300):
        a, b = rng.multinomial(10_000, p), rng.multinomial(rows, q)
        found = effect(
            categories({str(i): int(c) for i, c in enumerate(a)}),
            categories({str(i): int(c) for i, c in enumerate(b)}),
        )
        squares.append((found.statistic - 9) / found.effective_rows)
        assert found.w == pytest.approx(math.sqrt(max(0, squares[-1])))
    assert np.mean(squares) == pytest.approx(true**2, rel=0.1)


@pytest.mark.parametrize(("n", "m"), [(10_000, 1000), (10_000, 10_000), (1000, 50_000)])
@pytest.mark.parametrize("way", ["tail grows", "tail shrinks", "all bins"])
def test_an_effect_of_just_the_tolerance_is_flagged_as_often_as_the_level_says(n, m, way):
    rng = np.random.default_rng(11)
    p = np.array([0.02, *[0.098] * 10])
    direction = {
        "tail grows": [1, *[-0.1] * 10],
        "tail shrinks": [-1, *[0.1] * 10],
        "all bins": [0, *[1, -1] * 5],
    }[way]
    low, high = 0.0, 0.019
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if shares(p, p + middle * np.array(direction)) < 0.1 else (low, middle)
    q = p + high * np.array(direction)
    flagged = 0
    for _ in range(1500):
        a, b = rng.multinomial(n, p), rng.multinomial(m, q)
        found = effect(
            categories({str(i): int(c) for i, c in enumerate(a)}),
            categories({str(i): int(c) for i, c in enumerate(b)}),
        )
        flagged += found.p_value < 0.05
    assert flagged / 1500 == pytest.approx(0.05, abs=0.02)


def test_a_shift_of_the_mean_is_measured_and_small_windows_do_not_prove_it():
    rng = np.random.default_rng(1)
    reference = numbers(rng.normal(size=10_000))
    large = effect(reference, numbers(rng.normal(0.2, size=10_000), reference))
    small = effect(reference, numbers(rng.normal(0.2, size=100), reference))
    assert large.w == pytest.approx(0.2, abs=0.03)
    assert large.p_value < 1e-6
    assert small.p_value > 0.01


def test_coarse_bins_hold_similar_shares_between_two_tails():
    reference = numbers(np.random.default_rng(2).lognormal(size=10_000))
    bins = coarse_bins(reference.counts)
    masses = [sum(reference.counts[a:b]) for a, b in itertools.pairwise(bins)]
    assert len(masses) == CENTRAL_BINS + 2
    assert masses[0] == pytest.approx(100, abs=30)
    assert masses[-1] == pytest.approx(100, abs=30)
    assert all(700 < mass < 950 for mass in masses[1:-1])


@hypothesis_settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=60))
def test_coarse_bins_cover_every_fine_bin_once(counts):
    bins = coarse_bins(tuple(counts))
    assert bins[0] == 0
    assert bins[-1] == len(counts)
    assert list(bins) == sorted(set(bins))


def test_a_value_that_holds_many_rows_keeps_a_bin_of_its_own():
    rng = np.random.default_rng(3)
    reference = numbers(np.where(rng.random(10_000) < 0.6, 0.0, rng.exponential(size=10_000)))
    fewer = numbers(np.where(rng.random(10_000) < 0.45, 0.0, rng.exponential(size=10_000)), reference)
    found = effect(reference, fewer)
    assert found.w == pytest.approx(shares([0.6, 0.4], [0.45, 0.55]), abs=0.03)


def test_one_outlier_among_many_rows_changes_nothing():
    rng = np.random.default_rng(5)
    reference = numbers(rng.normal(size=10_000))
    values = rng.normal(size=10_000)
    quiet = effect(reference, numbers(values, reference))
    values[0] = 1e9
    strange = effect(reference, numbers(values, reference))
    assert abs(strange.statistic - quiet.statistic) < 1
    assert strange.p_value > 0.99


def test_a_filler_value_in_three_of_a_hundred_rows_is_found():
    rng = np.random.default_rng(6)
    reference = numbers(rng.normal(size=10_000))
    found = effect(
        reference, numbers(np.where(rng.random(10_000) < 0.03, -999.0, rng.normal(size=10_000)), reference)
    )
    assert found.p_value < 0.001


def test_a_column_of_nearly_one_value_has_one_bin_until_others_come():
    reference = numbers([0.0] * 9999 + [1.0], exact=True)
    assert effect(reference, numbers([0.0] * 999 + [5.0], reference)) == effect(
        reference, numbers([0.0] * 1000, reference)
    )
    found = effect(reference, numbers([0.0] * 800 + [5.0] * 200, reference))
    assert found.bins == 2
    assert found.p_value < 1e-9


def test_a_new_category_needs_no_pseudo_count():
    reference = categories({"a": 5000, "b": 5000})
    found = effect(reference, categories({"a": 4500, "b": 4500, "new": 1000}))
    assert found.bins == 3
    assert found.statistic / found.effective_rows == pytest.approx(
        shares([0.5, 0.5, 0], [0.45, 0.45, 0.1]) ** 2
    )
    assert found.p_value < 1e-9


def test_a_few_rows_of_new_categories_are_pooled_and_prove_nothing():
    reference = categories({"a": 9000, "b": 1000})
    window = categories({"a": 896, "b": 100, "new": 1, "newer": 1, "newest": 2})
    found = effect(reference, window)
    assert found.bins == 2
    assert found.p_value > 0.5


@hypothesis_settings(deadline=None)
@given(
    st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.integers(1, 400), min_size=1, max_size=30),
    st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.integers(1, 400), min_size=1, max_size=30),
    st.integers(0, 50),
    st.integers(0, 50),
)
def test_an_effect_is_the_same_in_both_directions_and_within_its_range(first, second, nulls, rest):
    a, b = categories(first, nulls=nulls), categories(second, rest=rest)
    found, back = effect(a, b), effect(b, a)
    assert (found is None) == (min(a.rows, b.rows) < 10)
    if found is not None:
        assert found.statistic == pytest.approx(back.statistic)
        assert found.bins == back.bins
        assert 0 <= found.w <= 2
        assert 0 <= found.p_value <= 1


def test_categories_that_a_profile_does_not_list_are_not_taken_for_absent():
    reference = categories({"a": 5000, "b": 3000}, rest=2000)
    found = effect(reference, categories({"a": 5000, "b": 3000, "c": 1500, "d": 500}))
    assert found.w == 0.0


def test_missing_values_are_a_bin():
    reference = categories({"a": 500, "b": 500})
    found = effect(reference, categories({"a": 400, "b": 400}, nulls=200))
    assert found.bins == 3
    assert found.p_value < 1e-9
    values = np.random.default_rng(8).normal(size=1000)
    column = numbers(values)
    assert effect(column, numbers(values[:700], column, nulls=300)).p_value < 1e-9


def test_a_window_of_nothing_but_nulls_is_as_different_as_can_be():
    column = numbers(np.random.default_rng(8).normal(size=1000))
    assert effect(column, numbers([], column, nulls=500)).w == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("rows", [0, 1, 9])
def test_too_few_rows_give_no_effect(rows):
    assert effect(categories({"a": 500, "b": 500}), categories({"a": rows} if rows else {})) is None


def test_other_columns_and_columns_of_two_kinds_give_no_effect():
    other = OtherProfile(name="x", type="BLOB", family=Family.OTHER, rows=100, nulls=0)
    assert effect(other, other) is None
    assert effect(categories({"a": 100}), numbers(range(100))) is None


def test_profiles_on_other_edges_are_refused():
    with pytest.raises(InputError) as refused:
        effect(numbers(range(100)), numbers(range(200)))
    assert refused.value.slug == "profiles-differ"


@pytest.mark.parametrize("tolerance", [-0.1, 2.0, math.nan])
def test_a_tolerance_out_of_range_is_refused(tolerance):
    same = categories({"a": 100})
    with pytest.raises(InputError) as refused:
        effect(same, same, tolerance=tolerance)
    assert refused.value.slug == "bad-setting"


@hypothesis_settings(deadline=None)
@given(st.floats(0, 1.9), st.integers(0, 1000))
def test_an_effect_can_be_tested_at_another_tolerance_without_the_data(tolerance, moved):
    first, second = categories({"a": 5000, "b": 5000}), categories({"a": 1000 - moved, "b": 1000 + moved})
    assert at_tolerance(effect(first, second), tolerance) == effect(first, second, tolerance=tolerance)


def test_effects_are_of_the_columns_of_both_profiles():
    first = categories({"a": 50, "b": 50})
    named = OtherProfile(name="y", type="BLOB", family=Family.OTHER, rows=100, nulls=0)
    reference = Profile(rows=100, columns=(first, named))
    assert list(effects(reference, Profile(rows=100, columns=(first,)))) == ["x"]


def test_windows_together_are_one_window_of_all_their_rows():
    rng = np.random.default_rng(9)
    reference = numbers(rng.normal(size=5000))
    parts = [rng.normal(0.1, size=500) for _ in range(3)]
    together = effects_together(
        Profile(rows=5000, columns=(reference,)),
        [Profile(rows=500, columns=(numbers(part, reference),)) for part in parts],
    )
    assert together == {"x": effect(reference, numbers(np.concatenate(parts), reference))}


def test_windows_in_which_a_column_is_broken_are_left_out_of_those_together():
    column = categories({"a": 50, "b": 50})
    broken = OtherProfile(name="x", type="BLOB", family=Family.OTHER, rows=100, nulls=0)
    windows = [Profile(rows=100, columns=(one,)) for one in (broken, column)]
    together = effects_together(Profile(rows=100, columns=(column,)), windows)
    assert together == {"x": effect(column, column)}
    assert effects_together(Profile(rows=100, columns=(column,)), windows[:1]) == {}
