"""A registry on a medium, in a folder or in a file that cannot be written: reading works, recording is refused."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crisplens.api import connect
from tests.conftest import ANA
from tests.faults.disks import REGISTRY, Disk, read_head

pytestmark = pytest.mark.end_to_end

Run = Callable[..., "subprocess.CompletedProcess[str]"]
PR_CAPBSET_DROP = 24
OVERRIDING_PERMISSIONS = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
DIE_AFTER_RECORDING = """
import os, signal
from crisplens.api import connect
connect(project="churn", actor="ana@example.org").kpi.set("late", target=1)
os.kill(os.getpid(), signal.SIGKILL)
"""


KPI, EVIDENCE = ("kpi", "set", "f1", "--target", "1"), ("evidence", "add", "crisplens.toml")


LOOK_TWICE = """
from crisplens.api import connect
registry = connect()
print(registry.audit.head().size, flush=True)
input()
print(registry.audit.head().size, flush=True)
"""


def assert_verifies(run: Run, events: int) -> None:
    """The registry can be read and verified, and has so many events."""
    done = run("audit", "verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"ok  integrity   {events} events" in done.stdout


def assert_refused(done: subprocess.CompletedProcess[str], slug: str, words: str) -> None:
    """A command was refused with a reason."""
    assert done.returncode == 3, done
    assert done.stderr.startswith(f"Error [{slug}]: ")
    assert words in done.stderr
    assert "Nothing was changed." in done.stderr


def test_a_registry_on_a_read_only_medium_is_read_and_not_written(disk: Disk, tmp_path: Path) -> None:
    before, files = disk.head(), disk.files()
    disk.make_read_only()
    assert_verifies(disk.crisplens, 3)
    assert disk.crisplens("audit", "head").stdout.startswith("3 events\n")
    assert "business-goal" in disk.crisplens("gate", "list").stdout
    report = tmp_path / "audit.html"
    assert disk.crisplens("report", "audit", "--output", str(report)).returncode == 0
    assert report.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert_refused(disk.crisplens(*KPI), "registry-failed", "readonly database")
    assert_refused(disk.crisplens(*EVIDENCE), "evidence-store", "Read-only file system")
    assert (disk.head(), disk.files()) == (before, files)


@pytest.fixture
def unfinished(disk: Disk) -> Disk:
    """The disk, after a process recorded a fourth event and was killed: it is in the write-ahead log alone."""
    killed = disk.call(sys.executable, "-c", DIE_AFTER_RECORDING)
    assert "Traceback" not in killed.stderr
    assert {f"{REGISTRY}-wal", f"{REGISTRY}-shm"} <= disk.files()
    return disk


def test_what_is_in_a_write_ahead_log_on_a_read_only_medium_is_read_too(unfinished: Disk) -> None:
    unfinished.make_read_only()
    assert_verifies(unfinished.crisplens, 4)
    assert_refused(unfinished.crisplens(*KPI), "registry-failed", "readonly database")


def test_a_write_ahead_log_that_cannot_be_read_is_not_passed_over(unfinished: Disk, tmp_path: Path) -> None:
    (unfinished.outside / f"{REGISTRY}-shm").unlink()
    unfinished.make_read_only()
    done = unfinished.crisplens("audit", "head")
    assert (done.returncode, done.stdout) == (3, "")
    assert "newest events are in registry.db-wal" in done.stderr
    assert "Copy registry.db and registry.db-wal" in done.stderr
    shutil.copytree(unfinished.outside, tmp_path / "copy")
    copied = unfinished.crisplens("audit", "head", "--directory", str(tmp_path / "copy"))
    assert copied.stdout.startswith("4 events\n")


def test_an_empty_write_ahead_log_on_a_read_only_medium_is_no_hindrance(disk: Disk) -> None:
    (disk.outside / f"{REGISTRY}-wal").touch()
    disk.make_read_only()
    assert disk.crisplens("audit", "head").stdout.startswith("3 events\n")


def obey_permissions() -> None:
    """Let a process of root be bound by permissions like anybody's; for others this does nothing."""
    for capability in OVERRIDING_PERMISSIONS:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.fixture
def folder(tmp_path: Path, home: Path) -> Iterator[Path]:
    """A copy of the folder with a registry, whose permissions are given back at the end."""
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    yield copy
    (copy / ".crisplens").chmod(0o755)


@pytest.fixture
def bound(folder: Path) -> Run:
    """Runs the command line in that folder, bound by permissions."""

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "crisplens", *args],
            cwd=folder,
            env={**os.environ, "CRISPLENS_ACTOR": ANA},
            capture_output=True,
            text=True,
            preexec_fn=obey_permissions,
        )

    return run


@pytest.mark.skipif(sys.platform != "linux", reason="root is bound by permissions on Linux only")
@pytest.mark.parametrize(
    ("folder_mode", "file_mode"),
    [(0o555, 0o444), (0o755, 0o444), (0o555, 0o644)],
    ids=["folder and file", "file", "folder"],
)
def test_a_registry_that_may_not_be_written_is_read(
    folder: Path, bound: Run, folder_mode: int, file_mode: int
) -> None:
    before = read_head(folder / REGISTRY)
    (folder / REGISTRY).chmod(file_mode)
    (folder / ".crisplens").chmod(folder_mode)
    assert_verifies(bound, 3)
    assert_refused(bound(*KPI), "registry-failed", "readonly database")
    (folder / ".crisplens").chmod(0o755)
    (folder / REGISTRY).chmod(0o644)
    assert read_head(folder / REGISTRY) == before
    assert bound(*KPI).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="root is bound by permissions on Linux only")
def test_who_may_only_read_sees_what_others_record_meanwhile(folder: Path) -> None:
    (folder / ".crisplens").chmod(0o555)
    command = [sys.executable, "-c", LOOK_TWICE]
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=obey_permissions,
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "3\n"
        (folder / ".crisplens").chmod(0o755)
        with connect(project="churn", actor=ANA, folder=folder) as registry:
            registry.kpi.set("f1", target=1)
        (folder / ".crisplens").chmod(0o555)
        assert reader.communicate("\n")[0] == "4\n"
