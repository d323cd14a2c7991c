"""What checks found, as commands give it: in words, and as an exit code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from crisplens.cli.output import table
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.monitors.incidents.queries import Incident
    from crisplens.monitors.model import ColumnCheck
    from crisplens.monitors.queries import Check
    from crisplens.monitors.recording import CheckRecorded
    from crisplens.nouns.monitors import DueRun

METRICS = ("Metric", "Verdict", "Value", "From", "To", "Limit", "Why not judged")
MEASURED = frozenset({"measured", "estimated", "variants", "observed"})
# Verdicts that --fail-on makes an exit code of.
FOUND = frozenset({"drift", "degraded"})
NOT_JUDGED = frozenset({"bad-data", "insufficient-data"})
COLUMNS = ("Column", "Verdict", "Effect w", "Method", "Score", "Threshold", "Why not compared")


def exit_code(done: CheckRecorded, fail_on: str | None) -> int:
    """2 when a check could not judge its data, 1 when it found what `fail_on` names, else 0."""
    verdict = done.check.deciding_verdict
    return 2 if verdict in NOT_JUDGED else 1 if verdict in FOUND and fail_on else 0


def zones_of(registry: Registry, checks: Iterable[CheckRecorded]) -> dict[str, str]:
    """The clocks that windows of time among `checks` go by, by monitor; nothing is read where there are none."""
    from crisplens.monitors.window_names import window_zone

    names = sorted({one.check.monitor for one in checks if one.check.window.end})
    return {name: window_zone(registry.monitor.get(name).windows) for name in names}


def check_text(done: CheckRecorded, zones: Mapping[str, str]) -> str:
    """A recorded check with all its columns or metrics, and what came of it."""
    check, result = done.check, done.check.result
    measured = any(one.method in MEASURED for one in result.columns)
    rows = [_measured(one) if measured else _row(one) for one in result.columns]
    columns = METRICS if measured else COLUMNS
    shown = columns if any(row[-1] for row in rows) else columns[:-1]
    lines = [f"{check.id} of {check.monitor}: {result.verdict}. {result.reason}", ""]
    if rows:
        lines += [table(shown, [row[: len(shown)] for row in rows]), ""]
    window = f"{count(check.window.rows, 'row')} of {_window(check, zones)}"
    against = f" against {result.reference_rows:,} of the reference" if result.reference_rows else ""
    lines.append(f"{window}{against}, engine {result.engine}.")
    lines += [f"{one.severity}: {one.reason}" for one in check.violations]
    if check.decision.moving:
        lines.append(f"Also compared: {check.decision.moving.reason}")
    if not check.decision.alarm and (result.verdict in FOUND or result.verdict == "bad-data"):
        lines.append(f"No alarm. {check.decision.reason}")
    if done.incident:
        how = f": crisplens incident acknowledge {done.incident.id}" if done.incident.state == "open" else ""
        lines.append(f"{done.incident.id} is {done.incident.state}{how}")
    if done.trigger:
        lines.append(
            f"{done.trigger.id} asks for {done.trigger.model} to be retrained: crisplens trigger list"
        )
    return "\n".join(lines)


def check_line(done: CheckRecorded, zones: Mapping[str, str]) -> str:
    """A recorded check in one line."""
    check = done.check
    incident = f" {done.incident.id} is {done.incident.state}." if done.incident else ""
    window = f" {_window(check, zones)}" if check.window.end or check.window.name else ""
    return f"{check.id} of {check.monitor}{window}: {check.result.verdict}. {check.result.reason}{incident}"


def due_text(runs: Sequence[DueRun], escalated: Sequence[Incident], zones: Mapping[str, str]) -> str:
    """What a run of all that is due did, and the incidents that it handed up."""
    lines = []
    for one in runs:
        lines += [check_line(check, zones) for check in one.checks]
        if one.failure:
            lines.append(f"{one.monitor}: {one.failure}")
        elif one.awaited:
            lines.append(f"{one.monitor}: {one.awaited} ({count(one.waiting, 'window')} open).")
        elif one.waiting:
            lines.append(f"{one.monitor}: {count(one.waiting, 'window')} more to check; run again.")
    lines += [f"{one.id} is handed up to {one.escalations[-1].to}: nobody took it on." for one in escalated]
    return "\n".join(lines) or "Nothing is due."


def _window(check: Check, zones: Mapping[str, str]) -> str:
    """A window in words: its name, and the place of its data where that does not say it already."""
    from crisplens.monitors.window_names import window_name

    name, place = window_name(check.window, zones.get(check.monitor, "UTC")), check.window.location
    return place if name in place else f"{name} in {place}"


def _measured(one: ColumnCheck) -> tuple[str | None, ...]:
    numbers = (None if one is None else f"{one:.4g}" for one in (one.score, one.low, one.high, one.threshold))
    return (
        one.column,
        one.verdict,
        *numbers,
        "" if one.verdict in ("degraded", "not-degraded") else one.reason,
    )


def _row(one: ColumnCheck) -> tuple[str | None, ...]:
    compared = one.verdict in ("drift", "no-drift")
    effect = None if one.effect is None else f"{one.effect:.2f}"
    score = None if one.score is None else f"{one.score:.4g}"
    threshold = None if one.threshold is None else f"{one.threshold:g}"
    return one.column, one.verdict, effect, one.method, score, threshold, "" if compared else one.reason
