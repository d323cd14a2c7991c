from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.monitors.schedules.local_calendar import Unit
from crisplens.monitors.schedules.windows import (
    FileRule,
    RowsRule,
    RowWindow,
    TimeRule,
    TimeWindow,
    WholeRule,
    WindowRule,
    describe_late,
    due_row_windows,
    due_windows,
    is_late,
    parse_window_rule,
    window_of,
    windows_between,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
)
DURATIONS = ("1m", "45m", "1h", "6h", "1d", "1w", "30d", "7s")


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def spans(windows):
    return [(window.start, window.end) for window in windows]


instants = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
tumbling = st.one_of(
    st.sampled_from(DURATIONS).map(parse_window_rule),
    st.builds(
        lambda unit, zone: parse_window_rule(unit, zone=zone),
        st.sampled_from(list(Unit)),
        st.sampled_from(ZONES),
    ),
)
sliding = st.one_of(
    st.sampled_from([("1d", "1h"), ("7d", "1d"), ("1h", "40m"), ("90m", "7m"), ("2s", "1s")]).map(
        lambda pair: parse_window_rule(pair[0], every=pair[1])
    ),
    st.builds(
        lambda pair, zone: parse_window_rule(pair[0], every=pair[1], zone=zone),
        st.sampled_from([("week", "day"), ("quarter", "month"), ("year", "month"), ("year", "quarter")]),
        st.sampled_from(ZONES),
    ),
)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("whole", WholeRule()),
        ("file", FileRule()),
        ("5000 rows", RowsRule(rows=5000)),
        ("1 row", RowsRule(rows=1)),
        ("24h", TimeRule(length="1d", every="1d")),
        ("Day", TimeRule(length="day", every="day")),
    ],
)
def test_rules_are_read_and_survive_json(text, rule):
    assert parse_window_rule(text) == rule
    assert msgspec.json.decode(msgspec.json.encode(rule), type=WindowRule) == rule


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("fortnight", {}),
        ("0 rows", {}),
        ("-5 rows", {}),
        ("0d", {}),
        ("1d", {"every": "2d"}),
        ("1d", {"every": "0s"}),
        ("1d", {"every": "day"}),
        ("1d", {"zone": "Europe/Berlin"}),
        ("day", {"every": "hour"}),
        ("month", {"every": "week"}),
        ("day", {"every": "1h"}),
        ("day", {"lateness": "a while"}),
        ("whole", {"every": "1d"}),
        ("file", {"lateness": "1h"}),
        ("10 rows", {"zone": "Europe/Berlin"}),
    ],
)
def test_what_is_no_rule_is_refused_with_a_hint(text, options):
    with pytest.raises(InputError) as caught:
        parse_window_rule(text, **options)
    assert caught.value.slug == "bad-window"
    assert caught.value.hint


@given(tumbling, instants)
def test_tumbling_windows_tile_without_gap_or_overlap(rule, first):
    windows = windows_between(rule, first, utc(2100, 1, 1), 40)
    assert len(windows) == 40
    assert windows[0].start <= first < windows[0].end
    assert all(window.start < window.end for window in windows)
    assert all(earlier.end == later.start for earlier, later in pairwise(windows))


@given(tumbling, instants)
def test_every_instant_lies_in_exactly_one_tumbling_window(rule, instant):
    window = window_of(rule, instant)
    around = windows_between(rule, instant - 2 * (window.end - window.start), utc(2100, 1, 1), 12)
    assert [other for other in around if other.start <= instant < other.end] == [window]


@given(sliding, instants)
def test_sliding_windows_begin_one_step_after_another_and_hold_each_instant(rule, first):
    windows = windows_between(rule, first, utc(2100, 1, 1), 30)
    steps = parse_window_rule(rule.every, zone=rule.zone)
    starts = [window.start for window in windows]
    assert starts == sorted(starts)
    for window in windows:
        assert window_of(steps, window.start).start == window.start
        assert window.start < window.end
    assert windows[0].end > first
    assert any(window.start <= first < window.end for window in windows)


@given(st.one_of(tumbling, sliding), instants)
def test_keys_are_unique_and_sort_in_time_order(rule, first):
    windows = windows_between(rule, first, utc(2100, 1, 1), 30)
    keys = [window.key for window in windows]
    assert keys == sorted(set(keys))
    ends = [window.end for window in windows]
    assert ends == sorted(set(ends))


