"""Events and envelopes: what is encoded is what is read back, and nothing else can be read."""

from __future__ import annotations

import json

import msgspec
import pytest

import crisplens.areas  # noqa: F401  (every event)
from crisplens.core.actor import Actor
from crisplens.ledger.model import EVENT_TYPES, Envelope, Event, Recorded, decode, encode, event_type
from crisplens.ledger.projection import HANDLERS, applies
from crisplens.registry.projects.events import KpiSet
from crisplens.registry.projects.model import Direction

EVENT = KpiSet(
    name="auc", unit="", direction=Direction.HIGHER, target="0.8", baseline=None, acceptable_error=None
)


def envelope(event: Event = EVENT, **values: object) -> Envelope:
    """An envelope for an event."""
    given = {"seq": 3, "id": "a" * 32, "type": event.TYPE, "version": event.VERSION, "project": "churn"}
    given |= {"actor": Actor("ana@example.org"), "recorded_at": "2026-01-01T00:00:00.000000Z"}
    given |= {"occurred_at": "2026-01-01T00:00:00.000000Z", "payload": msgspec.Raw()}
    return Envelope(**(given | values))  # type: ignore[arg-type]


def test_reads_back_what_was_encoded() -> None:
    recorded = decode(encode(envelope(), EVENT))
    assert recorded.event == EVENT
    assert (recorded.seq, recorded.project, recorded.actor) == (3, "churn", "ana@example.org")
    assert recorded.at == "2026-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    "change",
    [
        {"type": "kpi.unset"},
        {"version": 2},
        {"seq": "three"},
        {"seq": None},
        {"actor": {"id": 1}},
        {"extra": 1},
        {"payload": {"name": "auc"}},
        {"payload": None},
        {"payload": {**msgspec.to_builtins(EVENT), "surplus": 1}},
        {"payload": {**msgspec.to_builtins(EVENT), "direction": "sideways"}},
    ],
)
def test_anything_else_is_a_value_error(change: dict[str, object]) -> None:
    text = json.dumps({**json.loads(encode(envelope(), EVENT)), **change})
    with pytest.raises(ValueError, match=r"."):
        decode(text)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "{", "seven"])
def test_what_is_no_envelope_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(text)


def test_an_unknown_event_is_named() -> None:
    with pytest.raises(ValueError, match=r"kpi\.unset version 1"):
        decode(encode(envelope(type="kpi.unset"), EVENT))


def test_an_event_about_no_project_cannot_be_asked_for_it() -> None:
    with pytest.raises(ValueError, match="names no project"):
        _ = Recorded(envelope(project=None), EVENT).project


def test_two_events_cannot_have_one_name() -> None:
    with pytest.raises(ValueError, match=r"two events are named kpi\.set"):

        @event_type("kpi.set")
        class Another(Event):
            """Another event."""


def test_two_projections_cannot_apply_one_event() -> None:
    with pytest.raises(ValueError, match="two projections apply KpiSet"):

        @applies(KpiSet)
        def again(*_: object) -> None:
            """Another projection."""


def test_every_event_has_a_projection_and_a_description() -> None:
    assert set(EVENT_TYPES.values()) == set(HANDLERS)
    assert [event for event in HANDLERS if not event.__doc__] == []
