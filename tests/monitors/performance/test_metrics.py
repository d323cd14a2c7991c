import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from crisplens.core.errors import InputError
from crisplens.monitors.performance import intervals, score_bins
from crisplens.monitors.performance.merging import merge, merge_all, recentre
from crisplens.monitors.performance.metrics import (
    BINARY,
    MULTICLASS,
    REGRESSION,
    by_name,
    metrics_of,
    row_count,
)
from crisplens.monitors.performance.model import (
    BinaryStatistics,
    ClassCell,
    Confusion,
    LossSums,
    MulticlassStatistics,
    RegressionStatistics,
    ScoreBin,
)


def binary(actual, score, predicted=None):
    actual, score = np.asarray(actual, bool), np.asarray(score, float)
    predicted = score >= 0.5 if predicted is None else np.asarray(predicted, bool)
    cells = {}
    for truth, guess, value in zip(actual, predicted, score, strict=True):
        kind = ("tp" if truth else "fp") if guess else ("fn" if truth else "tn")
        index = score_bins.bin_of(float(value))
        cells.setdefault(index, dict.fromkeys(("tp", "fp", "fn", "tn"), 0))[kind] += 1
    clipped = np.clip(score, 1e-15, 1 - 1e-15)
    log = -np.where(actual, np.log(clipped), np.log1p(-clipped))
    square = (score - actual) ** 2
    return BinaryStatistics(
        confusion=Confusion(**{k: sum(cell[k] for cell in cells.values()) for k in ("tp", "fp", "fn", "tn")}),
        scores=tuple(ScoreBin(index, **cells[index]) for index in sorted(cells)),
        brier=LossSums(total=float(square.sum()), squares=float((square**2).sum())),
        log_loss=LossSums(total=float(log.sum()), squares=float((log**2).sum())),
    )


def multiclass(actual, predicted):
    pairs = list(zip(actual, predicted, strict=True))
    return MulticlassStatistics(
        cells=tuple(ClassCell(*pair, pairs.count(pair)) for pair in sorted(set(pairs)))
    )


def regression(label, prediction, centre=0.0):
    y, p = np.asarray(label, float), np.asarray(prediction, float)
    e, d = p - y, y - centre
    relative = np.abs(e[y != 0] / y[y != 0])
    return RegressionStatistics(
        count=len(y),
        centre=centre,
        **{"e": float(e.sum()), "abs_e": float(np.abs(e).sum()), "e2": float((e**2).sum())},
        **{"e4": float((e**4).sum()), "d": float(d.sum()), "d2": float((d**2).sum())},
        **{"d3": float((d**3).sum()), "d4": float((d**4).sum())},
        **{"e2_d": float((e**2 * d).sum()), "e2_d2": float((e**2 * d**2).sum())},
        relative=LossSums(total=float(relative.sum()), squares=float((relative**2).sum())),
        relative_count=len(relative),
    )


def draw(n, seed=1, rate=0.4):
    rng = np.random.default_rng(seed)
    actual = rng.random(n) < rate
    return actual, 1 / (1 + np.exp(-rng.normal(np.where(actual, 0.8, -0.8), 1.2)))


def delong(actual, score):
    """DeLong's variance from the scores themselves."""
    x, y = score[actual], score[~actual]
    wins = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
    return wins.mean(), wins.mean(1).var(ddof=1) / len(x) + wins.mean(0).var(ddof=1) / len(y)


