"""How often rules cry wolf on data without drift, and how many windows they need to find a drift.

    python benchmarks/false_alarms.py [--weeks 1000] [--columns 100] [--evidently-checks 10] [--check]

A week is 7 daily windows, compared with a reference of 10,000 rows, over mixed columns: numbers of several shapes,
counts, categories of 2 to 200 values, some with nulls. Windows are drawn as counts in the reference's bins, from the
exact share of each bin: that is what a profile of drawn rows would hold. Half of the weeks have windows of 1,000
rows, half of 10,000. Every 5 weeks have a fresh reference. The worlds: nothing changes; every column wobbles from day
to day by a harmless w of 0.05; each day another column is strange (w of 0.5) for that day; every column differs for
good by just the tolerance, the most that must not alarm (a tenth as many weeks of each of the last three).
`--check` exits 1 when the default alarms in more than 5 in 100 weeks of a world (at the tolerance, where the true rate
may be 5 in 100, chance is allowed for), or finds drift later than
`MOST_WINDOWS` says. Evidently itself runs on rows, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from crisplens.monitors import profiles, pvalues, scores
from crisplens.monitors.alarms import (
    LEANING,
    AlarmSettings,
    alarming_columns,
    alarming_together,
    benjamini_hochberg,
)
from crisplens.monitors.effects import Effect, coarse_bins, effect
from crisplens.monitors.model import CategoricalProfile, Family, NumericProfile

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Column = NumericProfile | CategoricalProfile
Rows = dict[str, list[object]]

REFERENCE_ROWS = 10_000
WINDOW_ROWS = (1_000, 10_000)
DAYS = 7
WEEKS_A_REFERENCE = 5
WOBBLE = 0.05
GLITCH = 0.5
LONGEST = 14
RUNS = 30
DRIFTS = ("mean", "spread", "category")
SIZES = (0.15, 0.2, 0.3, 0.5)
DEFAULT = AlarmSettings()
# The default may alarm falsely in so large a share of weeks.
WEEKLY_RATE = 0.05
OURS = "crisplens default"
# By rows of a window and size of drift: the default finds nine of ten drifts within so many windows.
MOST_WINDOWS = {
    (1_000, 0.2): 4,
    (1_000, 0.3): 2,
    (1_000, 0.5): 2,
    (10_000, 0.15): 5,
    (10_000, 0.2): 2,
    (10_000, 0.3): 2,
    (10_000, 0.5): 2,
}

PROGRAM = """
import json, pickle, sys
import pandas
from evidently import Report
from evidently.presets import DataDriftPreset
found = []
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        reference, current = pickle.load(file)
    report = Report([DataDriftPreset()]).run(pandas.DataFrame(current), pandas.DataFrame(reference))
    found.append(int(report.dict()["metrics"][0]["value"]["count"]))
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Shape:
    """A numeric column: how its values are drawn, and the share of them that is at most x."""

    draw: Callable[[np.random.Generator, int], Floats]
    below: Callable[[Floats], Floats]


@dataclass(frozen=True)
class Kind:
    """A column of the simulated table: a numeric shape, or the shares of its categories; and its nulls."""

    shape: Shape | None
    shares: Floats | None
    nulls: float

    def draw(self, rng: np.random.Generator, rows: int) -> NDArray[np.generic]:
        """Values without nulls."""
        if self.shape is not None:
            return self.shape.draw(rng, rows)
        assert self.shares is not None
        return rng.choice(len(self.shares), rows, p=self.shares)


@dataclass(frozen=True)
class Reference:
    """The profile of a column's reference, and the true shares of its bins: fine bins or categories, then nulls."""

    profile: Column
    shares: Floats
    # The coarse bins of a numeric column, else none.
    groups: tuple[int, ...]
    # Rows by coarse bin or category, for the stability index.
    counts: Floats


@dataclass(eq=False)
class Found:
    """What the rules look at, for one column in one window; `newest` is what was drawn in it and those before."""

    reference: Reference
    effect: Effect
    p_alike: float
    psi: float
    newest: tuple[Counts, ...]

    @cached_property
    def together(self) -> Effect:
        """The effect of the newest windows as one."""
        return effect_of(self.reference, sum(self.newest))


