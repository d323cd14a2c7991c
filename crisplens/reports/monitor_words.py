"""What a monitor looks at, how it decides and what follows, in words."""

from __future__ import annotations

from crisplens.core.text import count
from crisplens.monitors.incidents.model import Response
from crisplens.monitors.model import CheckSettings
from crisplens.monitors.performance.plans import KpiPlan, PerformancePlan, Plan, VariantPlan
from crisplens.monitors.queries import Monitor
from crisplens.monitors.schedules.model import schedule_text
from crisplens.monitors.schedules.windows import FileRule, RowsRule, TimeRule


def rule_in_words(monitor: Monitor) -> str:
    """When a window counts as drift or lost performance, and when that is an alarm."""
    return _plan_rule(monitor.plan, monitor.settings) if monitor.plan else _rule(monitor.settings)


def _plan_rule(plan: Plan, settings: CheckSettings) -> str:
    match plan:
        case KpiPlan(kpi=kpi):
            return f"what is observed of {kpi} is held against its target{_again(settings, 'it is missed')}"
        case VariantPlan():
            return (
                f"{plan.challenger} is compared with {plan.champion} by {plan.outcome}, all rows so far at every look; "
                f"the chance that equal variants are ever said to differ is {settings.level:.3g}"
            )
        case _:
            return _performance_rule(plan, settings)


def _performance_rule(plan: PerformancePlan, settings: CheckSettings) -> str:
    limits = ", ".join(f"{name} {limit:g}" for name, limit in settings.thresholds.items())
    by = ", ".join(" and ".join(one) for one in plan.segments)
    parts = (
        f"{', '.join(plan.metrics)}, {'estimated without' if plan.estimated else 'measured with'} labels, may be worse "
        f"than in the reference by {settings.tolerance * 100:.3g}% of it",
        f"the limits set are {limits}" if limits else "",
        f"{plan.scores[0]} is compared between groups by {by}" if by else "",
        f"the chance of a false finding is {settings.level:.3g}{_again(settings, 'the same is degraded')}",
        f"with fewer than {count(settings.minimum_rows, 'row')}, nothing is judged",
    )
    return "; ".join(filter(None, parts))


def _again(settings: CheckSettings, subject: str) -> str:
    return (
        "" if settings.of == 1 else f"; an alarm when {subject} in {settings.needed} of {settings.of} windows"
    )


def _rule(settings: CheckSettings) -> str:
    if settings.drift_share is None:
        drifts = (
            f"a column drifts when its effect (Cohen's w) is larger than {settings.tolerance:g}, at a false discovery "
            f"rate of {settings.level:.3g}"
        )
        subject = "the same column drifts"
    else:
        drifts = f"a window drifts when at least {settings.drift_share * 100:.3g}% of its columns do"
        subject = "drift shows"
    few = f"columns with fewer than {count(settings.minimum_rows, 'value')} are not compared"
    return f"{drifts}{_again(settings, subject)}; {few}"


def response_in_words(response: Response) -> str:
    """What follows an alarm."""
    drift = {
        "automatic": "an alarm raises a retraining trigger",
        "ask": "a person decides whether to retrain",
        "never": "no retraining is asked for",
    }[response.trigger]
    rest = f", at most one in {count(response.cool_down, 'hour')}" if response.cool_down else ""
    owner = f"; {response.owner} answers for incidents" if response.owner else ""
    up = (
        f"; {response.escalate_to} after {count(response.escalate_after, 'hour')}"
        if response.escalate_to
        else ""
    )
    return f"{drift}{rest}{owner}{up}"


def plan_in_words(monitor: Monitor) -> str:
    """Which windows are checked when; empty for all current data, checked by hand."""
    when = "" if monitor.schedule is None else f"{schedule_text(monitor.schedule)} ({monitor.schedule.zone})"
    match monitor.windows:
        case TimeRule(length=length, every=every, zone=zone):
            step = "" if every == length else f" every {every}"
            place = "" if zone == "UTC" else f", {zone}"
            long = length if length[0].isdigit() else f"a{'n' if length == 'hour' else ''} {length}"
            what = f"windows of {long}{step} by {monitor.time_column}{place}"
        case FileRule():
            what = "each new file"
        case RowsRule(rows=rows):
            what = f"each {count(rows, 'row')}"
        case _:
            what = "all current data" if when else ""
    return ", ".join(filter(None, (what, when)))
