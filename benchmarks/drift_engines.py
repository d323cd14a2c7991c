"""What one check of a window costs: bare scans, crisplens with DuckDB and with Arrow, and peers, in one go.

    python benchmarks/drift_engines.py --rows 1000000 --columns 20 --peers evidently nannyml --check

Every run is a process of its own, in turn, and medians are compared. "Work" is what is left when the libraries
are imported: for a scan, decoding every column (pyarrow) or its minimum, maximum and count (DuckDB); for
crisplens, profiling the window and comparing it with the reference's profile; for a peer, reading both tables and
comparing them. "Whole" is the process from start to end, "cpu" its seconds on all processors together, which other
work on the machine disturbs least, and memory its largest. A peer is installed below build/peers; one that cannot be,
or that fails on these tables, is said to be not measured, and why.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from peers import ENVIRONMENTS, NotMeasured, install, last_line

ROOT = Path(__file__).resolve().parents[1]
CHUNK = 1_000_000

# With --check: the most that profiling may take, in scans; and how much faster it must be than others.
MOST_SCANS = 2.5
LEAST_DUCKDB = 2.0
LEAST_WORK = {"evidently": 150.0}
LEAST_WHOLE = {"evidently": 60.0, "nannyml": 25.0}
MOST_MEMORY = {"evidently": 1 / 3}

TIMED = """
import json, sys, time
{imports}
start = time.perf_counter()
{work}
seconds = time.perf_counter() - start
# A progress bar may stand on the line.
print("\\n" + json.dumps({{"work": seconds, "drifted": drifted}}))
"""
SCAN_ARROW = TIMED.format(
    imports="import pyarrow.parquet as pq",
    work="""
texts = [f.name for f in pq.read_schema("current.parquet") if str(f.type) == "string"]
file = pq.ParquetFile("current.parquet", read_dictionary=texts)
for i in range(file.num_row_groups):
    file.read_row_group(i)
drifted = None""",
)
SCAN_DUCKDB = TIMED.format(
    imports="import duckdb",
    work="""
connection = duckdb.connect()
names = [row[0] for row in connection.execute("DESCRIBE SELECT * FROM 'current.parquet'").fetchall()]
asked = ", ".join(f"min({name}), max({name}), count({name})" for name in names)
connection.execute(f"SELECT {asked} FROM 'current.parquet'").fetchall()
drifted = None""",
)
CHECK = """
table = open_table("current.parquet")
profile = msgspec.json.decode(open("reference.json", "rb").read(), type=Profile)
engine = duckdb_engine.DuckdbEngine()
drifted = engine.check(Reference(None, profile), Rows(table), CheckSettings()).check.drifted"""
OURS = """
import msgspec
from crisplens.monitors.engines import arrow_use, duckdb_engine
from crisplens.monitors.engines.interface import Reference, Rows
from crisplens.monitors.model import CheckSettings, Profile
from crisplens.registry.data.tabular import open_table
"""
DUCKDB = TIMED.format(imports=OURS + "import duckdb\narrow_use.applies = lambda table: False", work=CHECK)
ARROW = TIMED.format(
    imports=OURS + "import pyarrow.parquet\narrow_use.applies = lambda table: True", work=CHECK
)
EVIDENTLY = TIMED.format(
    imports="import pandas\nfrom evidently import Report\nfrom evidently.presets import DataDriftPreset",
    work="""
reference, current = pandas.read_parquet("reference.parquet"), pandas.read_parquet("current.parquet")
found = Report([DataDriftPreset()]).run(current, reference).dict()["metrics"][0]["value"]
drifted = int(found["count"])""",
)
NANNYML = TIMED.format(
    imports="import pandas\nimport nannyml",
    work="""
reference, current = pandas.read_parquet("reference.parquet"), pandas.read_parquet("current.parquet")
calculator = nannyml.UnivariateDriftCalculator(
    column_names=list(reference.columns), chunk_number=1,
    continuous_methods=["wasserstein"], categorical_methods=["jensen_shannon"],
)
found = calculator.fit(reference).calculate(current).filter(period="analysis").to_df()
drifted = int(sum(found[c].any() for c in found.columns if c[-1] == "alert"))""",
)

ALIBI_DETECT = TIMED.format(
    imports="import numpy, pandas\nfrom alibi_detect.cd import TabularDrift",
    work="""
reference, current = pandas.read_parquet("reference.parquet"), pandas.read_parquet("current.parquet")
texts = [c for c in reference if not pandas.api.types.is_numeric_dtype(reference[c]) or reference[c].dtype == bool]
for column in texts:
    levels = sorted(set(reference[column].unique()) | set(current[column].unique()))
    for table in (reference, current):
        table[column] = pandas.Categorical(table[column], levels).codes
