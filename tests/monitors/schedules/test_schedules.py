from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.monitors.schedules.model import Schedule, due_times, next_due, parse_schedule, schedule_text

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu")
MINUTE = timedelta(minutes=1)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def local_due(text, zone, after, until):
    moments = due_times(parse_schedule(text, zone), after, until, 100)
    return [moment.astimezone(ZoneInfo(zone)).strftime("%d %H:%M%z") for moment in moments]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("61 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of the month"),
        ("* * * 13 *", "month"),
        ("* * * * 8", "day of the week"),
        ("* * * * FRY", "day of the week"),
        ("5-1 * * * *", "minute"),
        ("*/0 * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        ("* * * * 1#6", "day of the week"),
    ],
)
def test_a_wrong_field_is_named_with_what_it_takes(text, field):
    with pytest.raises(InputError) as caught:
        parse_schedule(text)
    assert caught.value.slug == "bad-schedule"
    assert f"the field {field} of" in caught.value.message
    assert "It takes" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "* * * *",
            "* * * * * *",
            "@fortnightly",
            "@reboot",
            "0 0 31 2 *",
            "every",
            "every 7",
            "every 30s",
        ),
        *(
            "every 90s",
            "every 0m",
            "every -1h",
            "every 1.5h",
            "every 101d6",
            "every 99999w",
            "6h",
            "٣ * * * *",
        ),
        "1" * 10_000 + " * * * *",
    ],
)
def test_what_is_no_schedule_is_refused_with_a_hint(text):
    with pytest.raises(InputError) as caught:
        parse_schedule(text)
    assert caught.value.slug == "bad-schedule"
    assert caught.value.hint


