"""A project to work on, and two ways to run the command line: in this process (fast) or as its own."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ACTOR = "ana@example.org"
REGISTRY = Path(".crisplens/registry.db")

# From the goal to a trigger that waits for a second version.
STORY = """
init
project add churn --title Churn --owner ana@example.org --risk high --policy standard
goal set --problem "Customers leave" --value "Less churn" --owner bo@example.org
kpi set roc_auc --target 0.80 --direction higher --baseline 0.71
data add customers train.csv --source crm --owner data-team
data add holdout holdout.csv --source crm
model register churn-gbm model.bin --dataset customers@1 --param depth=3
evaluation record churn-gbm@1 --dataset holdout@1 --metric roc_auc=0.82
checkpoint record evaluation --control EV-1=met:"reviewed with finance" --evidence notes.md
approval grant evaluation --actor bo@example.org
deployment record churn-gbm@1 --environment production --kind batch
monitor add nightly --model churn-gbm --reference train.csv --current 'live/*.csv'
monitor run nightly
"""


@dataclass(frozen=True)
class Ran:
    """What a run of the command line left: its exit code and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


def run_here(*args: str) -> Ran:
    """Run the command line in this process."""
    from crisplens.cli.main import main

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as stopped,
    ):
        main(list(args))
    code = stopped.value.code
    assert isinstance(code, int)
    return Ran(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


def run_process(*args: str | bytes, **variables: str) -> Ran:
    """Run the command line as its own process, with these environment variables besides."""
    # The environment is handed over by name: pytest's readline puts a COLUMNS of its own into C's.
    environment = {**os.environ, **variables}
    command = [sys.executable, "-m", "crisplens", *args]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, env=environment)
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def write_table(file: Path, *, seed: int, shift: float = 0.0, rows: int = 300) -> None:
    """A small CSV whose population can be shifted."""
    chance = random.Random(seed)
    file.parent.mkdir(exist_ok=True)
    lines = ["age,tenure,plan,churned"]
    for _ in range(rows):
        plan = chance.choice("abc" if not shift else "ccd")
        values = (f"{chance.gauss(40 + 15 * shift, 8):.1f}", f"{chance.expovariate(1) * (1 + 2 * shift):.3f}")
        lines.append(",".join((*values, plan, str(chance.randint(0, 1)))))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_files(folder: Path) -> None:
    """The files that the story's commands name."""
    write_table(folder / "train.csv", seed=1)
    write_table(folder / "holdout.csv", seed=2)
    write_table(folder / "train2.csv", seed=3, shift=1)
    write_table(folder / "holdout2.csv", seed=4, shift=1)
    write_table(folder / "live" / "monday.csv", seed=5, shift=1)
    for name in ("model.bin", "model2.bin", "notes.md"):
        (folder / name).write_text(name, encoding="utf-8")


def ledger_head(registry: Path = REGISTRY) -> tuple[int, bytes] | None:
    """Size and root of the log, read past crisplens; None when there is none."""
    if not registry.is_file():
        return None
    connection = sqlite3.connect(f"file:{registry}?mode=ro", uri=True)
    try:
        found: tuple[int, bytes] = connection.execute("SELECT size, root FROM ledger_head").fetchone()
        return found
    except sqlite3.DatabaseError:
        return None
    finally:
        connection.close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder of its own, an actor, and nothing else from outside."""
    for name in [*os.environ]:
        if name.startswith("CRISPLENS_") or name in ("COLUMNS", "NO_COLOR", "PYTHONIOENCODING"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CRISPLENS_ACTOR", ACTOR)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the story was told; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("told")
    write_files(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CRISPLENS_ACTOR", ACTOR)
        for line in STORY.strip().splitlines():
            ran = run_here(*shlex.split(line))
            assert ran.code == 0, (line, ran)
    return folder


@pytest.fixture
def story(told: Path, tmp_path: Path) -> Path:
    """The working directory, holding a copy of the told story."""
    shutil.copytree(told, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The working directory, holding the story's files and no registry."""
    write_files(tmp_path)
    return tmp_path


@pytest.fixture(name="run")
def run_fixture() -> Run:
    """Run the command line in this process."""
    return run_here


@pytest.fixture(name="process")
def process_fixture() -> Run:
    """Run the command line as its own process."""
    return run_process


@pytest.fixture(name="head")
def head_fixture() -> Callable[[], tuple[int, bytes] | None]:
    """Reads the head of the working directory's log."""
    return ledger_head


@pytest.fixture
def unchanged(story: Path) -> Iterator[None]:
    """The story, whose ledger must have the same head after the test as before it."""
    before = ledger_head()
    yield
    assert ledger_head() == before