def test_binary_metrics_agree_with_scikit_learn():
    actual, score = draw(3000)
    predicted = score >= 0.5
    found = by_name(metrics_of(binary(actual, score)))
    expected = {
        "accuracy": sk.accuracy_score(actual, predicted),
        "precision": sk.precision_score(actual, predicted),
        "recall": sk.recall_score(actual, predicted),
        "specificity": sk.recall_score(~actual, ~predicted),
        "f1": sk.f1_score(actual, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(actual, predicted),
        "mcc": sk.matthews_corrcoef(actual, predicted),
        "log_loss": sk.log_loss(actual, score),
        "brier": sk.brier_score_loss(actual, score),
    }
    assert tuple(found) == BINARY
    assert {name: found[name].value for name in expected} == pytest.approx(expected, abs=1e-12)
    auc = found["roc_auc"]
    assert auc.error < 0.001
    assert abs(auc.value - sk.roc_auc_score(actual, score)) <= auc.error
    area, variance = delong(actual, score)
    assert auc.standard_error == pytest.approx(math.sqrt(variance), rel=0.002)
    assert auc.low < area < auc.high


@pytest.mark.parametrize("shrink", [1.0, 0.01, 0.0001])
def test_scores_of_rare_events_keep_their_order(shrink):
    actual, score = draw(4000)
    auc = by_name(metrics_of(binary(actual, score * shrink)))["roc_auc"]
    assert auc.error < 0.01
    assert abs(auc.value - sk.roc_auc_score(actual, score)) <= auc.error


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_bins_follow_the_order_of_scores(scores):
    bins = [score_bins.bin_of(score) for score in sorted(scores)]
    assert bins == sorted(bins)
    assert all(0 <= one < score_bins.COUNT for one in bins)


def test_the_middle_of_a_bin_is_in_it():
    assert [score_bins.bin_of(score_bins.score_of(i)) for i in range(score_bins.COUNT)] == list(
        range(score_bins.COUNT)
    )


@given(st.integers(0, 50), st.integers(1, 50), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(part, more, level):
    from scipy.stats import binomtest

    rows = part + more
    expected = binomtest(part, rows).proportion_ci(level, method="wilson")
    found = intervals.wilson(part / rows, rows, intervals.critical(level))
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


def bootstrap(make, rows, n=400):
    """The spread of each metric over resampled rows."""
    rng = np.random.default_rng(3)
    found = [by_name(metrics_of(make(rng.integers(0, rows, rows)))) for _ in range(n)]
    return {name: np.std([one[name].value for one in found]) for name in found[0]}


def test_standard_errors_of_binary_metrics_are_what_resampling_shows():
    actual, score = draw(400)
    statistics = by_name(metrics_of(binary(actual, score)))
    spread = bootstrap(lambda rows: binary(actual[rows], score[rows]), 400)
    for name in BINARY:
        assert statistics[name].standard_error == pytest.approx(spread[name], rel=0.12), name


def test_standard_errors_of_multiclass_metrics_are_what_resampling_shows():
    rng = np.random.default_rng(8)
    actual = rng.choice(list("aabbc"), 400)
    predicted = np.where(rng.random(400) < 0.7, actual, rng.choice(list("abc"), 400))
    statistics = by_name(metrics_of(multiclass(actual, predicted)))
    spread = bootstrap(lambda rows: multiclass(actual[rows].tolist(), predicted[rows].tolist()), 400)
    for name in MULTICLASS:
        assert statistics[name].standard_error == pytest.approx(spread[name], rel=0.12), name


def test_standard_errors_of_regression_metrics_are_what_resampling_shows():
    rng = np.random.default_rng(8)
    label = rng.normal(50, 10, 1000)
    prediction = label + rng.normal(1, 6, 1000)
    statistics = by_name(metrics_of(regression(label, prediction, centre=48.0)))
    spread = bootstrap(lambda rows: regression(label[rows], prediction[rows]), 1000)
    for name in REGRESSION:
        assert statistics[name].standard_error == pytest.approx(spread[name], rel=0.12), name


def test_multiclass_metrics_agree_with_scikit_learn():
    rng = np.random.default_rng(2)
    actual = rng.choice(list("aaabbcd"), 500).tolist()
    predicted = [a if rng.random() < 0.6 else str(rng.choice(list("abc"))) for a in actual]
    found = metrics_of(multiclass(actual, predicted))
    named = by_name(found)
    for kind, score in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)):
        for average in ("macro", "weighted"):
            expected = score(actual, predicted, average=average, zero_division=0)
            assert named[f"{kind}_{average}"].value == pytest.approx(expected), (kind, average)
        each = {one.label: one.value for one in found if one.name == kind and one.label}
        expected = score(actual, predicted, average=None, labels=sorted(each), zero_division=0)
        assert [each[name] or 0.0 for name in sorted(each)] == pytest.approx(list(expected))
    assert named["accuracy"].value == pytest.approx(sk.accuracy_score(actual, predicted))


def test_a_class_that_is_never_predicted_is_said():
    found = metrics_of(multiclass(["a", "b", "b"], ["b", "b", "b"]))
    assert by_name(found)["precision_macro"].reason == "1 of 2 classes never predicted, counted as 0."
    (alone,) = [one for one in found if one.label == "a" and one.name == "precision"]
    assert (alone.value, alone.reason) == (None, "The class was never predicted.")


