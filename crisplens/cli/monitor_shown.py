"""A monitor's settings as people read them: what is set, a line for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from crisplens.cli.text import day
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.monitors.incidents.model import Response
    from crisplens.monitors.model import CheckSettings
    from crisplens.monitors.performance.plans import PerformancePlan, Plan, VariantPlan
    from crisplens.monitors.queries import Monitor

Facts = Iterator[tuple[str, str | None]]


def monitor_text(monitor: Monitor) -> str:
    """The monitor's name, and below it two columns: a setting, and what it is set to."""
    facts = [(name, said) for name, said in _facts(monitor) if said]
    wide = max(len(name) for name, _ in facts)
    return "\n".join([f"Monitor {monitor.name}", *(f"  {name:<{wide}}  {said}" for name, said in facts)])


def _facts(monitor: Monitor) -> Facts:
    from crisplens.reports.monitor_words import rule_in_words

    reference, pushed = monitor.reference, monitor.current == "push:"
    yield "Watches", monitor.model
    if monitor.plan:
        yield "Judges", rule_in_words(monitor)
        yield from _planned(monitor.plan)
    if reference.digest:
        yield "Reference", f"{reference.location}, {count(reference.rows, 'row')}"
    yield "Goes on from", monitor.succeeds
    yield "Current", "what is pushed to it" if pushed else monitor.current
    yield "Engine", monitor.engine
    if not monitor.plan:
        yield from _compared(monitor.settings)
    yield "Constraints", monitor.constraints
    yield from _run(monitor)
    yield from _answered(monitor.response)
    yield "Added", f"{day(monitor.recorded_at)} by {monitor.recorded_by}"
    yield "Last change", monitor.change_reason
    if monitor.retired_at:
        yield "Retired", f"{day(monitor.retired_at)} by {monitor.retired_by}: {monitor.retired_reason}"


def _compared(settings: CheckSettings) -> Facts:
    from crisplens.monitors.moving import moving_text

    yield "Columns", ", ".join(settings.columns) or "all of the reference"
    yield "Segments", _sets(settings.segments)
    yield "Methods", _pairs(settings.methods)
    yield "Thresholds", _pairs(settings.thresholds)
    yield "Weights", _pairs(settings.weights)
    yield "Scores", "exact, from every value" if settings.exact else None
    yield "Minimum rows", f"{settings.minimum_rows:,}"
    if settings.drift_share is None:
        yield "Tolerance", f"{settings.tolerance:g} (Cohen's w)"
        yield "Level", f"{settings.level:g}"
    else:
        yield "Drift share", f"{settings.drift_share:g} of the columns"
    yield "Persistence", f"{settings.needed} of {count(settings.of, 'window')}"
    yield "Reference also", moving_text(settings.also) if settings.also else None


def _planned(plan: Plan) -> Facts:
    from crisplens.monitors.performance.plans import PerformancePlan, VariantPlan

    if isinstance(plan, PerformancePlan):
        yield from _measured(plan)
    elif isinstance(plan, VariantPlan):
        yield from _varied(plan)


def _measured(plan: PerformancePlan) -> Facts:
    from crisplens.monitors.performance.model import BinaryColumns

    columns = plan.columns
    if isinstance(columns, BinaryColumns):
        cut = f" (positive from {columns.threshold:g})" if columns.score and not columns.predicted else ""
        yield "Score", f"{columns.score}{cut}" if columns.score else None
        yield "Positive", columns.positive
    yield "Label", columns.label
    yield "Prediction", columns.predicted
    yield "Groups", ", ".join(plan.groups)
    yield "Estimated by", ", ".join(plan.estimate_by)
    if plan.labels:
        yield "Labels", f"{plan.labels}, joined by {', '.join(plan.key)}"
        yield (
            "Awaited",
            f"until {plan.coverage:.0%} are there, at most {plan.labels_within} after a window's end",
        )


def _varied(plan: VariantPlan) -> Facts:
    yield "Variant", f"{plan.variant}: {plan.champion} (champion), {plan.challenger} (challenger)"
    yield "Outcome", f"{plan.outcome}, {'higher' if plan.higher_is_better else 'lower'} is better"
    yield "Least effect", None if plan.minimum_effect is None else f"{plan.minimum_effect:g}"
    share = "" if plan.share is None else f", {plan.share:.0%} of them for {plan.challenger}"
    yield "Planned", f"{count(plan.planned_rows, 'row')}{share}"


def _run(monitor: Monitor) -> Facts:
    from crisplens.monitors.performance.plans import KpiPlan
    from crisplens.monitors.schedules.model import schedule_text
    from crisplens.monitors.schedules.windows import FileRule, RowsRule, TimeRule, WholeRule

    match monitor.windows:
        case TimeRule(length=length, every=every, zone=zone, lateness=lateness):
            step = "" if every == length else f" every {every}"
            late = "" if lateness == "0s" else f", complete {lateness} after the end"
            yield "Windows", f"{length}{step}, {zone}{late}"
        case FileRule():
            yield "Windows", "each new file"
        case RowsRule(rows=rows):
            yield "Windows", f"each {count(rows, 'row')}"
        case WholeRule():
            yield "Windows", None if isinstance(monitor.plan, KpiPlan) else "all current data"
    yield "Time column", monitor.time_column
    if schedule := monitor.schedule:
        start = f", from {schedule.start:%Y-%m-%d %H:%M %Z}" if schedule.start else ""
        yield "Schedule", f"{schedule_text(schedule)} ({schedule.zone}){start}"


def _answered(response: Response) -> Facts:
    from crisplens.monitors.incidents.model import TriggerPolicy

    triggers = {
        TriggerPolicy.AUTOMATIC: "an alarm raises a retraining trigger",
        TriggerPolicy.ASK: "a person decides whether to retrain",
        TriggerPolicy.NEVER: "no retraining is asked for",
    }
    yield "Trigger", f"{response.trigger}: {triggers[response.trigger]}"
    yield "Cool-down", count(response.cool_down, "hour") if response.cool_down else None
    yield "Owner", response.owner
    if response.escalate_to:
        yield "Handed up", f"to {response.escalate_to} after {count(response.escalate_after, 'hour')}"


def _sets(sets: Sequence[Sequence[str]]) -> str:
    return "; ".join(", ".join(one) for one in sets)


def _pairs(given: Mapping[str, object]) -> str:
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in given.items()
    )
