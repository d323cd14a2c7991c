"""Registries as earlier releases wrote them: refused, left alone, upgraded, and used again."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, Table, inspect, select, text, update

import crisplens
from crisplens import migrations
from crisplens.api import Registry, connect
from crisplens.core.database import disposing, open_engine
from crisplens.core.errors import RegistryError
from crisplens.core.sqlite import open_file
from crisplens.ledger.model import EVENT_TYPES, UPCASTERS, Event, UnknownEvent, decode
from crisplens.ledger.queries import TreeHead
from crisplens.ledger.triggers import expected_triggers, present_triggers
from tests.conftest import BO, PostgresqlDatabases, failed, log_of, opened, sqlite_rows
from tests.migrations import write_schema

FILES = {file.stem: file for file in sorted(write_schema.SCHEMAS.glob("*.db"))}
LEDGER = "SELECT seq, envelope FROM ledger_event ORDER BY seq"
on_each_schema = pytest.mark.parametrize("revision", FILES)


@pytest.fixture
def old(revision: str, tmp_path: Path) -> Path:
    """A copy of a released schema's file."""
    return Path(shutil.copy(FILES[revision], tmp_path / "registry.db"))


@pytest.fixture
def old_postgresql(revision: str, postgresql: str) -> str:
    """The URL of a PostgreSQL database with a released schema, and the rows of its file."""
    with (
        disposing(open_engine(postgresql)) as engine,
        disposing(open_file(FILES[revision])) as file,
    ):
        status = migrations.upgrade(engine, revision)
        assert (status.revision, status.current, status.replayed) == (revision, False, 0)
        copy_rows(file, engine)
    return postgresql


@pytest.fixture
def postgresql(postgresql_server: Engine) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    databases = PostgresqlDatabases(postgresql_server)
    url = databases.empty()
    yield url
    databases.drop(url)


def copy_rows(source: Engine, target: Engine) -> None:
    """Copy every row of a SQLite registry into an empty one with the same schema."""
    with source.connect() as reading, target.begin() as writing:
        for name in inspect(reading).get_table_names():
            table = Table(name, MetaData(), autoload_with=reading)
            rows = [row._asdict() for row in reading.execute(select(table))]
            assert set(table.columns.keys()) == {
                column["name"] for column in inspect(writing).get_columns(name)
            }
            if name == "ledger_head":
                writing.execute(update(table), rows)
            elif rows and name != "alembic_version":
                writing.execute(table.insert(), rows)


def head_in(file: Path) -> TreeHead:
    """The tree head in a file, read past crisplens."""
    ((size, root),) = sqlite_rows(file, "SELECT size, root FROM ledger_head")
    return TreeHead(size, root.hex())


@contextmanager
def upgraded(url: str, folder: Path) -> Iterator[Registry]:
    """The registry at `url` after an upgrade."""
    with disposing(open_engine(url)) as engine:
        migrations.upgrade(engine)
    with opened(url, folder) as registry:
        yield registry


def assert_is_still(registry: Registry, revision: str) -> None:
    """The registry holds what the file of `revision` does, verifies, and can be used."""
    file = FILES[revision]
    head = head_in(file)
    assert registry.audit.head() == head
    assert list(enumerate(log_of(registry))) == sqlite_rows(file, LEDGER)
    # The evidence files stayed where the old registry was.
    assert failed(registry.audit.verify()).keys() <= {"evidence"}
    with registry.reading() as session:
        connection = session.connection()
        assert present_triggers(connection) == expected_triggers(connection.dialect.name)
    approvals = sqlite_rows(file, "SELECT id, checkpoint, decision, reason FROM approval ORDER BY seq")
    assert [
        (one.id, one.checkpoint, one.decision, one.reason) for one in registry.approval.list()
    ] == approvals
    registry.kpi.set("late", target="0.5")
    assert "late" in [kpi.name for kpi in registry.kpi.list()]
    registry.checkpoint.record("problem-framing", summary="Looked at again.")
    assert registry.acting_as(BO).approval.reject("problem-framing", reason="A KPI has no baseline.").id
    assert registry.audit.head(head.size) == head
    assert registry.audit.head().size == head.size + 3
    assert len(registry.gate.list()) == 10
    assert failed(registry.audit.verify()).keys() <= {"evidence"}


def test_every_released_schema_has_its_file() -> None:
    assert set(FILES) == migrations.known_revisions() - {migrations.HEAD}
    for revision, file in FILES.items():
        assert sqlite_rows(file, "SELECT version_num FROM alembic_version") == [(revision,)]
        assert head_in(file).size > 50


