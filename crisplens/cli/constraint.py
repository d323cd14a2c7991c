"""`crisplens constraint`."""

from __future__ import annotations

from pathlib import Path

import click

from crisplens.cli.options import many, showing
from crisplens.cli.output import Output


@click.group()
def group() -> None:
    """Constraints: what the quality of a monitor's windows is held to."""


@group.command()
@click.argument("files")
@many("--column", "columns", metavar="NAME", help="A column to hold; else all.")
@showing
def suggest(files: str, columns: tuple[str, ...]) -> Output:
    """Print, as YAML, the constraints that FILES would keep, and further data like it."""
    from crisplens.monitors.engines.duckdb_engine import profile_reference
    from crisplens.monitors.quality.documents import write_constraints
    from crisplens.monitors.quality.suggest import suggest as suggest_constraints
    from crisplens.registry.data.tabular import open_table

    found = suggest_constraints(profile_reference(open_table(files), columns))
    return Output(found, lambda: write_constraints(found).rstrip())


@group.command("import")
@click.argument("file")
@showing
def import_(file: str) -> Output:
    """Print the constraints.json of SageMaker Model Monitor in FILE as YAML; what it cannot say goes to stderr."""
    from crisplens.core.files import read_beginning
    from crisplens.monitors.quality.documents import write_constraints
    from crisplens.monitors.quality.sagemaker import MOST_BYTES, read_model_monitor

    found = read_model_monitor(read_beginning(Path(file), MOST_BYTES + 1), Path(file).name)
    _remark(found.remarks)
    return Output(found, lambda: write_constraints(found.constraints).rstrip())


@group.command()
@click.argument("file")
@showing
def export(file: str) -> Output:
    """Print the constraints in FILE (YAML) as a constraints.json for SageMaker Model Monitor; remarks go to stderr."""
    from crisplens.core.documents import read_document_file
    from crisplens.monitors.quality.documents import read_constraints
    from crisplens.monitors.quality.sagemaker import write_model_monitor

    found = write_model_monitor(read_constraints(read_document_file(Path(file))))
    _remark(found.remarks)
    return Output(found, lambda: found.text.rstrip())


def _remark(remarks: tuple[str, ...]) -> None:
    for remark in remarks:
        click.echo(remark, err=True)
