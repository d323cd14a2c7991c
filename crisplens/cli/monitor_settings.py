"""`crisplens monitor add`, `add-…`, `change` and `renew`: what is watched, and by which settings.

Options that several of them have are defined once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from crisplens.cli.options import command, many, only_given
from crisplens.cli.output import Output
from crisplens.cli.parsing import pairs
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.monitors.performance.plans import Plan
    from crisplens.monitors.queries import Monitor

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


def _per_column(
    thresholds: tuple[str, ...], methods: tuple[str, ...], weights: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "thresholds": _numbers("--threshold", thresholds),
        "methods": pairs("--method", methods, example="age=psi", form="COLUMN=METHOD", named_freely=True),
        "weights": _numbers("--weight", weights),
    }


def _segments(given: tuple[str, ...]) -> list[list[str]]:
    return [[name.strip() for name in one.split(",")] for one in given]


@click.command()
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
        **_per_column(thresholds, methods, weights),
        segments=_segments(segments),
        **only_given(given),
    )
    compared = f"{count(monitor.reference.rows, 'row')} of {monitor.reference.location}"
    pushed = monitor.current == "push:"
    text = (
        f"Monitor {monitor.name} compares {'what is pushed' if pushed else monitor.current} with {compared}."
    )
    settings = monitor.settings
    for column in registry.monitor.keys(name):
        by_score = settings.drift_share is not None or column in settings.thresholds
        # Weights do nothing where scores decide.
        other = f"crisplens monitor change {name} --weight {column}=0 --reason 'a key'"
        text += (
            f"\n{column} is another number in every row: a key, or what only grows, always drifts. "
            f"Unless it is meant: {'name the others with --column' if by_score else other}"
        )
    text += _about_time_column(registry, monitor)
    how = f"push {name} FILE" if pushed else f"run {'--due' if monitor.schedule else name}"
    return Output(monitor, f"{text}\nNext: crisplens monitor {how}")


@click.command("add-performance")
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
        **{"task": given["task"]} | only_given(given),
    )
    how = "--due" if monitor.schedule else monitor.name
    compared = count(monitor.reference.rows, "labelled row")
    text = f"Monitor {monitor.name} judges {_judged(monitor.plan)} of {monitor.model} against {compared}."
    text += _about_time_column(registry, monitor)
    return Output(monitor, f"{text}\nNext: crisplens monitor run {how}")


def _about_time_column(registry: Registry, monitor: Monitor) -> str:
    """A line for a time column that only windows to come can have, so far as can be known now."""
    near = registry.monitor.near_time_column(monitor.name)
    if near is None:
        return ""
    said = f"\nThe reference has no column {monitor.time_column}: windows are to have it."
    return f"{said} The nearest that it has is {near}." if near else said


def _judged(plan: Plan | None) -> str:
    """All that a plan of performance judges, such as `accuracy, f1 and accuracy by region`."""
    from crisplens.monitors.performance.plans import PerformancePlan

    assert isinstance(plan, PerformancePlan)
    by = [f"{plan.scores[0]} by {' and '.join(one)}" for one in plan.segments]
    gaps = [f"{name} by {' and '.join(plan.groups)}" for name in plan.gaps]
    names = [*plan.scores, *gaps, *by]
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


_SCHEDULE = _WINDOWS[-2:]


@click.command("add-variants")
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
    monitor = registry.monitor.add_variants(name, higher_is_better=not lower_is_better, **only_given(given))
    text = f"Monitor {name} compares {given['challenger']} with {given['champion']} by {given['outcome']}."
    return Output(monitor, f"{text}\nNext: crisplens monitor run {'--due' if monitor.schedule else name}")


@click.command("add-kpi")
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
    monitor = registry.monitor.add_kpi(name, **only_given(given))
    text = f"Monitor {name} holds {monitor.current} against the target."
    return Output(monitor, f"{text}\nNext: crisplens monitor run {'--due' if monitor.schedule else name}")


@click.command()
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
    per_column: dict[str, Any] = {
        option: said or None for option, said in _per_column(thresholds, methods, weights).items()
    }
    monitor = registry.monitor.change(
        name,
        **per_column,
        **given,
    )
    return Output(monitor, f"Monitor {monitor.name} is changed: {monitor.change_reason}")


@click.command()
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
    compared = f"{count(monitor.reference.rows, 'row')} of {monitor.reference.location}"
    return Output(
        monitor, f"Monitor {to} goes on from {name} and compares with {compared}; {name} is retired."
    )


def _numbers(
    option: str, given: tuple[str, ...], *, example: str = "age=0.2", form: str = "COLUMN=NUMBER"
) -> dict[str, float]:
    from crisplens.core.decimals import check_number

    found = pairs(option, given, example=example, form=form, named_freely=True)
    return {
        name: check_number(f"the {option.removeprefix('--')} of {name}", value)
        for name, value in found.items()
    }
