"""References that move with production: the windows before, or the same season before, beside the training data. Pure.

What moves may only excuse: a column that drifts from the training data is no alarm when it does not drift from windows
that were as far from the training data, and that a person accepted. So drift never becomes normal by going on long
enough, a slow trend is seen as before, and a season has to be accepted once
(docs/decisions/0016-moving-references.md). Compared with windows that nobody had to accept, it is only said how sudden
a drift is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING

import msgspec

from crisplens.core.clock import parse_time
from crisplens.core.errors import InputError
from crisplens.core.text import count
from crisplens.monitors.decisions import judge_effects
from crisplens.monitors.effects import Effect, effect, effects
from crisplens.monitors.model import (
    BAD_VERDICTS,
    FOUND,
    CategoricalProfile,
    CheckResult,
    CheckSettings,
    ColumnCheck,
    ColumnProfile,
    MovingColumn,
    MovingFindings,
    MovingKind,
    MovingReference,
    NumericProfile,
    OtherProfile,
    Profile,
    Verdict,
)
from crisplens.monitors.profiles import merge
from crisplens.monitors.schedules.local_calendar import Unit, unit_start
from crisplens.monitors.schedules.times import duration_text, get_zone, parse_duration
from crisplens.monitors.schedules.windows import TimeRule, WholeRule, WindowRule

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

MOST_WINDOWS = 100
# Windows that cannot be used are skipped; so many times `windows` are looked through, a year for four weeks.
REACH = 13
# With fewer of the window's rows, a difference from it could hide in the noise of the few, and be excused.
LEAST_SHARE = 0.5
_DAY = timedelta(days=1)
_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}
_SPANS = {Unit.HOUR: timedelta(hours=1), Unit.DAY: _DAY, Unit.WEEK: 7 * _DAY}
_ROLLING = re.compile(r"rolling ([0-9]{1,4})", re.ASCII)
_SEASONAL = re.compile(r"seasonal ([0-9]{1,4}) of (\S+|[0-9]{1,6} windows)", re.ASCII)
_ACCEPTED = "Such as 'rolling 14' for the 14 windows before, or 'seasonal 4 of 7d' for the same day of 4 weeks before."


class PastWindow(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier check of the monitor, as far as the choice needs it.

    `verdict` is that against the training data alone. `profile` names the window's profile; empty when none was kept.
    `accepted` says that a person looked at the drift that was found and took it for normal, `accepted_at` when (RFC
    3339; empty where that does not matter), and `seq` which event recorded the check.
    """

    key: str
    start: str | None
    end: str | None
    verdict: Verdict
    profile: str = ""
    incident: str | None = None
    muted: bool = False
    accepted: bool = False
    accepted_at: str = ""
    seq: int = 0


class _Season(msgspec.Struct, frozen=True):
    """How far apart windows of one season are: exactly one of the three is set."""

    windows: int = 0
    span: timedelta = timedelta()
    months: int = 0


def parse_moving(text: str) -> MovingReference:
    """Read `rolling N` or `seasonal N of SEASON`, such as `seasonal 4 of 7d`, `2 of year` or `4 of 7 windows`.

    Raises `InputError` that says what is wrong and what is accepted.
    """
    words = " ".join(text.lower().split())
    if match := _ROLLING.fullmatch(words):
        return MovingReference(kind=MovingKind.ROLLING, windows=_count(match[1]))
    if match := _SEASONAL.fullmatch(words):
        season = _season_text(_parse_season(match[2]))
        return MovingReference(kind=MovingKind.SEASONAL, windows=_count(match[1]), season=season)
    raise _bad(f"{text[:60]!r} is not a moving reference", _ACCEPTED)


def moving_text(moving: MovingReference) -> str:
    """The text that `parse_moving` reads as `moving`."""
    of = f" of {moving.season}" if moving.season else ""
    return f"{moving.kind} {moving.windows}{of}"


def check_moving(moving: MovingReference, rule: WindowRule, settings: CheckSettings) -> None:
    """Raise `InputError` for a moving reference that windows of this rule, or these settings, can never use."""
    if settings.drift_share is not None:
        raise _bad(
            "a monitor with a drift share decides by scores, and a moving reference by effects",
            "Leave one of the two out.",
        )
    if isinstance(rule, WholeRule):
        raise _bad(
            "each check of this monitor reads all current data, so there are no earlier windows",
            "Let windows come one after another, with --window file, '5000 rows' or day.",
        )
    if moving.kind is MovingKind.ROLLING:
        return
    season = _parse_season(moving.season)
    if not isinstance(rule, TimeRule):
        if not season.windows:
            raise _bad(
                f"windows that are files or rows have no season of {moving.season}",
                "Say it as a number of windows, such as 'seasonal 4 of 7 windows'.",
            )
    elif season.windows or not _meets(season, rule.every):
        raise _bad(
            f"windows that begin every {rule.every} do not meet again after {moving.season}",
            "The season is a multiple of the windows' step, such as 7d for days; for months it is month, quarter or "
            "year.",
        )


