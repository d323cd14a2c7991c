import math
import random
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
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


def test_a_constant_reference_is_normed_by_a_thousandth():
    edges = profiles.exact_edges([5.0])
    score = scores.score(numeric([5.0] * 3, edges), numeric([6.0] * 3, edges), "wasserstein")
    assert score.value == pytest.approx(1000)


@pytest.mark.parametrize("method", ["jensenshannon", "psi", "kl_div"])
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


def test_a_new_category_is_certain_drift_for_chi_square():
    assert scores.score(categorical({"a": 9, "b": 9}), categorical({"a": 9, "z": 1}), "chisquare").value == 0


def test_one_and_the_same_category_is_no_drift():
    a = categorical({"a": 50})
    assert scores.score(a, a, "z").value == 1.0
    assert scores.score(a, a, "chisquare").value == 1.0
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


counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 500), min_size=1)


@given(counts, counts, st.sampled_from(["chisquare", "z", "jensenshannon", "psi", "kl_div"]))
def test_every_categorical_score_is_finite(first, second, method):
    score = scores.score(categorical(first), categorical(second), method).value
    assert math.isfinite(score)
    if scores.METHODS[method].p_value:
        assert 0 <= score <= 1


@settings(deadline=None)
@given(samples, samples, st.sampled_from(["ks", "wasserstein", "jensenshannon", "psi", "kl_div"]))
def test_every_numeric_score_is_finite(first, second, method):
    edges = profiles.exact_edges(first)
    assert math.isfinite(scores.score(numeric(first, edges), numeric(second, edges), method).value)


def test_profiles_of_two_kinds_cannot_be_scored():
    with pytest.raises(TypeError):
        scores.score(categorical({"a": 1}), numeric([1.0], (0.0,)), "psi")


def test_every_method_names_its_kinds():
    assert all(method.kinds <= set(ColumnKind) for method in scores.METHODS.values())
