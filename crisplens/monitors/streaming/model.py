"""Which windows pushed rows belong to, when a window is closed, and how its profile grows. Pure.

A window that is open is a profile in the making; a closed one is remembered for a while by its key and the ids of
its batches.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from crisplens.core.clock import parse_time
from crisplens.core.decoding import decode_json
from crisplens.core.errors import InputError
from crisplens.monitors import profiles
from crisplens.monitors.model import (
    CategoricalProfile,
    ColumnProfile,
    NumericProfile,
    OtherProfile,
    Profile,
)
from crisplens.monitors.schedules.windows import (
    RowsRule,
    RowWindow,
    TimeRule,
    TimeWindow,
    WindowRule,
    due_windows,
    window_of,
    windows_between,
)

# What `current` is of a monitor that rows are pushed to.
PUSHED = "push:"
# One push adds to at most so many windows: more are a time column gone wrong, or windows of very few rows.
MOST_TOUCHED = 200
# So many ids are remembered of each window, and so many windows after they were closed.
MOST_IDS, MOST_CLOSED = 1000, 10
MOST_ID_CHARACTERS = 200
# Names of columns that are not watched come from the sender, and are many only where something is wrong.
MOST_OTHERS = 100
_ROWS_KEY = re.compile(r"rows-[0-9]{15}-([0-9]{15})")
_PUSH_KEY = re.compile(r"push-([0-9]{15})")


class Batches(msgspec.Struct, frozen=True):
    """In how many batches a window's rows came, and the newest ids: each a hash of the id, a colon, and its rows."""

    count: int = 0
    ids: tuple[str, ...] = ()

    def add(self, mark: str) -> Batches:
        """One more batch; `mark` is empty for one without an id."""
        return Batches(self.count + 1, (*self.ids, mark)[-MOST_IDS:] if mark else self.ids)


class PushWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A window that rows were pushed to, without its profile; `newest` is the newest time in it (RFC 3339)."""

    key: str
    rows: int
    closed: bool = False
    batches: Batches = Batches()
    newest: str = ""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows of a batch, those from `first` up to `last` or those in `window`, and the key of where they go."""

    key: str
    first: int = 0
    last: int = 0
    window: TimeWindow | None = None


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What lies behind: up to when, or which row, or which number, a monitor's windows were closed."""

    until: datetime | None = None
    rows: int = 0
    number: int = 0


def is_pushed(current: str) -> bool:
    """Whether a monitor with that `current` is one that rows are pushed to."""
    return current == PUSHED


def batch_mark(id: str, rows: int) -> str:
    """What is remembered of a batch: a hash of its id, and how many rows it had. Raises `InputError` for a bad id."""
    if not id:
        return ""
    if len(id) > MOST_ID_CHARACTERS or not id.isprintable() or id != id.strip():
        raise InputError(
            "the batch's id cannot be used",
            slug="bad-name",
            hint=f"Use 1 to {MOST_ID_CHARACTERS} printable characters, such as a UUID.",
        )
    return f"{b64encode(hashlib.blake2b(id.encode(), digest_size=9).digest()).decode()}:{rows}"


def is_repeated(windows: Sequence[PushWindow], mark: str) -> bool:
    """Whether a batch was taken in before. Raises `InputError` when its id was used for another number of rows."""
    if not mark:
        return False
    hashed = mark.partition(":")[0]
    for window in windows:
        for known in window.batches.ids:
            if known.startswith(hashed):
                if known != mark:
                    raise InputError(
                        f"a batch of this id was pushed before, with {known.partition(':')[2]} rows",
                        slug="batch-taken",
                        hint="An id stands for one batch: give other rows another one.",
                    )
                return True
    return False


def done_before(windows: Sequence[PushWindow], checked: Sequence[str] = ()) -> Done:
    """Where the closed windows end, by the windows that are remembered and the keys of those that were `checked`."""
    keys = [one.key for one in windows if one.closed] + [*checked]
    return Done(
        until=max((parse_time(key.rpartition("/")[2]) for key in keys if is_time_key(key)), default=None),
        rows=max((int(found[1]) for key in keys if (found := _ROWS_KEY.fullmatch(key))), default=0),
        number=max((int(found[1]) for key in keys if (found := _PUSH_KEY.fullmatch(key))), default=0),
    )


def is_time_key(key: str) -> bool:
    """Whether a window's key is that of a window of time."""
    return key[:4].isdigit() and "/" in key