@given(st.text(alphabet="0123456789*/,-#LWMONevryhd @", max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        schedule = parse_schedule(text)
    except InputError:
        return
    assert parse_schedule(schedule_text(schedule)) == schedule


@pytest.mark.parametrize(
    "zone", ["Europe/Berlyn", "", "Europe", "../etc/passwd", "localtime", "right/UTC", "\0"]
)
def test_an_unknown_zone_is_refused(zone):
    with pytest.raises(InputError) as caught:
        parse_schedule("@daily", zone)
    assert caught.value.slug == "unknown-name"
    if zone == "Europe/Berlyn":
        assert "Europe/Berlin" in caught.value.hint


def test_days_of_24_hours_are_not_taken_for_local_days():
    with pytest.raises(InputError) as caught:
        parse_schedule("every 1d", "Europe/Berlin")
    assert "0 0 * * *" in caught.value.hint
    assert parse_schedule("every 6h", "Europe/Berlin").every == "6h"


@pytest.mark.parametrize("given", [{}, {"cron": "* * * * *", "every": "1h"}])
def test_a_schedule_has_exactly_one_of_cron_and_every(given):
    with pytest.raises(InputError):
        Schedule(**given)


def test_a_schedule_survives_json():
    schedule = parse_schedule("0 6 * * mon-fri", "Europe/Berlin", start=datetime(2026, 3, 1))
    assert schedule.start == datetime(2026, 3, 1, tzinfo=BERLIN)
    assert msgspec.json.decode(msgspec.json.encode(schedule), type=Schedule) == schedule


@pytest.mark.parametrize(
    ("shorthand", "cron"), [("@hourly", "0 * * * *"), ("@daily", "0 0 * * *"), ("@Weekly", "0 0 * * 0")]
)
def test_shorthands_stand_for_expressions(shorthand, cron):
    assert parse_schedule(shorthand) == parse_schedule(cron)


def test_the_oldest_due_times_come_first_and_no_more_than_asked_for():
    hourly = parse_schedule("@hourly")
    found = due_times(hourly, utc(2026, 1, 1), utc(2026, 1, 2), 3)
    assert found == (utc(2026, 1, 1, 1), utc(2026, 1, 1, 2), utc(2026, 1, 1, 3))
    assert due_times(hourly, utc(2026, 1, 1), utc(2026, 1, 1), 3) == ()
    assert due_times(hourly, utc(2026, 1, 2), utc(2026, 1, 1), 3) == ()
    assert due_times(hourly, utc(2026, 1, 1), utc(2026, 1, 2), 0) == ()


def test_the_end_belongs_to_the_span_and_its_beginning_does_not():
    hourly = parse_schedule("@hourly")
    assert due_times(hourly, utc(2026, 1, 1, 1), utc(2026, 1, 1, 2), 9) == (utc(2026, 1, 1, 2),)


def test_steps_count_from_monday_midnight_or_from_the_start():
    assert next_due(parse_schedule("every 1w"), utc(2026, 11, 21)) == utc(2026, 11, 23)
    assert next_due(parse_schedule("every 6h"), utc(2026, 11, 21, 5)) == utc(2026, 11, 21, 6)
    begun = parse_schedule("every 90m", start=utc(2026, 1, 1, 0, 20))
    found = due_times(begun, utc(2020, 1, 1), utc(2026, 1, 1, 2), 9)
    assert found == (utc(2026, 1, 1, 0, 20), utc(2026, 1, 1, 1, 50))


def test_nothing_is_due_before_the_start_and_the_start_itself_may_be():
    schedule = parse_schedule("@daily", start=utc(2026, 3, 5))
    assert next_due(schedule, utc(2026, 1, 1)) == utc(2026, 3, 5)
    assert next_due(schedule, utc(2026, 3, 5)) == utc(2026, 3, 6)


def test_a_time_in_the_skipped_hour_is_due_once_right_after_it():
    assert local_due("30 2 * * *", "Europe/Berlin", utc(2026, 3, 28), utc(2026, 3, 31)) == [
        "28 02:30+0100",
        "29 03:00+0200",
        "30 02:30+0200",
    ]
    assert local_due("0,30 2,3 * * *", "Europe/Berlin", utc(2026, 3, 28, 12), utc(2026, 3, 29, 12)) == [
        "29 03:00+0200",
        "29 03:30+0200",
    ]
    assert local_due("*/15 2 * * *", "Europe/Berlin", utc(2026, 3, 28, 12), utc(2026, 3, 29, 12)) == [
        "29 03:00+0200"
    ]


def test_a_skipped_time_is_found_from_any_beginning_before_it():
    schedule = parse_schedule("30 2 * * *", "Europe/Berlin")
    end_of_gap = utc(2026, 3, 29, 1)
    assert next_due(schedule, end_of_gap - timedelta(microseconds=1)) == end_of_gap
    assert next_due(schedule, end_of_gap) == utc(2026, 3, 30, 0, 30)


def test_a_time_in_the_repeated_hour_is_due_once_in_the_first_pass():
    assert local_due("30 2 * * *", "Europe/Berlin", utc(2026, 10, 24, 12), utc(2026, 10, 25, 12)) == [
        "25 02:30+0200"
    ]
    between_the_passes = utc(2026, 10, 25, 0, 45)
    assert next_due(parse_schedule("30 2 * * *", "Europe/Berlin"), between_the_passes) == utc(
        2026, 10, 26, 1, 30
    )


def test_a_schedule_for_all_hours_follows_elapsed_time():
    for day, hours in ((utc(2026, 3, 28, 23), 23), (utc(2026, 10, 24, 22), 25)):
        found = due_times(
            parse_schedule("0,30 * * * *", "Europe/Berlin"), day, day + timedelta(hours=hours), 99
        )
        assert found == tuple(day + step * timedelta(minutes=30) for step in range(1, 2 * hours + 1))


def test_a_day_that_a_zone_skipped_has_its_due_time_right_after():
    apia = parse_schedule("0 6 * * *", "Pacific/Apia")
    found = due_times(apia, utc(2011, 12, 29), utc(2011, 12, 31), 9)
    assert found == (utc(2011, 12, 29, 16), utc(2011, 12, 30, 10), utc(2011, 12, 30, 16))


def test_of_two_day_fields_one_is_enough_unless_one_starts_with_a_star():
    either = due_times(parse_schedule("0 0 13 * 5"), utc(2026, 11, 1), utc(2026, 11, 21), 9)
    assert [moment.day for moment in either] == [6, 13, 20]
    both = due_times(parse_schedule("0 0 */2 * 5"), utc(2026, 11, 1), utc(2026, 11, 30), 9)
    assert [moment.day for moment in both] == [13, 27]


def test_last_days_and_nth_weekdays():
    assert next_due(parse_schedule("0 0 L * *"), utc(2028, 2, 1)) == utc(2028, 2, 29)
    assert next_due(parse_schedule("0 0 * * 1#2"), utc(2026, 11, 1)) == utc(2026, 11, 9)


def test_far_ends_of_time_are_no_traceback():
    far = datetime.max.replace(tzinfo=ZoneInfo("America/New_York"))
    assert due_times(parse_schedule("@yearly", "Europe/Berlin"), far, far, 5) == ()
    assert due_times(parse_schedule("every 1m"), far, far, 5) == ()
    assert (
        len(due_times(parse_schedule("@yearly", "Europe/Berlin"), datetime.min.replace(tzinfo=UTC), far, 5))
        == 5
    )


def test_times_without_a_zone_are_refused():
    with pytest.raises(InputError) as caught:
        next_due(parse_schedule("@daily"), datetime(2026, 1, 1))
    assert caught.value.slug == "bad-time"


def by_the_minute(minutes, hours, weekdays, zone, after, until):
    """What is due, by looking at every minute: the law of the module, written the slow way."""
    place = ZoneInfo(zone)

    def matches(wall):
        return wall.minute in minutes and wall.hour in hours and wall.isoweekday() % 7 in weekdays

    due = set()
    if len(hours) == 24:
        moment = after + MINUTE
        while moment <= until:
            if matches(moment.astimezone(place)):
                due.add(moment)
            moment += MINUTE
        return sorted(due)
    wall = (after - timedelta(days=1)).astimezone(place).replace(tzinfo=None)
    last = (until + timedelta(days=1)).astimezone(place).replace(tzinfo=None)
    while wall <= last:
        if matches(wall):
            real = wall
            while real.replace(tzinfo=place).astimezone(UTC).astimezone(place).replace(tzinfo=None) != real:
                real += MINUTE
            due.add(real.replace(tzinfo=place).astimezone(UTC))
        wall += MINUTE
    return sorted(moment for moment in due if after < moment <= until)


def some(values, most):
    return st.frozensets(st.sampled_from(values), min_size=1, max_size=most)


# Around the changes of 2026 in the zones above.
BEGINNINGS = (
    utc(2026, 3, 8),
    utc(2026, 3, 28, 12),
    utc(2026, 4, 4),
    utc(2026, 4, 23),
    utc(2026, 10, 3),
    utc(2026, 10, 24),
)


@given(
    minutes=some(range(60), 4),
    hours=st.one_of(some(range(24), 6), some(range(4), 4), st.just(frozenset(range(24)))),
    weekdays=st.one_of(st.just(frozenset(range(7))), some(range(7), 4)),
    zone=st.sampled_from(ZONES),
    begin=st.sampled_from(BEGINNINGS),
    shift=st.integers(0, 1440),
)
@example(frozenset({30}), frozenset({2}), frozenset(range(7)), "Europe/Berlin", utc(2026, 3, 28, 12), 0)
@example(frozenset({0, 30}), frozenset({0, 1}), frozenset({5}), "Africa/Cairo", utc(2026, 4, 23), 0)
@example(frozenset({0, 30}), frozenset(range(24)), frozenset({5}), "Africa/Cairo", utc(2026, 4, 23), 0)
def test_due_times_are_those_found_by_looking_at_every_minute(minutes, hours, weekdays, zone, begin, shift):
    if zone == "Australia/Lord_Howe" and len(hours) == 24:
        return
    after = begin + shift * MINUTE
    until = after + timedelta(days=2)
    fields = [",".join(map(str, sorted(values))) for values in (minutes, hours, weekdays)]
    schedule = parse_schedule(f"{fields[0]} {fields[1]} * * {fields[2]}", zone)
    expected = by_the_minute(minutes, hours, weekdays, zone, after, until)
    assert list(due_times(schedule, after, until, 10_000)) == expected


@given(
    text=st.sampled_from(
        ["30 2 * * *", "*/20 * * * *", "0 0 29 2 *", "15 1-3 * * 0", "every 7m", "every 1w"]
    ),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    after=st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)),
)
def test_asking_one_by_one_gives_the_same_as_asking_at_once(text, zone, after):
    schedule = parse_schedule(text, "UTC" if text == "every 1w" else zone)
    after = after.replace(tzinfo=UTC)
    at_once = due_times(schedule, after, after + timedelta(days=3000), 5)
    one_by_one, moment = [], after
    for _ in at_once:
        moment = next_due(schedule, moment)
        one_by_one.append(moment)
    assert tuple(one_by_one) == at_once
    assert all(earlier < later for earlier, later in pairwise(at_once))
