import math
import random
import warnings
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crisplens.monitors import distances, profiles, scores
from crisplens.monitors.model import CategoricalProfile, ColumnKind, Family


def numeric(values, edges, *, exact=True, keep_values=False):
    return profiles.profile_numbers("x", values, edges, exact=exact, keep_values=keep_values)


def categorical(counts, *, rest=0):
    total = sum(counts.values()) + rest
    return CategoricalProfile(
        name="g",
        type="VARCHAR",
        family=Family.TEXT,
        rows=total,
        nulls=0,
        count=total,
        categories=profiles.sorted_categories(counts.items()),
        rest=rest,
        n_unique=len(counts),
    )


@pytest.mark.parametrize(
    ("rows", "distinct", "method"),
    [
        (1000, 2, "z"),
        (1000, 3, "chisquare"),
        (1000, 5, "chisquare"),
        (1000, 6, "ks"),
        (1000, None, "ks"),
        (1001, 2, "jensenshannon"),
        (1001, 5, "jensenshannon"),
        (1001, 6, "wasserstein"),
        (1001, None, "wasserstein"),
    ],
)
def test_default_method_of_numbers(rows, distinct, method):
    reference = numeric([float(i) for i in range(rows)], (0.0,))
    assert scores.default_method(reference, distinct) == method


@pytest.mark.parametrize(
    ("rows", "distinct", "method"),
    [(1000, 2, "z"), (1000, 3, "chisquare"), (1000, None, "chisquare"), (1001, 2, "jensenshannon")],
)
def test_default_method_of_categories(rows, distinct, method):
    assert scores.default_method(categorical({"a": rows}), distinct) == method


@pytest.mark.parametrize(
    ("method", "at", "below", "above"),
    [
        ("ks", True, True, False),
        ("chisquare", False, True, False),
        ("z", False, True, False),
        ("wasserstein", True, False, True),
        ("jensenshannon", True, False, True),
        ("psi", True, False, True),
        ("kl_div", True, False, True),
        ("hellinger", True, False, True),
        ("ed", False, False, True),
        ("TVD", False, True, False),
        ("g_test", False, True, False),
        ("t_test", False, True, False),
        ("mannw", False, True, False),
    ],
)
def test_which_side_of_the_threshold_is_drift(method, at, below, above):
    found = scores.METHODS[method]
    assert [found.drifts(score, 0.1) for score in (0.1, 0.05, 0.2)] == [at, below, above]


samples = st.lists(st.integers(-20, 20).map(float) | st.floats(-30, 30), min_size=2, max_size=60)


@settings(deadline=None)
@given(samples, samples)
def test_exact_ks_agrees_with_scipy(first, second):
    from scipy.stats import ks_2samp

    edges = profiles.exact_edges(first)
    score = scores.score(numeric(first, edges), numeric(second, edges), "ks")
    assert not score.approximate
    with warnings.catch_warnings():
        # Near 1, SciPy's rounding makes it leave its exact method.
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = ks_2samp(first, second).pvalue
    assert score.value == pytest.approx(expected, abs=1e-8 if expected < 0.99 else 0.01)


@given(
    st.lists(st.sampled_from([0.0, 1.0, 5.5]), min_size=2), st.lists(st.sampled_from([0.0, 1.0]), min_size=2)
)
def test_wasserstein_is_exact_when_the_window_has_only_values_of_the_reference(first, second):
    from scipy.stats import wasserstein_distance

    first = [*first, 0.0, 1.0]
    edges = profiles.exact_edges(first)
    score = scores.score(numeric(first, edges), numeric(second, edges), "wasserstein")
    assert not score.approximate
    expected = wasserstein_distance(first, second) / max(float(np.std(first)), 0.001)
    assert score.value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.3, 1.0, 5.0, 300.0])
@pytest.mark.parametrize("draw", ["gauss", "lognormvariate", "uniform", "spiked", "pareto"])
def test_binned_wasserstein_is_close(shift, draw):
    from scipy.stats import wasserstein_distance

    source = random.Random(f"{draw} {shift}")
    draws = {
        "gauss": lambda: source.gauss(0, 1),
        "lognormvariate": lambda: source.lognormvariate(0, 1),
        "uniform": lambda: source.uniform(0, 1),
        "spiked": lambda: 0.0 if source.random() < 0.6 else source.gauss(3, 1),
        "pareto": lambda: source.paretovariate(2.5),
    }
    first = [draws[draw]() for _ in range(4000)]
    second = [draws[draw]() + shift for _ in range(3000)]
    quantiles = [float(x) for x in np.quantile(first, profiles.QUANTILES, method="inverted_cdf")]
    edges = profiles.quantile_edges(quantiles, spread=float(np.std(first)))
    score = scores.score(
        numeric(first, edges, exact=False), numeric(second, edges, exact=False), "wasserstein"
    )
    expected = wasserstein_distance(first, second) / np.std(first)
    assert score.approximate
    assert score.value == pytest.approx(expected, abs=0.01, rel=0.01)


