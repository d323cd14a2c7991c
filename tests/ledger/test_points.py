"""Points of the log: what a number and a time mean, and what is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crisplens.api import Registry
from crisplens.core import clock
from crisplens.core.clock import parse_time
from crisplens.ledger.points import Point, last_point, resolve_point
from tests.conftest import assert_refused

pytestmark = pytest.mark.stored


def resolved(registry: Registry, text: str | int) -> Point:
    """The point that a text means in this registry's log."""
    with registry.reading_log() as session:
        return resolve_point(session, text)


@pytest.fixture
def timed(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Events 0 (the project, now), 1, 2 and 3 at noon of three days of 2040, 4 with the last of them."""
    noons = [datetime(2040, 5, day, 12, tzinfo=UTC) for day in (1, 2, 3, 3)]
    for number, noon in enumerate(noons):
        monkeypatch.setattr(clock, "now", lambda noon=noon: noon)
        registry.kpi.set(f"kpi-{number}", target=1)
    return registry


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "\N{SUPERSCRIPT TWO}",
        "\N{ARABIC-INDIC DIGIT TWO}",
        "2026-13-01",
        "yesterday",
        "event 3",
        "0x3",
        "1_0",
        "checkpoint-1",
    ],
)
def test_what_is_no_point_says_what_is(timed: Registry, text: str) -> None:
    assert_refused(timed, lambda: resolved(timed, text), "bad-point", "no point", "number", "2026-03-01")


@pytest.mark.parametrize("text", ["5", 5, "999", "9" * 18, "9" * 19, "9" * 400, 10**30, "20400503"])
def test_a_number_beyond_the_end_says_what_the_log_has(timed: Registry, text: str | int) -> None:
    assert_refused(
        timed, lambda: resolved(timed, text), "bad-point", "no event", "events 0 to 4", "2040-05-03"
    )


@pytest.mark.parametrize("text", ["2020-01-01", "0001-01-01", "1999-12-31T23:59:59.999999+14:00"])
def test_a_time_before_the_first_event_says_when_that_was(timed: Registry, text: str) -> None:
    assert_refused(timed, lambda: resolved(timed, text), "bad-point", "nothing was recorded", "events 0 to 4")


@pytest.mark.parametrize("text", ["0", "2026-01-01", 0])
def test_an_empty_log_has_no_points(bare: Registry, text: str | int) -> None:
    assert_refused(bare, lambda: resolved(bare, text), "bad-point", "no events yet")
    assert_refused(bare, lambda: bare.audit.diff(text), "bad-point", "no events yet")


@pytest.mark.parametrize(
    ("text", "seq"),
    [
        ("0", 0),
        (3, 3),
        ("0004", 4),
        (" 2 ", 2),
        ("2040-05-01", 0),
        ("2040-05-01T11:59:59.999999", 0),
        ("2040-05-01T12:00", 1),
        ("2040-05-01T12:00:00+00:00", 1),
        ("2040-05-01T14:00+02:00", 1),
        ("2040-05-02T11:59Z", 1),
        ("2040-05-03", 2),
        ("2040-05-03T12:00Z", 4),
        ("9999-12-31", 4),
    ],
)
def test_a_point_is_the_longest_beginning_that_was_recorded_by_then(
    timed: Registry, text: str | int, seq: int
) -> None:
    point = resolved(timed, text)
    assert (point.seq, point.size) == (seq, seq + 1)
    assert point.at == timed.audit.log()[seq].recorded_at


def test_every_recorded_time_means_its_own_last_event(timed: Registry) -> None:
    for envelope in timed.audit.log():
        last = max(one.seq for one in timed.audit.log() if one.recorded_at == envelope.recorded_at)
        assert resolved(timed, envelope.recorded_at).seq == last
        before = parse_time(envelope.recorded_at) - timedelta(microseconds=1)
        if envelope.seq:
            assert resolved(timed, before.isoformat()).seq < envelope.seq


def test_a_corrected_clock_leaves_later_times_to_later_events(
    timed: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2030, 1, 1, tzinfo=UTC))
    timed.audit.correct_clock("the year was wrong")
    timed.kpi.set("after", target=1)
    assert resolved(timed, "2030-01-02").seq == 6
    assert resolved(timed, "2040-05-02T13:00").seq == 6
    assert resolved(timed, "2029-12-31").seq == 0


def test_the_last_point_is_the_log_as_it_is(timed: Registry) -> None:
    with timed.reading_log() as session:
        assert last_point(session) == resolved(timed, 4)
