"""Backups: whole, verified, made while others write, and never at the cost of what is there."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

import crisplens
from crisplens import migrations
from crisplens.api import Registry
from crisplens.core.errors import InputError
from crisplens.core.sqlite import open_file
from crisplens.transfer.backups import backup
from tests.conftest import log_of, opened, sqlite_file, sqlite_rows
from tests.transfer.conftest import OLD, files_in, head_of, refused, url_of

pytestmark = [pytest.mark.stored, pytest.mark.parametrize("databases", ["sqlite"], indirect=True)]


def test_a_backup_is_the_registry_in_one_file(story: Registry, home: Path) -> None:
    story.engine.dispose()
    file = sqlite_file(url_of(story))
    file.chmod(0o640)
    told: list[str] = []
    done = crisplens.backup_registry(
        home / "b.db", registry=url_of(story), progress=lambda doing, _: told.append(doing)
    )
    assert (done.head, done.revision) == (story.audit.head(), migrations.HEAD)
    assert files_in(home) == ["b.db"]
    assert (done.size, (home / "b.db").stat().st_mode & 0o777) == ((home / "b.db").stat().st_size, 0o640)
    assert told[0].startswith("copying pages of ")
    assert sqlite_rows(home / "b.db", "PRAGMA journal_mode") == [("delete",)]
    (home / "b.db").chmod(0o440)
    with opened(f"sqlite:///{home / 'b.db'}", story.configuration.folder) as again:
        assert log_of(again) == log_of(story)
        assert again.gate.list() == story.gate.list()
        assert again.audit.verify().passed


def test_a_registry_that_is_only_read_can_be_backed_up(story: Registry, home: Path) -> None:
    story.engine.dispose()
    file = sqlite_file(url_of(story))
    file.chmod(0o440)
    done = crisplens.backup_registry(home / "b.db", registry=url_of(story))
    assert Path(done.file).stat().st_mode & 0o777 == 0o640


def test_nothing_is_overwritten(story: Registry, home: Path, kept: Path) -> None:
    before = kept.read_bytes()
    refused(lambda: backup(story.engine, kept), InputError, "exists", "story.db", "--force")
    assert kept.read_bytes() == before
    story.kpi.set("late", target=1)
    assert backup(story.engine, kept, overwrite=True).head == story.audit.head() == head_of(kept)
    for overwrite in (False, True):
        file = sqlite_file(url_of(story))
        refused(
            lambda file=file, overwrite=overwrite: backup(story.engine, file, overwrite=overwrite),  # type: ignore[misc]
            InputError,
            "exists",
            "the registry itself",
        )
    assert files_in(home) == ["story.db"]


@pytest.mark.parametrize("name", ["", "gone/b.db", "pipe"])
def test_places_that_cannot_be_written(story: Registry, home: Path, name: str) -> None:
    os.mkfifo(home / "pipe")
    with pytest.raises(InputError) as caught:
        backup(story.engine, home / name, overwrite=True)
    assert caught.value.slug in ("unwritable", "not-a-file")
    assert files_in(home) == ["pipe"]


LIMITED = """
import resource, sys
from crisplens.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
main(sys.argv[1:])
"""


def test_a_full_disk_leaves_nothing(story: Registry, home: Path, kept: Path) -> None:
    for line in (
        ["backup", str(home / "b.db"), "--registry", url_of(story)],
        ["restore", str(kept), "--registry", f"sqlite:///{home / 'new.db'}"],
    ):
        command = [sys.executable, "-c", LIMITED, "registry", *line]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, "[unwritable]: cannot write" in done.stderr) == (2, True), done
        assert files_in(home) == ["story.db"]


@pytest.mark.usefixtures("databases")
def test_postgresql_is_told_what_to_use(home: Path) -> None:
    url = "postgresql://u:secret@127.0.0.1:1/x"
    for call, words in (
        (lambda: crisplens.backup_registry(home / "b.db", registry=url), ("registry copy", "pg_dump")),
        (lambda: crisplens.restore_registry(OLD, registry=url), ("registry copy",)),
    ):
        error = refused(call, InputError, "not-sqlite", *words)
        assert "secret" not in f"{error.message}{error.hint}"


def write_on(url: str, folder: Path, started: object, stop: object) -> None:
    """Record KPIs, one transaction each, until told to stop."""
    with opened(url, folder) as registry:
        number = 0
        while not stop.is_set():  # type: ignore[attr-defined]
            registry.kpi.set(f"kpi-{number}", target=number)
            number += 1
            started.set()  # type: ignore[attr-defined]


def test_backups_while_another_process_writes(story: Registry, home: Path) -> None:
    before = story.audit.head()
    processes = multiprocessing.get_context("spawn")
    started, stop = processes.Event(), processes.Event()
    writer = processes.Process(
        target=write_on, args=(url_of(story), story.configuration.folder, started, stop)
    )
    writer.start()
    try:
        assert started.wait(60)
        done = [backup(story.engine, home / f"{number}.db") for number in range(3)]
    finally:
        stop.set()
        writer.join(60)
    assert writer.exitcode == 0
    assert before.size < done[0].head.size <= done[1].head.size <= done[2].head.size
    for one in done:
        assert story.audit.head(one.head.size) == one.head == head_of(Path(one.file))
    assert story.audit.verify().passed


def test_engines_are_closed(story: Registry, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engines: list[Engine] = []
    monkeypatch.setattr(
        "crisplens.transfer.soundness.open_file",
        lambda file: engines.append(open_file(file)) or engines[-1],  # type: ignore[func-returns-value]
    )
    backup(story.engine, home / "b.db")
    assert len(engines) == 1
    assert all(engine.pool.checkedin() == 0 for engine in engines)  # type: ignore[attr-defined]


def test_what_sqlite_left_of_another_database_is_not_taken_in(
    story: Registry, kept: Path, home: Path
) -> None:
    (home / "b.db-wal").write_bytes(b"of another")
    for overwrite in (False, True):
        refused(
            lambda overwrite=overwrite: backup(story.engine, home / "b.db", overwrite=overwrite),  # type: ignore[misc]
            InputError,
            "exists",
            "b.db-wal",
        )
    place = f"sqlite:///{home / 'b.db'}"
    refused(lambda: crisplens.restore_registry(kept, registry=place), InputError, "exists", "b.db-wal")
    crisplens.restore_registry(kept, registry=place, replace=True)
    assert head_of(home / "b.db") == story.audit.head()
    assert not (home / "b.db-wal").exists()
    (aside,) = home.glob("b.db.replaced-*-wal")
    assert aside.read_bytes() == b"of another"


def test_a_link_to_the_registry_stays_a_link(story: Registry, kept: Path, home: Path) -> None:
    story.engine.dispose()
    link = home / "link.db"
    link.symlink_to(sqlite_file(url_of(story)))
    done = crisplens.restore_registry(kept, registry=f"sqlite:///{link}", replace=True)
    assert (link.is_symlink(), done.file) == (True, str(sqlite_file(url_of(story)).resolve()))


@pytest.mark.parametrize("where", ["copying pages", "replaying"])
def test_an_interrupted_backup_leaves_nothing(
    story: Registry, kept: Path, home: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(doing: str, _count: int) -> None:
        if doing.startswith(where):
            raise KeyboardInterrupt

    head = story.audit.head()
    monkeypatch.setattr("crisplens.ledger.replay.STREAM_ROWS", 10)
    with pytest.raises(KeyboardInterrupt):
        backup(story.engine, home / "b.db", progress=interrupt)
    story.engine.dispose()
    with pytest.raises(KeyboardInterrupt):
        crisplens.restore_registry(kept, registry=url_of(story), replace=True, progress=interrupt)
    assert files_in(home) == ["story.db"]
    assert story.audit.head() == head
    assert story.audit.verify().passed
