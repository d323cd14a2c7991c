"""How many due monitors a scheduler checks a second on one core, and what the scheduler itself costs of that.

    python benchmarks/due_monitors.py --monitors 1000 --check

Monitors of 10,000 rows each (six columns, Parquet or CSV) are all due at once, and are checked by `scheduler run
--once` in this process. Then they are looked at without being recorded, and scheduled without being looked at. All
times are of the processor, over all threads: what else the machine does is not in them. The first check, which loads
libraries, is not counted. With `--profile` a last round lists the functions that take most (it is slower).
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from crisplens.api import Registry, init
from crisplens.core import clock
from crisplens.monitors import checking, service
from crisplens.monitors.engines.interface import Rows
from crisplens.monitors.sources.by_location import opened_source
from crisplens.nouns.monitors import DueRun, Monitors
from crisplens.nouns.scheduling_checks import load_libraries

GOAL_CHECKS, GOAL_OVERHEAD = 20.0, 0.005
COLUMNS = """
SELECT round(40 + 12 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()), 1) AS age,
       round(exp(3 + sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())), 2) AS spend,
       floor(-6 * ln(1 - random()))::INTEGER AS visits,
       ['basic', 'plus', 'pro'][1 + floor(3 * random())::INTEGER] AS plan,
       'region ' || floor(20 * random())::INTEGER AS region,
       random() < 0.7 AS active
FROM range({rows})
"""


class Clock:
    """The real clock, moved ahead."""

    ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def write_data(folder: Path, monitors: int, rows: int, ending: str) -> None:
    """A reference, and a file for each monitor. Written by DuckDB, as other libraries would change what engines do."""
    import duckdb

    (folder / "live").mkdir()
    with duckdb.connect() as connection:
        connection.execute("SELECT setseed(0.7)")
        for name, size in ((f"reference.{ending}", rows * 5), (f"live/0.{ending}", rows)):
            connection.execute(f"COPY ({COLUMNS.format(rows=size)}) TO '{folder / name}'")
    for number in range(1, monitors):
        shutil.copyfile(folder / "live" / f"0.{ending}", folder / "live" / f"{number}.{ending}")


def set_up(folder: Path, monitors: int, ending: str) -> Registry:
    """A registry whose monitors look at one file each, every hour; their reference is profiled once for all."""
    registry = init(folder).acting_as("bench@example.org", project="bench")
    registry.project.add("bench")
    (folder / "model.bin").write_bytes(b"model")
    registry.model.register("scorer", folder / "model.bin")
    profile, known = service._profile_reference, {}

    def once(location: str, *given: Any) -> Any:
        if location not in known:
            known[location] = profile(location, *given)
        return known[location]

    service._profile_reference = once
    with registry.transaction() as together:
        for number in range(monitors):
            together.monitor.add(
                f"m{number:04}",
                model="scorer",
                reference=folder / f"reference.{ending}",
                current=str(folder / "live" / f"{number}.{ending}"),
                schedule="every 1h",
            )
    return registry


def seconds(do: Callable[[], object]) -> float:
    """Processor time that something takes, over all threads."""
    start = time.process_time()
    do()
    return time.process_time() - start


def profiled(do: Callable[[], object], lines: int) -> None:
    """Run something and print where its time goes; only what this thread does is seen."""
    profile = cProfile.Profile(time.process_time)
    profile.runcall(do)
    pstats.Stats(profile).strip_dirs().sort_stats("cumulative").print_stats(lines)
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(lines)


def measure(folder: Path, given: argparse.Namespace) -> tuple[float, float]:
    """Print what a check takes; returns the processor time of a check by the scheduler, and its own share of that."""
    write_data(folder, given.monitors, given.rows, given.format)
    moved = Clock()
    with set_up(folder, given.monitors, given.format) as registry:
        clock.now = moved
        load_libraries()
        registry.monitor.run("m0000")
        evidence = registry.configuration.open_evidence()

        def schedule() -> None:
            registry.scheduler.run(once=True, workers=given.workers)

        def look_only() -> None:
            for monitor in registry.monitor.list():
                with opened_source(monitor.current) as table:
                    checking.carry_out_check(monitor, evidence=evidence, rows=Rows(table), now=clock.now())

        def share(do: Callable[[], object]) -> float:
            moved.ahead += timedelta(hours=2)
            checking._digest.cache_clear()
            return seconds(do) / given.monitors

        def show(what: str, took: float, said: str) -> None:
            print(f"  {what:27}{1000 * took:7.1f} ms   {said}", flush=True)

        print(f"{given.monitors} monitors of {given.rows:,} rows, {given.format}; processor time of each:")
        idle = seconds(schedule)
        wall = time.perf_counter()
        scheduled = share(schedule)
        wall = time.perf_counter() - wall
        show("checked by the scheduler", scheduled, f"{1 / scheduled:.1f} a second on a core")
        looked = share(look_only)
        show("looked at", looked, f"{looked / scheduled:.0%}")
        run_windows = Monitors._run_windows
        Monitors._run_windows = lambda noun, monitor, *_, **__: DueRun(monitor=monitor.name)
        own = share(schedule)
        Monitors._run_windows = run_windows
        show("the scheduler itself", own, f"{own / scheduled:.0%}")
        recorded = scheduled - looked - own
        show("recorded, the rest", recorded, f"{recorded / scheduled:.0%}")
        rate = given.monitors / wall
        print(
            f"A turn with nothing due: {1000 * idle:.1f} ms. By the clock on the wall {rate:.1f} checks a second."
        )
        assert len(registry.monitor.history()) == given.monitors + 1
        if given.profile:
            moved.ahead += timedelta(hours=2)
            profiled(registry.monitor.run_due, given.profile)
    return scheduled, own


def main() -> int:
    """Measure, and with `--check` exit 1 when a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--monitors", type=int, default=200)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--format", choices=["parquet", "csv"], default="parquet")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--profile", type=int, default=0, metavar="LINES")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scheduled, own = measure(Path(name), given)
    if given.check and (1 / scheduled < GOAL_CHECKS or own > GOAL_OVERHEAD):
        print("below the goal: 20 checks a second on a core, 5 ms for the scheduler", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
