"""What a monitor watches that is not drift: a model's performance, a challenger beside it, or a KPI. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from crisplens.core.errors import InputError
from crisplens.core.names import unknown_name
from crisplens.monitors.performance import metrics
from crisplens.monitors.performance.fairness import GAPS
from crisplens.monitors.performance.labels import LabelSettings, check_settings
from crisplens.monitors.performance.losses import LossModel
from crisplens.monitors.performance.model import (
    BinaryColumns,
    ModelColumns,
    MulticlassColumns,
    RegressionColumns,
    Statistics,
)
from crisplens.monitors.schedules.times import parse_duration
from crisplens.monitors.segments import check_segments

PERFORMANCE_MEDIA_TYPE = "application/vnd.crisplens.performance+json"
TASKS = ("binary", "multiclass", "regression")
# What can be told of unlabelled rows.
ESTIMATED = {
    BinaryColumns: (
        *("accuracy", "precision", "recall", "specificity", "f1", "balanced_accuracy", "mcc", "roc_auc"),
    ),
    RegressionColumns: ("mae", "rmse"),
}
_METRICS = {
    BinaryColumns: metrics.BINARY,
    MulticlassColumns: metrics.MULTICLASS,
    RegressionColumns: metrics.REGRESSION,
}


class PerformancePlan(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="performance"
):
    """How a model's performance is watched.

    `metrics` are judged, the first of them in every segment too; a segment is one or more columns, and fairness gaps
    are between the groups of the `groups` columns. Labels are a column of the data, or come from the location
    `labels`, joined by `key`: then a window is measured once the share `coverage` of its predictions has one, and is
    given up `labels_within` (a duration) after its end. `estimated` performance needs no labels; a regression's is
    estimated from its prediction and the columns `estimate_by`.
    """

    columns: ModelColumns
    metrics: tuple[str, ...]
    labels: str = ""
    key: tuple[str, ...] = ()
    coverage: float = 0.95
    labels_within: str = "30d"
    segments: tuple[tuple[str, ...], ...] = ()
    groups: tuple[str, ...] = ()
    estimated: bool = False
    estimate_by: tuple[str, ...] = ()

    @property
    def gaps(self) -> tuple[str, ...]:
        """The fairness gaps among the metrics."""
        return tuple(name for name in self.metrics if name in GAPS)

    @property
    def scores(self) -> tuple[str, ...]:
        """The metrics that are no gaps."""
        return tuple(name for name in self.metrics if name not in GAPS)


class VariantPlan(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="variants"
):
    """How a challenger is compared with the champion, row by row, as often as one likes.

    The `variant` column says which of them a row was served by, `outcome` holds a number (or true and false) of it.
    See `VariantSettings` for the others; `share` is the share of rows that is planned for the challenger.
    """

    variant: str
    champion: str
    challenger: str
    outcome: str
    higher_is_better: bool = True
    minimum_effect: float | None = None
    planned_rows: int = 10_000
    share: float | None = None


class KpiPlan(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="kpi"):
    """A KPI whose observations, as they are recorded, are held against its target."""

    kpi: str


Plan = PerformancePlan | VariantPlan | KpiPlan


class PerformanceBaseline(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a labelled reference: how the model did on it, and how its errors went with its predictions."""

    version: int = 1
    rows: int
    statistics: Statistics
    losses: LossModel | None = None


def make_plan(
    *,
    task: str,
    label: str,
    score: str | None = None,
    predicted: str | None = None,
    positive: str | None = None,
    cut: float = 0.5,
    judged: Sequence[str] = (),
    limits: Mapping[str, float] | None = None,
    labels: str = "",
    key: Sequence[str] = (),
    coverage: float = 0.95,
    labels_within: str = "30d",
    segments: Sequence[Sequence[str]] = (),
    groups: Sequence[str] = (),
    estimated: bool = False,
    estimate_by: Sequence[str] = (),
) -> PerformancePlan:
    """A plan whose parts fit together. Metrics with a limit are judged too.

    Raises `InputError` naming what does not fit, and a limit that no metric can be beyond.
    """
    columns = _columns(task, label, score, predicted, positive, cut)
    known = _known(columns, estimated=estimated) + (GAPS if groups else ())
    chosen = tuple(dict.fromkeys([*judged, *(limits or {})]))
    for name in chosen:
        if name not in known:
            raise unknown_name(f"metric of a {task} model", name, known)
    for name, limit in (limits or {}).items():
        _check_limit(name, limit)
    if not any(name not in GAPS for name in chosen):
        chosen = (_main(columns, estimated=estimated), *chosen)
    _check_limited(chosen, limits or {})
    if bool(labels) != bool(key):
        raise InputError(
            "labels in a table of their own are joined by a key, and only they",
            slug="bad-setting",
            hint="Give both --labels and --key, or neither.",
        )
    if estimated and (labels or groups):
        raise InputError(
            "estimated performance takes no labels, and says nothing of fairness", slug="bad-setting"
        )
    if groups and not isinstance(columns, BinaryColumns):
        raise InputError("fairness gaps are those of a binary classifier", slug="bad-setting")
    if estimate_by and not (estimated and isinstance(columns, RegressionColumns)):
        raise InputError("only a regression is estimated by further columns", slug="bad-setting")
    check_settings(LabelSettings(coverage=coverage))
    parse_duration(labels_within, slug="bad-setting")
    return PerformancePlan(
        columns=columns,
        metrics=chosen,
        labels=labels,
        key=tuple(key),
        coverage=coverage,
        labels_within=labels_within,
        segments=check_segments(segments),
        groups=check_segments([groups])[0] if groups else (),
        estimated=estimated,
        estimate_by=tuple(estimate_by),
    )