# The reference's edges are few, so that bins hold many values; the window leaves them on both sides.
wide_edges = st.lists(st.floats(-25, 25), min_size=1, max_size=8).map(sorted)


@settings(deadline=None)
@given(samples, samples, wide_edges)
def test_ks_errs_by_no_more_than_what_both_tables_have_in_a_bin(first, second, edges):
    from scipy.stats import ks_2samp

    a, b = (numeric(values, edges, exact=False) for values in (first, second))
    found = distances.ks_distance(a, b)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        exact = ks_2samp(first, second).statistic
    shared = max(min(r / a.count, c / b.count) for r, c in zip(a.counts, b.counts, strict=True))
    assert found - 1e-12 <= exact <= found + shared + 1e-12


@settings(deadline=None)
@given(samples, samples, wide_edges)
def test_wasserstein_errs_by_no_more_than_shares_times_widths(first, second, edges):
    from scipy.stats import wasserstein_distance

    a, b = (numeric(values, edges, exact=False) for values in (first, second))
    ends = [min(*first, *second), *edges, max(*first, *second)]
    widths = [max(0.0, min(high, ends[-1]) - max(low, ends[0])) for low, high in pairwise(ends)]
    most = sum(
        (r / a.count + c / b.count) * width for r, c, width in zip(a.counts, b.counts, widths, strict=True)
    )
    spread = max(float(np.std(first)), 0.001)
    error = abs(scores.score(a, b, "wasserstein").value - wasserstein_distance(first, second) / spread)
    assert error <= most / spread * (1 + 1e-9) + 1e-9


@settings(deadline=None)
@given(samples, samples)
def test_the_t_test_from_moments_is_scipys(first, second):
    from scipy.stats import ttest_ind

    # SciPy's own variance is rounding where numbers are all but equal.
    assume(max(np.std(first), np.std(second)) > 1e-3)
    edges = (0.0,)
    score = scores.score(numeric(first, edges), numeric(second, edges), "t_test")
    assert not score.approximate
    with warnings.catch_warnings():
        # Of one constant sample.
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = ttest_ind(first, second).pvalue
    assert score.value == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_the_t_test_of_very_many_rows_is_scipys():
    from scipy.stats import ttest_ind_from_stats

    for n, shift in ((4_900, 0.03), (5_100, 0.03), (6_000, 0.0), (2_000_000, 0.002), (2_000_000, 0.01)):
        a, b = (
            msgspec.structs.replace(numeric([mean, mean + 1], (0.0,)), count=n, mean=mean, m2=float(n))
            for mean in (0.0, shift)
        )
        std = math.sqrt(n / (n - 1))
        expected = ttest_ind_from_stats(0.0, std, n, shift, std, n).pvalue
        assert scores.score(a, b, "t_test").value == pytest.approx(expected, rel=1e-6)


def test_equal_constants_have_the_same_mean():
    edges = profiles.exact_edges([0.1])
    # 0.1 · 3 / 3 is not 0.1.
    a = msgspec.structs.replace(numeric([0.1] * 3, edges), mean=0.1 + 1e-17)
    assert scores.score(a, numeric([0.1] * 7, edges), "t_test").value == 1
    assert scores.score(a, numeric([0.2] * 7, edges), "t_test").value == 0


grid = st.lists(st.sampled_from([0.0, 0.5, 1.0, 4.0]), min_size=9, max_size=60)


@settings(deadline=None)
@given(grid, grid)
def test_mann_whitney_and_energy_are_scipys_where_the_window_has_only_values_of_the_reference(first, second):
    from scipy.stats import energy_distance, mannwhitneyu

    first = [*first, 0.0, 0.5, 1.0, 4.0]
    edges = profiles.exact_edges(first)
    a, b = numeric(first, edges), numeric(second, edges)
    found = {method: scores.score(a, b, method) for method in ("mannw", "ed")}
    assert not any(one.approximate for one in found.values())
    expected = mannwhitneyu(first, second, alternative="less", method="asymptotic").pvalue
    assert found["mannw"].value == pytest.approx(expected)
    assert found["ed"].value == pytest.approx(energy_distance(first, second), abs=1e-7)


