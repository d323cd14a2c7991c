"""Durations, time zones and instants, checked as they come in. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from crisplens.core.errors import InputError
from crisplens.core.names import unknown_name

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)
# Directories and files of a tz database that name no place.
_NO_ZONES = ("posix/", "right/", "localtime", "posixrules", "Factory")
_UTC = frozenset({"UTC", "Etc/UTC", "UCT", "Etc/UCT", "Universal", "Etc/Universal", "Zulu", "Etc/Zulu"})
LONGEST = timedelta(days=36_600)


def parse_duration(text: str, *, slug: str = "bad-schedule") -> timedelta:
    """Read a duration such as `45s`, `15m`, `6h`, `1d` or `1w`: elapsed time, a day being 24 hours.

    Raises `InputError` when it is written otherwise or lasts more than 100 years.
    """
    match = _DURATION.fullmatch(text.strip())
    if match:
        seconds = int(match[1]) * _SECONDS[match[2]]
        if seconds <= LONGEST.total_seconds():
            return timedelta(seconds=seconds)
    raise InputError(
        f"{text!r} is not a duration",
        slug=slug,
        hint="Write a whole number and one unit, s, m, h, d or w, such as 15m, 6h, 1d or 1w; at most 100 years.",
    )


def duration_text(duration: timedelta) -> str:
    """`duration` (whole seconds) in the largest unit that says it without a fraction: `90m`, `1d`."""
    seconds = int(duration.total_seconds())
    unit = next(unit for unit, size in reversed(_SECONDS.items()) if seconds % size == 0) if seconds else "s"
    return f"{seconds // _SECONDS[unit]}{unit}"


def is_utc(zone: str) -> bool:
    """Whether an IANA name stands for UTC itself."""
    return zone in _UTC


def get_zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name such as `Europe/Berlin`. Raises `InputError` for any other name."""
    # Finding the system's database takes as long as thirty modules of ours.
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

    try:
        if not name.startswith(_NO_ZONES):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise unknown_name("time zone", name, available_timezones())


def within(moment: datetime, first: datetime, last: datetime) -> datetime:
    """`moment` in UTC, or the end of `first` to `last` that it lies beyond.

    Raises `InputError` when it has no time zone.
    """
    if moment.tzinfo is None:
        raise InputError(
            f"{moment.isoformat()} has no time zone",
            slug="bad-time",
            hint="Give a time with its offset, such as 2026-03-01T12:30:00+01:00.",
        )
    try:
        return min(max(moment.astimezone(UTC), first), last)
    except OverflowError:
        return first if moment.year < 2000 else last
