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
    from crisplens.nouns.streaming import Pushed

NONE_YET = (
    "There is no monitor yet: crisplens monitor add NAME --model MODEL --reference FILES --current FILES"
)
METRICS = ("Metric", "Verdict", "Value", "From", "To", "Limit", "Why not judged")
MEASURED = frozenset({"measured", "estimated", "variants", "observed"})
# Verdicts that --fail-on makes an exit code of.
FOUND = frozenset({"drift", "degraded"})
NOT_JUDGED = frozenset({"bad-data", "insufficient-data"})
COLUMNS = ("Column", "Verdict", "Effect w", "Method", "Score", "Threshold", "Why not compared")


_Setting = tuple[str, type, Any, str | None, str]

# What `add` sets and `change` sets anew: option, type, default, placeholder, help.
_DECISIONS: tuple[_Setting, ...] = (
    ("--tolerance", float, 0.1, None, "The effect, Cohen's w, that is borne."),
    ("--level", float, 0.05, None, "The false discovery rate over columns."),
    ("--persistence", str, None, "K/N", "Alarm when a column drifts in K of N windows."),
    (
        *("--reference-also", str, None, "WHICH"),
        "Earlier windows that excuse drift once it was accepted: 'rolling 14', 'seasonal 4 of 7d'.",
    ),
    ("--drift-share", float, None, None, "Decide by scores: the share of columns that must drift."),
    ("--minimum-rows", int, 30, None, "Columns with fewer values are not compared."),
    ("--constraints", str, None, "FILE", "Hold data to these constraints; suggest for the reference's own."),
    ("--engine", str, "duckdb", None, "What compares: duckdb, evidently or ibis."),
)
_RESPONSE: tuple[_Setting, ...] = (
    ("--trigger", str, "automatic", None, "Whether an alarm asks for retraining: automatic, ask or never."),
    ("--cool-down", int, 0, None, "Hours without a new trigger after one."),
    ("--owner", str, "", "WHO", "Who answers for its incidents."),
    ("--escalate-to", str, "", "WHO", "Who gets incidents that nobody takes on."),
    ("--escalate-after", int, 24, None, "After how many hours they do."),
)
_WINDOWS: tuple[_Setting, ...] = (
    (
        *("--window", str, "whole", "KIND"),
        "What is checked at once: whole, file, '5000 rows', 6h, or hour, day, week, month, quarter, year.",
    ),
    ("--window-every", str, None, "STEP", "The step of sliding windows of time; else their length."),
    ("--time-column", str, "", "NAME", "The column that says when a row belongs to."),
    ("--lateness", str, "0s", "TIME", "How long after a window its rows may still come."),
    ("--schedule", str, None, "WHEN", "When `monitor run --due` checks: '0 6 * * *', @daily, 'every 6h'."),
    ("--zone", str, "UTC", None, "The time zone of schedule and calendar windows."),
)
# What is measured, and when a model does worse than it may.
_PERFORMANCE: tuple[_Setting, ...] = (
    ("--task", str, "binary", None, "What the model does: binary, multiclass or regression."),
    ("--score", str, None, "COLUMN", "The column of probabilities of the positive class."),
    ("--predicted", str, None, "COLUMN", "The column of predicted classes or numbers."),
    ("--positive", str, None, "CLASS", "The class that counts as positive, unless it is 1 or true."),
    ("--cut", float, 0.5, None, "The score from which the positive class is predicted."),
    ("--tolerance", float, 0.05, None, "How much worse than in the reference is borne, as a share of it."),
    ("--level", float, 0.05, None, "The chance of a false finding in a window, over all that is judged."),
    ("--persistence", str, None, "K/N", "Alarm when a metric is degraded in K of N windows."),
    ("--minimum-rows", int, 100, None, "With fewer labelled rows, nothing is judged."),
    ("--labels", str, "", "FILES", "Where labels are found, if they are not in the data."),
    (
        "--coverage",
        float,
        0.95,
        None,
        "The share of predictions that must be labelled before a window is judged.",
    ),
    ("--labels-within", str, "30d", "TIME", "How long after its end a window waits for labels."),
)


