"""Whatever is changed behind the registry's back, `audit verify` finds and names it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    Table,
    and_,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from crisplens.api import Registry
from crisplens.areas import METADATA
from crisplens.audit import Verification
from crisplens.core.canonical import canonical_json
from crisplens.core.errors import RegistryError
from crisplens.ledger import merkle
from crisplens.ledger.proofs import sign_head
from crisplens.ledger.tables import LEDGER_TABLES
from crisplens.ledger.triggers import expected_triggers, install_triggers, present_triggers
from crisplens.ledger.verify_integrity import verify_integrity
from tests.conftest import Databases, SqliteDatabases, database_columns, failed

pytestmark = pytest.mark.stored

VERSIONS = "alembic_version"
TABLES = sorted([*METADATA.tables, VERSIONS])
PROJECTED = sorted(set(TABLES) - LEDGER_TABLES)
KEY_STEP = 10_000


@dataclass
class Tampered:
    """A registry whose reads see one uncommitted transaction, in which nothing guards the ledger."""

    registry: Registry
    connection: Connection
    tables: dict[str, Table] = field(default_factory=dict)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session on the transaction."""
        with Session(self.connection, join_transaction_mode="create_savepoint") as session:
            yield session

    def table(self, name: str) -> Table:
        """A table as the database has it."""
        if name not in self.tables:
            self.tables[name] = Table(name, MetaData(), autoload_with=self.connection)
        return self.tables[name]

    def rows(self, name: str) -> list[dict[str, Any]]:
        """A table's rows, in the order of its key."""
        table = self.table(name)
        return [
            dict(row)
            for row in self.connection.execute(select(table).order_by(*table.primary_key)).mappings()
        ]

    def change(self, name: str, row: dict[str, Any], /, **values: Any) -> None:
        """Change one row."""
        table = self.table(name)
        done = self.connection.execute(update(table).where(same_row(table, row)).values(values))
        assert done.rowcount == 1

    def remove(self, name: str, row: dict[str, Any]) -> None:
        """Delete one row."""
        table = self.table(name)
        assert self.connection.execute(delete(table).where(same_row(table, row))).rowcount == 1

    def add(self, name: str, row: dict[str, Any]) -> None:
        """Insert one row."""
        self.connection.execute(insert(self.table(name)).values(row))

    def verify(self, **options: Any) -> Verification:
        """What the API's `audit.verify()` says of the transaction, its triggers in place again."""
        if self.connection.dialect.name == "sqlite":
            install_triggers(self.connection)
        seen = Registry(self.registry.configuration, self.registry.engine, "auditor@example.org")
        seen.reading = seen.reading_log = self.reading  # type: ignore[method-assign]
        return seen.audit.verify(**options)

    def integrity(self) -> list[str]:
        """What the integrity check alone finds, and where."""
        with self.reading() as session:
            findings = verify_integrity(session).findings
        return [finding.where for finding in findings if "trigger" not in finding.where]


def same_row(table: Table, row: dict[str, Any]) -> Any:
    """The condition for the row with the same key."""
    return and_(*(column == row[column.name] for column in table.primary_key))


@contextmanager
def tampering(registry: Registry) -> Iterator[Tampered]:
    """A transaction that is rolled back at the end."""
    with registry.engine.connect() as connection, connection.begin() as transaction:
        if connection.dialect.name == "sqlite":
            connection.execute(text("PRAGMA ignore_check_constraints = ON"))
            for name in present_triggers(connection):
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("ALTER TABLE ledger_head DROP CONSTRAINT one_row"))
        try:
            yield Tampered(registry, connection)
        finally:
            transaction.rollback()


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """A savepoint that is rolled back at the end."""
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()


def other_values(column: Column[Any], value: Any, *, key: bool, thorough: bool = True) -> Iterator[Any]:
    """Values that differ from a cell's own, by little or by much."""
    kind = column.type.python_type
    if value is None:
        yield {str: "x", int: 1, bytes: b"x"}[kind]
    elif kind is str:
        yield f"{value} "
        if thorough:
            yield f"{value}x"
    elif kind is int:
        yield value + (KEY_STEP if key else 1)
    else:
        yield from (value[:-1] + bytes([value[-1] ^ 1]), value[1:])
    if column.nullable and value is not None:
        yield None


