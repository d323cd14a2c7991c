"""The duckdb engine finds what Evidently finds: same methods, thresholds and plain verdicts, scores within 0.01.

Evidently's choice of a test and its tests are called as its own `get_one_column_drift` calls them; a whole run of its
preset, which draws plots for every column, is held against them once.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from crisplens.monitors.engines.by_name import get_engine
from crisplens.monitors.engines.duckdb_engine import profile_reference
from crisplens.monitors.engines.interface import Reference, Rows
from crisplens.monitors.model import CheckSettings, ColumnCheck, ColumnKind, Verdict
from crisplens.monitors.scores import METHODS
from crisplens.registry.data.tabular import open_table


@pytest.fixture(scope="module", autouse=True)
def _evidently() -> None:
    """Imported, which takes seconds, only by the worker that runs these tests."""
    pytest.importorskip("evidently")


SIZES = {"small": (600, 450), "large": (4000, 3000)}
SHIFTS = {"same": 0.0, "moved": 0.4}


def holes(rng, n, value):
    return np.where(rng.random(n) < 0.2, value, rng.normal(0, 5, n))


# `d` is the shift; what it means is the shape's own.
NUMBERS = {
    "normal": lambda rng, n, d: rng.normal(d, 1, n),
    "skewed": lambda rng, n, d: rng.lognormal(d, 1, n),
    "heavy": lambda rng, n, d: rng.standard_t(1.8, n) + d,
    "outliers": lambda rng, n, d: np.where(rng.random(n) < 0.01 * (1 + d), 1e6, rng.normal(0, 1, n)),
    "gap": lambda rng, n, d: np.where(
        rng.random(n) < 0.5 + d / 5, rng.normal(0, 1, n), rng.normal(100, 1, n)
    ),
    "spike": lambda rng, n, d: np.where(rng.random(n) < 0.5, 0.0, rng.normal(3 + d, 1, n)),
    "wider": lambda rng, n, d: rng.normal(0, 1 + d, n),
    "nulls": lambda rng, n, d: holes(rng, n, np.nan) + 5 * d,
    "infinite": lambda rng, n, d: holes(rng, n, np.inf) + 5 * d,
    "counts": lambda rng, n, d: rng.poisson(30 + 5 * d, n),
    "dozen": lambda rng, n, d: rng.integers(0, 12, n) / 4 + (rng.random(n) < d) / 4,
    "few": lambda rng, n, d: rng.choice([0.5, 1.5, 2.5], n, p=[0.4 - d / 5, 0.3, 0.3 + d / 5]),
    "constant": lambda rng, n, d: np.full(n, 7.5 + d),
}
CATEGORIES = {
    "levels": lambda rng, n, d: np.minimum(rng.integers(0, 8, n) + (rng.random(n) < d / 4), 7),
    "flag": lambda rng, n, d: rng.random(n) < 0.3 + d / 5,
    "label": lambda rng, n, d: rng.choice(["a", "b", "c", "d ü"], n, p=[0.4 - d / 5, 0.2, 0.2, 0.2 + d / 5]),
    "pair": lambda rng, n, d: rng.choice(["yes", "no"], n, p=[0.5 - d / 5, 0.5 + d / 5]),
    "rare": lambda rng, n, d: np.where(rng.random(n) < 0.002 * (1 + 5 * d), "rare", "usual"),
    "many": lambda rng, n, d: np.char.add(
        "c", np.minimum(rng.exponential(20 * (1 + d), n), 80).astype(int).astype(str)
    ),
    "new": lambda rng, n, d: np.where(rng.random(n) < d / 10, "new", rng.choice(["a", "b", "c"], n)),
    "untold": lambda rng, n, d: np.where(
        rng.random(n) < 0.2, None, rng.choice(["a", "b", "c"], n, p=[0.5 - d / 5, 0.3, 0.2 + d / 5])
    ),
}
SHAPES = NUMBERS | CATEGORIES
SMOOTH = ("normal", "skewed", "counts", "dozen")


@dataclass(frozen=True)
class Found:
    """Our check of a column, judged among its pair's columns, and Evidently's answer about it."""

    ours: ColumnCheck
    method: str
    score: float
    drift: bool
    threshold: float


def generated():
    """Pairs of every shape, by size; the columns say the shift."""
    for size, rows in SIZES.items():
        sides = []
        for side, n in enumerate(rows):
            rng = np.random.default_rng([side, n])
            columns = {
                f"{shape} {shift}": draw(rng, n, moved * side)
                for shape, draw in SHAPES.items()
                for shift, moved in SHIFTS.items()
            }
            sides.append(pd.DataFrame(columns))
        yield size, sides


def halves(frame, by=None):
    frame = frame.sort_values(by, ignore_index=True, kind="stable") if by else frame
    return [frame[: len(frame) // 2], frame[len(frame) // 2 :]]


def real():
    """Data that scikit-learn and statsmodels bring along, split in halves or by a variable."""
    datasets = pytest.importorskip("sklearn.datasets")
    statsmodels = pytest.importorskip("statsmodels.api").datasets
    yield "wine", halves(datasets.load_wine(as_frame=True).frame)
    yield "diabetes", halves(datasets.load_diabetes(as_frame=True).frame)
    breast_cancer = datasets.load_breast_cancer(as_frame=True).frame
    yield "breast cancer", halves(breast_cancer[[*breast_cancer.columns[:10], "target"]], by="mean radius")
    yield "anes96", halves(statsmodels.anes96.load_pandas().data)
    yield "fair", halves(statsmodels.fair.load_pandas().data)
    insured = statsmodels.randhie.load_pandas().data.drop(columns="mdvis")
    # Free care and full cost sharing against the plans between.
    between = insured["lncoins"].round(6).isin([0.0, 3.258096])
    yield "randhie", [insured[between], insured[~between]]


def open_pair(folder, name, sides):
    tables = []
    for side, frame in zip(("reference", "current"), sides, strict=True):
        path = folder / f"{name} {side}.parquet"
        frame.to_parquet(path, index=False)
        tables.append(open_table(str(path)))
    return Reference(tables[0], profile_reference(tables[0])), Rows(tables[1])


@pytest.fixture(scope="module")
def stattests():
    """Evidently's own choice of a test and its tests."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DO_NOT_TRACK", "1")
        from evidently.legacy.calculations.stattests import registry
    return registry


