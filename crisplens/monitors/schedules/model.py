"""Schedules: when a monitor's check is due. Pure; encodes to JSON.

How daylight saving is handled, for cron expressions in a zone that has it:

- A schedule for all 24 hours (such as `*/15 * * * *`) follows elapsed time: nothing falls out when clocks
  go forward, and both passes of the repeated hour count. (Where a zone shifts by half an hour, as Lord Howe
  Island, one moment an hour, such as `45 * * * *`, can be missed once in the shift.)
- Any other schedule follows the clock on the wall, each local time once: a time in the skipped hour is due
  at the first moment after it, a time in the repeated hour in the first pass. Several skipped times, and a
  time that is due at that moment anyway, make one due time.

`every` counts elapsed time and knows no daylight saving.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING

import msgspec

from crisplens.core.errors import InputError
from crisplens.monitors.schedules.cron import check_cron, to_wall_clock
from crisplens.monitors.schedules.times import duration_text, get_zone, is_utc, parse_duration, within

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

# A Monday, so that `every 1w` is due on Mondays and shorter steps on full days and hours, all in UTC.
ANCHOR = datetime(1970, 1, 5, tzinfo=UTC)
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
# Cron counts whole minutes, and no datetime lies beyond; both ends leave room for any zone's offset.
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9900, 1, 1, tzinfo=UTC)


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a check is due: exactly one of `cron` (five fields) and `every` (a duration such as `6h`).

    `zone` is the IANA name in which `cron` is read. Nothing is due before `start`. `every` counts from
    `start`, and without one from Monday 5 January 1970, 00:00 UTC. Make one with `parse_schedule`.
    """

    cron: str | None = None
    every: str | None = None
    zone: str = "UTC"
    start: datetime | None = None

    def __post_init__(self) -> None:
        if (self.cron is None) == (self.every is None):
            raise InputError(
                "a schedule has either a cron expression or a step",
                slug="bad-schedule",
                hint="Write a cron expression such as '0 6 * * *', or 'every 6h'.",
            )


def parse_schedule(text: str, zone: str = "UTC", *, start: datetime | None = None) -> Schedule:
    """Read a cron expression (five fields, or `@daily` and its like) or a step such as `every 6h`.

    The fields are those of cronsim: numbers, names, ranges, steps and lists, `L` and `LW` as the day of the
    month, `1#2` and `5L` as the day of the week. A step is at least a minute, in whole minutes. `start`
    without an offset is local time in `zone`. Raises `InputError` that names what is wrong and what is
    accepted.
    """
    place = get_zone(zone)
    begins = None if start is None else _in_range(start if start.tzinfo else start.replace(tzinfo=place))
    word, _, step = text.strip().partition(" ")
    if word.lower() != "every":
        return Schedule(cron=check_cron(text), zone=zone, start=begins)
    every = parse_duration(step)
    if every < _MINUTE or every % _MINUTE:
        raise InputError(
            f"a check cannot be due every {step.strip()}",
            slug="bad-schedule",
            hint="The shortest step is 1m, and steps are whole minutes.",
        )
    if not every % _DAY and not is_utc(zone) and start is None:
        raise InputError(
            f"every {step.strip()} counts days of 24 hours from midnight in UTC, not from midnight in {zone}",
            slug="bad-schedule",
            hint="For a local time write a cron expression such as '0 0 * * *', or leave the zone out.",
        )
    return Schedule(every=duration_text(every), zone=zone, start=begins)


def schedule_text(schedule: Schedule) -> str:
    """The text that `parse_schedule` reads as `schedule`, without its zone and start."""
    return schedule.cron if schedule.cron is not None else f"every {schedule.every}"


def due_times(schedule: Schedule, after: datetime, until: datetime, most: int) -> tuple[datetime, ...]:
    """The due moments in (after, until], in UTC, the oldest first and at most `most` of them.

    Both ends are time-zone aware. See the module for daylight saving.
    """
    end = _in_range(until)
    return tuple(
        islice(takewhile(lambda moment: moment <= end, _moments(schedule, _in_range(after))), max(most, 0))
    )


def next_due(schedule: Schedule, after: datetime) -> datetime | None:
    """The first due moment after `after`, in UTC; None when none comes within 50 years."""
    return next(_moments(schedule, _in_range(after)), None)


def _moments(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """All due moments later than `after`, in order, without end for most schedules."""
    if schedule.start is not None:
        # The start itself may be due.
        after = max(after, _in_range(schedule.start) - timedelta(microseconds=1))
    if schedule.every is not None:
        return _steps(parse_duration(schedule.every), schedule.start or ANCHOR, after)
    return _cron_moments(schedule.cron or "", get_zone(schedule.zone), after)


def _steps(every: timedelta, anchor: datetime, after: datetime) -> Iterator[datetime]:
    moment = anchor + ((after - anchor) // every + 1) * every
    while moment <= _LAST:
        yield moment.astimezone(UTC)
        moment += every


def _cron_moments(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    from cronsim import CronSim

    last = after
    # cronsim takes a start in a repeated hour for its first pass, so its first moments may be earlier.
    for moment in CronSim(to_wall_clock(cron), after.astimezone(UTC if is_utc(zone.key) else zone)):
        found = moment.astimezone(UTC)
        if found > _LAST:
            return
        if found > last:
            yield found
            last = found


def _in_range(moment: datetime) -> datetime:
    return within(moment, _FIRST, _LAST)