detector = TabularDrift(
    reference.to_numpy("float32"), categories_per_feature={list(reference).index(c): None for c in texts}
)
found = detector.predict(current.to_numpy("float32"), drift_type="feature")
drifted = int(found["data"]["is_drift"].sum())""",
)
DEEPCHECKS = TIMED.format(
    imports="import pandas\nfrom deepchecks.tabular import Dataset\nfrom deepchecks.tabular.checks import FeatureDrift",
    work="""
reference, current = pandas.read_parquet("reference.parquet"), pandas.read_parquet("current.parquet")
texts = [c for c in reference if not pandas.api.types.is_numeric_dtype(reference[c]) or reference[c].dtype == bool]
reference, current = Dataset(reference, cat_features=texts), Dataset(current, cat_features=texts)
# On a sample of 100,000 rows.
found = FeatureDrift(n_samples=100_000).run(reference, current).value
drifted = int(sum(one["Drift score"] > 0.2 for one in found.values()))""",
)
WHYLOGS = TIMED.format(
    imports="import pandas, whylogs",
    work="""
# The window's profile alone: the reference's was made before.
profile = whylogs.log(pandas.read_parquet("current.parquet")).profile().view()
drifted = None if len(profile.get_columns()) else 0""",
)


@dataclass(frozen=True)
class Peer:
    """Another tool: what pip installs, and what it runs."""

    requirements: tuple[str, ...]
    code: str


PEERS = {
    "evidently": Peer(("evidently==0.7.23", "pandas<3.1", "pyarrow"), EVIDENTLY),
    "nannyml": Peer(("nannyml==0.13.1", "statsmodels", "pyarrow"), NANNYML),
    "alibi-detect": Peer(("alibi-detect==0.13.0", "pyarrow<22"), ALIBI_DETECT),
    "deepchecks": Peer(
        ("deepchecks", "scikit-learn<1.6", "category-encoders<2.9", "numpy<2", "pandas<2.3", "pyarrow<22"),
        DEEPCHECKS,
    ),
    "whylogs": Peer(("whylogs", "numpy<2", "pandas<2.3", "pyarrow<22"), WHYLOGS),
}


@dataclass(frozen=True)
class Run:
    """What one process cost: seconds (`cpu` over all processors), and megabytes."""

    work: float
    whole: float
    cpu: float
    memory: float
    drifted: int | None


def write_data(folder: Path, rows: int, columns: int) -> None:
    """Write reference and window: of every 20 columns 12 numeric, 6 categorical and 2 boolean; half drift."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    for seed, name in enumerate(("reference", "current")):
        random = np.random.default_rng(seed)

        def column(position: int, n: int, random: np.random.Generator = random, seed: int = seed) -> object:
            kind, shift = position % 10, 0.3 * seed * (position // 10 % 2)
            if kind in (0, 1):
                return random.normal(shift, 1 + kind, n)
            if kind in (2, 3):
                return random.lognormal(shift, 0.5, n)
            if kind in (4, 5):
                return random.poisson(20 + 5 * shift, n)
            if kind == 9:
                return random.random(n) < 0.3 + shift / 2
            size = 3 + 12 * (kind - 6)
            weights = np.arange(1, size + 1) ** shift
            picked = random.choice(size, n, p=weights / weights.sum()).astype(np.int32)
            return pa.DictionaryArray.from_arrays(picked, [f"level {k}" for k in range(size)]).cast(
                pa.string()
            )

        writer = None
        for first in range(0, rows, CHUNK):
            made = {f"c{i}": column(i, min(CHUNK, rows - first)) for i in range(columns)}
            table = pa.table(made)
            writer = writer or pq.ParquetWriter(folder / f"{name}.parquet", table.schema)
            writer.write_table(table)
        if writer:
            writer.close()


def profile_reference(folder: Path) -> None:
    """Profile the reference once, as adding a monitor does."""
    import msgspec

    from crisplens.monitors.engines.duckdb_engine import profile_reference
    from crisplens.registry.data.tabular import open_table

    profile = profile_reference(open_table(str(folder / "reference.parquet")))
    (folder / "reference.json").write_bytes(msgspec.json.encode(profile))


def prepare(folder: Path, rows: int, columns: int) -> None:
    """What is there before a check."""
    write_data(folder, rows, columns)
    profile_reference(folder)


def run(python: str, code: str, folder: Path) -> Run:
    """Run `code` in a new process."""
    environment = {
        **os.environ,
        "DO_NOT_TRACK": "1",
        "NML_DISABLE_USAGE_LOGGING": "1",
        "PYTHONPATH": str(ROOT),
    }
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            [python, "-W", "ignore", "-c", code],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            cwd=folder,
        )
        assert process.stdout
        printed = process.stdout.read()
        # wait4 gives this child's memory; RUSAGE_CHILDREN would give the largest of all.
        _, status, usage = os.wait4(process.pid, 0)
        whole = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise NotMeasured(last_line(errors.read()))
    found = json.loads(printed.strip().splitlines()[-1])
    memory = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    cpu = usage.ru_utime + usage.ru_stime
    return Run(work=found["work"], whole=whole, cpu=cpu, memory=memory, drifted=found["drifted"])