def ask_evidently(stattests, sides, one, method=None):
    """Evidently's answer about a column, as its `get_one_column_drift` gets it."""
    columns = [side[one.column].replace([-np.inf, np.inf], np.nan).dropna() for side in sides]
    kind = "num" if one.kind == "numeric" else "cat"
    test = stattests.get_stattest(*columns, kind, method)
    with warnings.catch_warnings():
        # Of divisions by zero, for categories that the reference lacks.
        warnings.simplefilter("ignore")
        found = test(*columns, stattests.ColumnType(kind), None)
    return Found(one, test.name, float(found.drift_score), bool(found.drifted), found.actual_threshold)


@pytest.fixture(scope="module")
def found(stattests, tmp_path_factory):
    """Each column of each pair, as both see it."""
    folder = tmp_path_factory.mktemp("pairs")
    everything = {}
    for name, sides in [*generated(), *real()]:
        check = get_engine("duckdb").check(*open_pair(folder, name, sides), CheckSettings()).check
        for one in check.columns:
            everything[f"{name}: {one.column}"] = ask_evidently(stattests, sides, one)
    return everything


def test_there_are_thirty_generated_pairs_and_five_real_ones_and_every_default_method(found):
    pairs = {name.partition(":")[0] for name in found}
    assert len(pairs - SIZES.keys()) >= 5
    assert sum(name.startswith(tuple(SIZES)) for name in found) >= 30
    methods = {one.method for one in found.values()}
    assert methods == {"ks", "wasserstein", "jensenshannon", "chisquare", "z"}


def test_default_scores_are_within_a_hundredth_of_evidentlys(found):
    for name, one in found.items():
        assert (one.ours.method, one.ours.threshold) == (one.method, one.threshold), name
        assert one.ours.score == pytest.approx(one.score, abs=0.01 if one.ours.approximate else 1e-6), name


def test_plain_verdicts_are_evidentlys(found):
    assert {name for name, one in found.items() if one.ours.beyond is not one.drift} == set()
    assert len({one.drift for one in found.values()}) == 2


# Where the effect decides otherwise than the score. What the two sides of each kind are right about is in the docs.
DRIFT_BY_SCORE_ALONE = {
    # A difference is likely, or is chance in one of many columns; that it is larger than tolerated is not shown.
    "p-values of small tables": {
        "small: gap same",
        "small: gap moved",
        "small: flag moved",
        "small: label moved",
        "small: pair moved",
        "small: rare moved",
        "breast cancer: mean smoothness",
        "breast cancer: mean symmetry",
    },
    # One row of a category that the reference lacks makes the p-value 0.
    "new categories": {"small: many same", "small: many moved"},
    # Few rows moved, but far.
    "distances": {"large: gap moved", "fair: educ"},
}
DRIFT_BY_EFFECT_ALONE = {
    # Evidently's threshold of 0.1 is an effect of about 0.28.
    "distances of shares": {
        "large: few moved",
        "large: label moved",
        "large: pair moved",
        "large: untold moved",
        "fair: religious",
        "randhie: idp",
    },
    # A spread that a few far values make large hides a shift of the others.
    "distances over the spread": {"large: heavy moved", "fair: occupation", "randhie: disea"},
    # The test looks for shifts, and the middle stayed.
    "spread": {"small: wider moved"},
    # The share of false discoveries that the level allows.
    "chance": {"small: dozen same"},
}


