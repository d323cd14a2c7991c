import msgspec
import numpy as np
import pytest

from crisplens.core.errors import InputError
from crisplens.monitors.performance.model import (
    BinaryStatistics,
    Confusion,
    Group,
    LossSums,
    RegressionStatistics,
    ScoreBin,
)
from crisplens.monitors.performance.segments import (
    SegmentSettings,
    SegmentVerdict,
    compare_segments,
)


def classifier(name, right, rows, column="region"):
    """A segment in which `right` of `rows` predictions are right."""
    wrong = rows - right
    counts = {"tp": right // 2, "tn": right - right // 2, "fp": wrong // 2, "fn": wrong - wrong // 2}
    return Group(segment={column: name}, statistics=BinaryStatistics(confusion=Confusion(**counts)))


def regression(name, errors):
    e = np.asarray(errors, float)
    sums = {"e": e.sum(), "abs_e": np.abs(e).sum(), "e2": (e**2).sum(), "e4": (e**4).sum()}
    plain = {key: float(value) for key, value in sums.items()}
    return Group(
        segment={"region": name},
        statistics=RegressionStatistics(count=len(e), relative=LossSums(), **plain),
    )


def verdicts(found):
    return {one.segment["region"]: one.verdict for one in found}


def test_a_segment_that_does_worse_is_found_first():
    groups = [classifier("north", 900, 1000), classifier("south", 780, 1000), classifier("west", 905, 1000)]
    found = compare_segments(groups, "accuracy")
    assert found[0].segment == {"region": "south"}
    assert verdicts(found)["south"] is SegmentVerdict.WORSE
    assert (found[0].value, found[0].rest) == (0.78, pytest.approx(0.9025))
    assert found[0].low < found[0].difference < found[0].high < 0


def test_the_p_value_is_that_of_the_pooled_z_test():
    from statsmodels.stats.proportion import proportions_ztest

    (first, *_) = compare_segments([classifier("a", 850, 1000), classifier("b", 440, 500)], "accuracy")
    _, expected = proportions_ztest([850, 440], [1000, 500])
    assert first.p_value == pytest.approx(expected)


def test_adjusted_p_values_are_scipys():
    from scipy.stats import false_discovery_control

    rng = np.random.default_rng(3)
    groups = [classifier(f"s{i}", int(rng.binomial(400, 0.85)), 400) for i in range(12)]
    found = compare_segments(groups, "accuracy")
    expected = false_discovery_control([one.p_value for one in found])
    assert [one.adjusted for one in found] == pytest.approx(list(expected))


def test_chance_alone_seldom_finds_a_segment():
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(200):
        groups = [classifier(f"s{i}", int(rng.binomial(300, 0.8)), 300) for i in range(20)]
        found = compare_segments(groups, "accuracy")
        wrong += any(one.verdict is not SegmentVerdict.NO_DIFFERENCE for one in found)
    assert wrong / 200 < 0.09


def test_larger_errors_are_worse():
    rng = np.random.default_rng(1)
    groups = [regression("a", rng.normal(0, 1, 500)), regression("b", rng.normal(0, 2, 500))]
    assert verdicts(compare_segments(groups, "mae")) == {
        "b": SegmentVerdict.WORSE,
        "a": SegmentVerdict.BETTER,
    }


def test_a_bias_further_from_zero_is_worse():
    rng = np.random.default_rng(1)
    groups = [regression("a", rng.normal(0.1, 1, 500)), regression("b", rng.normal(-2, 1, 500))]
    assert compare_segments(groups, "bias")[0].segment == {"region": "b"}
    assert verdicts(compare_segments(groups, "bias"))["b"] is SegmentVerdict.WORSE


def test_the_rest_is_all_other_segments():
    right = [900, 850, 700, 950, 820]
    groups = [classifier(f"s{i}", one, 1000) for i, one in enumerate(right)]
    rest = {one.segment["region"]: one.rest for one in compare_segments(groups, "accuracy")}
    expected = {f"s{i}": (sum(right) - one) / 4000 for i, one in enumerate(right)}
    assert rest == pytest.approx(expected)


def test_equal_biases_to_either_side_are_no_difference():
    errors = np.random.default_rng(1).normal(1, 1, 500)
    found = compare_segments([regression("a", errors), regression("b", -errors)], "bias")
    assert set(verdicts(found).values()) == {SegmentVerdict.NO_DIFFERENCE}


def test_segments_of_different_columns_are_compared_apart():
    groups = [classifier("north", 900, 1000), classifier("south", 850, 1000)]
    groups += [classifier("f", 875, 1000, "sex"), classifier("m", 875, 1000, "sex")]
    rest = {tuple(one.segment.values()): one.rest for one in compare_segments(groups, "accuracy")}
    assert rest == {("north",): 0.85, ("south",): 0.9, ("f",): 0.875, ("m",): 0.875}


def test_small_segments_are_not_judged():
    found = compare_segments([classifier("a", 0, 99), classifier("b", 900, 1000)], "accuracy")
    assert set(verdicts(found).values()) == {SegmentVerdict.INSUFFICIENT_DATA}
    assert "99 labelled rows, fewer than 100" in found[0].reason + found[1].reason


def test_differences_too_small_to_matter_are_none():
    groups = [classifier("a", 9000, 10_000), classifier("b", 8800, 10_000)]
    for least, expected in ((0.0, SegmentVerdict.WORSE), (0.05, SegmentVerdict.NO_DIFFERENCE)):
        found = compare_segments(groups, "accuracy", settings=SegmentSettings(minimum_difference=least))
        assert verdicts(found)["b"] is expected


def test_what_is_undefined_says_why():
    only_negatives = Group(
        segment={"region": "a"},
        statistics=BinaryStatistics(confusion=Confusion(tn=500), scores=(ScoreBin(3, 0, 0, 0, 500),)),
    )
    found = compare_segments([only_negatives, classifier("b", 400, 500)], "recall")
    assert verdicts(found) == {"a": SegmentVerdict.UNDEFINED, "b": SegmentVerdict.UNDEFINED}
    assert b"NaN" not in msgspec.json.encode(found)


def test_a_metric_that_is_not_there_is_refused():
    with pytest.raises(InputError) as error:
        compare_segments([classifier("a", 1, 2)], "acuracy")
    assert error.value.slug == "unknown-name"


@pytest.mark.parametrize("settings", [{"level": 0}, {"minimum_rows": 0}, {"minimum_difference": -1}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InputError) as error:
        compare_segments([], "accuracy", settings=SegmentSettings(**settings))
    assert error.value.slug == "bad-setting"
