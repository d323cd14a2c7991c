"""The RAND Health Insurance Experiment, prepared for the demonstration.

20,190 person-years of families that were given insurance plans with different coinsurance (the share
of a bill that they pay themselves), as bundled in statsmodels (`statsmodels.datasets.randhie`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

# The plans whose people are served first; the others come later, and the population shifts.
FIRST_PLANS = (0, 25)
# Rows of one family stand together, so that whole blocks are set aside and no family is split.
BLOCK_ROWS = 50
# The year in which the experiment's enrolment began.
SEED = 1974

INPUTS = (
    "coinsurance",
    "deductible_plan",
    "incentive",
    "maximum_expenditure",
    "limitation",
    "diseases",
    "health",
)
TARGET = "visits"

# Part -> (people of the first plans, people of the other plans), each as a range of the blocks' random numbers.
PARTS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "train": ((0.0, 0.6), (0.0, 0.0)),
    "holdout": ((0.6, 0.8), (0.0, 0.0)),
    "window-1": ((0.8, 0.9), (0.0, 0.0)),
    "window-2": ((0.0, 0.0), (0.0, 0.6)),
    "train-all-plans": ((0.0, 0.6), (0.0, 0.6)),
    "holdout-all-plans": ((0.6, 0.8), (0.6, 0.9)),
    "window-3": ((0.9, 1.0), (0.9, 1.0)),
}


def write_raw(file: Path) -> None:
    """Write the data set as statsmodels ships it."""
    from statsmodels.datasets import randhie

    randhie.load_pandas().data.to_csv(file, index=False)


def prepare(raw: Path, folder: Path) -> dict[str, Path]:
    """Turn the raw file into readable columns and write the parts that the story needs, a CSV file each."""
    import numpy as np
    import pandas as pd

    rows = pd.read_csv(raw)
    people = pd.DataFrame(
        {
            "coinsurance": np.expm1(rows["lncoins"]).round().astype(int),
            "deductible_plan": rows["idp"].astype(int),
            "incentive": np.exp(rows["lpi"]).round(2),
            "maximum_expenditure": np.exp(rows["fmde"]).round(2),
            "limitation": rows["physlm"].round(4),
            "diseases": rows["disea"].round(4),
            "health": np.select(
                [rows["hlthg"] == 1, rows["hlthf"] == 1, rows["hlthp"] == 1],
                ["good", "fair", "poor"],
                "excellent",
            ),
            TARGET: rows["mdvis"].astype(int),
        }
    )
    block = np.arange(len(people)) // BLOCK_ROWS
    drawn = np.random.default_rng(SEED).random(block[-1] + 1)[block]
    first = people["coinsurance"].isin(FIRST_PLANS)
    files = {}
    for part, ((start, end), (other_start, other_end)) in PARTS.items():
        chosen = (first & (drawn >= start) & (drawn < end)) | (
            ~first & (drawn >= other_start) & (drawn < other_end)
        )
        files[part] = folder / f"{part}.csv"
        people[chosen].to_csv(files[part], index=False)
    return files


def load(file: Path) -> Any:
    """A prepared part as a DataFrame."""
    import pandas as pd

    return pd.read_csv(file)
