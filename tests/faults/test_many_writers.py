"""Many processes that record at once: nobody is turned away, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys

import pytest

from crisplens.api import Registry
from tests.conftest import LOG_NAME
from tests.faults.recording import Reported, assert_whole, marks_in_tables, read_commands, start

pytestmark = [pytest.mark.stored, pytest.mark.end_to_end, pytest.mark.slow]

PROCESSES, EACH, EACH_BY_COMMAND = 8, 250, 2
NAMES = [f"w{number}" for number in range(PROCESSES)]


def test_processes_that_record_at_once_leave_no_gap_and_lose_nothing(watched: Registry) -> None:
    before = watched.audit.head().size
    writers = {name: start(watched, name, EACH) for name in NAMES}
    said = {}
    for name, writer in writers.items():
        out, err = writer.communicate(timeout=300)
        assert (writer.returncode, err) == (0, "")
        said[name] = Reported()
        for line in out.splitlines():
            said[name].take(line)
    assert [name for name, one in said.items() if one != Reported([*range(EACH)])] == []
    log = watched.audit.log()
    assert [envelope.seq for envelope in log] == list(range(len(log)))
    found = read_commands(log[before:])
    assert sorted(found) == NAMES
    for name in NAMES:
        assert assert_whole(found[name], name, said[name], unreported=0) == 0
    tables = marks_in_tables(watched)
    assert all(tables[mark] == 1 for name in NAMES for mark in found[name])
    assert watched.audit.verify().passed


def test_commands_given_at_once_are_all_recorded(registry: Registry) -> None:
    registry.key.generate(LOG_NAME)
    before = registry.audit.head().size
    url = registry.engine.url.render_as_string(hide_password=False)
    shell = 'set -e; for n in $(seq "$1"); do "$2" -m crisplens kpi set "$3.$n" --target 1 "${@:4}"; done'
    options = ["--registry", url, "--project", "churn", "--actor", "ana@example.org"]
    given = [str(EACH_BY_COMMAND), sys.executable]
    writers = [
        subprocess.Popen(
            ["bash", "-c", shell, "bash", *given, name, *options],
            cwd=registry.configuration.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for name in NAMES
    ]
    assert [writer.communicate(timeout=300)[1] for writer in writers] == [b""] * PROCESSES
    assert [writer.returncode for writer in writers] == [0] * PROCESSES
    names = {f"{name}.{number}" for name in NAMES for number in range(1, EACH_BY_COMMAND + 1)}
    assert {kpi.name for kpi in registry.kpi.list()} == names
    assert [envelope.seq for envelope in registry.audit.log()] == list(range(before + len(names)))
    assert registry.audit.verify().passed
