"""`crisplens monitor`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from crisplens.cli.notification import told_text
from crisplens.cli.options import command, many
from crisplens.cli.output import Output, table
from crisplens.cli.parsing import pairs
from crisplens.cli.text import day
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.monitors.checking import CheckRecorded
    from crisplens.monitors.incidents.queries import Incident
    from crisplens.monitors.model import ColumnCheck
    from crisplens.monitors.queries import Check
    from crisplens.nouns.monitors import DueRun

NONE_YET = (
    "There is no monitor yet: crisplens monitor add NAME --model MODEL --reference FILES --current FILES"
)
NOT_JUDGED = frozenset({"bad-data", "insufficient-data"})
COLUMNS = ("Column", "Verdict", "Effect w", "Method", "Score", "Threshold", "Why not compared")


# What `add` sets and `change` sets anew: option, type, default, placeholder, help.
_SETTINGS: tuple[tuple[str, type, Any, str | None, str], ...] = (
    ("--tolerance", float, 0.1, None, "The effect, Cohen's w, that is borne."),
    ("--level", float, 0.05, None, "The false discovery rate over columns."),
    ("--persistence", str, None, "K/N", "Alarm when a column drifts in K of N windows."),
    ("--drift-share", float, None, None, "Decide by scores: the share of columns that must drift."),
    ("--minimum-rows", int, 30, None, "Columns with fewer values are not compared."),
    ("--constraints", str, None, "FILE", "Hold data to these constraints; suggest for the reference's own."),
    ("--engine", str, "duckdb", None, "What compares: duckdb or evidently."),
    ("--trigger", str, "automatic", None, "Whether drift asks for retraining: automatic, ask or never."),
    ("--cool-down", int, 0, None, "Hours without a new trigger after one."),
    ("--owner", str, "", "WHO", "Who answers for its incidents."),
    ("--escalate-to", str, "", "WHO", "Who gets incidents that nobody takes on."),
    ("--escalate-after", int, 24, None, "After how many hours they do."),
)


def _settings(*, changing: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the options of `_SETTINGS`, each None unless given when `changing`, else with its default."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for name, kind, default, metavar, said in reversed(_SETTINGS):
            used = None if changing else default
            shown = used not in (None, "")
            option = click.option(
                name, type=kind, default=used, show_default=shown, metavar=metavar, help=said
            )
            function = option(function)
        return function

    return decorate


@click.group()
def group() -> None:
    """Monitors: production data against its reference."""


@group.command()
@click.argument("name")
@click.option("--model", required=True, metavar="MODEL", help="The model whose data it is.")
@click.option(
    "--reference",
    required=True,
    metavar="FILES",
    help="What to compare with: CSV, JSON lines or Parquet, a glob in quotes, or a URL.",
)
@click.option("--current", required=True, metavar="FILES", help="Where current data is found: likewise.")
@many("--column", "columns", metavar="NAME", help="A column to watch; else all.")
@many(
    "--method", "methods", metavar="COLUMN=METHOD", help="How a column is scored; else by its type and size."
)
@many(
    "--threshold",
    "thresholds",
    metavar="COLUMN=NUMBER",
    help="The score from which a column drifts, whatever its effect.",
)
@many("--weight", "weights", metavar="COLUMN=NUMBER", help="How much a column counts; 0 for never. Else 1.")
@click.option(
    "--window",
    default="whole",
    show_default=True,
    metavar="KIND",
    help="What is checked at once: whole, file, '5000 rows', 6h, or hour, day, week, month, quarter, year.",
)
@click.option(
    "--window-every", metavar="STEP", help="The step of sliding windows of time; else their length."
)
@click.option("--time-column", default="", metavar="NAME", help="The column that says when a row belongs to.")
@click.option(
    "--lateness", default="0s", metavar="TIME", help="How long after a window its rows may still come."
)
@click.option(
    "--schedule", metavar="WHEN", help="When `monitor run --due` checks: '0 6 * * *', @daily, 'every 6h'."
)
@click.option(
    "--zone", default="UTC", show_default=True, help="The time zone of schedule and calendar windows."
)
@_settings()
@command(acts=True)
def add(
    registry: Registry,
    name: str,
    thresholds: tuple[str, ...],
    methods: tuple[str, ...],
    weights: tuple[str, ...],
    **given: Any,
) -> Output:
    """Watch a model's data as NAME. The reference is profiled once, now."""
    monitor = registry.monitor.add(
        name,
        thresholds=_numbers("--threshold", thresholds),
        methods=pairs("--method", methods, example="age=psi", form="COLUMN=METHOD"),
        weights=_numbers("--weight", weights),
        **given,
    )
    compared = f"{monitor.reference.rows:,} rows of {monitor.reference.location}"
    text = f"Monitor {monitor.name} compares {monitor.current} with {compared}."
    how = "--due" if monitor.schedule else monitor.name
    return Output(monitor, f"{text}\nNext: crisplens monitor run {how}")


