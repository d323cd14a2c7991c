"""The schema: made by the migrations, equal to the tables in code, and refused when it is another's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from crisplens import migrations
from crisplens.api import Registry, connect, init
from crisplens.areas import METADATA
from crisplens.core.database import disposing, open_engine
from crisplens.core.errors import RegistryError
from crisplens.core.working import WORKING
from crisplens.ledger.triggers import expected_triggers, install_triggers, present_triggers
from crisplens.ledger.verify_integrity import verify_integrity
from tests.conftest import Databases, sqlite_rows


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Engine]]:
    """The engines that `connect` opened; closed at the end."""
    engines: list[Engine] = []

    def open_and_note(*given: Any, **options: Any) -> Engine:
        engines.append(open_engine(*given, **options))
        return engines[-1]

    monkeypatch.setattr("crisplens.api.open_engine", open_and_note)
    yield engines
    for engine in engines:
        engine.dispose()


@pytest.fixture
def blank(databases: Databases) -> Iterator[Engine]:
    """A database without a table."""
    url = databases.empty()
    with disposing(open_engine(url, create=True)) as engine:
        yield engine
    databases.drop(url)


def script() -> ScriptDirectory:
    """The migrations as Alembic sees them."""
    config = Config()
    config.set_main_option("script_location", "crisplens:migrations")
    return ScriptDirectory.from_config(config)


def set_revision(engine: Engine, revision: str) -> None:
    """Write another revision into the database."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_the_head_is_alembic_s_and_every_revision_is_known() -> None:
    assert script().get_heads() == [migrations.HEAD]
    assert {one.revision for one in script().walk_revisions()} == migrations.known_revisions()


@pytest.mark.stored
def test_upgrade_makes_a_registry_of_an_empty_database(blank: Engine) -> None:
    with blank.connect() as connection:
        assert migrations.read_status(connection).revision is None
    status = migrations.upgrade(blank)
    head = migrations.HEAD
    assert status == migrations.Upgraded(revision=head, head=head, current=True, before=None, replayed=0)
    with blank.connect() as connection:
        migrations.check_schema(connection)
        assert connection.execute(text("SELECT id, size FROM ledger_head")).all() == [(1, 0)]


@pytest.mark.stored
def test_upgrading_again_changes_nothing(registry: Registry) -> None:
    registry.kpi.set("auc", target=1)
    head = registry.audit.head()
    status = migrations.upgrade(registry.engine)
    assert (status.current, status.before, status.replayed) == (True, migrations.HEAD, 0)
    assert registry.audit.head() == head
    assert registry.audit.verify().passed


@pytest.mark.stored
def test_migrations_make_the_tables_that_the_code_declares(bare: Registry) -> None:
    with bare.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, [METADATA, WORKING]) == []


@pytest.mark.stored
def test_upgrade_installs_every_trigger_and_a_missing_one_can_be_put_back(bare: Registry) -> None:
    dialect = bare.engine.dialect.name
    with bare.engine.begin() as connection:
        assert present_triggers(connection) == expected_triggers(dialect)
        on = "" if dialect == "sqlite" else " ON ledger_event"
        connection.execute(text(f"DROP TRIGGER ledger_event_no_delete{on}"))
        assert present_triggers(connection) == expected_triggers(dialect) - {"ledger_event_no_delete"}
        install_triggers(connection)
        assert present_triggers(connection) == expected_triggers(dialect)


@pytest.mark.stored
@pytest.mark.parametrize("revision", [f"{int(migrations.HEAD) + 1:04}", "9999", "abc", " "])
def test_a_revision_that_is_newer_or_unknown_is_refused(bare: Registry, revision: str) -> None:
    set_revision(bare.engine, revision)
    url = bare.engine.url.render_as_string(hide_password=False)
    for call in (
        lambda: connect(url, folder=bare.configuration.folder),
        lambda: migrations.upgrade(bare.engine),
    ):
        with pytest.raises(RegistryError) as caught:
            call()
        assert caught.value.slug == "schema-too-new"
        assert migrations.HEAD in caught.value.message
        assert "pip install --upgrade crisplens" in caught.value.hint


@pytest.mark.stored
def test_an_older_revision_is_refused_with_the_command_to_run(
    bare: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "HEAD", "9999")
    with bare.engine.connect() as connection, pytest.raises(RegistryError) as caught:
        migrations.check_schema(connection)
    assert caught.value.slug == "schema-too-old"
    assert "crisplens db upgrade" in caught.value.hint


@pytest.mark.stored
def test_a_database_without_our_tables_is_no_registry_and_is_left_alone(
    blank: Engine, tmp_path: Path, engines: list[Engine]
) -> None:
    with blank.begin() as connection:
        connection.execute(text("CREATE TABLE something (id INTEGER)"))
    with pytest.raises(RegistryError) as caught:
        connect(blank.url.render_as_string(hide_password=False), folder=tmp_path)
    assert caught.value.slug == "not-a-registry"
    assert "crisplens db upgrade" in caught.value.hint
    assert all(engine.pool.checkedin() == 0 for engine in engines)  # type: ignore[attr-defined]


@pytest.mark.stored
def test_a_failed_upgrade_leaves_nothing(blank: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("stopped")

    monkeypatch.setattr("crisplens.ledger.triggers.install_triggers", fail)
    with pytest.raises(RuntimeError, match="stopped"):
        migrations.upgrade(blank)
    with blank.connect() as connection:
        assert migrations.read_status(connection).revision is None
        assert not connection.dialect.has_table(connection, "ledger_event")


def test_init_keeps_a_registry_that_is_there(tmp_path: Path) -> None:
    with disposing(init(tmp_path).engine):
        pass
    file = tmp_path / ".crisplens" / "registry.db"
    before = sqlite_rows(file, "SELECT * FROM sqlite_master ORDER BY name")
    with disposing((again := init(tmp_path)).engine), again.reading() as session:
        assert verify_integrity(session).passed
    assert sqlite_rows(file, "SELECT * FROM sqlite_master ORDER BY name") == before
