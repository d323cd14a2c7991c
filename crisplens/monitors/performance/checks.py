"""A window of a performance monitor: read, measured with its labels or estimated without, and judged."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime

import msgspec

from crisplens.core.errors import InputError
from crisplens.core.text import count
from crisplens.monitors.engines.interface import Attachment, EngineResult, Rows, TimeSlice
from crisplens.monitors.model import CheckResult, CheckSettings, Verdict
from crisplens.monitors.performance import intervals, judging
from crisplens.monitors.performance.estimation import Estimate, calibrate, estimate
from crisplens.monitors.performance.labels import (
    LabelCounts,
    LabelsAwaited,
    LabelSettings,
    WindowState,
    decide_window,
)
from crisplens.monitors.performance.loss_reading import count_losses, fit_losses
from crisplens.monitors.performance.losses import LossCount, LossModel, estimate_losses
from crisplens.monitors.performance.measuring import Measured, measure, read_scores
from crisplens.monitors.performance.metrics import by_name, metrics_of, row_count
from crisplens.monitors.performance.model import (
    BinaryColumns,
    BinaryStatistics,
    Metric,
    PredictedBin,
    RegressionColumns,
)
from crisplens.monitors.performance.plans import (
    PERFORMANCE_MEDIA_TYPE,
    PerformanceBaseline,
    PerformancePlan,
    deadline,
)
from crisplens.monitors.performance.reading import check_groups
from crisplens.monitors.segments import in_words
from crisplens.monitors.sources.by_location import opened_source
from crisplens.registry.data.files import Table

ENGINE = "duckdb"
# What is wrong with the data of a window, and not with how it is asked for.
_BAD_DATA = frozenset({"unknown-name", "not-a-number", "bad-scores", "too-many-segments", "bad-setting"})


class PerformanceReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a window: how labels met predictions, counts and sums by segment, and all metrics."""

    version: int = 1
    measured: Measured | None = None
    metrics: tuple[Metric, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    segments: dict[str, tuple[Estimate, ...]] = {}


def measure_reference(plan: PerformancePlan, table: Table) -> PerformanceBaseline:
    """How the model did on a labelled reference: what windows are judged by.

    Raises `InputError` when it has no labelled row, no value for a metric that is judged, or lacks a column that
    rows are grouped by.
    """
    check_groups(table, _groupings(plan))
    found = measure(table, plan.columns)
    rows = row_count(found.whole)
    if not rows:
        raise InputError(
            f"{table.pattern} has no labelled predictions to compare with", slug="not-calibrated"
        )
    known = by_name(metrics_of(found.whole))
    for name in plan.scores:
        if known[name].value is None:
            raise InputError(
                f"the reference has no {name}: {known[name].reason}",
                slug="not-calibrated",
                hint="Judge another metric (--metric), or give a reference that has it.",
            )
    losses = None
    if plan.estimated and isinstance(plan.columns, RegressionColumns):
        losses = fit_losses(table, plan.columns, by=plan.estimate_by)
    elif plan.estimated and isinstance(found.whole, BinaryStatistics):
        calibrate(found.whole)
    return PerformanceBaseline(rows=rows, statistics=found.whole, losses=losses)


def check_performance(
    plan: PerformancePlan,
    settings: CheckSettings,
    baseline: PerformanceBaseline,
    rows: Rows,
    *,
    now: datetime,
) -> EngineResult:
    """Judge a window. Columns that are missing or of the wrong type are bad data, as are labels that never came.

    Raises `LabelsAwaited` while labels are to come, `InputError` for data that cannot be read at all.
    """
    try:
        return (
            _estimated(plan, settings, baseline, rows)
            if plan.estimated
            else _measured(plan, settings, baseline, rows, now)
        )
    except LabelsAwaited:
        raise
    except InputError as error:
        if error.slug not in _BAD_DATA:
            raise
        return _bad_data(baseline, 0, _sentences(error))


def _measured(
    plan: PerformancePlan,
    settings: CheckSettings,
    baseline: PerformanceBaseline,
    rows: Rows,
    now: datetime,
) -> EngineResult:
    with opened_source(plan.labels) if plan.labels else nullcontext() as labels:
        found = measure(
            *(rows.table, plan.columns),
            labels=labels,
            key=plan.key,
            segments=_groupings(plan),
            only=rows.only,
        )
    counts, labelled = found.counts, row_count(found.whole)
    said = f"{counts.labelled:,} of {counts.predictions:,} predictions are labelled."
    if plan.labels and counts.predictions:
        wanted = LabelSettings(coverage=plan.coverage, minimum_rows=1)
        decided = decide_window(counts, wanted, deadline=deadline(plan, _end(rows)), now=now)
        if decided.state is WindowState.WAITING:
            raise LabelsAwaited(
                decided.reason.rstrip("."),
                slug="labels-awaited",
                hint="It is checked once they are there, or given up at its deadline.",
            )
        if decided.state is WindowState.EXPIRED:
            return _bad_data(baseline, counts.predictions, decided.reason, _kept(_report(found)))
    if not counts.predictions:
        return _bad_data(baseline, 0, "The window has no predictions.")
    if not counts.labelled:
        numeric = isinstance(plan.columns, RegressionColumns)
        what = "has no finite number" if numeric else "is null in every row"
        why = f"The column {plan.columns.label!r} {what}, so nothing is labelled."
        return _bad_data(baseline, counts.predictions, why, _kept(_report(found)))
    checks = judging.judge_measured(plan, settings, baseline, found.whole, found.groups)
    doubts = _doubts(counts, found.unusable)
    result = judging.result(
        checks,
        engine=ENGINE,
        reference_rows=baseline.rows,
        current_rows=labelled,
        note=" ".join([said, *doubts]) if plan.labels or doubts or labelled < counts.predictions else "",
    )
    return EngineResult(result, None, (_kept(_report(found)),))


def _sentences(error: InputError) -> str:
    return f"{error.message[:1].upper()}{error.message[1:]}. {error.hint}".strip()


def _estimated(
    plan: PerformancePlan, settings: CheckSettings, baseline: PerformanceBaseline, rows: Rows
) -> EngineResult:
    losses = baseline.losses
    if losses is not None:
        counted = count_losses(rows.table, losses, segments=plan.segments, only=rows.only)
        whole, unusable = counted.counts, counted.unusable
        total = sum(one.count for one in whole)
        z = _deviations(plan, settings, len(counted.groups))
        estimates = _losses(losses, whole, z)
        groups = [(one.segment, _losses(losses, one.counts, z)) for one in counted.groups]
    else:
        assert isinstance(plan.columns, BinaryColumns)
        assert isinstance(baseline.statistics, BinaryStatistics)
        scored = read_scores(rows.table, plan.columns, segments=plan.segments, only=rows.only)
        unusable, calibration = scored.unusable, calibrate(baseline.statistics)
        total = sum(one.positive + one.negative for one in scored.scores)
        z = _deviations(plan, settings, len(scored.groups))

        def estimated(scores: Sequence[PredictedBin]) -> tuple[Estimate, ...]:
            return estimate(calibration, scores, deviations=z)

        estimates = estimated(scored.scores)
        groups = [(one.segment, estimated(one.scores)) for one in scored.groups]
    if not total:
        why = f"None of the {unusable:,} rows has a usable prediction."
        return _bad_data(baseline, unusable, why if unusable else "The window has no predictions.")
    checks = judging.judge_estimated(plan, settings, baseline, estimates, groups)
    note = f"{count(unusable, 'row has', 'rows have')} no usable prediction." if unusable else ""
    result = judging.result(
        checks, engine=ENGINE, reference_rows=baseline.rows, current_rows=total, note=note
    )
    kept = PerformanceReport(
        estimates=estimates, segments={in_words(where): found for where, found in groups}
    )
    return EngineResult(result, None, (_kept(kept),))


def _groupings(plan: PerformancePlan) -> list[tuple[str, ...]]:
    return [*plan.segments, *([plan.groups] if plan.groups else [])]


def _losses(model: LossModel, counts: Sequence[LossCount], z: float) -> tuple[Estimate, ...]:
    return estimate_losses(model, counts, deviations=z)


def _deviations(plan: PerformancePlan, settings: CheckSettings, segments: int) -> float:
    return intervals.critical(judging.shared_level(plan, settings, segments))


def _end(rows: Rows) -> datetime:
    """When a window ended: its time, or when its newest file was written."""
    if isinstance(rows.only, TimeSlice):
        return rows.only.end
    return datetime.fromtimestamp(max(file.stat().st_mtime for file in rows.table.files), UTC)


def _report(found: Measured) -> PerformanceReport:
    return PerformanceReport(measured=found, metrics=metrics_of(found.whole))


def _kept(report: PerformanceReport) -> Attachment:
    return Attachment("performance.json", PERFORMANCE_MEDIA_TYPE, msgspec.json.encode(report))


def _doubts(counts: LabelCounts, unusable: int) -> list[str]:
    told = (
        (unusable, "labelled rows have no usable prediction"),
        (counts.without_key, "predictions have no key"),
        (counts.conflicting_labels, "keys have labels that contradict each other"),
        (counts.repeated_predictions, "keys have several predictions"),
    )
    return [f"{number:,} {what}." for number, what in told if number]


def _bad_data(
    baseline: PerformanceBaseline, rows: int, reason: str, *attachments: Attachment
) -> EngineResult:
    result = CheckResult(
        engine=ENGINE,
        verdict=Verdict.BAD_DATA,
        reason=reason,
        columns=(),
        reference_rows=baseline.rows,
        current_rows=rows,
        drifted=0,
        checked=0,
        drift_share=None,
    )
    return EngineResult(result, None, attachments)