@group.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why it is changed.")
@click.option("--current", metavar="FILES", help="Where current data is found.")
@many(
    "--method",
    "methods",
    metavar="COLUMN=METHOD",
    help="How columns are scored: these instead of those before.",
)
@many("--threshold", "thresholds", metavar="COLUMN=NUMBER", help="Thresholds instead of those before.")
@many("--weight", "weights", metavar="COLUMN=NUMBER", help="Weights instead of those before.")
@click.option("--schedule", metavar="WHEN", help="When it is checked from now on; never to end the schedule.")
@click.option("--zone", help="The time zone of the schedule.")
@_settings(changing=True)
@command(acts=True)
def change(
    registry: Registry,
    name: str,
    thresholds: tuple[str, ...],
    methods: tuple[str, ...],
    weights: tuple[str, ...],
    **given: Any,
) -> Output:
    """Let monitor NAME decide, or be run, differently from now on; what is not given stays."""
    monitor = registry.monitor.change(
        name,
        thresholds=_numbers("--threshold", thresholds) or None,
        methods=pairs("--method", methods, example="age=psi", form="COLUMN=METHOD") or None,
        weights=_numbers("--weight", weights) or None,
        **given,
    )
    return Output(monitor, f"Monitor {monitor.name} is changed: {monitor.change_reason}")


@group.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why it is run no more.")
@command(acts=True)
def retire(registry: Registry, name: str, reason: str) -> Output:
    """Run monitor NAME no more; what it found stays."""
    return Output(registry.monitor.retire(name, reason=reason), f"Monitor {name} is retired.")


@group.command()
@click.argument("name")
@click.option("--until", required=True, metavar="TIME", help="When it ends (ISO 8601).")
@click.option("--from", "start", metavar="TIME", help="When it starts, for maintenance to come; else now.")
@click.option("--reason", required=True, help="Why nothing is to be an alarm.")
@command(acts=True)
def mute(registry: Registry, name: str, until: str, start: str | None, reason: str) -> Output:
    """Take nothing that monitor NAME finds for an alarm until then; all of it is recorded."""
    one = registry.monitor.mute(name, until=until, start=start, reason=reason)
    return Output(one, f"{one.id}: {name} is muted from {day(one.start)} until {day(one.end)}.")


@group.command()
@click.argument("mute", metavar="ID")
@click.option("--reason", required=True, help="Why it ends early.")
@command(acts=True)
def unmute(registry: Registry, mute: str, reason: str) -> Output:
    """End mute ID before its time."""
    one = registry.monitor.unmute(mute, reason=reason)
    return Output(one, f"{one.id} is over: {one.monitor} can alarm again.")


@group.command()
@click.argument("name", required=False)
@command()
def mutes(registry: Registry, name: str | None) -> Output:
    """List the mutes of monitor NAME, or of all."""
    found = registry.monitor.mutes(name)
    rows = [
        (one.id, one.monitor, day(one.start), day(one.ended_at or one.end), one.reason, one.recorded_by)
        for one in found
    ]
    columns = ("Mute", "Monitor", "From", "Until", "Reason", "By")
    return Output.table(found, columns, rows, empty="No monitor has been muted.")