@on_each_schema
def test_an_old_registry_is_refused_and_left_alone(old: Path, tmp_path: Path) -> None:
    before = hashlib.sha256(old.read_bytes()).hexdigest()
    with pytest.raises(RegistryError) as caught:
        connect(f"sqlite:///{old}", folder=tmp_path)
    assert caught.value.slug == "schema-too-old"
    assert "crisplens db upgrade" in caught.value.hint
    assert "crisplens registry backup" in caught.value.hint
    assert hashlib.sha256(old.read_bytes()).hexdigest() == before
    assert [file.name for file in tmp_path.iterdir()] == [old.name]


@pytest.mark.stored
@on_each_schema
def test_an_upgraded_registry_is_what_it_was(old: Path, revision: str, tmp_path: Path) -> None:
    told: list[str] = []
    with disposing(open_file(old)) as engine:
        status = migrations.upgrade(engine, progress=lambda doing, _: told.append(doing))
    assert (status.before, status.revision, status.replayed) == (
        revision,
        migrations.HEAD,
        head_in(old).size,
    )
    with opened(f"sqlite:///{old}", tmp_path) as registry:
        assert_is_still(registry, revision)


@pytest.mark.stored
@on_each_schema
def test_an_upgraded_registry_is_what_it_was_on_postgresql(
    old_postgresql: str, revision: str, tmp_path: Path
) -> None:
    with pytest.raises(RegistryError) as caught:
        connect(old_postgresql, folder=tmp_path)
    assert caught.value.slug == "schema-too-old"
    assert "pg_dump" in caught.value.hint
    with upgraded(old_postgresql, tmp_path) as registry:
        assert_is_still(registry, revision)


