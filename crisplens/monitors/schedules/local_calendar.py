"""Where the hours, days, weeks, months, quarters and years of a time zone begin. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_HOUR = timedelta(hours=1)
_SECOND = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unit(StrEnum):
    """A stretch of the calendar in a time zone; weeks begin on Monday (ISO 8601)."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


def unit_index(unit: Unit, zone: ZoneInfo, instant: datetime) -> int:
    """The number of the stretch of the calendar that holds `instant`."""
    if unit is Unit.HOUR:
        return (instant - _EPOCH) // _HOUR
    day = instant.astimezone(zone).date()
    if unit is Unit.DAY:
        return day.toordinal()
    if unit is Unit.WEEK:
        return (day.toordinal() - 1) // 7
    if unit is Unit.YEAR:
        return day.year
    month = day.year * 12 + day.month - 1
    return month if unit is Unit.MONTH else month // 3


def unit_start(unit: Unit, zone: ZoneInfo, index: int) -> datetime:
    """The first instant, in UTC, of the stretch of the calendar with that number."""
    if unit is Unit.HOUR:
        return _hour_start(zone, index)
    if unit is Unit.DAY:
        return _day_start(date.fromordinal(index), zone)
    if unit is Unit.WEEK:
        return _day_start(date.fromordinal(index * 7 + 1), zone)
    if unit is Unit.YEAR:
        return _day_start(date(index, 1, 1), zone)
    month = index if unit is Unit.MONTH else index * 3
    return _day_start(date(month // 12, month % 12 + 1, 1), zone)


def _hour_start(zone: ZoneInfo, index: int) -> datetime:
    """The full hour on the zone's clock within UTC hour `index` since 1970.

    So an hour lasts 60 minutes, also when it is repeated, save where a zone shifts by a part of an hour
    (Lord Howe Island): the hour of the shift is then shorter or longer.
    """
    hour = _EPOCH + index * _HOUR
    offset = hour.astimezone(zone).utcoffset() or timedelta()
    return hour + -offset % _HOUR


def _day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first instant, in UTC, whose local date is `day` or later."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    start = midnight.astimezone(UTC)
    if start.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return start
    # Midnight is skipped: the day begins when the clock jumps over it, between the two readings of midnight.
    before, after = midnight.replace(fold=1).astimezone(UTC) - _SECOND, start
    while after - before > _SECOND:
        middle = before + (after - before) // (2 * _SECOND) * _SECOND
        before, after = (middle, after) if middle.astimezone(zone).date() < day else (before, middle)
    return after