def cells(tampered: Tampered, name: str) -> Iterator[tuple[dict[str, Any], Column[Any]]]:
    """For every column of a table the last row with a value, and the last with none."""
    rows, table = tampered.rows(name), tampered.table(name)
    for column in table.columns:
        for empty in (False, True):
            row = next((row for row in reversed(rows) if (row[column.name] is None) is empty), None)
            if row is not None:
                yield row, column


Row = dict[str, Any]


def changes(
    tampered: Tampered, name: str, others: Callable[[Column[Any], Any], Iterable[Any]]
) -> list[tuple[Row, Row]]:
    """Rows of a table and the values to change in them, until each cell of `cells` had each of its `others`.

    Cells of a row that are compared with the log's and nothing else are changed at once.
    """
    found: dict[tuple[Any, ...], tuple[Row, Row]] = {}
    for row, column in cells(tampered, name):
        alone = name in LEDGER_TABLES or column.primary_key or (name, column.name) in EVIDENCE
        place = [row[key.name] for key in tampered.table(name).primary_key]
        for turn, value in enumerate(others(column, row[column.name])):
            group = (turn, *place, column.name if alone else None)
            found.setdefault(group, (row, {}))[1][column.name] = value
    return [*found.values()]


def expected_verdicts(name: str, column: str) -> tuple[set[str], set[str]]:
    """The verdicts that a changed cell must fail, and those that it may fail."""
    if name in LEDGER_TABLES:
        return {"integrity"}, VOUCHED.get((name, column), set())
    return {"projection"}, {"evidence"} if (name, column) in EVIDENCE else set()


# Which content is to be there, and which is to be gone.
EVIDENCE = {("evidence", "digest"), ("evidence", "redacted_at")}
# What is replayed: the projection is another one when these are changed. Signatures are read from there too.
VOUCHED = {
    ("ledger_event", "envelope"): {"projection", "signatures"},
    ("ledger_event", "seq"): {"projection", "signatures"},
    ("ledger_event", "type"): {"signatures"},
    ("ledger_node", "level"): {"signatures"},
    ("ledger_node", "idx"): {"signatures"},
    ("ledger_node", "hash"): {"signatures"},
}


def assert_found(verification: Verification, name: str, changed: Row) -> None:
    """Changed cells of one row fail the verdicts that they must, and findings name the table, and each of several."""
    must, may = expected_verdicts(name, *([*changed] if len(changed) == 1 else [""]))
    found = failed(verification)
    assert must <= found.keys() <= must | may, (name, changed)
    (verdict,) = (one for one in verification.verdicts if one.name in must)
    assert any(name in where or "event" in where for where in found[verdict.name]), (name, changed, found)
    if len(changed) > 1:
        said = {finding.what.split(" is ")[0] for finding in verdict.findings}
        assert (verdict.found, said <= changed.keys()) == (len(changed), True), (name, changed, verdict)


def test_an_untouched_registry_passes_every_verdict(story: Registry) -> None:
    verification = story.audit.verify()
    assert verification.passed
    names = ["integrity", "projection", "evidence", "signatures"]
    assert [verdict.name for verdict in verification.verdicts] == names
    assert verification.head == story.audit.head()


def test_reports_progress_on_long_logs_only(story: Registry) -> None:
    said: list[tuple[str, int]] = []
    story.audit.verify(lambda what, count: said.append((what, count)))
    assert said == []


def test_the_tests_below_know_every_table(story: Registry) -> None:
    with story.reading() as session:
        assert sorted(database_columns(session.connection())) == TABLES


def test_the_story_fills_every_column_of_every_table(story: Registry) -> None:
    with story.reading() as session:
        connection = session.connection()
        for name in database_columns(connection):
            table = Table(name, MetaData(), autoload_with=connection)
            counts = connection.execute(
                select(func.count(), *(func.count(column).label(column.name) for column in table.columns))
            ).one()
            assert all(counts), (name, counts)