def interrupted(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Upgrade, and be interrupted when half of the log is replayed."""

    def interrupting(said: str) -> Any:
        if (recorded := decode(said)).seq == 42:
            raise KeyboardInterrupt
        return recorded

    with monkeypatch.context() as patched:
        patched.setattr("crisplens.ledger.replay.decode", interrupting)
        with pytest.raises(KeyboardInterrupt):
            migrations.upgrade(engine)


def everything_in(engine: Engine) -> dict[str, Any]:
    """Every table with its columns and rows, and the triggers."""
    with engine.connect() as connection:
        tables: dict[str, Any] = {
            name: (
                [column["name"] for column in inspect(connection).get_columns(name)],
                sorted(map(repr, connection.execute(text(f'SELECT * FROM "{name}"')))),
            )
            for name in inspect(connection).get_table_names()
        }
        return {**tables, "triggers": present_triggers(connection)}


@pytest.mark.stored
@on_each_schema
def test_an_interrupted_upgrade_leaves_the_old_registry(
    old: Path, revision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with disposing(open_file(old)) as engine:
        before = everything_in(engine)
        interrupted(engine, monkeypatch)
        assert everything_in(engine) == before
    with upgraded(f"sqlite:///{old}", tmp_path) as registry:
        assert_is_still(registry, revision)


@pytest.mark.stored
@on_each_schema
def test_an_interrupted_upgrade_leaves_the_old_registry_on_postgresql(
    old_postgresql: str, revision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with disposing(open_engine(old_postgresql)) as engine:
        before = everything_in(engine)
        interrupted(engine, monkeypatch)
        assert everything_in(engine) == before
    with upgraded(old_postgresql, tmp_path) as registry:
        assert_is_still(registry, revision)


def upgraded_by_several(url: str) -> list[tuple[str | None, int]]:
    """What three upgrades at once say: the revision before, and the events replayed."""

    def upgrade(_: int) -> tuple[str | None, int]:
        with disposing(open_engine(url)) as engine:
            status = migrations.upgrade(engine)
        assert status.current
        return status.before, status.replayed

    with ThreadPoolExecutor(3) as pool:
        return sorted(pool.map(upgrade, range(3)))


@pytest.mark.stored
@on_each_schema
def test_upgrades_at_once_wait_for_each_other(old: Path, revision: str, tmp_path: Path) -> None:
    size = head_in(old).size
    assert upgraded_by_several(f"sqlite:///{old}") == [(revision, size), *[(migrations.HEAD, 0)] * 2]
    with opened(f"sqlite:///{old}", tmp_path) as registry:
        assert_is_still(registry, revision)


@pytest.mark.stored
@on_each_schema
def test_upgrades_at_once_wait_for_each_other_on_postgresql(
    old_postgresql: str, revision: str, tmp_path: Path
) -> None:
    size = head_in(FILES[revision]).size
    assert upgraded_by_several(old_postgresql) == [(revision, size), *[(migrations.HEAD, 0)] * 2]
    with opened(old_postgresql, tmp_path) as registry:
        assert_is_still(registry, revision)


@pytest.mark.stored
@on_each_schema
def test_threads_upgrade_databases_of_their_own(old: Path) -> None:
    copies = [shutil.copy(old, old.with_name(f"{number}.db")) for number in range(4)]

    def upgrade(file: Path) -> int:
        with disposing(open_file(file)) as engine:
            return migrations.upgrade(engine).replayed

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(upgrade, copies)) == {head_in(old).size}


@pytest.mark.stored
@on_each_schema
def test_a_registry_at_every_schema_can_be_moved(old: Path, postgresql: str, tmp_path: Path) -> None:
    with upgraded(f"sqlite:///{old}", tmp_path) as registry:
        head = registry.audit.head()
        assert crisplens.copy_registry(f"sqlite:///{old}", postgresql).head == head


@pytest.mark.stored
def test_approvals_of_version_1_count_and_stay_as_they_were(tmp_path: Path) -> None:
    old = Path(shutil.copy(FILES["0001"], tmp_path / "registry.db"))
    with upgraded(f"sqlite:///{old}", tmp_path) as registry:
        approvals = registry.approval.list()
        assert (len(approvals), {one.signature for one in approvals}) == (12, {None})
        assert registry.approval.show("approval-12").approval == approvals[-1]
        # The first cycle's last approval is event 47: with it every gate was open, and one event before all but one.
        with registry.as_of(47) as then:
            assert [gate.phase for gate in then.gate.list() if not gate.open] == []
        with registry.as_of(46) as then:
            assert [gate.phase for gate in then.gate.list() if not gate.open] == ["monitoring"]
        registry.checkpoint.record("problem-framing", summary="Looked at again.")
        registry.acting_as(BO).approval.reject("problem-framing", reason="No.")
        decided = [one.version for one in registry.audit.log() if one.type == "approval.decided"]
        assert decided == [1] * 12 + [2]
        assert list(enumerate(log_of(registry)))[:84] == sqlite_rows(FILES["0001"], LEDGER)


@pytest.mark.stored
def test_a_missing_upcaster_is_named_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Path(shutil.copy(FILES["0001"], tmp_path / "registry.db"))
    monkeypatch.delitem(UPCASTERS, ("approval.decided", 1))
    with disposing(open_file(old)) as engine:
        before = everything_in(engine)
        with pytest.raises(RegistryError) as caught:
            migrations.upgrade(engine)
        assert everything_in(engine) == before
    assert caught.value.slug == "unknown-event"
    assert "event 14" in caught.value.message
    assert "approval.decided version 1 has no upcaster to version 2" in caught.value.message


@pytest.mark.stored
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_an_event_of_a_newer_release_names_the_upgrade(
    story: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(EVENT_TYPES, "gate.demanded")
    seq = next(one.seq for one in story.audit.log() if one.type == "gate.demanded")
    with story.as_of(seq) as then, pytest.raises(RegistryError) as caught:
        then.kpi.list()
    assert caught.value.slug == "unknown-event"
    assert f"event {seq}" in caught.value.message
    assert "gate.demanded version 1" in caught.value.message
    assert "pip install --upgrade crisplens" in caught.value.hint
    said = failed(story.audit.verify())
    assert said["projection"] == [f"event {seq}"]
    with story.as_of(seq - 1) as then:
        assert then.kpi.list()


def test_a_version_from_the_future_is_unknown() -> None:
    entry = sqlite_rows(FILES["0001"], LEDGER)[14][1].replace('"version":1}', '"version":9}')
    with pytest.raises(UnknownEvent, match=r"approval\.decided version 9"):
        decode(entry)


@pytest.mark.parametrize("event", EVENT_TYPES.values(), ids=lambda event: event.TYPE)
def test_every_older_version_of_an_event_has_an_upcaster(event: type[Event]) -> None:
    wanted = {(event.TYPE, version) for version in range(1, event.VERSION)}
    assert wanted == {key for key in UPCASTERS if key[0] == event.TYPE}


def test_every_upcaster_is_of_an_event() -> None:
    assert {name for name, _ in UPCASTERS} <= EVENT_TYPES.keys()


@pytest.mark.stored
def test_a_schema_file_can_be_written_for_the_next_release(tmp_path: Path) -> None:
    file = write_schema.main(tmp_path)
    assert file == tmp_path / f"{migrations.HEAD}.db"
    with opened(f"sqlite:///{file}", tmp_path) as registry:
        stored = {one.type for one in registry.audit.log()}
    assert EVENT_TYPES.keys() - stored <= {"clock.corrected"}
    assert file.read_bytes()[18:20] == b"\x01\x01"
