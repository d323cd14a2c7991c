"""`crisplens cost`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = "There is no cost yet: crisplens cost record KIND AMOUNT --start DAY"


@click.group()
def group() -> None:
    """Costs: what was spent, beside what the goal expects."""


@group.command()
@click.argument("kind")
@click.argument("amount")
@click.option("--start", required=True, metavar="DAY", help="The first day it is for, such as 2026-03-01.")
@click.option("--end", metavar="DAY", help="The last day; else the first.")
@click.option("--currency", help="What the amount is in; else what the goal's costs are in.")
@click.option("--note", default="", help="What it was spent on.")
@click.option("--evidence", metavar="FILE", help="A file that shows it, such as an invoice.")
@command(acts=True)
def record(
    registry: Registry,
    kind: str,
    amount: str,
    start: str,
    end: str | None,
    currency: str | None,
    note: str,
    evidence: str | None,
) -> Output:
    """Record what was spent on KIND: data, training, inference or wrong-predictions.

    What is recorded stays: an AMOUNT below 0, with a note, takes back part of it. Write -- before KIND then.
    """
    cost = registry.cost.record(
        kind, amount, start=start, end=end, currency=currency, note=note, evidence=evidence
    )
    days = cost.start if cost.start == cost.end else f"{cost.start} to {cost.end}"
    return Output(cost, f"{cost.id} is recorded: {cost.kind}, {cost.amount} {cost.currency}, {days}.")


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's costs."""
    costs = registry.cost.list()
    rows = [
        (
            one.id,
            one.kind,
            one.amount,
            one.currency,
            one.start,
            one.end,
            one.note,
            one.recorded_by,
            day(one.recorded_at),
        )
        for one in costs
    ]
    columns = ("Cost", "Kind", "Amount", "Currency", "From", "To", "Note", "By", "Recorded")
    return Output.table(costs, columns, rows, empty=NONE_YET)


@group.command()
@command()
def compare(registry: Registry) -> Output:
    """Compare all that was spent with what the goal expects.

    The goal's costs are for no stated period, so everything that was recorded counts.
    """
    compared = registry.cost.compare()
    rows = [
        (one.kind, one.currency, one.expected, one.actual, one.recorded, "over" if one.over else "")
        for one in compared
    ]
    return Output.table(compared, ("Kind", "Currency", "Expected", "Spent", "Entries", "Verdict"), rows)
