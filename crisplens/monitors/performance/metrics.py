"""Metrics of a model from small statistics, each with a standard error and a confidence interval. Pure.

The intervals of proportions are Wilson's. Those of other metrics rest on the variance of a sum over many rows (the
delta method), so they are only as good as the rows are many. A metric that is undefined is None with a reason.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from crisplens.monitors.performance import intervals
from crisplens.monitors.performance.intervals import Interval
from crisplens.monitors.performance.model import (
    BinaryStatistics,
    LossSums,
    Metric,
    MulticlassStatistics,
    RegressionStatistics,
    Statistics,
)

BINARY = (
    "accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "balanced_accuracy",
    "mcc",
    "roc_auc",
    "log_loss",
    "brier",
)
MULTICLASS = (
    "accuracy",
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "precision_weighted",
    "recall_weighted",
    "f1_weighted",
)
REGRESSION = ("mae", "rmse", "bias", "r2", "mape")
# A falling value of these means that the model does better; bias is best at 0.
LOWER_IS_BETTER = frozenset({"log_loss", "brier", "mae", "rmse", "mape"})
# How the reason begins why a metric of too few rows has no interval.
TOO_FEW = "An interval takes at least"
# The ends of each metric's scale; None is an open end, and bias has none.
SCALES: dict[str, tuple[float | None, float | None]] = {
    **dict.fromkeys(("accuracy", "precision", "recall", "specificity", "f1"), (0.0, 1.0)),
    **dict.fromkeys(("balanced_accuracy", "roc_auc", "brier"), (0.0, 1.0)),
    **dict.fromkeys(MULTICLASS, (0.0, 1.0)),
    **dict.fromkeys(("mae", "rmse", "mape", "log_loss"), (0.0, None)),
    "mcc": (-1.0, 1.0),
    "r2": (None, 1.0),
}


def metrics_of(statistics: Statistics, *, level: float = 0.95) -> tuple[Metric, ...]:
    """All metrics of the statistics' kind of model, with intervals of `level`."""
    if isinstance(statistics, BinaryStatistics):
        return binary_metrics(statistics, level=level)
    if isinstance(statistics, MulticlassStatistics):
        return multiclass_metrics(statistics, level=level)
    return regression_metrics(statistics, level=level)


def row_count(statistics: Statistics) -> int:
    """How many labelled rows the statistics are of."""
    if isinstance(statistics, BinaryStatistics):
        one = statistics.confusion
        return one.tp + one.fp + one.fn + one.tn
    if isinstance(statistics, MulticlassStatistics):
        return sum(cell.count for cell in statistics.cells)
    return statistics.count


def binary_metrics(statistics: BinaryStatistics, *, level: float = 0.95) -> tuple[Metric, ...]:
    """The metrics of `BINARY`, in that order. Accuracy to MCC are exact, as are log loss and Brier score.

    The area under the ROC curve takes scores of one bin as tied; its `error` is the most that can change.
    """
    z = intervals.critical(level)
    one = statistics.confusion
    found = confusion_metrics(one.tp, one.fp, one.fn, one.tn, z=z)
    bins = [(item.tp + item.fn, item.fp + item.tn) for item in statistics.scores]
    rows = row_count(statistics)
    if not statistics.scores and rows:
        why = "There are no scores."
        return (*found, *(Metric(name=name, reason=why) for name in ("roc_auc", "log_loss", "brier")))
    return (
        *found,
        roc_auc(bins, z=z),
        _mean_loss("log_loss", statistics.log_loss, rows, z=z, most=None),
        _mean_loss("brier", statistics.brier, rows, z=z, most=1.0),
    )


def confusion_metrics(tp: float, fp: float, fn: float, tn: float, *, z: float) -> tuple[Metric, ...]:
    """Accuracy to MCC from a confusion table, whose counts may also be expected and so not whole."""
    rows = tp + fp + fn + tn
    recall = _share("recall", tp, tp + fn, z, "There is no actual positive.")
    specificity = _share("specificity", tn, tn + fp, z, "There is no actual negative.")
    return (
        _share("accuracy", tp + tn, rows, z, "There is no labelled row."),
        _share("precision", tp, tp + fp, z, "Nothing was predicted positive."),
        recall,
        specificity,
        _f1(tp, fp + fn, z),
        _balanced_accuracy(recall, specificity, rows),
        _mcc(tp, fp, fn, tn, z),
    )


