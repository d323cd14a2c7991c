"""How far scores from a profile are from scores of every value, and how often a verdict differs.

    python benchmarks/drift_accuracy.py [--pairs 10] [--rows 20000]

The exact values are Evidently's own, from the rows themselves. Wasserstein is the default of numeric columns of more
than 1,000 rows, Jensen-Shannon that of categories, which are exact up to 1,000 of them; the other methods can be
chosen. A verdict can only differ where the exact score is nearer to the threshold than the error; that distance is
printed. Exits 1 when Wasserstein errs by more than 0.01, Jensen-Shannon of more categories than a profile lists by more
than 0.05, or one of their verdicts differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from evidently.legacy.calculations.stattests.registry import get_registered_stattest
from evidently.legacy.core import ColumnType

from crisplens.monitors.engines.duckdb_engine import profile_current, profile_reference
from crisplens.monitors.model import CategoricalProfile, ColumnKind, NumericProfile
from crisplens.monitors.scores import METHODS, score
from crisplens.registry.data.tabular import open_table

DEFAULTS = {"numbers": ("wasserstein", 0.01), "many categories": ("jensenshannon", 0.05)}
# Evidently permutes every row of a table a thousand times.
TVD_ROWS, TVD_PAIRS = 200, 2
Draw = Callable[[np.random.Generator, int, float], np.ndarray]

NUMBERS: dict[str, Draw] = {
    "normal": lambda rng, n, shift: rng.normal(shift, 1, n),
    "lognormal": lambda rng, n, shift: rng.lognormal(shift, 1, n),
    "heavy tails": lambda rng, n, shift: rng.standard_t(3, n) + shift,
    "exponential": lambda rng, n, shift: rng.exponential(1 + shift, n),
    "uniform": lambda rng, n, shift: rng.uniform(0, 1 + shift, n),
    "spike at zero": lambda rng, n, shift: np.where(rng.random(n) < 0.4, 0.0, rng.gamma(2, 1 + shift, n)),
    "two heaps": lambda rng, n, shift: (
        np.where(rng.random(n) < 0.5 + shift / 5, 0.0, 9.0) + rng.normal(0, 1, n)
    ),
    "whole numbers": lambda rng, n, shift: np.round(rng.normal(5000 + 1000 * shift, 1000, n)).astype("int64"),
}
MANY: dict[str, Draw] = {
    "long tail": lambda rng, n, shift: np.minimum(rng.pareto(1 - shift / 3, n) * 20, 10**6).astype("int64"),
    "thousands": lambda rng, n, shift: rng.exponential(600 * (1 + shift), n).astype("int64"),
}
FEW: dict[str, Draw] = {
    "four": lambda rng, n, shift: rng.choice(4, n, p=np.array([4, 3, 2, 1 + shift]) / (10 + shift))
}
SHIFTS = (0.0, 0.05, 0.1, 0.2, 0.5)


@dataclass
class Errors:
    """What was found of a method; `flips` are the distances of exact scores from the threshold."""

    errors: list[float] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    flips: list[float] = field(default_factory=list)
    approximate: bool = False


def exact(method: str, kind: ColumnKind, samples: tuple[pd.Series, pd.Series]) -> tuple[float, bool]:
    """Evidently's score of two samples, from all their values, and its verdict."""
    column_type = ColumnType.Numerical if kind is ColumnKind.NUMERIC else ColumnType.Categorical
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        test = get_registered_stattest(method, column_type)
        # Some of its tests change what they are given.
        found = test(samples[0].copy(), samples[1].copy(), column_type, METHODS[method].threshold)
    return float(found.drift_score), bool(found.drifted)


