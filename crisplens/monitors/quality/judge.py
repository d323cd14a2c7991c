"""What in a window's data breaks its constraints, as a list of violations with reasons in plain words. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from crisplens.core.errors import InputError
from crisplens.core.names import nearest
from crisplens.core.text import count
from crisplens.monitors.features import source_of
from crisplens.monitors.model import Profile
from crisplens.monitors.quality.columns import Column, judge_column
from crisplens.monitors.quality.model import ColumnConstraint, Constraints, Rule, Violation, Volume
from crisplens.monitors.quality.violations import at_most, is_above, named, part_of, short, violation

# The chance that any share is told too high by the luck of the sample alone, all of a window's shares together.
ERROR = 0.01
MOST_PAIRS = 10_000
# Clocks differ: a value so little ahead is not from the future.
CLOCK_SLACK = timedelta(minutes=5)

Found = Iterator[Violation]


def judge(
    constraints: Constraints,
    window: Profile,
    *,
    reference_rows: int | None = None,
    now: datetime | None = None,
    newest: datetime | None = None,
    duplicates: int | None = None,
) -> tuple[Violation, ...]:
    """What `window` breaks: first its schema, then column by column, then volume, freshness and duplicates.

    A profile cannot tell everything: `reference_rows` is how many rows the reference has, `newest` the newest value
    of the freshness constraint's column and `now` the time it is compared with (both with a time zone), `duplicates`
    how many rows repeat an earlier one. What is demanded and cannot be decided is told as `Rule.NOT_CHECKED`.

    A share (of nulls, misfits, values outside the categories, NaN and infinities, duplicates) above the allowed one
    counts only when a sample of the allowed share would rarely have as many: by a one-sided exact binomial test at
    0.01, divided by the number of shares that are tested. A share of 0 allows none. Raises `InputError` for a time
    without a time zone and for a negative count.
    """
    _check_facts(reference_rows, now, newest, duplicates)
    profiles = {profile.name: profile for profile in window.columns}
    error = ERROR / max(1, _count_shares(constraints))
    found = [*_schema(constraints, window)]
    for constraint in constraints.columns:
        profile = profiles.get(constraint.column)
        if profile is not None:
            found += judge_column(Column(constraint, profile, constraints, error))
        elif constraint.column in window.other_columns and _demands_something(constraint):
            reason = f"{short(constraint.column)} was not checked: its values were not profiled."
            found.append(violation(constraints, Rule.NOT_CHECKED, reason, column=constraint.column))
    found += _judge_volume(constraints, window.rows, reference_rows)
    found += _judge_freshness(constraints, now, newest)
    found += _judge_duplicates(constraints, window.rows, duplicates, error)
    return tuple(found)


def _check_facts(
    reference_rows: int | None, now: datetime | None, newest: datetime | None, duplicates: int | None
) -> None:
    for what, moment in (("now", now), ("the newest value", newest)):
        if moment is not None and moment.utcoffset() is None:
            raise InputError(f"{what} is a time without a time zone", slug="bad-time", hint="Give it in UTC.")
    for what, number in (("reference rows", reference_rows), ("duplicates", duplicates)):
        if number is not None and number < 0:
            raise InputError(
                f"the number of {what} is {number}", slug="not-a-number", hint="Give a number of 0 or more."
            )


def _count_shares(constraints: Constraints) -> int:
    shares = [constraints.duplicates.most if constraints.duplicates else None]
    for column in constraints.columns:
        shares += [column.most_nulls, column.most_not_finite, column.most_misfits]
        shares += [column.most_outside if column.categories is not None else None]
    return sum(share is not None and 0 < share < 1 for share in shares)


def _demands_something(constraint: ColumnConstraint) -> bool:
    return constraint != ColumnConstraint(column=constraint.column, required=constraint.required)


def _schema(constraints: Constraints, window: Profile) -> Found:
    own = (profile.name for profile in window.columns if not source_of(profile))
    present = dict.fromkeys([*own, *window.other_columns])
    known = {constraint.column for constraint in constraints.columns}
    extra = [name for name in present if name not in known]
    missing = [
        constraint.column
        for constraint in constraints.columns
        if constraint.required and constraint.column not in present
    ]
    renamed = _renamed(missing, extra)
    new_names = set(renamed.values())
    for name in missing:
        if name in renamed:
            new = renamed[name]
            reason = f"{short(name)} is missing; it may be {short(new)} now, which is not known by that name."
            yield violation(constraints, Rule.RENAMED_COLUMN, reason, new, name, column=name)
        else:
            yield violation(constraints, Rule.MISSING_COLUMN, f"{short(name)} is missing.", column=name)
    if not constraints.extra_columns:
        for name in extra:
            if name not in new_names:
                reason = f"{short(name)} is no column of the constraints."
                yield violation(constraints, Rule.EXTRA_COLUMN, reason, column=name)


def _renamed(missing: Sequence[str], extra: Sequence[str]) -> dict[str, str]:
    """Missing columns, and the unknown ones that each is nearest to and that are nearest to it."""
    pairs: dict[str, str] = {}
    # Another table altogether has no renamed columns, and comparing all names takes long.
    if len(missing) * len(extra) > MOST_PAIRS:
        return pairs
    for name in missing:
        close = nearest(name, extra, most=1)
        if close and nearest(close[0], missing, most=1) == [name]:
            pairs[name] = close[0]
    return pairs


def _judge_volume(constraints: Constraints, rows: int, reference_rows: int | None) -> Found:
    volume = constraints.volume
    if volume is None:
        return
    if reference_rows is None and (
        volume.least_of_reference is not None or volume.most_of_reference is not None
    ):
        reason = "The number of rows was not compared with the reference's, which was not given."
        yield violation(constraints, Rule.NOT_CHECKED, reason)
    least, most = _row_bounds(volume, reference_rows)
    if least is not None and rows < least:
        reason = f"The window has {count(rows, 'row')}; at least {least:,} are expected."
        yield violation(constraints, Rule.TOO_FEW_ROWS, reason, rows, least)
    if most is not None and rows > most:
        reason = f"The window has {count(rows, 'row')}; at most {most:,} are expected."
        yield violation(constraints, Rule.TOO_MANY_ROWS, reason, rows, most)


def _row_bounds(volume: Volume, reference_rows: int | None) -> tuple[int | None, int | None]:
    """The stricter of the counts and of the multiples of the reference's rows."""
    least = [] if volume.least is None else [volume.least]
    most = [] if volume.most is None else [volume.most]
    if reference_rows is not None and volume.least_of_reference is not None:
        least.append(math.ceil(volume.least_of_reference * reference_rows))
    if reference_rows is not None and volume.most_of_reference is not None:
        most.append(math.floor(volume.most_of_reference * reference_rows))
    return max(least, default=None), min(most, default=None)


