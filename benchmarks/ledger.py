"""The ledger's cost beside bare sqlite3 and hashlib doing the same, in one run.

    python benchmarks/ledger.py --check

Recording: one event per transaction, and one whole command, beside a loop of sqlite3 that inserts the same rows
into a copy of the same registry and commits with the same durability; 10,000 events in one transaction beside
single ones. A long log: verification of integrity beside reading and hashing its entries, appending beside an
empty log, an inclusion proof, and replay at two lengths. Runs alternate; ratios are those of medians.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from crisplens import api  # noqa: E402
from crisplens.ledger import merkle, proofs  # noqa: E402
from crisplens.ledger.notes import Checkpoint, sign_note  # noqa: E402
from crisplens.ledger.replay import log_texts, replay, scratch_database  # noqa: E402
from crisplens.ledger.service import append  # noqa: E402
from crisplens.ledger.tables import LedgerEvent, LedgerNode  # noqa: E402
from crisplens.lifecycle.events import CheckpointRecorded  # noqa: E402
from crisplens.lifecycle.model import Answer, ControlAnswer  # noqa: E402
from crisplens.lifecycle.tables import CheckpointRow  # noqa: E402
from crisplens.registry.keys.files import make_signer  # noqa: E402

ACTOR = "bench@example.org"
TABLES = [table.__tablename__ for table in (LedgerEvent, LedgerNode, CheckpointRow)]
missed: list[str] = []


def say(what: str, ours: float, theirs: float, unit: str, goal: float, *, at_most: bool = True) -> None:
    """Print one comparison, and note it when its goal is missed."""
    ratio = ours / theirs
    bound = "at most" if at_most else "at least"
    print(
        f"{what:58} {ours:9.3f} {theirs:9.3f} {unit:5} ratio {ratio:6.2f} (goal: {bound} {goal:g})",
        flush=True,
    )
    if (ratio > goal) if at_most else (ratio < goal):
        missed.append(what)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def event(number: int) -> CheckpointRecorded:
    """A checkpoint as people record it."""
    return CheckpointRecorded(
        id=f"statement-{number}",
        phase="evaluation",
        cycle=1,
        subject="churn-gbm@1",
        summary="Better than the rules on every slice; reviewed with the retention team.",
        answers=(ControlAnswer("EV-1", Answer.MET, "AUC 0.83 on the holdout of March"),),
        evidence=(),
        links=(),
        digest=f"sha256:{number:064x}",
    )


def make_registry(folder: Path) -> api.Registry:
    """An empty registry with one project."""
    registry = api.init(folder).acting_as(ACTOR, project="churn")
    registry.project.add("churn", title="Churn")
    return registry


def append_singly(registry: api.Registry, first: int, count: int) -> None:
    """One event per transaction."""
    for number in range(first, first + count):
        with registry.writing() as work:
            append(work, event(number))


def append_together(registry: api.Registry, first: int, count: int) -> None:
    """Many events in one transaction."""
    with registry.writing() as work:
        for number in range(first, first + count):
            append(work, event(number))


def file_of(registry: api.Registry) -> Path:
    """The registry's database file."""
    return registry.configuration.folder / ".crisplens" / "registry.db"