def test_the_story_leaves_every_nullable_column_empty_somewhere(story: Registry) -> None:
    with story.reading() as session:
        connection = session.connection()
        for name in database_columns(connection):
            table = Table(name, MetaData(), autoload_with=connection)
            for column in table.columns:
                if column.nullable and (name, column.name) != ("ledger_event", "project"):
                    assert connection.scalar(select(func.count()).where(column.is_(None))), (
                        name,
                        column.name,
                    )


@pytest.mark.parametrize("name", TABLES)
def test_finds_any_changed_cell(story: Registry, name: str, databases: Databases) -> None:
    thorough = isinstance(databases, SqliteDatabases)

    def others(column: Column[Any], value: Any) -> Iterator[Any]:
        return other_values(column, value, key=column.primary_key, thorough=thorough)

    with tampering(story) as tampered:
        found = changes(tampered, name, others)
    assert found
    for row, changed in found:
        with tampering(story) as tampered:
            tampered.change(name, row, **changed)
            assert_found(tampered.verify(), name, changed)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", TABLES)
def test_finds_cells_of_a_type_that_sqlite_should_not_hold(story: Registry, name: str) -> None:
    def others(column: Column[Any], value: Any) -> tuple[Any, ...]:
        if value is None or (name, column.name) == ("ledger_head", "id"):
            return ()  # SQLite's row id is a number whatever one does
        return {str: (b"\xff",), int: ("seven", b"\xff"), bytes: ("text", 7)}[column.type.python_type]

    with tampering(story) as tampered:
        table, found = tampered.table(name), changes(tampered, name, others)
    for row, changed in found:
        with tampering(story) as tampered:
            untyped = Table(name, MetaData(), *(Column(key) for key in row))
            here = and_(*(untyped.c[key.name] == row[key.name] for key in table.primary_key))
            tampered.connection.execute(update(untyped).where(here).values(changed))
            assert_found(tampered.verify(), name, changed)


@pytest.mark.parametrize("name", [name for name in PROJECTED if name != VERSIONS])
def test_finds_a_row_that_no_event_made(story: Registry, name: str) -> None:
    with tampering(story) as tampered:
        row, table = tampered.rows(name)[-1], tampered.table(name)
        last = list(table.primary_key)[-1]
        tampered.add(name, {**row, last.name: next(other_values(last, row[last.name], key=True))})
        found = failed(tampered.verify())
    assert any(name in where for where in found["projection"])
    assert found.keys() <= {"projection", "evidence"}


def test_finds_a_second_schema_version(story: Registry) -> None:
    with tampering(story) as tampered:
        tampered.add(VERSIONS, {"version_num": "9999"})
        assert failed(tampered.verify()) == {"projection": [VERSIONS]}


@pytest.mark.parametrize("name", PROJECTED)
def test_finds_a_row_that_is_gone(story: Registry, name: str) -> None:
    with tampering(story) as tampered:
        tampered.remove(name, tampered.rows(name)[0])
        found = failed(tampered.verify())
    assert found.keys() == {"projection"}
    assert any(name in where for where in found["projection"])


Forgery = Callable[[Tampered, list[dict[str, Any]], int], None]


def rewritten(entry: dict[str, Any], /, **values: Any) -> dict[str, Any]:
    """An entry whose envelope and columns both say `values`."""
    envelope = {**json.loads(entry["envelope"]), **values}
    columns = {**values, "actor": envelope["actor"]["id"]}
    return {**entry, **columns, "envelope": canonical_json(envelope)}


def delete_event(tampered: Tampered, entries: list[dict[str, Any]], at: int) -> None:
    """Delete an entry."""
    tampered.remove("ledger_event", entries[at])


def change_actor(tampered: Tampered, entries: list[dict[str, Any]], at: int) -> None:
    """Say that somebody else recorded an entry, in the envelope and in its column."""
    mallory = {"id": "mallory@example.org", "source": "option"}
    tampered.change("ledger_event", entries[at], **rewritten(entries[at], actor=mallory))


