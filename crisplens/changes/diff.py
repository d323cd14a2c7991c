"""The difference between two points: the rows of both replays side by side, and what the gates say at each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Session

import crisplens.areas  # noqa: F401  (every event and table)
from crisplens.changes.content import Change, ChangeKind, Difference, FieldChange
from crisplens.changes.nouns import NOUNS, Noun, Row, tell_added, tell_changed, tell_removed
from crisplens.core.columns import JsonText
from crisplens.core.decoding import decode_json
from crisplens.core.errors import InputError
from crisplens.ledger.model import decode
from crisplens.ledger.past import tables_at
from crisplens.ledger.points import Point
from crisplens.ledger.replay import projected_tables
from crisplens.ledger.rows import paired_rows
from crisplens.ledger.verdict import Progress
from crisplens.lifecycle.gate_queries import list_gates
from crisplens.lifecycle.gates import APPROVED
from crisplens.lifecycle.model import GateResult
from crisplens.registry.projects.queries import get_project, list_projects

TRACE = frozenset({"project", "seq", "recorded_by", "recorded_at"})
# The event that last changed a row in place, by the kind of event's noun, the project and the row's key.
Touches = dict[tuple[str, str | None, str], tuple[int, str, str]]


def diff_points(
    session: Session,
    first: Point,
    second: Point,
    *,
    project: str | None = None,
    progress: Progress | None = None,
) -> Difference:
    """What changed from one point of the log to a later one: by project, then kind, then event.

    With a `project`, only what is its own. Raises `InputError` when the points are not in order or there is no such
    project at the later one, `RegistryError` when the log cannot be replayed.
    """
    if first.seq > second.seq:
        raise InputError(
            f"{first} comes after {second}", slug="bad-point", hint="Name the earlier point first."
        )
    touches: Touches = {}
    with tables_at(session, first, second, progress, watch=lambda texts: _watch(texts, touches)) as tables:
        before, after = tables
        if project is not None:
            get_project(after, project)
        changes = [
            change
            for table in projected_tables()
            for change in _table_changes(table, before, after, touches)
            if project in (None, change.project)
        ]
        changes += _gate_changes(before, after, project)
    return Difference(first=first, second=second, changes=tuple(sorted(changes, key=_place)))


def _watch(texts: Iterable[str], touches: Touches) -> Iterator[str]:
    """Pass entries on, and remember those that change a row in place."""
    acts: dict[str, list[tuple[str, Noun]]] = {}
    for table, noun in NOUNS.items():
        for event in noun.events:
            acts.setdefault(event, []).append((table, noun))
    for text in texts:
        yield text
        recorded = decode(text)
        for table, noun in acts.get(recorded.event.TYPE, ()):
            named = noun.touched_by(lambda field: getattr(recorded.event, field))  # noqa: B023
            touches[(table, recorded.envelope.project, named)] = (recorded.seq, recorded.actor, recorded.at)


def _table_changes(table: Table, before: Session, after: Session, touches: Touches) -> Iterator[Change]:
    noun, read = NOUNS[table.name], _reader(table)
    for old, new in paired_rows(table, before, after):
        if new is None:
            yield _removed(noun, read(old or ()))
        elif old is None:
            yield _added(noun, read(new))
        elif tuple(old) != tuple(new):
            row = read(new)
            touch = touches.get((table.name, row.get("project"), noun.touched_by(row.get)))
            yield _changed(noun, read(old), row, touch)


def _reader(table: Table) -> Callable[[Sequence[Any]], Row]:
    """Turns a table's raw rows into plain values by column."""
    columns = [(column.name, isinstance(column.type, JsonText)) for column in table.columns]

    def read(raw: Sequence[Any]) -> Row:
        return {
            name: decode_json(value, Any) if is_json and value is not None else value
            for (name, is_json), value in zip(columns, raw, strict=True)
        }

    return read


def _added(noun: Noun, row: Row) -> Change:
    by, at = row["recorded_by"], row["recorded_at"]
    fields = tuple(FieldChange(name, None, value) for name, value in row.items() if name not in TRACE)
    return _change(noun, row, ChangeKind.ADDED, fields, (row["seq"], by, at), tell_added)


def _changed(noun: Noun, old: Row, row: Row, touch: tuple[int, str, str] | None) -> Change:
    fields = tuple(
        FieldChange(name, old[name], value)
        for name, value in row.items()
        if name not in TRACE and old[name] != value
    )
    stated_anew = row["seq"] != old["seq"]
    made_by = touch if touch and not stated_anew else (row["seq"], row["recorded_by"], row["recorded_at"])

    def tell(noun: Noun, row: Row, by: str, at: str) -> str:
        return tell_changed(noun, old, row, [one.field for one in fields], by, at)

    return _change(noun, row, ChangeKind.CHANGED, fields, made_by, tell)


def _change(
    noun: Noun,
    row: Row,
    kind: ChangeKind,
    fields: tuple[FieldChange, ...],
    made_by: tuple[int, str, str],
    tell: Callable[[Noun, Row, str, str], str],
) -> Change:
    seq, by, at = made_by
    return Change(
        project=row.get("project"),
        what=noun.what,
        key=noun.key_of(row),
        kind=kind,
        fields=fields,
        seq=seq,
        by=by,
        at=at,
        words=tell(noun, row, by, f"{at[:10]} {at[11:16]} UTC"),
    )


def _removed(noun: Noun, row: Row) -> Change:
    return Change(
        project=row.get("project"),
        what=noun.what,
        key=noun.key_of(row),
        kind=ChangeKind.REMOVED,
        fields=tuple(FieldChange(name, value, None) for name, value in row.items() if name not in TRACE),
        seq=None,
        by=None,
        at=None,
        words=tell_removed(noun, row),
    )


def _gate_changes(before: Session, after: Session, only: str | None) -> Iterator[Change]:
    known = {one.project for one in list_projects(before)}
    for project in (one.project for one in list_projects(after)):
        if only in (None, project):
            then = {gate.phase: gate for gate in list_gates(before, project)} if project in known else {}
            for gate in list_gates(after, project):
                if gate.open != (gate.phase in then and then[gate.phase].open):
                    yield _gate_change(project, then, gate)


def _gate_change(project: str, then: Mapping[str, GateResult], gate: GateResult) -> Change:
    about = f" for {gate.subject}" if gate.subject else ""
    why = "; ".join(
        rule.found if rule.rule == APPROVED else f"{rule.title}: {rule.found}" for rule in gate.unmet
    )
    words = f"the {gate.phase} gate{about} " + ("opened" if gate.open else f"closed: {why}")
    was = then[gate.phase].open if gate.phase in then else None
    return Change(
        project=project,
        what="gate",
        key=gate.phase,
        kind=ChangeKind.GATE,
        fields=(FieldChange("open", was, gate.open),),
        seq=None,
        by=None,
        at=None,
        words=words,
    )


def _place(change: Change) -> tuple[str, int, int]:
    kinds = [noun.what for noun in NOUNS.values()]
    kind = kinds.index(change.what) if change.what in kinds else len(kinds)
    return change.project or "", kind, -1 if change.seq is None else change.seq