Week = list[list[Found]]
Delays = dict[tuple[str, float, str], list[float]]
_erf = np.vectorize(math.erf)


def _poisson_below(x: Floats, mean: float = 4.0) -> Floats:
    k = np.arange(200)
    log = k * math.log(mean) - mean - np.array([math.lgamma(i + 1) for i in k])
    cumulative = np.cumsum(np.exp(log))
    return np.where(x < 0, 0.0, cumulative[np.clip(np.floor(x), 0, 199).astype(int)])


SHAPES = {
    "normal": Shape(lambda rng, n: rng.normal(size=n), lambda x: (1 + _erf(x / math.sqrt(2))) / 2),
    "lognormal": Shape(
        lambda rng, n: rng.lognormal(size=n),
        lambda x: np.where(x > 0, (1 + _erf(np.log(np.maximum(x, 1e-300)) / math.sqrt(2))) / 2, 0.0),
    ),
    "uniform": Shape(lambda rng, n: rng.random(n), lambda x: np.clip(x, 0, 1)),
    "exponential": Shape(lambda rng, n: rng.exponential(size=n), lambda x: -np.expm1(-np.maximum(x, 0))),
    "heavy tails": Shape(lambda rng, n: rng.standard_cauchy(n), lambda x: 0.5 + np.arctan(x) / math.pi),
    "spike at zero": Shape(
        lambda rng, n: np.where(rng.random(n) < 0.4, 0.0, rng.exponential(size=n)),
        lambda x: np.where(x < 0, 0.0, 0.4 - 0.6 * np.expm1(-np.maximum(x, 0))),
    ),
    "counts": Shape(lambda rng, n: rng.poisson(4, n).astype(float), _poisson_below),
}
CATEGORIES = (2, 3, 5, 10, 30, 60, 100, 200)


