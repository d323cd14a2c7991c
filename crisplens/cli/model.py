"""`crisplens model`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command, many
from crisplens.cli.output import Output
from crisplens.cli.parsing import scalars
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = "There is no model yet: crisplens model register NAME FILE --dataset DATASET@VERSION"


@click.group()
def group() -> None:
    """Models and their versions."""


@group.command()
@click.argument("name")
@click.argument("artefact")
@many("--dataset", "datasets", metavar="DATASET@VERSION", help="Data it was trained on.")
@many("--param", "parameters", metavar="NAME=VALUE", help="A parameter.")
@click.option("--run", metavar="NAME", help="The run that made it.")
@click.option("--version", type=int, help="Its version; else the next one.")
@command(acts=True)
def register(
    registry: Registry,
    name: str,
    artefact: str,
    datasets: tuple[str, ...],
    parameters: tuple[str, ...],
    run: str | None,
    version: int | None,
) -> Output:
    """Register a version of model NAME by the digest of its ARTEFACT file."""
    added = registry.model.register(
        name,
        artefact,
        datasets=datasets,
        parameters=scalars("--param", parameters, example="depth=3"),
        run=run,
        version=version,
    )
    return Output(added, f"{added.ref}: {added.size:,} bytes, {added.digest}")


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's model versions."""
    versions = registry.model.list()
    rows = [
        (
            one.ref,
            ", ".join(map(str, one.datasets)),
            one.run,
            one.digest[:19] + "…",
            one.recorded_by,
            day(one.recorded_at),
        )
        for one in versions
    ]
    columns = ("Model", "Trained on", "Run", "Digest", "By", "Registered")
    return Output.table(versions, columns, rows, empty=NONE_YET)


@group.command()
@click.argument("reference", metavar="MODEL@VERSION")
@command()
def show(registry: Registry, reference: str) -> Output:
    """Show one model version."""
    one = registry.model.show(reference)
    lines = [
        f"{one.ref}: {one.location}, {one.size:,} bytes",
        one.digest,
        f"Trained on {', '.join(map(str, one.datasets)) or 'nothing recorded'}",
        f"Made by run {one.run}" if one.run else "Made by no recorded run",
        *(f"  {name} = {value}" for name, value in one.parameters.items()),
        f"Registered {day(one.recorded_at)} by {one.recorded_by}",
    ]
    return Output(one, "\n".join(lines))


@group.command()
@click.argument("reference", metavar="MODEL@VERSION")
@click.option("--alias", default="champion", show_default=True, help="What it becomes.")
@click.option("--note", default="", help="What is to be said about it.")
@command(acts=True)
def promote(registry: Registry, reference: str, alias: str, note: str) -> Output:
    """Let a model version take over an alias, through the gates that the policy puts before it."""
    promotion = registry.model.promote(reference, alias=alias, note=note)
    overrides = dict.fromkeys(gate.override for gate in promotion.gates if gate.override)
    passed = f" It passed by {', '.join(overrides)}." if overrides else ""
    return Output(promotion, f"{promotion.id}: {promotion.ref} is the {promotion.alias} now.{passed}")


@group.command()
@click.argument("model", required=False)
@command()
def promotions(registry: Registry, model: str | None) -> Output:
    """List the promotions of MODEL, or of all; the last one of an alias holds it."""
    found = registry.model.promotions(model)
    rows = [
        (
            one.id,
            one.ref,
            one.alias,
            ", ".join(f"{gate.phase} {'open' if gate.open else gate.override}" for gate in one.gates),
            one.note,
            one.recorded_by,
            day(one.recorded_at),
        )
        for one in found
    ]
    columns = ("Promotion", "Model", "Alias", "Gates", "Note", "By", "Promoted")
    none_yet = "There is no promotion yet: crisplens model promote MODEL@VERSION"
    return Output.table(found, columns, rows, empty=none_yet)
