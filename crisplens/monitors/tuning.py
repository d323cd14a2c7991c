"""What other alarm settings would have done on past windows, and which to choose. Pure; the same seed, the same answer.

Past windows are profiles on the edges of one reference, oldest first. Whether they drifted is not known here: they are
taken as quiet, but for those that the caller names. Drift is then added to them, so that what a setting misses is
measured on the same data as its false alarms.

Where a monitor has a moving reference, `before` gives for each window the accepted windows before it as one table
(`moving.accepted_windows`), or None: a column that does not differ from them, though they differ from the reference, is
excused (docs/decisions/0016-moving-references.md). Alarms by windows together cannot be excused so.

Columns that are judged by scores stand in no reference here; `backtest` is told which of them were beyond a threshold.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from random import Random

import msgspec

from crisplens.core.errors import InputError
from crisplens.monitors.alarms import (
    AlarmSettings,
    alarming_columns,
    alarming_together,
    check_alarm_settings,
    flag_columns,
    newly_alarming,
)
from crisplens.monitors.effects import MOST_TOLERATED, Effect, at_tolerance, effect, effects, effects_together
from crisplens.monitors.model import CategoricalProfile, ColumnProfile, NumericProfile, Profile

TOLERANCES = (0.05, 0.075, 0.1, 0.15, 0.2, 0.3)
MOST_PERIOD = 1_000_000
# An injected drift is given so many windows to be found in, where the history allows.
ROOM = 10
PATTERNS = ((1, 1), (2, 3), (3, 5))


@dataclass(frozen=True)
class WindowBacktest:
    """What the settings would have said after one window: its flagged columns, and those that alarm.

    `excused` would be flagged, but for the windows before.
    """

    window: int
    flagged: tuple[str, ...]
    alarming: tuple[str, ...]
    # Of those, the columns that did not alarm after the window before.
    new: tuple[str, ...]
    excused: tuple[str, ...] = ()


@dataclass(frozen=True)
class TradeOff:
    """What a setting costs and gives.

    `false_alarms` of `quiet_windows` windows began an alarm; `rate` is their share, and `rate_at_most` what it may be
    in truth, with 95% confidence: few windows prove little. `delay` is the median number of windows until an
    injected drift of `w` alarms, `late_delay` what nine of ten stay within; None when it is not found in the windows
    there are. `found` is the share of injected drifts that is found, None when nothing could be injected.
    """

    settings: AlarmSettings
    false_alarms: int
    quiet_windows: int
    rate: float
    rate_at_most: float
    w: float
    injected: int
    found: float | None
    delay: int | None
    late_delay: int | None


@dataclass(frozen=True)
class Proposal:
    """The setting to take, and all that were weighed; None when none keeps to the wanted rate."""

    chosen: TradeOff | None
    weighed: tuple[TradeOff, ...]


@dataclass(frozen=True)
class _Excuse:
    """The accepted windows before one: how its columns differ from them, and they from the reference."""

    beside: dict[str, Effect]
    apart: dict[str, Effect]


@dataclass(frozen=True)
class _Evidence:
    """The effects of each window, and those of the newest windows as one; any tolerance can be tested on them."""

    single: list[dict[str, Effect]]
    together: list[dict[str, Effect]]
    excuses: list[_Excuse | None]


Before = Sequence[Profile | None]


def backtest(
    reference: Profile,
    history: Sequence[Profile],
    settings: AlarmSettings,
    *,
    before: Before = (),
    scored: Sequence[Mapping[str, bool]] = (),
) -> tuple[WindowBacktest, ...]:
    """What `settings` would have said after each window of `history`.

    `scored` says for each window which other columns, judged by scores, are beyond their thresholds.
    Raises `InputError` for settings out of range and for profiles that are not on the reference's edges.
    """
    _check(settings, before or scored)
    return _replay(_gather(reference, history, settings.of, before), settings, scored)


def trade_off(
    reference: Profile,
    history: Sequence[Profile],
    settings: AlarmSettings,
    *,
    tolerances: Iterable[float] = TOLERANCES,
    w: float = 0.2,
    drifting: Sequence[tuple[int, int]] = (),
    before: Before = (),
    repeats: int = 20,
    seed: int = 0,
) -> tuple[TradeOff, ...]:
    """For each tolerance: false alarms on `history`, and the delay until an injected drift of `w` is found.

    `drifting` are the windows that did drift, as positions from a first until before an end: their alarms are not
    counted as false, and nothing is injected there. `repeats` times a drift is injected into one column, from one
    quiet window to the next drifting one, or the last. Raises `InputError` for settings out of range.
    """
    varied = [msgspec.structs.replace(settings, tolerance=t) for t in tolerances]
    return _weigh(
        reference, history, varied, w=w, drifting=drifting, before=before, repeats=repeats, seed=seed
    )


def propose(
    reference: Profile,
    history: Sequence[Profile],
    settings: AlarmSettings,
    *,
    most_alarms: float,
    period: int,
    w: float = 0.2,
    tolerances: Iterable[float] = TOLERANCES,
    patterns: Iterable[tuple[int, int]] = PATTERNS,
    drifting: Sequence[tuple[int, int]] = (),
    before: Before = (),
    repeats: int = 20,
    seed: int = 0,
) -> Proposal:
    """The settings that find a drift of `w` soonest, with at most `most_alarms` false alarms in `period` windows.

    Of equals, those with fewer false alarms, then those that tolerate more. The wanted rate is held against what
    was counted; look at `rate_at_most` for what so few windows leave open. Raises `InputError` for settings out of
    range.
    """
    if not 0 <= most_alarms <= period or not 1 <= period <= MOST_PERIOD:
        raise InputError(
            f"{most_alarms:g} alarms in {period} windows cannot be wanted",
            slug="bad-setting",
            hint=f"Give a period of 1 to {MOST_PERIOD:,} windows, and at most as many alarms.",
        )
    if not MOST_TOLERATED > w > 0:
        raise InputError(
            f"the effect {w!r} is none that could be looked for",
            slug="bad-setting",
            hint="Give Cohen's w, above 0 and below 2: 0.1 is a small effect, 0.3 a medium and 0.5 a large one.",
        )
    allowed = list(tolerances)
    varied = [
        msgspec.structs.replace(settings, tolerance=t, needed=needed, of=of)
        for needed, of in patterns
        for t in allowed
    ]
    weighed = _weigh(
        reference, history, varied, w=w, drifting=drifting, before=before, repeats=repeats, seed=seed
    )
    fitting = [one for one in weighed if one.rate * period <= most_alarms and one.found]
    chosen = min(
        fitting,
        key=lambda one: (
            -round(one.found or 0.0, 1),
            _or_infinite(one.late_delay),
            _or_infinite(one.delay),
            one.rate,
            -one.settings.tolerance,
        ),
        default=None,
    )
    return Proposal(chosen, weighed)


def shift_column(
    column: ColumnProfile, reference: ColumnProfile, w: float, rng: Random
) -> ColumnProfile | None:
    """`column` with a drift of Cohen's w added: one side, or some categories, gain rows, the rest lose them.

    About half of the reference's mass gains. The window's own noise stays: each bin's rows are multiplied by what
    the drift makes of its share. None for a column that cannot hold such a drift: of another kind, without
    values, or with nearly all in one.
    """
    if isinstance(column, NumericProfile) and isinstance(reference, NumericProfile):
        gains = _side(reference.counts, rng)
        factors = _factors(reference.counts, gains, w)
        if factors is None:
            return None
        counts = _scaled(
            column.counts, [factors[position in gains] for position in range(len(column.counts))]
        )
        return msgspec.structs.replace(column, counts=counts)
    if isinstance(column, CategoricalProfile) and isinstance(reference, CategoricalProfile):
        shuffled = list(reference.categories)
        rng.shuffle(shuffled)
        order = {item.value: position for position, item in enumerate(shuffled)}
        gains = _first_half([item.count for item in shuffled], sum(item.count for item in shuffled))
        factors = _factors([item.count for item in shuffled] + [reference.rest], gains, w)
        if factors is None:
            return None
        scaled = _scaled(
            [*(item.count for item in column.categories), column.rest],
            [*(factors[order.get(item.value, -1) in gains] for item in column.categories), factors[False]],
        )
        categories = tuple(
            msgspec.structs.replace(item, count=count)
            for item, count in zip(column.categories, scaled, strict=False)
        )
        return msgspec.structs.replace(column, categories=categories, rest=scaled[-1])
    return None


def rate_upper_bound(events: int, windows: int, confidence: float = 0.95) -> float:
    """The largest rate that `events` in `windows` do not contradict (Clopper and Pearson 1934, one-sided)."""
    if events >= windows:
        return 1.0
    low, high = events / windows, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        at_most = math.fsum(_binomial(k, windows, middle) for k in range(events + 1))
        low, high = (middle, high) if at_most > 1 - confidence else (low, middle)
    return high


def _binomial(k: int, n: int, p: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p)) if p < 1 else float(k == n)


def _check(settings: AlarmSettings, besides: Sequence[object]) -> None:
    check_alarm_settings(settings)
    if settings.together and any(besides):
        raise InputError(
            "windows together are neither excused by windows before nor judged by scores", slug="bad-setting"
        )


def _gather(reference: Profile, history: Sequence[Profile], of: int, before: Before = ()) -> _Evidence:
    single = [effects(reference, window) for window in history]
    merged = before or [None] * len(history)
    return _Evidence(
        single=single,
        together=[
            effects_together(reference, history[max(0, i - of + 1) : i + 1]) for i in range(len(history))
        ],
        excuses=[
            None if one is None else _excuse(reference, one, window, found)
            for one, window, found in zip(merged, history, single, strict=True)
        ],
    )


def _excuse(reference: Profile, merged: Profile, window: Profile, found: Collection[str]) -> _Excuse:
    """What `merged`, the accepted windows, say of the columns `found` that were compared with the reference."""
    before = {column.name: column for column in merged.columns}
    pairs = {one.name: (before[one.name], one) for one in window.columns if one.name in before}
    beside = {name: effect(*pairs[name]) for name in found if name in pairs}
    return _Excuse({name: one for name, one in beside.items() if one is not None}, effects(reference, merged))


def _flags(
    found: dict[str, Effect], excuse: _Excuse | None, settings: AlarmSettings
) -> tuple[dict[str, bool], tuple[str, ...]]:
    """Which columns of a window are flagged, and which would be, but are excused."""
    flags = flag_columns(found, settings)
    if excuse is None or not any(flags.values()):
        return flags, ()
    still = flag_columns(excuse.beside, settings)
    excused = tuple(
        name
        for name, flag in flags.items()
        if flag
        and not still.get(name, True)
        and name in excuse.apart
        and excuse.apart[name].w > settings.tolerances.get(name, settings.tolerance)
    )
    return {name: flag and name not in excused for name, flag in flags.items()}, excused


def _replay(
    evidence: _Evidence, settings: AlarmSettings, scored: Sequence[Mapping[str, bool]] = ()
) -> tuple[WindowBacktest, ...]:
    answers: list[WindowBacktest] = []
    for i, found in enumerate(evidence.single):
        newest = slice(max(0, i - settings.of + 1), i + 1)
        alarming = _alarming(
            _Evidence(evidence.single[newest], evidence.together[newest], evidence.excuses[newest]),
            settings,
            scored[newest],
        )
        flags, excused = _flags(found, evidence.excuses[i], settings)
        if scored:
            flags |= scored[i]
        answers.append(
            WindowBacktest(
                window=i,
                flagged=tuple(name for name, flag in flags.items() if flag),
                alarming=alarming,
                new=newly_alarming(alarming, answers[-1].alarming if answers else ()),
                excused=excused,
            )
        )
    return tuple(answers)


def _alarming(
    newest: _Evidence, settings: AlarmSettings, scored: Sequence[Mapping[str, bool]] = ()
) -> tuple[str, ...]:
    """The columns that alarm after the last of the newest windows."""
    if settings.together:
        return alarming_together(newest.single, newest.together[-1], settings)
    flags = [
        {**_flags(found, excuse, settings)[0], **beyond}
        for found, excuse, beyond in zip(
            newest.single, newest.excuses, scored or [{}] * len(newest.single), strict=True
        )
    ]
    return alarming_columns(flags, settings.needed, settings.of)


def _weigh(
    reference: Profile,
    history: Sequence[Profile],
    varied: Sequence[AlarmSettings],
    *,
    w: float,
    drifting: Sequence[tuple[int, int]],
    before: Before,
    repeats: int,
    seed: int,
) -> tuple[TradeOff, ...]:
    for settings in varied:
        _check(settings, before)
    not_quiet = {i for start, end in drifting for i in range(start, end)}
    quiet = [i for i in range(len(history)) if i not in not_quiet]
    if not quiet:
        raise InputError(
            "there is no quiet window to count false alarms on",
            slug="bad-setting",
            hint="Give a history with at least one window outside the stated drifts.",
        )
    gathered = {of: _gather(reference, history, of, before) for of in {settings.of for settings in varied}}
    tested = [_tested(gathered[settings.of], settings) for settings in varied]
    delays: list[list[float]] = [[] for _ in varied]
    rng = Random(seed)
    for _ in range(repeats):
        drift = _inject(reference, history, quiet, w, rng)
        if drift is None:
            continue
        shifted = {of: _shifted_effects(reference, history, drift, of, before) for of in gathered}
        for settings, evidence, found in zip(varied, tested, delays, strict=True):
            found.append(_delay(evidence, shifted[settings.of], drift, settings))
    return tuple(
        _count(settings, _replay(evidence, settings), quiet, w, found)
        for settings, evidence, found in zip(varied, tested, delays, strict=True)
    )


def _tested(evidence: _Evidence, settings: AlarmSettings) -> _Evidence:
    """The evidence against the tolerances of `settings`, so that this is not done again for each injected drift."""

    def test(found: dict[str, Effect]) -> dict[str, Effect]:
        return {
            name: at_tolerance(one, settings.tolerances.get(name, settings.tolerance))
            for name, one in found.items()
        }

    return _Evidence(
        [test(found) for found in evidence.single],
        [test(found) for found in evidence.together],
        [one and _Excuse(test(one.beside), one.apart) for one in evidence.excuses],
    )


@dataclass(frozen=True)
class _Drift:
    """An injected drift of one column: `windows` hold that column alone, the first being that at `start`."""

    column: str
    start: int
    windows: list[Profile]


def _inject(
    reference: Profile, history: Sequence[Profile], quiet: Sequence[int], w: float, rng: Random
) -> _Drift | None:
    """A drift of a random column from a random quiet window on; None when that column cannot hold it."""
    is_quiet = set(quiet)
    room = min(ROOM, max(1, len(quiet) // 2))
    start = rng.choice([i for i in quiet if is_quiet.issuperset(range(i, i + room))] or list(quiet))
    end = next((i for i in range(start, len(history)) if i not in is_quiet), len(history))
    column = rng.choice(reference.columns)
    # The same seed in every window: a drift that lasts goes one way.
    way = rng.random()
    windows = []
    for window in history[start:end]:
        found = next((one for one in window.columns if one.name == column.name), None)
        moved = None if found is None else shift_column(found, column, w, Random(way))
        if moved is None:
            return None
        windows.append(Profile(rows=window.rows, columns=(moved,)))
    return _Drift(column.name, start, windows)


def _shifted_effects(
    reference: Profile, history: Sequence[Profile], drift: _Drift, of: int, before: Before
) -> _Evidence:
    """The effects of the drifting column, from the drift's first window on."""

    def alone(table: Profile) -> Profile:
        columns = tuple(one for one in table.columns if one.name == drift.column)
        return Profile(rows=table.rows, columns=columns)

    first = max(0, drift.start - of + 1)
    windows = [*map(alone, history[first : drift.start]), *drift.windows]
    accepted = [one and alone(one) for one in before[first : first + len(windows)]]
    evidence = _gather(alone(reference), windows, of, accepted)
    new = slice(drift.start - first, None)
    return _Evidence(evidence.single[new], evidence.together[new], evidence.excuses[new])


