"""The cron language: what an expression means, and the plainest expression that means the same. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from crisplens.core.errors import InputError

if TYPE_CHECKING:
    from cronsim import CronSim

SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_LONGEST = 500


class _Field(NamedTuple):
    name: str
    range: range
    accepted: str


_FIELDS = (
    _Field("minute", range(60), "0 to 59"),
    _Field("hour", range(24), "0 to 23"),
    _Field("day of the month", range(1, 32), "1 to 31, L for the last day, LW for the last weekday"),
    _Field("month", range(1, 13), "1 to 12 or JAN to DEC"),
    _Field(
        "day of the week",
        range(7),
        "0 to 7 or SUN to SAT (0 and 7 are Sunday), 1#2 for the second Monday, 5L for the last Friday",
    ),
)
_SYNTAX = "as *, 5, 1-5, */2, 1-9/2 or lists of these with commas"


class CronFields(NamedTuple):
    """What each field of an expression stands for, in order; Sunday is 0.

    A day field is None when it says `L`, `LW`, `1#2` or `5L`, which depend on the month. `both_days` says
    that day of the month and day of the week must both match (one of them starts with `*`), as in the
    cron of Debian; otherwise one is enough.
    """

    texts: tuple[str, str, str, str, str]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...] | None
    months: tuple[int, ...]
    weekdays: tuple[int, ...] | None
    both_days: bool


def check_cron(text: str) -> str:
    """The five fields of a cron expression or of a shorthand such as `@daily`, upper case, one space between.

    Raises `InputError` that names the field that is wrong and what it takes.
    """
    if text.strip().startswith("@"):
        try:
            return SHORTHANDS[text.strip().lower()]
        except KeyError:
            raise InputError(
                f"{text.strip()!r} is no shorthand for a schedule",
                slug="bad-schedule",
                hint=f"Known: {', '.join(SHORTHANDS)}.",
            ) from None
    fields = text.upper().split()
    if len(fields) != len(_FIELDS) or not text.isascii() or len(text) > _LONGEST:
        raise InputError(
            f"{text[:60]!r} is not a cron expression: it has {len(fields)} fields"
            if len(fields) != len(_FIELDS)
            else f"{text[:60]!r} is not a cron expression",
            slug="bad-schedule",
            hint="Write five fields, minute, hour, day of the month, month and day of the week, such as "
            "'0 6 * * 1-5', or @daily, or a step such as 'every 6h'.",
        )
    for position, field in enumerate(_FIELDS):
        alone = ["*"] * len(_FIELDS)
        alone[position] = fields[position]
        if not _is_read(alone):
            raise InputError(
                f"the field {field.name} of {text!r} cannot be {fields[position]!r}",
                slug="bad-schedule",
                hint=f"It takes {field.accepted}, {_SYNTAX}.",
            )
    if not _is_read(fields):
        raise InputError(
            f"{text!r} is never due: no such day comes in those months",
            slug="bad-schedule",
            hint="Choose a day that the month has, or L for its last one.",
        )
    return " ".join(fields)


def _is_read(fields: list[str]) -> bool:
    from cronsim import CronSimError

    try:
        _read(" ".join(fields))
    except CronSimError:
        return False
    return True


def _read(cron: str) -> CronSim:
    from cronsim import CronSim

    return CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC))


def read_fields(cron: str) -> CronFields:
    """What the five fields of a checked expression (`check_cron`) stand for."""
    read = _read(cron)
    texts = cron.split()
    return CronFields(
        texts=(texts[0], texts[1], texts[2], texts[3], texts[4]),
        minutes=tuple(sorted(read.minutes)),
        hours=tuple(sorted(read.hours)),
        days=tuple(sorted(read.days)) if min(read.days) > 0 else None,
        months=tuple(sorted(read.months)),
        weekdays=_numbers(read.weekdays),
        both_days=read.day_and,
    )


def _numbers(weekdays: set[int | tuple[int, int]]) -> tuple[int, ...] | None:
    """The weekdays as numbers with Sunday as 0, or None where one of them is the nth of a month."""
    numbers = {day % 7 for day in weekdays if isinstance(day, int)}
    return tuple(sorted(numbers)) if all(isinstance(day, int) for day in weekdays) else None


def to_wall_clock(cron: str) -> str:
    """The same times in the form that makes cronsim treat daylight saving as `due_times` promises.

    cronsim follows elapsed time where minute or hour starts with `*`, and the wall clock elsewhere. So the
    hour is `*` where it takes all 24, and minute and hour are plain lists where it does not.
    """
    fields = read_fields(cron)
    if len(fields.hours) == len(_FIELDS[1].range):
        return " ".join((fields.texts[0], "*", *fields.texts[2:]))
    return " ".join((_list(fields.minutes), _list(fields.hours), *fields.texts[2:]))


def at_times(minutes: tuple[int, ...], hours: tuple[int, ...], weekdays: tuple[int, ...] = ()) -> CronFields:
    """The fields that mean these minutes of these hours, in order, on these days of the week or on all."""
    return CronFields(
        texts=("*", "*", "*", "*", "*" if not weekdays else ""),
        minutes=minutes,
        hours=hours,
        days=tuple(_FIELDS[2].range),
        months=tuple(_FIELDS[3].range),
        weekdays=weekdays or tuple(_FIELDS[4].range),
        both_days=True,
    )


def to_plain(fields: CronFields) -> str:
    """The expression that every cron reads alike: `*`, `*/n`, numbers, ranges and lists; Sunday is 0.

    The day fields must be numbers (not None).
    """
    sets = (fields.minutes, fields.hours, fields.days, fields.months, fields.weekdays)
    return " ".join(
        _plain_field(text, values, field)
        for text, values, field in zip(fields.texts, sets, _FIELDS, strict=True)
        if values is not None
    )


def _plain_field(text: str, values: tuple[int, ...], field: _Field) -> str:
    if text.startswith("*"):
        if len(values) == len(field.range):
            return "*"
        start, end, step = field.range.start, field.range.stop, values[1] - values[0] if values[1:] else 0
        if step and values == tuple(range(start, end, step)):
            return f"*/{step}"
    return _list(values)


def _list(values: tuple[int, ...]) -> str:
    """Numbers with commas, three or more that follow each other as a range: `1-5,7`."""
    parts: list[str] = []
    at = 0
    while at < len(values):
        end = at
        while end + 1 < len(values) and values[end + 1] == values[end] + 1:
            end += 1
        if end - at >= 2:
            parts.append(f"{values[at]}-{values[end]}")
        else:
            parts += [str(value) for value in values[at : end + 1]]
        at = end + 1
    return ",".join(parts)
