"""Monitors over time: each one's checks in their order, and its columns or metrics over them."""

from __future__ import annotations

from crisplens.lifecycle.record import ProjectRecord
from crisplens.monitors.model import BAD_VERDICTS, FOUND, JUDGED, CheckResult, ColumnCheck
from crisplens.monitors.queries import Check, Monitor, Mute
from crisplens.monitors.window_names import window_name, window_zone
from crisplens.reports.monitor_words import plan_in_words, response_in_words, rule_in_words
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
    listed, zone = checks[-MOST_CHECKS:], window_zone(monitor.windows)
    latest = sorted(checks[-1].result.columns, key=_urgency) if checks else []
    # A window that could not be read has no columns: the newest that has some tells them.
    told = next((one.result.columns for one in reversed(listed) if one.result.columns), ())
    columns = [column.column for column in sorted(told, key=_urgency)[:MOST_COLUMNS]]
    verdicts = [{column.column: column.verdict for column in check.result.columns} for check in listed]
    return MonitorStory(
        monitor=monitor,
        rule=rule_in_words(monitor),
        response=response_in_words(monitor.response),
        planned=plan_in_words(monitor),
        mutes=tuple(mutes),
        checks=tuple(_check(one, zone) for one in listed),
        earlier=len(checks) - len(listed),
        history=tuple(
            ColumnHistory(name=name, verdicts=tuple(one.get(name) for one in verdicts)) for name in columns
        ),
        latest=tuple(latest[:MOST_COLUMNS]),
        more_columns=max(len(told) - MOST_COLUMNS, 0),
    )


def _urgency(column: ColumnCheck) -> int:
    """What was found first, bad data second; the sort keeps the order of the columns otherwise."""
    if column.verdict in FOUND:
        return 0
    if column.verdict in BAD_VERDICTS:
        return 1
    return 3 if column.verdict in JUDGED else 2


def _check(check: Check, zone: str) -> CheckEntry:
    return CheckEntry(
        id=check.id,
        at=check.recorded_at,
        by=check.recorded_by,
        engine=check.result.engine,
        location=check.window.location,
        window=window_name(check.window, zone),
        start=check.window.start,
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
