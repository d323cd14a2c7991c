"""Whether a model does worse than it may: metrics with their intervals against limits, overall and by segment. Pure.

A metric is beyond its limit when its whole interval is, so that chance alone does not explain it. The level is shared
by all that is judged (Bonferroni), but for segments, which are compared with the rest at a false discovery rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from crisplens.monitors.model import CheckResult, CheckSettings, ColumnCheck, ColumnSummary, Verdict
from crisplens.monitors.performance.estimation import Estimate
from crisplens.monitors.performance.fairness import Gap, fairness_gaps
from crisplens.monitors.performance.metrics import LOWER_IS_BETTER, by_name, metrics_of, row_count
from crisplens.monitors.performance.model import Group, Statistics
from crisplens.monitors.performance.plans import PerformanceBaseline, PerformancePlan
from crisplens.monitors.performance.segments import (
    SegmentFinding,
    SegmentSettings,
    SegmentVerdict,
    compare_segments,
)
from crisplens.monitors.segments import in_words

# Segments that do worst are listed first; the others are in the kept file.
MOST_SEGMENTS = 50
# The smaller these are, the fairer; the ratio the other way round.
_RATIO = "demographic_parity_ratio"
_SEGMENT_VERDICTS = {
    SegmentVerdict.WORSE: Verdict.DEGRADED,
    SegmentVerdict.BETTER: Verdict.NOT_DEGRADED,
    SegmentVerdict.NO_DIFFERENCE: Verdict.NOT_DEGRADED,
    SegmentVerdict.INSUFFICIENT_DATA: Verdict.INSUFFICIENT_DATA,
    SegmentVerdict.UNDEFINED: Verdict.UNSUPPORTED,
}


@dataclass(frozen=True)
class Value:
    """A metric or gap with its interval; `rows` is what it rests on, `reason` why it has no value."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    rows: int
    reason: str = ""


def limits_of(
    plan: PerformancePlan, settings: CheckSettings, baseline: PerformanceBaseline
) -> dict[str, float | None]:
    """What each judged metric may be at worst: the limit that is set, else that of the reference worsened by the
    tolerance, a share of it. None where the reference has no such value."""
    known = by_name(metrics_of(baseline.statistics))
    found: dict[str, float | None] = {}
    for name in plan.metrics:
        value = known[name].value if name in known else None
        worse = None if value is None else value + _worse(name) * settings.tolerance * abs(value)
        found[name] = settings.thresholds.get(name, worse)
    return found


def judge_measured(
    plan: PerformancePlan,
    settings: CheckSettings,
    baseline: PerformanceBaseline,
    whole: Statistics,
    groups: Sequence[Group],
) -> tuple[ColumnCheck, ...]:
    """Every judged metric of a window's labelled rows, then gaps between groups, then segments, the worst first."""
    limits, level = limits_of(plan, settings, baseline), shared_level(plan, settings)
    known = by_name(metrics_of(baseline.statistics))
    rows = row_count(whole)
    found = by_name(metrics_of(whole, level=level))
    values = [
        Value(one.name, one.value, one.low, one.high, rows, one.reason)
        for one in (found[name] for name in plan.scores)
    ]
    checks = [
        _judged(one, limits[one.name], settings, "measured", baseline, known[one.name].value)
        for one in values
    ]
    if plan.gaps:
        gaps = _gaps(plan, groups, level, settings.minimum_rows, rows)
        checks += [_judged(one, limits[one.name], settings, "measured", baseline, None) for one in gaps]
    if plan.segments:
        checks += _segments(plan, settings, groups, found[plan.scores[0]].value)
    return tuple(checks)


def judge_estimated(
    plan: PerformancePlan,
    settings: CheckSettings,
    baseline: PerformanceBaseline,
    whole: Iterable[Estimate],
    groups: Mapping[str, Iterable[Estimate]],
) -> tuple[ColumnCheck, ...]:
    """Every judged metric as it is estimated, then the first of them in each segment (by its name in words)."""
    limits = limits_of(plan, settings, baseline)
    known = by_name(metrics_of(baseline.statistics))

    def judged(estimates: Iterable[Estimate], names: Sequence[str], where: str = "") -> list[ColumnCheck]:
        found = {one.name: one for one in estimates}
        checks = []
        for name in names:
            one = found[name]
            value = Value(name + where, one.value, one.low, one.high, one.rows, one.reason)
            reference = known[name].value
            checks.append(_judged(value, limits[name], settings, "estimated", baseline, reference, name))
        return checks

    checks = judged(whole, plan.scores)
    parts = [judged(found, plan.scores[:1], f" where {where}") for where, found in groups.items()]
    flat = [check for part in parts for check in part]
    flat.sort(key=lambda one: one.verdict is not Verdict.DEGRADED)
    return (*checks, *flat[:MOST_SEGMENTS])


def shared_level(plan: PerformancePlan, settings: CheckSettings, segments: int = 0) -> float:
    """The level of intervals of which one end is looked at, for all judged metrics and estimated segments together."""
    return 1 - 2 * min(settings.level, 0.4) / (len(plan.metrics) + segments)


