"""Projection: do the tables say what the log says?"""

from __future__ import annotations

from sqlalchemy import Table
from sqlalchemy.orm import Session

from crisplens.ledger.replay import ReplayError, log_texts, projected_tables, replay, scratch_database
from crisplens.ledger.rows import Row, paired_rows
from crisplens.ledger.verdict import Findings, Progress, Verdict


def verify_projection(session: Session, progress: Progress | None = None) -> Verdict:
    """Replay the log into an empty database on the side and compare every table, row by row.

    Every area's projection must be imported before.
    """
    findings, tables, rows = Findings(), projected_tables(), 0
    with scratch_database() as scratch:
        try:
            replayed = replay(log_texts(session), scratch, progress)
            rows = sum(_compare(table, session, scratch, findings) for table in tables)
        # What cannot be replayed to its end would only be told once more, row by row.
        except ReplayError as error:
            replayed = error.seq
            findings.add(f"event {error.seq}", f"cannot be replayed: {error.reason}")
    return findings.verdict("projection", f"{rows} rows in {len(tables)} tables against {replayed} events")


def _compare(table: Table, session: Session, scratch: Session, findings: Findings) -> int:
    """Walk both copies of a table in primary-key order and note every difference. Returns rows seen."""
    names = [column.name for column in table.columns]
    keys = [names.index(column.name) for column in table.primary_key]
    count = 0
    for row, twin in paired_rows(table, session, scratch):
        count += 1
        where = f"{table.name} {_label(row or twin, keys)}"
        if twin is None:
            findings.add(where, "no event made this row")
        elif row is None:
            findings.add(where, "the row is gone or its key was changed")
        else:
            for name, value, expected in zip(names, row, twin, strict=True):
                if value != expected:
                    findings.add(where, f"{name} is {value!r:.80}, the ledger says {expected!r:.80}")
    return count


def _label(row: Row | None, keys: list[int]) -> str:
    return "/".join(str(row[i]) for i in keys) if row else ""
