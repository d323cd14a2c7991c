"""Rows as the frozen values that queries return, and the ids that they count up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crisplens.ledger.tables import Traced

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
    return [view(row, kind) for row in rows]


def get_view(session: Session, row: type[Traced], key: tuple[Any, ...], kind: type[ViewT]) -> ViewT:
    """The row with this primary key, which is known to be there, as a `kind`."""
    return view(session.get_one(row, key), kind)


def next_id(session: Session, project: str, row: type[Traced], prefix: str) -> str:
    """The id after those that the project has: `prefix-1`, `prefix-2`, ..."""
    count = session.scalar(select(func.count()).select_from(row).where(row.project == project)) or 0
    return f"{prefix}-{count + 1}"