def _delay(evidence: _Evidence, shifted: _Evidence, drift: _Drift, settings: AlarmSettings) -> float:
    """How many windows of the drift pass until its column alarms; infinity when it does not."""
    first = max(0, drift.start - settings.of + 1)
    single, excuses = evidence.single[first : drift.start], evidence.excuses[first : drift.start]
    for i, (one, together) in enumerate(zip(shifted.single, shifted.together, strict=True)):
        single.append({**evidence.single[drift.start + i], **one})
        excuses.append(_shifted_excuse(evidence.excuses[drift.start + i], shifted.excuses[i], drift.column))
        now = _Evidence(single, [{**evidence.together[drift.start + i], **together}], excuses)
        if drift.column in _alarming(now, settings):
            return i + 1
    return math.inf


def _shifted_excuse(usual: _Excuse | None, shifted: _Excuse | None, column: str) -> _Excuse | None:
    """The excuse of a window in which this column drifts."""
    if usual is None or shifted is None:
        return None
    others = {name: one for name, one in usual.beside.items() if name != column}
    return _Excuse({**others, **shifted.beside}, usual.apart)


def _count(
    settings: AlarmSettings,
    answers: Sequence[WindowBacktest],
    quiet: Sequence[int],
    w: float,
    delays: Sequence[float],
) -> TradeOff:
    false_alarms = sum(bool(answers[i].new) for i in quiet)
    ordered = sorted(delays)
    return TradeOff(
        settings=settings,
        false_alarms=false_alarms,
        quiet_windows=len(quiet),
        rate=false_alarms / len(quiet),
        rate_at_most=rate_upper_bound(false_alarms, len(quiet)),
        w=w,
        injected=len(ordered),
        found=sum(map(math.isfinite, ordered)) / len(ordered) if ordered else None,
        delay=_quantile(ordered, 0.5),
        late_delay=_quantile(ordered, 0.9),
    )


