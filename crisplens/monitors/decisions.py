"""From columns to a window's verdict, and from windows to an alarm. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from crisplens.core.text import count
from crisplens.monitors.alarms import benjamini_hochberg
from crisplens.monitors.effects import Effect
from crisplens.monitors.model import (
    BAD_VERDICTS,
    FOUND,
    JUDGED,
    CheckSettings,
    ColumnCheck,
    MovingFindings,
    Verdict,
)

_IN_WORDS = {
    Verdict.MISSING_COLUMN: "missing",
    Verdict.WRONG_TYPE: "of the wrong type",
    Verdict.ALL_NULL: "all null",
    Verdict.INSUFFICIENT_DATA: "with too few values",
    Verdict.UNSUPPORTED: "of an unsupported type",
}
_MOST_NAMES = 5
# A smaller p-value says nothing more.
LEAST_SHOWN = 1e-16


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What an earlier check found in its window, as far as later alarms need it.

    `window` tells windows apart; `start` is the beginning of its data where known, else when it was checked.
    """

    window: str
    start: str
    verdict: Verdict
    drifting: frozenset[str]


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether a check is an alarm, on which columns, since when, and why (one sentence).

    `moving` is what the comparison with earlier windows found, where there was one.
    """

    alarm: bool
    reason: str
    columns: tuple[str, ...] = ()
    since: str = ""
    moving: MovingFindings | None = None


def count_checked(columns: Sequence[ColumnCheck]) -> tuple[int, int]:
    """How many columns drift, and how many could be compared."""
    drifted = sum(column.verdict is Verdict.DRIFT for column in columns)
    return drifted, sum(column.verdict in JUDGED for column in columns)


def judge_effects(
    columns: Sequence[ColumnCheck], effects: Mapping[str, Effect | None], settings: CheckSettings
) -> tuple[ColumnCheck, ...]:
    """Columns judged by their effects: drift where one is larger than what is tolerated, at the level for all of them.

    Columns without an entry in `effects` stay as they are. One whose effect cannot be told has too few values.
    """
    told = {name: one for name, one in effects.items() if one is not None}
    weights = [settings.weights.get(name, 1.0) for name in told]
    corrected = benjamini_hochberg([one.p_value for one in told.values()], settings.level, weights)
    found = dict(zip(told, zip(corrected.adjusted, corrected.flagged, strict=True), strict=True))
    judged = []
    for column in columns:
        if column.column in told:
            judged.append(_judged(column, told[column.column], *found[column.column], settings))
        elif column.column in effects:
            reason = "There are too few values for bins that expect 5 rows each."
            judged.append(msgspec.structs.replace(column, verdict=Verdict.INSUFFICIENT_DATA, reason=reason))
        else:
            judged.append(column)
    return tuple(judged)


def _judged(
    column: ColumnCheck, effect: Effect, p_value: float, drifts: bool, settings: CheckSettings
) -> ColumnCheck:
    than = "larger than" if drifts else "not shown to be larger than"
    found = f"The effect w {effect.w:.3g} is {than} the tolerated {settings.tolerance:g}"
    said = f"{found} (p {_small(p_value)} over all columns)."
    if settings.weights.get(column.column) == 0:
        said = f"The effect w {effect.w:.3g} counts for nothing, as the column's weight is 0."
    return msgspec.structs.replace(
        column,
        effect=effect.w,
        p_value=p_value,
        verdict=Verdict.DRIFT if drifts else Verdict.NO_DRIFT,
        reason=f"{said} By its score alone: {column.reason}",
    )


def _small(p_value: float) -> str:
    return f"{p_value:.2g}" if p_value >= LEAST_SHOWN else f"below {LEAST_SHOWN:g}"


def decide(
    columns: Sequence[ColumnCheck], settings: CheckSettings, *, current_rows: int
) -> tuple[Verdict, str]:
    """The window's verdict and the reason in one sentence that hides nothing: drifting and bad columns alike.

    The window drifts when a column does, or with a `drift_share` when at least that share of the compared columns
    do, as in Evidently's `DataDriftPreset`. Otherwise it is bad data when it has no rows, when a column is missing,
    of the wrong type or all null, and when no column could be compared; but for too few values alone, which is
    insufficient data.
    """
    if current_rows == 0:
        return Verdict.BAD_DATA, "The window has no rows."
    drifted, checked = count_checked(columns)
    bad = any(column.verdict in BAD_VERDICTS for column in columns)
    drift = drifted > 0 and drifted / checked >= (settings.drift_share or 0.0)
    parts = [_drift_in_words(columns, drifted, checked, settings)]
    parts += [
        f"{_names(named)} {'is' if len(named) == 1 else 'are'} {words}"
        for verdict, words in _IN_WORDS.items()
        if (named := [column.column for column in columns if column.verdict is verdict])
    ]
    reason = "; ".join(parts) + "."
    if drift:
        return Verdict.DRIFT, reason
    if not checked and not bad and any(one.verdict is Verdict.INSUFFICIENT_DATA for one in columns):
        return Verdict.INSUFFICIENT_DATA, reason
    return (Verdict.BAD_DATA if bad or not checked else Verdict.NO_DRIFT), reason


def decide_alarm(now: Seen, earlier: Sequence[Seen], settings: CheckSettings, *, muted: str = "") -> Decision:
    """Whether a window is an alarm, given those before it (oldest first) and what mutes the monitor, if anything.

    Bad data is an alarm at once. Drift is one when the same column drifts in `needed` of the newest `of` windows (so is
    lost performance, metric by metric);
    with a `drift_share`, when the window as a whole does. A window that was looked at before counts once.
    """
    if now.verdict is not Verdict.BAD_DATA and now.verdict not in FOUND:
        few = now.verdict is Verdict.INSUFFICIENT_DATA
        return Decision(alarm=False, reason="There was too little data." if few else "Nothing was found.")
    if muted:
        return Decision(alarm=False, reason=f"The monitor is muted: {muted}")
    if now.verdict is Verdict.BAD_DATA:
        return Decision(alarm=True, reason="The data could not be judged.", since=now.start)
    by_window = {one.window: one for one in earlier if one.window != now.window}
    newest = [*by_window.values()][max(len(by_window) - settings.of + 1, 0) :] if settings.of > 1 else []
    drifting = [one for one in (*newest, now) if one.verdict in FOUND]
    if settings.drift_share is not None:
        times, columns = len(drifting), tuple(sorted(now.drifting))
    else:
        counted = Counter(column for one in drifting for column in one.drifting)
        columns = tuple(sorted(one for one in now.drifting if counted[one] >= settings.needed))
        times = max(counted[one] for one in now.drifting)
    what = "Drift" if now.verdict is Verdict.DRIFT else "Lost performance"
    if times < settings.needed:
        wanted = f"an alarm needs {settings.needed} of {settings.of}"
        reason = f"{what} in {times} of the newest {count(len(newest) + 1, 'window')}; {wanted}."
        return Decision(alarm=False, reason=reason)
    wide = settings.drift_share is not None
    first = next(one for one in drifting if wide or not one.drifting.isdisjoint(columns))
    which = f" of {_names(columns)}" if columns else ""
    words = (
        f"{what} in this window"
        if settings.of == 1
        else f"{what} in {times} of the newest {count(len(newest) + 1, 'window')}"
    )
    return Decision(alarm=True, columns=columns, reason=f"{words}{which}.", since=first.start)


def _drift_in_words(
    columns: Sequence[ColumnCheck], drifted: int, checked: int, settings: CheckSettings
) -> str:
    if not checked:
        return "No column could be compared"
    of = f"of {checked} compared column{'' if checked == 1 else 's'}"
    if not drifted:
        return f"None {of} drifts"
    found = [column for column in columns if column.verdict is Verdict.DRIFT]
    share = settings.drift_share
    verb = "drifts" if drifted == 1 else "drift"
    if share is None:
        strongest = sorted(found, key=lambda one: -(one.effect or 0.0))
        return f"{drifted} {of} {verb} ({_names([_with_effect(one) for one in strongest])})"
    side = "at least" if drifted / checked >= share else "less than"
    named = _names([column.column for column in found])
    return f"{drifted} {of} {verb} ({named}), {side} the share {share:g} that counts as drift"


def _with_effect(column: ColumnCheck) -> str:
    return column.column if column.effect is None else f"{column.column} w {column.effect:.2f}"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    more = len(names) - _MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
