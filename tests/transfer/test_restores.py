"""Restores: of what passes verification only, and what was there is kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import crisplens
from crisplens import migrations
from crisplens.api import Registry
from crisplens.core.database import disposing
from crisplens.core.errors import CrisplensError, InputError, Refused, RegistryError
from crisplens.core.sqlite import open_file
from crisplens.transfer import restores
from tests.conftest import ANA, log_of, opened, sqlite_file, sqlite_rows
from tests.transfer.conftest import OLD, change, files_in, head_of, refused, url_of

pytestmark = [pytest.mark.stored, pytest.mark.parametrize("databases", ["sqlite"], indirect=True)]
DAMAGES: dict[str, tuple[str, str]] = {
    "an event": ("UPDATE ledger_event SET envelope = envelope || ' ' WHERE seq = 7", "integrity: event 7"),
    "a table": ("UPDATE kpi SET target = '9' WHERE name = 'auc'", "projection: kpi churn/auc"),
    "no head": ("DELETE FROM ledger_head", "integrity: ledger_head"),
    "no table": ("DROP TABLE kpi", "kpi"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_fails_verification_is_neither_backed_up_nor_restored(
    story: Registry, home: Path, kept: Path, damage: str
) -> None:
    statement, words = DAMAGES[damage]
    change(kept, statement)
    refused(
        lambda: crisplens.restore_registry(kept, registry=f"sqlite:///{home / 'new.db'}"),
        Refused,
        "fails-verification",
        "the backup",
        words,
    )
    head = story.audit.head()
    refused(
        lambda: crisplens.restore_registry(kept, registry=url_of(story), replace=True),
        Refused,
        "fails-verification",
    )
    assert story.audit.head() == head
    refused(
        lambda: crisplens.backup_registry(home / "b.db", registry=f"sqlite:///{kept}"),
        Refused,
        "fails-verification",
        "the registry",
        words,
    )
    assert files_in(home) == ["story.db"]


def test_damaged_files_are_no_backups(home: Path, kept: Path) -> None:
    content = kept.read_bytes()
    half, noise, text, empty = (home / name for name in ("half", "noise", "text", "empty"))
    half.write_bytes(content[: len(content) // 2])
    noise.write_bytes(content[:4096] + os.urandom(len(content) - 4096))
    text.write_text("hello")
    empty.touch()
    wanted: list[tuple[Path, type[CrisplensError], str]] = [
        (half, Refused, "fails-verification"),
        (noise, Refused, "fails-verification"),
        (text, RegistryError, "not-a-registry"),
        (empty, RegistryError, "not-a-registry"),
        (home / "gone", InputError, "unreadable-file"),
        (home, InputError, "not-a-file"),
    ]
    before = files_in(home)
    for file, kind, slug in wanted:
        refused(
            lambda file=file: crisplens.restore_registry(file, registry=f"sqlite:///{home / 'new.db'}"),  # type: ignore[misc]
            kind,
            slug,
        )
    assert files_in(home) == before


def test_a_backup_of_a_newer_release_is_refused(home: Path, kept: Path) -> None:
    change(kept, "UPDATE alembic_version SET version_num = '9999'")
    refused(
        lambda: crisplens.restore_registry(kept, registry=f"sqlite:///{home / 'new.db'}"),
        RegistryError,
        "schema-too-new",
        "pip install --upgrade",
    )
    assert files_in(home) == ["story.db"]


@pytest.mark.usefixtures("databases")
def test_an_old_schema_is_backed_up_and_restored_as_it_is(home: Path) -> None:
    old = shutil.copy(OLD, home / "old.db")
    done = crisplens.backup_registry(home / "b.db", registry=f"sqlite:///{old}")
    assert (done.revision, done.head.size) == ("0001", 84)
    again = crisplens.restore_registry(home / "b.db", registry=f"sqlite:///{home / 'new.db'}")
    assert (again.revision, again.current, again.head, again.replaced) == ("0001", False, done.head, None)
    refused(lambda: crisplens.connect(f"sqlite:///{home / 'new.db'}"), RegistryError, "schema-too-old")
    with disposing(open_file(home / "new.db")) as engine:
        assert migrations.upgrade(engine).replayed == 84
    assert head_of(home / "new.db") == done.head
    change(home / "b.db", "UPDATE ledger_event SET envelope = envelope || ' ' WHERE seq = 7")
    refused(
        lambda: crisplens.restore_registry(home / "b.db", registry=f"sqlite:///{home / 'x.db'}"),
        Refused,
        "fails-verification",
    )


@pytest.fixture
def restored(story: Registry, kept: Path) -> Callable[..., restores.Restored]:
    """Restores the backup of the story in the place of the story."""

    def restore(**given: bool) -> restores.Restored:
        story.engine.dispose()
        return crisplens.restore_registry(kept, registry=url_of(story), **given)

    return restore


def test_a_registry_comes_back(story: Registry, kept: Path, home: Path) -> None:
    done = crisplens.restore_registry(kept, registry=f"sqlite:///{home / 'deep' / 'er' / 'new.db'}")
    assert (done.head, done.current, done.replaced) == (story.audit.head(), True, None)
    assert files_in(home / "deep" / "er") == ["new.db"]
    assert sqlite_rows(Path(done.file), "PRAGMA journal_mode") == [("wal",)]
    with opened(f"sqlite:///{done.file}", story.configuration.folder) as again:
        assert log_of(again) == log_of(story)
        assert again.audit.verify().passed
        again.kpi.set("late", target=1)


def test_what_is_replaced_is_kept(
    story: Registry, kept: Path, restored: Callable[..., restores.Restored]
) -> None:
    earlier = story.audit.head()
    for number in range(3):
        story.kpi.set(f"late-{number}", target=1)
    later = story.audit.head()
    refused(restored, InputError, "exists", "--replace", "kept")
    assert story.audit.head() == later
    done = restored(replace=True)
    assert done.replaced is not None
    assert (done.head, done.replaced.head, done.replaced.lost) == (earlier, later, 3)
    assert story.audit.head() == earlier
    assert ".db.replaced-20" in done.replaced.kept
    assert head_of(Path(done.replaced.kept)) == later
    assert story.acting_as(ANA).kpi.set("again", target=1).name == "again"
    back = crisplens.restore_registry
    story.engine.dispose()
    done = back(done.replaced.kept, registry=url_of(story), replace=True)
    assert done.replaced is not None
    assert (done.head, done.replaced.head is None, done.replaced.lost) == (later, False, None)
    assert kept.exists()


def test_equal_and_shorter_logs_lose_nothing(
    story: Registry, kept: Path, home: Path, restored: Callable[..., restores.Restored]
) -> None:
    assert (done := restored(replace=True).replaced) is not None
    assert done.lost == 0
    first = story.audit.head()
    crisplens.backup_registry(home / "early.db", registry=url_of(story))
    story.kpi.set("late", target=1)
    crisplens.backup_registry(kept, registry=url_of(story), overwrite=True)
    story.engine.dispose()
    crisplens.restore_registry(home / "early.db", registry=url_of(story), replace=True)
    assert (done := restored(replace=True).replaced) is not None
    assert (done.head, done.lost) == (first, 0)


def test_a_registry_that_cannot_be_read_is_kept_with_all_its_files(
    story: Registry, restored: Callable[..., restores.Restored]
) -> None:
    file = sqlite_file(url_of(story))
    story.engine.dispose()
    file.write_bytes(b"noise" * 1000)
    wal = file.with_name(f"{file.name}-wal")
    wal.write_bytes(b"more noise")
    done = restored(replace=True).replaced
    assert done is not None
    assert (done.head, done.lost) == (None, None)
    assert Path(done.kept).read_bytes() == b"noise" * 1000
    assert Path(f"{done.kept}-wal").exists() or not wal.exists()
    assert story.audit.verify().passed


def test_a_registry_in_use_is_not_replaced(
    story: Registry, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restores, "BUSY_SECONDS", 0.1)
    head = story.audit.head()
    with story.reading():
        refused(
            lambda: crisplens.restore_registry(kept, registry=url_of(story), replace=True),
            RegistryError,
            "in-use",
            "open",
        )
    assert story.audit.head() == head
    assert story.kpi.set("late", target=1)


def test_a_backup_is_not_restored_onto_itself(kept: Path) -> None:
    refused(
        lambda: crisplens.restore_registry(kept, registry=f"sqlite:///{kept}", replace=True),
        InputError,
        "exists",
        "itself",
    )
