import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.monitors.performance.variants import (
    VariantSettings,
    VariantStatistics,
    VariantVerdict,
    check_split,
    compare_variants,
    merge_variants,
    of_proportion,
)

LOOKS, BATCH = 100, 100
SETTINGS = VariantSettings(planned_rows=5000)


def verdicts(draw, seed, settings=SETTINGS):
    """The verdict and the z of a plain test at each of many looks."""
    rng = np.random.default_rng(seed)
    sums = {}
    for name in ("old", "new"):
        values = draw(rng, name, LOOKS * BATCH).reshape(LOOKS, BATCH)
        sums[name] = values.sum(1).cumsum(), (values**2).sum(1).cumsum()
    found, plain = [], []
    for look in range(LOOKS):
        rows = (look + 1) * BATCH
        old, new = (
            VariantStatistics(name=name, rows=rows, total=float(one[look]), squares=float(two[look]))
            for name, (one, two) in sums.items()
        )
        found.append(compare_variants(old, new, settings).verdict)
        spread = sum(one.squares / rows - (one.total / rows) ** 2 for one in (old, new)) / rows
        plain.append(abs(new.total - old.total) / rows / math.sqrt(spread) if spread else 0.0)
    return found, plain


def coins(rate, effect=0.0):
    return lambda rng, name, n: (rng.random(n) < rate + (effect if name == "new" else 0)).astype(float)


def skewed(rng, name, n):
    return rng.lognormal(0, 1, n)


@pytest.mark.parametrize("draw", [coins(0.5), coins(0.04), skewed])
def test_looking_after_every_batch_keeps_false_alarms_below_the_level(draw):
    runs = [verdicts(draw, seed) for seed in range(500)]
    ever = np.mean([any(one is not VariantVerdict.NO_DIFFERENCE_YET for one in found) for found, _ in runs])
    repeated_test = np.mean([max(plain) > 1.96 for _, plain in runs])
    assert ever <= 0.05
    assert repeated_test > 0.25


def test_a_real_difference_is_found_in_time():
    first = []
    for seed in range(60):
        found, _ = verdicts(coins(0.2, 0.03), seed)
        first.append(found.index(VariantVerdict.BETTER) + 1 if VariantVerdict.BETTER in found else LOOKS + 1)
    # A single test planned for 80 % power takes 2,900 rows of each variant.
    assert np.mean(np.array(first) <= LOOKS) > 0.95
    assert np.median(first) * BATCH < 6000


def test_the_interval_covers_the_true_difference_at_all_looks():
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(200):
        old, new = rng.normal(0, 1, 5000).reshape(50, 100), rng.normal(0.3, 2, 5000).reshape(50, 100)
        sums = [(one.sum(1).cumsum(), (one**2).sum(1).cumsum()) for one in (old, new)]
        looks = [
            compare_variants(
                *(
                    VariantStatistics(
                        name=name, rows=100 * i + 100, total=float(one[i]), squares=float(two[i])
                    )
                    for name, (one, two) in zip(("old", "new"), sums, strict=True)
                ),
                SETTINGS,
            )
            for i in range(50)
        ]
        missed += any(not look.low <= 0.3 <= look.high for look in looks)
    assert missed / 200 <= 0.05


@given(st.integers(0, 3000), st.integers(0, 3000), st.sampled_from([0.01, 0.05, 0.2]))
def test_p_value_and_interval_agree(successes, others, level):
    found = compare_variants(
        of_proportion("old", successes=successes, rows=3000),
        of_proportion("new", successes=others, rows=3000),
        VariantSettings(level=level),
    )
    if found.p_value is None:
        assert "chance cannot be judged" in found.reason
        return
    assert (found.low > 0 or found.high < 0) == (found.p_value < level)


def compare(old, new, **settings):
    return compare_variants(
        of_proportion("old", successes=old, rows=100_000),
        of_proportion("new", successes=new, rows=100_000),
        VariantSettings(**settings),
    )


