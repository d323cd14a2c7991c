"""From the effects of many columns over many windows to an alarm, or none. Pure.

A flag is what one column did in one window. An alarm is what people are told, and it takes more than a flag: the same
column, in `needed` of its newest `of` windows. There are two rules. `alarming_columns` asks for a flag in each of
those windows. `alarming_together` asks that the newest windows together differ by more than is tolerated, and that
`needed` of them lean that way each. It finds small drifts in small windows sooner: w of 0.2 in windows of 1,000 rows
in 2 to 3 windows, where the other takes 4 to 14, both without a false alarm on data that does not drift
(benchmarks/false_alarms.py). It is the rule to use while the windows' profiles are at hand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from crisplens.core.errors import InputError
from crisplens.monitors.effects import TOLERANCE, Effect, at_tolerance, check_tolerance


class AlarmSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When a column's drift becomes an alarm.

    `tolerance` is the Cohen's w that is put up with, `tolerances` that of single columns. `level` is the false
    discovery rate of the flags in one window, over all its columns. `weights` says which columns matter more (1 is
    usual, 0 never flags a column). An alarm needs the same column in `needed` of its newest `of` windows.

    With `together`, `level` is spent on the newest windows as one (see `alarming_together`). Every window makes such
    a test, and they overlap: 0.01 is about 0.05 in a week of daily windows, if all columns differ by just the
    tolerance, and next to nothing if they differ by less. Without it, 0.05 is the level to choose.
    """

    tolerance: float = TOLERANCE
    tolerances: dict[str, float] = {}
    level: float = 0.01
    weights: dict[str, float] = {}
    needed: int = 2
    of: int = 3
    together: bool = True


# A single window leans towards drift when one with just the tolerated effect would look so once in twenty. At once in
# ten, a strange window and the noise of a quiet one made an alarm in some of 100 weeks; small drifts came no sooner.
LEANING = 0.05


class Corrected(msgspec.Struct, frozen=True):
    """p-values adjusted for their number, and whether each is flagged, in the order they were given."""

    adjusted: tuple[float, ...]
    flagged: tuple[bool, ...]


def check_alarm_settings(settings: AlarmSettings) -> None:
    """Raise `InputError` for a setting that is out of its range."""
    for tolerance in (settings.tolerance, *settings.tolerances.values()):
        check_tolerance(tolerance)
    _check_level(settings.level)
    _check_weights(settings.weights.values())
    _check_pattern(settings.needed, settings.of)


def benjamini_hochberg(
    p_values: Sequence[float], level: float, weights: Sequence[float] | None = None
) -> Corrected:
    """Flags such that at most a share `level` of them is false, on average (Benjamini and Hochberg 1995).

    An adjusted p-value is the least level that flags it. With `weights`, one each and of any scale, p-values are
    first divided by their weight over the mean weight (Genovese, Roeder and Wasserman 2006,
    https://doi.org/10.1093/biomet/93.3.509): more weight is more easily flagged, and a weight of 0 never is.
    Weights must be chosen before the p-values are seen.

    Raises `InputError` for a level outside (0, 1), and for weights that are negative or not as many as p-values.
    """
    _check_level(level)
    count = len(p_values)
    given = [1.0] * count if weights is None else list(weights)
    _check_weights(given)
    if len(given) != count:
        raise _bad_setting(
            f"there are {len(given)} weights for {count} p-values", "Give one weight for each."
        )
    total = sum(given)
    # Dividing by weight/mean and multiplying by the count is multiplying by the sum over the weight.
    scaled = [
        p * total / weight if weight else float("inf") for p, weight in zip(p_values, given, strict=True)
    ]
    adjusted = [1.0] * count
    least = 1.0
    order = sorted(range(count), key=lambda i: scaled[i])
    for rank in range(count, 0, -1):
        position = order[rank - 1]
        least = min(least, scaled[position] / rank)
        adjusted[position] = least
    return Corrected(
        adjusted=tuple(adjusted),
        flagged=tuple(p <= level and weight > 0 for p, weight in zip(adjusted, given, strict=True)),
    )