def test_where_our_decision_differs_from_evidentlys_is_known(found):
    ours = {name: one.ours.verdict is Verdict.DRIFT for name, one in found.items()}
    by_score = {name for name, one in found.items() if one.drift and not ours[name]}
    by_effect = {name for name, one in found.items() if ours[name] and not one.drift}
    assert by_score == set().union(*DRIFT_BY_SCORE_ALONE.values())
    assert by_effect == set().union(*DRIFT_BY_EFFECT_ALONE.values())


NUMERIC = sorted(method.name for method in METHODS.values() if ColumnKind.NUMERIC in method.kinds)
CATEGORICAL = sorted(method.name for method in METHODS.values() if ColumnKind.CATEGORICAL in method.kinds)


def check_by(method, pair, names, **options):
    methods = dict.fromkeys(names, method)
    settings = CheckSettings(columns=names, methods=methods, **options)
    return get_engine("duckdb").check(*pair, settings).check.columns


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    sides = dict(generated())["large"]
    return sides, open_pair(tmp_path_factory.mktemp("numbers"), "large", sides)


@pytest.mark.parametrize("method", NUMERIC)
def test_chosen_methods_agree_from_bins(method, stattests, numbers):
    sides, pair = numbers
    for one in check_by(method, pair, tuple(f"{shape} moved" for shape in SMOOTH)):
        theirs = ask_evidently(stattests, sides, one, method)
        assert one.threshold == theirs.threshold
        assert one.beyond == theirs.drift or abs(theirs.score - theirs.threshold) < 0.01
        assert one.score == pytest.approx(theirs.score, abs=0.01), one.column


@pytest.mark.parametrize("method", NUMERIC)
def test_exact_scores_are_evidentlys_whatever_the_shape(method, stattests, numbers):
    sides, pair = numbers
    names = tuple(f"{shape} {shift}" for shape in NUMBERS for shift in SHIFTS)
    for one in check_by(method, pair, names, exact=True):
        theirs = ask_evidently(stattests, sides, one, method)
        assert not one.approximate
        if not np.isfinite(theirs.score):
            # The t-test of equal constants.
            assert (method, one.column, one.score) == ("t_test", "constant same", 1.0)
            continue
        assert one.beyond == theirs.drift
        assert one.score == pytest.approx(theirs.score, rel=1e-6, abs=1e-6), one.column


@pytest.mark.parametrize("method", CATEGORICAL)
def test_chosen_methods_agree_on_categories(method, stattests, tmp_path):
    names = [f"{shape} {shift}" for shape in CATEGORIES for shift in SHIFTS]
    if method == "g_test":
        # Evidently's needs tables of one size.
        names = [name for name in names if "untold" not in name]
    if method == "TVD":
        # Evidently's takes seconds.
        names = ["label moved"]
    sides = [side[names][:90] for side in dict(generated())["small"]]
    for one in check_by(method, open_pair(tmp_path, method, sides), tuple(names)):
        theirs = ask_evidently(stattests, sides, one, method)
        assert one.threshold == theirs.threshold
        if not np.isfinite(theirs.score):
            # Evidently's tests of fit give no number for one and the same category.
            assert (one.column.partition(" ")[0], one.score) == ("rare", 1.0)
            continue
        # Both draw a thousand permutations.
        assert one.score == pytest.approx(theirs.score, abs=0.07 if method == "TVD" else 1e-6), one.column
        assert one.beyond == theirs.drift or (method == "TVD" and abs(one.score - 0.1) < 0.03)


def test_a_run_of_evidentlys_preset_says_the_same(stattests, tmp_path):
    sides = [side[["alcohol", "ash", "target"]] for side in dict(real())["wine"]]
    reference, current = open_pair(tmp_path, "wine", sides)
    ours, theirs = (
        get_engine(engine).check(reference, current, CheckSettings(drift_share=0.5)).check
        for engine in ("duckdb", "evidently")
    )
    for a, b in zip(ours.columns, theirs.columns, strict=True):
        assert (a.column, a.method, a.threshold, a.verdict) == (b.column, b.method, b.threshold, b.verdict)
        assert a.score == pytest.approx(b.score, abs=1e-6)
        assert b.score == pytest.approx(ask_evidently(stattests, sides, a).score)
    assert (ours.verdict, ours.drifted, ours.checked) == (theirs.verdict, theirs.drifted, theirs.checked)
