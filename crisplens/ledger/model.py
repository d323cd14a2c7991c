"""Events and the envelope they are recorded in; the envelope's canonical text is what is hashed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import msgspec

from crisplens.core.actor import Actor
from crisplens.core.canonical import canonical_json
from crisplens.core.decoding import convert, decode_json

EventT = TypeVar("EventT", bound="type[Event]")


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that happened, as an area states it. Subclasses are registered by `event_type`."""

    TYPE: ClassVar[str]
    VERSION: ClassVar[int]
    OF_REGISTRY: ClassVar[bool]


class UnknownEvent(ValueError):
    """An event of a type or version that this release does not know: if it is genuine, a newer release wrote it."""


Payload = dict[str, Any]
EVENT_TYPES: dict[str, type[Event]] = {}
UPCASTERS: dict[tuple[str, int], Callable[[Payload], Payload]] = {}


def event_type(name: str, *, version: int = 1, of_registry: bool = False) -> Any:
    """Class decorator: register an event under its type and the version that is written today.

    `of_registry` is for events that are about no project.
    """

    def register(cls: EventT) -> EventT:
        cls.TYPE, cls.VERSION, cls.OF_REGISTRY = name, version, of_registry
        if EVENT_TYPES.setdefault(name, cls) is not cls:
            raise ValueError(f"two events are named {name}")
        return cls

    return register


def upcasts(name: str, version: int) -> Callable[[Callable[[Payload], Payload]], Any]:
    """Decorator: this function turns a payload of `version` into one of the next. Entries stay as written."""

    def register(upcaster: Callable[[Payload], Payload]) -> Callable[[Payload], Payload]:
        if UPCASTERS.setdefault((name, version), upcaster) is not upcaster:
            raise ValueError(f"two upcasters read {name} version {version}")
        return upcaster

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


class Recorded(msgspec.Struct, frozen=True):
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
    """Read a ledger entry back, an old version of its event as today's.

    Raises `ValueError` when it is not an envelope of a known event (`UnknownEvent` when only the event is unknown).
    """
    try:
        envelope = decode_json(text, Envelope)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
    return Recorded(envelope, decode_event(envelope))


def decode_event(envelope: Envelope) -> Event:
    """The event of an entry, an old version as today's. Raises `ValueError` (`UnknownEvent`) as `decode`."""
    try:
        cls = EVENT_TYPES.get(envelope.type)
        if cls is None or envelope.version > cls.VERSION:
            raise UnknownEvent(
                f"{envelope.type} version {envelope.version} is no event that this crisplens knows"
            )
        if envelope.version == cls.VERSION:
            return decode_json(envelope.payload, cls)
        return convert(_upcast(envelope, cls.VERSION), cls)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None


def _upcast(envelope: Envelope, wanted: int) -> Payload:
    payload = decode_json(envelope.payload, Payload)
    for version in range(envelope.version, wanted):
        upcaster = UPCASTERS.get((envelope.type, version))
        if upcaster is None:
            raise UnknownEvent(f"{envelope.type} version {version} has no upcaster to version {version + 1}")
        payload = upcaster(payload)
    return payload
