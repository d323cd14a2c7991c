"""Schedulers that share one registry, are killed and are stopped: each window is checked once, and none is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from crisplens.api import Registry
from crisplens.core import clock
from crisplens.core.working import LEASES
from crisplens.monitors.queries import Check
from crisplens.monitors.tables import CheckRow
from tests.conftest import ANA, Files
from tests.faults.recording import ROOT, wait_until

pytestmark = [pytest.mark.stored, pytest.mark.end_to_end, pytest.mark.slow]

SEED = int(os.environ.get("CRISPLENS_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
MONITORS, WINDOWS, WHOLE = 24, 2, 2
SLOW = """
import sys, time
from crisplens.cli.main import main
from crisplens.monitors import checking

carry_out = checking.carry_out_check
def slowly(*given, **named):
    print("looking", flush=True)
    time.sleep(float(sys.argv.pop(1)) if len(sys.argv) > 1 else 0)
    return carry_out(*given, **named)
checking.carry_out_check = slowly
main(sys.argv.pop(1).split())
"""


@contextmanager
def two_hours_ago() -> Iterator[None]:
    """What is recorded was recorded then, so that monitors are due as soon as they are there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: datetime.now(UTC) - timedelta(hours=2))
        yield


@pytest.fixture
def due(bare: Registry, files: Files) -> Registry:
    """A registry with a project and a model that have been there for a while."""
    with two_hours_ago():
        bare.project.add("churn")
        bare.model.register("churn-gbm", files.text("weights"))
    return bare


def watch(registry: Registry, files: Files, name: str, *, windows: int, shift: float = 0) -> None:
    """A monitor whose files are windows, or whose data is one window when there are none."""
    reference = files.table("reference.csv")
    for number in range(windows):
        files.table(f"{name}-{number}.csv", shift=shift)
    current = files.folder / (f"{name}-*.csv" if windows else "reference.csv")
    options: dict[str, Any] = {"window": "file"} if windows else {}
    with two_hours_ago():
        registry.monitor.add(
            name,
            model="churn-gbm",
            reference=reference,
            current=str(current),
            columns=["tenure"],
            # What is lost of windows is not made good by the next time, which is not near.
            schedule="every 1h" if windows else "every 1m",
            trigger="never",
            **options,
        )


def command(registry: Registry, *options: str) -> list[str]:
    """The words that run a scheduler on a registry."""
    url = registry.engine.url.render_as_string(hide_password=False)
    where = ["--registry", url, "--directory", str(registry.configuration.folder), "--actor", ANA]
    return ["scheduler", "run", "--every", "0.5", *options, *where]


def start(registry: Registry, *options: str) -> subprocess.Popen[bytes]:
    """A scheduler, as its own process."""
    words = [sys.executable, "-m", "crisplens", *command(registry, *options)]
    return subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE)


def takes_signals(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has come so far that it answers SIGTERM itself, or has ended. Linux only."""
    if process.poll() is not None:
        return True
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = int(status.split("SigCgt:")[1].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a scheduler that has begun to stop, which it does without complaint."""
    wait_until(lambda: takes_signals(process))
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in said) == (0, False), said


def windows_of(checks: list[Check]) -> Counter[tuple[str, str]]:
    """How often each file was checked."""
    return Counter((one.monitor, one.window.name) for one in checks if one.window.name)


def count_windows(registry: Registry) -> int:
    """How many checks of files were recorded; cheap, as it is asked again and again."""
    with registry.reading_log() as session:
        files = select(func.count()).where(CheckRow.window_key.like("m%.csv"))
        return session.scalar(files) or 0


def holders(registry: Registry) -> set[str]:
    """Who holds leases, "" for nobody."""
    with registry.reading_log() as session:
        return set(session.scalars(select(LEASES.c.holder)))