def check_limits(plan: PerformancePlan, limits: Mapping[str, float]) -> None:
    """Raise `InputError` for a limit of what the plan does not judge or that no metric can be beyond, or for none of
    what needs one."""
    for name, limit in limits.items():
        if name not in plan.metrics:
            raise unknown_name("metric that is judged", name, plan.metrics)
        _check_limit(name, limit)
    _check_limited(plan.metrics, limits)


def check_borne(tolerance: float) -> None:
    """Raise `InputError` for a tolerance that is no share of a reference's value."""
    if not 0 <= tolerance < 2:
        raise InputError(
            f"the tolerance {tolerance:g} is not a share from 0 to less than 2",
            slug="bad-setting",
            hint="It is how much worse than in the reference a metric may be: 0.05 is 5 percent.",
        )


def worsens_upward(name: str) -> bool:
    """Whether a metric or gap that rises gets worse; bias, which counts by its distance from 0, is one."""
    return name in metrics.LOWER_IS_BETTER or name == "bias" or name.endswith("_difference")


def worst_of(name: str) -> float | None:
    """The worst value that a metric or gap can have; None where it can always be worse."""
    least, most = _scale(name)
    return most if worsens_upward(name) else least


def leaves_room(name: str, limit: float) -> bool:
    """Whether a metric or gap can be on both sides of a limit: on its scale, and not at its worst end."""
    least, most = _scale(name)
    inside = (least is None or limit >= least) and (most is None or limit <= most)
    return math.isfinite(limit) and inside and limit != worst_of(name)


def deadline(plan: PerformancePlan, window_end: datetime) -> datetime:
    """When labels for a window that ended then are no longer waited for."""
    return window_end + parse_duration(plan.labels_within)


def _scale(name: str) -> tuple[float | None, float | None]:
    return (0.0, 1.0) if name in GAPS else metrics.SCALES.get(name, (0.0, None))


def _check_limited(judged: Sequence[str], limits: Mapping[str, float]) -> None:
    for name in judged:
        if name in (*GAPS, "bias") and name not in limits:
            raise InputError(
                f"{name} is not judged without a limit",
                slug="bad-setting",
                hint=f"Such as --threshold {name}=0.1.",
            )


def _check_limit(name: str, limit: float) -> None:
    if leaves_room(name, limit):
        return
    least, most = _scale(name)
    rising, worst = worsens_upward(name), worst_of(name)
    if rising:
        wanted = "a finite number of 0 or more" if most is None else f"from {least:g} to less than {most:g}"
    else:
        wanted = f"at most {most:g}" if least is None else f"above {least:g} and at most {most:g}"
    at_worst = worst is not None and (limit >= worst if rising else limit <= worst)
    raise InputError(
        f"the limit {limit:g} of {name} is not {wanted}",
        slug="bad-setting",
        hint=f"It is {worst:g} at worst, so no window could be beyond the limit."
        if at_worst
        else "Every window would be beyond the limit.",
    )


def _columns(
    task: str, label: str, score: str | None, predicted: str | None, positive: str | None, cut: float
) -> ModelColumns:
    if task not in TASKS:
        raise unknown_name("task", task, TASKS)
    if task == "binary":
        if score is None and predicted is None:
            raise InputError(
                "a binary classifier has scores or predicted classes",
                slug="bad-setting",
                hint="Name the column: --score COLUMN or --predicted COLUMN.",
            )
        if not 0 <= cut <= 1:
            raise InputError(
                f"the cut {cut:g} is not from 0 to 1",
                slug="bad-setting",
                hint="It is the score from which the positive class is predicted.",
            )
        return BinaryColumns(label=label, score=score, predicted=predicted, positive=positive, threshold=cut)
    if score is not None or positive is not None:
        raise InputError(f"scores and a positive class are not for {task}", slug="bad-setting")
    if predicted is None:
        raise InputError(
            f"{task} needs the column of predictions", slug="bad-setting", hint="--predicted COLUMN"
        )
    kind = MulticlassColumns if task == "multiclass" else RegressionColumns
    return kind(label=label, predicted=predicted)


def _known(columns: ModelColumns, *, estimated: bool) -> tuple[str, ...]:
    if not estimated:
        return _METRICS[type(columns)]
    if isinstance(columns, MulticlassColumns) or (
        isinstance(columns, BinaryColumns) and columns.score is None
    ):
        raise InputError(
            "performance is estimated from a binary classifier's scores, or a regression's predictions",
            slug="bad-setting",
        )
    return ESTIMATED[type(columns)]


def _main(columns: ModelColumns, *, estimated: bool) -> str:
    if isinstance(columns, BinaryColumns):
        return "roc_auc" if columns.score is not None else "f1"
    return "f1_macro" if isinstance(columns, MulticlassColumns) else "mae" if estimated else "rmse"
