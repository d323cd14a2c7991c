"""Opening databases, and what a session does with errors."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from crisplens import migrations
from crisplens.api import Registry, connect, init
from crisplens.core import postgresql, sqlite
from crisplens.core.database import disposing, open_engine, read_session, write_session
from crisplens.core.errors import RegistryError
from tests.conftest import ANA, sqlite_rows


@pytest.mark.parametrize(
    ("url", "slug", "words"),
    [
        ("nonsense", "bad-registry-url", "sqlite:///"),
        ("sqlite://", "bad-registry-url", "in memory"),
        ("sqlite:///:memory:", "bad-registry-url", "in memory"),
        ("oracle9000://x", "bad-registry-url", "oracle9000"),
        ("sqlite:///nowhere.db", "no-registry", "nowhere.db"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(tmp_path: Path, url: str, slug: str, words: str) -> None:
    with pytest.raises(RegistryError) as caught:
        open_engine(url, folder=tmp_path)
    assert caught.value.slug == slug
    assert words in f"{caught.value.message} {caught.value.hint}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"", b"I am text", b"I am text" * 99, b"SQLite format 2\0" + bytes(9999)]
)
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "registry.db").write_bytes(content)
    with (
        pytest.raises(RegistryError) as caught,
        disposing(open_engine("sqlite:///registry.db", folder=tmp_path)) as engine,
        engine.connect(),
    ):
        pass
    assert caught.value.slug == "not-a-registry"
    assert "registry.db is not a registry" in caught.value.message
    assert (tmp_path / "registry.db").read_bytes() == content


def test_a_folder_is_no_registry(tmp_path: Path) -> None:
    with pytest.raises(RegistryError) as caught:
        open_engine(f"sqlite:///{tmp_path}")
    assert caught.value.slug == "no-registry"


def test_relative_paths_start_at_the_folder(tmp_path: Path) -> None:
    with (
        disposing(open_engine("sqlite:///new.db", folder=tmp_path, create=True)) as engine,
        engine.connect(),
    ):
        assert (tmp_path / "new.db").exists()


def test_a_password_is_in_no_error() -> None:
    engine = open_engine("postgresql://user:s3cret@127.0.0.1:1/none")
    with disposing(engine), pytest.raises(RegistryError) as caught, read_session(engine) as session:
        session.execute(text("SELECT 1"))
    assert caught.value.slug == "registry-failed"
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"


def test_what_the_url_says_about_connecting_is_kept() -> None:
    seen: dict[str, Any] = {}
    with disposing(open_engine("postgresql://ana@127.0.0.1/x?connect_timeout=7")) as engine:

        @event.listens_for(engine, "do_connect")
        def stop(_dialect: object, _record: object, _given: object, options: dict[str, Any]) -> None:
            seen.update(options)
            raise ConnectionError

        with pytest.raises(ConnectionError):
            engine.connect()
    assert (seen["connect_timeout"], seen["tcp_user_timeout"]) == ("7", 60_000)


@pytest.mark.stored
def test_readers_see_one_state_while_another_writes(registry: Registry) -> None:
    with registry.reading() as session:
        first = session.execute(text("SELECT count(*) FROM kpi")).scalar()
        registry.kpi.set("auc", target=1)
        assert session.execute(text("SELECT count(*) FROM kpi")).scalar() == first
    assert len(registry.kpi.list()) == 1


@pytest.mark.stored
def test_a_reader_in_the_middle_of_its_rows_keeps_nobody_from_writing(registry: Registry) -> None:
    for number in range(5):
        registry.kpi.set(f"kpi-{number}", target=1)
    with registry.reading() as session:
        rows = session.scalars(text("SELECT name FROM kpi").execution_options(yield_per=1))
        names = [next(rows)]
        registry.kpi.set("kpi-5", target=1)
        names += rows
    assert sorted(names) == [f"kpi-{number}" for number in range(5)]


@pytest.mark.stored
def test_a_writer_waits_until_another_has_committed(registry: Registry) -> None:
    with ThreadPoolExecutor(1) as pool:
        with registry.transaction() as together:
            together.kpi.set("first", target=1)
            second = pool.submit(registry.kpi.set, "second", target=1)
            with pytest.raises(TimeoutError):
                second.result(0.3)
        second.result(30)
    assert [json.loads(bytes(one.payload))["name"] for one in registry.audit.log()[1:]] == ["first", "second"]


@pytest.mark.stored
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_a_sqlite_writer_that_has_waited_too_long_is_told_why(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    with (
        disposing(open_engine(f"sqlite:///{registry.engine.url.database}")) as impatient,
        registry.transaction() as together,
    ):
        together.kpi.set("auc", target=1)
        with (
            ThreadPoolExecutor(1) as pool,
            pytest.raises(RegistryError, match="someone else has been writing") as caught,
        ):
            pool.submit(write_anything, impatient).result()
    assert caught.value.slug == "registry-failed"
    assert registry.audit.head().size == 2


def write_anything(engine: Engine) -> None:
    """Write, and take it back."""
    with write_session(engine) as session:
        session.execute(text("UPDATE project SET title = 'changed'"))
        session.rollback()


def journal_mode(file: Path) -> str:
    """How a SQLite file keeps what is not committed yet."""
    return str(sqlite_rows(file, "PRAGMA journal_mode")[0][0])


def test_a_new_registry_keeps_a_write_ahead_log(tmp_path: Path) -> None:
    init(tmp_path).close()
    assert journal_mode(tmp_path / ".crisplens" / "registry.db") == "wal"


def test_upgrading_gives_a_registry_a_write_ahead_log(tmp_path: Path) -> None:
    old = tmp_path / "0001.db"
    shutil.copyfile(Path(__file__).parents[1] / "schemas" / "0001.db", old)
    assert journal_mode(old) == "delete"
    with disposing(open_engine(f"sqlite:///{old}")) as engine:
        migrations.upgrade(engine)
    assert journal_mode(old) == "wal"


@pytest.mark.stored
def test_an_error_rolls_back_and_passes_through(registry: Registry) -> None:
    def command() -> None:
        with write_session(registry.engine) as session:
            session.execute(text("UPDATE project SET title = 'changed'"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command()
    assert registry.project.show("churn").title == "Churn"


@pytest.mark.stored
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_sqlite_waits_for_other_writers_and_keeps_what_it_committed(registry: Registry) -> None:
    with registry.reading() as session:
        assert session.execute(text("PRAGMA synchronous")).scalar() == 2
        assert session.execute(text("PRAGMA busy_timeout")).scalar() == 60_000


@pytest.mark.stored
@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_a_postgresql_writer_does_not_wait_for_ever(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "BUSY_SECONDS", 1)
    url = registry.engine.url.render_as_string(hide_password=False)
    with (
        connect(url, project="churn", actor=ANA) as impatient,
        ThreadPoolExecutor(1) as pool,
        registry.transaction() as together,
    ):
        together.kpi.set("auc", target=1)
        with pytest.raises(RegistryError, match="someone else has been writing") as caught:
            pool.submit(impatient.kpi.set, "f1", target=1).result(20)
    assert caught.value.slug == "registry-failed"
    assert [kpi.name for kpi in registry.kpi.list()] == ["auc"]


@pytest.mark.stored
def test_many_readers_at_once_are_served_or_told(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.engine.pool, "_timeout", 0.1)

    def read_many() -> None:
        with ExitStack() as reading:
            for _ in range(20):
                reading.enter_context(registry.reading()).execute(text("SELECT 1"))

    if registry.engine.dialect.name == "sqlite":
        read_many()
    else:
        with pytest.raises(RegistryError, match="all connections to the registry's database are in use"):
            read_many()
    assert registry.audit.head().size == 1
