"""A registry copied into another database: the same log, the same tables, whatever happens on the way."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

import crisplens
from crisplens import migrations
from crisplens.api import Registry
from crisplens.core.database import disposing, open_engine, read_session
from crisplens.core.errors import CrisplensError, HalfDone, InputError, Refused, RegistryError
from crisplens.ledger.model import EVENT_TYPES
from crisplens.ledger.queries import tree_head
from crisplens.ledger.triggers import expected_triggers, present_triggers
from crisplens.transfer import copies
from crisplens.transfer.copies import Copied, copy
from tests.conftest import log_of, opened, sqlite_file, sqlite_rows
from tests.transfer.conftest import refused, url_of

pytestmark = pytest.mark.stored
on_sqlite = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
to_sqlite = pytest.mark.parametrize("places", ["sqlite"], indirect=True)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten events in a transaction."""
    monkeypatch.setattr(copies, "BATCH", 10)


def size_of(engine: Engine) -> int:
    """How many events a database's log has; 0 when it has none."""
    with read_session(engine) as session:
        made = migrations.read_status(session.connection()).revision
        return tree_head(session).size if made else 0


def stop_after(batches: int) -> Callable[[str, int], None]:
    """Progress that interrupts after so many batches."""
    left = [batches]

    def progress(doing: str, _count: int) -> None:
        left[0] -= doing.startswith("copying events")
        if not left[0]:
            raise KeyboardInterrupt

    return progress


@pytest.mark.usefixtures("small_batches")
def test_the_copy_has_the_same_log_tables_and_gates(
    story: Registry, place: str, copied_registry: Callable[[], Registry]
) -> None:
    told: list[tuple[str, int]] = []
    done = crisplens.copy_registry(url_of(story), place, progress=lambda *said: told.append(said))
    head = story.audit.head()
    assert (done.copied, done.present, done.head, done.appended, done.verified) == (
        head.size,
        0,
        head,
        0,
        True,
    )
    batches = [count for doing, count in told if doing == f"copying events of {head.size:,}"]
    assert batches == [*range(10, head.size, 10), head.size]
    copied = copied_registry()
    assert log_of(copied) == log_of(story)
    assert copied.audit.head() == head
    assert copied.gate.list() == story.gate.list()
    assert copied.approval.list() == story.approval.list()
    verification = copied.audit.verify()
    assert verification.passed, verification
    with copied.reading() as session:
        connection = session.connection()
        assert present_triggers(connection) == expected_triggers(connection.dialect.name)


def test_nothing_secret_is_told(story: Registry, target: Engine) -> None:
    done = copy(story.engine, target, verify=False)
    assert isinstance(done, Copied)
    assert (done.source, done.target) == (str(story.engine.url), str(target.url))