def table(columns: int) -> list[Kind]:
    """The kinds of the columns: three of five numeric; every fourth column has nulls."""
    kinds = []
    for i in range(columns):
        nulls = (0.0, 0.0, 0.0, 0.02, 0.0, 0.0, 0.0, 0.2)[i % 8]
        if i % 5 < 3:
            kinds.append(Kind([*SHAPES.values()][(i // 5 + i % 5) % len(SHAPES)], None, nulls))
        else:
            size = CATEGORIES[(i // 5 + i % 5) % len(CATEGORIES)]
            weights = np.ones(size) if i % 2 else 1 / np.arange(1, size + 1)
            kinds.append(Kind(None, weights / weights.sum(), nulls))
    return kinds


def profile_numbers(values: Floats, nulls: int, like: NumericProfile | None = None) -> NumericProfile:
    """The profile of numbers: on the edges of `like`, or on edges of their own."""
    exact = like.exact if like else len(np.unique(values)) <= profiles.EXACT_VALUES
    if like:
        edges = like.edges
    elif exact:
        edges = profiles.exact_edges(np.unique(values).tolist())
    else:
        quantiles = np.quantile(values, profiles.QUANTILES, method="inverted_cdf").tolist()
        edges = profiles.quantile_edges(quantiles, spread=float(values.std()))
    counts = np.bincount(np.searchsorted(edges, values, "left"), minlength=len(edges) + 1)
    return NumericProfile(
        name="x",
        type="DOUBLE",
        rows=len(values) + nulls,
        nulls=nulls,
        count=len(values),
        mean=float(values.mean()),
        m2=float(((values - values.mean()) ** 2).sum()),
        minimum=float(values.min()),
        maximum=float(values.max()),
        edges=edges,
        counts=tuple(counts.tolist()),
        exact=exact,
    )


def profile_categories(counts: Sequence[int], nulls: int) -> CategoricalProfile:
    """The profile of a column with so many rows in each category."""
    listed = profiles.sorted_categories((f"c{i}", count) for i, count in enumerate(counts) if count)
    return CategoricalProfile(
        name="x",
        type="VARCHAR",
        family=Family.TEXT,
        rows=sum(counts) + nulls,
        nulls=nulls,
        count=sum(counts),
        categories=listed,
        n_unique=len(listed),
    )


def profile_values(kind: Kind, values: NDArray[np.generic], nulls: int, like: Column | None = None) -> Column:
    """The profile of drawn values."""
    if kind.shares is not None:
        return profile_categories(np.bincount(values, minlength=len(kind.shares)).tolist(), nulls)
    return profile_numbers(values.astype(float), nulls, like if isinstance(like, NumericProfile) else None)


def draw_reference(kind: Kind, rng: np.random.Generator) -> Reference:
    """A reference of drawn rows, and what share of all rows falls into each of its bins."""
    nulls = int(rng.binomial(REFERENCE_ROWS, kind.nulls))
    profile = profile_values(kind, kind.draw(rng, REFERENCE_ROWS - nulls), nulls)
    if isinstance(profile, NumericProfile):
        assert kind.shape is not None
        present = np.diff(np.concatenate([[0.0], kind.shape.below(np.array(profile.edges)), [1.0]])).clip(0)
        groups, counts = coarse_bins(profile.counts), np.array(profile.counts)
        counts = np.add.reduceat(counts, groups[:-1])
    else:
        assert kind.shares is not None
        present, groups = kind.shares, ()
        named = {item.value: item.count for item in profile.categories}
        counts = np.array([named.get(f"c{i}", 0) for i in range(len(present))])
    shares = np.append(present / present.sum() * (1 - kind.nulls), kind.nulls)
    return Reference(profile, shares, groups, counts)


def window_profile(reference: Reference, drawn: Counts) -> Column:
    """The profile of a window with so many rows in each of the reference's bins, the last being the nulls."""
    *counts, nulls = drawn.tolist()
    if isinstance(reference.profile, CategoricalProfile):
        return profile_categories(counts, nulls)
    present = sum(counts)
    return msgspec.structs.replace(
        reference.profile, rows=present + nulls, nulls=nulls, count=present, counts=tuple(counts)
    )


def draw_window(
    reference: Reference, shares: Floats, rows: int, rng: np.random.Generator, before: Sequence[Found] = ()
) -> Found:
    """What is found in a window of `rows` rows of which `shares` fall into the reference's bins."""
    drawn = rng.multinomial(rows, shares)
    found = effect_of(reference, drawn)
    alike = pvalues.chi_square_sf(found.statistic, found.bins - 1) if found.bins > 1 else 1.0
    coarse = np.add.reduceat(drawn[:-1], reference.groups[:-1]) if reference.groups else drawn[:-1]
    newest = (*(one.newest[-1] for one in before[1 - DEFAULT.of :]), drawn)
    return Found(reference, found, alike, stability_index(reference.counts, coarse), newest)


def effect_of(reference: Reference, drawn: Counts) -> Effect:
    """Our effect, of a window with so many rows in each of the reference's bins."""
    found = effect(reference.profile, window_profile(reference, drawn))
    assert found is not None
    return found


def stability_index(first: Floats, second: Floats) -> float:
    """The population stability index; an empty bin counts as 0.0001 of the rows, as in Evidently."""
    p, q = np.maximum(first / first.sum(), 1e-4), np.maximum(second / second.sum(), 1e-4)
    return float(((p - q) * np.log(p / q)).sum())


def move(shares: Floats, w: float, rng: np.random.Generator) -> Floats:
    """`shares` with a random part of about half of the mass made heavier or lighter: an effect of w."""
    order = rng.permutation(len(shares))
    cut = int(np.argmin(np.abs(np.cumsum(shares[order]) - 0.5))) + 1
    part = float(shares[order[:cut]].sum())
    if not 0.02 < part < 0.98:
        return shares
    low, high = 0.0, 1 - part
    for _ in range(30):
        more = (low + high) / 2
        two = 2 * more * more * (1 / (2 * part + more) + 1 / (2 - 2 * part - more))
        low, high = (more, high) if two < w * w else (low, more)
    moved = shares * (1 - part - high) / (1 - part)
    moved[order[:cut]] = shares[order[:cut]] * (part + high) / part
    return moved


def size_of(first: Floats, second: Floats) -> float:
    """The w of two sets of shares."""
    both = first + second
    used = both > 0
    return math.sqrt(float((2 * (first - second)[used] ** 2 / both[used]).sum()))


def _by_bisection(
    change: Callable[[float], Floats], start: Floats, w: float, most: float, groups: Sequence[int] = ()
) -> Floats:
    def grouped(shares: Floats) -> Floats:
        return np.add.reduceat(shares, list(groups[:-1])) if groups else shares

    low, high = 0.0, most
    for _ in range(40):
        middle = (low + high) / 2
        if size_of(grouped(start), grouped(change(middle))) < w:
            low = middle
        else:
            high = middle
    return change(high)


def drifted(kind: str, reference: Reference, w: float) -> Floats:
    """The shares of the reference's bins after a drift of `kind` and of size `w` over its coarse bins."""
    if kind == "category":
        rarest = int(np.argmin(reference.shares[:-1]))
        one = np.eye(len(reference.shares))[rarest]
        return _by_bisection(lambda a: (1 - a) * reference.shares + a * one, reference.shares, w, 1.0)
    assert isinstance(reference.profile, NumericProfile)
    edges = np.array(reference.profile.edges)
    below = SHAPES["normal"].below

    def change(amount: float) -> Floats:
        at = edges - amount if kind == "mean" else edges / (1 + amount)
        return np.append(np.diff(np.concatenate([[0.0], below(at), [1.0]])).clip(0), 0.0)

    return _by_bisection(change, change(0.0), w, 3.0, (*reference.groups, len(edges) + 2))


# The columns that each way of flagging flags in one window.
FLAGS: dict[str, Callable[[Sequence[Found]], Sequence[bool]]] = {
    "tolerance": lambda found: _corrected([one.effect.p_value for one in found]),
    "no tolerance": lambda found: _corrected([one.p_alike for one in found]),
    "p < 0.05": lambda found: [one.p_alike < 0.05 for one in found],
    "PSI > 0.1": lambda found: [one.psi > 0.1 for one in found],
}
# Each rule: how it flags, then of how many windows how many; and whether the same column must be flagged in them.
RULES = {
    OURS: ("together", DEFAULT.needed, DEFAULT.of, True),
    "each window: same column, 2 of 3": ("tolerance", 2, 3, True),
    "  any columns, 2 of 3": ("tolerance", 2, 3, False),
    "  same column, 1 of 1": ("tolerance", 1, 1, True),
    "  same column, 3 of 5": ("tolerance", 3, 5, True),
    "second smallest p of 3": ("ordered", 2, 3, True),
    "BH at 0.05, 2 of 3, no tolerance": ("no tolerance", 2, 3, True),
    "BH at 0.05, no tolerance": ("no tolerance", 1, 1, True),
    "p < 0.05 on any column": ("p < 0.05", 1, 1, True),
    "PSI > 0.1 on any column": ("PSI > 0.1", 1, 1, True),
}
WORLDS = ("no change", "wobble", "glitches", "at tolerance")


def _corrected(p_values: Sequence[float]) -> Sequence[bool]:
    return benjamini_hochberg(p_values, 0.05).flagged


def alarms(windows: Sequence[Sequence[Found]]) -> dict[str, list[set[int]]]:
    """By rule, the columns that alarm after each window."""
    flagged = {name: [flag(found) for found in windows] for name, flag in FLAGS.items()}
    return {
        name: WHOLE[how](windows) if how in WHOLE else over_windows(flagged[how], needed, of, same)
        for name, (how, needed, of, same) in RULES.items()
    }


def over_windows(
    windows: Sequence[Sequence[bool]], needed: int, of: int, same_column: bool
) -> list[set[int]]:
    """The columns that alarm after each window, given those flagged in each."""
    named = [{str(i): flag for i, flag in enumerate(window)} for window in windows]
    found = []
    for i, window in enumerate(windows):
        newest = slice(max(0, i - of + 1), i + 1)
        if same_column:
            found.append({int(name) for name in alarming_columns(named[newest], needed, of)})
        else:
            hits = sum(any(one) for one in windows[newest])
            found.append({k for k, flag in enumerate(window) if flag and hits >= needed})
    return found


def ordered(windows: Sequence[Sequence[Found]]) -> list[set[int]]:
    """A rival: the second smallest p-value of a column's newest 3, by its own distribution, then BH over columns."""
    found: list[set[int]] = [set(), set()]
    for newest in zip(windows, windows[1:], windows[2:], strict=False):
        second = [sorted(one.effect.p_value for one in column)[1] for column in zip(*newest, strict=True)]
        found.append({k for k, flag in enumerate(_corrected([p * p * (3 - 2 * p) for p in second])) if flag})
    return found


def default_rule(windows: Sequence[Sequence[Found]]) -> list[set[int]]:
    """The columns that alarm after each window, by the default settings."""
    effects = [{str(k): one.effect for k, one in enumerate(found)} for found in windows]
    alarmed = []
    for i, found in enumerate(windows):
        # Where no column leans, none can alarm, and the windows need not be taken together.
        if all(one.effect.p_value > LEANING for one in found):
            alarmed.append(set())
            continue
        together = {str(k): one.together for k, one in enumerate(found)}
        names = alarming_together(effects[max(0, i - DEFAULT.of + 1) : i + 1], together, DEFAULT)
        alarmed.append({int(name) for name in names})
    return alarmed


WHOLE = {"ordered": ordered, "together": default_rule}


def simulate_week(references: Sequence[Reference], world: str, rows: int, rng: np.random.Generator) -> Week:
    """The windows of one week in one of the worlds."""
    lasting = [move(r.shares, DEFAULT.tolerance, rng) for r in references] if world == "at tolerance" else []
    glitching = rng.permutation(len(references))
    week: Week = []
    for _ in range(DAYS):
        shares = lasting or [r.shares for r in references]
        if world == "wobble":
            shares = [move(r.shares, WOBBLE, rng) for r in references]
        if world == "glitches":
            strange = int(glitching[len(week)])
            shares[strange] = move(shares[strange], GLITCH, rng)
        week.append(
            [
                draw_window(r, share, rows, rng, [found[k] for found in week[-2:]])
                for k, (r, share) in enumerate(zip(references, shares, strict=True))
            ]
        )
    return week


def inject(quiet: Week, *, runs: int, rows: int, rng: np.random.Generator) -> Delays:
    """Windows until a drift of two columns is found, by kind, size and rule; infinity when not within 14."""
    delays: Delays = {}
    shares_of_ten = np.array([0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.04, 0.03, 0.02, 0.01])
    for kind in DRIFTS:
        base = Kind(None, shares_of_ten, 0.0) if kind == "category" else Kind(SHAPES["normal"], None, 0.0)
        for w in SIZES:
            for _ in range(runs):
                pair = [draw_reference(base, rng) for _ in range(2)]
                shares = [drifted(kind, reference, w) for reference in pair]
                windows: Week = []
                for day in range(LONGEST):
                    drifting = [
                        draw_window(r, s, rows, rng, [found[k] for found in windows[-2:]])
                        for k, (r, s) in enumerate(zip(pair, shares, strict=True))
                    ]
                    windows.append([*drifting, *quiet[day % len(quiet)][2:]])
                for name, found in alarms(windows).items():
                    days = (float(day) for day, columns in enumerate(found, 1) if columns & {0, 1})
                    delays.setdefault((kind, w, name), []).append(next(days, math.inf))
    return delays


@dataclass(frozen=True)
class Block:
    """What one reference's weeks gave: weeks and alarmed weeks by world and rule, and delays."""

    rows: int
    weeks: dict[str, int]
    alarmed: dict[tuple[str, str], int]
    delays: Delays


def block(job: tuple[int, int, int], *, columns: int, weeks: int) -> Block:
    """Some weeks against one reference, in all worlds, then drifts among its quiet windows."""
    seed, rows, runs = job
    rng = np.random.default_rng(seed)
    references = [draw_reference(kind, rng) for kind in table(columns)]
    alarmed = {(world, rule): 0 for world in WORLDS for rule in RULES}
    # A tenth of the weeks in the other two worlds: every second block has one of each.
    counts = {world: weeks if world == "no change" else seed % 2 for world in WORLDS}
    quiet: Week = []
    for world, count in counts.items():
        for _ in range(count):
            week = simulate_week(references, world, rows, rng)
            for name, found in alarms(week).items():
                alarmed[world, name] += any(found)
            if world == "no change":
                quiet += week
    return Block(rows, counts, alarmed, inject(quiet, runs=runs, rows=rows, rng=rng))


# ---- Evidently, on rows


def draw_check(kinds: Sequence[Kind], rng: np.random.Generator) -> tuple[list[int], Rows, Rows]:
    """Rows of a reference and a window of 1,000 without drift, and the columns that Evidently's rule flags, by us."""
    flagged, tables = [], ({}, {})
    for i, kind in enumerate(kinds):
        profiled: list[Column] = []
        for table_rows, rows in zip(tables, (REFERENCE_ROWS, WINDOW_ROWS[0]), strict=True):
            nulls = int(rng.binomial(rows, kind.nulls))
            values = kind.draw(rng, rows - nulls)
            profiled.append(profile_values(kind, values, nulls, profiled[0] if profiled else None))
            texts = [f"c{value}" for value in values] if kind.shares is not None else values.tolist()
            table_rows[f"column {i}"] = [*texts, *[None] * nulls]
        method = scores.default_method(profiled[0], scores.distinct_values(*profiled))
        rule = scores.METHODS[method]
        if rule.drifts(scores.score(*profiled, method).value, rule.threshold):
            flagged.append(i)
    return flagged, *tables


def start_evidently(folder: Path, checks: int, columns: int) -> tuple[list[int], subprocess.Popen[str]]:
    """How many columns our own scores flag in each check, and the process in which Evidently counts its own."""
    rng = np.random.default_rng(77)
    ours, paths = [], []
    for i in range(checks):
        flagged, reference, current = draw_check(table(columns), rng)
        ours.append(len(flagged))
        paths.append(folder / f"{i}.pickle")
        paths[-1].write_bytes(pickle.dumps((reference, current)))
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, *map(str, paths)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DO_NOT_TRACK": "1"},
    )
    return ours, process


# ---- what is printed


def print_weeks(blocks: Sequence[Block]) -> list[str]:
    """The share of weeks with an alarm, by rule, world and rows; the faults that `--check` looks for."""
    faults = []
    print("Weeks with a false alarm, in percent")
    titles = [f"{world} {rows // 1000}k" for world in WORLDS for rows in WINDOW_ROWS]
    print(f"{'':<34}" + "".join(f"{title:>18}" for title in titles))
    totals = {
        (world, rows): sum(b.weeks[world] for b in blocks if b.rows == rows)
        for world in WORLDS
        for rows in WINDOW_ROWS
    }
    print(f"{'weeks':<34}" + "".join(f"{total:>18,}" for total in totals.values()))
    for name in RULES:
        cells = []
        for (world, rows), total in totals.items():
            count = sum(b.alarmed[world, name] for b in blocks if b.rows == rows)
            cells.append(f"{100 * count / total:>18.1f}" if total else f"{'-':>18}")
            if name == OURS and count > most_weeks(world, total):
                faults.append(f"{count} of {total} weeks alarm ({world}, {rows:,} rows)")
        print(f"{name:<34}" + "".join(cells))
    return faults


def most_weeks(world: str, weeks: int) -> float:
    """How many weeks may alarm; at the limit, where the true rate may be 5%, chance is allowed for (99%)."""
    chance = 2.33 * math.sqrt(WEEKLY_RATE * (1 - WEEKLY_RATE) * weeks) if world == "at tolerance" else 0.0
    return WEEKLY_RATE * weeks + chance


def print_delays(blocks: Sequence[Block]) -> list[str]:
    """Windows until found, by rule, size and kind of drift; the faults that `--check` looks for."""
    faults = []
    for rows in WINDOW_ROWS:
        here = [b for b in blocks if b.rows == rows]
        runs = sum(len(b.delays.get(("mean", SIZES[0], OURS), ())) for b in here)
        print(
            f"\nWindows of {rows:,} rows until a drift of two columns is found: half and nine of ten of {runs} runs"
        )
        print(f"{'':<34}" + "".join(f"{f'{kind} {w:g}':>15}" for kind in DRIFTS for w in SIZES))
        for name in RULES:
            cells = []
            for kind in DRIFTS:
                for w in SIZES:
                    found = sorted(d for b in here for d in b.delays.get((kind, w, name), ()))
                    if not found:
                        continue
                    half, most = found[(len(found) - 1) // 2], found[math.ceil(0.9 * len(found)) - 1]
                    cells.append(f"{f'{_windows(half)} {_windows(most)}':>15}")
                    bound = MOST_WINDOWS.get((rows, w))
                    if name == OURS and bound and most > bound:
                        faults.append(
                            f"{kind} of w {w:g}, {rows:,} rows: {_windows(most)} windows, not {bound}"
                        )
            print(f"{name:<34}" + "".join(cells))
    return faults


def _windows(delay: float) -> str:
    return f">{LONGEST}" if math.isinf(delay) else f"{delay:g}"


def print_evidently(ours: Sequence[int], process: subprocess.Popen[str]) -> list[str]:
    """How often Evidently's default rule flags a column of a single window without drift."""
    output, errors = process.communicate()
    if process.returncode:
        return [f"Evidently failed: {errors.strip().splitlines()[-1]}"]
    print(
        f"\nEvidently's default rule, single windows of {WINDOW_ROWS[0]:,} rows without drift, same rows for both"
    )
    for name, counts in (("its rule, our scores", ours), ("Evidently itself", json.loads(output))):
        hits = sum(count > 0 for count in counts)
        mean = sum(counts) / len(counts)
        print(f"  {name:<22}{hits} of {len(counts)} windows flagged, {mean:.1f} columns in each on average")
    return []


def main(weeks: int, columns: int, checks: int, check: bool) -> int:
    """Run all, print the tables; 1 when `check` finds a fault."""
    began = time.perf_counter()
    each = max(1, weeks // (len(WINDOW_ROWS) * WEEKS_A_REFERENCE))
    jobs = [(i, rows, 1 if i < RUNS else 0) for i in range(each) for rows in WINDOW_ROWS]
    with tempfile.TemporaryDirectory() as name:
        evidently = start_evidently(Path(name), checks, columns) if checks else None
        with ProcessPoolExecutor() as pool:
            blocks = [*pool.map(partial(block, columns=columns, weeks=WEEKS_A_REFERENCE), jobs)]
        print(
            f"{columns} columns, reference of {REFERENCE_ROWS:,} rows, windows of {WINDOW_ROWS[0]:,} and of "
            f"{WINDOW_ROWS[1]:,} rows, {DAYS} a week\n"
        )
        faults = print_weeks(blocks) + print_delays(blocks)
        if evidently:
            faults += print_evidently(*evidently)
    print(f"\n{time.perf_counter() - began:.0f} s")
    for fault in faults:
        print(f"FAULT: {fault}")
    return int(check and bool(faults))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--weeks", type=int, default=1000)
    options.add_argument("--columns", type=int, default=100)
    options.add_argument("--evidently-checks", type=int, default=10)
    options.add_argument("--check", action="store_true")
    arguments = options.parse_args()
    sys.exit(main(arguments.weeks, arguments.columns, arguments.evidently_checks, arguments.check))