def change_time(tampered: Tampered, entries: list[dict[str, Any]], at: int) -> None:
    """Say that an entry was recorded at another time, in the envelope and in its columns."""
    moment = "2020-01-01T00:00:00.000000Z"
    tampered.change(
        "ledger_event", entries[at], **rewritten(entries[at], recorded_at=moment, occurred_at=moment)
    )


def swap_contents(tampered: Tampered, entries: list[dict[str, Any]], at: int) -> None:
    """Let two neighbours change places, each with the other's number in envelope and column."""
    first, second = entries[at], entries[at - 1 if at else 1]
    tampered.change("ledger_event", first, id="aside")
    tampered.change("ledger_event", second, **rewritten(first, seq=second["seq"]))
    tampered.change("ledger_event", first, **rewritten(second, seq=first["seq"]))


def swap_numbers(tampered: Tampered, entries: list[dict[str, Any]], at: int) -> None:
    """Exchange the numbers of two neighbours, and nothing else."""
    first, second = entries[at], entries[at - 1 if at else 1]
    tampered.change("ledger_event", first, seq=-KEY_STEP)
    tampered.change("ledger_event", second, seq=first["seq"])
    tampered.change("ledger_event", {"seq": -KEY_STEP}, seq=second["seq"])


def insert_before(tampered: Tampered, entries: list[dict[str, Any]], at: int) -> None:
    """Insert an entry before another, and renumber all that follow."""
    for entry in reversed(entries[at:]):
        tampered.change("ledger_event", entry, **rewritten(entry, seq=entry["seq"] + 1))
    tampered.add("ledger_event", rewritten(entries[at], id="f" * 32))


@pytest.mark.parametrize(
    "forge",
    [delete_event, change_actor, change_time, swap_contents, swap_numbers],
    ids=lambda forge: forge.__name__,
)
def test_finds_any_event_that_was_tampered_with(story: Registry, forge: Forgery) -> None:
    with tampering(story) as tampered:
        entries = tampered.rows("ledger_event")
        for at in range(len(entries)):
            with undone(tampered.connection):
                forge(tampered, entries, at)
                last = at == len(entries) - 1 and forge is delete_event
                named = "ledger_head" if last else f"event {at}"
                assert any(where.startswith(named) for where in tampered.integrity()), at


@pytest.mark.parametrize("at", [0, 40, -2])
@pytest.mark.parametrize(
    "forge",
    [delete_event, change_actor, change_time, swap_contents, swap_numbers, insert_before],
    ids=lambda forge: forge.__name__,
)
def test_verification_of_a_forged_log_fails_integrity_and_not_evidence(
    story: Registry, forge: Forgery, at: int
) -> None:
    with tampering(story) as tampered:
        entries = tampered.rows("ledger_event")
        at %= len(entries)
        forge(tampered, entries, at)
        found = failed(tampered.verify())
    assert any(f"event {at}" in where for where in found["integrity"])
    assert "evidence" not in found


@pytest.mark.parametrize("seq", [-1, None, KEY_STEP])
def test_finds_an_inserted_event(story: Registry, seq: int | None) -> None:
    with tampering(story) as tampered:
        entries = tampered.rows("ledger_event")
        number = len(entries) if seq is None else seq
        tampered.add("ledger_event", rewritten(entries[-1], seq=number, id="f" * 32))
        assert any(f"event {number}" in where for where in tampered.integrity())


def test_finds_a_forged_event_whose_leaf_was_forged_too(story: Registry) -> None:
    with tampering(story) as tampered:
        entry = tampered.rows("ledger_event")[3]
        change_actor(tampered, tampered.rows("ledger_event"), 3)
        changed = tampered.rows("ledger_event")[3]["envelope"]
        tampered.change(
            "ledger_node", {"level": 0, "idx": entry["seq"]}, hash=merkle.leaf_hash(changed.encode())
        )
        assert tampered.integrity() == ["node 1/1 (ledger_node)"]