@pytest.mark.usefixtures("small_batches")
def test_an_interrupted_copy_goes_on_where_it_was(story: Registry, target: Engine) -> None:
    head = story.audit.head()
    batches = random.randint(1, head.size // 10)
    with pytest.raises(KeyboardInterrupt):
        copy(story.engine, target, progress=stop_after(batches))
    with read_session(target) as session:
        assert tree_head(session) == story.audit.head(10 * batches)
    done = copy(story.engine, target)
    assert (done.present, done.copied, done.head) == (10 * batches, head.size - 10 * batches, head)
    again = copy(story.engine, target)
    assert (again.present, again.copied, again.head) == (head.size, 0, head)


SLOW = """
import signal, sys, time, crisplens
from crisplens.transfer import copies
# A shell lets what it runs in the background ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
copies.BATCH = 1
crisplens.copy_registry(sys.argv[1], sys.argv[2], progress=lambda *_: time.sleep(0.05))
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_copy_leaves_a_beginning(story: Registry, place: str, end: signal.Signals) -> None:
    head = story.audit.head()
    command = [sys.executable, "-c", SLOW, url_of(story), place]
    with (
        subprocess.Popen(command, stderr=subprocess.DEVNULL) as running,
        disposing(open_engine(place, create=True)) as target,
    ):
        while size_of(target) < 5:
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(end)
        running.wait(20)
        with read_session(target) as session:
            there = tree_head(session)
        assert 5 <= there.size < head.size
        assert there == story.audit.head(there.size)
        done = copy(story.engine, target)
    assert (done.present, done.head) == (there.size, head)


FULL = """
import resource, sys
from crisplens.cli.main import main
from crisplens.transfer import copies
copies.BATCH = 5
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
main(sys.argv[1:])
"""


@to_sqlite
def test_a_full_disk_keeps_what_was_copied(story: Registry, place: str) -> None:
    command = [sys.executable, "-c", FULL, "registry", "copy", url_of(story), place]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "[registry-failed]" in done.stderr) == (3, True), done
    assert "events were copied before it, and stay" in done.stderr
    assert "The same command goes on from there." in done.stderr
    assert "Nothing was changed" not in done.stderr
    again = crisplens.copy_registry(url_of(story), place)
    assert again.present > 0
    assert again.head == story.audit.head()


def test_what_is_appended_later_is_copied_later(story: Registry, target: Engine) -> None:
    before = story.audit.head()
    copy(story.engine, target)
    story.kpi.set("late", target=1)
    done = copy(story.engine, target)
    assert (done.present, done.copied) == (before.size, 1)
    assert done.head == story.audit.head()


@pytest.mark.usefixtures("small_batches")
def test_what_is_appended_meanwhile_is_told_and_left_out(story: Registry, target: Engine) -> None:
    head = story.audit.head()

    def progress(doing: str, count: int) -> None:
        if (doing, count) in ((f"copying events of {head.size:,}", 10), ("checking events", 0)):
            story.kpi.set("meanwhile", target=1)

    done = copy(story.engine, target, progress=progress)
    assert (done.head, done.copied, done.appended) == (head, head.size, 1)
    assert copy(story.engine, target).copied == 1


@pytest.mark.usefixtures("small_batches")
def test_two_copies_at_once_do_no_harm(story: Registry, place: str) -> None:
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(crisplens.copy_registry(url_of(story), place))
        except CrisplensError as error:
            found.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one for one in found if not isinstance(one, Copied)] == []
    assert sum(one.copied for one in found) == story.audit.head().size
    assert {one.head for one in found} == {story.audit.head()}


def test_another_log_is_no_beginning(story: Registry, target: Engine, place: str, tmp_path: Path) -> None:
    migrations.upgrade(target)
    with opened(place, tmp_path) as other:
        other.project.add("another")
        head = other.audit.head()
        refused(lambda: copy(story.engine, target), Refused, "not-a-copy", "another log", "1 events", "empty")
        assert other.audit.head() == head
        assert [project.project for project in other.project.list()] == ["another"]


def test_a_copy_that_went_its_own_way_is_refused(story: Registry, target: Engine, place: str) -> None:
    copy(story.engine, target)
    size = story.audit.head().size
    with opened(place, story.configuration.folder) as other:
        other.kpi.set("mine", target=1)
        refused(
            lambda: copy(story.engine, target), Refused, "not-a-copy", f"{size + 1:,} events, and FROM only"
        )
        story.kpi.set("theirs", target=1)
        refused(lambda: copy(story.engine, target), Refused, "not-a-copy", "another log")
        assert other.audit.head().size == size + 1


@pytest.mark.usefixtures("small_batches")
def test_what_is_recorded_in_the_copy_meanwhile_ends_it(story: Registry, target: Engine, place: str) -> None:
    def progress(_doing: str, count: int) -> None:
        if count == 20:
            with opened(place, story.configuration.folder) as other:
                other.kpi.set("mine", target=1)

    refused(lambda: copy(story.engine, target, progress=progress), HalfDone, "not-a-copy", "another log")


def test_one_database_is_not_copied_to_itself(story: Registry) -> None:
    refused(lambda: copy(story.engine, story.engine), InputError, "not-a-copy", "the same database")
    with disposing(crisplens.connect(url_of(story), folder=story.configuration.folder).engine) as same:
        refused(lambda: copy(story.engine, same), InputError, "not-a-copy", "the same database")


@on_sqlite
@to_sqlite
def test_schemas_of_other_releases_are_refused(story: Registry, target: Engine, bare: Registry) -> None:
    for revision, slug in (("0001", "schema-too-old"), ("9999", "schema-too-new")):
        with bare.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
        refused(lambda: copy(bare.engine, target), RegistryError, slug, "FROM: ", revision)
        refused(lambda: copy(story.engine, bare.engine), RegistryError, slug, "TO: ", revision)
    assert not sqlite_file(str(target.url)).exists()


def forge(registry: Registry, *statements: str) -> None:
    """Change the ledger past its triggers."""
    with registry.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            for name in present_triggers(connection):
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(text("SET session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement))


DAMAGES = {
    "UPDATE ledger_event SET envelope = replace(envelope, 'Bo', 'Jo') || ' ' WHERE seq = 45": (
        "event 45",
        40,
    ),
    "DELETE FROM ledger_event WHERE seq = 45": ("event 45", 40),
    "DELETE FROM ledger_event WHERE seq = 49": ("event 49", 40),
    "UPDATE ledger_event SET envelope = 'x' WHERE seq = 3": ("event 3", 0),
    "DELETE FROM ledger_node WHERE level = 0 AND idx = 12": ("event 12", 10),
    "UPDATE ledger_head SET size = size + 1": ("tree", 0),
}


@to_sqlite
@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_source_stops_it_and_leaves_a_beginning(
    story: Registry, target: Engine, damage: str
) -> None:
    words, size = DAMAGES[damage]
    beginning = story.audit.head(size)
    forge(story, damage)
    kind = HalfDone if size else RegistryError
    error = refused(lambda: copy(story.engine, target), kind, "ledger-damaged", words, "audit verify")
    assert error.nothing_changed is not bool(size)
    assert (f"{size} events were copied" in error.message) is bool(size)
    assert size_of(target) == size
    if size:
        with read_session(target) as session:
            assert tree_head(session) == beginning


@to_sqlite
@pytest.mark.usefixtures("small_batches")
def test_an_event_of_a_newer_release_names_the_upgrade(
    story: Registry, target: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(EVENT_TYPES, "trigger.acknowledged")
    seq = next(one.seq for one in story.audit.log() if one.type == "trigger.acknowledged")
    refused(
        lambda: copy(story.engine, target),
        HalfDone,
        "unknown-event",
        f"event {seq}",
        "trigger.acknowledged version 1",
        "pip install --upgrade crisplens",
    )
    monkeypatch.undo()
    assert copy(story.engine, target).present == seq // 10 * 10


@on_sqlite
@to_sqlite
def test_a_target_that_cannot_be_written_is_told(story: Registry, place: str) -> None:
    folder = sqlite_file(place).parent / "gone"
    refused(
        lambda: crisplens.copy_registry(url_of(story), f"sqlite:///{folder}/x.db"),
        InputError,
        "unwritable",
        "no folder",
    )
    sqlite_file(place).write_text("hello")
    refused(
        lambda: crisplens.copy_registry(url_of(story), place),
        RegistryError,
        "not-a-registry",
        "TO: ",
        "SQLite",
    )


@on_sqlite
@to_sqlite
def test_an_empty_file_is_an_empty_database(story: Registry, place: str) -> None:
    sqlite_file(place).touch()
    assert crisplens.copy_registry(url_of(story), place).head == story.audit.head()
    assert sqlite_rows(sqlite_file(place), "PRAGMA journal_mode") == [("wal",)]


@on_sqlite
@to_sqlite
def test_a_copy_whose_tables_were_changed_fails_verification(story: Registry, target: Engine) -> None:
    copy(story.engine, target)
    with target.begin() as connection:
        connection.execute(text("UPDATE kpi SET target = '0.1' WHERE name = 'auc'"))
    refused(lambda: copy(story.engine, target), Refused, "fails-verification", "projection", "kpi churn/auc")
    assert copy(story.engine, target, verify=False).copied == 0
