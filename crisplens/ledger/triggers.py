"""Database triggers that refuse to change the ledger: defence in depth, not the proof.

Every migration that touches a ledger table calls `install_triggers` again, because rebuilding a table
on SQLite drops its triggers without a word.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

APPEND_ONLY = ("ledger_event", "ledger_node")
HEAD = "ledger_head"
REFUSAL = "crisplens: the ledger is append-only"


def expected_triggers(dialect: str) -> frozenset[str]:
    """Names of the triggers that a registry on `dialect` has."""
    return frozenset(name for name, _ in (_sqlite() if dialect == "sqlite" else _postgresql()))


def present_triggers(connection: Connection) -> frozenset[str]:
    """Names of our triggers that the database has and runs, and that do what they should."""
    if connection.dialect.name == "sqlite":
        found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
        intact = dict(_sqlite())
        return frozenset(name for name, sql in found if intact.get(name) == sql)
    query = (
        "SELECT t.tgname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgenabled <> 'D' "
        "AND t.tgname LIKE 'ledger%' AND p.proname = 'crisplens_refuse' AND p.prosrc = :body"
    )
    return frozenset(connection.execute(text(query), {"body": _REFUSE}).scalars())


def install_triggers(connection: Connection) -> None:
    """Put the triggers that are missing on the ledger's tables."""
    triggers = _sqlite() if connection.dialect.name == "sqlite" else _postgresql()
    if connection.dialect.name != "sqlite":
        connection.execute(text(_POSTGRESQL_FUNCTION))
    for name, statement in triggers:
        if name not in present_triggers(connection):
            connection.execute(text(statement))


def _sqlite() -> list[tuple[str, str]]:
    triggers = [
        (f"{table}_no_{verb}", f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} {_ABORT}")
        for table in APPEND_ONLY
        for verb in ("update", "delete")
    ]
    shrinks = f"CREATE TRIGGER {HEAD}_grows BEFORE UPDATE ON {HEAD} WHEN NEW.size <= OLD.size {_ABORT}"
    stays = f"CREATE TRIGGER {HEAD}_no_delete BEFORE DELETE ON {HEAD} {_ABORT}"
    return [*triggers, (f"{HEAD}_grows", shrinks), (f"{HEAD}_no_delete", stays)]


def _postgresql() -> list[tuple[str, str]]:
    def trigger(table: str, name: str, verb: str, when: str = "") -> tuple[str, str]:
        each = "STATEMENT" if verb == "TRUNCATE" else "ROW"
        return name, (
            f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH {each} {when} "
            "EXECUTE FUNCTION crisplens_refuse()"
        )

    triggers = [
        trigger(table, f"{table}_no_{verb.lower()}", verb)
        for table in APPEND_ONLY
        for verb in ("UPDATE", "DELETE", "TRUNCATE")
    ]
    return [
        *triggers,
        trigger(HEAD, f"{HEAD}_grows", "UPDATE", "WHEN (NEW.size <= OLD.size)"),
        trigger(HEAD, f"{HEAD}_no_delete", "DELETE"),
        trigger(HEAD, f"{HEAD}_no_truncate", "TRUNCATE"),
    ]


_ABORT = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
_REFUSE = f" BEGIN RAISE EXCEPTION '{REFUSAL}'; END "
_POSTGRESQL_FUNCTION = (
    f"CREATE OR REPLACE FUNCTION crisplens_refuse() RETURNS trigger LANGUAGE plpgsql AS $${_REFUSE}$$"
)
