"""The binomial tail and the Clopper-Pearson bound agree with SciPy's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from crisplens.monitors.quality.binomial import at_least, upper_bound

sizes = st.one_of(st.integers(1, 300), st.integers(1, 10**8))


@given(sizes, st.floats(0, 1), st.floats(0, 1))
def test_the_tail_agrees_with_scipy(n, part, share):
    k = round(n * part)
    assert at_least(k, n, share) == pytest.approx(binom.sf(k - 1, n, share), abs=1e-6)


@given(st.integers(1, 10**6), st.floats(1e-6, 1e-2), st.integers(-3, 8))
def test_small_tails_keep_their_relative_precision(n, share, deviations):
    k = min(n, max(0, round(n * share + deviations * (n * share) ** 0.5)))
    expected = binom.sf(k - 1, n, share)
    if expected > 1e-12:
        assert at_least(k, n, share) == pytest.approx(expected, rel=1e-6)


@given(st.integers(1, 10**6), st.floats(0, 1), st.sampled_from([0.05, 0.01, 0.0001]))
def test_the_bound_agrees_with_scipy(n, part, error):
    k = round(n * part)
    expected = 1.0 if k == n else beta.ppf(1 - error, k + 1, n - k)
    assert upper_bound(k, n, error) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(
    ("k", "n", "share", "chance"), [(0, 5, 0.5, 1), (6, 5, 0.5, 0), (1, 5, 0, 0), (3, 5, 1, 1)]
)
def test_certain_and_impossible_outcomes(k, n, share, chance):
    assert at_least(k, n, share) == chance