class Bare:
    """sqlite3 alone: puts the rows that a registry has gained since into a copy of it, one commit for each event."""

    def __init__(self, registry: api.Registry, copy: Path) -> None:
        self.original, self.copy = file_of(registry), copy
        with closing(sqlite3.connect(self.original)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        self.connection = sqlite3.connect(copy, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")

    def catch_up(self) -> tuple[int, float]:
        """Insert what is new; how many events, and the seconds that the inserts took."""
        (size,) = self.connection.execute("SELECT size FROM ledger_head").fetchone()
        with closing(sqlite3.connect(self.original)) as source:
            rows = [
                source.execute(f"SELECT * FROM {TABLES[0]} WHERE seq >= ? ORDER BY seq", (size,)).fetchall(),
                source.execute(f"SELECT * FROM {TABLES[1]}").fetchall(),
                source.execute(f"SELECT * FROM {TABLES[2]} WHERE seq >= ? ORDER BY seq", (size,)).fetchall(),
            ]
            head = source.execute("SELECT root, frontier FROM ledger_head").fetchone()
        nodes: dict[int, list[Any]] = {}
        for level, index, hash in rows[1]:
            nodes.setdefault(((index + 1) << level) - 1, []).append((level, index, hash))
        inserts = [
            f"INSERT INTO {table} VALUES ({', '.join('?' * len(some[0]))})"
            for table, some in zip(TABLES, rows, strict=True)
        ]
        start = time.perf_counter()
        for entry, row in zip(rows[0], rows[2], strict=True):
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute(inserts[0], entry)
            self.connection.executemany(inserts[1], nodes[entry[0]])
            self.connection.execute(
                "UPDATE ledger_head SET size = ?, root = ?, frontier = ?", (entry[0] + 1, *head)
            )
            self.connection.execute(inserts[2], row)
            self.connection.execute("COMMIT")
        return len(rows[0]), time.perf_counter() - start


def measure_recording(folder: Path, rounds: int) -> None:
    """Single recordings beside bare sqlite3, and a batch beside single ones."""
    registry, batches = make_registry(folder / "singly"), make_registry(folder / "together")
    bare = Bare(registry, folder / "bare.db")
    ours, theirs, commands, their_commands, together = [], [], [], [], []
    number, each = 0, 300
    for counted in [False] + [True] * rounds:
        single = seconds(lambda first=number: append_singly(registry, first, each)) / each  # type: ignore[misc]
        events, spent = bare.catch_up()
        command = seconds(
            lambda: [registry.checkpoint.record("evaluation", summary="Fine.") for _ in range(each)]
        )
        more, spent_on_commands = bare.catch_up()
        number += 10_000
        batch = seconds(lambda first=number: append_together(batches, first, 10_000)) / 10_000  # type: ignore[misc]
        if counted:
            ours.append(single * 1000)
            theirs.append(spent / events * 1000)
            commands.append(command / each * 1000)
            their_commands.append(spent_on_commands / more * 1000)
            together.append(batch * 1000)
    bare.connection.close()
    for one in (registry, batches):
        one.engine.dispose()
    median = statistics.median
    say("one event per transaction / sqlite3, the same rows", median(ours), median(theirs), "ms", 3)
    say("one event of 10,000 in a transaction / one alone", median(together), median(ours), "ms", 0.1)
    say("checkpoint.record(), checks included / sqlite3", median(commands), median(their_commands), "ms", 6)


def grow_log(registry: api.Registry, size: int) -> None:
    """Fill a registry's log by sqlite3 alone to `size` events: the same entries, many times faster to make."""
    envelope = (
        '{{"actor":{{"id":"bench@example.org","source":"option"}},"id":"{id}","occurred_at":"{at}","payload":'
        '{{"acceptable_error":null,"baseline":"0.71","direction":"higher","name":"kpi-{seq}","target":"0.80",'
        '"unit":"{unit}"}},"project":"churn","recorded_at":"{at}","seq":{seq},"type":"kpi.set","version":1}}'
    )
    at, unit = "2026-01-01T00:00:00.000000Z", "share of customers who leave within a quarter " * 5
    registry.engine.dispose()
    with closing(sqlite3.connect(file_of(registry), isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        (first, joined) = connection.execute("SELECT size, frontier FROM ledger_head").fetchone()
        frontier: tuple[bytes, ...] = tuple(joined[start : start + 32] for start in range(0, len(joined), 32))
        for seq in range(first, size):
            id = uuid.uuid4().hex
            text = envelope.format(id=id, at=at, seq=seq, unit=unit)
            frontier, nodes = merkle.grow(frontier, seq, merkle.leaf_hash(text.encode()))
            connection.execute(
                "INSERT INTO ledger_event (seq, envelope, id, type, version, project, actor, recorded_at, occurred_at)"
                " VALUES (?, ?, ?, 'kpi.set', 1, 'churn', 'bench@example.org', ?, ?)",
                (seq, text, id, at, at),
            )
            connection.executemany(
                "INSERT INTO ledger_node (level, idx, hash) VALUES (?, ?, ?)",
                [(node.level, node.index, node.hash) for node in nodes],
            )
        root = merkle.root_hash(frontier)
        connection.execute(
            "UPDATE ledger_head SET size = ?, root = ?, frontier = ?", (size, root, b"".join(frontier))
        )
        connection.execute("COMMIT")


READ_AND_HASH = """
import hashlib, sqlite3, sys, time
connection, start = sqlite3.connect(sys.argv[1]), time.perf_counter()
for row in connection.execute("SELECT * FROM ledger_event ORDER BY seq"):
    hashlib.sha256(row[1].encode()).digest()
print(time.perf_counter() - start)
"""
VERIFY = """
import sys, time
from pathlib import Path
from crisplens import api
from crisplens.ledger.verify_integrity import verify_integrity
registry, start = api.connect(folder=sys.argv[1]), time.perf_counter()
with registry.reading() as session:
    assert verify_integrity(session).passed
spent = time.perf_counter() - start
# Not ru_maxrss, which a process inherits from the one that started it.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(spent, int(peak.split()[1]) / 1024)
registry.engine.dispose()
"""


def figures_of(program: str, argument: Path) -> list[float]:
    """The numbers that a Python program prints, run as a process of its own."""
    command = [sys.executable, "-c", program, str(argument)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return [float(word) for word in done.stdout.split()]


def measure_long_log(folder: Path, size: int, rounds: int) -> None:
    """What a log of `size` events costs to verify, to prove from and to append to."""
    registry = make_registry(folder / "long")
    print(f"making a log of {size:,} events", file=sys.stderr)
    grow_log(registry, size)
    hashing, verifying, memory = [], [], []
    for _ in range(rounds):
        hashing += figures_of(READ_AND_HASH, file_of(registry))
        spent, peak = figures_of(VERIFY, folder / "long")
        verifying.append(spent)
        memory.append(peak)
    median = statistics.median
    say(
        f"integrity of {size:,} events / reading and hashing them", median(verifying), median(hashing), "s", 4
    )
    say("its peak memory / 300 MB", max(memory), 300, "MB", 1)
    measure_proof(registry, size)
    empty = make_registry(folder / "empty")
    long_ones, empty_ones = [], []
    for number in range(0, 200 * (rounds + 2), 200):
        for target, times in ((registry, long_ones), (empty, empty_ones)):
            times.append(seconds(lambda one=target, first=number: append_singly(one, first, 200)) * 5)  # type: ignore[misc]
    say(f"appending to {size:,} events / to none", median(long_ones[1:]), median(empty_ones[1:]), "ms", 1.2)
    for one in (registry, empty):
        one.engine.dispose()


def measure_proof(registry: api.Registry, size: int) -> None:
    """The work of an inclusion proof, the connection being open."""
    head = Checkpoint("bench", size, bytes.fromhex(registry.audit.head().root))
    note = sign_note(str(head), [make_signer("bench")])
    times = []
    with registry.reading() as session:
        for number in range(50):
            seq = number * 7919 * size // 400_000 % size
            times.append(seconds(lambda one=seq: proofs.prove_inclusion(session, one, note)) * 1000)  # type: ignore[misc]
    say("an inclusion proof / 5 ms", statistics.median(times), 5, "ms", 1)


def measure_replay(folder: Path) -> None:
    """Replay's cost per event in a short log and in one ten times as long."""
    registry = make_registry(folder)
    costs = []
    for first, count in ((0, 4_000), (4_000, 36_000)):
        append_together(registry, first, count)
        with registry.reading() as session, scratch_database() as scratch:
            spent = seconds(lambda: replay(log_texts(session), scratch))
        costs.append(spent / (first + count) * 1e6)
    say("replay, an event of 40,000 / an event of 4,000", costs[1], costs[0], "µs", 1.2)
    registry.engine.dispose()


def main() -> int:
    """Measure, and with `--check` exit 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1_000_000, help="events of the long log")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measure_recording(Path(name, "recording"), arguments.rounds)
        measure_replay(Path(name, "replay"))
        shutil.rmtree(Path(name, "replay"))
        measure_long_log(Path(name), arguments.size, arguments.rounds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"peak memory of this benchmark: {peak:.0f} MB; SQLite {sqlite3.sqlite_version}, {hashlib.sha256().name}"
    )
    if missed and arguments.check:
        print(f"missed its goal: {'; '.join(missed)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