def roc_auc(bins: Sequence[tuple[float, float]], *, z: float) -> Metric:
    """The area under the ROC curve of (positives, negatives) in bins of rising score.

    Its variance is DeLong's, https://doi.org/10.2307/2531595, and its interval symmetric on the logit scale.
    """
    positives, negatives = math.fsum(p for p, _ in bins), math.fsum(n for _, n in bins)
    rows = positives + negatives
    if positives <= 0 or negatives <= 0:
        missing = "positive" if positives <= 0 else "negative"
        return Metric(name="roc_auc", rows=rows, reason=f"There is no actual {missing}.")
    below, above = 0.0, positives
    of_positives: list[tuple[float, float]] = []
    of_negatives: list[tuple[float, float]] = []
    tied = 0.0
    for positive, negative in bins:
        above -= positive
        of_positives.append((positive, (below + negative / 2) / negatives))
        of_negatives.append((negative, (above + positive / 2) / positives))
        below += negative
        tied += positive * negative
    area = min(1.0, max(0.0, math.fsum(weight * placed for weight, placed in of_positives) / positives))
    found = Metric(
        name="roc_auc", value=area, rows=rows, error=min(1.0, tied / (2 * positives * negatives)) or None
    )
    if positives <= 1 or negatives <= 1:
        return _replace(found, reason=f"{TOO_FEW} 2 positives and 2 negatives.")
    variance = sum(
        math.fsum(weight * (placed - area) ** 2 for weight, placed in placements) / (count - 1) / count
        for placements, count in ((of_positives, positives), (of_negatives, negatives))
    )
    error = math.sqrt(variance)
    interval = intervals.on_logit(area, error, z)
    if interval is None or error == 0:
        apart = area in (0.0, 1.0)
        why = "The scores of both classes do not overlap" if apart else "All scores are alike"
        return _replace(found, reason=f"{why}, so the interval is not known.")
    return _with_interval(found, error, interval)


def multiclass_metrics(statistics: MulticlassStatistics, *, level: float = 0.95) -> tuple[Metric, ...]:
    """The metrics of `MULTICLASS`, then precision, recall and F1 of each class.

    As in scikit-learn, a class that is never predicted, or never there, counts as 0 in an average; the
    average's reason says so.
    """
    z = intervals.critical(level)
    cells = {(cell.actual, cell.predicted): cell.count for cell in statistics.cells if cell.count}
    rows = sum(cells.values())
    if not rows:
        return tuple(Metric(name=name, reason="There is no labelled row.") for name in MULTICLASS)
    actual, predicted = Counter[str](), Counter[str]()
    for (truth, guess), count in cells.items():
        actual[truth] += count
        predicted[guess] += count
    classes = sorted({*actual, *predicted})
    right = {name: cells.get((name, name), 0) for name in classes}
    averages = []
    for weighted in (False, True):
        weights = {name: actual[name] / rows if weighted else 1 / len(classes) for name in classes}
        shares: dict[str, dict[str, tuple[float, float]]] = {
            "precision": {name: (predicted[name], 0) for name in classes},
            "recall": {name: (0, actual[name]) for name in classes},
            "f1": {name: (predicted[name] / 2, actual[name] / 2) for name in classes},
        }
        for kind, totals in shares.items():
            averages.append(_average(kind, cells, right, totals, weights, weighted=weighted, rows=rows, z=z))
    each = [
        _replace(metric, label=name)
        for name in classes
        for metric in (
            _share("precision", right[name], predicted[name], z, "The class was never predicted."),
            _share("recall", right[name], actual[name], z, "The class does not occur."),
            _f1(right[name], actual[name] + predicted[name] - 2 * right[name], z),
        )
    ]
    return (_share("accuracy", sum(right.values()), rows, z, ""), *averages, *each)


def regression_metrics(statistics: RegressionStatistics, *, level: float = 0.95) -> tuple[Metric, ...]:
    """The metrics of `REGRESSION`, in that order; bias is prediction less label, MAPE a share and not a percentage.

    MAPE is of the rows whose label is not 0.
    """
    z = intervals.critical(level)
    one, n = statistics, statistics.count
    if not n:
        return tuple(Metric(name=name, reason="There is no labelled row.") for name in REGRESSION)
    mae = _mean_loss("mae", LossSums(total=one.abs_e, squares=one.e2), n, z=z, most=None)
    bias_error = math.sqrt(max(0.0, one.e2 / n - (one.e / n) ** 2) / max(1, n - 1))
    bias = one.e / n
    return (
        mae,
        _rmse(one, z),
        _mean(
            Metric(name="bias", value=bias, rows=n),
            bias_error,
            (bias - z * bias_error, bias + z * bias_error),
        ),
        _r2(one, z),
        _mean_loss("mape", one.relative, one.relative_count, z=z, most=None)
        if one.relative_count
        else Metric(name="mape", reason="Every label is 0."),
    )