def choose_windows(
    moving: MovingReference, now: PastWindow, earlier: Sequence[PastWindow], *, zone: str = "UTC"
) -> tuple[PastWindow, ...]:
    """The windows before `now` that its moving reference is made of, the oldest first; there may be none.

    `earlier` are the monitor's checks in the order of recording; of a window that was checked again the newest check
    counts. Left out are windows that are bad data or too small, that were muted, that drift from the training data or
    belong to an incident and were not accepted, and windows that overlap `now` or a newer one that is chosen. Where
    some drifted and were accepted, only those are chosen: they are the normal that the training data does not show.

    Windows of one season begin at the same time on the clock of `zone`, daylight saving or not; where there is no such
    window, at the same distance in elapsed time.
    """
    fit = [one for one in _candidates(moving, now, _in_order(now, earlier), zone) if _is_fit(one)]
    chosen: list[PastWindow] = []
    until = _moment(now.start)
    for one in [one for one in fit if _is_accepted(one)] or fit:
        end = _moment(one.end)
        if len(chosen) < moving.windows and not (until and end and end > until):
            chosen.append(one)
            until = _moment(one.start)
    return tuple(reversed(chosen))


def known_by(earlier: Sequence[PastWindow], seq: int, at: str) -> list[PastWindow]:
    """The windows that were checked before event `seq`, with what had been accepted by that time (RFC 3339)."""
    return [
        msgspec.structs.replace(one, accepted=False) if one.accepted and one.accepted_at > at else one
        for one in earlier
        if one.seq < seq
    ]


def accepted_windows(
    moving: MovingReference,
    now: PastWindow,
    earlier: Sequence[PastWindow],
    read: Callable[[str], Profile],
    *,
    reference: Profile,
    rows: int,
    minimum_rows: int = 1,
    zone: str = "UTC",
) -> Profile | None:
    """The windows before `now` that may excuse its drift, as one table; None where there are none, or too few.

    `read` gives the profile of a name, `rows` is the size of `now`. Columns with fewer than `minimum_rows` values are
    left out: they excuse nothing.
    """
    chosen = choose_windows(moving, now, earlier, zone=zone)
    if not all(map(_is_accepted, chosen)):
        return None
    merged = merge_windows(reference, [read(one.profile) for one in chosen])
    if _too_few(moving, len(chosen), merged.rows, rows):
        return None
    enough = tuple(one for one in merged.columns if _values(one) >= minimum_rows)
    return Profile(rows=merged.rows, columns=enough)


def merge_windows(reference: Profile, windows: Sequence[Profile]) -> Profile:
    """The windows as one table, on the edges of `reference`; there is at least one.

    A column is taken from those windows in which it is of the reference's kind, and is left out where there is none.
    """
    parts: dict[str, list[Profile]] = {}
    known = {column.name: column for column in reference.columns}
    for window in windows:
        for column in window.columns:
            if column.name in known and _alike(known[column.name], column):
                parts.setdefault(column.name, []).append(Profile(rows=window.rows, columns=(column,)))
    columns = tuple(reduce(merge, parts[name]).columns[0] for name in known if name in parts)
    return Profile(rows=sum(window.rows for window in windows), columns=columns)


def compare(
    moving: MovingReference,
    chosen: Sequence[PastWindow],
    profiles: Sequence[Profile],
    *,
    reference: Profile,
    current: Profile,
    checks: Sequence[ColumnCheck],
    settings: CheckSettings,
) -> MovingFindings:
    """Compare a window with the `chosen` ones, whose profiles are given in the same order.

    `reference` and `checks` are the training data and what was found against it; only columns that were decided there
    by their effect are compared. Effects, tolerance, level and weights are those of that comparison.
    """
    merged = merge_windows(reference, profiles) if profiles else Profile(rows=0, columns=())
    keys = tuple(one.key for one in chosen)
    too_few = _too_few(moving, len(chosen), merged.rows, current.rows)
    if too_few:
        return _findings(moving, Verdict.INSUFFICIENT_DATA, too_few, keys, merged.rows)
    judged = _judge(merged, current, [one for one in checks if one.effect is not None], settings)
    if all(map(_is_accepted, chosen)):
        judged = _with_known(judged, effects(reference, merged, settings.tolerance), settings)
    verdicts = {one.verdict for one in judged}
    drifting = [one.column for one in judged if one.verdict is Verdict.DRIFT]
    if not verdicts - {Verdict.INSUFFICIENT_DATA}:
        none = "No column has values enough to be compared with the windows before."
        return _findings(moving, Verdict.INSUFFICIENT_DATA, none, keys, merged.rows, judged)
    compared = len([one for one in judged if one.effect is not None])
    reason = (
        f"{len(drifting) or 'None'} of {count(compared, 'column')} "
        f"{'drift' if len(drifting) > 1 else 'drifts'} from {_which(moving, len(chosen))}."
    )
    verdict = Verdict.DRIFT if drifting else Verdict.NO_DRIFT
    return _findings(moving, verdict, reason, keys, merged.rows, judged)