def flag_columns(effects: Mapping[str, Effect], settings: AlarmSettings) -> dict[str, bool]:
    """Which columns of one window differ by more than is tolerated, all columns judged together.

    A column that could not be compared is not in `effects`: it neither counts nor is flagged. Tolerances are those of
    `settings`, whatever those of the effects.
    """
    names = list(effects)
    tested = [
        at_tolerance(effects[name], settings.tolerances.get(name, settings.tolerance)) for name in names
    ]
    corrected = benjamini_hochberg(
        [found.p_value for found in tested],
        settings.level,
        [settings.weights.get(name, 1.0) for name in names],
    )
    return dict(zip(names, corrected.flagged, strict=True))


def persistent(flags: Sequence[bool], needed: int, of: int) -> bool:
    """Whether at least `needed` of the newest `of` flags are set; flags are in order, the newest last.

    Raises `InputError` unless 1 <= needed <= of.
    """
    _check_pattern(needed, of)
    return sum(flags[-of:]) >= needed


def alarming_columns(history: Sequence[Mapping[str, bool]], needed: int, of: int) -> tuple[str, ...]:
    """The columns that alarm after the newest window: each one's own flags persist.

    `history` has each window's flags by column, the newest last. Windows in which a column could not be compared
    are skipped, so that a gap neither hides a drift nor makes one. A column that is not in the newest window
    does not alarm: nothing was learnt about it. Nor does one whose newest flag is not set: it is over.

    Raises `InputError` unless 1 <= needed <= of.
    """
    _check_pattern(needed, of)
    newest = history[-1] if history else {}
    return tuple(
        name
        for name, flagged in newest.items()
        if flagged and persistent([window[name] for window in history if name in window], needed, of)
    )


def alarming_together(
    windows: Sequence[Mapping[str, Effect]], together: Mapping[str, Effect], settings: AlarmSettings
) -> tuple[str, ...]:
    """The columns that alarm after the newest window, by the evidence of the newest windows as one.

    `windows` has each window's effects by column, the newest last; `together` those of the newest `settings.of`
    windows taken as one table (`effects.effects_together`). A column alarms when these differ by more than is
    tolerated, all columns judged together at `settings.level`, and when `settings.needed` of its newest
    `settings.of` windows lean that way each, the newest among them. So a single strange window is no alarm, however
    strange, and a drift that is over is none either.

    Raises `InputError` unless 1 <= needed <= of.
    """
    _check_pattern(settings.needed, settings.of)
    newest = windows[-settings.of :]
    flagged = flag_columns(together, settings)
    return tuple(name for name, flag in flagged.items() if flag and _leans(newest, name, settings))


def _leans(newest: Sequence[Mapping[str, Effect]], name: str, settings: AlarmSettings) -> bool:
    if not newest or name not in newest[-1]:
        return False
    tolerance = settings.tolerances.get(name, settings.tolerance)
    leaning = [at_tolerance(w[name], tolerance).p_value <= LEANING for w in newest if name in w]
    return leaning[-1] and persistent(leaning, settings.needed, settings.of)


def in_cool_down(last_alarm_at: datetime | None, now: datetime, cool_down: timedelta) -> bool:
    """Whether an alarm was given less than `cool_down` before `now`, so that another would say nothing new."""
    # A time to come was given by a clock that was corrected since.
    return last_alarm_at is not None and timedelta(0) <= now - last_alarm_at < cool_down


def newly_alarming(now: Iterable[str], before: Collection[str]) -> tuple[str, ...]:
    """The columns that alarm now and did not before: what is worth a message."""
    return tuple(name for name in now if name not in before)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise _bad_setting(
            f"the level {level!r} is out of range", "Give a share between 0 and 1, such as 0.05."
        )


def _check_weights(weights: Iterable[float]) -> None:
    for weight in weights:
        if not 0 <= weight < float("inf"):
            raise _bad_setting(f"the weight {weight!r} is out of range", "Give 0, or a positive number.")


def _check_pattern(needed: int, of: int) -> None:
    if not 1 <= needed <= of:
        raise _bad_setting(
            f"{needed} of {of} windows cannot be asked for",
            "Ask for at least 1, and at most as many as there are.",
        )


def _bad_setting(what: str, hint: str) -> InputError:
    return InputError(what, slug="bad-setting", hint=hint)