def rebuild_tree(tampered: Tampered) -> None:
    """Make nodes and head anew from the entries, as someone would who owns the database."""
    tampered.connection.execute(delete(tampered.table("ledger_node")))
    frontier: tuple[bytes, ...] = ()
    entries = tampered.rows("ledger_event")
    for entry in entries:
        frontier, nodes = merkle.grow(frontier, entry["seq"], merkle.leaf_hash(entry["envelope"].encode()))
        for node in nodes:
            tampered.add("ledger_node", {"level": node.level, "idx": node.index, "hash": node.hash})
    head = {"size": len(entries), "root": merkle.root_hash(frontier), "frontier": b"".join(frontier)}
    tampered.change("ledger_head", {"id": 1}, **head)


def test_rebuilding_the_whole_tree_still_leaves_tables_that_disagree(story: Registry) -> None:
    with tampering(story) as tampered:
        change_actor(tampered, tampered.rows("ledger_event"), 3)
        rebuild_tree(tampered)
        found = failed(tampered.verify())
    # And a signed approval that rests on the event is none any more.
    assert found.keys() == {"projection", "signatures"}


def test_a_consistent_rewrite_shows_only_in_the_tree_head_that_someone_kept(story: Registry) -> None:
    kept = story.audit.head()
    with tampering(story) as tampered:
        change_time(tampered, tampered.rows("ledger_event"), 0)
        moment = tampered.rows("ledger_event")[0]["recorded_at"]
        tampered.change("project", tampered.rows("project")[0], recorded_at=moment)
        rebuild_tree(tampered)
        verification = tampered.verify()
    assert verification.passed
    assert verification.head is not None
    assert verification.head.root != kept.root


@pytest.mark.parametrize("kept", [0, 1, 64, 80])
def test_finds_a_tail_that_was_cut_off(story: Registry, kept: int) -> None:
    with tampering(story) as tampered:
        tampered.connection.execute(text(f"DELETE FROM ledger_event WHERE seq >= {kept}"))
        assert tampered.integrity()
        rebuild_tree(tampered)
        assert failed(tampered.verify()).keys() == {"projection"}


def test_names_the_events_that_were_cut_off(story: Registry) -> None:
    with tampering(story) as tampered:
        size = len(tampered.rows("ledger_event"))
        tampered.connection.execute(text("DELETE FROM ledger_event WHERE seq >= 64"))
        assert f"events 64 to {size - 1}" in tampered.integrity()


def test_finds_a_head_that_was_rolled_back(story: Registry) -> None:
    with tampering(story) as tampered:
        size = len(tampered.rows("ledger_event")) - 1
        tampered.connection.execute(text(f"UPDATE ledger_head SET size = {size}"))
        assert tampered.integrity() == ["ledger_head"]


@pytest.mark.parametrize("damage", ["DELETE FROM ledger_head", "UPDATE ledger_head SET id = 2"])
def test_finds_that_the_head_is_gone(story: Registry, damage: str) -> None:
    with tampering(story) as tampered:
        tampered.connection.execute(text(damage))
        assert failed(tampered.verify()) == {"integrity": ["ledger_head"]}


def test_finds_a_second_head(story: Registry) -> None:
    with tampering(story) as tampered:
        tampered.add("ledger_head", {**tampered.rows("ledger_head")[0], "id": 2})
        assert failed(tampered.verify()) == {"integrity": ["ledger_head"]}


def test_finds_any_node_that_is_gone(story: Registry) -> None:
    with tampering(story) as tampered:
        for node in tampered.rows("ledger_node"):
            with undone(tampered.connection):
                tampered.remove("ledger_node", node)
                assert f"level {node['level']} (ledger_node)" in tampered.integrity()


def test_finds_any_node_that_was_changed(story: Registry) -> None:
    with tampering(story) as tampered:
        for node in tampered.rows("ledger_node"):
            with undone(tampered.connection):
                tampered.change("ledger_node", node, hash=bytes(32))
                found = tampered.integrity()
                assert (
                    f"node {node['level']}/{node['idx']} (ledger_node)" in found
                    or f"event {node['idx']}" in found[0]
                )


