"""How long commands take to start, as whole processes: crisplens beside the libraries that it stands on.

    python benchmarks/start_up.py --check

`crisplens --help` is compared with importing click, a cold `crisplens checkpoint record` with importing
SQLAlchemy's ORM and click, and a cold `crisplens monitor run` on 10,000 rows of six columns with importing DuckDB and
SQLAlchemy's ORM. Runs are paired and alternate, and the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CRISPLENS = ("-m", "crisplens")
RECORD = (*CRISPLENS, "checkpoint", "record", "evaluation", "--summary", "measured")
RUN = (*CRISPLENS, "monitor", "run", "measured")


@dataclass(frozen=True)
class Comparison:
    """A command of ours, what it is measured against, and how many times longer it may take."""

    name: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    goal: float


COMPARISONS = (
    Comparison("crisplens --help", (*CRISPLENS, "--help"), ("-c", "import click"), 3.0),
    Comparison("crisplens checkpoint record", RECORD, ("-c", "import sqlalchemy.orm, click"), 2.0),
    Comparison("crisplens monitor run", RUN, ("-c", "import duckdb, sqlalchemy.orm"), 1.5),
)


def seconds(arguments: tuple[str, ...], folder: Path) -> float:
    """Wall time of a whole Python process, started in `folder`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CRISPLENS_ACTOR": "bench@example.org"}
    # Libraries were compiled when they were installed; ours are by the first run, if it may.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    command = [sys.executable, *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, env=environment)
    return time.perf_counter() - start


def write_tables(folder: Path) -> None:
    """A reference and a window of 10,000 rows each, and a model's file."""
    import duckdb

    with duckdb.connect() as connection:
        for name in ("reference", "current"):
            connection.execute(
                "COPY (SELECT 40 + 12 * random() AS age, exp(3 * random()) AS spend, "
                "floor(-6 * ln(1 - random()))::INTEGER AS visits, 'plan ' || floor(3 * random()) AS plan, "
                "'region ' || floor(20 * random()) AS region, random() < 0.7 AS active FROM range(10000)) "
                f"TO '{folder / name}.parquet'"
            )
    (folder / "model.bin").write_bytes(b"model")


def compare(comparison: Comparison, folder: Path, runs: int) -> float:
    """Print the medians of one comparison, and return their ratio."""
    ours, theirs = [], []
    # The first pair compiles modules and warms the file cache; it is not counted.
    for counted in [False] + [True] * runs:
        mine, other = seconds(comparison.ours, folder), seconds(comparison.theirs, folder)
        if counted:
            ours.append(mine)
            theirs.append(other)
    our_median, their_median = statistics.median(ours), statistics.median(theirs)
    ratio = our_median / their_median
    against = " ".join(comparison.theirs[1:])
    print(
        f"{comparison.name:28} {our_median * 1000:5.0f} ms   {against:28} {their_median * 1000:5.0f} ms   "
        f"ratio {ratio:4.2f} (goal: at most {comparison.goal:g})"
    )
    return ratio


def main() -> int:
    """Compare, and with `--check` exit 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tables(folder)
        tables = ("--reference", "reference.parquet", "--current", "current.parquet")
        for words in (
            ("init",),
            ("project", "add", "measured"),
            ("model", "register", "scorer", "model.bin"),
            ("monitor", "add", "measured", "--model", "scorer", *tables),
        ):
            seconds((*CRISPLENS, *words), folder)
        missed = [one.name for one in COMPARISONS if compare(one, folder, arguments.runs) > one.goal]
    if missed and arguments.check:
        print(f"missed its goal: {', '.join(missed)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