def by_name(metrics: Iterable[Metric]) -> dict[str, Metric]:
    """Metrics of the whole by name; those of single classes are left out."""
    return {metric.name: metric for metric in metrics if metric.label is None}


def _share(name: str, part: float, rows: float, z: float, why_not: str) -> Metric:
    if rows <= 0:
        return Metric(name=name, proportion=True, reason=why_not)
    share = min(1.0, part / rows)
    return _with_interval(
        Metric(name=name, value=share, rows=rows, proportion=True),
        math.sqrt(share * (1 - share) / rows),
        intervals.wilson(share, rows, z),
    )


def _f1(tp: float, wrong: float, z: float) -> Metric:
    """F1 is 2s / (1 + s) of s, the share of true positives among all but the true negatives; so is its interval."""
    rows = tp + wrong
    if rows <= 0:
        return Metric(name="f1", reason="There is no actual and no predicted positive.")
    share = tp / rows
    low, high = intervals.wilson(share, rows, z)
    return _with_interval(
        Metric(name="f1", value=_from_share(share), rows=rows),
        2 / (1 + share) ** 2 * math.sqrt(share * (1 - share) / rows),
        (_from_share(low), _from_share(high)),
    )


def _from_share(share: float) -> float:
    return 2 * share / (1 + share)


def _balanced_accuracy(recall: Metric, specificity: Metric, rows: float) -> Metric:
    empty = next((metric for metric in (recall, specificity) if metric.value is None), None)
    if empty is not None:
        return Metric(name="balanced_accuracy", rows=rows, reason=empty.reason)
    (a, a_interval, a_error), (b, b_interval, b_error) = _known(recall), _known(specificity)
    # The interval of a sum is that of the difference to the other's negative.
    low, high = intervals.difference(a, a_interval, -b, (-b_interval[1], -b_interval[0]))
    return _with_interval(
        Metric(name="balanced_accuracy", value=(a + b) / 2, rows=rows),
        math.hypot(a_error, b_error) / 2,
        (max(0.0, low / 2), min(1.0, high / 2)),
    )


def _mcc(tp: float, fp: float, fn: float, tn: float, z: float) -> Metric:
    """Matthews' correlation; variance by the delta method, interval by Fisher's z as in Itaya et al. 2025.

    https://doi.org/10.1002/sim.10303
    """
    rows = tp + fp + fn + tn
    margins = (tp + fp, tp + fn, tn + fp, tn + fn)
    if min(margins) <= 0:
        return Metric(name="mcc", rows=rows, reason="Only one class occurs, or only one is predicted.")
    scale = math.prod(math.sqrt(margin) for margin in margins)
    value = min(1.0, max(-1.0, (tp * tn - fp * fn) / scale))
    predicted, positive, negative, rejected = margins
    slopes = (
        (tp, tn / scale - value / 2 * (1 / predicted + 1 / positive)),
        (fp, -fn / scale - value / 2 * (1 / predicted + 1 / negative)),
        (fn, -fp / scale - value / 2 * (1 / positive + 1 / rejected)),
        (tn, tp / scale - value / 2 * (1 / negative + 1 / rejected)),
    )
    error = _delta_error(slopes, rows)
    found = Metric(name="mcc", value=value, rows=rows)
    interval = intervals.on_fisher_z(value, error, z)
    if interval is None:
        return _replace(
            found, reason="The prediction is always right or always wrong, so the interval is not known."
        )
    return _with_interval(found, error, interval)


def _delta_error(slopes: Iterable[tuple[float, float]], rows: float) -> float:
    """The standard error of a function of multinomial counts, from (count, slope of the function by the count)."""
    pairs = list(slopes)
    mean = math.fsum(count * slope for count, slope in pairs) / rows
    return math.sqrt(math.fsum(count * (slope - mean) ** 2 for count, slope in pairs))