def _judge_freshness(constraints: Constraints, now: datetime | None, newest: datetime | None) -> Found:
    freshness = constraints.freshness
    if freshness is None:
        return
    name, column = short(freshness.column), freshness.column
    if now is None or newest is None:
        lacking = "the newest value" if newest is None else "the time to compare it with"
        reason = f"The age of {name} was not checked: {lacking} is not known."
        yield violation(constraints, Rule.NOT_CHECKED, reason, column=column)
        return
    age = now - newest
    hours = round(age / timedelta(hours=1), 3)
    if hours > freshness.most_hours:
        most = _hours(freshness.most_hours)
        reason = f"The newest value of {name} is {_hours(hours)} old; at most {most} are allowed."
        yield violation(constraints, Rule.STALE, reason, hours, freshness.most_hours, column=column)
    elif age < -CLOCK_SLACK:
        reason = f"The newest value of {name} is {_hours(-hours)} in the future; its time zone may be wrong."
        yield violation(constraints, Rule.IN_FUTURE, reason, hours, 0.0, column=column)


def _judge_duplicates(constraints: Constraints, rows: int, duplicates: int | None, error: float) -> Found:
    wanted = constraints.duplicates
    if wanted is None:
        return
    key = f" in {named(wanted.columns)}" if wanted.columns else ""
    if duplicates is None:
        reason = f"Duplicate rows were not checked: the number of rows that repeat an earlier one{key} is not known."
        yield violation(constraints, Rule.NOT_CHECKED, reason)
    elif rows and is_above(duplicates, rows, wanted.most, error):
        share = duplicates / rows
        reason = f"{part_of(duplicates, rows, 'rows')} repeat an earlier one{key}; {at_most(wanted.most)}."
        yield violation(constraints, Rule.DUPLICATES, reason, share, wanted.most)


def _hours(hours: float) -> str:
    number, unit = (hours, "hour") if hours < 72 else (hours / 24, "day")
    return f"{number:,.4g} {unit}{'' if number == 1 else 's'}"