def result(
    checks: Sequence[ColumnCheck], *, engine: str, reference_rows: int, current_rows: int, note: str = ""
) -> CheckResult:
    """A window's result: degraded when anything is, and too little data when nothing could be judged."""
    degraded = [one for one in checks if one.verdict is Verdict.DEGRADED]
    judged = [one for one in checks if one.verdict in (Verdict.DEGRADED, Verdict.NOT_DEGRADED)]
    if degraded:
        verdict, said = Verdict.DEGRADED, degraded[0].reason
        if len(degraded) > 1:
            said += f" {len(degraded) - 1} more of {len(judged)} are degraded."
    elif judged:
        verdict, said = Verdict.NOT_DEGRADED, judged[0].reason
    else:
        verdict = Verdict.INSUFFICIENT_DATA
        said = checks[0].reason if checks else "Nothing is judged."
    return CheckResult(
        engine=engine,
        verdict=verdict,
        reason=f"{said} {note}".strip(),
        columns=tuple(checks),
        reference_rows=reference_rows,
        current_rows=current_rows,
        drifted=len(degraded),
        checked=len(judged),
        drift_share=None,
    )


def _judged(
    found: Value,
    limit: float | None,
    settings: CheckSettings,
    method: str,
    baseline: PerformanceBaseline,
    before: float | None,
    name: str = "",
) -> ColumnCheck:
    metric = name or found.name
    verdict, reason = _verdict(found, metric, limit, settings, method)
    return ColumnCheck(
        column=found.name,
        kind=None,
        method=method,
        score=found.value,
        low=found.low,
        high=found.high,
        threshold=limit,
        verdict=verdict,
        beyond=None
        if found.value is None or limit is None
        else _beyond(metric, found.value, found.value, limit),
        reason=reason,
        approximate=method == "estimated",
        reference=None if before is None else ColumnSummary(rows=baseline.rows, nulls=0, mean=before),
        current=ColumnSummary(rows=found.rows, nulls=0, mean=found.value),
    )


def _verdict(
    found: Value, metric: str, limit: float | None, settings: CheckSettings, method: str
) -> tuple[Verdict, str]:
    if found.rows < settings.minimum_rows:
        what = "labelled rows" if method == "measured" else "rows with a usable prediction"
        return (
            Verdict.INSUFFICIENT_DATA,
            f"There are {found.rows} {what}, fewer than {settings.minimum_rows}.",
        )
    if found.value is None or limit is None:
        return Verdict.UNSUPPORTED, found.reason or f"The reference has no {metric} to compare with."
    if found.low is None or found.high is None:
        beyond = _beyond(metric, found.value, found.value, limit)
        between = "every row agrees"
    else:
        beyond = _beyond(metric, found.low, found.high, limit)
        between = f"between {found.low:.4g} and {found.high:.4g}"
    said = f"{found.name} is {'estimated at ' if method == 'estimated' else ''}{found.value:.4g} ({between})"
    side = _side(metric, limit)
    if beyond:
        return Verdict.DEGRADED, f"{said}, {side[1]}."
    return Verdict.NOT_DEGRADED, f"{said}, {side[0]}."


def _beyond(metric: str, low: float, high: float, limit: float) -> bool:
    """Whether the whole interval is on the wrong side of the limit."""
    if metric == "bias":
        return low > limit or high < -limit
    return low > limit if _worse(metric) > 0 else high < limit


def _side(metric: str, limit: float) -> tuple[str, str]:
    if metric == "bias":
        return f"not shown to be further from 0 than {limit:.4g}", f"further from 0 than {limit:.4g}"
    if _worse(metric) > 0:
        return f"not shown to be above {limit:.4g}", f"above the limit {limit:.4g}"
    return f"not shown to be below {limit:.4g}", f"below the limit {limit:.4g}"


def _worse(metric: str) -> float:
    """The direction in which a metric or gap gets worse: 1 up, -1 down."""
    return 1.0 if metric in LOWER_IS_BETTER or metric.endswith("_difference") else -1.0


def _gaps(
    plan: PerformancePlan, groups: Sequence[Group], level: float, minimum_rows: int, rows: int
) -> list[Value]:
    own = [one for one in groups if tuple(one.segment) == plan.groups]
    if len(own) < 2:
        why = f"There are fewer than two groups by {' and '.join(plan.groups)}."
        return [Value(name, None, None, None, rows, why) for name in plan.gaps]
    found = {one.name: one for one in fairness_gaps(own, level=level, minimum_rows=minimum_rows).gaps}
    return [_gap(found[name], rows) for name in plan.gaps]


def _gap(gap: Gap, rows: int) -> Value:
    return Value(gap.name, gap.value, gap.low, gap.high, rows, gap.reason)


def _segments(
    plan: PerformancePlan, settings: CheckSettings, groups: Sequence[Group], whole: float | None
) -> list[ColumnCheck]:
    own = [one for one in groups if tuple(one.segment) in plan.segments]
    if not own or whole is None:
        return []
    rules = SegmentSettings(
        level=settings.level,
        minimum_rows=settings.minimum_rows,
        minimum_difference=settings.tolerance * abs(whole),
    )
    found = compare_segments(own, plan.scores[0], settings=rules)
    return [_segment(one, plan.scores[0]) for one in found[:MOST_SEGMENTS]]


def _segment(found: SegmentFinding, metric: str) -> ColumnCheck:
    where = in_words(found.segment)
    return ColumnCheck(
        column=f"{metric} where {where}",
        kind=None,
        method="measured",
        score=found.value,
        threshold=found.rest,
        verdict=_SEGMENT_VERDICTS[found.verdict],
        reason=f"Where {where}: {found.reason}",
        p_value=found.adjusted,
        current=ColumnSummary(rows=found.rows, nulls=0, mean=found.value),
    )
