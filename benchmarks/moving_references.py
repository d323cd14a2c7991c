"""What an alarm should need when a monitor also compares with the windows before, or with the same season before.

    python benchmarks/moving_references.py [--runs 6] [--rows 2000] [--check]

Daily windows over 16 weeks, four columns, compared with a training table of 10,000 rows that holds all days of the week
alike. Windows are drawn as counts in the reference's bins. An alarm needs the same column in 2 of 3 windows. Someone
looks at each alarm after two windows: one without a cause is dismissed, so that its windows count as normal.
The worlds: nothing changes (each day wobbles by a harmless w of about 0.05); two columns have another mean on weekends,
weakly or strongly; on top of that, one of those or a quiet column follows a slow trend (w of 0.5 after twelve weeks),
jumps for good (w of 0.4), or jumps to what someone takes for the new normal a week after the alarm.
`--check` exits 1 when the recommended rule alarms without a cause where nothing has seasons, or more than five times in
a run where something has; when it misses a change; or when it finds one in a column without seasons more than a week
later than the training data alone. Half a minute for six runs on an idle core.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from crisplens.monitors.decisions import judge_effects
from crisplens.monitors.effects import effect
from crisplens.monitors.model import CheckSettings, ColumnCheck, ColumnKind, NumericProfile, Profile, Verdict
from crisplens.monitors.moving import (
    MovingFindings,
    MovingReference,
    PastWindow,
    choose_windows,
    compare,
    deciding_columns,
    parse_moving,
)

Floats = NDArray[np.float64]
REFERENCE_ROWS = 10_000
DAYS, ONSET_TREND, ONSET_JUMP = 112, 28, 56
NAMES = tuple("abcd")
SEASONAL = ("a", "b")
SETTINGS = CheckSettings(needed=2, of=3)
REACTION, THINKS = 2, 7
WOBBLE, WEAK, STRONG = 0.05, 0.3, 0.6
TREND, JUMP = 0.5, 0.4
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
SEASON, ROLLING = "seasonal 4 of 7d", "rolling 14"
# By name: how far weekends are off, what changes, and whether that is in a column with seasons.
WORLDS: dict[str, tuple[float, str, bool]] = {
    "quiet": (0.0, "", False),
    "trend": (0.0, "trend", False),
    "jump": (0.0, "jump", False),
    "new normal": (0.0, "new normal", False),
    "weak seasons": (WEAK, "", False),
    "strong seasons": (STRONG, "", False),
    "seasons, trend elsewhere": (STRONG, "trend", False),
    "seasons, trend in them": (STRONG, "trend", True),
    "seasons, jump in them": (STRONG, "jump", True),
    "seasons, new normal in them": (STRONG, "new normal", True),
}
# A rolling reference knows no seasons; that it cannot cure them is shown once.
NO_CURE = "strong seasons"
PLAIN = ("quiet", "trend", "jump", "new normal", NO_CURE)
# Weekdays and weekends differ from the training data, in two columns: to be told so takes an alarm or two each.
MOST_TOLD = 5
EDGES = tuple(float(x) for x in (*np.linspace(-4, -2.5, 4), *np.linspace(-2, 2, 21), *np.linspace(2.5, 4, 4)))
_below = np.vectorize(lambda x: (1 + math.erf(x / math.sqrt(2))) / 2)


@dataclass(frozen=True)
class Rule:
    """How an alarm is decided.

    With `any_window`, windows without an open incident count as normal, drifting or not. `always` compares with the
    moving reference in every window, and not only in those that drift from the training data.
    """

    decide: Callable[[Sequence[ColumnCheck], MovingFindings], frozenset[str]]
    any_window: bool = True
    always: bool = True


@dataclass(frozen=True)
class World:
    """The windows of one run, what was found against the training data, and when which column really changed."""

    training: Profile
    windows: list[Profile]
    checks: list[tuple[ColumnCheck, ...]]
    changed: str
    onset: int
    is_normal: bool


@dataclass
class Outcome:
    """What one rule made of one run: alarms without a cause, windows until the change was found, alarms after it."""

    false: int = 0
    delay: int | None = None
    after: int = 0


@dataclass
class Run:
    """What has happened so far in a run."""

    past: list[PastWindow] = field(default_factory=list)
    flags: list[frozenset[str]] = field(default_factory=list)
    opened: int | None = None
    closes: int | None = None


def drifting(checks: Sequence[ColumnCheck]) -> frozenset[str]:
    """The columns that drift from the training data."""
    return frozenset(one.column for one in checks if one.verdict is Verdict.DRIFT)


def from_moving(checks: Sequence[ColumnCheck], found: MovingFindings) -> frozenset[str]:
    """The columns that drift from the moving reference; from the training data where there is none yet."""
    if found.verdict is Verdict.INSUFFICIENT_DATA:
        return drifting(checks)
    return frozenset(one.column for one in found.columns if one.verdict is Verdict.DRIFT)


def from_both(checks: Sequence[ColumnCheck], found: MovingFindings) -> frozenset[str]:
    """The columns that drift from the training data and, where that is known, from the moving reference."""
    alike = (one.column for one in found.columns if one.verdict is Verdict.NO_DRIFT)
    return drifting(checks) - frozenset(alike)


RECOMMENDED = "recommended"
RULES = {
    "training only": Rule(lambda checks, _: drifting(checks), always=False),
    "moving only": Rule(from_moving),
    "either": Rule(lambda checks, found: drifting(checks) | from_moving(checks, found)),
    "both must drift": Rule(from_both, always=False),
    RECOMMENDED: Rule(deciding_columns, any_window=False, always=False),
}


def shares(mean: float) -> Floats:
    """What share of the rows of a column with that mean falls into each bin."""
    return np.diff(np.concatenate([[0.0], _below(np.array(EDGES) - mean), [1.0]])).clip(0)


def profile(counts: dict[str, NDArray[np.int64]]) -> Profile:
    """The profile of columns with so many rows in each bin."""
    rows = int(next(iter(counts.values())).sum())
    columns = tuple(
        NumericProfile(
            name=name,
            type="DOUBLE",
            rows=rows,
            nulls=0,
            count=rows,
            edges=EDGES,
            counts=tuple(found.tolist()),
        )
        for name, found in counts.items()
    )
    return Profile(rows=rows, columns=columns)


def make_world(kind: str, rows: int, rng: np.random.Generator) -> World:
    """The windows of a run, judged against the training data."""
    season, change, within = WORLDS[kind]
    changed = NAMES[0] if within else NAMES[-1]
    onset = {"": DAYS, "trend": ONSET_TREND}.get(change, ONSET_JUMP)

    def mean(name: str, day: int) -> float:
        weekend = season if name in SEASONAL and day % 7 > 4 else 0.0
        if name != changed or day < onset:
            return weekend
        return weekend + (TREND * (day - onset) / 84 if change == "trend" else JUMP)

    week = {name: sum(shares(mean(name, day)) for day in range(7)) / 7 for name in NAMES}
    training = profile({name: rng.multinomial(REFERENCE_ROWS, week[name]) for name in NAMES})
    windows = [
        profile(
            {name: rng.multinomial(rows, shares(mean(name, day) + rng.normal(0, WOBBLE))) for name in NAMES}
        )
        for day in range(DAYS)
    ]
    checks = [against_training(training, window) for window in windows]
    return World(training, windows, checks, changed, onset, change == "new normal")


def against_training(training: Profile, window: Profile) -> tuple[ColumnCheck, ...]:
    """What a check finds in a window."""
    pairs = zip(training.columns, window.columns, strict=True)
    found = {before.name: effect(before, now, tolerance=SETTINGS.tolerance) for before, now in pairs}
    plain = [
        ColumnCheck(column=name, kind=ColumnKind.NUMERIC, verdict=Verdict.NO_DRIFT, reason="")
        for name in NAMES
    ]
    return judge_effects(plain, found, SETTINGS)


def play(world: World, rule: Rule, moving: MovingReference) -> Outcome:
    """What a rule makes of a run; a change that is found ends it, unless it is the new normal."""
    run, outcome = Run(), Outcome()
    for day in range(DAYS):
        if run.closes == day:
            accept(run, day)
        flags = rule.decide(world.checks[day], look(world, rule, moving, run, day))
        remember(world, rule, run, day, flags)
        alarming = {
            one for one in flags if sum(one in past for past in run.flags[-SETTINGS.of :]) >= SETTINGS.needed
        }
        if not alarming or run.opened is not None:
            continue
        run.opened = day
        run.past[day] = msgspec.structs.replace(run.past[day], incident="incident")
        true = day >= world.onset and world.changed in alarming
        if not true:
            outcome.false += 1
        elif outcome.delay is None:
            outcome.delay = day - world.onset + 1
            if not world.is_normal:
                return outcome
        else:
            outcome.after += 1
        run.closes = day + (THINKS if true and world.is_normal else REACTION)
    return outcome


def look(world: World, rule: Rule, moving: MovingReference, run: Run, day: int) -> MovingFindings:
    """What the moving reference says of a window, where the rule asks for it."""
    nothing = MovingFindings(moving=moving, verdict=Verdict.INSUFFICIENT_DATA, reason="")
    if not rule.always and (rule is RULES["training only"] or not drifting(world.checks[day])):
        return nothing
    chosen = choose_windows(moving, past_window(day), run.past)
    return compare(
        moving,
        chosen,
        [world.windows[int(one.profile)] for one in chosen],
        reference=world.training,
        current=world.windows[day],
        checks=world.checks[day],
        settings=SETTINGS,
    )


def past_window(day: int) -> PastWindow:
    """The window of a day."""
    start, end = ((MONDAY + timedelta(days=one)).isoformat() for one in (day, day + 1))
    return PastWindow(key=f"{day:04d}", start=start, end=end, verdict=Verdict.NO_DRIFT, profile=str(day))


def remember(world: World, rule: Rule, run: Run, day: int, flags: frozenset[str]) -> None:
    """Keep a window, with the open incident that it belongs to."""
    drifts = bool(drifting(world.checks[day])) and not rule.any_window
    run.flags.append(flags)
    run.past.append(
        msgspec.structs.replace(
            past_window(day),
            verdict=Verdict.DRIFT if drifts else Verdict.NO_DRIFT,
            incident="incident" if flags and run.opened is not None else None,
        )
    )


def accept(run: Run, day: int) -> None:
    """Someone takes what was found for normal: the windows of the incident, and those that led to it."""
    first = max((run.opened or 0) - SETTINGS.of + 1, 0)
    for at in range(first, day):
        one = run.past[at]
        if one.incident or one.verdict is Verdict.DRIFT:
            # Where any window counts, an accepted one is a window like others.
            accepted = one.verdict is Verdict.DRIFT
            run.past[at] = msgspec.structs.replace(one, incident=None, accepted=accepted)
    run.opened = run.closes = None


def in_words(outcomes: Sequence[Outcome], changes: bool) -> str:
    """A cell of the table: alarms without a cause; changes found, the median windows until then, alarms after it."""
    false = f"{sum(one.false for one in outcomes) / len(outcomes):5.1f}"
    if not changes:
        return false
    delays = sorted(one.delay for one in outcomes if one.delay is not None)
    after = sum(one.after for one in outcomes) / len(outcomes)
    delay = f"{delays[len(delays) // 2]:3}" if delays else "  -"
    return f"{false} {len(delays) / len(outcomes):4.0%} {delay} {after:4.1f}"


def main() -> int:
    """Print the tables; 1 when `--check` finds what it should not."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    rng = np.random.default_rng(1)
    worlds = {kind: [make_world(kind, given.rows, rng) for _ in range(given.runs)] for kind in WORLDS}
    print(f"{given.runs} runs of {DAYS} daily windows of {given.rows:,} rows.")
    print("For each: alarms without a cause in a run; changes found, windows until then, alarms after that.")
    failures: list[str] = []
    for text, kinds in ((SEASON, WORLDS), (ROLLING, PLAIN)):
        moving = parse_moving(text)
        told = {
            (name, kind): [play(world, rule, moving) for world in worlds[kind]]
            for name, rule in RULES.items()
            for kind in kinds
        }
        print(f"\n{text:28}" + "".join(f"{name:22}" for name in RULES))
        for kind in kinds:
            cells = (f"{in_words(told[name, kind], bool(WORLDS[kind][1])):22}" for name in RULES)
            print(f"{kind:28}" + "".join(cells))
        failures += faults({at: found for at, found in told.items() if text == SEASON or at[1] != NO_CURE})
    print("", *failures, sep="\n")
    return 1 if given.check and failures else 0


def faults(told: dict[tuple[str, str], list[Outcome]]) -> list[str]:
    """What is wrong with the recommended rule."""
    found = []
    for kind in [kind for name, kind in told if name == RECOMMENDED]:
        ours, (season, change, within) = told[RECOMMENDED, kind], WORLDS[kind]
        false = sum(one.false for one in ours) / len(ours)
        if false > (MOST_TOLD if season else 0):
            found.append(f"{kind}: {false:.1f} alarms without a cause in a run")
        if any(one.delay is None for one in ours) and change:
            found.append(f"{kind}: a change was missed")
        plain = [one.delay or DAYS for one in told["training only", kind]]
        late = float(np.median([one.delay or DAYS for one in ours]) - np.median(plain))
        # In a column with seasons the training data alone alarms every week, so that it is early means nothing.
        if change and not within and late > 7:
            found.append(f"{kind}: {late:g} windows later than by the training data alone")
    return found


if __name__ == "__main__":
    sys.exit(main())
