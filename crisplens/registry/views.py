"""Rows as the frozen values that queries return, and the ids that they count up."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from operator import itemgetter
from typing import Any, TypeVar, cast

import msgspec
from sqlalchemy import CursorResult, Select, Table, bindparam, func, select
from sqlalchemy.orm import Session

from crisplens.ledger.tables import Dated, Traced

ViewT = TypeVar("ViewT", bound="View")


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what queries return: a row's values, with who recorded it, when, and in which event."""

    recorded_by: str
    recorded_at: str
    seq: int


def view(row: Any, kind: type[ViewT]) -> ViewT:
    """One row as a `kind`: the columns that it has fields for."""
    return kind(**{name: getattr(row, name) for name in kind.__struct_fields__})


def views(rows: Iterable[Any], kind: type[ViewT]) -> list[ViewT]:
    """Rows as `kind`s, in the same order."""
    if not isinstance(rows, CursorResult):
        return [view(row, kind) for row in rows]
    # By place: a project has thousands of rows, and to look each column up by its name takes most of the time.
    columns, fields = list(rows.keys()), kind.__struct_fields__
    values = itemgetter(*map(columns.index, fields))
    return [kind(**dict(zip(fields, values(row), strict=True))) for row in rows]


def find_view(session: Session, row: type[Dated], key: tuple[Any, ...], kind: type[ViewT]) -> ViewT | None:
    """The row with this primary key as a `kind`, if there is one."""
    names, statement = _by_key(cast(Any, row).__table__)
    found = session.connection().execute(statement, dict(zip(names, key, strict=True))).one_or_none()
    return None if found is None else view(found, kind)


def get_view(session: Session, row: type[Dated], key: tuple[Any, ...], kind: type[ViewT]) -> ViewT:
    """The row with this primary key, which is known to be there, as a `kind`."""
    found = find_view(session, row, key, kind)
    assert found is not None
    return found


@cache
def _by_key(table: Table) -> tuple[list[str], Select[Any]]:
    # Without the ORM's identity map: a command reads each row once, and recording must be quick.
    names = [column.name for column in table.primary_key]
    return names, select(table).where(*(table.columns[name] == bindparam(name) for name in names))


def next_id(session: Session, project: str, row: type[Traced], prefix: str) -> str:
    """The id after those that the project has: `prefix-1`, `prefix-2`, ..."""
    count = session.scalar(select(func.count()).select_from(row).where(row.project == project)) or 0
    return f"{prefix}-{count + 1}"
