"""`crisplens source`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = "There is no data source yet: crisplens source set NAME"


@click.group()
def group() -> None:
    """Data sources: owner, access, permitted use, retention."""


@group.command("set")
@click.argument("name")
@click.option("--owner", help="Who answers for the data; else the actor.")
@click.option("--access", default="", help="Who can read it.")
@click.option("--permitted-use", default="", help="What it may be used for.")
@click.option("--retention", default="", help="How long it is kept.")
@click.option("--description", default="", help="What it is, in a few sentences.")
@command(acts=True)
def set_(
    registry: Registry,
    name: str,
    owner: str | None,
    access: str,
    permitted_use: str,
    retention: str,
    description: str,
) -> Output:
    """Describe data source NAME, or describe it anew: what is not given then is unknown."""
    source = registry.source.set(
        name,
        owner=owner,
        access=access,
        permitted_use=permitted_use,
        retention=retention,
        description=description,
    )
    return Output(source, f"Data source {source.name} is described (owner {source.owner}).")


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's data sources."""
    sources = registry.source.list()
    rows = [(one.name, one.owner, one.access, one.permitted_use, one.retention) for one in sources]
    columns = ("Source", "Owner", "Access", "Permitted use", "Retention")
    return Output.table(sources, columns, rows, empty=NONE_YET)
