"""The duckdb engine finds what Evidently finds: same methods and verdicts, scores within 0.01."""

import numpy as np
import pandas as pd
import pytest

from crisplens.monitors.engines.by_name import get_engine
from crisplens.monitors.engines.duckdb_engine import profile_reference
from crisplens.monitors.engines.interface import Reference, Rows
from crisplens.monitors.model import CheckSettings
from crisplens.registry.data.tabular import open_table

pytest.importorskip("evidently")


def randhie():
    """The RAND health insurance experiment: free care and full cost sharing against the plans between."""
    statsmodels = pytest.importorskip("statsmodels.api")
    frame = statsmodels.datasets.randhie.load_pandas().data.drop(columns="mdvis")
    reference = frame["lncoins"].round(6).isin([0.0, 3.258096])
    assert 0 < reference.sum() < len(frame)
    return frame[reference], frame[~reference]


def bundled(name, *, by=None):
    datasets = pytest.importorskip("sklearn.datasets")
    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    frame = frame.sort_values(by, ignore_index=True) if by else frame
    return frame[: len(frame) // 2], frame[len(frame) // 2 :]


def generated(rows, shift):
    frames = []
    for seed, moved in ((1, 0.0), (2, shift)):
        random = np.random.default_rng(seed)
        n = rows if seed == 1 else rows * 3 // 4
        holes = random.random(n) < 0.1
        frame = pd.DataFrame(
            {
                "normal": random.normal(moved, 1, n),
                "skewed": random.lognormal(moved, 1, n),
                "heavy": random.standard_t(2.5, n) + moved,
                "spiked": np.where(random.random(n) < 0.5, 0.0, random.normal(3 + moved, 1, n)),
                "holes": np.where(holes, np.nan, random.normal(moved, 5, n)),
                "endless": np.where(holes, np.inf, random.normal(moved, 5, n)),
                "counts": random.poisson(30 + 5 * moved, n),
                "levels": random.integers(0, 8, n),
                "few": random.choice([0.5, 1.5, 2.5], n, p=[0.4 - moved / 5, 0.3, 0.3 + moved / 5]),
                "dozen": random.integers(0, 12, n) / 4,
                "constant": np.full(n, 7.5),
                "flag": random.random(n) < 0.3 + moved / 5,
                "label": random.choice(
                    ["a", "b", "c", "d ü"], n, p=[0.4 - moved / 5, 0.2, 0.2, 0.2 + moved / 5]
                ),
                "pair": random.choice(["yes", "no"], n),
            }
        )
        frame["label_holes"] = frame["label"].where(~holes)
        frame["new"] = frame["label"] if seed == 1 else frame["label"].replace({"a": "z"})
        frames.append(frame)
    return frames


PAIRS = {
    "randhie": randhie,
    "diabetes": lambda: bundled("diabetes"),
    "wine": lambda: bundled("wine"),
    "breast cancer": lambda: bundled("breast_cancer"),
    "breast cancer, sorted": lambda: bundled("breast_cancer", by="mean radius"),
    "small, same": lambda: generated(600, 0.0),
    "small, shifted": lambda: generated(1000, 0.4),
    "large, same": lambda: generated(6000, 0.0),
    "large, shifted": lambda: generated(6000, 0.4),
    "large, far": lambda: generated(3000, 1.5),
}


SLOW = {"breast cancer", "breast cancer, sorted"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in PAIRS]
)
def test_both_engines_agree(name, tmp_path):
    reference_frame, current_frame = PAIRS[name]()
    reference_frame.to_parquet(tmp_path / "reference.parquet")
    current_frame.to_parquet(tmp_path / "current.parquet")
    table = open_table(str(tmp_path / "reference.parquet"))
    reference = Reference(table, profile_reference(table))
    current = Rows(open_table(str(tmp_path / "current.parquet")))
    ours, theirs = (
        get_engine(engine).check(reference, current, CheckSettings(drift_share=0.5)).check
        for engine in ("duckdb", "evidently")
    )
    assert ours.checked > 5
    for a, b in zip(ours.columns, theirs.columns, strict=True):
        assert (a.column, a.method, a.threshold) == (b.column, b.method, b.threshold)
        assert a.verdict is b.verdict, f"{a.column}: {a.score} and {b.score}"
        if a.score is not None and b.score is not None:
            assert abs(a.score - b.score) <= (0.01 if a.approximate else 1e-3), (
                f"{a.column}: {a.score} and {b.score}"
            )
    assert (ours.verdict, ours.drifted, ours.checked) == (theirs.verdict, theirs.drifted, theirs.checked)


@pytest.mark.parametrize("method", ["ks", "wasserstein", "jensenshannon", "psi", "kl_div"])
def test_chosen_methods_agree_from_bins(method, tmp_path):
    for name, frame in zip(("reference", "current"), generated(6000, 0.4), strict=True):
        frame[["normal", "skewed", "counts", "dozen"]].to_parquet(tmp_path / f"{name}.parquet")
    table = open_table(str(tmp_path / "reference.parquet"))
    reference = Reference(table, profile_reference(table))
    current = Rows(open_table(str(tmp_path / "current.parquet")))
    settings = CheckSettings(
        drift_share=0.5, methods={column.name: method for column in reference.profile.columns}
    )
    ours, theirs = (
        get_engine(engine).check(reference, current, settings).check for engine in ("duckdb", "evidently")
    )
    for a, b in zip(ours.columns, theirs.columns, strict=True):
        assert a.verdict is b.verdict
        assert a.score == pytest.approx(b.score, abs=0.01)
