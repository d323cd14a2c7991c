"""Opening databases, and what a session does with errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import event, text

from crisplens.api import Registry
from crisplens.core.database import open_engine, read_session, write_session
from crisplens.core.errors import RegistryError
from tests.conftest import closing_engine


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


@pytest.mark.parametrize("content", [b"", b"hello, I am text", b"SQLite format 2\0" + bytes(100)])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "registry.db").write_bytes(content)
    with pytest.raises(RegistryError) as caught:
        open_engine("sqlite:///registry.db", folder=tmp_path)
    assert caught.value.slug == "not-a-registry"


def test_a_folder_is_no_registry(tmp_path: Path) -> None:
    with pytest.raises(RegistryError) as caught:
        open_engine(f"sqlite:///{tmp_path}")
    assert caught.value.slug == "no-registry"


def test_relative_paths_start_at_the_folder(tmp_path: Path) -> None:
    with (
        closing_engine(open_engine("sqlite:///new.db", folder=tmp_path, create=True)) as engine,
        engine.connect(),
    ):
        assert (tmp_path / "new.db").exists()


def test_a_password_is_in_no_error() -> None:
    engine = open_engine("postgresql://user:s3cret@127.0.0.1:1/none")
    with closing_engine(engine), pytest.raises(RegistryError) as caught, read_session(engine) as session:
        session.execute(text("SELECT 1"))
    assert caught.value.slug == "registry-failed"
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.stored
def test_readers_see_one_state_while_another_writes(
    registry: Registry, request: pytest.FixtureRequest
) -> None:
    if registry.engine.dialect.name == "sqlite":
        reason = "with a rollback journal a reader keeps writers from committing; WAL would not"
        request.applymarker(pytest.mark.xfail(strict=True, raises=RegistryError, reason=reason))
        event.listen(
            registry.engine,
            "begin",
            lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout = 50"),
        )
    with registry.reading() as session:
        first = session.execute(text("SELECT count(*) FROM kpi")).scalar()
        registry.kpi.set("auc", target=1)
        assert session.execute(text("SELECT count(*) FROM kpi")).scalar() == first
    assert len(registry.kpi.list()) == 1


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