def profiled(samples: tuple[pd.Series, pd.Series], folder: Path) -> list[NumericProfile | CategoricalProfile]:
    """Both samples' profiles, on the first one's edges."""
    tables = []
    for file, values in zip(("reference", "current"), samples, strict=True):
        path = folder / f"{file}.parquet"
        pd.DataFrame({"x": values}).to_parquet(path)
        tables.append(open_table(str(path)))
    reference = profile_reference(tables[0])
    found = [reference.columns[0], profile_current(tables[1], reference).columns[0]]
    return [one for one in found if isinstance(one, NumericProfile | CategoricalProfile)]


def drawn(
    shapes: dict[str, Draw], pairs: int, rows: int, *, text: bool
) -> Iterator[tuple[str, tuple[pd.Series, pd.Series]]]:
    """Pairs of samples, and what they are."""
    rng = np.random.default_rng(5)
    for shape, draw in shapes.items():
        for shift in SHIFTS:
            for _ in range(pairs):
                both = pd.Series(draw(rng, rows, 0.0)), pd.Series(draw(rng, rows, shift))
                # Text, as whole numbers are categories only when there are few.
                yield (
                    f"{shape} {shift:g}",
                    (both[0].map("c{}".format), both[1].map("c{}".format)) if text else both,
                )


def measure(
    kind: ColumnKind, methods: list[str], given: Iterator[tuple[str, tuple[pd.Series, pd.Series]]]
) -> dict[str, Errors]:
    """Every method's errors over the pairs."""
    found = {method: Errors() for method in methods}
    with tempfile.TemporaryDirectory() as folder:
        for name, samples in given:
            reference, current = profiled(samples, Path(folder))
            for method, errors in found.items():
                got = score(reference, current, method)
                want, drifts = exact(method, kind, samples)
                rule = METHODS[method]
                errors.errors.append(abs(got.value - want))
                errors.where.append(name)
                errors.approximate |= got.approximate
                if rule.drifts(got.value, rule.threshold) is not drifts:
                    errors.flips.append(abs(want - rule.threshold))
    return found


def show(title: str, found: dict[str, Errors]) -> bool:
    """Print a table; whether a default is worse than it may be."""
    count = len(next(iter(found.values())).errors)
    print(f"\n{title}: {count} pairs\n")
    print(f"{'method':<16}{'worst error':>12}{'mean error':>12}{'verdicts differ':>17}  where it is worst")
    failed = False
    for method, one in found.items():
        worst = int(np.argmax(one.errors))
        near = f" (at most {max(one.flips):.4f} from the threshold)" if one.flips else ""
        exactly = "" if one.approximate else " (exact)"
        print(
            f"{method:<16}{one.errors[worst]:>12.2g}{np.mean(one.errors):>12.2g}{len(one.flips):>17}"
            f"  {one.where[worst]}{near}{exactly}"
        )
        default, most = DEFAULTS.get(title, ("", 0.0))
        if method == default:
            failed |= bool(one.flips) or one.errors[worst] > most
    return failed


def main(pairs: int, rows: int) -> int:
    """Measure every method that a profile gives, print its worst and its mean error."""
    numeric, categorical = (
        [name for name, method in METHODS.items() if kind in method.kinds and name != "TVD"]
        for kind in (ColumnKind.NUMERIC, ColumnKind.CATEGORICAL)
    )
    print(f"{pairs} pairs a shape and shift, {rows:,} rows each; shifts {', '.join(map(str, SHIFTS))}")
    failed = show("numbers", measure(ColumnKind.NUMERIC, numeric, drawn(NUMBERS, pairs, rows, text=False)))
    many = drawn(MANY, pairs, rows, text=True)
    failed |= show("many categories", measure(ColumnKind.CATEGORICAL, categorical, many))
    few = drawn(FEW, TVD_PAIRS, TVD_ROWS, text=True)
    show(f"four categories, {TVD_ROWS} rows", measure(ColumnKind.CATEGORICAL, [*categorical, "TVD"], few))
    return int(failed)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pairs", type=int, default=10)
    options.add_argument("--rows", type=int, default=20_000)
    arguments = options.parse_args()
    sys.exit(main(arguments.pairs, arguments.rows))