def test_the_verdict_follows_the_direction_that_is_better():
    assert compare(20_000, 22_000).verdict is VariantVerdict.BETTER
    assert compare(22_000, 20_000).verdict is VariantVerdict.WORSE
    assert compare(20_000, 22_000, higher_is_better=False).verdict is VariantVerdict.WORSE
    assert compare(20_000, 20_010).verdict is VariantVerdict.NO_DIFFERENCE_YET


def test_differences_too_small_to_matter_are_equivalent():
    assert compare(20_000, 20_010, minimum_effect=0.01).verdict is VariantVerdict.EQUIVALENT
    assert compare(20_000, 20_010, minimum_effect=0.001).verdict is VariantVerdict.NO_DIFFERENCE_YET
    assert compare(20_000, 22_000, minimum_effect=0.01).verdict is VariantVerdict.BETTER


def test_too_few_rows_say_nothing():
    found = compare_variants(
        of_proportion("old", successes=0, rows=99), of_proportion("new", successes=99, rows=5000)
    )
    assert (found.verdict, found.estimate) == (VariantVerdict.NO_DIFFERENCE_YET, None)
    assert found.reason == "old has 99 rows, fewer than 100."


def test_the_planned_size_is_where_the_interval_is_shortest():
    def length(planned, rows):
        old, new = (of_proportion(name, successes=rows // 2, rows=rows) for name in ("old", "new"))
        found = compare_variants(old, new, VariantSettings(planned_rows=planned))
        return found.high - found.low

    for rows in (500, 20_000):
        shortest = min(length(rows * factor // 16, rows) for factor in range(4, 64))
        assert length(rows, rows) == pytest.approx(shortest, rel=0.01)


@given(st.lists(st.integers(-50, 50), max_size=20), st.lists(st.integers(-50, 50), max_size=20))
def test_merged_parts_of_a_variant_are_the_whole(a, b):
    def of(values):
        return VariantStatistics(
            name="new", rows=len(values), total=float(sum(values)), squares=float(sum(v * v for v in values))
        )

    assert merge_variants(of(a), of(b)) == of(a + b)


def test_parts_of_two_variants_do_not_merge():
    with pytest.raises(InputError) as error:
        merge_variants(of_proportion("old", successes=1, rows=2), of_proportion("new", successes=1, rows=2))
    assert error.value.slug == "statistics-differ"


def test_a_split_is_tested_by_chi_square():
    from scipy.stats import chisquare

    found = check_split([5100, 4900, 10_300], [1, 1, 2])
    assert found.p_value == pytest.approx(chisquare([5100, 4900, 10_300], [5075, 5075, 10_150]).pvalue)
    assert found.as_planned
    assert not check_split([5300, 4700], [0.5, 0.5]).as_planned


@pytest.mark.parametrize(
    "settings", [{"level": 0}, {"minimum_effect": 0.0}, {"planned_rows": 0}, {"minimum_rows": 1}]
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InputError) as error:
        compare(1, 2, **settings)
    assert error.value.slug == "bad-setting"


@pytest.mark.parametrize(
    ("rows", "total", "squares"),
    [(100, 50.0, 10.0), (-1, 0.0, 0.0), (0, 1.0, 1.0), (100, math.nan, 1.0), (100, 1.0, math.inf)],
)
def test_sums_that_no_rows_can_have_are_refused(rows, total, squares):
    bad = VariantStatistics(name="new", rows=rows, total=total, squares=squares)
    with pytest.raises(InputError, match="no rows can have"):
        compare_variants(of_proportion("old", successes=50, rows=100), bad)


@pytest.mark.parametrize(
    ("rows", "shares"), [([1], [1]), ([0, 0], [1, 1]), ([1, 2], [1, 0]), ([1, 2], [1]), ([-1, 2], [1, 1])]
)
def test_a_split_without_rows_or_shares_is_refused(rows, shares):
    with pytest.raises(InputError):
        check_split(rows, shares)


def test_everything_fits_json():
    assert b"NaN" not in msgspec.json.encode([compare(20_000, 22_000), compare(0, 0), compare(0, 100_000)])
