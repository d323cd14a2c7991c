"""`crisplens goal`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command, many
from crisplens.cli.output import Output
from crisplens.cli.parsing import pairs
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.registry.projects.queries import Goal


@click.group()
def group() -> None:
    """The business goal: problem, value, options and costs."""


@group.command("set")
@click.option("--problem", required=True, help="The problem to solve.")
@click.option("--value", required=True, help="What solving it is worth, and to whom.")
@click.option("--owner", help="Who answers for the goal; else the actor.")
@many(
    "--option",
    "options",
    metavar="NAME=TEXT",
    help="A way considered, ML or not, and what was thought of it.",
)
@many(
    "--cost",
    "costs",
    metavar="KIND=AMOUNT",
    help="Expected cost of data, training, inference or wrong-predictions.",
)
@click.option("--currency", default="USD", show_default=True, help="What the costs are in.")
@command(acts=True)
def set_(
    registry: Registry,
    problem: str,
    value: str,
    owner: str | None,
    options: tuple[str, ...],
    costs: tuple[str, ...],
    currency: str,
) -> Output:
    """State the business goal, or state it anew: the whole goal is given each time."""
    goal = registry.goal.set(
        problem=problem,
        value=value,
        owner=owner,
        options=pairs("--option", options, example="'rules=too coarse for seasonal peaks'", form="NAME=TEXT"),
        costs=pairs("--cost", costs, example="training=1200", form="KIND=AMOUNT"),
        currency=currency,
    )
    return Output(
        goal, f"The goal is stated (owner {goal.owner}).\nNext: crisplens kpi set NAME --target NUMBER"
    )


@group.command()
@command()
def show(registry: Registry) -> Output:
    """Show the business goal."""
    goal = registry.goal.show()
    return Output(
        goal, _text(goal) if goal else "No goal is stated yet: crisplens goal set --problem … --value …"
    )


def _text(goal: Goal) -> str:
    lines = [f"Problem  {goal.problem}", f"Value    {goal.value}", f"Owner    {goal.owner}"]
    lines += [f"Option   {option.name}: {option.assessment}" for option in goal.options]
    lines += [f"Cost     {kind}: {amount} {goal.currency}" for kind, amount in goal.costs.items()]
    return "\n".join([*lines, f"Stated   {day(goal.recorded_at)} by {goal.recorded_by}"])
