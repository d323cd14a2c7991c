"""What windows are called for people."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.core.clock import to_text
from crisplens.monitors.schedules.windows import RowWindow, TimeRule, parse_window_rule, window_of
from crisplens.monitors.states import Window
from crisplens.monitors.window_names import key_name, window_name, window_zone

ZONES = ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut", "Australia/Lord_Howe", "Asia/Kolkata")
INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))


def window(**given: Any) -> Window:
    return Window(location="live/*.csv", digest="sha256:1", size=1, files=1, rows=1, **given)


def between(start: str, end: str) -> Window:
    return window(start=to_text(datetime.fromisoformat(start)), end=to_text(datetime.fromisoformat(end)))


@pytest.mark.parametrize(
    ("start", "end", "zone", "name"),
    [
        ("2031-03-01T00:00Z", "2031-03-02T00:00Z", "UTC", "2031-03-01"),
        ("2031-03-03T00:00Z", "2031-03-10T00:00Z", "UTC", "2031-03-03 to 2031-03-09"),
        ("2031-03-01T06:00Z", "2031-03-01T12:00Z", "UTC", "2031-03-01 06:00 to 12:00 UTC"),
        ("2031-03-01T18:00Z", "2031-03-02T00:00Z", "UTC", "2031-03-01 18:00 to 2031-03-02 00:00 UTC"),
        ("2031-03-01T06:00:15Z", "2031-03-01T06:01Z", "UTC", "2031-03-01 06:00:15 to 06:01 UTC"),
        ("2031-02-28T23:00Z", "2031-03-01T23:00Z", "Europe/Berlin", "2031-03-01"),
        ("2031-02-28T23:00Z", "2031-03-01T23:00Z", "UTC", "2031-02-28 23:00 to 2031-03-01 23:00 UTC"),
        (
            "2031-03-01T05:00Z",
            "2031-03-01T06:00Z",
            "Europe/Berlin",
            "2031-03-01 06:00 to 07:00 Europe/Berlin",
        ),
        # Clocks go back at 01:00 UTC: the hour after it reads like the hour before.
        ("2031-10-26T00:00Z", "2031-10-26T01:00Z", "Europe/Berlin", "2031-10-26 00:00 to 01:00 UTC"),
        ("2031-10-26T01:00Z", "2031-10-26T02:00Z", "Europe/Berlin", "2031-10-26 01:00 to 02:00 UTC"),
    ],
)
def test_a_window_of_time_is_called_by_its_days_or_times(start: str, end: str, zone: str, name: str) -> None:
    assert window_name(between(start, end), zone) == name


@given(INSTANTS, st.sampled_from(ZONES))
def test_each_local_day_is_called_by_its_date_alone(instant: datetime, zone: str) -> None:
    rule = parse_window_rule("day", zone=zone)
    assert isinstance(rule, TimeRule)
    day = window_of(rule, instant)
    name = key_name(day.key, window_zone(rule))
    assert date.fromisoformat(name) == (day.end - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date()


@given(INSTANTS, st.sampled_from(ZONES), st.sampled_from(["hour", "day", "week", "month"]))
def test_windows_of_one_monitor_have_names_of_their_own(instant: datetime, zone: str, unit: str) -> None:
    rule = parse_window_rule(unit, zone=zone)
    assert isinstance(rule, TimeRule)
    one = window_of(rule, instant)
    other = window_of(rule, one.end)
    assert key_name(one.key, zone) != key_name(other.key, zone)


def test_others_are_called_by_file_rows_or_location() -> None:
    rows = RowWindow(start=0, end=5000).key
    assert [window_name(one) for one in (window(name="monday.csv"), window(name=rows), window())] == [
        "monday.csv",
        rows,
        "live/*.csv",
    ]


@pytest.mark.parametrize("key", ["2031/monday.csv", "2031-03-01", "", "2031-03-01T00:00Z/monday.csv"])
def test_what_only_looks_like_a_span_is_its_own_name(key: str) -> None:
    assert key_name(key) == key
