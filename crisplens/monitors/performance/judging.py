"""Whether a model does worse than it may: metrics with their intervals against limits, overall and by segment. Pure.

A metric is beyond its limit when its whole interval is, so that chance alone does not explain it. The level is shared
by all that is judged (Bonferroni), but for segments, which are compared with the rest at a false discovery rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from crisplens.core.errors import InputError
from crisplens.core.text import count
from crisplens.monitors.model import (
    BAD_VERDICTS,
    JUDGED,
    CheckResult,
    CheckSettings,
    ColumnCheck,
    ColumnSummary,
    Verdict,
)
from crisplens.monitors.performance.estimation import Estimate
from crisplens.monitors.performance.fairness import Gap, fairness_gaps
from crisplens.monitors.performance.metrics import TOO_FEW, by_name, metrics_of, row_count
from crisplens.monitors.performance.model import Group, Statistics
from crisplens.monitors.performance.plans import (
    PerformanceBaseline,
    PerformancePlan,
    leaves_room,
    worsens_upward,
    worst_of,
)
from crisplens.monitors.performance.segments import (
    SegmentFinding,
    SegmentSettings,
    SegmentVerdict,
    compare_segments,
)
from crisplens.monitors.segments import in_words

# Rows that share values of some columns; a null is None.
Where = Mapping[str, str | None]
# Segments that do worst are listed first; the others are in the kept file.
MOST_SEGMENTS = 50
_SEGMENT_VERDICTS = {
    SegmentVerdict.WORSE: Verdict.DEGRADED,
    SegmentVerdict.BETTER: Verdict.NOT_DEGRADED,
    SegmentVerdict.NO_DIFFERENCE: Verdict.NOT_DEGRADED,
    SegmentVerdict.INSUFFICIENT_DATA: Verdict.INSUFFICIENT_DATA,
    SegmentVerdict.UNDEFINED: Verdict.UNSUPPORTED,
}


@dataclass(frozen=True)
class Value:
    """A metric or gap with its interval; `rows` is what it rests on, `reason` why it has no value or no interval.

    `verdict` is that of one without a value.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    rows: int
    reason: str = ""
    verdict: Verdict = Verdict.UNSUPPORTED


def limits_of(
    plan: PerformancePlan, settings: CheckSettings, baseline: PerformanceBaseline
) -> dict[str, float | None]:
    """What each judged metric may be at worst: the limit that is set, else that of the reference worsened by the
    tolerance, a share of it. None where the reference has no such value."""
    known = by_name(metrics_of(baseline.statistics))
    found: dict[str, float | None] = {}
    for name in plan.metrics:
        value = known[name].value if name in known else None
        value = abs(value) if name == "bias" and value is not None else value
        borne = settings.tolerance * abs(value or 0.0)
        worse = None if value is None else value + borne if worsens_upward(name) else value - borne
        found[name] = settings.thresholds.get(name, worse)
    return found


def check_room(plan: PerformancePlan, settings: CheckSettings, baseline: PerformanceBaseline) -> None:
    """Raise `InputError` for a metric that no window could be worse in than the reference and the tolerance allow."""
    known = by_name(metrics_of(baseline.statistics))
    for name, limit in limits_of(plan, settings, baseline).items():
        value, worst = known[name].value if name in known else None, worst_of(name)
        if name in settings.thresholds or value is None or limit is None or leaves_room(name, limit):
            continue
        if value == worst:
            raise InputError(
                f"{name} of the reference is {value:g}, the worst that it can be, so no window could be worse",
                slug="not-calibrated",
                hint="Check that the columns of labels and predictions are the right ones, with the same classes.",
            )
        assert worst is not None, "where there is no worst value there is room"
        share = math.floor(1000 * abs(worst - value) / abs(value)) / 1000
        raise InputError(
            f"a tolerance of {settings.tolerance:g} bears a {name} of {limit:.4g}, and {worst:g} is the worst "
            "that it can be, so no window could be degraded",
            slug="bad-setting",
            hint=f"Give a tolerance below {share:g}, or a limit such as --threshold {name}={value:.3g}.",
        )


def judge_measured(
    plan: PerformancePlan,
    settings: CheckSettings,
    baseline: PerformanceBaseline,
    whole: Statistics,
    groups: Sequence[Group],
) -> tuple[ColumnCheck, ...]:
    """Every judged metric of a window's labelled rows, then gaps between groups, then segments, the worst first.

    Before the segments stand the sets of columns by which none of them could be judged.
    """
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
        checks += _segments(plan, settings, groups, checks[0])
    return tuple(checks)


