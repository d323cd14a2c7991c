import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisplens.monitors import pvalues


@settings(deadline=None)
@given(st.floats(0, 5000), st.integers(1, 2000))
def test_chi_square_agrees_with_scipy(statistic, freedom):
    from scipy import stats

    expected = stats.chi2.sf(statistic, freedom)
    assert pvalues.chi_square_sf(statistic, freedom) == pytest.approx(expected, abs=1e-10)


def test_chi_square_at_its_ends():
    assert pvalues.chi_square_sf(0.0, 3) == 1.0
    assert pvalues.chi_square_sf(math.inf, 3) == 0.0


@pytest.mark.parametrize(
    ("n", "m"),
    [(30, 31), (50, 50), (100, 40), (500, 499), (1000, 1000), (1000, 997), (1000, 9999), (31, 10_000)],
)
@pytest.mark.parametrize("share", [0.3, 0.8, 1.0, 1.4, 2.0, 5.0])
def test_ks_agrees_with_scipy_exactly_for_small_samples(n, m, share):
    from scipy.stats._stats_py import _attempt_exact_2kssamp

    distance = min(1.0, share / math.sqrt(n * m / (n + m)))
    lattice = math.lcm(n, m)
    distance = round(distance * lattice) / lattice
    ok, _, expected = _attempt_exact_2kssamp(n, m, math.gcd(n, m), distance, "two-sided")
    assert ok
    assert pvalues.ks_two_sample(distance, n, m) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(("n", "m"), [(30, 20_000), (200, 50_000), (1000, 200_000), (40_000, 90_000)])
@pytest.mark.parametrize("share", [0.3, 0.8, 1.0, 1.2, 1.4, 2.0])
def test_ks_is_within_a_thousandth_of_scipy_for_large_samples(n, m, share):
    from scipy.stats import kstwo

    effective = n * m / (n + m)
    distance = share / math.sqrt(effective)
    expected = kstwo.sf(distance, round(effective))
    assert pvalues.ks_two_sample(distance, n, m) == pytest.approx(expected, abs=1e-3)


def test_ks_at_its_ends():
    assert pvalues.ks_two_sample(0.0, 100, 200) == 1.0
    assert pvalues.ks_two_sample(1.0, 500, 500) < 1e-100
    assert pvalues.ks_two_sample(1.0, 30, 40) < 1e-15


def test_normal():
    assert pvalues.normal_two_sided(1.959963984540054) == pytest.approx(0.05)


@settings(deadline=None, max_examples=300)
@given(st.integers(1, 60), st.floats(-3, 6), st.floats(-4, 8))
def test_noncentral_chi_square_agrees_with_scipy(freedom, magnitude, deviations):
    from scipy import stats

    noncentrality = 10**magnitude
    statistic = freedom + noncentrality + deviations * math.sqrt(2 * (freedom + 2 * noncentrality))
    expected = stats.ncx2.sf(max(statistic, 1e-3), freedom, noncentrality)
    found = pvalues.noncentral_chi_square_sf(max(statistic, 1e-3), freedom, noncentrality)
    assert found == pytest.approx(expected, rel=1e-9)


@settings(deadline=None)
@given(st.integers(1, 1000), st.floats(0, 5))
def test_noncentral_chi_square_without_an_effect_is_the_chi_square(freedom, ratio):
    expected = pvalues.chi_square_sf(ratio * freedom, freedom)
    assert pvalues.noncentral_chi_square_sf(ratio * freedom, freedom, 0.0) == pytest.approx(
        expected, rel=1e-9
    )


# From mpmath at 40 digits, as the Poisson mixture of incomplete gamma functions.
@pytest.mark.parametrize(
    ("statistic", "freedom", "noncentrality", "expected"),
    [
        (200.0, 9, 9.0, 1.71814877099419e-26),
        (400.0, 12, 50.0, 4.40296615319948e-36),
        (900.0, 1, 0.5, 6.38748443513209e-189),
        (2000.0, 60, 100.0, 1.15709869977491e-245),
        (1400.0, 30, 2.0, 2.57385501496119e-264),
    ],
)
def test_noncentral_chi_square_in_the_far_tail(statistic, freedom, noncentrality, expected):
    found = pvalues.noncentral_chi_square_sf(statistic, freedom, noncentrality)
    assert found == pytest.approx(expected, rel=1e-11)


def test_noncentral_chi_square_at_its_ends():
    assert pvalues.noncentral_chi_square_sf(0.0, 3, 5.0) == 1.0
    assert pvalues.noncentral_chi_square_sf(math.inf, 3, 5.0) == 0.0
    assert pvalues.noncentral_chi_square_sf(1e7, 3, 5.0) == 0.0
    assert pvalues.noncentral_chi_square_sf(1e-9, 1, 0.0) == pytest.approx(1.0, abs=1e-4)