def _average(
    kind: str,
    cells: dict[tuple[str, str], int],
    right: dict[str, int],
    parts: dict[str, tuple[float, float]],
    weights: dict[str, float],
    *,
    weighted: bool,
    rows: int,
    z: float,
) -> Metric:
    """The mean over classes of right / (share of the predicted + share of the actual rows of the class)."""
    totals = {name: first + second for name, (first, second) in parts.items()}
    values = {name: right[name] / total if total else 0.0 for name, total in totals.items()}
    value = math.fsum(weights[name] * values[name] for name in values)
    half = 0.5 if kind == "f1" else 1.0

    def slope(truth: str, guess: str) -> float:
        found = (values[truth] - value) / rows if weighted else 0.0
        if truth == guess and totals[truth]:
            found += weights[truth] / totals[truth]
        if kind != "recall" and totals[guess]:
            found -= half * weights[guess] * values[guess] / totals[guess]
        if kind != "precision" and totals[truth]:
            found -= half * weights[truth] * values[truth] / totals[truth]
        return found

    error = _delta_error(((count, slope(*key)) for key, count in cells.items()), rows)
    empty = sum(not total for total in totals.values())
    why = {"precision": "never predicted", "recall": "without a row", "f1": "without a row"}[kind]
    found = Metric(
        name=f"{kind}_{'weighted' if weighted else 'macro'}",
        value=value,
        rows=rows,
        reason=f"{empty} of {len(values)} classes {why}, counted as 0." if empty and not weighted else "",
    )
    return _with_interval(found, error, (max(0.0, value - z * error), min(1.0, value + z * error)))


def _mean_loss(name: str, loss: LossSums | None, rows: int, *, z: float, most: float | None) -> Metric:
    if not rows or loss is None:
        return Metric(name=name, reason="There is no labelled row.")
    value = loss.total / rows
    error = math.sqrt(max(0.0, loss.squares / rows - value * value) / max(1, rows - 1))
    high = value + z * error
    interval = (max(0.0, value - z * error), high if most is None else min(most, high))
    return _mean(Metric(name=name, value=value, rows=rows), error, interval)


def _mean(found: Metric, error: float, interval: Interval) -> Metric:
    if found.rows < 2:
        return _replace(found, reason=f"{TOO_FEW} 2 rows.")
    return _with_interval(found, error, interval)


def _rmse(one: RegressionStatistics, z: float) -> Metric:
    square = _mean_loss("mse", LossSums(total=one.e2, squares=one.e4), one.count, z=z, most=None)
    value = math.sqrt(one.e2 / one.count)
    found = Metric(name="rmse", value=value, rows=one.count, reason=square.reason)
    if square.standard_error is None or square.low is None or square.high is None:
        return found
    error = square.standard_error / (2 * value) if value else 0.0
    return _with_interval(found, error, (math.sqrt(square.low), math.sqrt(square.high)))


def _r2(one: RegressionStatistics, z: float) -> Metric:
    """1 - A/B of the mean squared error A and the labels' variance B; the delta method over both."""
    n = one.count
    a, shift = one.e2 / n, one.d / n
    b = one.d2 / n - shift**2
    deviation = math.sqrt(max(0.0, b))
    # Below this the variance is only rounding.
    if deviation <= max(1e-6 * math.sqrt(one.d2 / n), 1e-12 * abs(one.centre)):
        return Metric(name="r2", rows=n, reason="All labels are equal.")
    ratio = a / b
    if math.isinf(ratio):
        return Metric(name="r2", rows=n, reason="The errors are too large against the spread of the labels.")
    fourth = one.d4 / n - 4 * shift * one.d3 / n + 6 * shift**2 * one.d2 / n - 3 * shift**4
    crossed = one.e2_d2 / n - 2 * shift * one.e2_d / n + shift**2 * a
    variance_a, variance_b, both = one.e4 / n - a * a, fourth - b * b, crossed - a * b
    spread = (variance_a - 2 * ratio * both + ratio * ratio * variance_b) / b / b
    value = 1 - ratio
    error = math.sqrt(max(0.0, spread) / max(1, n - 1))
    return _mean(
        Metric(name="r2", value=value, rows=n), error, (value - z * error, min(1.0, value + z * error))
    )


def _known(metric: Metric) -> tuple[float, Interval, float]:
    return metric.value or 0.0, (metric.low or 0.0, metric.high or 0.0), metric.standard_error or 0.0


def _with_interval(metric: Metric, error: float, interval: Interval) -> Metric:
    if not all(map(math.isfinite, (error, *interval))):
        return _replace(metric, reason="The numbers are too large for an interval.")
    return _replace(metric, standard_error=error, low=interval[0], high=interval[1])


def _replace(metric: Metric, **changes: object) -> Metric:
    replace: Callable[..., Metric] = msgspec.structs.replace
    return replace(metric, **changes)
