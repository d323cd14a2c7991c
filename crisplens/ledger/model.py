"""Events and the envelope they are recorded in; the envelope's canonical text is what is hashed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import msgspec

from crisplens.core.actor import Actor
from crisplens.core.canonical import canonical_json

EventT = TypeVar("EventT", bound="type[Event]")


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that happened, as an area states it. Subclasses are registered by `event_type`."""

    TYPE: ClassVar[str]
    VERSION: ClassVar[int]


EVENT_TYPES: dict[tuple[str, int], type[Event]] = {}


def event_type(name: str, *, version: int = 1) -> Any:
    """Class decorator: register an event under its type and version, as they stand in the ledger."""

    def register(cls: EventT) -> EventT:
        cls.TYPE, cls.VERSION = name, version
        if EVENT_TYPES.setdefault((name, version), cls) is not cls:
            raise ValueError(f"two events are named {name} version {version}")
        return cls

    return register


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ledger entry, whole. `seq` counts from 0 and is the leaf's index in the Merkle tree.

    `recorded_at` is when it was written, `occurred_at` when it happened; both RFC 3339, UTC.
    """

    seq: int
    id: str
    type: str
    version: int
    project: str | None
    actor: Actor
    recorded_at: str
    occurred_at: str
    payload: msgspec.Raw


@dataclass(frozen=True)
class Recorded:
    """An event with the envelope that it was recorded in."""

    envelope: Envelope
    event: Event

    @property
    def seq(self) -> int:
        """Its place in the ledger."""
        return self.envelope.seq

    @property
    def project(self) -> str:
        """The project it is about; events that are about none never ask."""
        if self.envelope.project is None:
            raise ValueError(f"event {self.seq} names no project")
        return self.envelope.project

    @property
    def actor(self) -> str:
        """Identity of who recorded it."""
        return self.envelope.actor.id

    @property
    def at(self) -> str:
        """When it happened (RFC 3339, UTC)."""
        return self.envelope.occurred_at


def encode(envelope: Envelope, event: Event) -> str:
    """The canonical text (RFC 8785) of an envelope with `event` as its payload."""
    fields = {name: getattr(envelope, name) for name in Envelope.__struct_fields__ if name != "payload"}
    return canonical_json(msgspec.to_builtins({**fields, "payload": event}))


def decode(text: str) -> Recorded:
    """Read a ledger entry back. Raises `ValueError` when it is not an envelope of a known event."""
    try:
        envelope = msgspec.json.decode(text, type=Envelope)
        cls = EVENT_TYPES.get((envelope.type, envelope.version))
        if cls is None:
            raise ValueError(f"unknown event {envelope.type} version {envelope.version}")
        return Recorded(envelope, msgspec.json.decode(envelope.payload, type=cls))
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
