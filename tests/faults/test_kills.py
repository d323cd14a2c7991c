"""Processes that are killed at random moments: what they said was done is there, and nothing is half there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from crisplens.api import Registry
from tests.conftest import ANA, LOG_NAME
from tests.faults.conftest import OwnServer
from tests.faults.recording import (
    Reported,
    assert_whole,
    marks_in_tables,
    read_commands,
    start,
    wait_until,
)

pytestmark = [pytest.mark.stored, pytest.mark.end_to_end, pytest.mark.slow]

# Read now: tests see no CRISPLENS_* variable. With 10,000 it takes some minutes on each kind of database.
RECORDINGS = int(os.environ.get("CRISPLENS_TEST_RECORDINGS", "1500"))
SEED = int(os.environ.get("CRISPLENS_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
EACH = 125
AT_ONCE = 2


@dataclass
class Watch:
    """What the processes of a test reported, and how many of them, or of their connections, were killed."""

    reported: dict[str, Reported] = field(default_factory=dict)
    kills: int = 0

    def check(self, registry: Registry, before: int, *, unreported: int) -> int:
        """The log and the tables hold whole commands only, all those that were reported, and nothing is missing.

        Returns how many commands were recorded and not reported.
        """
        registry.kpi.set("works-again", target=1)
        log = registry.audit.log()
        assert [envelope.seq for envelope in log] == list(range(len(log)))
        found = read_commands(log[before:-1])
        tables = marks_in_tables(registry)
        others = 0
        for name, reported in self.reported.items():
            marks = found.pop(name, [])
            others += assert_whole(marks, name, reported, unreported=unreported)
            assert [mark for mark in marks if tables.pop(mark) != 1] == []
        assert found == {}
        assert [mark for mark in tables if mark.split(".")[0] in self.reported] == []
        verdicts = registry.audit.verify().verdicts
        assert [one.name for one in verdicts] == ["integrity", "projection", "evidence", "signatures"]
        assert [one.findings for one in verdicts if not one.passed] == []
        return others


def record_until_killed(registry: Registry, name: str, lines: int, moment: float) -> Reported:
    """What a process reported that is killed a moment after it has reported so many commands."""
    reported = Reported()
    with start(registry, name) as process:
        assert process.stdout is not None
        for _ in range(lines):
            reported.take(process.stdout.readline())
        time.sleep(moment)
        process.kill()
        for line in process.stdout:
            reported.take(line)
    assert process.returncode == -signal.SIGKILL
    return reported


def record_in_turns(registry: Registry, watch: Watch, worker: int, share: int) -> None:
    """Processes one after the other, each killed at a random moment, until `share` commands were reported."""
    chance = random.Random(f"{SEED}-{worker}")
    turn = 0
    while share > 0:
        name = f"w{worker}r{turn}"
        reported = record_until_killed(
            registry, name, min(chance.randrange(2 * EACH), share), chance.uniform(0, 0.03)
        )
        assert reported.failed == {}
        watch.reported[name] = reported
        watch.kills += 1
        share -= max(1, len(reported.done))
        turn += 1


def test_what_killed_processes_reported_is_there_and_nothing_is_half_there(watched: Registry) -> None:
    watched.key.generate(LOG_NAME)
    before, watch, began = watched.audit.head().size, Watch(), time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        share = RECORDINGS // AT_ONCE
        turns = [pool.submit(record_in_turns, watched, watch, worker, share) for worker in range(AT_ONCE)]
        for turn in turns:
            turn.result()
    print(f"seed {SEED}: {watch.kills} kills in {time.monotonic() - began:.0f} s,", end=" ")
    others = watch.check(watched, before, unreported=1)
    done = sum(len(one.done) for one in watch.reported.values())
    print(f"{done} recordings reported and there, {others} there and not reported")
    assert done >= RECORDINGS


@contextmanager
def recording(registry: Registry, watch: Watch, name: str) -> Iterator[subprocess.Popen[str]]:
    """A process that records meanwhile, is killed at the end, and whose reports are kept in `watch`."""
    watch.reported[name] = Reported()
    with start(registry, name) as process, ThreadPoolExecutor(1) as pool:
        assert process.stdout is not None
        reading = pool.submit(lambda: [watch.reported[name].take(line) for line in process.stdout])
        try:
            yield process
        finally:
            process.kill()
            reading.result()


def backends(admin: Engine, database: str) -> list[int]:
    """The server's processes for the connections to a database."""
    query = text("SELECT pid FROM pg_stat_activity WHERE datname = :name")
    with admin.connect() as connection:
        return list(connection.scalars(query, {"name": database}))


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_connections_that_the_server_ends_leave_nothing_half_there(
    watched: Registry, postgresql_server: Engine
) -> None:
    watched.key.generate(LOG_NAME)
    before, watch, chance = watched.audit.head().size, Watch(), random.Random(SEED)
    watched.engine.dispose()
    database = str(watched.engine.url.database)
    with recording(watched, watch, "w0"):
        reported = watch.reported["w0"]
        for _ in range(12):
            done = len(reported.done) + chance.randrange(5, 20)
            wait_until(lambda done=done: len(reported.done) >= done)
            time.sleep(chance.uniform(0, 0.02))
            with postgresql_server.connect() as connection:
                for pid in backends(postgresql_server, database):
                    connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    others = watch.check(watched, before, unreported=13)
    print(f"seed {SEED}: {len(reported.done)} done, failed {reported.failed}, {others} not reported")
    assert len(reported.failed) <= 12
    assert set(reported.failed.values()) <= {"registry-failed", "unknown"}


def test_a_server_process_that_is_killed_takes_nothing_with_it(
    on_own_server: Registry, own_server: OwnServer
) -> None:
    before, watch = on_own_server.audit.head().size, Watch()
    on_own_server.engine.dispose()
    database = str(on_own_server.engine.url.database)
    with recording(on_own_server, watch, "w0"):
        reported = watch.reported["w0"]
        for _ in range(2):
            done = len(reported.done) + 20
            wait_until(lambda done=done: len(reported.done) >= done)
            own_server.crash(backends(own_server.admin, database))
    watch.check(on_own_server, before, unreported=3)
    assert set(reported.failed.values()) <= {"registry-failed", "unknown"}


def test_a_registry_can_be_made_after_its_making_was_killed(tmp_path: Path) -> None:
    chance, environment = random.Random(SEED), {**os.environ, "CRISPLENS_ACTOR": ANA}
    command = [sys.executable, "-m", "crisplens"]
    for moment in sorted(chance.uniform(0.3, 1.5) for _ in range(3)):
        with subprocess.Popen([*command, "init"], cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
            time.sleep(moment)
            process.kill()
    for last in (["init"], ["project", "add", "churn"], ["audit", "verify"]):
        done = subprocess.run(
            [*command, *last], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, ""), last
