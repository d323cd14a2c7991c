"""The fast look at a whole log: it says yes to every untouched one, whatever its blocks, and no to any change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from crisplens.api import Registry
from crisplens.ledger import intact
from crisplens.ledger.intact import is_intact, node_count
from crisplens.ledger.triggers import present_triggers
from crisplens.ledger.verify_integrity import verify_integrity

pytestmark = [pytest.mark.stored, pytest.mark.parametrize("databases", ["sqlite"], indirect=True)]

MOST = 13


@pytest.fixture(params=[0, 1, 3])
def small_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks of 1, 2 and 8 leaves."""
    monkeypatch.setattr(intact, "BLOCK_LEVEL", request.param)
    return int(request.param)


def fill(registry: Registry, size: int) -> None:
    """Let the log have `size` events."""
    with registry.transaction() as together:
        for number in range(registry.audit.head().size, size):
            together.kpi.set(f"kpi-{number % 5}", target=number)


@contextmanager
def tampering(registry: Registry) -> Iterator[Connection]:
    """A transaction in which nothing guards the ledger, rolled back at the end."""
    with registry.engine.connect() as connection, connection.begin() as transaction:
        for name in present_triggers(connection):
            connection.execute(text(f"DROP TRIGGER {name}"))
        yield connection
        transaction.rollback()


def size_if_intact(connection: Connection) -> int | None:
    """What the fast look says of a transaction; the thorough one must agree."""
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        size = is_intact(session)
        findings = [one for one in verify_integrity(session).findings if "trigger" not in one.where]
        assert (size is None) == bool(findings)
        return size


@pytest.mark.usefixtures("small_blocks")
def test_every_length_of_an_untouched_log_is_intact(registry: Registry) -> None:
    for size in (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 37):
        fill(registry, size)
        with registry.reading() as session:
            assert is_intact(session) == size
            assert verify_integrity(session).checked.startswith(
                f"{size} events, {node_count(size)} tree nodes"
            )


def test_an_empty_log_is_intact(bare: Registry) -> None:
    with bare.reading() as session:
        assert is_intact(session) == 0


@pytest.mark.usefixtures("small_blocks")
def test_any_changed_node_or_entry_is_noticed(registry: Registry) -> None:
    fill(registry, MOST)
    changes = [
        "UPDATE ledger_node SET hash = zeroblob(32) WHERE level = :level AND idx = :idx",
        "DELETE FROM ledger_node WHERE level = :level AND idx = :idx",
        "UPDATE ledger_node SET idx = idx + 1000 WHERE level = :level AND idx = :idx",
    ]
    with tampering(registry) as connection:
        places = connection.execute(text("SELECT level, idx FROM ledger_node")).mappings().all()
        assert len(places) == node_count(MOST)
        for place in places:
            for change in changes:
                savepoint = connection.begin_nested()
                connection.execute(text(change), dict(place))
                assert size_if_intact(connection) is None, (place, change)
                savepoint.rollback()
        assert size_if_intact(connection) == MOST


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "change",
    [
        "SET envelope = replace(envelope, 'ana@', 'eva@')",
        "SET actor = 'eva@example.org'",
        "SET recorded_at = '2020-01-01T00:00:00.000000Z'",
        "SET occurred_at = '2020-01-01T00:00:00.000000Z'",
        "SET project = 'other'",
        "SET project = NULL",
        "SET type = 'kpi.unset'",
        "SET version = 7",
        "SET id = 'x'",
        "SET envelope = 'x'",
        "SET envelope = x'ff'",
        "SET seq = seq + 1000",
        "SET seq = -1",
    ],
)
def test_any_changed_column_is_noticed(registry: Registry, change: str) -> None:
    fill(registry, 11)
    with tampering(registry) as connection:
        for seq in (0, 7, 10):
            savepoint = connection.begin_nested()
            connection.execute(text(f"UPDATE ledger_event {change} WHERE seq = {seq}"))
            assert size_if_intact(connection) is None
            savepoint.rollback()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "change",
    [
        "SET size = size + 1",
        "SET size = size - 1",
        "SET size = 'many'",
        "SET root = zeroblob(32)",
        "SET frontier = x''",
    ],
)
def test_a_changed_head_is_noticed(registry: Registry, change: str) -> None:
    fill(registry, 11)
    with tampering(registry) as connection:
        connection.execute(text(f"UPDATE ledger_head {change}"))
        assert size_if_intact(connection) is None


def test_progress_is_told_block_by_block(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intact, "BLOCK_LEVEL", 2)
    fill(registry, 11)
    told: list[int] = []
    with registry.reading() as session:
        is_intact(session, lambda what, count: told.append(count))
    assert told == [4, 8]
