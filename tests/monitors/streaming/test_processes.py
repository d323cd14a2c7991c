"""Several processes that push at once, and processes that are killed while they do."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from crisplens.api import Registry
from crisplens.core.database import read_session
from crisplens.monitors.model import Profile
from crisplens.monitors.streaming import store
from crisplens.monitors.streaming.model import PushWindow, batch_mark, is_repeated

pytestmark = [pytest.mark.stored, pytest.mark.end_to_end, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
ROWS = 40


def start(registry: Registry, name: str, count: int) -> subprocess.Popen[str]:
    url = registry.engine.url.render_as_string(hide_password=False)
    given = [url, str(registry.configuration.folder), name, str(count), str(ROWS)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.monitors.streaming.pushing", *given],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def windows(registry: Registry) -> list[PushWindow]:
    with read_session(registry.engine) as session:
        return store.load(session, "churn", "live")


def test_processes_that_push_at_once_lose_nothing_and_each_window_is_checked_once(
    served: Registry, watch: Callable[..., None]
) -> None:
    watch(window="500 rows")
    pushing = [start(served, name, 20) for name in ("a", "bb")]
    said = [one.communicate(timeout=120)[0] for one in pushing]
    assert [one.returncode for one in pushing] == [0, 0]
    assert sum(text.count("pushed ") for text in said) == 40
    served.monitor.close("live")
    checks = served.monitor.history("live")
    assert [one.window.rows for one in checks] == [500, 500, 500, 100]
    assert len({one.window.name for one in checks}) == 4
    evidence = served.configuration.open_evidence()
    kept = [msgspec.json.decode(evidence.read(one.attachments[0]), type=Profile) for one in checks]
    assert [one.columns[0].rows for one in kept] == [500, 500, 500, 100]


def test_a_push_that_is_killed_is_counted_whole_or_not_at_all(
    served: Registry, watch: Callable[..., None]
) -> None:
    watch(window="1000000 rows")
    source, said = random.Random(5), []
    for number in range(3):
        process = start(served, f"k{number}", 10_000)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        time.sleep(source.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        # Not `communicate`, which passes by what `readline` has read ahead.
        lines += process.stdout.readlines()
        process.stdout.close()
        said += [line.split() for line in lines if line.endswith("\n")]
    pushed = {id for what, id in said if what == "pushed"}
    begun = {id for what, id in said if what == "pushing"}
    (window,) = windows(served)
    counted = {id for id in begun if is_repeated([window], batch_mark(id, ROWS))}
    assert pushed <= counted
    assert window.rows == ROWS * len(counted) == ROWS * window.batches.count
    (done,) = served.monitor.close("live").checks
    assert done.check.window.rows == window.rows
    assert all(one.current and one.current.rows == window.rows for one in done.check.result.columns)