@pytest.mark.parametrize("place", [(0, 5000), (0, -1), (6, 2), (7, 1), (-1, 0), (64, 0), (4000, 0)])
def test_finds_an_inserted_node(story: Registry, place: tuple[int, int]) -> None:
    level, index = place
    with tampering(story) as tampered:
        tampered.add("ledger_node", {"level": level, "idx": index, "hash": bytes(32)})
        assert f"node {level}/{index} (ledger_node)" in tampered.integrity()


def test_finds_any_trigger_that_is_gone(story: Registry) -> None:
    on = "" if story.engine.dialect.name == "sqlite" else " ON {table}"
    for name in sorted(expected_triggers(story.engine.dialect.name)):
        table = next(table for table in LEDGER_TABLES if name.startswith(table))
        with story.engine.begin() as connection:
            connection.execute(text(f"DROP TRIGGER {name}{on.format(table=table)}"))
        assert failed(story.audit.verify()) == {"integrity": [f"trigger {name}"]}
        with story.engine.begin() as connection:
            install_triggers(connection)
    assert story.audit.verify().passed


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_finds_triggers_that_are_disabled(story: Registry) -> None:
    with story.engine.begin() as connection:
        connection.execute(text("ALTER TABLE ledger_node DISABLE TRIGGER USER"))
    assert failed(story.audit.verify())["integrity"] == [
        f"trigger ledger_node_no_{verb}" for verb in ("delete", "truncate", "update")
    ]


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_finds_a_trigger_that_no_longer_refuses(story: Registry) -> None:
    with story.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER ledger_event_no_update"))
        connection.execute(
            text("CREATE TRIGGER ledger_event_no_update BEFORE UPDATE ON ledger_event BEGIN SELECT 1; END")
        )
    assert failed(story.audit.verify()) == {"integrity": ["trigger ledger_event_no_update"]}


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_finds_a_trigger_function_that_no_longer_refuses(story: Registry) -> None:
    with story.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION crisplens_refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RETURN NEW; END $$"
            )
        )
    expected = sorted(f"trigger {name}" for name in expected_triggers("postgresql"))
    assert failed(story.audit.verify()) == {"integrity": expected}


def test_finds_evidence_of_which_one_bit_was_changed(story: Registry) -> None:
    kept = story.evidence.list()[0]
    path = (
        story.configuration.folder
        / story.configuration.evidence
        / "sha256"
        / kept.digest[7:9]
        / kept.digest[7:]
    )
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    found = failed(story.audit.verify())
    assert found.keys() == {"evidence"}
    assert kept.name in found["evidence"][0]


def test_finds_evidence_that_is_gone(story: Registry) -> None:
    kept = story.evidence.list()[-1]
    assert story.configuration.open_evidence().remove(kept.digest)
    found = failed(story.audit.verify())
    assert found.keys() == {"evidence"}
    assert kept.name in found["evidence"][0]


@pytest.mark.parametrize(
    "damage", ["UPDATE alembic_version SET version_num = '9999'", "DELETE FROM alembic_version"]
)
def test_finds_that_only_the_schema_version_was_changed(story: Registry, damage: str) -> None:
    with tampering(story) as tampered:
        tampered.connection.execute(text(damage))
        assert failed(tampered.verify()) == {"projection": [VERSIONS]}


def test_refuses_to_judge_the_schema_of_another_release(story: Registry) -> None:
    with tampering(story) as tampered:
        tampered.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        tampered.connection.execute(text("ALTER TABLE kpi RENAME COLUMN unit TO measure"))
        with pytest.raises(RegistryError) as caught:
            tampered.verify()
    assert caught.value.slug == "schema-too-new"


def test_an_event_of_an_unknown_type_cannot_be_replayed(story: Registry) -> None:
    with tampering(story) as tampered:
        entry = tampered.rows("ledger_event")[5]
        tampered.change("ledger_event", entry, **rewritten(entry, type="project.erased"))
        rebuild_tree(tampered)
        verification = tampered.verify()
    assert failed(verification) == {"projection": ["event 5"]}
    assert "project.erased" in verification.verdicts[1].findings[0].what


