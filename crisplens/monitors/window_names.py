"""What windows are called for people. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from crisplens.core.clock import parse_time
from crisplens.monitors.schedules.local_calendar import Unit, unit_index, unit_start
from crisplens.monitors.schedules.times import get_zone
from crisplens.monitors.schedules.windows import TimeRule, WindowRule
from crisplens.monitors.states import Window

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_SPAN = re.compile(r"(\d{4}-\d\d-\d\dT[^/]+Z)/(\d{4}-\d\d-\d\dT[^/]+Z)", re.ASCII)


def window_name(window: Window, zone: str = "UTC") -> str:
    """A window by its days or times on the clock of `zone`, its file, its run of rows, or its location."""
    return key_name(window.key if window.end or window.name else window.location, zone)


def key_name(key: str, zone: str = "UTC") -> str:
    """The name of the window with this key; what is no span of time is its own name.

    A day is `2031-03-01`, full days are `2031-03-03 to 2031-03-09`, the last included, and any other span
    `2031-03-01 06:00 to 12:00 UTC`.
    """
    found = _SPAN.fullmatch(key)
    return _span(parse_time(found[1]), parse_time(found[2]), zone) if found else key


def window_zone(rule: WindowRule) -> str:
    """The clock that a rule's windows begin and end by."""
    return rule.zone if isinstance(rule, TimeRule) else "UTC"


def _span(start: datetime, end: datetime, zone: str) -> str:
    place = get_zone(zone)
    if _begins_a_day(start, place) and _begins_a_day(end, place):
        first = start.astimezone(place).date()
        last = (end - timedelta(microseconds=1)).astimezone(place).date()
        return f"{first}" if first == last else f"{first} to {last}"
    begins, ends = start.astimezone(place), end.astimezone(place)
    if begins.utcoffset() != ends.utcoffset() or begins.fold or ends.fold:
        # The clock on the wall shows some of these times twice.
        begins, ends, zone = start, end, "UTC"
    until = _clock(ends) if begins.date() == ends.date() else f"{ends:%Y-%m-%d} {_clock(ends)}"
    return f"{begins:%Y-%m-%d} {_clock(begins)} to {until} {zone}"


def _begins_a_day(moment: datetime, zone: ZoneInfo) -> bool:
    return unit_start(Unit.DAY, zone, unit_index(Unit.DAY, zone, moment)) == moment


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
