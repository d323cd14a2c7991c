"""Windows of current data: which there are, which are due, and what comes too late for them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec

from crisplens.core.errors import InputError
from crisplens.monitors.schedules.local_calendar import Unit as Unit
from crisplens.monitors.schedules.local_calendar import unit_index, unit_start
from crisplens.monitors.schedules.model import ANCHOR
from crisplens.monitors.schedules.times import duration_text, get_zone, parse_duration, within

# Windows lie between these, so that any zone's offset and any length stay within what a datetime holds.
_FIRST, _LAST = datetime(1800, 1, 1, tzinfo=UTC), datetime(9700, 1, 1, tzinfo=UTC)

# How many steps of the second unit make the first: the pairs in which a calendar window may slide.
_STEPS = {
    (Unit.WEEK, Unit.DAY): 7,
    (Unit.QUARTER, Unit.MONTH): 3,
    (Unit.YEAR, Unit.MONTH): 12,
    (Unit.YEAR, Unit.QUARTER): 4,
}


class WholeRule(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="whole"):
    """Each check reads all current data."""


class FileRule(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="file"):
    """Each new file is a window."""


class RowsRule(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="rows"):
    """Every `rows` rows, in the order in which they arrive, are a window."""

    rows: int


class TimeRule(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="time"):
    """Windows over a timestamp column: `length` long, one beginning every `every`.

    `length` and `every` are both durations (elapsed time, counted from Monday 5 January 1970, 00:00 UTC) or
    both calendar units in `zone`. Where they are equal each instant lies in exactly one window; where
    `every` is shorter the windows overlap. A window is closed `lateness` after its end: until then its
    rows may still arrive. Make one with `parse_window_rule`.
    """

    length: str
    every: str
    zone: str = "UTC"
    lateness: str = "0s"


WindowRule = WholeRule | FileRule | RowsRule | TimeRule


class TimeWindow(msgspec.Struct, frozen=True, kw_only=True):
    """The instants from `start` up to but not including `end`, both in UTC."""

    start: datetime
    end: datetime

    @property
    def key(self) -> str:
        """The window's name: an ISO 8601 interval; names sort in time order."""
        return f"{_instant_text(self.start)}/{_instant_text(self.end)}"


class RowWindow(msgspec.Struct, frozen=True, kw_only=True):
    """The rows from number `start` up to but not including `end`, counted from 0."""

    start: int
    end: int

    @property
    def key(self) -> str:
        """The window's name; names sort in the order of rows."""
        return f"rows-{self.start:015d}-{self.end:015d}"


class DueWindows(msgspec.Struct, frozen=True, kw_only=True):
    """The closed windows to check now, the oldest first, and how many more of them `waiting` are left over."""

    windows: tuple[TimeWindow, ...]
    waiting: int


class DueRowWindows(msgspec.Struct, frozen=True, kw_only=True):
    """The full windows of rows to check now, and how many more of them `waiting` are left over."""

    windows: tuple[RowWindow, ...]
    waiting: int


def parse_window_rule(
    text: str, *, every: str | None = None, zone: str = "UTC", lateness: str = "0s"
) -> WindowRule:
    """Read `whole`, `file`, `5000 rows`, a duration such as `1d`, or `hour|day|week|month|quarter|year`.

    The last two take `every` (the step; without it the length) and `lateness` (a duration); only a calendar
    unit takes a zone. Raises `InputError` that says what is wrong and what is accepted.
    """
    word = text.strip().lower()
    rows = re.fullmatch(r"([0-9]{1,15}) rows?", word, re.ASCII)
    if rows or word in ("whole", "file"):
        if every is not None or zone != "UTC" or lateness != "0s":
            raise _bad(
                f"windows of kind {word!r} have no step, zone or lateness", "Those belong to windows of time."
            )
        if not rows:
            return WholeRule() if word == "whole" else FileRule()
        if int(rows[1]) < 1:
            raise _bad("a window has at least one row", "Write a number of rows such as '5000 rows'.")
        return RowsRule(rows=int(rows[1]))
    late = duration_text(parse_duration(lateness, slug="bad-window"))
    if word in frozenset(Unit):
        return _calendar_rule(Unit(word), every, zone, late)
    return _duration_rule(word, every, zone, late)


def _calendar_rule(unit: Unit, every: str | None, zone: str, lateness: str) -> TimeRule:
    get_zone(zone)
    step = unit.value if every is None else every.strip().lower()
    finer = [short.value for long, short in _STEPS if long is unit]
    if step != unit and step not in finer:
        steps = " or ".join([unit.value, *finer])
        raise _bad(
            f"a window of a {unit} cannot begin every {step}",
            f"Its step is {steps}. Windows that slide otherwise are written as durations, such as 7d every 1d.",
        )
    return TimeRule(length=unit.value, every=step, zone=zone, lateness=lateness)


def _duration_rule(text: str, every: str | None, zone: str, lateness: str) -> TimeRule:
    try:
        length = parse_duration(text)
    except InputError:
        raise _bad(
            f"{text!r} is not a kind of window",
            f"Write whole, file, a number of rows such as '5000 rows', a duration such as 6h or 1d, or one of "
            f"{', '.join(Unit)}.",
        ) from None
    step = length if every is None else parse_duration(every, slug="bad-window")
    if not length or not step:
        raise _bad("a window and its step last at least a second", "Write a duration such as 15m or 1d.")
    if step > length:
        raise _bad(
            f"windows of {text} that begin every {every} leave gaps",
            "The step is at most the length: equal for windows side by side, shorter for sliding ones.",
        )
    if zone != "UTC":
        raise _bad(
            f"windows of {text} are elapsed time and know no zone",
            f"For local days, weeks and so on write one of {', '.join(Unit)}.",
        )
    return TimeRule(length=duration_text(length), every=duration_text(step), lateness=lateness)


