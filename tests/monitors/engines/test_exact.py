"""Scores from every value agree with SciPy's and NumPy's on the same rows, and with Evidently's rules for bins."""

import tracemalloc
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from crisplens.core.content_store import LocalStore
from crisplens.core.errors import InputError
from crisplens.monitors.checking import carry_out_check
from crisplens.monitors.engines import exact
from crisplens.monitors.engines.by_name import get_engine
from crisplens.monitors.engines.duckdb_engine import profile_reference
from crisplens.monitors.engines.interface import Reference, Rows, RowSlice
from crisplens.monitors.model import CheckSettings, NumericProfile
from crisplens.registry.data.content import digest_table
from crisplens.registry.data.tabular import open_table


def sturges(reference, current, values):
    bins = np.histogram_bin_edges(values, bins="sturges")
    return [np.histogram(side, bins)[0] / len(side) for side in (reference, current)]


def shares(reference, current):
    """Evidently's: by value up to 20 distinct ones in the reference, then by bins of the joint range."""
    if len(np.unique(reference)) > 20:
        return sturges(reference, current, np.concatenate([reference, current]))
    keys = np.union1d(reference, current)
    return [np.array([np.mean(side == key) for key in keys]) for side in (reference, current)]


def lifted(reference, current):
    found = shares(reference, current)
    for side in found:
        least = side[side > 0].min()
        side[side == 0] = least / 10**6 if least <= 0.0001 else 0.0001
    return found


def psi(reference, current):
    r, c = lifted(reference, current)
    return np.sum((r - c) * np.log(r / c))


def hellinger(reference, current):
    r, c = sturges(reference, current, np.union1d(reference, current))
    return np.sqrt(max(0, 1 - np.sum(np.sqrt(r * c))))


ORACLES = {
    "ks": lambda r, c: stats.ks_2samp(r, c).pvalue,
    "wasserstein": lambda r, c: stats.wasserstein_distance(r, c) / max(np.std(r), 0.001),
    "ed": stats.energy_distance,
    # SciPy's choice for more than 8 values.
    "mannw": lambda r, c: stats.mannwhitneyu(r, c, alternative="less", method="asymptotic").pvalue,
    "t_test": lambda r, c: stats.ttest_ind(r, c).pvalue,
    "jensenshannon": lambda r, c: jensenshannon(*shares(r, c)),
    "psi": psi,
    "kl_div": lambda r, c: stats.entropy(*lifted(r, c)),
    "hellinger": hellinger,
}
SHAPES = {
    "normal": lambda rng, n, shift: rng.normal(shift, 1, n),
    "heavy tails": lambda rng, n, shift: rng.standard_t(1.5, n) + shift,
    "ties": lambda rng, n, shift: np.round(rng.normal(shift, 1, n), 1),
    "fine ties": lambda rng, n, shift: np.round(rng.normal(shift, 1, n), 3),
    "spike": lambda rng, n, shift: np.where(rng.random(n) < 0.6, 0.0, rng.gamma(2, 1 + shift, n)),
    "signed zeros": lambda rng, n, shift: (
        np.where(rng.random(n) < 0.5, 0.0, -0.0) * rng.integers(0, 40, n)
        + (rng.random(n) < 0.3) * rng.normal(shift, 1, n)
    ),
    "integers": lambda rng, n, shift: rng.poisson(30 + 5 * shift, n),
    "wide integers": lambda rng, n, shift: rng.integers(-(10**9), 10**9, n) + int(shift * 10**8),
    "few, then many": lambda rng, n, shift: (
        rng.integers(0, 12, n) / 4 + (rng.normal(0, 1, n) if shift else 0.0)
    ),
    "constant": lambda rng, n, shift: np.full(n, 7.5 + shift),
}
SIZES = {"tiny": (12, 3), "small": (700, 450), "large": (6000, 3000)}


def write(folder, **frames):
    tables = []
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet")
        tables.append(open_table(str(folder / f"{name}.parquet")))
    return tables


def check(reference, current, *, only=None, profile=None, **settings):
    table = Reference(reference, profile or profile_reference(reference))
    found = get_engine("duckdb").check(
        table, Rows(current, only), CheckSettings(exact=True, minimum_rows=1, **settings)
    )
    return {one.column: one for one in found.check.columns}


