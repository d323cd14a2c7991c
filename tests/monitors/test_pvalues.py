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
