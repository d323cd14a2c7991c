"""Values of model performance: which columns hold it, the small statistics it is computed from, and metrics. Pure.

Statistics hold counts and sums, never rows. Those of two parts of a table merge into those of the whole. No float
here is NaN or infinite: a metric that is undefined has the value None and a reason.
"""

from __future__ import annotations

import msgspec


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A metric with its standard error and confidence interval; None where it is undefined, with the reason.

    `rows` is how many rows it rests on, such as the predicted positives for precision. A `proportion` is a share
    of those rows. `label` is the class that a metric of one class is about. `error` is the most that binning the
    scores can have changed the value by; None means not at all.
    """

    name: str
    value: float | None = None
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None
    rows: float = 0
    proportion: bool = False
    label: str | None = None
    error: float | None = None
    reason: str = ""


class Confusion(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a binary classifier by predicted and actual class."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0


class ScoreBin(msgspec.Struct, frozen=True, array_like=True):
    """Labelled rows whose score falls into one bin of `score_bins`, by predicted and actual class."""

    bin: int
    tp: int
    fp: int
    fn: int
    tn: int


class PredictedBin(msgspec.Struct, frozen=True, array_like=True):
    """Rows, labelled or not, whose score falls into one bin, by predicted class."""

    bin: int
    positive: int
    negative: int


class LossSums(msgspec.Struct, frozen=True, kw_only=True):
    """The sum of a loss over rows, and of its square."""

    total: float = 0.0
    squares: float = 0.0


class BinaryStatistics(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="binary"):
    """A binary classifier on labelled rows: all that `metrics.binary_metrics` needs.

    `scores` has only bins that hold rows, in order, and is empty when there is no score; then both losses
    are None. The log loss is of scores kept `1e-15` away from 0 and 1.
    """

    confusion: Confusion
    scores: tuple[ScoreBin, ...] = ()
    brier: LossSums | None = None
    log_loss: LossSums | None = None


class ClassCell(msgspec.Struct, frozen=True, array_like=True):
    """Rows of one class that were predicted to be of one class."""

    actual: str
    predicted: str
    count: int


class MulticlassStatistics(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="multiclass"):
    """A classifier on labelled rows: its confusion table, only cells that hold rows, in order."""

    cells: tuple[ClassCell, ...] = ()


class RegressionStatistics(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="regression"):
    """A regression on labelled rows: sums of powers of e, prediction less label, and d, label less `centre`.

    A `centre` near the mean of the labels keeps the sums exact. `relative` sums |e / label| over the
    `relative_count` rows whose label is not 0.
    """

    count: int = 0
    centre: float = 0.0
    e: float = 0.0
    abs_e: float = 0.0
    e2: float = 0.0
    e4: float = 0.0
    d: float = 0.0
    d2: float = 0.0
    d3: float = 0.0
    d4: float = 0.0
    e2_d: float = 0.0
    e2_d2: float = 0.0
    relative: LossSums = LossSums()
    relative_count: int = 0


Statistics = BinaryStatistics | MulticlassStatistics | RegressionStatistics


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that share values of some columns, such as `{"region": "north"}`; a null is None."""

    segment: dict[str, str | None]
    statistics: Statistics


class BinaryColumns(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="binary"):
    """Columns of a binary classifier.

    `score` is the probability of the positive class, from 0 to 1. The predicted class is in `predicted`, or
    positive where the score is at least `threshold`. `positive` is the class that counts as positive; it need
    not be given for labels that are true and false or 1 and 0.
    """

    label: str
    score: str | None = None
    predicted: str | None = None
    positive: str | None = None
    threshold: float = 0.5


class MulticlassColumns(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="multiclass"):
    """Columns of a classifier of more than two classes: the true and the predicted class."""

    label: str
    predicted: str


class RegressionColumns(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="regression"):
    """Columns of a regression: the true and the predicted number."""

    label: str
    predicted: str


ModelColumns = BinaryColumns | MulticlassColumns | RegressionColumns
