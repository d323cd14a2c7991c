"""What every target starts from: a schedule as cron lines in a zone, and what a target cannot say. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from crisplens.core.errors import InputError
from crisplens.monitors.schedules.cron import CronFields, at_times, read_fields, to_plain
from crisplens.monitors.schedules.model import ANCHOR, Schedule, schedule_text
from crisplens.monitors.schedules.times import duration_text, parse_duration

_DAY = 24 * 60
_WEEK = 7 * _DAY


class Job(NamedTuple):
    """What is exported: the monitor's name and the command as a list of words, both checked."""

    name: str
    command: tuple[str, ...]
    schedule: Schedule
    now: datetime | None
    image: str

    @property
    def title(self) -> str:
        """What the file is for, in one line without control characters."""
        return f"crisplens monitor {self.name}: {schedule_text(self.schedule)}, {self.schedule.zone}"


class Plan(NamedTuple):
    """The moments of a schedule: all those of each of `lines`, read in `zone`."""

    lines: tuple[CronFields, ...]
    zone: str

    def crons(self) -> list[str]:
        """Each line as the plainest cron expression."""
        return [to_plain(line) for line in self.lines]


def refused(message: str, hint: str) -> InputError:
    """The error for what a target cannot say; the hint gives the nearest that it can."""
    return InputError(message, slug="cannot-export", hint=hint)


def check_start(job: Job, target: str) -> None:
    """Refuse a start that is not past at `job.now`: this target begins when it is installed."""
    start = job.schedule.start
    if start is not None and (job.now is None or start > job.now):
        raise refused(
            f"{target} cannot say that a schedule begins at {start.isoformat()}",
            "Export and install it once that time has come, or leave the start out; airflow can say it.",
        )


def plan_for(job: Job, target: str, *, most_lines: int, shortest: int = 1) -> Plan:
    """The schedule as at most `most_lines` cron lines whose moments are at least `shortest` minutes apart.

    Raises `InputError` with the nearest schedule that can be said.
    """
    plan = _plan(job.schedule, target, lambda minutes: _can_say(minutes, most_lines, shortest))
    if len(plan.lines) > most_lines:
        raise _refuse_every(job.schedule, target, lambda minutes: _can_say(minutes, most_lines, shortest))
    if any(_least_gap(line) < shortest for line in plan.lines):
        raise refused(
            f"{target} runs nothing more often than every {shortest} minutes",
            f"Nearest: 'every {shortest}m' or '*/{shortest} * * * *'.",
        )
    return plan


def refuse_mixed_days(plan: Plan, target: str) -> None:
    """Refuse a line whose two day fields are both restricted and must both match.

    Crons differ there: Debian's and cronie take `*/2` as a day that must match too, others as one that may.
    """
    for line in plan.lines:
        if line.both_days and len(line.days or ()) < 31 and len(line.weekdays or ()) < 7:
            raise refused(
                f"{target} does not read day of the month {line.texts[3]} and day of the week {line.texts[4]} "
                "together as crisplens does",
                f"Nearest: '{' '.join((*line.texts[:4], '*'))}' or "
                f"'{' '.join((*line.texts[:2], '*', line.texts[3], line.texts[4]))}'; systemd can say it.",
            )


def _plan(schedule: Schedule, target: str, can_say: Callable[[int], bool]) -> Plan:
    if schedule.cron is not None:
        line = read_fields(schedule.cron)
        if line.days is None or line.weekdays is None:
            raise refused(
                f"{target} does not know L, LW, 1#2 or 5L in '{schedule.cron}'",
                f"Nearest: '{' '.join(_without_letters(line))}'.",
            )
        return Plan((line,), schedule.zone)
    minutes = _minutes(schedule)
    begins = (schedule.start or ANCHOR).astimezone(UTC)
    if begins.second or begins.microsecond:
        raise refused(f"{target} counts whole minutes", "Give the schedule a start on a full minute.")
    phase = begins.hour * 60 + begins.minute
    if minutes == _WEEK:
        return Plan((at_times((begins.minute,), (begins.hour,), (begins.isoweekday() % 7,)),), "UTC")
    if _DAY % minutes:
        raise _refuse_every(schedule, target, can_say)
    return Plan(_day_lines({(phase + step) % _DAY for step in range(0, _DAY, minutes)}), "UTC")


def _without_letters(line: CronFields) -> tuple[str, ...]:
    days = line.texts[2] if line.days is not None else "28"
    weekdays = re.sub(r"#[1-5]|L", "", line.texts[4])
    return (*line.texts[:2], days, line.texts[3], weekdays)


def _day_lines(times: set[int]) -> tuple[CronFields, ...]:
    """The fewest lines for these minutes of a day: minutes that come in the same hours share one."""
    hours_of: dict[int, list[int]] = {}
    for time in sorted(times):
        hours_of.setdefault(time % 60, []).append(time // 60)
    minutes_of: dict[tuple[int, ...], list[int]] = {}
    for minute, hours in sorted(hours_of.items()):
        minutes_of.setdefault(tuple(hours), []).append(minute)
    return tuple(at_times(tuple(minutes), hours) for hours, minutes in minutes_of.items())


def _minutes(schedule: Schedule) -> int:
    return int(parse_duration(schedule.every or "").total_seconds()) // 60


def _can_say(minutes: int, most_lines: int, shortest: int) -> bool:
    if minutes == _WEEK:
        return True
    if minutes < shortest or _DAY % minutes:
        return False
    return len(_day_lines(set(range(0, _DAY, minutes)))) <= most_lines


def _refuse_every(schedule: Schedule, target: str, can_say: Callable[[int], bool]) -> InputError:
    minutes = _minutes(schedule)
    sayable = [step for step in (*range(1, _DAY + 1), _WEEK) if can_say(step)]
    below = [step for step in sayable if step < minutes][-1:]
    above = [step for step in sayable if step > minutes][:1]
    near = " or ".join(f"'every {_text(step)}'" for step in below + above)
    return refused(
        f"{target} cannot say 'every {schedule.every}': its steps begin anew each day",
        f"Nearest: {near}.",
    )


def _text(minutes: int) -> str:
    return duration_text(timedelta(minutes=minutes))


def _least_gap(line: CronFields) -> int:
    """The least number of minutes between two moments of a line on one day."""
    times = [hour * 60 + minute for hour in line.hours for minute in line.minutes]
    return min((later - earlier for earlier, later in pairwise(times)), default=_DAY)
