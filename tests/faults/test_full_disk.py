"""A disk without space: the error says so, nothing has changed, and the same command works once there is space."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ANA, Files
from tests.faults.disks import REGISTRY, Disk, read_head

pytestmark = pytest.mark.end_to_end

KPI = ("kpi", "set", "f1", "--target", "0.5")
CHECKPOINT = ("checkpoint", "record", "business-goal", "--summary", "Sound.", "--evidence", "notes.md")
SIZE = 200_000


def assert_says(done: subprocess.CompletedProcess[str], slug: str, *words: str) -> None:
    """A system failed, and the error says which and why."""
    assert done.returncode == 3, done
    assert done.stderr.startswith(f"Error [{slug}]")
    assert [word for word in (*words, "Nothing was changed") if word not in done.stderr] == [], done.stderr


def assert_fine(done: subprocess.CompletedProcess[str]) -> str:
    """A command was done without a word of complaint; returns what it printed."""
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# What lacks space is SQLite's index of its log, then the log itself, then the evidence.
@pytest.mark.parametrize(
    ("command", "left", "slug", "words"),
    [
        (KPI, 0, "registry-failed", "no space is left on its disk"),
        (KPI, 60 << 10, "registry-failed", "no space is left on its disk"),
        (CHECKPOINT, 60 << 10, "evidence-store", "No space left on device"),
    ],
)
def test_a_full_disk_is_named_and_nothing_has_changed(
    disk: Disk, command: tuple[str, ...], left: int, slug: str, words: str
) -> None:
    (disk.outside / "notes.md").write_text("n" * SIZE)
    before, files = disk.head(), disk.files()
    disk.fill(but=left)
    assert_says(disk.crisplens(*command), slug, words)
    disk.clear()
    assert disk.head() == before
    assert_fine(disk.crisplens(*command))
    assert disk.head() != before
    assert disk.files() == files
    assert_fine(disk.crisplens("audit", "verify"))


def test_reading_on_a_full_disk_says_what_it_lacks(disk: Disk) -> None:
    disk.fill()
    assert_says(
        disk.crisplens("audit", "verify"), "registry-failed", "no space is left", "reading needs a little"
    )
    disk.clear()
    assert_fine(disk.crisplens("audit", "verify"))


def test_the_disk_of_the_evidence_may_be_another(disk: Disk, home: Path, tmp_path: Path) -> None:
    registry, store = tmp_path / "registry.db", disk.folder / "store"
    registry.write_bytes((home / REGISTRY).read_bytes())
    variables = {"CRISPLENS_REGISTRY": f"sqlite:///{registry}", "CRISPLENS_EVIDENCE": str(store)}
    first, second = (Files(tmp_path).text(letter * SIZE, f"{letter}.md") for letter in "ab")
    before = read_head(registry)
    disk.fill(but=SIZE * 3 // 2)
    command = ("checkpoint", "record", "business-goal", "--evidence", str(first), "--evidence", str(second))
    assert_says(
        disk.crisplens(*command, **variables), "evidence-store", str(store), "No space left on device"
    )
    assert read_head(registry) == before
    assert [*(disk.outside / "store" / ".aside").iterdir()] == []
    disk.clear()
    assert_fine(disk.crisplens(*command, **variables))


def test_a_registry_that_could_not_be_made_can_be_made_later(disk: Disk) -> None:
    disk.fill(but=100 << 10)
    done = disk.crisplens("init", "--directory", "new")
    assert_says(done, "registry-failed", "no space is left on its disk")
    assert not (disk.outside / "new" / "crisplens.toml").exists()
    disk.clear()
    assert_fine(disk.crisplens("init", "--directory", "new"))
    assert_fine(disk.crisplens("audit", "verify", "--directory", "new"))


def test_a_report_that_does_not_fit_leaves_the_one_before(disk: Disk) -> None:
    assert disk.crisplens("report", "audit", "--output", "audit.html").returncode == 0
    before = (disk.outside / "audit.html").read_bytes()
    assert_fine(disk.crisplens(*KPI))
    disk.fill(but=48 << 10)
    done = disk.crisplens("report", "audit", "--output", "audit.html")
    assert done.returncode in (2, 3)
    assert "No space left on device" in done.stderr
    assert (disk.outside / "audit.html").read_bytes() == before
    assert disk.files() == {"audit.html", "crisplens.toml", "kept.md", REGISTRY}


def limited(most: int) -> Callable[[], None]:
    """Lets a process write no file longer than `most` bytes, which ends as a full disk does."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


@pytest.mark.parametrize(
    ("command", "slug", "words"),
    [
        (KPI, "registry-failed", "its disk takes no more"),
        (CHECKPOINT, "evidence-store", "File too large"),
    ],
)
def test_a_limit_on_files_is_named_and_nothing_has_changed(
    home: Path, tmp_path: Path, command: tuple[str, ...], slug: str, words: str
) -> None:
    registry, environment = tmp_path / "registry.db", {**os.environ, "CRISPLENS_ACTOR": ANA}
    registry.write_bytes((home / REGISTRY).read_bytes())
    Files(tmp_path).text("n" * SIZE, "notes.md")
    given = [sys.executable, "-m", "crisplens", *command, "--registry", "sqlite:///registry.db"]
    given += ["--project", "churn"]
    before = read_head(registry)

    def run(most: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            given, cwd=tmp_path, env=environment, capture_output=True, text=True, preexec_fn=limited(most)
        )

    assert_says(run(36 << 10), slug, words)
    assert read_head(registry) == before
    assert_fine(run(resource.RLIM_INFINITY))
    assert read_head(registry) != before
