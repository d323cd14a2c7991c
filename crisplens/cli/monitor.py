"""`crisplens monitor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command, many
from crisplens.cli.output import Output, table
from crisplens.cli.parsing import pairs
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.monitors.model import ColumnCheck
    from crisplens.monitors.service import CheckRecorded

NONE_YET = (
    "There is no monitor yet: crisplens monitor add NAME --model MODEL --reference FILES --current FILES"
)
COLUMNS = ("Column", "Verdict", "Method", "Score", "Threshold", "Why not compared")


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
    help="What to compare with: CSV or Parquet, a glob in quotes.",
)
@click.option("--current", required=True, metavar="FILES", help="Where current data is found: likewise.")
@many("--column", "columns", metavar="NAME", help="A column to watch; else all.")
@many(
    "--threshold",
    "thresholds",
    metavar="COLUMN=NUMBER",
    help="When a column drifts; else the method's default.",
)
@many(
    "--method",
    "methods",
    metavar="COLUMN=METHOD",
    help="How a column is compared; else by its type and size.",
)
@click.option(
    "--drift-share", type=float, default=0.5, show_default=True, help="The share of columns that must drift."
)
@click.option(
    "--minimum-rows",
    type=int,
    default=30,
    show_default=True,
    help="Columns with fewer values are not compared.",
)
@click.option("--engine", default="duckdb", show_default=True, help="What compares: duckdb or evidently.")
@command(acts=True)
def add(
    registry: Registry,
    name: str,
    model: str,
    reference: str,
    current: str,
    columns: tuple[str, ...],
    thresholds: tuple[str, ...],
    methods: tuple[str, ...],
    drift_share: float,
    minimum_rows: int,
    engine: str,
) -> Output:
    """Watch a model's data as NAME. The reference is profiled once, now."""
    from crisplens.core.decimals import check_number

    given = pairs("--threshold", thresholds, example="age=0.2", form="COLUMN=NUMBER")
    monitor = registry.monitor.add(
        name,
        model=model,
        reference=reference,
        current=current,
        columns=columns,
        thresholds={
            column: check_number(f"the threshold of {column}", value) for column, value in given.items()
        },
        methods=pairs("--method", methods, example="age=psi", form="COLUMN=METHOD"),
        drift_share=drift_share,
        minimum_rows=minimum_rows,
        engine=engine,
    )
    compared = f"{monitor.reference.rows:,} rows of {monitor.reference.location}"
    text = f"Monitor {monitor.name} compares {monitor.current} with {compared}."
    return Output(monitor, f"{text}\nNext: crisplens monitor run {monitor.name}")


@group.command()
@click.argument("name")
@click.option("--engine", help="What compares: duckdb or evidently; else the monitor's.")
@click.option("--current", metavar="FILES", help="Check these files; else the monitor's.")
@click.option("--fail-on", type=click.Choice(["drift"]), help="Exit 1 when the verdict is drift.")
@command(acts=True)
def run(
    registry: Registry, name: str, engine: str | None, current: str | None, fail_on: str | None
) -> Output:
    """Check monitor NAME's current data now, and record what was found.

    Exits 2 when the data could not be judged: that is recorded too, with the verdict bad-data, and is
    never taken for `no drift`.
    """
    done = registry.monitor.run(name, engine=engine, current=current)
    verdict = done.check.result.verdict
    if verdict == "bad-data":
        click.echo(
            f"The data could not be judged; {done.check.id} is recorded with the verdict bad-data.", err=True
        )
    code = {"bad-data": 2, "drift": 1 if fail_on else 0}.get(verdict, 0)
    return Output(done, lambda: _text(done), exit_code=code)


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


def _text(done: CheckRecorded) -> str:
    check, result = done.check, done.check.result
    rows = [_row(one) for one in result.columns]
    shown = COLUMNS if any(row[-1] for row in rows) else COLUMNS[:-1]
    window = f"{check.window.rows:,} rows of {check.window.location}"
    lines = [
        f"{check.id} of {check.monitor}: {result.verdict}. {result.reason}",
        "",
        table(shown, [row[: len(shown)] for row in rows]),
        "",
        f"{window} against {result.reference_rows:,} of the reference, engine {result.engine}.",
    ]
    if done.incident:
        how = f": crisplens incident acknowledge {done.incident.id}" if done.incident.state == "open" else ""
        lines.append(f"{done.incident.id} is {done.incident.state}{how}")
    if done.trigger:
        lines.append(
            f"{done.trigger.id} asks for {done.trigger.model} to be retrained: crisplens trigger list"
        )
    return "\n".join(lines)


def _row(one: ColumnCheck) -> tuple[str | None, ...]:
    compared = one.verdict in ("drift", "no-drift")
    score = None if one.score is None else f"{one.score:.4g}"
    threshold = None if one.threshold is None else f"{one.threshold:g}"
    return one.column, one.verdict, one.method, score, threshold, "" if compared else one.reason