ODD: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
    "an approval of no project": ("approval.decided", lambda entry: entry.update(project=None)),
    "a demand of no project": ("gate.demanded", lambda entry: entry.update(project=None)),
    "a basis beyond all numbers": (
        "approval.decided",
        lambda entry: entry["payload"]["basis"].update(a=2**70),
    ),
    "a basis below all numbers": (
        "approval.decided",
        lambda entry: entry["payload"]["basis"].update(a=-(2**70)),
    ),
    "a cycle that JSON cannot hold": ("approval.decided", lambda entry: entry["payload"].update(cycle=2**60)),
    "a reason with a NUL": ("approval.decided", lambda entry: entry["payload"].update(reason="\0")),
    "an owner with a NUL": ("key.trusted", lambda entry: entry["payload"].update(owner="\0")),
    "no public key": ("key.trusted", lambda entry: entry["payload"].update(public_key="")),
    "a lift for a reason with a NUL": ("gate.demanded", lambda entry: entry["payload"].update(reason="\0")),
    "a revocation with a NUL": ("key.revoked", lambda entry: entry["payload"].update(reason="\0")),
}


@pytest.mark.parametrize("odd", ODD)
def test_no_event_keeps_the_verdicts_from_being_given(story: Registry, odd: str) -> None:
    type_, change = ODD[odd]
    with tampering(story) as tampered:
        entries = [one for one in tampered.rows("ledger_event") if one["type"] == type_]
        if type_ == "approval.decided":
            entries = [one for one in entries if json.loads(one["envelope"])["payload"]["signature"]]
        entry = entries[-1]
        envelope = json.loads(entry["envelope"])
        change(envelope)
        values = {"envelope": json.dumps(envelope), "project": envelope["project"]}
        tampered.change("ledger_event", entry, **values)
        rebuild_tree(tampered)
        found = failed(tampered.verify())
    assert found.keys() & {"projection", "signatures"}
    assert "evidence" not in found


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM ledger_head",
        "DELETE FROM ledger_node",
        "DELETE FROM ledger_node WHERE level > 0",
        "DELETE FROM ledger_event WHERE seq > 3",
        "UPDATE ledger_head SET size = -1",
        "UPDATE ledger_head SET size = 9",
    ],
)
def test_no_damage_keeps_a_kept_head_from_being_compared(
    story: Registry, tmp_path: Path, damage: str
) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text(story.audit.sign_head(), encoding="utf-8")
    with tampering(story) as tampered:
        tampered.connection.execute(text(damage))
        found = failed(tampered.verify(against=[kept]))
    assert "integrity" in found
    assert "consistency" in found or "ledger_event" in damage


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "damage", ["ledger_head SET root = 'x'", "ledger_head SET size = 'x'", "ledger_node SET hash = 'x'"]
)
def test_no_type_of_value_keeps_a_kept_head_from_being_compared(
    story: Registry, tmp_path: Path, damage: str
) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text(story.audit.sign_head(), encoding="utf-8")
    with tampering(story) as tampered:
        tampered.connection.execute(text(f"UPDATE {damage}"))
        found = failed(tampered.verify(against=[kept]))
    assert found.keys() >= {"integrity", "consistency"}


def test_a_head_that_is_not_the_tree_s_is_not_signed(story: Registry) -> None:
    with tampering(story) as tampered:
        tampered.change("ledger_head", {"id": 1}, root=bytes(32))
        with tampered.reading() as session, pytest.raises(RegistryError, match="not that of its tree"):
            sign_head(session, [story.signer])


def test_findings_are_counted_beyond_those_listed(story: Registry) -> None:
    with tampering(story) as tampered:
        tampered.connection.execute(text("UPDATE ledger_event SET actor = 'mallory@example.org'"))
        integrity = tampered.verify().verdicts[0]
        assert integrity.found == len(tampered.rows("ledger_event"))
    assert len(integrity.findings) == 20


def test_verification_writes_nothing(story: Registry) -> None:
    with tampering(story) as tampered:
        before = {name: tampered.rows(name) for name in TABLES}
    story.audit.verify()
    with tampering(story) as tampered:
        assert {name: tampered.rows(name) for name in TABLES} == before
