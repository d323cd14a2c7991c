"""How long one drift check takes, from starting the process to its end: crisplens beside Evidently.

    python benchmarks/drift_check.py --min-ratio 15

Both check the same window of 200,000 rows and 20 mixed columns against the same reference. crisplens has
profiled the reference before, as when a monitor is created (that time is printed too); Evidently reads
both tables each time. Runs are paired, and medians compared.
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

PROFILE = """
import sys, msgspec
from crisplens.monitors.engines.duckdb_engine import profile_reference
from crisplens.registry.data.tabular import open_table
with open(sys.argv[2], "wb") as out:
    out.write(msgspec.json.encode(profile_reference(open_table(sys.argv[1]))))
"""

# To be replaced by `crisplens monitor run` once that is there.
CRISPLENS = """
import sys, msgspec
from crisplens.monitors.engines.interface import Reference, get_engine
from crisplens.monitors.model import CheckSettings, Profile
from crisplens.registry.data.tabular import open_table
with open(sys.argv[1], "rb") as source:
    profile = msgspec.json.decode(source.read(), type=Profile)
result = get_engine("duckdb").check(Reference(None, profile), open_table(sys.argv[2]), CheckSettings())
print(msgspec.json.encode(result.check).decode())
"""

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


def run(code: str, *arguments: object) -> tuple[float, str]:
    """Seconds of wall time of a whole Python process, and what it printed."""
    environment = {**os.environ, "DO_NOT_TRACK": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return time.perf_counter() - start, done.stdout


def compare(folder: Path, ending: str, runs: int) -> float:
    """Print the medians for one file format and return their ratio."""
    reference, current = folder / f"reference.{ending}", folder / f"current.{ending}"
    profile = folder / f"profile-{ending}.json"
    profiling, _ = run(PROFILE, reference, profile)
    ours, theirs, drifted = [], [], set()
    # The first pair warms the file cache and is not counted.
    for counted in [False] + [True] * runs:
        seconds, printed = run(CRISPLENS, profile, current)
        other, other_printed = run(EVIDENTLY, reference, current)
        drifted.add((json.loads(printed)["drifted"], json.loads(other_printed)["drifted"]))
        if counted:
            ours.append(seconds)
            theirs.append(other)
    our_median, their_median = statistics.median(ours), statistics.median(theirs)
    ratio = their_median / our_median
    print(
        f"{ending:8} crisplens {our_median:6.3f} s   evidently {their_median:6.2f} s   "
        f"ratio {ratio:5.1f}   (profiling the reference once: {profiling:.2f} s; "
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
        ratios = [compare(folder, ending, arguments.runs) for ending in ("parquet", "csv")]
    if min(ratios) < arguments.min_ratio:
        print(f"below the ratio {arguments.min_ratio:g}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