def deciding_columns(checks: Sequence[ColumnCheck], found: MovingFindings | None) -> frozenset[str]:
    """The columns, or metrics, that count for an alarm: what was found in them is not excused by what moves."""
    return frozenset(one.column for one in checks if one.verdict in FOUND) - _alike_columns(found)


def deciding_verdict(check: CheckResult, found: MovingFindings | None, *, broken: bool = False) -> Verdict:
    """The verdict that counts for an alarm: drift only where a column is left that nothing excuses.

    `broken` says that the window's data breaks a constraint; together with drift the verdict does not show it.
    """
    if check.verdict is not Verdict.DRIFT or deciding_columns(check.columns, found):
        return check.verdict
    bad = broken or any(one.verdict in BAD_VERDICTS for one in check.columns)
    return Verdict.BAD_DATA if bad else Verdict.NO_DRIFT


def excuse(check: CheckResult, found: MovingFindings | None) -> str:
    """One sentence on the columns that drift from the training data and are excused; empty when there are none."""
    drifting = frozenset(one.column for one in check.columns if one.verdict is Verdict.DRIFT)
    excused = sorted(drifting & _alike_columns(found))
    if not excused or found is None:
        return ""
    names = ", ".join(excused[:5]) + (f" and {len(excused) - 5} more" if len(excused) > 5 else "")
    verb = "drifts" if len(excused) == 1 else "drift"
    return f"{names} {verb} from the training data, but not from {_which(found.moving, len(found.windows))}."


def _alike_columns(found: MovingFindings | None) -> frozenset[str]:
    columns = () if found is None else found.columns
    return frozenset(one.column for one in columns if one.verdict is Verdict.NO_DRIFT and one.known)


def _count(text: str) -> int:
    if not 1 <= int(text) <= MOST_WINDOWS:
        raise _bad(f"a moving reference of {int(text)} windows cannot be made", f"Give 1 to {MOST_WINDOWS}.")
    return int(text)


def _parse_season(text: str) -> _Season:
    number, _, windows = text.partition(" ")
    if windows and int(number):
        return _Season(windows=int(number))
    if text in _MONTHS:
        return _Season(months=_MONTHS[Unit(text)])
    span = _SPANS.get(Unit(text)) if text in _SPANS else None
    try:
        span = span or parse_duration(text, slug="bad-setting")
    except InputError:
        span = timedelta()
    if not span:
        raise _bad(
            f"{text!r} is not a season",
            "Write a duration such as 24h or 7d, month, quarter or year, or a number of windows such as '7 windows'.",
        )
    return _Season(span=span)


def _season_text(season: _Season) -> str:
    if season.windows:
        return f"{season.windows} windows"
    unit = next((unit for unit, months in _MONTHS.items() if months == season.months), None)
    return str(unit) if unit else duration_text(season.span)


def _meets(season: _Season, every: str) -> bool:
    """Whether windows with this step ever begin at the same time of a season."""
    if every in _MONTHS:
        return season.months > 0 and season.months % _MONTHS[Unit(every)] == 0
    step = _SPANS[Unit(every)] if every in _SPANS else parse_duration(every)
    return not _DAY % step if season.months else not season.span % step


def _in_order(now: PastWindow, earlier: Sequence[PastWindow]) -> list[PastWindow]:
    """The windows before `now`, the oldest first, each once. Those of time end by its beginning."""
    newest = {one.key: one for one in earlier if one.key}
    start = _moment(now.start)
    if start is None:
        keys = [*newest]
        return [newest[key] for key in keys[: keys.index(now.key) if now.key in newest else len(keys)]]
    timed = [
        (begin, one) for one in newest.values() if (begin := _moment(one.start)) and begin < start and one.end
    ]
    return [one for _, one in sorted(timed, key=lambda pair: (pair[0], pair[1].key))]


