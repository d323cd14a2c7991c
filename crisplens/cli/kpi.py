"""`crisplens kpi`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.cli.text import day

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


@group.command()
@click.argument("name")
@click.argument("value")
@click.option("--start", metavar="DAY", help="The first day it is for, such as 2026-03-01; else the last.")
@click.option("--end", metavar="DAY", help="The last day; else today.")
@click.option("--worth", metavar="AMOUNT", help="What that was worth to the business.")
@click.option("--currency", help="What the worth is in; else what the goal's costs are in.")
@click.option("--note", default="", help="Where the value comes from.")
@command(acts=True)
def observe(
    registry: Registry,
    name: str,
    value: str,
    start: str | None,
    end: str | None,
    worth: str | None,
    currency: str | None,
    note: str,
) -> Output:
    """Record that KPI NAME had this VALUE in production. Write -- before NAME if it is below 0."""
    seen = registry.kpi.observe(name, value, start=start, end=end, worth=worth, currency=currency, note=note)
    days = seen.start if seen.start == seen.end else f"{seen.start} to {seen.end}"
    said = f"{seen.id} is recorded: {seen.kpi} {seen.value}, {days}"
    return Output(seen, f"{said}, worth {seen.worth} {seen.currency}." if seen.worth else f"{said}.")


@group.command()
@click.argument("name", required=False)
@command()
def history(registry: Registry, name: str | None) -> Output:
    """List the observations of KPI NAME, or of all."""
    observations = registry.kpi.history(name)
    rows = [
        (
            one.id,
            one.kpi,
            one.value,
            one.start,
            one.end,
            f"{one.worth} {one.currency}" if one.worth else "",
            one.note,
            one.recorded_by,
            day(one.recorded_at),
        )
        for one in observations
    ]
    columns = ("Observation", "KPI", "Value", "From", "To", "Worth", "Note", "By", "Recorded")
    none_yet = "There is no observation yet: crisplens kpi observe NAME VALUE"
    return Output.table(observations, columns, rows, empty=none_yet)


@group.command()
@command()
def compare(registry: Registry) -> Output:
    """Compare each KPI's newest observation with its target, and say what it was worth."""
    compared = registry.kpi.compare()
    rows = [
        (
            one.kpi,
            one.target,
            one.observed,
            one.end,
            "" if one.met is None else "met" if one.met else "missed",
            one.observations,
            ", ".join(
                f"{amount} {currency}"
                for currency, amount in {one.currency: one.worth, **one.other_worth}.items()
                if amount
            ),
        )
        for one in compared
    ]
    columns = ("KPI", "Target", "Observed", "Until", "Verdict", "Observations", "Worth")
    return Output.table(compared, columns, rows, empty=NONE_YET)
