"""`crisplens evidence`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = "There is no evidence yet: crisplens evidence add FILE"


@click.group()
def group() -> None:
    """Evidence files, kept by their content's SHA-256."""


@group.command()
@click.argument("file")
@command(acts=True)
def add(registry: Registry, file: str) -> Output:
    """Keep FILE as evidence of the project."""
    kept = registry.evidence.add(file)
    return Output(kept, f"{kept.name}: {kept.size:,} bytes, {kept.digest}")


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's evidence."""
    kept = registry.evidence.list()
    rows = [(one.name, f"{one.size:,}", one.digest, one.recorded_by, day(one.recorded_at)) for one in kept]
    columns = ("File", "Bytes", "Digest", "By", "Recorded")
    return Output.table(kept, columns, rows, empty=NONE_YET)