def judge_estimated(
    plan: PerformancePlan,
    settings: CheckSettings,
    baseline: PerformanceBaseline,
    whole: Iterable[Estimate],
    groups: Sequence[tuple[Where, Iterable[Estimate]]],
) -> tuple[ColumnCheck, ...]:
    """Every judged metric as it is estimated, then the first of them in each segment.

    Before the segments stand the sets of columns by which none of them could be judged.
    """
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
    parts = [
        (where, one)
        for where, found in groups
        for one in judged(found, plan.scores[:1], f" where {in_words(where)}")
    ]
    checks += _sets_not_judged(plan, parts, checks[0], "row with a usable prediction")
    flat = sorted((one for _, one in parts), key=lambda one: one.verdict is not Verdict.DEGRADED)
    return (*checks, *flat[:MOST_SEGMENTS])


def shared_level(plan: PerformancePlan, settings: CheckSettings, segments: int = 0) -> float:
    """The level of intervals of which one end is looked at, for all judged metrics and estimated segments together."""
    return 1 - 2 * min(settings.level, 0.4) / (len(plan.metrics) + segments)


def result(
    checks: Sequence[ColumnCheck], *, engine: str, reference_rows: int, current_rows: int, note: str = ""
) -> CheckResult:
    """A window's result: degraded when anything is, else not judged when anything that was asked for was not.

    That is bad data where a column is null throughout, and insufficient data otherwise. A single segment is not asked
    for by itself, but a set of segments is.
    """
    degraded = [one for one in checks if one.verdict is Verdict.DEGRADED]
    judged = [one for one in checks if one.verdict in JUDGED]
    lacking = [one for one in checks if one.verdict not in JUDGED and not _is_segment(one)]
    said = [_not_judged(lacking)] if lacking else []
    if degraded:
        verdict = Verdict.DEGRADED
        more = f" {len(degraded) - 1} more of {len(judged)} are degraded." if len(degraded) > 1 else ""
        said.insert(0, degraded[0].reason + more)
    elif lacking or not judged:
        null = any(one.verdict in BAD_VERDICTS for one in lacking)
        verdict = Verdict.BAD_DATA if null else Verdict.INSUFFICIENT_DATA
        said.append("What could be judged is not degraded." if judged else "")
    else:
        verdict, said = Verdict.NOT_DEGRADED, [judged[0].reason]
    return CheckResult(
        engine=engine,
        verdict=verdict,
        reason=" ".join(part for part in (*said, note) if part),
        columns=tuple(checks),
        reference_rows=reference_rows,
        current_rows=current_rows,
        drifted=len(degraded),
        checked=len(judged),
        drift_share=None,
    )