@pytest.fixture(scope="module", params=SIZES)
def drawn(request, tmp_path_factory):
    """Every shape as a column of both tables, and the reference's profile."""
    rng = np.random.default_rng(3)
    frames = []
    for n, shift in zip(SIZES[request.param], (0.0, 0.2), strict=True):
        frames.append(pd.DataFrame({name: draw(rng, n, shift) for name, draw in SHAPES.items()}))
    tables = write(tmp_path_factory.mktemp(request.param), reference=frames[0], current=frames[1])
    return request.param, frames, tables, profile_reference(tables[0])


# SciPy warns of constant numbers, and of exact p-values near 1 that it does not get.
@pytest.mark.filterwarnings("ignore:(Precision loss|ks_2samp):RuntimeWarning")
@pytest.mark.parametrize("method", ORACLES)
def test_scores_are_those_of_every_value(drawn, method):
    size, frames, tables, profile = drawn
    # Ten whole numbers or fewer are categories.
    names = [one.name for one in profile.columns if isinstance(one, NumericProfile)]
    assert len(names) >= len(SHAPES) - 1
    found = check(*tables, profile=profile, columns=names, methods=dict.fromkeys(names, method))
    for name, one in found.items():
        reference, current = (frame[name].to_numpy() for frame in frames)
        assert not one.approximate
        tolerance = 1e-3 if method == "ks" and size == "large" else 1e-9
        assert one.score == pytest.approx(ORACLES[method](reference, current), rel=1e-7, abs=tolerance), name


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    rng = np.random.default_rng(4)
    frames = [
        pd.DataFrame({"x": rng.lognormal(shift, 1, 200_000), "y": np.round(rng.standard_t(2, 200_000), 3)})
        for shift in (0.0, 0.02)
    ]
    return frames, write(tmp_path_factory.mktemp("large"), reference=frames[0], current=frames[1])


@pytest.mark.parametrize("method", ["ks", "wasserstein"])
def test_many_rows_are_sorted_in_duckdb_and_not_in_python(method, large, monkeypatch):
    frames, tables = large
    profile = profile_reference(tables[0])
    score_rows, peaks = exact.score_rows, []

    def measured(*given):
        tracemalloc.start()
        try:
            return score_rows(*given)
        finally:
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()

    monkeypatch.setattr(exact, "score_rows", measured)
    found = check(*tables, profile=profile, methods={"x": method, "y": method})
    assert peaks[0] < 2_000_000
    for name, one in found.items():
        expected = ORACLES[method](*(frame[name].to_numpy() for frame in frames))
        assert one.score == pytest.approx(expected, abs=1e-3 if method == "ks" else 1e-9)


def test_more_categories_than_a_profile_lists_are_all_counted(tmp_path):
    rng = np.random.default_rng(5)
    frames = [
        pd.DataFrame({"g": [f"c{i}" for i in np.minimum(rng.exponential(scale, 30_000).astype(int), 4000)]})
        for scale in (600, 660)
    ]
    tables = write(tmp_path, reference=frames[0], current=frames[1])
    counts = pd.concat([frame["g"].value_counts() for frame in frames], axis=1).fillna(0).to_numpy().T
    assert counts.shape[1] > 3000
    expected = {
        "jensenshannon": jensenshannon(*counts),
        "hellinger": np.sqrt(1 - np.sum(np.sqrt(counts[0] * counts[1])) / 30_000),
        "chisquare": 0.0,
    }
    for method, value in expected.items():
        one = check(*tables, methods={"g": method})["g"]
        assert not one.approximate
        assert one.score == pytest.approx(value)


def test_the_z_test_is_of_the_first_of_all_categories(tmp_path):
    rows = [f"c{i:04}" for i in range(3000)] * 2
    tables = write(
        tmp_path,
        reference=pd.DataFrame({"g": [*rows, *["c0000"] * 60]}),
        current=pd.DataFrame({"g": rows}),
    )
    one = check(*tables, methods={"g": "z"})["g"]
    p, q, pooled = 62 / 6060, 2 / 6000, 64 / 12060
    z = (p - q) / np.sqrt(pooled * (1 - pooled) * (1 / 6060 + 1 / 6000))
    assert one.score == pytest.approx(2 * stats.norm.sf(abs(z)))


