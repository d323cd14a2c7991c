"""Rows as the frozen values that queries return."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

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
