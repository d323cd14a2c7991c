"""Commands of every kind, one after another, and how a log is held against what was reported of them.

As a process (`python -m tests.faults.recording URL FOLDER NAME COUNT`) it gives COUNT commands as NAME and prints a
line for each as soon as it is done: its number, or its number and the slug of the error. Command `n` of NAME leaves
the marks `marks(NAME, n)` in the log, each once, so that half a command shows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

from crisplens.api import Registry, connect
from crisplens.core.errors import CrisplensError
from crisplens.ledger.model import Envelope

ROOT = Path(__file__).parents[2]
JOINED = 3
UNTIL_KILLED = sys.maxsize


def marks(name: str, number: int) -> tuple[str, ...]:
    """What command `number` of `name` leaves in the log; only together are they the command."""
    if number % 10 == 0:
        return tuple(f"{name}.{number}.{part}" for part in range(JOINED))
    return (f"{name}.{number}",)


def number_of(mark: str) -> int:
    """The number of the command that a mark is of."""
    return int(mark.split(".")[1])


def record(registry: Registry, name: str, number: int) -> None:
    """Give command `number` of `name`: a KPI, several at once, a check, a checkpoint or an evaluation."""
    (mark, *_), folder = marks(name, number), registry.configuration.folder
    match number % 10:
        case 0:
            with registry.transaction() as together:
                for one in marks(name, number):
                    together.kpi.set(one, target=number)
        case 1 if number % 50 == 1:
            registry.monitor.run("nightly", current=str(_table(folder / f"{mark}.csv")))
        case 2:
            notes = [_note(folder / f"{mark}-{part}.md") for part in "ab"]
            registry.checkpoint.record("business-goal", summary=mark, evidence=notes)
        case 3 | 7:
            registry.evaluation.record("churn-gbm@1", dataset="holdout@1", metrics={mark: number})
        case _:
            registry.kpi.set(mark, target=number)


def _note(file: Path) -> Path:
    file.write_text(file.name, encoding="utf-8")
    return file


def _table(file: Path) -> Path:
    """Data that no other check has, so that its profile is evidence of its own."""
    lines = [f"{(7 * row) % 23 / 2},{(5 * row) % 13}" for row in range(60)]
    own = crc32(file.name.encode()) / 2**32
    file.write_text("\n".join(["tenure,spend", *lines, f"{own},1", ""]), encoding="utf-8")
    return file


@dataclass
class Reported:
    """What a process said of its commands: the numbers of those that were done, and what others failed with."""

    done: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)

    def take(self, line: str) -> None:
        """Take in a line that it printed."""
        number, _, slug = line.strip().partition(" ")
        if slug:
            self.failed[int(number)] = slug
        else:
            self.done.append(int(number))


def start(registry: Registry, name: str, count: int = UNTIL_KILLED) -> subprocess.Popen[str]:
    """A process that gives `count` commands as `name`, and prints a line for each."""
    url = registry.engine.url.render_as_string(hide_password=False)
    given = [url, str(registry.configuration.folder), name, str(count)]
    command = [sys.executable, "-m", "tests.faults.recording", *given]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(true: Callable[[], bool]) -> None:
    """Wait, not for ever, until something is true."""
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.005)


def read_commands(log: Iterable[Envelope]) -> dict[str, list[str]]:
    """The marks in a log by who left them, in order.

    Asserts that the events of each command stand together, evidence before the checkpoint or check that names it.
    """
    found: dict[str, list[str]] = {}
    waiting: list[tuple[str, str]] = []
    for envelope in log:
        name, payload = envelope.actor.id.split("@")[0], json.loads(bytes(envelope.payload))
        match envelope.type:
            case "evidence.added":
                waiting.append((name, payload["digest"]))
                continue
            case "kpi.set":
                mark, kept = payload["name"], set()
            case "evaluation.recorded":
                (mark,), kept = payload["metrics"], set()
            case "checkpoint.recorded":
                mark, kept = payload["summary"], {one["digest"] for one in payload["evidence"]}
            case "monitor.checked":
                mark, kept = Path(payload["window"]["location"]).stem, set(payload["attachments"])
            case _:
                raise AssertionError(envelope)
        assert {(name, digest) for digest in kept} == set(waiting), (envelope, waiting)
        waiting.clear()
        found.setdefault(name, []).append(mark)
    assert waiting == []
    return found


def assert_whole(found: Sequence[str], name: str, reported: Reported, *, unreported: int) -> int:
    """The marks in the log are those of whole commands in order, each once: all that were reported as done, none
    that failed, and at most `unreported` others. Returns how many others."""
    left = Counter(found)
    assert set(left.values()) <= {1}
    numbers = list(dict.fromkeys(map(number_of, found)))
    assert list(found) == [mark for number in numbers for mark in marks(name, number)]
    assert set(reported.done) <= set(numbers)
    assert len(set(reported.done)) == len(reported.done)
    assert not {number for number, slug in reported.failed.items() if slug != "unknown"} & set(numbers)
    others = set(numbers) - set(reported.done)
    assert len(others) <= unreported, others
    return len(others)


def marks_in_tables(registry: Registry) -> Counter[str]:
    """The marks in the tables, past the log."""
    found = Counter(kpi.name for kpi in registry.kpi.list())
    found.update(one.summary for one in registry.checkpoint.list())
    found.update(metric for one in registry.evaluation.list() for metric in one.metrics)
    found.update(Path(one.window.location).stem for one in registry.monitor.history())
    return found


def _main(url: str, folder: str, name: str, count: str) -> None:
    registry = connect(url, project="churn", actor=f"{name}@example.org", folder=folder)
    for number in range(int(count)):
        said = str(number)
        try:
            record(registry, name, number)
        except CrisplensError as error:
            said += f" {error.slug if error.nothing_changed else 'unknown'}"
        # Said at once and in one piece, whatever happens next.
        os.write(1, f"{said}\n".encode())
    registry.close()


if __name__ == "__main__":
    _main(*sys.argv[1:])