def test_regression_metrics_agree_with_scikit_learn():
    rng = np.random.default_rng(2)
    label = rng.normal(5, 2, 300).round(1)
    prediction = label + rng.normal(0.5, 1, 300)
    found = by_name(metrics_of(regression(label, prediction, centre=5.0)))
    there = label != 0
    assert found["mae"].value == pytest.approx(sk.mean_absolute_error(label, prediction))
    assert found["rmse"].value == pytest.approx(sk.root_mean_squared_error(label, prediction))
    assert found["r2"].value == pytest.approx(sk.r2_score(label, prediction))
    assert found["bias"].value == pytest.approx((prediction - label).mean())
    expected = sk.mean_absolute_percentage_error(label[there], prediction[there])
    assert found["mape"].value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("statistics", "undefined"),
    [
        (BinaryStatistics(confusion=Confusion()), set(BINARY)),
        (binary([1, 1], [0.2, 0.3]), {"precision", "specificity", "balanced_accuracy", "mcc", "roc_auc"}),
        (binary([0, 0], [0.2, 0.3]), {"precision", "recall", "f1", "balanced_accuracy", "mcc", "roc_auc"}),
        (BinaryStatistics(confusion=Confusion(tp=3, tn=4)), {"roc_auc", "brier", "log_loss"}),
        (MulticlassStatistics(), set(MULTICLASS)),
        (RegressionStatistics(), set(REGRESSION)),
        (regression([0, 0], [1, 2]), {"r2", "mape"}),
        (regression([7, 7], [1, 2]), {"r2"}),
    ],
)
def test_what_is_undefined_is_none_with_a_reason(statistics, undefined):
    found = metrics_of(statistics)
    assert {one.name for one in found if one.value is None} == undefined
    assert all(one.reason for one in found if one.value is None)
    assert b"NaN" not in msgspec.json.encode(found)


def test_a_perfect_model_has_no_nan():
    found = by_name(metrics_of(binary([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])))
    assert found["roc_auc"].value == 1
    assert found["roc_auc"].low is None
    assert "interval is not known" in found["roc_auc"].reason
    assert found["accuracy"].low == pytest.approx(0.5101, abs=1e-4)


@pytest.mark.parametrize("size", [1e-70, 1e35, 1e70])
def test_regression_metrics_of_any_size_are_the_same_but_for_the_size(size):
    rng = np.random.default_rng(1)
    label, prediction = rng.normal(1, 1, 50), rng.normal(1, 1, 50)
    small, large = (by_name(metrics_of(regression(label * k, prediction * k))) for k in (1.0, size))
    assert large["r2"].value == pytest.approx(small["r2"].value)
    assert large["mae"].value == pytest.approx(small["mae"].value * size)


@pytest.mark.parametrize("spread", [1e-130, 1e-100])
def test_errors_beyond_all_measure_give_no_infinity(spread):
    d2 = 3 * spread**2
    huge = RegressionStatistics(count=3, e=1e75, abs_e=1e75, e2=1e150, e4=1e300, d2=d2, e2_d=0.0)
    found = metrics_of(huge)
    assert all(one.value is None or math.isfinite(one.value) for one in found)
    assert by_name(found)["r2"].reason


rows = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), max_size=20)
numbers = st.floats(-100, 100).map(lambda value: round(value, 3))
pairs = st.lists(st.tuples(numbers, numbers), max_size=15)
classes = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), max_size=20)


def near(statistics):
    """The numbers of statistics, to compare with rounding."""
    plain = msgspec.to_builtins(statistics)
    flat = {}
    for key, value in plain.items():
        items = value.items() if isinstance(value, dict) else [("", value)]
        flat.update({f"{key}{inner}": one for inner, one in items})
    exact = {k: v for k, v in flat.items() if not isinstance(v, float)}
    return exact, {k: v for k, v in flat.items() if isinstance(v, float)}


def assert_same(first, second):
    assert near(first)[0] == near(second)[0]
    assert near(first)[1] == pytest.approx(near(second)[1], rel=1e-9, abs=1e-6)


@given(rows, rows)
def test_merged_binary_parts_are_the_whole(a, b):
    def of(part):
        return binary([one for one, _ in part], [score for _, score in part])

    assert_same(merge(of(a), of(b)), of(a + b))


@given(classes, classes)
def test_merged_multiclass_parts_are_the_whole(a, b):
    def of(part):
        return multiclass([one for one, _ in part], [guess for _, guess in part])

    assert merge(of(a), of(b)) == of(a + b)


@given(pairs, pairs, numbers, numbers)
def test_merged_regression_parts_are_the_whole(a, b, one_centre, other_centre):
    def of(part, centre):
        return regression([y for y, _ in part], [p for _, p in part], centre)

    whole = merge(of(a, one_centre), of(b, other_centre))
    if not a and not b:
        assert whole.count == 0
        return
    assert_same(recentre(whole, 0.0), recentre(of(a + b, 0.0), 0.0))


def test_many_parts_merge():
    actual, score = draw(300)
    parts = [binary(actual[i::7], score[i::7]) for i in range(7)]
    assert row_count(merge_all(parts)) == 300
    assert_same(merge_all(parts), binary(actual, score))


def test_statistics_of_two_kinds_of_model_do_not_merge():
    with pytest.raises(InputError) as error:
        merge(BinaryStatistics(confusion=Confusion(tp=1)), RegressionStatistics(count=1))
    assert error.value.slug == "statistics-differ"


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_out_of_range_is_refused(level):
    with pytest.raises(InputError, match="confidence level"):
        metrics_of(MulticlassStatistics(), level=level)
