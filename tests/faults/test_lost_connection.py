"""PostgreSQL that goes away, does not answer or is busy: a clear error within seconds, and nothing half done."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, text

from crisplens.api import Registry, connect
from crisplens.core import postgresql
from crisplens.core.database import OutcomeUnknown
from crisplens.core.errors import RegistryError
from crisplens.ledger.service import append
from crisplens.registry.projects.events import ProjectAdded
from crisplens.registry.projects.model import RiskTier
from tests.conftest import ANA, assert_refused
from tests.faults.conftest import OwnServer
from tests.faults.recording import wait_until

pytestmark = pytest.mark.stored
on_postgresql = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)

BACKEND = text("SELECT pg_backend_pid()")
TERMINATE = text("SELECT pg_terminate_backend(:pid)")
OTHERS = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name AND wait_event_type = 'Lock'")


def cut(server: Engine, registry: Registry) -> None:
    """Let the server end every connection to a registry."""
    with server.connect() as connection:
        connection.execute(OTHERS, {"name": str(registry.engine.url.database)})


def other_added() -> ProjectAdded:
    """An event."""
    return ProjectAdded(title="Other", owner=ANA, risk=RiskTier.LOW, description="", policy="light@1")


@on_postgresql
def test_a_connection_that_was_lost_while_idle_is_replaced(
    registry: Registry, postgresql_server: Engine
) -> None:
    for command in (registry.audit.head, registry.kpi.list, lambda: registry.kpi.set("auc", target=1)):
        cut(postgresql_server, registry)
        command()
    assert [kpi.name for kpi in registry.kpi.list()] == ["auc"]
    assert registry.audit.verify().passed


def lost_between_statements(registry: Registry, server: Engine) -> None:
    """A command whose connection is lost after it has written."""
    with registry.writing() as work:
        append(work, other_added(), project="other")
        work.session.flush()
        cut(server, registry)
        append(work, other_added(), project="another")
        work.session.flush()


def lost_before_the_log_is_written(registry: Registry, server: Engine) -> None:
    """A command whose connection is lost when all that is left is to write its events."""
    with registry.writing() as work:
        append(work, other_added(), project="other")
        work.session.flush()
        cut(server, registry)


def lost_in_a_transaction(registry: Registry, server: Engine) -> None:
    """Commands that share a transaction, whose connection is lost between them."""
    with registry.transaction() as together:
        together.kpi.set("auc", target=1)
        cut(server, registry)
        together.kpi.set("f1", target=1)


@on_postgresql
@pytest.mark.parametrize(
    "command", [lost_between_statements, lost_before_the_log_is_written, lost_in_a_transaction]
)
def test_a_command_that_loses_its_connection_has_done_nothing(
    registry: Registry, postgresql_server: Engine, command: Callable[[Registry, Engine], None]
) -> None:
    error = assert_refused(
        registry, lambda: command(registry, postgresql_server), "registry-failed", kind=RegistryError
    )
    assert error.nothing_changed
    assert "Nothing was changed" in error.hint
    assert [one.project for one in registry.project.list()] == ["churn"]
    assert registry.kpi.list() == []
    registry.project.add("other")
    assert registry.audit.verify().passed


@on_postgresql
def test_a_read_that_loses_its_connection_says_so(registry: Registry, postgresql_server: Engine) -> None:
    def read() -> None:
        with registry.reading() as session:
            session.execute(BACKEND)
            cut(postgresql_server, registry)
            session.execute(BACKEND)

    assert_refused(registry, read, "registry-failed", kind=RegistryError)


@on_postgresql
@pytest.mark.parametrize("reaches_the_server", [True, False])
def test_a_connection_that_is_lost_while_committing_leaves_it_open_what_happened(
    registry: Registry, postgresql_server: Engine, monkeypatch: pytest.MonkeyPatch, reaches_the_server: bool
) -> None:
    before, dialect = registry.audit.head().size, registry.engine.dialect
    do_commit = dialect.do_commit

    def commit(connection: Any) -> None:
        if reaches_the_server:
            do_commit(connection)
        cut(postgresql_server, registry)
        # The answer that does not come.
        connection.execute("SELECT 1")

    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", commit)
        with pytest.raises(OutcomeUnknown, match="it may be recorded, or not") as caught:
            registry.kpi.set("auc", target=1)
    assert not caught.value.nothing_changed
    assert "Nothing was changed" not in caught.value.hint
    assert registry.audit.head().size == before + reaches_the_server
    assert len(registry.kpi.list()) == reaches_the_server
    registry.kpi.set("f1", target=1)
    assert registry.audit.verify().passed


@contextmanager
def silent_port() -> Iterator[int]:
    """A port where connections are taken and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@contextmanager
def closed_port() -> Iterator[int]:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    yield port


@on_postgresql
@pytest.mark.parametrize("port", [closed_port, silent_port])
def test_a_server_that_cannot_be_reached_is_an_error_within_seconds(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, port: Callable[[], Any]
) -> None:
    monkeypatch.setitem(postgresql._OPTIONS, "connect_timeout", 2)
    began = time.monotonic()
    with port() as number, pytest.raises(RegistryError) as caught:
        connect(f"postgresql://ana:s3cret@127.0.0.1:{number}/registry", folder=registry.configuration.folder)
    assert time.monotonic() - began < 8
    assert caught.value.slug == "registry-failed"
    assert "s3cret" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.slow
def test_after_the_server_was_stopped_and_started_everything_works(
    on_own_server: Registry, own_server: OwnServer
) -> None:
    before = on_own_server.audit.head()
    own_server.stop()
    for command in (on_own_server.audit.head, lambda: on_own_server.kpi.set("auc", target=1)):
        with pytest.raises(RegistryError) as caught:
            command()
        assert caught.value.slug == "registry-failed"
    own_server.start()
    assert on_own_server.audit.head() == before
    on_own_server.kpi.set("auc", target=1)
    assert on_own_server.audit.verify().passed


@contextmanager
def held_head(registry: Registry) -> Iterator[None]:
    """The log's head, held by another transaction, which then gives it up unchanged."""
    with registry.engine.connect() as connection:
        connection.execute(text("SELECT id FROM ledger_head FOR UPDATE"))
        yield


@on_postgresql
def test_a_writer_waits_for_another_and_a_reader_does_not(
    registry: Registry, postgresql_server: Engine
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with held_head(registry):
            writing = pool.submit(registry.kpi.set, "auc", target=1)
            name = {"name": str(registry.engine.url.database)}
            with postgresql_server.connect() as connection:
                wait_until(lambda: connection.scalar(WAITING, name) > 0)
            began = time.monotonic()
            assert registry.kpi.list() == []
            assert registry.audit.verify().passed
            assert time.monotonic() - began < 5
            assert not writing.done()
        writing.result(30)
    assert [kpi.name for kpi in registry.kpi.list()] == ["auc"]
    assert registry.audit.verify().passed