def _candidates(
    moving: MovingReference, now: PastWindow, before: Sequence[PastWindow], zone: str
) -> Iterator[PastWindow]:
    """The windows that may be chosen, the newest first."""
    most = moving.windows * REACH
    if moving.kind is MovingKind.ROLLING:
        yield from before[: -most - 1 : -1]
        return
    season = _parse_season(moving.season)
    if season.windows:
        yield from before[: -most * season.windows - 1 : -1][season.windows - 1 :: season.windows]
        return
    start = _moment(now.start)
    if start is None or not before:
        return
    by_start = {_moment(one.start): one for one in before}
    oldest = _moment(before[0].start) or start
    length = season.span or timedelta(days=28 * season.months)
    for times in range(1, min(most, (start - oldest) // length + 1) + 1):
        starts = _starts_before(start, season, times, get_zone(zone))
        found = next((by_start[one] for one in starts if one in by_start), None)
        if found is not None:
            yield found


def _starts_before(start: datetime, season: _Season, times: int, zone: ZoneInfo) -> tuple[datetime, ...]:
    """When the window `times` seasons before one that begins at `start` may have begun, the likeliest first."""
    elapsed = () if season.months else (start - times * season.span,)
    local = start.astimezone(zone)
    day = _months_before(local.date(), times * season.months) if season.months else None
    if season.span and not season.span % _DAY:
        day = local.date() - times * season.span
    if day is None:
        return elapsed
    # A day may begin at one o'clock, where midnight is skipped.
    if unit_start(Unit.DAY, zone, local.toordinal()) == start:
        same = unit_start(Unit.DAY, zone, day.toordinal())
    else:
        same = datetime.combine(day, local.time(), zone).astimezone(start.tzinfo)
    return (same, *elapsed) if same.astimezone(zone).date() == day else elapsed


def _months_before(day: date, months: int) -> date | None:
    """The same day so many months before; None when that month has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    try:
        return day.replace(year=year, month=month + 1)
    except ValueError:
        return None


def _is_fit(one: PastWindow) -> bool:
    """Whether a window may stand for what is normal."""
    if not one.profile or one.muted:
        return False
    return _is_accepted(one) or (one.verdict is Verdict.NO_DRIFT and one.incident is None)


def _is_accepted(one: PastWindow) -> bool:
    return one.accepted and one.verdict is Verdict.DRIFT


def _moment(text: str | None) -> datetime | None:
    return parse_time(text) if text else None


def _alike(reference: ColumnProfile, column: ColumnProfile) -> bool:
    if isinstance(reference, NumericProfile) and isinstance(column, NumericProfile):
        return reference.edges == column.edges
    return isinstance(reference, CategoricalProfile) and isinstance(column, CategoricalProfile)


def _judge(
    before: Profile, now: Profile, checks: Sequence[ColumnCheck], settings: CheckSettings
) -> tuple[MovingColumn, ...]:
    first = {column.name: column for column in before.columns}
    second = {column.name: column for column in now.columns}
    found: dict[str, Effect | None] = {one.column: None for one in checks}
    for name in found:
        pair = first.get(name), second.get(name)
        if pair[0] and pair[1] and all(_values(one) >= settings.minimum_rows for one in pair):
            found[name] = effect(pair[0], pair[1], tolerance=settings.tolerance)
    return tuple(
        MovingColumn(column=one.column, verdict=one.verdict)
        if found[one.column] is None
        else MovingColumn(column=one.column, verdict=one.verdict, effect=one.effect, p_value=one.p_value)
        for one in judge_effects(checks, found, settings)
    )


def _with_known(
    judged: Sequence[MovingColumn], apart: Mapping[str, Effect], settings: CheckSettings
) -> tuple[MovingColumn, ...]:
    """The columns, and in which of them the accepted windows differ from the training data themselves.

    By their effect, not by its test: few windows would rarely prove what they were accepted for.
    """
    known = {name for name, one in apart.items() if one.w > settings.tolerance}
    return tuple(msgspec.structs.replace(one, known=one.column in known) for one in judged)


def _values(column: ColumnProfile | None) -> int:
    return 0 if column is None or isinstance(column, OtherProfile) else column.count


def _too_few(moving: MovingReference, windows: int, rows: int, needed: int) -> str:
    """Why the windows are too few to compare with; empty when they are not."""
    same = " of the same season" if moving.kind is MovingKind.SEASONAL else ""
    if not windows:
        return f"There is no earlier window{same} to compare with."
    if rows < LEAST_SHARE * needed:
        said = f"The {count(windows, 'earlier window')}{same}"
        have = "have" if windows > 1 else "has"
        return f"{said} {have} {count(rows, 'row')}, less than half of this one's {needed:,}."
    return ""


def _which(moving: MovingReference, windows: int) -> str:
    same = " of the same season" if moving.kind is MovingKind.SEASONAL else ""
    return f"the {windows} windows{same} before" if windows > 1 else f"the window{same} before"


def _findings(
    moving: MovingReference,
    verdict: Verdict,
    reason: str,
    windows: tuple[str, ...],
    rows: int,
    columns: tuple[MovingColumn, ...] = (),
) -> MovingFindings:
    return MovingFindings(
        moving=moving, verdict=verdict, reason=reason, windows=windows, rows=rows, columns=columns
    )


def _bad(message: str, hint: str) -> InputError:
    return InputError(message, slug="bad-setting", hint=hint)
