"""`crisplens report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crisplens.cli.files import check_place, write_file
from crisplens.cli.options import command
from crisplens.cli.output import emit
from crisplens.cli.text import printable
from crisplens.core.errors import InputError

if TYPE_CHECKING:
    from crisplens.api import Registry

FORMATS = {".html": "html", ".htm": "html", ".json": "json", "": "html"}


@click.group()
def group() -> None:
    """Reports for people: the audit report."""


@group.command()
@click.option("--output", metavar="FILE", help="Where to write it; else standard output.")
@click.option(
    "--format", "format_", type=click.Choice(["html", "json"]), help="Else by the file's name, else html."
)
@command(as_json=False)
def audit(registry: Registry, output: str | None, format_: str | None) -> None:
    """Write the audit report: one HTML file that needs no network, or the same content as JSON."""
    chosen = format_ or _format_of(output)
    if output is not None:
        check_place(Path(output))
    text = registry.report.audit(format=chosen)
    if output is None:
        emit(text.encode())
        return
    # Opened only now: a failed run leaves no file.
    write_file(Path(output), text)
    click.echo(printable(f"The audit report is in {output} ({-(-len(text.encode()) // 1024)} KB)."), err=True)


def _format_of(output: str | None) -> str:
    ending = Path(output or "").suffix.lower()
    if ending not in FORMATS:
        said = f"{output} does not say which format it is"
        raise InputError(said, slug="unknown-format", hint="End it in .html or .json, or give --format.")
    return FORMATS[ending]
