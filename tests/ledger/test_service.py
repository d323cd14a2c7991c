"""Appending: one transaction, no gaps, one canonical text from which everything else follows."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from crisplens.api import Registry
from crisplens.core.canonical import canonical_json
from crisplens.core.errors import InputError, RegistryError
from crisplens.core.work import UnitOfWork
from crisplens.ledger import projection
from crisplens.ledger.service import append, split_frontier
from crisplens.registry.projects.events import ProjectAdded
from crisplens.registry.projects.model import RiskTier
from tests.conftest import ANA, BO, assert_refused

pytestmark = pytest.mark.stored


def rows(engine: Engine, query: str) -> list[Any]:
    """What a query gives, in built-in types."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def project_added(title: str) -> ProjectAdded:
    """An event."""
    return ProjectAdded(title=title, owner=ANA, risk=RiskTier.LOW, description="", policy="light@1")


def test_the_first_event_is_number_zero(registry: Registry) -> None:
    assert [envelope.seq for envelope in registry.audit.log()] == [0]
    assert registry.audit.head().size == 1


def test_what_is_stored_is_canonical_and_is_what_was_hashed(story: Registry) -> None:
    stored = rows(
        story.engine,
        "SELECT envelope, hash FROM ledger_event JOIN ledger_node ON level = 0 AND idx = seq ORDER BY seq",
    )
    assert len(stored) == story.audit.head().size
    for envelope, leaf in stored:
        assert canonical_json(json.loads(envelope)) == envelope
        assert bytes(leaf) == hashlib.sha256(b"\0" + envelope.encode()).digest()


def test_the_columns_beside_an_envelope_are_taken_from_it(story: Registry) -> None:
    names = ("seq", "id", "type", "version", "project", "recorded_at", "occurred_at")
    for envelope, actor, *columns in rows(
        story.engine, f"SELECT envelope, actor, {', '.join(names)} FROM ledger_event"
    ):
        said = json.loads(envelope)
        assert set(said) == {*names, "actor", "payload"}
        assert [said[name] for name in names] == columns
        assert said["actor"]["id"] == actor


def test_times_are_those_of_the_unit_of_work_in_utc(registry: Registry) -> None:
    with registry.writing() as work:
        at = datetime.fromisoformat("2126-03-01T01:30:00.000001+02:00")
        moved = UnitOfWork(work.session, work.actor, at, work.evidence, "other")
        recorded = append(moved, project_added("Other"), project="other")
    assert recorded.at == recorded.envelope.recorded_at == "2126-02-28T23:30:00.000001Z"
    assert registry.audit.log()[-1].recorded_at == recorded.at
    assert datetime.fromisoformat(recorded.at) == at.astimezone(UTC)


def test_ids_are_all_different(story: Registry) -> None:
    ids = [envelope.id for envelope in story.audit.log()]
    assert len(set(ids)) == len(ids)


def test_events_of_one_command_are_recorded_together_or_not_at_all(registry: Registry) -> None:
    def command() -> None:
        with registry.writing() as work:
            append(work, project_added("One"), project="one")
            append(work, project_added("Two"), project="two")
            raise InputError("no", slug="stop")

    assert_refused(registry, command, "stop")
    assert [project.project for project in registry.project.list()] == ["churn"]


def test_a_projection_that_raises_leaves_nothing(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows(registry.engine, "SELECT size, root, frontier FROM ledger_head")

    def fail(*_: object) -> None:
        raise RuntimeError("projection")

    with monkeypatch.context() as patch:
        patch.setitem(projection.HANDLERS, ProjectAdded, fail)
        with pytest.raises(RuntimeError, match="projection"):
            registry.project.add("other")
    assert rows(registry.engine, "SELECT size, root, frontier FROM ledger_head") == before
    assert len(registry.audit.log()) == 1
    assert rows(registry.engine, "SELECT count(*) FROM ledger_node") == [(1,)]
    assert registry.audit.verify().passed


@pytest.mark.parametrize("title", ["nul \0", "half a pair \ud83d"])
def test_what_canonical_json_cannot_hold_is_refused(registry: Registry, title: str) -> None:
    assert_refused(registry, lambda: registry.project.add("other", title=title), "not-exact")


def test_without_a_head_nothing_can_be_appended(registry: Registry) -> None:
    with registry.engine.begin() as connection:
        on = "" if connection.dialect.name == "sqlite" else " ON ledger_head"
        connection.execute(text(f"DROP TRIGGER ledger_head_no_delete{on}"))
        connection.execute(text("DELETE FROM ledger_head"))
    for call in (registry.audit.head, lambda: registry.project.add("other")):
        with pytest.raises(RegistryError) as caught:
            call()
        assert caught.value.slug == "ledger-damaged"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_event SET actor = 'mallory'",
        "UPDATE ledger_event SET actor = actor",
        "DELETE FROM ledger_event",
        "UPDATE ledger_node SET idx = 7",
        "DELETE FROM ledger_node",
        "UPDATE ledger_head SET size = size",
        "UPDATE ledger_head SET size = size - 1",
        "DELETE FROM ledger_head",
    ],
)
def test_the_database_refuses_to_change_the_ledger(registry: Registry, statement: str) -> None:
    with registry.engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(text(statement))
    assert registry.audit.verify().passed


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
@pytest.mark.parametrize("table", ["ledger_event", "ledger_node", "ledger_head"])
def test_postgresql_refuses_to_truncate_the_ledger(registry: Registry, table: str) -> None:
    with registry.engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(text(f"TRUNCATE {table}"))


def test_what_the_database_refuses_is_our_error(registry: Registry) -> None:
    def command() -> None:
        with registry.writing() as work:
            work.session.execute(text("DELETE FROM ledger_event"))

    error = assert_refused(registry, command, "registry-failed", "append-only", kind=RegistryError)
    assert "Nothing was changed" in error.hint


def test_a_frontier_is_kept_as_joined_hashes() -> None:
    hashes = [bytes([number]) * 32 for number in range(3)]
    assert split_frontier(b"".join(hashes)) == hashes
    assert split_frontier(b"") == []


def test_actors_are_recorded_with_where_they_came_from(registry: Registry) -> None:
    registry.acting_as(BO).project.add("other")
    actor = registry.audit.log()[-1].actor
    assert (actor.id, actor.source) == (BO, "option")
