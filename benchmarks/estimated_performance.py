"""Performance estimated without labels, beside NannyML's estimates and what the labels then showed.

    python benchmarks/estimated_performance.py [--nannyml PYTHON]

PYTHON is the interpreter of an environment of its own with NannyML, whose pinned libraries suit few others:
`python -m venv nml && nml/bin/pip install nannyml statsmodels`. Both then take NannyML's own data sets, car loans (a
classifier, chunks of 5,000) and car prices (a regression, chunks of 6,000). Without NannyML the data are generated, and
only our side is printed. Exits 1 when a mean error (of scores, or of trees) is more than a tenth larger than
NannyML's; on generated data, when more than one in twenty estimates is beyond its bounds. Bins are the coarse way.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from crisplens.monitors.performance.boosted_losses import estimate_boosted
from crisplens.monitors.performance.estimation import Estimate, calibrate, estimate, reference_thresholds
from crisplens.monitors.performance.loss_reading import count_losses, fit_losses
from crisplens.monitors.performance.losses import estimate_losses
from crisplens.monitors.performance.measuring import measure, read_scores
from crisplens.monitors.performance.metrics import by_name, metrics_of
from crisplens.monitors.performance.model import BinaryColumns, RegressionColumns
from crisplens.registry.data.tabular import open_table

LOANS = BinaryColumns(label="repaid", score="y_pred_proba", predicted="y_pred")
PRICES = RegressionColumns(label="y_true", predicted="y_pred")
LOAN_METRICS, PRICE_METRICS = ("roc_auc", "accuracy", "f1"), ("mae", "rmse")
FEATURES = (
    "car_age",
    "km_driven",
    "price_new",
    "accident_count",
    "door_count",
    "fuel",
    "transmission",
)
MOST_WORSE = 1.1
# Bounds are three sampling errors; the metrics of one chunk stray together.
MOST_BEYOND = 0.05

# Runs in NannyML's environment: writes its data sets and its estimates into the folder named first.
PEER = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
try:
    pd.set_option("future.infer_string", False)  # nannyml 0.13.1 fails on pandas 3's strings
except Exception:
    pass
import nannyml as nml
folder, features = sys.argv[1], sys.argv[2].split(",")
found = {"version": nml.__version__}
for name, load, size, metrics in (
    ("loans", nml.load_synthetic_car_loan_dataset, 5000, ["roc_auc", "accuracy", "f1"]),
    ("prices", nml.load_synthetic_car_price_dataset, 6000, ["mae", "rmse"]),
):
    reference, analysis, targets = load()
    started = time.perf_counter()
    if name == "loans":
        estimator = nml.CBPE(y_pred_proba="y_pred_proba", y_pred="y_pred", y_true="repaid", metrics=metrics,
                             chunk_size=size, problem_type="classification_binary")
    else:
        estimator = nml.DLE(feature_column_names=features, y_pred="y_pred", y_true="y_true", metrics=metrics,
                            chunk_size=size)
    table = estimator.fit(reference).estimate(analysis).filter(period="analysis").to_df()
    seconds = time.perf_counter() - started
    found[name] = {"seconds": seconds, "estimates": {
        metric: [{"value": float(v), "alert": bool(a)} for v, a in zip(table[metric]["value"], table[metric]["alert"])]
        for metric in metrics}}
    analysis = analysis.assign(**{targets.columns[-1]: targets[targets.columns[-1]].to_numpy()})
    for part, data in (("reference", reference), ("window", analysis)):
        data.assign(chunk=[i // size for i in range(len(data))]).to_parquet(f"{folder}/{name}_{part}.parquet")
print(json.dumps(found))
"""


@dataclass
class Side:
    """One side's estimates by metric and chunk, and how long they took."""

    name: str
    seconds: float
    estimates: dict[str, list[tuple[float, bool]]]


