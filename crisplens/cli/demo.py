"""`crisplens demo`: a whole story on real data."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import click


@click.command()
@click.option(
    "--directory", metavar="DIR", default="crisplens-demo", show_default=True, help="A new folder for it."
)
@click.option("--debug", is_flag=True, help="On a failure, show the traceback.")
def demo(directory: str, debug: bool) -> None:
    """Run a whole story on real data, from business goal to drift alarm, and write its audit report.

    Needs the libraries of `pip install 'crisplens[demo]'` (scikit-learn, statsmodels).
    """
    from crisplens.core.errors import InputError

    folder = Path(directory)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{directory} is there already",
            slug="exists",
            hint="Remove it, or name another with --directory.",
        )
    _require_libraries()
    from crisplens.demo.story import run_story

    started = time.monotonic()

    def say(step: str) -> None:
        click.echo(f"{time.monotonic() - started:5.1f} s  {step}", err=True)

    report = run_story(folder, say)
    program, python = _as_typed(sys.argv[0]), _as_typed(sys.executable)
    change = (
        f"import sqlite3; c = sqlite3.connect('{folder}/.crisplens/registry.db'); "
        "c.execute('UPDATE kpi SET target = 50'); c.commit()"
    )
    click.echo(f"\nThe audit report:  {report}\n\nTry next:")
    click.echo(f"  {program} gate list --directory {folder}")
    click.echo(f"  {program} audit verify --directory {folder}")
    click.echo(f'  {python} -c "{change}"   # change one number, then verify again')


def _as_typed(program: str) -> str:
    """The shortest way to call this very program from here."""
    name = Path(program).name
    if (found := shutil.which(name)) and Path(found).samefile(program):
        return name
    return min(os.path.relpath(program), program, key=len)


def _require_libraries() -> None:
    from importlib.util import find_spec

    from crisplens.core.errors import InputError

    missing = [name for name in ("sklearn", "statsmodels") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"the demonstration needs {' and '.join(missing)}",
            slug="library-missing",
            hint="Install them: pip install 'crisplens[demo]'.",
        )
