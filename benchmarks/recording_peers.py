"""How long one record takes, as a cold process: `crisplens checkpoint record` beside MLflow, DVC and GTO.

    python benchmarks/recording_peers.py --check

Each tool is installed with pip into a virtual environment of its own, below build/peers, and kept there for the
next time; crisplens is installed in the same way, but editable, so that the source as it is now is measured.
crisplens and MLflow record in an SQLite database that is ready, DVC adds a small new file to a repository, and
GTO registers a version of a model as a git tag. Every round runs each tool once, starting with another one each
time; the first round compiles modules and warms the file cache, and is not counted. After every run the record
is looked up where the tool keeps it.

Times are medians of whole processes, memory is the median of their peaks, and a ratio is the tool's time over
ours: above 1, crisplens is faster. What cannot be installed or used here is said to be not measured, and why.
`--check` exits 1 when crisplens is slower than one of them, or none could be measured. Needs git and a POSIX
system; nothing is read from the user's configuration, and the tools' telemetry and update checks are off.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from peers import ENVIRONMENTS, NotMeasured, install, last_line, version

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Process:
    """What one process took and printed."""

    seconds: float
    peak_bytes: int
    printed: str


class Tool:
    """A tool in an environment of its own, that records in a folder of its own."""

    name = ""
    shown = ""
    requirements: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()

    def __init__(self, environments: Path, folder: Path) -> None:
        self.environment = environments / self.name
        self.folder = folder / self.name
        self.version = ""

    def set_up(self) -> None:
        """Make the place that is recorded in."""

    def before(self, number: int) -> None:
        """Make what record `number` is about; it is not timed."""

    def command(self, number: int) -> tuple[str, ...]:
        """The command that makes record `number`."""
        raise NotImplementedError

    def recorded(self) -> int:
        """How many records there are, read from where the tool keeps them."""
        raise NotImplementedError

    def depends_on(self) -> str:
        """What the environment is made of besides the requirements."""
        return ""

    def install(self) -> None:
        """Make the environment, unless it is there already."""
        python = install(self.environment, self.requirements, also=self.depends_on())
        self.version = version(python, self.name)

    def run(self, *command: str) -> Process:
        """Run a command in the tool's folder; one of the environment's scripts if there is one of that name."""
        variables = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{
                f"GIT_{role}_{part}": value
                for role in ("AUTHOR", "COMMITTER")
                for part, value in (("NAME", "Bench"), ("EMAIL", "bench@example.org"))
            },
            **{name: value.format(folder=self.folder) for name, value in self.settings},
        }
        script = self.environment / "bin" / command[0]
        program = str(script) if script.is_file() else command[0]
        return timed([program, *command[1:]], self.folder, variables)


class Crisplens(Tool):
    """A checkpoint in a registry in SQLite."""

    name = "crisplens"
    shown = "checkpoint record"
    requirements = ("--editable", str(ROOT))
    settings = (("CRISPLENS_ACTOR", "bench@example.org"),)

    def depends_on(self) -> str:
        """What crisplens requires."""
        return (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    def set_up(self) -> None:
        """A registry and its project."""
        self.run("crisplens", "init")
        self.run("crisplens", "project", "add", "measured")

    def command(self, number: int) -> tuple[str, ...]:
        """One checkpoint."""
        return ("crisplens", "checkpoint", "record", "evaluation", "--summary", f"measured {number}")

    def recorded(self) -> int:
        """Checkpoints that the ledger has an event of."""
        query = "SELECT count(*) FROM checkpoint JOIN ledger_event USING (seq)"
        return count(self.folder / ".crisplens" / "registry.db", query)


class MLflow(Tool):
    """A run in a tracking database in SQLite."""

    name = "mlflow"
    shown = "runs create"
    requirements = ("mlflow>=3.17,<4",)
    # Its DO_NOT_TRACK would have to be the word "true".
    settings = (
        ("MLFLOW_TRACKING_URI", "sqlite:///{folder}/mlflow.db"),
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
    )

    def set_up(self) -> None:
        """The database with its tables; the first run, uncounted, adds the default experiment."""
        self.run("mlflow", "db", "upgrade", f"sqlite:///{self.folder}/mlflow.db")

    def command(self, number: int) -> tuple[str, ...]:
        """One finished run."""
        return ("mlflow", "runs", "create", "--experiment-id", "0", "--run-name", f"measured-{number}")

    def recorded(self) -> int:
        """Finished runs."""
        query = "SELECT count(*) FROM runs WHERE status = 'FINISHED'"
        return count(self.folder / "mlflow.db", query)


class Dvc(Tool):
    """A file that is added to a DVC repository in a git repository."""

    name = "dvc"
    shown = "add"
    requirements = ("dvc>=3.67,<4",)
    settings = (
        ("DVC_NO_ANALYTICS", "true"),
        ("DVC_SITE_CACHE_DIR", "{folder}/site"),
        ("DVC_SYSTEM_CONFIG_DIR", "{folder}/system"),
    )

    def set_up(self) -> None:
        """A repository that does not look for updates."""
        self.run("git", "init", "--quiet")
        self.run("dvc", "init", "--quiet")
        self.run("dvc", "config", "core.check_update", "false")
        self.run("git", "add", ".dvc")
        self.run("git", "commit", "--quiet", "--message", "start")

    def before(self, number: int) -> None:
        """A file of one line."""
        (self.folder / f"data_{number}.txt").write_text(f"measured {number}\n", encoding="utf-8")

    def command(self, number: int) -> tuple[str, ...]:
        """That file's digest, and its content in the cache."""
        return ("dvc", "add", f"data_{number}.txt")

    def recorded(self) -> int:
        """Files with a digest and a cached content."""
        cached = [path for path in (self.folder / ".dvc" / "cache" / "files").rglob("*") if path.is_file()]
        return min(len(list(self.folder.glob("data_*.dvc"))), len(cached))