def time_window(key: str) -> TimeWindow | None:
    """The window of time that a key names; None when it names none."""
    if not is_time_key(key):
        return None
    start, _, end = key.partition("/")
    return TimeWindow(start=parse_time(start), end=parse_time(end))


def number_parts(rule: WindowRule, windows: Sequence[PushWindow], done: Done, rows: int) -> tuple[Part, ...]:
    """Where a batch of `rows` rows goes, for windows that do not know the time: `rows` windows are filled in turn.

    Raises `InputError` for more than `MOST_TOUCHED` windows.
    """
    newest = max((one for one in windows if not one.closed), key=lambda one: one.key, default=None)
    if not isinstance(rule, RowsRule):
        key = newest.key if newest else f"push-{done.number + 1:015d}"
        return (Part(key=key, last=rows),) if rows else ()
    start, filled = done.rows, 0
    if newest is not None:
        start, filled = _row_start(newest.key), newest.rows
    if (filled + rows) // rule.rows > MOST_TOUCHED:
        raise too_many_windows("Push fewer rows at once, or let a window have more.")
    parts, first = [], 0
    while first < rows:
        if filled == rule.rows:
            start, filled = start + rule.rows, 0
        last = min(rows, first + rule.rows - filled)
        parts.append(Part(key=RowWindow(start=start, end=start + rule.rows).key, first=first, last=last))
        filled, first = filled + last - first, last
    return tuple(parts)


def time_parts(rule: TimeRule, earliest: datetime, newest: datetime) -> tuple[Part, ...]:
    """The windows that may hold rows of times from `earliest` to `newest`, both included, oldest first.

    Raises `InputError` for more than `MOST_TOUCHED` windows.
    """
    end = window_of(rule, newest).end
    found = windows_between(rule, earliest, end, MOST_TOUCHED + 1)
    if len(found) > MOST_TOUCHED:
        raise too_many_windows(
            f"Its times reach from {earliest:%Y-%m-%d} to {newest:%Y-%m-%d}. Push fewer at once, or longer windows."
        )
    return tuple(Part(key=one.key, window=one) for one in found)


def is_over(window: TimeWindow, windows: Sequence[PushWindow], done: Done) -> bool:
    """Whether rows come too late for a window: it was closed, or was left behind without any row."""
    known = {one.key: one.closed for one in windows}
    return known.get(window.key, done.until is not None and window.end <= done.until)


def too_many_windows(hint: str) -> InputError:
    """The error for a batch that would reach into too many windows."""
    return InputError(f"the batch reaches into more than {MOST_TOUCHED} windows", slug="bad-batch", hint=hint)


def full_windows(rule: RowsRule, windows: Sequence[PushWindow]) -> tuple[str, ...]:
    """The keys of the windows that have all their rows, in order."""
    return tuple(one.key for one in _in_order(windows) if one.rows >= rule.rows)


def over_windows(
    rule: TimeRule, windows: Sequence[PushWindow], done: Done, at: datetime, most: int
) -> tuple[tuple[str, ...], int]:
    """The keys of the windows that are over, lateness included, `at` that time, and how many more there are.

    From the first window that rows came to, or the last that was closed, none is left out: one without rows is
    checked too, as the silence it is.
    """
    opened = _in_order(windows)
    first = min((one.end for one in map(time_window, (w.key for w in opened)) if one), default=None)
    if first is None and done.until is None:
        return (), 0
    earliest = first - timedelta(microseconds=1) if first else done.until
    assert earliest is not None
    # A window that is open though later ones were closed is older than what is due.
    behind = [one.key for one in opened if _is_behind(one, done)]
    due = due_windows(rule, done.until, at, min(earliest, done.until or earliest), max(most - len(behind), 0))
    return (*behind[:most], *(one.key for one in due.windows)), due.waiting + len(behind[most:])


def watermark(windows: Sequence[PushWindow], now: datetime) -> datetime | None:
    """The newest time that came, as far as it is not in the future; None before any."""
    newest = max((one.newest for one in windows), default="")
    return min(parse_time(newest), now) if newest else None


def _is_behind(window: PushWindow, done: Done) -> bool:
    times = time_window(window.key)
    return times is not None and done.until is not None and times.end <= done.until


def _in_order(windows: Sequence[PushWindow]) -> list[PushWindow]:
    return sorted((one for one in windows if not one.closed), key=lambda one: one.key)