def test_nulls_and_infinities_are_no_values(tmp_path):
    rng = np.random.default_rng(6)
    frames = [
        pd.DataFrame(
            {
                "x": np.where(
                    rng.random(4000) < 0.3, rng.choice([np.nan, np.inf, -np.inf]), rng.normal(m, 1, 4000)
                )
            }
        )
        for m in (0, 0.3)
    ]
    tables = write(tmp_path, reference=frames[0], current=frames[1])
    expected = ORACLES["wasserstein"](*(frame["x"][np.isfinite(frame["x"])].to_numpy() for frame in frames))
    assert check(*tables)["x"].score == pytest.approx(expected)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_reference_in_another_format_than_the_window(suffix, tmp_path):
    rng = np.random.default_rng(7)
    reference, current = (
        pd.DataFrame({"x": rng.normal(m, 1, 3000), "a b": rng.choice(["7", "8"], 3000)}) for m in (0, 0.3)
    )
    path = tmp_path / f"reference.{suffix}"
    if suffix == "csv":
        reference.to_csv(path, index=False)
    else:
        reference.to_json(path, orient="records", lines=True, double_precision=15)
    (window,) = write(tmp_path, current=current)
    table = open_table(str(path))
    for first, second in ((table, window), (window, table)):
        found = check(first, second, columns=("x",))
        sides = (reference, current) if first is table else (current, reference)
        expected = ORACLES["wasserstein"](*(side["x"].to_numpy() for side in sides))
        assert found["x"].score == pytest.approx(expected)


def test_only_the_rows_of_the_window_are_scored(tmp_path):
    rng = np.random.default_rng(8)
    reference = pd.DataFrame({"x": rng.normal(0, 1, 3000)})
    current = pd.DataFrame({"x": rng.normal(np.repeat([0, 0.5], 2000), 1)})
    tables = write(tmp_path, reference=reference, current=current)
    found = check(*tables, only=RowSlice(2000, 4000))
    expected = ORACLES["wasserstein"](reference["x"], current["x"][2000:])
    assert found["x"].score == pytest.approx(expected)


def test_rows_are_read_only_for_scores_that_profiles_do_not_give(tmp_path, monkeypatch):
    frame = pd.DataFrame({"x": np.arange(600) / 7, "g": ["a", "b", "c"] * 200})
    tables = write(tmp_path, reference=frame, current=frame)
    monkeypatch.setattr(exact, "opened", None)
    assert {one.approximate for one in check(*tables).values()} == {False}


def test_without_the_references_rows_there_are_no_exact_scores(tmp_path):
    rng = np.random.default_rng(9)
    frame = pd.DataFrame({"x": rng.normal(0, 1, 3000)})
    tables = write(tmp_path, reference=frame, current=frame)
    with pytest.raises(InputError) as caught:
        check(None, tables[1], profile=profile_reference(tables[0]))
    assert caught.value.slug == "reference-rows-needed"


def test_spilling_changes_no_score(large, monkeypatch):
    frames, tables = large
    profile = profile_reference(tables[0])
    opened = exact.opened

    @contextmanager
    def cramped(*given, **named):
        with opened(*given, **named) as found:
            found[0].execute("SET memory_limit = '40MB'")
            found[0].execute("SET threads = 1")
            yield found

    monkeypatch.setattr(exact, "opened", cramped)
    found = check(*tables, profile=profile, columns=("x",))
    expected = ORACLES["wasserstein"](*(frame["x"].to_numpy() for frame in frames))
    assert found["x"].score == pytest.approx(expected, abs=1e-9)


def test_a_reference_that_is_no_longer_that_of_the_profile_is_refused(tmp_path):
    rng = np.random.default_rng(10)
    frame = pd.DataFrame({"x": rng.normal(0, 1, 3000)})
    tables = write(tmp_path, reference=frame, current=frame + 0.3)
    evidence = LocalStore(tmp_path / "evidence")
    kept = evidence.keep_bytes(msgspec.json.encode(profile_reference(tables[0]))).digest
    monitor = SimpleNamespace(
        engine="duckdb",
        plan=None,
        constraints=None,
        settings=CheckSettings(exact=True),
        reference=SimpleNamespace(
            location=tables[0].pattern, digest=digest_table(tables[0]).digest, rows=3000
        ),
        reference_profile=kept,
    )
    given = {"evidence": evidence, "rows": Rows(tables[1]), "now": datetime(2026, 1, 1, tzinfo=UTC)}
    (one,) = carry_out_check(monitor, **given).found.check.columns
    assert not one.approximate
    frame[:2999].to_parquet(tmp_path / "reference.parquet")
    with pytest.raises(InputError) as caught:
        carry_out_check(monitor, **given)
    assert caught.value.slug == "reference-changed"
    monitor.settings = CheckSettings()
    (one,) = carry_out_check(monitor, **given).found.check.columns
    assert one.approximate


def test_settings_recorded_before_there_were_exact_scores_are_read():
    before = msgspec.json.decode(b'{"columns":["x"],"drift_share":0.5}', type=CheckSettings)
    assert (before.exact, before.columns) == (False, ("x",))
