"""`crisplens kpi`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = "There is no KPI yet: crisplens kpi set NAME --target NUMBER"


@click.group()
def group() -> None:
    """KPIs: what success is measured by, and its target."""


@group.command("set")
@click.argument("name")
@click.option("--target", required=True, metavar="NUMBER", help="The value to reach.")
@click.option(
    "--direction", default="higher", show_default=True, help="Which values are better: higher or lower."
)
@click.option("--unit", default="", help="The unit of the numbers.")
@click.option("--baseline", metavar="NUMBER", help="The value without the model.")
@click.option("--acceptable-error", metavar="NUMBER", help="How far short of the target still counts as met.")
@command(acts=True)
def set_(
    registry: Registry,
    name: str,
    target: str,
    direction: str,
    unit: str,
    baseline: str | None,
    acceptable_error: str | None,
) -> Output:
    """Set KPI NAME, or set it anew: what is not given then is unset.

    NAME is the metric that evaluations report.
    """
    kpi = registry.kpi.set(
        name,
        target=target,
        direction=direction,
        unit=unit,
        baseline=baseline,
        acceptable_error=acceptable_error,
    )
    goal = f"{kpi.target} {kpi.unit}".strip()
    return Output(kpi, f"KPI {kpi.name}: target {goal}, {kpi.direction} is better.")


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's KPIs."""
    kpis = registry.kpi.list()
    rows = [
        (kpi.name, kpi.direction, kpi.baseline, kpi.target, kpi.acceptable_error, kpi.unit) for kpi in kpis
    ]
    columns = ("KPI", "Better", "Baseline", "Target", "Acceptable error", "Unit")
    return Output.table(kpis, columns, rows, empty=NONE_YET)