def _row_start(key: str) -> int:
    return int(key.split("-")[1])


def closed_key(window: PushWindow) -> str:
    """The key of a window once it is closed: one of rows that is closed early ends where its rows do."""
    if window.key.startswith("rows-"):
        start = _row_start(window.key)
        return RowWindow(start=start, end=start + window.rows).key
    return window.key


def empty_profile(reference: Profile, columns: Sequence[str]) -> Profile:
    """The profile of a window that nothing was pushed to."""
    return Profile(rows=0, columns=tuple(_emptied(one) for one in reference.columns if one.name in columns))


def _emptied(column: ColumnProfile) -> ColumnProfile:
    if isinstance(column, NumericProfile):
        return NumericProfile(
            name=column.name,
            type=column.type,
            integer=column.integer,
            rows=0,
            nulls=0,
            count=0,
            edges=column.edges,
            counts=(0,) * len(column.counts),
            exact=column.exact,
            values=None if column.values is None else (),
        )
    if isinstance(column, CategoricalProfile):
        return CategoricalProfile(
            name=column.name, type=column.type, family=column.family, rows=0, nulls=0, count=0
        )
    return OtherProfile(
        name=column.name, type=column.type, family=column.family, rows=0, nulls=0, reason=column.reason
    )


def settled(profile: Profile, reference: Profile, others: Sequence[str]) -> Profile:
    """A batch's profile as it is merged: types named as the reference's, and nothing that merging would not keep."""
    known = {column.name: column for column in reference.columns}
    columns = tuple(_settled(column, known[column.name]) for column in profile.columns)
    return Profile(rows=profile.rows, columns=columns, other_columns=tuple(sorted(others)[:MOST_OTHERS]))


def _settled(column: ColumnProfile, reference: ColumnProfile) -> ColumnProfile:
    if isinstance(reference, OtherProfile):
        # It has no score, so that only its nulls count.
        return msgspec.structs.replace(reference, rows=column.rows, nulls=column.nulls, misfits=None)
    if isinstance(column, NumericProfile):
        unique = None if column.values is None else column.n_unique
        return msgspec.structs.replace(column, type=reference.type, n_unique=unique)
    return msgspec.structs.replace(column, type=reference.type)


def grown(window: Profile, batch: Profile, reference: Profile) -> Profile:
    """The profile of a window's rows and a batch's, no larger than a profile is however many batches come.

    Of a column with more than 1,000 categories the rarest are counted together once there are more; those of the
    reference are always kept.
    """
    merged = profiles.merge(window, batch)
    known = {column.name: column for column in reference.columns}
    columns = tuple(_bounded(column, known[column.name]) for column in merged.columns)
    return Profile(rows=merged.rows, columns=columns, other_columns=merged.other_columns[:MOST_OTHERS])


def _bounded(column: ColumnProfile, reference: ColumnProfile) -> ColumnProfile:
    most = profiles.MOST_CATEGORIES
    if isinstance(column, NumericProfile) and column.values is not None and len(column.values) > most:
        return msgspec.structs.replace(column, values=None, n_unique=None)
    if not isinstance(column, CategoricalProfile) or len(column.categories) <= most:
        return column
    listed = column.categories
    wanted = (
        {one.value for one in reference.categories} if isinstance(reference, CategoricalProfile) else set()
    )
    kept = (*listed[:most], *(one for one in listed[most:] if one.value in wanted))
    return msgspec.structs.replace(
        column, categories=kept, rest=column.count - sum(one.count for one in kept)
    )


def pack(profile: Profile) -> str:
    """A profile as kept while its window is open: without the edges, which are the reference's."""
    columns = tuple(
        msgspec.structs.replace(one, edges=()) if isinstance(one, NumericProfile) else one
        for one in profile.columns
    )
    return msgspec.json.encode(msgspec.structs.replace(profile, columns=columns)).decode()


def unpack(text: str, reference: Profile) -> Profile:
    """What `pack` packed."""
    packed = decode_json(text, Profile)
    edges = {one.name: one.edges for one in reference.columns if isinstance(one, NumericProfile)}
    columns = tuple(
        msgspec.structs.replace(one, edges=edges[one.name]) if isinstance(one, NumericProfile) else one
        for one in packed.columns
    )
    return msgspec.structs.replace(packed, columns=columns)
