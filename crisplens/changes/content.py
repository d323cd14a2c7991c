"""Changes as values: what became different between two points of the log."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from crisplens.ledger.points import Point


class ChangeKind(StrEnum):
    """What happened to a thing between two points; `gate` is a gate that opened or closed."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    GATE = "gate"


class FieldChange(msgspec.Struct, frozen=True):
    """A value at the earlier point and at the later one; None where there was none."""

    field: str
    before: Any
    after: Any


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change. `what` is the kind of thing, `key` which one; `project` is None for what is the registry's.

    `seq`, `by` and `at` are the event that last made it so; gates follow from the record and have none.
    """

    project: str | None
    what: str
    key: str
    kind: ChangeKind
    fields: tuple[FieldChange, ...]
    seq: int | None
    by: str | None
    at: str | None
    words: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What changed from the point `first` to the point `second`: by project, then kind, then event."""

    first: Point
    second: Point
    changes: tuple[Change, ...]