def _options(
    *settings: _Setting, changing: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: an option for each, None unless given when `changing`, else with its default."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for name, kind, default, metavar, said in reversed(settings):
            used = None if changing else default
            shown = used not in (None, "")
            option = click.option(
                name, type=kind, default=used, show_default=shown, metavar=metavar, help=said
            )
            function = option(function)
        return function

    return decorate


_SEGMENTS = many(
    "--segment", "segments", metavar="COLUMN[,COLUMN]", help="Judge each group by these columns, too."
)


def _segments(given: tuple[str, ...]) -> list[list[str]]:
    return [[name.strip() for name in one.split(",")] for one in given]


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
@_SEGMENTS
@click.option("--exact", is_flag=True, help="Score from every value, also of the reference: slower.")
@_options(*_WINDOWS, *_DECISIONS, *_RESPONSE)
@command(acts=True)
def add(
    registry: Registry,
    name: str,
    thresholds: tuple[str, ...],
    methods: tuple[str, ...],
    weights: tuple[str, ...],
    segments: tuple[str, ...],
    **given: Any,
) -> Output:
    """Watch a model's data as NAME. The reference is profiled once, now."""
    monitor = registry.monitor.add(
        name,
        thresholds=_numbers("--threshold", thresholds),
        methods=pairs("--method", methods, example="age=psi", form="COLUMN=METHOD", named_freely=True),
        weights=_numbers("--weight", weights),
        segments=_segments(segments),
        **given,
    )
    compared = f"{monitor.reference.rows:,} rows of {monitor.reference.location}"
    pushed = monitor.current == "push:"
    text = (
        f"Monitor {monitor.name} compares {'what is pushed' if pushed else monitor.current} with {compared}."
    )
    how = f"push {name} FILE" if pushed else f"run {'--due' if monitor.schedule else name}"
    return Output(monitor, f"{text}\nNext: crisplens monitor {how}")


@group.command("add-performance")
@click.argument("name")
@click.option("--model", required=True, metavar="MODEL", help="The model that is measured.")
@click.option(
    "--reference",
    required=True,
    metavar="FILES",
    help="Labelled predictions to compare with, such as the test set's.",
)
@click.option("--current", required=True, metavar="FILES", help="Where current predictions are found.")
@click.option("--label", required=True, metavar="COLUMN", help="The column of true classes or numbers.")
@many("--metric", "metrics", metavar="NAME", help="A metric to judge; else the task's usual one.")
@many("--threshold", "thresholds", metavar="METRIC=NUMBER", help="The worst that a metric or gap may be.")
@_SEGMENTS
@many("--group", "groups", metavar="COLUMN", help="Fairness gaps are between the groups by these columns.")
@many("--key", "key", metavar="COLUMN", help="The columns that predictions and labels are joined by.")
@click.option("--estimated", is_flag=True, help="Estimate performance, without labels.")
@many("--estimate-by", "estimate_by", metavar="COLUMN", help="Columns that a regression's errors go with.")
@_options(*_PERFORMANCE, *_WINDOWS, *_RESPONSE)
@command(acts=True)
def add_performance(
    registry: Registry, name: str, thresholds: tuple[str, ...], segments: tuple[str, ...], **given: Any
) -> Output:
    """Watch as NAME how well a model does, with labels that may come late, or estimated without them."""
    monitor = registry.monitor.add_performance(
        name,
        thresholds=_numbers("--threshold", thresholds, example="roc_auc=0.8", form="METRIC=NUMBER"),
        segments=_segments(segments),
        **given,
    )
    judged = ", ".join(given["metrics"] or thresholds) or "its usual metric"
    how = "--due" if monitor.schedule else monitor.name
    text = f"Monitor {monitor.name} judges {judged} of {monitor.model} by {monitor.reference.rows:,} labelled rows."
    return Output(monitor, f"{text}\nNext: crisplens monitor run {how}")


_SCHEDULE = _WINDOWS[-2:]


@group.command("add-variants")
@click.argument("name")
@click.option("--model", required=True, metavar="MODEL", help="The model whose variants they are.")
@click.option("--current", required=True, metavar="FILES", help="Where all rows so far are found.")
@click.option(
    "--variant", required=True, metavar="COLUMN", help="The column that says which variant served a row."
)
@click.option("--champion", required=True, metavar="VALUE", help="The variant to beat.")
@click.option("--challenger", required=True, metavar="VALUE", help="The one that is tried.")
@click.option(
    "--outcome",
    required=True,
    metavar="COLUMN",
    help="What they are compared by: numbers, or true and false.",
)
@click.option("--lower-is-better", is_flag=True, help="Less of the outcome is better, as with errors.")
@click.option("--minimum-effect", type=float, help="Variants that differ by less are equivalent.")
@click.option(
    "--planned-rows", type=int, default=10_000, show_default=True, help="Rows of a variant, when planned."
)
@click.option(
    "--share", type=float, help="The share of rows planned for the challenger; others are bad data."
)
@click.option(
    "--level", type=float, default=0.05, show_default=True, help="The chance of ever a false finding."
)
@click.option(
    "--minimum-rows", type=int, default=100, show_default=True, help="Rows before anything is said."
)
@_options(*_SCHEDULE, ("--trigger", str, "never", None, _RESPONSE[0][-1]), *_RESPONSE[2:])
@command(acts=True)
def add_variants(registry: Registry, name: str, lower_is_better: bool, **given: Any) -> Output:
    """Compare as NAME two variants of a model, by all rows so far, as often as you look."""
    monitor = registry.monitor.add_variants(name, higher_is_better=not lower_is_better, **given)
    text = f"Monitor {name} compares {given['challenger']} with {given['champion']} by {given['outcome']}."
    return Output(monitor, f"{text}\nNext: crisplens monitor run {'--due' if monitor.schedule else name}")


@group.command("add-kpi")
@click.argument("name")
@click.option("--model", required=True, metavar="MODEL", help="The model that serves it.")
@click.option(
    "--kpi", required=True, metavar="KPI", help="The KPI whose observations are held against its target."
)
@click.option("--persistence", metavar="K/N", help="Alarm when it is missed in K of N; else each time.")
@_options(*_SCHEDULE, ("--trigger", str, "ask", None, _RESPONSE[0][-1]), *_RESPONSE[1:])
@command(acts=True)
def add_kpi(registry: Registry, name: str, **given: Any) -> Output:
    """Hold as NAME what is observed of a KPI against its target."""
    monitor = registry.monitor.add_kpi(name, **given)
    text = f"Monitor {name} holds {monitor.current} against the target."
    return Output(monitor, f"{text}\nNext: crisplens monitor run {'--due' if monitor.schedule else name}")


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
@click.option("--exact/--approximate", default=None, help="Score from every value, or from profiles.")
@_options(*_DECISIONS, *_RESPONSE, changing=True)
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
        methods=pairs("--method", methods, example="age=psi", form="COLUMN=METHOD", named_freely=True)
        or None,
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
@click.option("--as", "to", required=True, metavar="NEW", help="The name of the monitor that goes on.")
@click.option(
    "--reference", required=True, metavar="FILES", help="What windows are compared with from now on."
)
@click.option("--reason", required=True, help="Why there is another reference.")
@command(acts=True)
def renew(registry: Registry, name: str, to: str, reference: str, reason: str) -> Output:
    """Watch on as NEW against another reference, such as what a model was retrained on; NAME is retired."""
    monitor = registry.monitor.renew(name, to=to, reference=reference, reason=reason)
    compared = f"{monitor.reference.rows:,} rows of {monitor.reference.location}"
    return Output(
        monitor, f"Monitor {to} goes on from {name} and compares with {compared}; {name} is retired."
    )


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
@click.option("--engine", help="What compares: duckdb, evidently or ibis; else the monitor's.")
@click.option("--current", metavar="FILES", help="Check these files; else the monitor's.")
@click.option("--fail-on", type=click.Choice(["drift"]), help="Exit 1 when the verdict is drift or degraded.")
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
    verdict = done.check.deciding_verdict
    return 2 if verdict in NOT_JUDGED else 1 if verdict in FOUND and fail_on else 0


@group.command()
@click.option(
    "--otlp", is_flag=True, help="Send them to an OpenTelemetry collector, as OTEL_* variables say."
)
@command(as_json=False)
def metrics(registry: Registry, otlp: bool) -> None:
    """Print what monitors found last as gauges in Prometheus' text format."""
    if otlp:
        click.echo(f"{registry.monitor.push_metrics()} metrics are sent.", err=True)
        return
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


def _numbers(
    option: str, given: tuple[str, ...], *, example: str = "age=0.2", form: str = "COLUMN=NUMBER"
) -> dict[str, float]:
    from crisplens.core.decimals import check_number

    found = pairs(option, given, example=example, form=form, named_freely=True)
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
        elif one.awaited:
            lines.append(f"{one.monitor}: {one.awaited} ({count(one.waiting, 'window')} open).")
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
    measured = any(one.method in MEASURED for one in result.columns)
    rows = [_measured(one) if measured else _row(one) for one in result.columns]
    columns = METRICS if measured else COLUMNS
    shown = columns if any(row[-1] for row in rows) else columns[:-1]
    lines = [f"{check.id} of {check.monitor}: {result.verdict}. {result.reason}", ""]
    if rows:
        lines += [table(shown, [row[: len(shown)] for row in rows]), ""]
    window = f"{check.window.rows:,} rows of {window_text(check)}"
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


def window_text(check: Check) -> str:
    """A window in words: its time, or the place of its data."""
    window = check.window
    if window.start and window.end:
        return f"{window.location} from {day(window.start)} to {day(window.end)}"
    return window.location


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


@group.command()
@click.argument("name")
@click.argument("file", default="-", metavar="[FILE]")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["csv", "jsonl", "json", "parquet", "arrow"]),
    help="What it holds; else by its name, and JSON lines from standard input.",
)
@click.option("--batch", default="", metavar="ID", help="The same ID again changes nothing.")
@click.option("--close", "close_", is_flag=True, help="Check the open windows afterwards, complete or not.")
@click.option("--fail-on", type=click.Choice(["drift"]), help="Exit 1 when a window that closes has drifted.")
@command(acts=True)
def push(
    registry: Registry,
    name: str,
    file: str,
    format_: str | None,
    batch: str,
    close_: bool,
    fail_on: str | None,
) -> Output:
    """Count the rows of FILE, or of standard input, in the open windows of monitor NAME.

    A window that is complete with them is checked. Rows that lack a watched column, or have another type in it, are
    refused, all of the file's, with exit code 2. With exit code 3 and a text that says so they are taken in, and only
    a check is left to be made.
    """
    content, found = _read_batch(file, format_)
    done = registry.monitor.push(name, content, format=found, batch=batch, close=close_)
    drifted = any(one.check.result.verdict in FOUND for one in done.checks)
    if done.failure:
        click.echo(done.failure, err=True)
    return Output(
        done, lambda: _pushed_text(done), exit_code=3 if done.failure else 1 if drifted and fail_on else 0
    )


