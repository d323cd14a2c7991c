"""`crisplens run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command, many
from crisplens.cli.output import Output
from crisplens.cli.parsing import pairs, scalars
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = "There is no run yet: crisplens run record NAME"


@click.group()
def group() -> None:
    """Runs: what was used, with which code, by whom."""


@group.command()
@click.argument("name")
@click.option(
    "--activity", default="training", show_default=True, help="What was done: preparation, training, …"
)
@many("--used", metavar="DATASET@VERSION", help="A dataset version it used.")
@many("--used-model", "used_models", metavar="MODEL@VERSION", help="A model version it used.")
@many("--param", "parameters", metavar="NAME=VALUE", help="A parameter.")
@many("--metric", "metrics", metavar="NAME=NUMBER", help="A metric of the run itself.")
@click.option("--code-version", default="", help="The code that ran, such as a git commit.")
@many(
    "--environment",
    "environment",
    metavar="NAME=VERSION",
    help="Part of the environment, such as python=3.12.",
)
@click.option("--started-at", metavar="TIME", help="When it started (ISO 8601).")
@click.option("--ended-at", metavar="TIME", help="When it ended (ISO 8601).")
@command(acts=True)
def record(
    registry: Registry,
    name: str,
    activity: str,
    used: tuple[str, ...],
    used_models: tuple[str, ...],
    parameters: tuple[str, ...],
    metrics: tuple[str, ...],
    code_version: str,
    environment: tuple[str, ...],
    started_at: str | None,
    ended_at: str | None,
) -> Output:
    """Record run NAME. What it made names it: `data add … --run NAME`, `model register … --run NAME`."""
    run = registry.run.record(
        name,
        activity=activity,
        used=used,
        used_models=used_models,
        parameters=scalars("--param", parameters, example="depth=3"),
        metrics=pairs("--metric", metrics, example="loss=0.31", form="NAME=NUMBER"),
        code_version=code_version,
        environment=pairs("--environment", environment, example="python=3.12.1", form="NAME=VERSION"),
        started_at=started_at,
        ended_at=ended_at,
    )
    inputs = ", ".join(map(str, run.used_datasets)) or "nothing recorded"
    return Output(run, f"Run {run.name} is recorded: {run.activity}, used {inputs}.")


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's runs."""
    runs = registry.run.list()
    rows = [
        (
            one.name,
            one.activity,
            ", ".join(map(str, one.used_datasets)),
            one.code_version[:12],
            one.recorded_by,
            day(one.recorded_at),
        )
        for one in runs
    ]
    columns = ("Run", "Activity", "Used", "Code", "By", "Recorded")
    return Output.table(runs, columns, rows, empty=NONE_YET)
