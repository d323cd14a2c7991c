"""Monitors over time: each one's checks in their order, and its columns or metrics over them."""

from __future__ import annotations

from crisplens.lifecycle.record import ProjectRecord
from crisplens.monitors.incidents.model import Response
from crisplens.monitors.model import BAD_VERDICTS, FOUND, JUDGED, CheckResult, CheckSettings, ColumnCheck
from crisplens.monitors.performance.plans import KpiPlan, PerformancePlan, Plan, VariantPlan
from crisplens.monitors.queries import Check, Monitor, Mute
from crisplens.monitors.schedules.model import schedule_text
from crisplens.monitors.schedules.windows import FileRule, RowsRule, TimeRule
from crisplens.reports.record_content import CheckEntry, ColumnHistory, MonitorStory

# More cannot be read in one picture, and the report has to stay small enough to send.
MOST_CHECKS = 30
MOST_COLUMNS = 120


def monitor_stories(record: ProjectRecord) -> tuple[MonitorStory, ...]:
    """The project's monitors, by name."""
    return tuple(
        _story(monitor, _of(record, monitor), [one for one in record.mutes if one.monitor == monitor.name])
        for monitor in record.monitors
    )


def unlisted_checks(record: ProjectRecord) -> list[Check]:
    """The checks that are too old to be listed."""
    listed = {check.id for monitor in record.monitors for check in _of(record, monitor)[-MOST_CHECKS:]}
    return [check for check in record.checks if check.id not in listed]


def _of(record: ProjectRecord, monitor: Monitor) -> list[Check]:
    return [check for check in record.checks if check.monitor == monitor.name]


def _story(monitor: Monitor, checks: list[Check], mutes: list[Mute]) -> MonitorStory:
    listed = checks[-MOST_CHECKS:]
    latest = sorted(checks[-1].result.columns, key=_urgency) if checks else []
    columns = [column.column for column in latest[:MOST_COLUMNS]]
    verdicts = [{column.column: column.verdict for column in check.result.columns} for check in listed]
    return MonitorStory(
        monitor=monitor,
        rule=_plan_rule(monitor.plan, monitor.settings) if monitor.plan else _rule(monitor.settings),
        response=_response(monitor.response),
        planned=_planned(monitor),
        mutes=tuple(mutes),
        checks=tuple(map(_check, listed)),
        earlier=len(checks) - len(listed),
        history=tuple(
            ColumnHistory(name=name, verdicts=tuple(one.get(name) for one in verdicts)) for name in columns
        ),
        latest=tuple(latest[:MOST_COLUMNS]),
        more_columns=max(len(latest) - MOST_COLUMNS, 0),
    )


def _urgency(column: ColumnCheck) -> int:
    """What was found first, bad data second; the sort keeps the order of the columns otherwise."""
    if column.verdict in FOUND:
        return 0
    if column.verdict in BAD_VERDICTS:
        return 1
    return 3 if column.verdict in JUDGED else 2


def _check(check: Check) -> CheckEntry:
    return CheckEntry(
        id=check.id,
        at=check.recorded_at,
        by=check.recorded_by,
        engine=check.result.engine,
        location=check.window.location,
        rows=check.window.rows,
        verdict=check.result.verdict,
        reason=check.result.reason,
        drifted=check.result.drifted,
        checked=check.result.checked,
        share=_share(check.result),
        drift_share=check.result.drift_share,
        violations=check.violations,
        decision=check.decision.reason,
        incident=check.incident,
    )


def _share(result: CheckResult) -> float | None:
    return result.drifted / result.checked if result.checked else None


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
        f"with fewer than {settings.minimum_rows:,} rows, nothing is judged",
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
    few = f"columns with fewer than {settings.minimum_rows:,} values are not compared"
    return f"{drifts}{_again(settings, subject)}; {few}"


def _response(response: Response) -> str:
    drift = {
        "automatic": "an alarm raises a retraining trigger",
        "ask": "a person decides whether to retrain",
        "never": "no retraining is asked for",
    }[response.trigger]
    rest = f", at most one in {response.cool_down} hours" if response.cool_down else ""
    owner = f"; {response.owner} answers for incidents" if response.owner else ""
    up = f"; {response.escalate_to} after {response.escalate_after} hours" if response.escalate_to else ""
    return f"{drift}{rest}{owner}{up}"


def _planned(monitor: Monitor) -> str:
    when = "" if monitor.schedule is None else f"{schedule_text(monitor.schedule)} ({monitor.schedule.zone})"
    match monitor.windows:
        case TimeRule(length=length, every=every):
            step = "" if every == length else f" every {every}"
            what = f"windows of {length}{step} by {monitor.time_column}"
        case FileRule():
            what = "each new file"
        case RowsRule(rows=rows):
            what = f"each {rows:,} rows"
        case _:
            what = "all current data" if when else ""
    return ", ".join(filter(None, (what, when)))