def _bad(message: str, hint: str) -> InputError:
    return InputError(message, slug="bad-window", hint=hint)


def windows_between(
    rule: TimeRule, first: datetime, watermark: datetime, most: int
) -> tuple[TimeWindow, ...]:
    """The windows that hold instants from `first` on and have ended by `watermark`, the oldest first.

    At most `most` of them. A watermark is the time up to which data is complete: now less the lateness.
    """
    grid = _Grid(rule)
    low, high = grid.holding(first, watermark)
    return grid.windows(low, high, most)


def due_windows(
    rule: TimeRule, checked_until: datetime | None, now: datetime, earliest: datetime, most: int
) -> DueWindows:
    """The closed windows that are not checked yet, the oldest first, at most `most`, and how many more wait.

    `checked_until` is the end of the last window that was checked, None when none was; `earliest` is the
    first instant with data. Rows that arrive in a window after it was checked are late (`is_late`).
    """
    grid = _Grid(rule)
    low, high = grid.holding(earliest, _within(now) - parse_duration(rule.lateness))
    if checked_until is not None:
        low = min(max(low, grid.first_ending_after(_within(checked_until))), high)
    windows = grid.windows(low, high, most)
    return DueWindows(windows=windows, waiting=grid.count(low, high) - len(windows))


def due_row_windows(rule: RowsRule, checked_rows: int, rows: int, most: int) -> DueRowWindows:
    """The full windows between the rows that were checked and all `rows`; a part of a window waits for more.

    `checked_rows` is the end of the last window that was checked, 0 when none was.
    """
    full = max((rows - checked_rows) // rule.rows, 0)
    taken = min(full, max(most, 0))
    starts = range(checked_rows, checked_rows + taken * rule.rows, rule.rows)
    windows = tuple(RowWindow(start=start, end=start + rule.rows) for start in starts)
    return DueRowWindows(windows=windows, waiting=full - taken)


def window_of(rule: TimeRule, instant: datetime) -> TimeWindow:
    """The window that `instant` lies in; of windows that overlap, the last."""
    grid = _Grid(rule)
    index = grid.first_starting_after(_within(instant)) - 1
    return TimeWindow(start=grid.start(index), end=grid.end(index))


def is_late(rule: TimeRule, instant: datetime, arrived: datetime) -> bool:
    """Whether a row of `instant` that arrives at `arrived` is late for every window that holds it.

    Late rows are in no window's verdict: the windows were closed, and are not checked again.
    """
    return window_of(rule, instant).end + parse_duration(rule.lateness) <= _within(arrived)


def describe_late(rule: TimeRule, window: TimeWindow, late: int) -> str:
    """One sentence about the `late` rows that arrived in `window` after it was closed."""
    if late == 0:
        return f"No row of the window {window.key} arrived late."
    rows = "1 row" if late == 1 else f"{late} rows"
    closed = _instant_text(window.end + parse_duration(rule.lateness))
    return f"{rows} of the window {window.key} arrived after it was closed at {closed}, and no verdict counts them."


class _Grid:
    """A rule's windows by whole numbers: window n begins at `start(n)`, and neither end decreases with n.

    Where a zone skipped a local day (Samoa, 30 December 2011), two windows end at once; the later is left out.
    """

    def __init__(self, rule: TimeRule) -> None:
        self._reach = 1
        self._length: timedelta | None = None
        self._days = rule.every == Unit.DAY
        if rule.length in frozenset(Unit):
            step, zone = Unit(rule.every), get_zone(rule.zone)
            self._reach = _STEPS.get((Unit(rule.length), step), 1)
            self.start: Callable[[int], datetime] = lambda index: unit_start(step, zone, index)
            self._near: Callable[[datetime], int] = lambda instant: unit_index(step, zone, instant)
        else:
            every = parse_duration(rule.every)
            self._length = parse_duration(rule.length)
            self.start = lambda index: ANCHOR + index * every
            self._near = lambda instant: (instant - ANCHOR) // every

    def end(self, index: int) -> datetime:
        return self.start(index + self._reach) if self._length is None else self.start(index) + self._length

    def first_starting_after(self, instant: datetime) -> int:
        """The least index of a window that starts later than `instant`."""
        index = self._near(instant) - 1
        while self.start(index) <= instant:
            index += 1
        return index

    def first_ending_after(self, instant: datetime) -> int:
        """The least index of a window that ends later than `instant`."""
        if self._length is not None:
            return self.first_starting_after(instant - self._length)
        return self.first_starting_after(instant) - self._reach

    def holding(self, first: datetime, watermark: datetime) -> tuple[int, int]:
        """The range of indices of the windows that end after `first` and not after `watermark`."""
        low = self.first_ending_after(_within(first))
        return low, max(low, self.first_ending_after(_within(watermark)))

    def windows(self, low: int, high: int, most: int) -> tuple[TimeWindow, ...]:
        """The first `most` windows with an index from `low` up to but not including `high`."""
        kept = islice((index for index in range(low, high) if self._is_kept(index)), max(most, 0))
        return tuple(TimeWindow(start=self.start(index), end=self.end(index)) for index in kept)

    def count(self, low: int, high: int) -> int:
        """How many windows `windows` gives without a bound."""
        if not self._days:
            return high - low
        return sum(self._is_kept(index) for index in range(low, high))

    def _is_kept(self, index: int) -> bool:
        return not self._days or self.end(index) != self.end(index - 1)


def _within(moment: datetime) -> datetime:
    return within(moment, _FIRST, _LAST)


def _instant_text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