def test_schedulers_that_are_killed_lose_nothing_and_repeat_nothing(due: Registry, files: Files) -> None:
    with due.transaction() as together:
        for number in range(MONITORS):
            watch(together, files, f"m{number}", windows=WINDOWS, shift=9 * (number % 3 == 0))
        for number in range(WHOLE):
            watch(together, files, f"whole{number}", windows=0)
    chance, began = random.Random(SEED), time.monotonic()
    print(f"seed {SEED}", end=" ")
    running = [start(due, "--most", "1", "--workers", str(1 + number)) for number in range(2)]
    try:
        for kill in range(3):
            wanted = (kill + 1) * MONITORS * WINDOWS // 5 + chance.randrange(10)
            wait_until(lambda wanted=wanted: count_windows(due) >= wanted)
            time.sleep(chance.uniform(0, 0.05))
            killed = running.pop(chance.randrange(2))
            killed.kill()
            killed.communicate()
            running.append(start(due, "--most", "1"))
        wait_until(lambda: count_windows(due) >= MONITORS * WINDOWS)
        # What killed ones held is free, or held by those that run.
        wait_until(lambda: processes(due) <= {one.pid for one in running})
        for process in running:
            stop(process)
    finally:
        for process in running:
            process.kill()
            process.communicate()
    print(f"{time.monotonic() - began:.0f} s")
    checks = due.monitor.history()
    assert set(windows_of(checks).values()) == {1}
    for name in (f"m{number}" for number in range(MONITORS)):
        assert [one.window.name for one in checks if one.monitor == name] == [
            f"{name}-{at}.csv" for at in range(WINDOWS)
        ]
    for name in (f"whole{number}" for number in range(WHOLE)):
        minutes = [one.recorded_at[:16] for one in checks if one.monitor == name]
        assert minutes
        assert sorted(set(minutes)) == minutes
    drifted = [f"m{number}" for number in range(0, MONITORS, 3)]
    assert sorted(one.monitor for one in due.incident.list()) == sorted(drifted)
    assert holders(due) == {""}
    assert due.audit.verify().passed


def processes(registry: Registry) -> set[int]:
    """The processes that hold leases."""
    return {int(holder.split("/")[1]) for holder in holders(registry) if holder}


@contextmanager
def looking(registry: Registry, seconds: float, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A scheduler that takes so long for the first window, and has begun it."""
    words = [sys.executable, "-c", SLOW, " ".join(command(registry, *options)), str(seconds)]
    with subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"looking\n", process.stderr and process.stderr.read()
            yield process
        finally:
            process.kill()


on_sqlite = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


@on_sqlite
def test_a_stopped_scheduler_finishes_its_window_and_begins_no_other(due: Registry, files: Files) -> None:
    watch(due, files, "daily", windows=3)
    with looking(due, 1, "--grace", "30") as process:
        stop(process)
    assert windows_of(due.monitor.history()) == {("daily", "daily-0.csv"): 1}
    assert holders(due) == {""}
    (waiting,) = due.scheduler.status().due
    assert (waiting.monitor, waiting.holder, waiting.until) == ("daily", "", "")
    assert due.audit.verify().passed


def test_what_does_not_end_in_time_is_not_recorded_and_left_to_others(due: Registry, files: Files) -> None:
    watch(due, files, "daily", windows=2)
    before = due.audit.head()
    with looking(due, 60, "--grace", "0.3") as process:
        asked = time.monotonic()
        stop(process)
        assert time.monotonic() - asked < 10
    assert due.audit.head() == before
    assert holders(due) == {""}
    assert [one.monitor for one in due.scheduler.status().due] == ["daily"]
    assert due.audit.verify().passed


@on_sqlite
def test_a_second_signal_ends_it_at_once(due: Registry, files: Files) -> None:
    watch(due, files, "daily", windows=2)
    before = due.audit.head()
    with looking(due, 60, "--grace", "60") as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM
    assert due.audit.head() == before
    assert Path(files.folder / "daily-0.csv").exists()
