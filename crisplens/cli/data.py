"""`crisplens data`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command, many
from crisplens.cli.output import Output, table
from crisplens.cli.text import day
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.registry.data.queries import DatasetVersion

NONE_YET = "There is no dataset yet: crisplens data add NAME FILE --source SOURCE"


@click.group()
def group() -> None:
    """Datasets and their versions."""


@group.command()
@click.argument("name")
@click.argument("location")
@click.option("--source", metavar="NAME", help="The data source it comes from; a new one is recorded.")
@click.option("--owner", help="Owner of a new data source; else the actor.")
@many("--derived-from", metavar="DATASET@VERSION", help="A dataset version it was made of.")
@click.option("--run", metavar="NAME", help="The run that made it.")
@click.option("--version", type=int, help="Its version; else the next one.")
@command(acts=True)
def add(
    registry: Registry,
    name: str,
    location: str,
    source: str | None,
    owner: str | None,
    derived_from: tuple[str, ...],
    run: str | None,
    version: int | None,
) -> Output:
    """Record a version of dataset NAME: the content at LOCATION, a file or a glob in quotes."""
    added = registry.data.add(
        name, location, source=source, owner=owner, derived_from=derived_from, run=run, version=version
    )
    return Output(added, f"{added.ref}: {_extent(added)}, {added.digest}")


@group.command()
@click.argument("reference", metavar="DATASET@VERSION")
@click.option("--by", required=True, metavar="DATASET@VERSION", help="The version that takes its place.")
@click.option("--reason", required=True, help="Why it is not to be relied on any more.")
@command(acts=True)
def replace(registry: Registry, reference: str, by: str, reason: str) -> Output:
    """Say that a dataset version is not to be relied on any more, and which one takes its place.

    What was approved on it is stale from then on: see `crisplens status`.
    """
    replaced = registry.data.replace(reference, by=by, reason=reason)
    text = f"{replaced.ref} is replaced by {replaced.replaced_by}: {replaced.replaced_reason}"
    return Output(replaced, f"{text}\nNext: crisplens status")


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's dataset versions."""
    versions = registry.data.list()
    rows: list[tuple[object, ...]] = [
        (
            one.ref,
            _extent(one),
            one.source or ", ".join(map(str, one.derived_from)),
            one.location,
            day(one.recorded_at),
            one.replaced_by,
        )
        for one in versions
    ]
    columns: tuple[str, ...] = ("Dataset", "Extent", "From", "Location", "Recorded", "Replaced by")
    if not any(one.replaced_by for one in versions):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return Output.table(versions, columns, rows, empty=NONE_YET)


@group.command()
@click.argument("reference", metavar="DATASET@VERSION")
@command()
def show(registry: Registry, reference: str) -> Output:
    """Show one dataset version with its columns."""
    one = registry.data.show(reference)
    rows = [(column.name, column.type) for column in one.columns]
    head = f"{one.ref}: {_extent(one)} at {one.location}\n{one.digest}\n"
    if one.replaced_by:
        head += f"Replaced by {one.replaced_by}: {one.replaced_reason}\n"
    none = "Its content is no table."
    return Output(one, lambda: head + (table(("Column", "Type"), rows) if rows else none))


def _extent(one: DatasetVersion) -> str:
    files = f" in {count(one.files, 'file')}" if one.files > 1 else ""
    if one.rows is None:
        return count(one.size, "byte") + files
    return f"{count(one.rows, 'row')}, {count(len(one.columns), 'column')}{files}"
