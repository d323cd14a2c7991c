"""How far scores from a profile are from scores of every value, and how often a verdict differs.

    python benchmarks/drift_accuracy.py [--pairs 20] [--rows 20000]

The exact values are Evidently's own, from the rows themselves. Wasserstein is the default of numeric columns of
more than 1,000 rows (smaller ones, and categories, are scored exactly); the others can be chosen. Exits 1 when the
default errs by more than 0.01, or when any verdict differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from evidently.legacy.calculations.stattests import (
    jensenshannon_stat_test,
    ks_stat_test,
    wasserstein_stat_test,
)
from evidently.legacy.core import ColumnType

from crisplens.monitors.engines.duckdb_engine import profile_current, profile_reference
from crisplens.monitors.scores import METHODS, score
from crisplens.registry.data.tabular import open_table

MOST_ERROR = 0.01
DEFAULT = "wasserstein"
Draw = Callable[[np.random.Generator, int, float], np.ndarray]

SHAPES: dict[str, Draw] = {
    "normal": lambda rng, n, shift: rng.normal(shift, 1, n),
    "lognormal": lambda rng, n, shift: rng.lognormal(shift, 1, n),
    "heavy tails": lambda rng, n, shift: rng.standard_t(3, n) + shift,
    "exponential": lambda rng, n, shift: rng.exponential(1 + shift, n),
    "uniform": lambda rng, n, shift: rng.uniform(0, 1 + shift, n),
    "spike at zero": lambda rng, n, shift: np.where(rng.random(n) < 0.4, 0.0, rng.gamma(2, 1 + shift, n)),
}
SHIFTS = (0.0, 0.05, 0.1, 0.2, 0.5)


def exact(method: str, reference: np.ndarray, current: np.ndarray) -> float:
    """Evidently's score of two samples, from all their values."""
    test = {
        "wasserstein": wasserstein_stat_test,
        "jensenshannon": jensenshannon_stat_test,
        "ks": ks_stat_test,
    }
    result = test[method](
        pd.Series(reference), pd.Series(current), ColumnType.Numerical, METHODS[method].threshold
    )
    return float(result.drift_score)


def main(pairs: int, rows: int) -> int:
    """Measure every shape and method, print the worst and the mean error."""
    rng = np.random.default_rng(5)
    failed = False
    print(f"{pairs} pairs a shape and shift, {rows:,} rows each\n")
    print(f"{'shape':<16}{'method':<16}{'worst error':>12}{'mean error':>12}{'verdicts differ':>17}")
    with tempfile.TemporaryDirectory() as name:
        for shape, draw in SHAPES.items():
            errors: dict[str, list[float]] = {"wasserstein": [], "jensenshannon": [], "ks": []}
            flips = dict.fromkeys(errors, 0)
            for shift in SHIFTS:
                for _ in range(pairs):
                    samples = draw(rng, rows, 0.0), draw(rng, rows, shift)
                    tables = []
                    for file, values in zip(("reference", "current"), samples, strict=True):
                        path = Path(name) / f"{file}.parquet"
                        pd.DataFrame({"x": values}).to_parquet(path)
                        tables.append(open_table(str(path)))
                    reference = profile_reference(tables[0])
                    current = profile_current(tables[1], reference)
                    for method in errors:
                        got = score(reference.columns[0], current.columns[0], method).value
                        want = exact(method, *samples)
                        errors[method].append(abs(got - want))
                        rule = METHODS[method]
                        flips[method] += rule.drifts(got, rule.threshold) != rule.drifts(want, rule.threshold)
            for method, found in errors.items():
                print(f"{shape:<16}{method:<16}{max(found):>12.4f}{np.mean(found):>12.5f}{flips[method]:>17}")
                failed |= bool(flips[method]) or (method == DEFAULT and max(found) > MOST_ERROR)
    return int(failed)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pairs", type=int, default=20)
    options.add_argument("--rows", type=int, default=20_000)
    arguments = options.parse_args()
    sys.exit(main(arguments.pairs, arguments.rows))
