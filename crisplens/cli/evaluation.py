"""`crisplens evaluation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command, many
from crisplens.cli.output import Output
from crisplens.cli.parsing import numbers_by_part, pairs
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = "There is no evaluation yet: crisplens evaluation record MODEL@VERSION --dataset DATASET@VERSION"


@click.group()
def group() -> None:
    """Evaluations of model versions."""


@group.command()
@click.argument("model", metavar="MODEL@VERSION")
@click.option("--dataset", required=True, metavar="DATASET@VERSION", help="The data it was measured on.")
@many("--metric", "metrics", metavar="NAME=NUMBER", help="A metric; KPIs by their names.")
@many("--slice", "slices", metavar="PART:METRIC=NUMBER", help="A metric on a part of the data.")
@many("--class", "classes", metavar="CLASS:METRIC=NUMBER", help="A metric for one class.")
@command(acts=True)
def record(
    registry: Registry,
    model: str,
    dataset: str,
    metrics: tuple[str, ...],
    slices: tuple[str, ...],
    classes: tuple[str, ...],
) -> Output:
    """Record how MODEL@VERSION did on a dataset version."""
    evaluation = registry.evaluation.record(
        model,
        dataset=dataset,
        metrics=pairs("--metric", metrics, example="roc_auc=0.82", form="NAME=NUMBER"),
        slices=numbers_by_part("--slice", slices, part="PART", example="plan=free:mae=1.2"),
        classes=numbers_by_part("--class", classes, part="CLASS", example="churned:recall=0.71"),
    )
    measured = ", ".join(f"{name} {value:g}" for name, value in evaluation.metrics.items())
    text = f"{evaluation.id}: {evaluation.model} on {evaluation.dataset}: {measured}"
    return Output(evaluation, f"{text}\nNext: crisplens gate check evaluation")


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's evaluations."""
    evaluations = registry.evaluation.list()
    rows = [
        (
            one.id,
            one.model,
            one.dataset,
            ", ".join(f"{name} {value:.4g}" for name, value in one.metrics.items()),
            day(one.recorded_at),
        )
        for one in evaluations
    ]
    columns = ("Evaluation", "Model", "Data", "Metrics", "Recorded")
    return Output.table(evaluations, columns, rows, empty=NONE_YET)