def _quantile(ordered: Sequence[float], share: float) -> int | None:
    value = ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.inf
    return int(value) if math.isfinite(value) else None


def _or_infinite(value: int | None) -> float:
    return math.inf if value is None else value


def _side(counts: Sequence[int], rng: Random) -> Collection[int]:
    """The bins of the upper or the lower half of the mass."""
    positions = list(range(len(counts)))
    if rng.random() < 0.5:
        positions.reverse()
    kept = _first_half([counts[i] for i in positions], sum(counts))
    return {positions[i] for i in kept}


def _first_half(counts: Sequence[int], total: int) -> set[int]:
    """The first positions whose counts are nearest to half of `total`, all and none excepted where possible."""
    below = list(accumulate(counts))
    last = min(range(len(below)), key=lambda i: abs(below[i] - total / 2), default=-1)
    return set(range(last + 1))


def _factors(counts: Sequence[int], gains: Collection[int], w: float) -> dict[bool, float] | None:
    """By what the rows of gaining and of other bins are multiplied for an effect of `w`; None when it cannot be."""
    total = sum(counts)
    share = sum(counts[i] for i in gains) / total if total else 0.0
    low, high = 0.0, 1 - share
    if share in (0.0, 1.0) or _two_bins(share, high) < w:
        return None
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _two_bins(share, middle) < w else (low, middle)
    return {True: (share + high) / share, False: (1 - share - high) / (1 - share)}


def _two_bins(share: float, more: float) -> float:
    """The w of two bins, the first of which holds `share` and gains `more`."""
    return math.sqrt(2 * more**2 * (1 / (2 * share + more) + 1 / (2 * (1 - share) - more)))


def _scaled(counts: Sequence[int], factors: Sequence[float]) -> tuple[int, ...]:
    """Counts times factors, as whole rows with the same sum: what rounding leaves is carried to the next bin."""
    wanted = [count * factor for count, factor in zip(counts, factors, strict=True)]
    total, scale = sum(counts), sum(wanted)
    below = [round(value * total / scale) for value in accumulate(wanted)] if scale else [0] * len(wanted)
    return tuple(b - a for a, b in pairwise([0, *below]))
