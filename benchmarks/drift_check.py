"""How long one drift check takes, from starting the process to its end: crisplens beside Evidently.

    python benchmarks/drift_check.py --min-ratio 15

Both check the same window of 200,000 rows and 20 mixed columns against the same reference. On our side it is
`crisplens monitor run`, which also records the check in the ledger; the reference was profiled when the monitor
was added (that time is printed too). Evidently reads both tables each time, and renders no report. Runs are
paired, and medians compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

EVIDENTLY = """
import sys, json
import pandas
from evidently import Report
from evidently.presets import DataDriftPreset
read = pandas.read_parquet if sys.argv[1].endswith(".parquet") else pandas.read_csv
reference, current = read(sys.argv[1]), read(sys.argv[2])
found = Report([DataDriftPreset()]).run(current, reference).dict()["metrics"][0]["value"]
print(json.dumps({"drifted": int(found["count"])}))
"""


def write_data(folder: Path, rows: int) -> None:
    """Write reference and window, Parquet and CSV: 12 numeric, 6 categorical and 2 boolean columns."""
    import numpy as np
    import pandas as pd

    for seed, name in enumerate(("reference", "current")):
        random = np.random.default_rng(seed)
        shift = 0.3 * seed
        columns: dict[str, object] = {}
        for i in range(4):
            columns[f"normal_{i}"] = random.normal(shift * (i % 2), 1 + i, rows)
            columns[f"skewed_{i}"] = random.lognormal(shift * (i % 2), 0.5, rows)
            columns[f"count_{i}"] = random.poisson(20 + 5 * shift * (i % 2), rows)
        for i in range(6):
            labels = np.array([f"level {k}" for k in range(3 + 8 * i)])
            weights = np.arange(1, len(labels) + 1) ** (shift * (i % 2))
            columns[f"category_{i}"] = random.choice(labels, rows, p=weights / weights.sum())
        for i in range(2):
            columns[f"flag_{i}"] = random.random(rows) < 0.3 + shift * i
        frame = pd.DataFrame(columns)
        frame.to_parquet(folder / f"{name}.parquet")
        frame.to_csv(folder / f"{name}.csv", index=False)


def run(*command: object, folder: Path) -> tuple[float, str]:
    """Seconds of wall time of a whole Python process, and what it printed."""
    environment = {
        **os.environ,
        "DO_NOT_TRACK": "1",
        "PYTHONPATH": str(ROOT),
        "CRISPLENS_ACTOR": "bench@example.org",
    }
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *map(str, command)],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
    )
    return time.perf_counter() - start, done.stdout


def add_monitor(folder: Path, ending: str) -> float:
    """Add a monitor for one file format; returns the seconds that profiling the reference took."""
    files = ("--reference", f"reference.{ending}", "--current", f"current.{ending}")
    return run("-m", "crisplens", "monitor", "add", ending, "--model", "bench", *files, folder=folder)[0]


def compare(folder: Path, ending: str, runs: int) -> float:
    """Print the medians for one file format and return their ratio."""
    adding = add_monitor(folder, ending)
    ours, theirs, drifted = [], [], set()
    # The first pair warms the file cache and is not counted.
    for counted in [False] + [True] * runs:
        seconds, printed = run("-m", "crisplens", "monitor", "run", ending, "--json", folder=folder)
        other, other_printed = run("-c", EVIDENTLY, f"reference.{ending}", f"current.{ending}", folder=folder)
        found = json.loads(printed)["check"]["result"]["drifted"]
        drifted.add((found, json.loads(other_printed)["drifted"]))
        if counted:
            ours.append(seconds)
            theirs.append(other)
    our_median, their_median = statistics.median(ours), statistics.median(theirs)
    ratio = their_median / our_median
    print(
        f"{ending:8} crisplens {our_median:6.3f} s   evidently {their_median:6.2f} s   "
        f"ratio {ratio:5.1f}   (adding the monitor once: {adding:.2f} s; "
        f"drifted columns: {', '.join(f'{a} and {b}' for a, b in sorted(drifted))})"
    )
    return ratio


def main() -> int:
    """Generate the data, compare, and exit 1 if a ratio is below `--min-ratio`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--min-ratio", type=float, default=0.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder, arguments.rows)
        (folder / "model.bin").write_bytes(b"model")
        for command in ("init", "project add bench", "model register bench model.bin"):
            run("-m", "crisplens", *command.split(), folder=folder)
        ratios = [compare(folder, ending, arguments.runs) for ending in ("parquet", "csv")]
    if min(ratios) < arguments.min_ratio:
        print(f"below the ratio {arguments.min_ratio:g}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