def _in_a_row(names: Sequence[str]) -> str:
    """Names as they are listed in a sentence."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _is_segment(check: ColumnCheck) -> bool:
    """Whether this is a single segment, such as `f1 where region = north`; names of metrics have no blanks."""
    return check.column.partition(" ")[2].startswith("where ")


def _not_judged(checks: Sequence[ColumnCheck]) -> str:
    """Sentences that name what could not be judged and why, what has the same reason together."""
    by_reason: dict[str, list[str]] = {}
    for one in checks:
        by_reason.setdefault(one.reason, []).append(one.column)
    return " ".join(
        f"{_in_a_row(names)} could not be judged: {reason[:1].lower()}{reason[1:]}"
        for reason, names in by_reason.items()
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
        there = "There is" if found.rows == 1 else "There are"
        what = (
            count(found.rows, "labelled row")
            if method == "measured"
            else f"{count(found.rows, 'row')} with a usable prediction"
        )
        return Verdict.INSUFFICIENT_DATA, f"{there} {what}, fewer than {settings.minimum_rows}."
    if found.value is None or limit is None:
        return found.verdict, found.reason or f"The reference has no {metric} to compare with."
    if found.low is None and found.reason.startswith(TOO_FEW):
        return Verdict.INSUFFICIENT_DATA, found.reason
    if found.low is None or found.high is None:
        beyond = _beyond(metric, found.value, found.value, limit)
        between = f"{found.reason[:1].lower()}{found.reason[1:].rstrip('.')}" or "without an interval"
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
    return low > limit if worsens_upward(metric) else high < limit


def _side(metric: str, limit: float) -> tuple[str, str]:
    if metric == "bias":
        return f"not shown to be further from 0 than {limit:.4g}", f"further from 0 than {limit:.4g}"
    if worsens_upward(metric):
        return f"not shown to be above {limit:.4g}", f"above the limit {limit:.4g}"
    return f"not shown to be below {limit:.4g}", f"below the limit {limit:.4g}"


def _gaps(
    plan: PerformancePlan, groups: Sequence[Group], level: float, minimum_rows: int, rows: int
) -> list[Value]:
    own = [one for one in groups if set(one.segment) == set(plan.groups)]
    if len(own) < 2:
        why, verdict = _too_few_groups([one.segment for one in own], plan.groups, "labelled row")
        return [Value(name, None, None, None, rows, why, verdict) for name in plan.gaps]
    found = {one.name: one for one in fairness_gaps(own, level=level, minimum_rows=minimum_rows).gaps}
    return [_gap(found[name], rows) for name in plan.gaps]


def _gap(gap: Gap, rows: int) -> Value:
    return Value(gap.name, gap.value, gap.low, gap.high, rows, gap.reason)


def _segments(
    plan: PerformancePlan, settings: CheckSettings, groups: Sequence[Group], whole: ColumnCheck
) -> list[ColumnCheck]:
    sets = [set(one) for one in plan.segments]
    own = [one for one in groups if set(one.segment) in sets]
    rules = SegmentSettings(
        level=settings.level,
        minimum_rows=settings.minimum_rows,
        minimum_difference=settings.tolerance * abs(whole.score or 0.0),
    )
    found = compare_segments(own, plan.scores[0], settings=rules) if whole.score is not None else ()
    checks = [(one.segment, _segment(one, plan.scores[0])) for one in found]
    if not found:
        # Nothing is said of segments where there is nothing to say of the whole.
        checks = [(one.segment, whole) for one in own]
    missing = _sets_not_judged(plan, checks, whole, "labelled row")
    return [*missing, *(one for _, one in checks[:MOST_SEGMENTS] if found)]


def _sets_not_judged(
    plan: PerformancePlan, segments: Sequence[tuple[Where, ColumnCheck]], whole: ColumnCheck, row: str
) -> list[ColumnCheck]:
    """A check for each set of segment columns by which no segment could be judged, with the reason.

    A segment of nulls alone, which nothing is compared with, says nothing of the set.
    """
    checks = []
    for columns in plan.segments:
        own = [(where, one) for where, one in segments if set(where) == set(columns)]
        null = all(value is None for where, _ in own for value in where.values())
        if not null and any(one.verdict in JUDGED for _, one in own):
            continue
        verdict, reason = _why_none(columns, own, whole, row)
        checks.append(
            ColumnCheck(
                column=f"{plan.scores[0]} by {' and '.join(columns)}",
                kind=None,
                method=whole.method,
                verdict=verdict,
                reason=reason,
            )
        )
    return checks


def _why_none(
    columns: Sequence[str], segments: Sequence[tuple[Where, ColumnCheck]], whole: ColumnCheck, row: str
) -> tuple[Verdict, str]:
    if whole.verdict is Verdict.INSUFFICIENT_DATA:
        return whole.verdict, whole.reason
    reason, verdict = _too_few_groups([where for where, _ in segments], columns, row)
    if verdict is Verdict.ALL_NULL or (len(segments) == 1 and whole.verdict in JUDGED):
        return verdict, reason
    if not segments or whole.verdict not in JUDGED:
        return whole.verdict, whole.reason
    _, largest = max(segments, key=lambda one: one[1].current.rows if one[1].current else 0)
    few = all(one.verdict is Verdict.INSUFFICIENT_DATA for _, one in segments)
    return (
        Verdict.INSUFFICIENT_DATA if few else Verdict.UNSUPPORTED,
        f"None of {len(segments)} segments could be. {largest.reason}",
    )


def _too_few_groups(groups: Sequence[Where], columns: Sequence[str], row: str) -> tuple[str, Verdict]:
    """Why groups, of which there are fewer than two, are not compared."""
    null = [name for name in columns if groups and all(one[name] is None for one in groups)]
    if null:
        verb = "is" if len(null) == 1 else "are"
        return f"{_in_a_row(null)} {verb} null in every {row}.", Verdict.ALL_NULL
    only = f"There is only one group by {' and '.join(columns)}"
    return f"{only}: {in_words(groups[0])}." if groups else f"{only}.", Verdict.UNSUPPORTED


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
