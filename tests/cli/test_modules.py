"""Which modules a command loads: start-up is part of the feel."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest

pytestmark = pytest.mark.end_to_end

HEAVY = {"alembic", "duckdb", "evidently", "jinja2", "numpy", "pandas", "rich", "sqlalchemy"}
PROGRAM = """
import atexit, sys
atexit.register(lambda: print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr))
from crisplens.cli.main import main
main(sys.argv[1:])
"""


def loaded_by(line: str) -> set[str]:
    """The top-level modules that a command loads, run as a process of its own."""
    command = [sys.executable, "-c", PROGRAM, *shlex.split(line)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("line", ["--help", "--version", "checkpoint --help", "checkpoint record --help"])
def test_help_loads_nothing_heavy(line: str) -> None:
    assert loaded_by(line).isdisjoint({*HEAVY, "msgspec"})


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize(
    ("line", "may"),
    [
        ("checkpoint record evaluation --summary x --evidence notes.md", {"sqlalchemy"}),
        ("gate check evaluation", {"sqlalchemy"}),
        ("evaluation record churn-gbm@1 --dataset holdout@1 --metric a=1", {"sqlalchemy"}),
        ("audit verify", {"sqlalchemy"}),
        ("kpi list --json", {"sqlalchemy"}),
        ("kpi list", {"sqlalchemy", "rich"}),
        ("phase list --json", set()),
        ("monitor run nightly --json", {"sqlalchemy", "duckdb"}),
        ("report audit", {"sqlalchemy", "jinja2"}),
    ],
)
def test_commands_load_what_they_need(line: str, may: set[str]) -> None:
    assert loaded_by(line) & HEAVY <= may
