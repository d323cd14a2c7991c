"""A classifier's performance estimated without labels, from its scores alone. Pure.

Confidence-based performance estimation (CBPE), as NannyML does it: scores are calibrated on a labelled reference, and a
calibrated score says how likely a prediction is right, https://nannyml.readthedocs.io/en/stable/how_it_works/performance_estimation.html
It sees a change in which rows come in, not a change in what the same row means: when the relation between
features and label changes, only labels show it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from crisplens.core.errors import InputError
from crisplens.monitors.performance import score_bins
from crisplens.monitors.performance.metrics import SCALES, confusion_metrics, roc_auc
from crisplens.monitors.performance.model import BinaryStatistics, Metric, PredictedBin


class Knot(msgspec.Struct, frozen=True, array_like=True):
    """A bin of scores and the probability of the positive class there."""

    bin: int
    probability: float


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How likely the positive class is at a score, as found in `rows` labelled rows; straight between knots."""

    rows: int
    knots: tuple[Knot, ...]


class AlertThreshold(msgspec.Struct, frozen=True, kw_only=True):
    """The range that a metric keeps in the reference; None means that the side is open."""

    lower: float | None = None
    upper: float | None = None

    def alerts(self, value: float) -> bool:
        """Whether `value` is out of the range."""
        return (self.lower is not None and value < self.lower) or (
            self.upper is not None and value > self.upper
        )


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A metric as estimated for `rows` unlabelled rows; None where it cannot be, with the reason.

    `low` to `high` is where the metric would be expected once labels were there. `alert` says that the estimate
    is out of the range of `threshold`.
    """

    name: str
    value: float | None = None
    sampling_error: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int = 0
    threshold: AlertThreshold = AlertThreshold()
    alert: bool = False
    reason: str = ""


def calibrate(reference: BinaryStatistics) -> Calibration:
    """Fit the probability of the positive class as a rising function of the score (isotonic regression).

    Raises `InputError` when the reference has no scores, or only one class.
    """
    positives = sum(one.tp + one.fn for one in reference.scores)
    rows = sum(one.tp + one.fn + one.fp + one.tn for one in reference.scores)
    if not 0 < positives < rows:
        raise InputError(
            "the reference has no scores or only one class, so scores cannot be calibrated on it",
            slug="not-calibrated",
            hint="Give labelled predictions of both classes, with scores.",
        )
    # Neighbours whose shares fall are pooled until none falls (pool adjacent violators).
    pools: list[tuple[float, float, int, int]] = []
    for one in reference.scores:
        pool = (float(one.tp + one.fn), float(one.tp + one.fn + one.fp + one.tn), one.bin, one.bin)
        while pools and pools[-1][0] * pool[1] >= pool[0] * pools[-1][1]:
            before = pools.pop()
            pool = (before[0] + pool[0], before[1] + pool[1], before[2], pool[3])
        pools.append(pool)
    knots: list[Knot] = []
    for part, count, first, last in pools:
        knots += [Knot(index, part / count) for index in dict.fromkeys((first, last))]
    return Calibration(rows=rows, knots=tuple(knots))


def probability(calibration: Calibration, index: int) -> float:
    """How likely the positive class is for scores of a bin; beyond the outermost knots, as at these."""
    knots = calibration.knots
    after = bisect_left(knots, index, key=lambda knot: knot.bin)
    if after == len(knots):
        return knots[-1].probability
    if knots[after].bin == index or after == 0:
        return knots[after].probability
    left, right = knots[after - 1], knots[after]
    start, end = score_bins.score_of(left.bin), score_bins.score_of(right.bin)
    share = (score_bins.score_of(index) - start) / (end - start)
    return left.probability + share * (right.probability - left.probability)


def estimate(
    calibration: Calibration,
    scores: Sequence[PredictedBin],
    *,
    thresholds: Mapping[str, AlertThreshold] | None = None,
    deviations: float = 3.0,
) -> tuple[Estimate, ...]:
    """Estimate accuracy, precision, recall, specificity, F1, balanced accuracy, MCC and ROC AUC of unlabelled rows.

    The bounds are `deviations` sampling errors away, which hold the chance in the window's own labels and, as
    far again as the reference is small, in the calibration.
    """
    check_deviations(deviations)
    tp = fp = fn = tn = 0.0
    bins = []
    for one in scores:
        likely = probability(calibration, one.bin)
        tp += one.positive * likely
        fp += one.positive * (1 - likely)
        fn += one.negative * likely
        tn += one.negative * (1 - likely)
        bins.append(((one.positive + one.negative) * likely, (one.positive + one.negative) * (1 - likely)))
    rows = sum(one.positive + one.negative for one in scores)
    widening = math.sqrt(1 + rows / calibration.rows)
    found = (*confusion_metrics(tp, fp, fn, tn, z=deviations), roc_auc(bins, z=deviations))
    ranges = thresholds or {}
    return tuple(
        bounded(
            metric.name,
            metric.value,
            None if metric.standard_error is None else metric.standard_error * widening,
            rows=rows,
            threshold=ranges.get(metric.name, AlertThreshold()),
            deviations=deviations,
            reason=_reason(metric),
        )
        for metric in found
    )


def reference_thresholds(
    chunks: Iterable[Iterable[Metric]], *, deviations: float = 3.0
) -> dict[str, AlertThreshold]:
    """The range of each metric in the reference: mean over its chunks, give or take some standard deviations.

    As NannyML's, with the population's standard deviation, cut off at the ends of the metric's scale. Chunks
    should be as large as the windows that are judged by them. Raises `InputError` for fewer than two chunks.
    """
    check_deviations(deviations)
    values: dict[str, list[float]] = {}
    given = list(chunks)
    for metrics in given:
        for metric in metrics:
            if metric.value is not None and metric.label is None:
                values.setdefault(metric.name, []).append(metric.value)
    if len(given) < 2:
        raise InputError(
            f"alert thresholds take at least 2 chunks of the reference, and there are {len(given)}",
            slug="bad-setting",
        )
    return {name: _range(name, found, deviations) for name, found in values.items() if len(found) > 1}


def bounded(
    name: str,
    value: float | None,
    error: float | None,
    *,
    rows: int,
    threshold: AlertThreshold,
    deviations: float,
    reason: str = "",
) -> Estimate:
    """An estimate with its bounds, which stay on the metric's scale, and whether it alerts."""
    if value is None:
        return Estimate(name=name, rows=rows, threshold=threshold, reason=reason)
    least, most = SCALES.get(name, (None, None))
    low = high = None
    if error is not None:
        low, high = value - deviations * error, value + deviations * error
        low, high = low if least is None else max(least, low), high if most is None else min(most, high)
    return Estimate(
        name=name,
        value=value,
        sampling_error=error,
        low=low,
        high=high,
        rows=rows,
        threshold=threshold,
        alert=threshold.alerts(value),
        reason=reason,
    )


def check_deviations(deviations: float) -> None:
    """Raise `InputError` unless the number of standard deviations is finite and above 0."""
    if not (math.isfinite(deviations) and deviations > 0):
        raise InputError(f"{deviations} standard deviations are no number above 0", slug="bad-setting")


def _range(name: str, values: Sequence[float], deviations: float) -> AlertThreshold:
    mean = math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
    least, most = SCALES.get(name, (None, None))
    lower, upper = mean - deviations * spread, mean + deviations * spread
    return AlertThreshold(
        lower=lower if least is None else max(least, lower), upper=upper if most is None else min(most, upper)
    )


def _reason(metric: Metric) -> str:
    return "The window has no usable score." if metric.value is None and not metric.rows else metric.reason
