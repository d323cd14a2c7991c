import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from crisplens.core.errors import InputError
from crisplens.monitors.performance import score_bins
from crisplens.monitors.performance.estimation import (
    AlertThreshold,
    calibrate,
    estimate,
    probability,
    reference_thresholds,
)
from crisplens.monitors.performance.metrics import binary_metrics, by_name
from crisplens.monitors.performance.model import (
    BinaryStatistics,
    Confusion,
    Metric,
    PredictedBin,
    ScoreBin,
)

SHIFTS = [0.0, 0.5, -0.7]


def draw(n, seed, shift=0.0):
    """Rows whose features shift while what a row means stays: overconfident scores, true outcomes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1.5, n)
    actual = rng.random(n) < 1 / (1 + np.exp(-x))
    return actual, 1 / (1 + np.exp(-1.8 * x))


def statistics(actual, score):
    cells = {}
    for truth, value in zip(actual.tolist(), score.tolist(), strict=True):
        kind = ("tp" if truth else "fp") if value >= 0.5 else ("fn" if truth else "tn")
        cell = cells.setdefault(score_bins.bin_of(value), dict.fromkeys(("tp", "fp", "fn", "tn"), 0))
        cell[kind] += 1
    return BinaryStatistics(
        confusion=Confusion(**{k: sum(cell[k] for cell in cells.values()) for k in ("tp", "fp", "fn", "tn")}),
        scores=tuple(ScoreBin(index, **cells[index]) for index in sorted(cells)),
    )


def unlabelled(found):
    return [PredictedBin(one.bin, one.tp + one.fp, one.fn + one.tn) for one in found.scores]


REFERENCE = statistics(*draw(20_000, 1))


def test_calibration_is_isotonic_regression():
    actual, score = draw(3000, 2)
    found = calibrate(statistics(actual, score))
    bins = np.array([score_bins.bin_of(value) for value in score])
    expected = IsotonicRegression().fit(bins, actual).predict(np.unique(bins))
    assert [probability(found, int(one)) for one in np.unique(bins)] == pytest.approx(list(expected))


@given(st.integers(0, score_bins.COUNT - 1), st.integers(0, score_bins.COUNT - 1))
def test_a_higher_score_is_never_less_likely(a, b):
    calibration = calibrate(statistics(*draw(500, 3)))
    low, high = sorted((a, b))
    assert 0 <= probability(calibration, low) <= probability(calibration, high) <= 1


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("name", ["accuracy", "precision", "recall", "specificity", "f1", "mcc", "roc_auc"])
def test_estimates_are_what_labels_later_show(shift, name):
    window = statistics(*draw(4000, 5, shift))
    found = {one.name: one for one in estimate(calibrate(REFERENCE), unlabelled(window))}[name]
    realised = by_name(binary_metrics(window))[name].value
    assert found.low <= realised <= found.high
    assert found.value == pytest.approx(realised, abs=0.025)


@pytest.mark.parametrize("name", ["accuracy", "f1", "roc_auc"])
def test_the_sampling_error_is_how_far_realised_performance_strays(name):
    distances = []
    for seed in range(100):
        calibration = calibrate(statistics(*draw(2000, 1000 + seed)))
        window = statistics(*draw(800, 2000 + seed, 0.4))
        found = {one.name: one for one in estimate(calibration, unlabelled(window))}[name]
        realised = by_name(binary_metrics(window))[name].value
        distances.append((realised - found.value) / found.sampling_error)
    assert abs(np.mean(distances)) < 0.4
    assert 0.75 < np.std(distances) < 1.25


def test_thresholds_are_mean_and_deviations_over_chunks():
    values = [0.90, 0.92, 0.94, 0.88]
    found = reference_thresholds([[Metric(name="accuracy", value=value)] for value in values])["accuracy"]
    assert found.lower == pytest.approx(np.mean(values) - 3 * np.std(values))
    assert found.upper == pytest.approx(np.mean(values) + 3 * np.std(values))


def test_thresholds_stay_on_the_metrics_scale():
    chunks = [
        [
            Metric(name="accuracy", value=value),
            Metric(name="mae", value=value),
            Metric(name="bias", value=value),
        ]
        for value in (0.5, 1.0)
    ]
    found = reference_thresholds(chunks)
    assert found["accuracy"] == AlertThreshold(lower=0.0, upper=1.0)
    assert found["mae"] == AlertThreshold(lower=0.0, upper=1.5)
    assert found["bias"] == AlertThreshold(lower=0.0, upper=1.5)


def test_an_estimate_out_of_the_references_range_alerts():
    chunks = [binary_metrics(statistics(*draw(4000, seed))) for seed in range(10, 20)]
    thresholds = reference_thresholds(chunks)
    calibration = calibrate(REFERENCE)
    same, easier = (unlabelled(statistics(*draw(4000, 5, shift))) for shift in (0.0, 2.5))
    assert not any(one.alert for one in estimate(calibration, same, thresholds=thresholds))
    alerting = {one.name for one in estimate(calibration, easier, thresholds=thresholds) if one.alert}
    assert {"accuracy", "precision", "recall"} <= alerting


def test_a_window_without_scores_has_reasons_for_everything():
    found = estimate(calibrate(REFERENCE), [])
    assert {one.value for one in found} == {None}
    assert all(one.reason for one in found)
    assert b"NaN" not in msgspec.json.encode(found)


@pytest.mark.parametrize("actual", [[True, True], [False, False], []])
def test_a_reference_of_one_class_cannot_calibrate(actual):
    with pytest.raises(InputError) as error:
        calibrate(statistics(np.array(actual, bool), np.linspace(0.1, 0.9, len(actual))))
    assert error.value.slug == "not-calibrated"


@pytest.mark.parametrize("chunks", [[], [[Metric(name="f1", value=0.5)]]])
def test_thresholds_take_two_chunks(chunks):
    with pytest.raises(InputError, match="at least 2 chunks"):
        reference_thresholds(chunks)


@pytest.mark.parametrize("deviations", [0.0, -1.0, float("nan")])
def test_deviations_out_of_range_are_refused(deviations):
    with pytest.raises(InputError, match="standard deviations"):
        estimate(calibrate(REFERENCE), [], deviations=deviations)