def ask_peer(python: str | None, folder: Path) -> dict | None:
    """NannyML's estimates, its data sets written to `folder`; None where it is not installed."""
    if python is None:
        print("NannyML's side is skipped: no interpreter with it was named (--nannyml PYTHON).\n")
        return None
    environment = {**os.environ, "NML_DISABLE_USAGE_LOGGING": "1"}
    done = subprocess.run(
        [python, "-c", PEER, str(folder), ",".join(FEATURES)], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        print(f"NannyML's side is skipped: {(done.stderr.strip().splitlines() or ['no output'])[-1]}\n")
        return None
    found = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"NannyML {found['version']}, on its own data sets\n")
    return found


def generate(folder: Path) -> None:
    """Two data sets of the same form, whose rows shift in the second half of the window."""
    rng = np.random.default_rng(1)
    for part in ("reference", "window"):
        n = 50_000
        shift = np.where((np.arange(n) >= n // 2) & (part == "window"), 1.0, 0.0)
        x = rng.normal(0, 1.5 - 0.5 * shift, n)
        loans = pd.DataFrame({"y_pred_proba": 1 / (1 + np.exp(-1.5 * x))})
        loans["y_pred"] = (loans.y_pred_proba >= 0.5).astype(int)
        loans["repaid"] = (rng.random(n) < 1 / (1 + np.exp(-x))).astype(int)
        prices = pd.DataFrame({name: rng.integers(0, 10, n) for name in FEATURES[:-2]})
        prices["fuel"] = rng.choice(["diesel", "electric"], n, p=[0.5, 0.5])
        prices["transmission"] = rng.choice(["manual", "automatic"], n)
        prices["price_new"] = rng.uniform(10, 100, n) * np.where(shift > 0, 0.5, 1.0)
        prices["y_pred"] = prices.price_new * rng.uniform(0.2, 0.9, n)
        scale = (1 + prices.price_new / 10) * np.where(prices.fuel == "diesel", 1, 2)
        prices["y_true"] = prices.y_pred + rng.normal(0, scale)
        for name, data in (("loans", loans), ("prices", prices)):
            data["chunk"] = np.arange(n) // 5000
            data.to_parquet(folder / f"{name}_{part}.parquet")


def tables(folder: Path, name: str) -> tuple:
    """The reference and the window of a data set."""
    return tuple(open_table(str(folder / f"{name}_{part}.parquet")) for part in ("reference", "window"))


def in_order(groups: list[tuple[dict, tuple[Estimate, ...]]]) -> dict[str, list[Estimate]]:
    """Estimates by metric, chunk after chunk."""
    found: dict[str, list[Estimate]] = {}
    for _, estimates in sorted(groups, key=lambda one: int(one[0]["chunk"])):
        for one in estimates:
            found.setdefault(one.name, []).append(one)
    return found


def estimate_loans(folder: Path) -> tuple[float, dict[str, list[Estimate]]]:
    """Our estimates of the classifier."""
    reference, window = tables(folder, "loans")
    started = time.perf_counter()
    known = measure(reference, LOANS, segments=[["chunk"]])
    thresholds = reference_thresholds(metrics_of(group.statistics) for group in known.groups)
    calibration = calibrate(known.whole)
    scored = read_scores(window, LOANS, segments=[["chunk"]])
    found = [
        (group.segment, estimate(calibration, group.scores, thresholds=thresholds)) for group in scored.groups
    ]
    return time.perf_counter() - started, in_order(found)


def estimate_prices(folder: Path, *, boosted: bool) -> tuple[float, dict[str, list[Estimate]]]:
    """Our estimates of the regression, by bins or by trees."""
    reference, window = tables(folder, "prices")
    started = time.perf_counter()
    known = measure(reference, PRICES, segments=[["chunk"]])
    thresholds = reference_thresholds(metrics_of(group.statistics) for group in known.groups)
    if boosted:
        trees = estimate_boosted(
            reference, window, PRICES, by=FEATURES, segments=[["chunk"]], thresholds=thresholds
        )
        found = [(group.segment, group.estimates) for group in trees.groups]
    else:
        model = fit_losses(reference, PRICES, by=["price_new"])
        counts = count_losses(window, model, segments=[["chunk"]])
        found = [
            (group.segment, estimate_losses(model, group.counts, thresholds=thresholds))
            for group in counts.groups
        ]
    return time.perf_counter() - started, in_order(found)


def realise(folder: Path, name: str, columns: BinaryColumns | RegressionColumns) -> dict[str, list[float]]:
    """What the labels show, by metric and chunk."""
    groups = measure(tables(folder, name)[1], columns, segments=[["chunk"]]).groups
    ordered = sorted(groups, key=lambda group: int(group.segment["chunk"] or 0))
    found = [by_name(metrics_of(group.statistics)) for group in ordered]
    return {metric: [one[metric].value or 0.0 for one in found] for metric in found[0]}


def compare(
    title: str, metrics: tuple[str, ...], realised: dict[str, list[float]], sides: list[Side]
) -> dict:
    """Print both sides by chunk and return each side's mean absolute error by metric; `*` marks an alert."""
    errors: dict[str, dict[str, float]] = {side.name: {} for side in sides}
    print(f"{title}: " + ", ".join(f"{side.name} {side.seconds:.2f} s" for side in sides))
    for metric in metrics:
        print(f"\n{metric:<10}{'realised':>12}" + "".join(f"{side.name:>18}" for side in sides))
        for chunk, true in enumerate(realised[metric]):
            row = [side.estimates[metric][chunk] for side in sides]
            print(f"{chunk:<10}{true:>12.5g}" + "".join(f"{v:>17.5g}{'*' if a else ' '}" for v, a in row))
        for side in sides:
            pairs = zip(side.estimates[metric], realised[metric], strict=True)
            errors[side.name][metric] = float(np.mean([abs(value - true) for (value, _), true in pairs]))
        print(f"{'mean error':<22}" + "".join(f"{errors[side.name][metric]:>17.4g} " for side in sides))
    print()
    return errors


def main(python: str | None) -> int:
    """Estimate, print, and tell by the exit code whether our estimates hold."""
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peer = ask_peer(python, folder)
        if peer is None:
            generate(folder)
        for data, columns, metrics, ways in (
            ("loans", LOANS, LOAN_METRICS, {"scores": lambda: estimate_loans(folder)}),
            (
                "prices",
                PRICES,
                PRICE_METRICS,
                {
                    "trees": lambda: estimate_prices(folder, boosted=True),
                    "bins": lambda: estimate_prices(folder, boosted=False),
                },
            ),
        ):
            realised = realise(folder, data, columns)
            sides = []
            for way, run in ways.items():
                seconds, found = run()
                plain = {m: [(one.value or 0.0, one.alert) for one in found[m]] for m in metrics}
                sides.append(Side(f"ours ({way})", seconds, plain))
                if peer is None and len(sides) == 1:
                    pairs = [p for m in metrics for p in zip(found[m], realised[m], strict=True)]
                    beyond = sum(not (one.low or 0.0) <= true <= (one.high or 0.0) for one, true in pairs)
                    failed |= beyond > MOST_BEYOND * len(pairs)
            if peer is not None:
                theirs = {
                    m: [(one["value"], one["alert"]) for one in found]
                    for m, found in peer[data]["estimates"].items()
                }
                sides.append(Side("NannyML", peer[data]["seconds"], theirs))
            errors = compare(data, metrics, realised, sides)
            if peer is not None:
                best = sides[0].name
                failed |= any(errors[best][m] > MOST_WORSE * errors["NannyML"][m] for m in metrics)
    print("FAILED" if failed else "passed")
    return int(failed)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--nannyml", metavar="PYTHON", help="an interpreter that can import nannyml")
    sys.exit(main(options.parse_args().nannyml))