@group.command()
@click.argument("name", required=False)
@click.option(
    "--due", is_flag=True, help="Check every monitor whose schedule says so, or the windows of NAME."
)
@click.option(
    "--most", type=click.IntRange(1), default=50, show_default=True, help="Windows of a monitor at once."
)
@click.option("--engine", help="What compares: duckdb or evidently; else the monitor's.")
@click.option("--current", metavar="FILES", help="Check these files; else the monitor's.")
@click.option("--fail-on", type=click.Choice(["drift"]), help="Exit 1 when the verdict is drift.")
@command(acts=True)
def run(
    registry: Registry,
    name: str | None,
    due: bool,
    most: int,
    engine: str | None,
    current: str | None,
    fail_on: str | None,
) -> Output:
    """Check monitor NAME's current data now, and record what was found.

    With --due, check what schedules ask for, each window once, those that were missed in order. Exits 2 when data
    could not be judged: that is recorded too, as bad-data or insufficient-data, and is never taken for `no drift`.
    """
    if due:
        if engine or current:
            raise click.UsageError("--due checks each monitor's own data with its own engine.")
        runs = registry.monitor.run_due(name, most=most)
        handed_up = registry.incident.escalate_overdue() if name is None else ()
        checks = [one for each in runs for one in each.checks]
        told = registry.notification.deliver() if checks or handed_up else None
        if told and (said := told_text(told)):
            click.echo(said, err=True)
        return Output(
            {"runs": runs, "escalated": handed_up},
            lambda: _due_text(runs, handed_up),
            exit_code=max(
                [_code(one, fail_on) for one in checks] + [one.exit_code for one in runs], default=0
            ),
        )
    if name is None:
        raise click.UsageError("Name a monitor, or check all that are due with --due.")
    done = registry.monitor.run(name, engine=engine, current=current)
    verdict = done.check.result.verdict
    if verdict in NOT_JUDGED:
        click.echo(
            f"The data could not be judged; {done.check.id} is recorded with the verdict {verdict}.", err=True
        )
    return Output(done, lambda: _text(done), exit_code=_code(done, fail_on))


def _code(done: CheckRecorded, fail_on: str | None) -> int:
    verdict = done.check.result.verdict
    return 2 if verdict in NOT_JUDGED else 1 if verdict == "drift" and fail_on else 0


@group.command()
@command(as_json=False)
def metrics(registry: Registry) -> None:
    """Print what monitors found last as gauges in Prometheus' text format."""
    click.echo(registry.monitor.metrics(), nl=False)


@group.command()
@click.argument("name")
@click.option("--tolerance", type=float, help="The effect, Cohen's w, that is borne; else the monitor's.")
@click.option("--level", type=float, help="The false discovery rate over columns; else the monitor's.")
@click.option("--persistence", metavar="K/N", help="K of N windows; else the monitor's.")
@command()
def backtest(
    registry: Registry, name: str, tolerance: float | None, level: float | None, persistence: str | None
) -> Output:
    """Show what other settings would have said over the windows that NAME has checked; no data is read."""
    found = registry.monitor.backtest(name, tolerance=tolerance, level=level, persistence=persistence)
    settings = found.settings
    rows = [
        (
            one.check,
            one.window,
            one.verdict,
            "yes" if one.alarmed else "",
            ", ".join(one.drifting),
            ", ".join(one.alarming),
        )
        for one in found.windows
    ]
    columns = ("Check", "Window", "Verdict then", "Alarm then", "Would drift", "Would alarm")
    said = (
        f"{count(found.alarms, 'alarm')} would have begun in {count(len(rows), 'window')}, with the tolerance "
        f"{settings.tolerance:g}, the level {settings.level:g} and {settings.needed} of {settings.of} windows."
    )
    return Output(found, lambda: f"{table(columns, rows)}\n\n{said}")


@group.command()
@click.argument("name")
@click.option("--alarms", type=float, default=1, show_default=True, help="So many false alarms are borne …")
@click.option(
    "--windows", type=click.IntRange(1), default=90, show_default=True, help="… in so many windows."
)
@click.option(
    "--effect", type=float, default=0.2, show_default=True, help="The drift, Cohen's w, to be found."
)
@command()
def tune(registry: Registry, name: str, alarms: float, windows: int, effect: float) -> Output:
    """Propose settings for NAME from its past windows: false alarms against the time until drift is found."""
    found = registry.monitor.tune(name, alarms=alarms, windows=windows, effect=effect)
    rows = [
        (
            f"{one.tolerance:g}",
            f"{one.needed}/{one.of}",
            f"{one.false_alarms} of {one.windows}",
            f"{one.rate_at_most:.1%}",
            "" if one.found is None else f"{one.found:.0%}",
            "" if one.delay is None else str(one.delay),
            "" if one.late_delay is None else str(one.late_delay),
        )
        for one in found.weighed
    ]
    columns = ("Tolerance", "Windows", "False alarms", "At most", "Found", "Windows until, median", "9 of 10")
    best = found.chosen
    said = "No setting keeps to that rate: allow more alarms, or check more windows first."
    if best is not None:
        how = f"--tolerance {best.tolerance:g} --persistence {best.needed}/{best.of}"
        said = f"Proposed: crisplens monitor change {name} {how} --reason 'tuned'"
    return Output(found, lambda: f"{table(columns, rows)}\n\n{said}")


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's monitors."""
    monitors = registry.monitor.list()
    rows = [
        (one.name, one.model, one.reference.location, one.current, one.engine, one.recorded_by)
        for one in monitors
    ]
    columns = ("Monitor", "Model", "Reference", "Current", "Engine", "Added by")
    return Output.table(monitors, columns, rows, empty=NONE_YET)