def test_mann_whitney_asks_only_whether_the_window_is_larger():
    edges = profiles.exact_edges(range(40))
    low, high = (numeric([float(i + up) for i in range(30)], edges) for up in (0, 10))
    assert scores.score(low, high, "mannw").value < 0.001
    assert scores.score(high, low, "mannw").value > 0.999


def test_a_constant_reference_is_normed_by_a_thousandth():
    edges = profiles.exact_edges([5.0])
    score = scores.score(numeric([5.0] * 3, edges), numeric([6.0] * 3, edges), "wasserstein")
    assert score.value == pytest.approx(1000)


@pytest.mark.parametrize("method", ["jensenshannon", "psi", "kl_div", "hellinger"])
def test_binned_distances_are_close_to_evidentlys(method):
    source = np.random.default_rng(7)
    first, second = source.normal(0, 1, 5000), source.normal(0.3, 1.2, 4000)
    bins = np.histogram_bin_edges(np.concatenate([first, second]), bins="sturges")
    counts = [np.histogram(sample, bins)[0].astype(float).tolist() for sample in (first, second)]
    expected = distances.score_counts(list(zip(*counts, strict=True)), method)
    edges = profiles.quantile_edges(np.quantile(first, profiles.QUANTILES).tolist(), spread=1.0)
    profile = [numeric(sample.tolist(), edges, exact=False) for sample in (first, second)]
    score = scores.score(profile[0], profile[1], method)
    assert score.approximate
    assert score.value == pytest.approx(expected, abs=0.01)


def test_few_values_are_compared_one_by_one():
    edges = profiles.exact_edges([1.0, 2.0])
    a = numeric([1.0, 1.0, 2.0], edges, keep_values=True)
    b = numeric([1.0, 2.0, 2.0], edges, keep_values=True)
    assert scores.distinct_values(a, b) == 2
    assert not scores.score(a, b, "jensenshannon").approximate


def test_jensen_shannon_agrees_with_scipy():
    from scipy.spatial.distance import jensenshannon

    a, b = categorical({"a": 5, "b": 3, "c": 2}), categorical({"a": 1, "b": 3, "d": 4})
    expected = jensenshannon([5, 3, 2, 0], [1, 3, 0, 4])
    assert scores.score(a, b, "jensenshannon").value == pytest.approx(expected)


def test_chi_square_agrees_with_scipy():
    from scipy.stats import chisquare

    a, b = categorical({"a": 50, "b": 30, "c": 20}), categorical({"a": 20, "b": 18, "c": 12})
    expected = chisquare([20, 18, 12], [25, 15, 10]).pvalue
    assert scores.score(a, b, "chisquare").value == pytest.approx(expected)


def test_the_g_test_is_scipys_on_counts_scaled_to_the_window():
    from scipy.stats import power_divergence

    a, b = categorical({"a": 50, "b": 30, "c": 20}), categorical({"a": 20, "b": 30})
    expected = power_divergence([20, 30, 0], [25, 15, 10], lambda_="log-likelihood").pvalue
    assert scores.score(a, b, "g_test").value == pytest.approx(expected)


def test_the_hellinger_distance_of_categories():
    a, b = categorical({"a": 4, "b": 4}), categorical({"a": 1, "c": 1})
    assert scores.score(a, b, "hellinger").value == pytest.approx(math.sqrt(1 - 0.5))
    assert scores.score(a, a, "hellinger").value == 0


def test_logarithms_of_absent_categories_are_lifted_as_in_evidently():
    from scipy.stats import entropy

    # The least share of the reference is 0.0001 or less, that of the window more.
    a, b = categorical({"a": 99_990, "b": 10}), categorical({"a": 50, "c": 50})
    r, c = np.array([0.9999, 0.0001, 0.0001 / 10**6]), np.array([0.5, 0.0001, 0.5])
    assert scores.score(a, b, "psi").value == pytest.approx(np.sum((r - c) * np.log(r / c)))
    assert scores.score(a, b, "kl_div").value == pytest.approx(entropy(r, c))


def test_total_variation_of_two_categories_is_near_the_share_of_splits_that_are_as_far_apart():
    from scipy.stats import hypergeom

    for (r, n), (c, m) in [((30, 60), (12, 40)), ((5, 90), (1, 70)), ((600, 2000), (700, 2100))]:
        drawn = np.arange(max(0, r + c - m), min(n, r + c) + 1)
        apart = np.abs(drawn / n - (r + c - drawn) / m)
        chosen = apart >= abs(r / n - c / m) - 1e-12
        exact = hypergeom(n + m, r + c, n).pmf(drawn)[chosen].sum()
        found = scores.score(categorical({"a": r, "b": n - r}), categorical({"a": c, "b": m - c}), "TVD")
        assert found.value == pytest.approx(exact, abs=0.045)


