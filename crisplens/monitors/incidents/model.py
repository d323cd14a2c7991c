"""What incidents and triggers are about, the states they go through, and how a monitor asks for answers. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from crisplens.core.clock import parse_time


class IncidentKind(StrEnum):
    """Why an incident was opened."""

    DRIFT = "drift"
    PERFORMANCE = "performance"
    BAD_DATA = "bad-data"


# Causes that retraining answers.
RETRAINED = frozenset({IncidentKind.DRIFT, IncidentKind.PERFORMANCE})


class State(StrEnum):
    """Where an incident or trigger stands. Only triggers are dismissed."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"


OPEN_STATES = frozenset({State.OPEN, State.ACKNOWLEDGED})


class TriggerPolicy(StrEnum):
    """Whether drift asks for retraining: by itself, when a person says so, or not at all."""

    AUTOMATIC = "automatic"
    ASK = "ask"
    NEVER = "never"


class Response(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What follows an alarm of a monitor.

    `owner` answers for its incidents; one that nobody takes on within `escalate_after` hours goes to `escalate_to`.
    No new trigger is raised within `cool_down` hours after one for the same model was closed.
    """

    trigger: TriggerPolicy = TriggerPolicy.AUTOMATIC
    cool_down: int = 0
    owner: str = ""
    escalate_to: str = ""
    escalate_after: int = 24


class Escalation(msgspec.Struct, frozen=True, kw_only=True):
    """Who an incident was handed up to, by whom, when (RFC 3339), and why."""

    to: str
    reason: str
    by: str
    at: str


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Something that an incident belongs with: another incident, a ticket's address, a cause in words."""

    target: str
    note: str
    by: str
    at: str


def hours_between(start: str, end: str) -> float:
    """Hours from one RFC 3339 time to another."""
    return (parse_time(end) - parse_time(start)) / timedelta(hours=1)


def is_overdue(opened_at: str, response: Response, now: datetime) -> bool:
    """Whether an incident that nobody has taken on since `opened_at` is to be escalated."""
    waited = now - parse_time(opened_at)
    return bool(response.escalate_to) and waited >= timedelta(hours=response.escalate_after)