@group.command()
@click.argument("name", required=False)
@command()
def history(registry: Registry, name: str | None) -> Output:
    """List the checks of monitor NAME, or of all."""
    checks = registry.monitor.history(name)
    rows = [
        (
            one.id,
            one.monitor,
            one.result.verdict,
            f"{one.result.drifted} of {one.result.checked}",
            one.window.location,
            one.incident,
            day(one.recorded_at),
        )
        for one in checks
    ]
    columns = ("Check", "Monitor", "Verdict", "Drifting", "Window", "Incident", "Checked")
    return Output.table(checks, columns, rows, empty="There is no check yet: crisplens monitor run NAME")


def _numbers(option: str, given: tuple[str, ...]) -> dict[str, float]:
    from crisplens.core.decimals import check_number

    found = pairs(option, given, example="age=0.2", form="COLUMN=NUMBER")
    return {
        name: check_number(f"the {option.removeprefix('--')} of {name}", value)
        for name, value in found.items()
    }


def _due_text(runs: Sequence[DueRun], escalated: Sequence[Incident]) -> str:
    lines = []
    for one in runs:
        lines += [_line(check) for check in one.checks]
        if one.failure:
            lines.append(f"{one.monitor}: {one.failure}")
        elif one.waiting:
            lines.append(f"{one.monitor}: {count(one.waiting, 'window')} more to check; run again.")
    lines += [f"{one.id} is handed up to {one.escalations[-1].to}: nobody took it on." for one in escalated]
    return "\n".join(lines) or "Nothing is due."


def _line(done: CheckRecorded) -> str:
    check = done.check
    incident = f" {done.incident.id} is {done.incident.state}." if done.incident else ""
    window = f" {window_text(check)}" if check.window.end or check.window.name else ""
    return f"{check.id} of {check.monitor}{window}: {check.result.verdict}. {check.result.reason}{incident}"


def _text(done: CheckRecorded) -> str:
    check, result = done.check, done.check.result
    rows = [_row(one) for one in result.columns]
    shown = COLUMNS if any(row[-1] for row in rows) else COLUMNS[:-1]
    window = f"{check.window.rows:,} rows of {window_text(check)}"
    lines = [
        f"{check.id} of {check.monitor}: {result.verdict}. {result.reason}",
        "",
        table(shown, [row[: len(shown)] for row in rows]),
        "",
        f"{window} against {result.reference_rows:,} of the reference, engine {result.engine}.",
    ]
    lines += [f"{one.severity}: {one.reason}" for one in check.violations]
    if not check.decision.alarm and result.verdict in ("drift", "bad-data"):
        lines.append(f"No alarm. {check.decision.reason}")
    if done.incident:
        how = f": crisplens incident acknowledge {done.incident.id}" if done.incident.state == "open" else ""
        lines.append(f"{done.incident.id} is {done.incident.state}{how}")
    if done.trigger:
        lines.append(
            f"{done.trigger.id} asks for {done.trigger.model} to be retrained: crisplens trigger list"
        )
    return "\n".join(lines)


def window_text(check: Check) -> str:
    """A window in words: its time, or the place of its data."""
    window = check.window
    if window.start and window.end:
        return f"{window.location} from {day(window.start)} to {day(window.end)}"
    return window.location


def _row(one: ColumnCheck) -> tuple[str | None, ...]:
    compared = one.verdict in ("drift", "no-drift")
    effect = None if one.effect is None else f"{one.effect:.2f}"
    score = None if one.score is None else f"{one.score:.4g}"
    threshold = None if one.threshold is None else f"{one.threshold:g}"
    return one.column, one.verdict, effect, one.method, score, threshold, "" if compared else one.reason
