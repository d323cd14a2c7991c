"""Which windows of a monitor are to be checked now: each once, in order, and those that were missed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from crisplens.core.clock import parse_time
from crisplens.core.errors import InputError
from crisplens.ledger.service import MOST_BEHIND
from crisplens.monitors.engines.interface import Rows, RowSlice, TimeSlice
from crisplens.monitors.queries import Monitor
from crisplens.monitors.schedules.model import due_times, next_due
from crisplens.monitors.schedules.windows import (
    FileRule,
    RowsRule,
    TimeRule,
    due_row_windows,
    due_windows,
)
from crisplens.registry.data.files import Table, each_file

# One run catches up at most so many windows of a monitor, unless told otherwise; the next goes on from there.
MOST_WINDOWS = 50


class Due(msgspec.Struct, frozen=True):
    """The windows to check now, the oldest first, and how many more wait for the next run."""

    rows: tuple[Rows, ...]
    waiting: int = 0


def due_moment(monitor: Monitor, last_check: str | None, now: datetime) -> datetime | None:
    """When the check was due that is to be made now; None when there is none, or the monitor has no schedule.

    `last_check` is when the monitor was last checked (RFC 3339). Several moments that were missed are one.
    """
    if monitor.schedule is None or monitor.retired_at is not None:
        return None
    if last_check is None and is_to_come(monitor.recorded_at, now):
        return now
    after = parse_time(last_check or monitor.recorded_at)
    return next(iter(due_times(monitor.schedule, after, now, 1)), None)


def is_to_come(recorded_at: str, now: datetime) -> bool:
    """Whether something bears a time (RFC 3339) that only a clock can have given that was corrected since."""
    return parse_time(recorded_at) - now > MOST_BEHIND


def next_moment(monitor: Monitor, now: datetime) -> datetime | None:
    """When the monitor's next check is due after now; None without a schedule."""
    if monitor.schedule is None or monitor.retired_at is not None:
        return None
    return next_due(monitor.schedule, now)


def due_rows(
    monitor: Monitor,
    table: Table,
    checked: Sequence[str],
    now: datetime,
    *,
    most: int = MOST_WINDOWS,
    remote: Any = None,
) -> Due:
    """The windows of a monitor's current data, `table`, that are to be checked, by its rule.

    `checked` are the keys of those that were; `remote` is the table itself where it stays in its database. All current
    data is one window, and due whenever it is asked for.

    Raises `InputError` when the data cannot be read.
    """
    rule = monitor.windows
    if remote is not None and isinstance(rule, FileRule | RowsRule):
        raise InputError(
            "a table of a database has no files, and its rows no order",
            slug="bad-window",
            hint="Use windows of time, or whole ones.",
        )
    if isinstance(rule, FileRule):
        return _due_files(table, checked, most)
    if isinstance(rule, TimeRule):
        return _due_times(monitor, rule, table, checked, now, most, remote)
    if isinstance(rule, RowsRule):
        return _due_numbers(rule, table, checked, most)
    return Due((Rows(table, remote=remote),))


def _due_files(table: Table, checked: Sequence[str], most: int) -> Due:
    known = set(checked)
    new = [Rows(one, name=name) for name, one in each_file(table) if name not in known]
    return Due(tuple(new[:most]), max(len(new) - most, 0))


def _due_times(
    monitor: Monitor,
    rule: TimeRule,
    table: Table,
    checked: Sequence[str],
    now: datetime,
    most: int,
    remote: Any,
) -> Due:
    from crisplens.monitors.engines.extents import first_time

    until = max((parse_time(key.rpartition("/")[2]) for key in checked if _is_time(key)), default=None)
    earliest = until or first_time(table, monitor.time_column, rule.zone, remote=remote)
    if earliest is None:
        return Due(())
    found = due_windows(rule, until, now, earliest, most)
    slices = (TimeSlice(monitor.time_column, one.start, one.end, rule.zone) for one in found.windows)
    return Due(tuple(Rows(table, one, remote=remote) for one in slices), found.waiting)


def _due_numbers(rule: RowsRule, table: Table, checked: Sequence[str], most: int) -> Due:
    from crisplens.monitors.engines.extents import count_rows

    done = max((int(key.rpartition("-")[2]) for key in checked if key.startswith("rows-")), default=0)
    found = due_row_windows(rule, done, count_rows(table), most)
    return Due(
        tuple(Rows(table, RowSlice(one.start, one.end), one.key) for one in found.windows), found.waiting
    )


def _is_time(key: str) -> bool:
    return key[:4].isdigit() and "/" in key