def test_total_variation_agrees_with_a_permutation_of_the_rows():
    rng = np.random.default_rng(3)
    a, b = {"a": 40, "b": 30, "c": 20, "d": 3}, {"a": 30, "b": 40, "c": 10, "e": 2}
    rows = np.array([*"a" * 70, *"b" * 70, *"c" * 30, *"ddd", *"ee"])
    n, m = 93, 82

    def apart(first, second):
        return sum(abs(np.sum(first == key) / n - np.sum(second == key) / m) for key in "abcde")

    observed = sum(abs(a.get(key, 0) / n - b.get(key, 0) / m) for key in "abcde")
    splits = [rng.permutation(rows) for _ in range(2000)]
    expected = np.mean([apart(one[:n], one[n:]) >= observed - 1e-12 for one in splits])
    assert 0.02 < expected < 0.5
    score = scores.score(categorical(a), categorical(b), "TVD").value
    assert score == pytest.approx(expected, abs=0.055)
    assert score == scores.score(categorical(a), categorical(b), "TVD").value


def test_total_variation_of_millions_of_rows_takes_no_longer():
    a, b = {"a": 10**8, "b": 10**8, "c": 10**6}, {"a": 10**8, "b": 10**8 - 10**5, "c": 10**6}
    assert scores.score(categorical(a), categorical(a), "TVD").value == 1
    assert scores.score(categorical(a), categorical(b), "TVD").value < 0.01


def test_numbers_that_are_categories_are_in_the_order_of_numbers():
    def whole(counts):
        return msgspec.structs.replace(categorical(counts), family=Family.NUMBER)

    a, b = {"9": 50, "10": 50, "11": 50}, {"9": 20, "10": 60, "11": 70}
    text = {"a": 50, "b": 50, "c": 50}, {"a": 20, "b": 60, "c": 70}
    assert scores.score(whole(a), whole(b), "z") == scores.score(*map(categorical, text), "z")


@pytest.mark.parametrize("method", ["chisquare", "g_test"])
def test_a_new_category_is_certain_drift_for_tests_of_fit(method):
    assert scores.score(categorical({"a": 9, "b": 9}), categorical({"a": 9, "z": 1}), method).value == 0


def test_one_and_the_same_category_is_no_drift():
    a = categorical({"a": 50})
    assert scores.score(a, a, "z").value == 1.0
    assert scores.score(a, a, "chisquare").value == 1.0
    assert scores.score(a, a, "TVD").value == 1.0
    assert scores.score(a, a, "jensenshannon").value == 0.0


def test_categories_that_are_not_listed_make_the_score_approximate():
    a, b = categorical({"a": 5}, rest=5), categorical({"a": 5})
    assert scores.distinct_values(a, b) is None
    assert scores.score(a, b, "jensenshannon").approximate


def test_new_categories_may_be_lumped_without_changing_jensen_shannon():
    a = categorical({"a": 10})
    apart, lumped = categorical({"a": 5, "x": 3, "y": 2}), categorical({"a": 5}, rest=5)
    values = [scores.score(a, b, "jensenshannon").value for b in (apart, lumped)]
    assert values[0] == pytest.approx(values[1])


CATEGORICAL, NUMERIC = (
    sorted(name for name, method in scores.METHODS.items() if kind in method.kinds)
    for kind in (ColumnKind.CATEGORICAL, ColumnKind.NUMERIC)
)
counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 500), min_size=1)


@given(counts, counts, st.sampled_from(CATEGORICAL))
def test_every_categorical_score_is_finite(first, second, method):
    score = scores.score(categorical(first), categorical(second), method).value
    assert math.isfinite(score)
    if scores.METHODS[method].p_value:
        assert 0 <= score <= 1


@settings(deadline=None)
@given(samples, samples, st.sampled_from(NUMERIC))
def test_every_numeric_score_is_finite(first, second, method):
    edges = profiles.exact_edges(first)
    score = scores.score(numeric(first, edges), numeric(second, edges), method).value
    assert math.isfinite(score)
    if scores.METHODS[method].p_value:
        assert 0 <= score <= 1


def test_profiles_of_two_kinds_cannot_be_scored():
    with pytest.raises(TypeError):
        scores.score(categorical({"a": 1}), numeric([1.0], (0.0,)), "psi")


def test_every_method_names_its_kinds():
    assert all(method.kinds <= set(ColumnKind) for method in scores.METHODS.values())