@group.command()
@click.argument("name")
@click.option("--fail-on", type=click.Choice(["drift"]), help="Exit 1 when the verdict is drift.")
@command(acts=True)
def close(registry: Registry, name: str, fail_on: str | None) -> Output:
    """Check what was pushed to monitor NAME, complete or not, and begin another window.

    Exits 2 when data could not be judged, as `monitor run` does.
    """
    done = registry.monitor.close(name)
    return Output(
        done,
        lambda: "\n".join(_line(one) for one in done.checks),
        exit_code=max(_code(one, fail_on) for one in done.checks),
    )


def _read_batch(file: str, format_: str | None) -> tuple[bytes, str]:
    import sys

    from crisplens.core.canonical import unreadable
    from crisplens.monitors.streaming.reading import format_of_batch, read_bounded

    if file == "-":
        return read_bounded(sys.stdin.buffer), format_ or "jsonl"
    found = format_ or format_of_batch(file)
    try:
        with open(file, "rb") as opened:
            return read_bounded(opened, gzipped=file.casefold().endswith(".gz")), found
    except OSError as error:
        raise unreadable(file, error) from None


def _pushed_text(done: Pushed) -> str:
    if done.repeated:
        return f"Batch {done.batch} was pushed to {done.monitor} before: nothing was changed."
    windows = ", ".join(f"{one.key} has {count(one.rows, 'row')} now" for one in done.windows)
    lines = [f"{count(done.rows, 'row')} pushed to {done.monitor}{': ' if windows else ''}{windows}."]
    if done.too_late:
        lines.append(f"{count(done.too_late, 'row')} came too late: their windows were checked.")
    if done.without_time:
        lines.append(f"{count(done.without_time, 'row')} without a time in no window.")
    lines += [_line(one) for one in done.checks]
    if done.waiting:
        lines.append(
            f"{count(done.waiting, 'window')} more to check: crisplens monitor run --due {done.monitor}"
        )
    return "\n".join(lines)
