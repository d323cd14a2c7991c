"""What a check looked at, and the states that incidents and triggers go through."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Data that was looked at: where, as the user named it, and a digest over its files' content."""

    location: str
    digest: str
    size: int
    files: int
    rows: int


class IncidentKind(StrEnum):
    """Why an incident was opened."""

    DRIFT = "drift"
    BAD_DATA = "bad-data"


class State(StrEnum):
    """Where an incident or trigger stands. Only triggers are dismissed."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"


OPEN_STATES = frozenset({State.OPEN, State.ACKNOWLEDGED})