def compare(folder: Path, contestants: dict[str, tuple[str, str]], runs: int) -> dict[str, Run]:
    """The median run of each; the first round, which warms the file cache, is not counted.

    Raises `NotMeasured` when one of ours fails; a peer that does is left out.
    """
    found: dict[str, list[Run]] = {name: [] for name in contestants}
    for round_number in range(runs + 1):
        for name, (python, code) in list(contestants.items()):
            # What takes a minute needs no warm cache, and its time hardly varies.
            if name in PEERS and (round_number == 0 or sum(one.work for one in found[name]) > 60):
                continue
            try:
                one = run(python, code, folder)
            except NotMeasured as reason:
                if name not in PEERS:
                    raise
                print(f"{name}: not measured: {reason}")
                del contestants[name], found[name]
                continue
            if round_number:
                found[name].append(one)

    def median(all_runs: list[Run], of: Callable[[Run], float]) -> float:
        return statistics.median(map(of, all_runs))

    return {
        name: Run(
            work=median(every, lambda one: one.work),
            whole=median(every, lambda one: one.whole),
            cpu=median(every, lambda one: one.cpu),
            memory=median(every, lambda one: one.memory),
            drifted=every[0].drifted,
        )
        for name, every in found.items()
    }


def faults(found: dict[str, Run]) -> list[str]:
    """Which of the stated ratios do not hold."""
    arrow, scan = found["arrow"].work, found["scan, pyarrow"].work
    said = []
    if arrow > MOST_SCANS * scan:
        said.append(f"arrow takes {arrow / scan:.2f} scans, more than {MOST_SCANS:g}")
    if found["duckdb"].work < LEAST_DUCKDB * arrow:
        said.append(
            f"arrow is {found['duckdb'].work / arrow:.2f} times as fast as duckdb, not {LEAST_DUCKDB:g}"
        )
    for name, least in LEAST_WORK.items():
        if name in found and found[name].work < least * arrow:
            said.append(
                f"arrow's work is {found[name].work / arrow:.0f} times as fast as {name}'s, not {least:g}"
            )
    whole, memory = found["arrow"].whole, found["arrow"].memory
    for name, least in LEAST_WHOLE.items():
        if name in found and found[name].whole < least * whole:
            ratio = found[name].whole / whole
            said.append(f"as a whole, arrow is {ratio:.0f} times as fast as {name}, not {least:g}")
    for name, most in MOST_MEMORY.items():
        if name in found and memory > most * found[name].memory:
            said.append(
                f"arrow takes {memory / found[name].memory:.2f} of {name}'s memory, more than {most:.2f}"
            )
    return said


def main() -> int:
    """Generate the data, compare, and print; with --check, exit 1 when a stated ratio does not hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--peers", nargs="*", choices=PEERS, help="run these too; all of them when none is named"
    )
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, metavar="DIR")
    parser.add_argument("--check", action="store_true", help="exit 1 when a stated ratio does not hold")
    arguments = parser.parse_args()
    contestants = {
        "scan, pyarrow": (sys.executable, SCAN_ARROW),
        "scan, duckdb": (sys.executable, SCAN_DUCKDB),
        "duckdb": (sys.executable, DUCKDB),
        "arrow": (sys.executable, ARROW),
    }
    for name in PEERS if arguments.peers == [] else arguments.peers or ():
        try:
            python = install(arguments.environments.resolve() / name, PEERS[name].requirements)
            contestants[name] = (python, PEERS[name].code)
        except NotMeasured as reason:
            print(f"{name}: not measured: {reason}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared = multiprocessing.get_context("spawn").Process(
            target=prepare, args=(folder, arguments.rows, arguments.columns)
        )
        # In a process of its own: what this one holds would count as the memory of those that it starts.
        prepared.start()
        prepared.join()
        if prepared.exitcode:
            return 1
        size = (folder / "current.parquet").stat().st_size / 1e6
        found = compare(folder, contestants, arguments.runs)
    print(f"{arguments.rows} rows x {arguments.columns} columns, {size:.0f} MB, {os.cpu_count()} processors")
    print(
        f"{'':16}{'work':>10}{'whole':>10}{'cpu':>10}{'memory':>10}{'work/arrow':>12}{'whole/arrow':>12}   drifted"
    )
    for name, one in found.items():
        print(
            f"{name:16}{one.work:8.3f} s{one.whole:8.3f} s{one.cpu:8.3f} s{one.memory:7.0f} MB"
            f"{one.work / found['arrow'].work:12.2f}{one.whole / found['arrow'].whole:12.2f}"
            f"   {'' if one.drifted is None else one.drifted}"
        )
    said = faults(found)
    for fault in said:
        print(fault, file=sys.stderr)
    return 1 if said and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