@given(instants, st.integers(0, 2000), st.sampled_from(ZONES[:4]))
def test_calendar_days_are_those_of_zoneinfo(first, number, zone):
    place = ZoneInfo(zone)
    window = window_of(parse_window_rule("day", zone=zone), first)
    day = first.astimezone(place).date()
    for instant in (window.start, window.end - timedelta(microseconds=1)):
        assert instant.astimezone(place).date() == day
    assert (
        (window.start - timedelta(microseconds=1)).astimezone(place).date()
        < day
        < window.end.astimezone(place).date()
    )


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 6, 1), 24)])
def test_calendar_days_have_23_or_25_hours_where_clocks_change(day, hours):
    noon = datetime(*day, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    window = window_of(parse_window_rule("day", zone="Europe/Berlin"), noon)
    assert window.end - window.start == hours * HOUR
    inside = windows_between(parse_window_rule("hour", zone="Europe/Berlin"), window.start, window.end, 99)
    assert len(inside) == hours
    assert {hour.end - hour.start for hour in inside} == {HOUR}
    assert (inside[0].start, inside[-1].end) == (window.start, window.end)


def test_a_day_whose_midnight_is_skipped_begins_at_the_change():
    cairo = window_of(parse_window_rule("day", zone="Africa/Cairo"), utc(2026, 4, 24, 12))
    assert (cairo.start, cairo.end) == (utc(2026, 4, 23, 22), utc(2026, 4, 24, 21))
    # Clocks went from 23:31 on 31 March to 0:01: the gap began before midnight.
    toronto = window_of(parse_window_rule("day", zone="America/Toronto"), utc(1919, 3, 31, 12))
    change = utc(1919, 3, 31, 4, 30)
    assert toronto.start == change
    assert change.astimezone(ZoneInfo("America/Toronto")).date() == date(1919, 3, 31)


def test_a_local_day_that_a_zone_skipped_is_no_window():
    rule = parse_window_rule("day", zone="Pacific/Apia")
    found = due_windows(rule, None, utc(2012, 1, 1, 10), utc(2011, 12, 28, 10), 2)
    assert spans(found.windows) == [
        (utc(2011, 12, 28, 10), utc(2011, 12, 29, 10)),
        (utc(2011, 12, 29, 10), utc(2011, 12, 30, 10)),
    ]
    assert found.waiting == 2


def test_hours_follow_the_clock_of_zones_with_odd_offsets():
    window = window_of(parse_window_rule("hour", zone="Asia/Kathmandu"), utc(2026, 1, 1, 12, 20))
    assert window == TimeWindow(start=utc(2026, 1, 1, 12, 15), end=utc(2026, 1, 1, 13, 15))


@given(instants, st.sampled_from([("week", "W-SUN"), ("month", "M"), ("quarter", "Q"), ("year", "Y")]))
def test_weeks_months_quarters_and_years_are_those_of_pandas(instant, unit):
    window = window_of(parse_window_rule(unit[0], zone="Europe/Berlin"), instant)
    period = pd.Timestamp(instant).tz_convert("Europe/Berlin").tz_localize(None).to_period(unit[1])
    berlin = ZoneInfo("Europe/Berlin")
    assert window.start.astimezone(berlin).date() == period.start_time.date()
    assert (window.end - timedelta(seconds=1)).astimezone(berlin).date() == period.end_time.date()
    assert window.start.astimezone(berlin).time() == datetime.min.time()


@pytest.mark.parametrize(
    ("length", "every", "start", "end"),
    [
        ("week", "day", (2026, 3, 26), (2026, 4, 2)),
        ("quarter", "month", (2026, 2, 1), (2026, 5, 1)),
        ("year", "month", (2026, 3, 1), (2027, 3, 1)),
        ("year", "quarter", (2026, 4, 1), (2027, 4, 1)),
    ],
)
def test_sliding_calendar_windows_last_their_length_on_the_local_calendar(length, every, start, end):
    berlin = ZoneInfo("Europe/Berlin")
    begin, finish = datetime(*start, tzinfo=berlin), datetime(*end, tzinfo=berlin)
    window = window_of(parse_window_rule(length, every=every, zone="Europe/Berlin"), begin)
    assert (window.start, window.end) == (begin, finish)


def test_durations_count_from_monday_midnight_in_utc():
    week = window_of(parse_window_rule("1w"), utc(2026, 11, 21, 13))
    assert (week.start, week.end) == (utc(2026, 11, 16), utc(2026, 11, 23))


def test_windows_between_are_those_that_hold_data_and_have_ended():
    rule = parse_window_rule("6h")
    found = windows_between(rule, utc(2026, 1, 1, 7), utc(2026, 1, 2), 99)
    assert [window.start.hour for window in found] == [6, 12, 18]
    assert windows_between(rule, utc(2026, 1, 1, 7), utc(2026, 1, 1, 11, 59), 99) == ()
    assert windows_between(rule, utc(2026, 1, 2), utc(2026, 1, 1), 99) == ()
    assert windows_between(rule, utc(2026, 1, 1, 7), utc(2026, 1, 2), 0) == ()


def test_a_window_is_due_when_its_lateness_has_passed():
    rule = parse_window_rule("day", lateness="6h")
    begin, end = utc(2026, 5, 1), utc(2026, 5, 2)
    assert due_windows(rule, None, end + 6 * HOUR - timedelta(seconds=1), begin, 9).windows == ()
    assert spans(due_windows(rule, None, end + 6 * HOUR, begin, 9).windows) == [(begin, end)]


def test_due_windows_go_on_after_the_last_one_that_was_checked():
    rule = parse_window_rule("day")
    first = due_windows(rule, None, utc(2026, 5, 8), utc(2026, 5, 1, 9), 3)
    assert [window.start.day for window in first.windows] == [1, 2, 3]
    assert first.waiting == 4
    second = due_windows(rule, first.windows[-1].end, utc(2026, 5, 8), utc(2026, 5, 1, 9), 9)
    assert [window.start.day for window in second.windows] == [4, 5, 6, 7]
    assert second.waiting == 0
    assert due_windows(rule, utc(2026, 5, 8), utc(2026, 5, 8), utc(2026, 5, 1, 9), 9).windows == ()
    assert due_windows(rule, utc(2026, 6, 8), utc(2026, 5, 8), utc(2026, 5, 1, 9), 9).waiting == 0


@given(
    st.one_of(tumbling, sliding),
    instants,
    st.timedeltas(timedelta(0), timedelta(days=2)),
    st.lists(st.integers(1, 7), min_size=1, max_size=5),
)
def test_in_whatever_portions_the_same_windows_are_checked_once_each(rule, earliest, span, portions):
    now = earliest + min(span, 400 * (window_of(rule, earliest).end - window_of(rule, earliest).start))
    everything = due_windows(rule, None, now, earliest, 100_000)
    assert everything.waiting == 0
    checked, until = [], None
    for portion in (*portions, 100_000):
        found = due_windows(rule, until, now, earliest, portion)
        checked += found.windows
        assert len(checked) + found.waiting == len(everything.windows)
        until = checked[-1].end if checked else None
    assert tuple(checked) == everything.windows
    if not checked:
        return
    assert due_windows(rule, checked[-1].end, now, earliest, 9).windows == ()


def test_many_waiting_windows_are_counted_quickly_and_exactly():
    found = due_windows(parse_window_rule("1m"), None, utc(2026, 1, 1), utc(2000, 1, 1), 5)
    assert len(found.windows) + found.waiting == (utc(2026, 1, 1) - utc(2000, 1, 1)) // timedelta(minutes=1)
    days = due_windows(
        parse_window_rule("day", zone="Pacific/Apia"), None, utc(2026, 1, 1, 10), utc(2000, 1, 1, 11), 5
    )
    skipped = 1
    assert len(days.windows) + days.waiting == (date(2026, 1, 1) - date(2000, 1, 1)).days - skipped


def test_rows_are_late_once_their_window_is_closed():
    rule = parse_window_rule("day", lateness="6h")
    row = utc(2026, 5, 1, 23)
    assert not is_late(rule, row, utc(2026, 5, 2, 5, 59))
    assert is_late(rule, row, utc(2026, 5, 2, 6))
    sliding_rule = parse_window_rule("7d", every="1d")
    assert not is_late(sliding_rule, row, utc(2026, 5, 7, 23))
    assert is_late(sliding_rule, row, utc(2026, 5, 8))


def test_late_rows_are_described_in_a_sentence():
    rule = parse_window_rule("day", lateness="6h")
    window = window_of(rule, utc(2026, 5, 1))
    assert describe_late(rule, window, 3) == (
        "3 rows of the window 2026-05-01T00:00:00Z/2026-05-02T00:00:00Z arrived after it was closed at "
        "2026-05-02T06:00:00Z, and no verdict counts them."
    )
    assert describe_late(rule, window, 1).startswith("1 row of")
    assert describe_late(rule, window, 0).startswith("No row")


def test_full_windows_of_rows_are_due_and_the_rest_waits():
    found = due_row_windows(RowsRule(rows=100), 200, 560, 2)
    assert found.windows == (RowWindow(start=200, end=300), RowWindow(start=300, end=400))
    assert found.waiting == 1
    assert due_row_windows(RowsRule(rows=100), 500, 599, 2).windows == ()
    assert found.windows[0].key < RowWindow(start=1000, end=1100).key


def test_far_ends_of_time_are_no_traceback():
    rule = parse_window_rule("day", zone="America/New_York")
    assert (
        due_windows(rule, None, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), 5).windows
        == ()
    )
    assert window_of(rule, datetime.max.replace(tzinfo=ZoneInfo("America/New_York"))).end > utc(9000, 1, 1)


def test_times_without_a_zone_are_refused():
    with pytest.raises(InputError) as caught:
        windows_between(parse_window_rule("1d"), datetime(2026, 1, 1), utc(2026, 1, 2), 5)
    assert caught.value.slug == "bad-time"