class Gto(Tool):
    """A version of a model, kept as an annotated tag in git."""

    name = "gto"
    shown = "register"
    requirements = ("gto>=1.10,<2",)

    def set_up(self) -> None:
        """A git repository."""
        self.run("git", "init", "--quiet")

    def before(self, number: int) -> None:
        """A commit: GTO registers one version of a model for each."""
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", f"measured {number}")

    def command(self, number: int) -> tuple[str, ...]:
        """One version at the newest commit."""
        return ("gto", "register", "model", "--version", f"v1.0.{number}")

    def recorded(self) -> int:
        """Tags of the model."""
        return len(self.run("git", "tag", "--list", "model@v*").printed.splitlines())


TOOLS = (Crisplens, MLflow, Dvc, Gto)


def timed(command: list[str], folder: Path, variables: dict[str, str]) -> Process:
    """Wall time and peak memory of a whole process."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        start = time.perf_counter()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=variables,
            )
        except OSError as error:
            raise NotMeasured(str(error)) from error
        # Not `process.wait()`: only wait4 tells the memory of this one process.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read()
    if process.returncode:
        name = " ".join((Path(command[0]).name, *command[1:3]))
        raise NotMeasured(f"{name} exited {process.returncode}: {last_line(printed)}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Process(seconds, usage.ru_maxrss * unit, printed)


def count(database: Path, query: str) -> int:
    """The one number that a query gives; 0 when there is no such database or table."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        try:
            return int(connection.execute(query).fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def record(tool: Tool, number: int) -> Process:
    """Make one record, and see that there is one more than before."""
    tool.before(number)
    before = tool.recorded()
    process = tool.run(*tool.command(number))
    more = tool.recorded() - before
    if more != 1:
        raise NotMeasured(f"one run left {more} new records")
    return process


def ready(tools: list[Tool], failed: dict[str, str]) -> None:
    """Install every tool and make the place it records in; what fails is told by `failed`."""
    for tool in tools:
        tool.folder.mkdir()
        try:
            tool.install()
            tool.set_up()
        except NotMeasured as reason:
            failed[tool.name] = str(reason)


def measure(tools: list[Tool], runs: int, failed: dict[str, str]) -> dict[str, list[Process]]:
    """The counted processes of each tool, in rounds."""
    spent: dict[str, list[Process]] = {tool.name: [] for tool in tools}
    for number in range(runs + 1):
        first = number % len(tools)
        for tool in tools[first:] + tools[:first]:
            if tool.name in failed:
                continue
            try:
                process = record(tool, number)
            except NotMeasured as reason:
                failed[tool.name] = str(reason)
            else:
                if number:
                    spent[tool.name].append(process)
    return spent


def report(tools: list[Tool], spent: dict[str, list[Process]], failed: dict[str, str]) -> dict[str, float]:
    """Print a line for each tool, crisplens first; returns the peers' ratios to crisplens."""
    ours = statistics.median(process.seconds for process in spent[Crisplens.name])
    ratios = {}
    for tool in tools:
        name = f"{tool.name} {tool.shown}"
        if tool.name in failed:
            print(f"{name:28} not measured: {failed[tool.name]}")
            continue
        processes = spent[tool.name]
        median = statistics.median(process.seconds for process in processes)
        peak = statistics.median(process.peak_bytes for process in processes)
        ratios[tool.name] = median / ours
        print(
            f"{name:28} {median * 1000:5.0f} ms   ratio {median / ours:5.2f}   {peak / 1e6:4.0f} MB   "
            f"runs {len(processes)}   version {tool.version}"
        )
    del ratios[Crisplens.name]
    return ratios


def main() -> int:
    """Install, measure and compare; with `--check` exit 1 if a peer is faster, or none was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, metavar="DIR")
    parser.add_argument("--check", action="store_true", help="exit 1 when crisplens is slower than a peer")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs is at least 1")
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        tools: list[Tool] = [tool(arguments.environments.resolve(), Path(name).resolve()) for tool in TOOLS]
        ready(tools, failed)
        spent = {} if Crisplens.name in failed else measure(tools, arguments.runs, failed)
    if Crisplens.name in failed:
        print(f"crisplens was not measured: {failed[Crisplens.name]}", file=sys.stderr)
        return 1
    ratios = report(tools, spent, failed)
    faster = [name for name, ratio in ratios.items() if ratio < 1]
    if arguments.check and (faster or not ratios):
        print(
            f"faster than crisplens: {', '.join(faster)}" if ratios else "no peer measured", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
