import sys

import msgspec
import numpy as np
import pandas as pd
import pytest

from crisplens.core.errors import InputError
from crisplens.monitors.performance.boosted_losses import estimate_boosted
from crisplens.monitors.performance.estimation import AlertThreshold
from crisplens.monitors.performance.loss_reading import count_losses, fit_losses
from crisplens.monitors.performance.losses import LossAxis, LossCell, LossCount, LossModel, estimate_losses
from crisplens.monitors.performance.model import RegressionColumns
from crisplens.registry.data.tabular import open_table

COLUMNS = RegressionColumns(label="y", predicted="guess")


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def draw(n, seed, *, large=0.5, city=0.5):
    """Errors grow with the prediction, and are three times as large in the city."""
    rng = np.random.default_rng(seed)
    guess = np.where(rng.random(n) < large, rng.uniform(50, 100, n), rng.uniform(0, 50, n))
    area = np.where(rng.random(n) < city, "city", "country")
    error = rng.normal(0, (2 + guess / 10) * np.where(area == "city", 3, 1))
    return pd.DataFrame({"guess": guess, "area": area, "y": guess + error, "half": np.arange(n) % 2})


def save(data, name):
    data.to_parquet(name) if name.endswith("parquet") else data.to_csv(name, index=False)
    return open_table(name)


def realised(data):
    error = data.guess - data.y
    return {"mae": float(error.abs().mean()), "rmse": float((error**2).mean() ** 0.5)}


def by_bins(reference, window):
    model = fit_losses(save(reference, "reference.parquet"), COLUMNS, by=["area"])
    counts = count_losses(save(window.drop(columns="y"), "window.parquet"), model)
    return {one.name: one for one in estimate_losses(model, counts.counts)}


def by_trees(reference, window):
    found = estimate_boosted(
        save(reference, "reference.csv"),
        save(window.drop(columns="y"), "window.parquet"),
        COLUMNS,
        by=["area"],
    )
    return {one.name: one for one in found.whole}


@pytest.mark.parametrize(
    ("estimates", "shift"),
    [
        (by_bins, {}),
        (by_bins, {"large": 0.9}),
        (by_bins, {"city": 0.1}),
        (by_bins, {"large": 0.1, "city": 0.95}),
        (by_trees, {}),
        (by_trees, {"large": 0.1, "city": 0.95}),
    ],
)
def test_estimated_errors_are_what_labels_later_show(estimates, shift):
    window = draw(4000, 2, **shift)
    found = estimates(draw(8000, 1), window)
    for name, value in realised(window).items():
        assert found[name].low <= value <= found[name].high, name
        assert found[name].value == pytest.approx(value, rel=0.06), name


def test_the_sampling_error_is_how_far_realised_errors_stray():
    distances = {"mae": [], "rmse": []}
    for seed in range(16):
        window = draw(500, 100 + seed)
        found = by_bins(draw(1500, seed), window)
        for name, value in realised(window).items():
            distances[name].append((value - found[name].value) / found[name].sampling_error)
    for found in distances.values():
        assert abs(np.mean(found)) < 0.6
        assert 0.6 < np.std(found) < 1.5


def test_groups_are_estimated_apart():
    reference, window = draw(8000, 1), draw(4000, 2)
    model = fit_losses(save(reference, "reference.parquet"), COLUMNS, by=["area"])
    counts = count_losses(save(window, "window.parquet"), model, segments=[["area"], ["half"]])
    binned = {tuple(g.segment.items()): estimate_losses(model, g.counts)[0].value for g in counts.groups}
    boosted = estimate_boosted(
        open_table("reference.parquet"),
        open_table("window.parquet"),
        COLUMNS,
        by=["area"],
        segments=[["area"], ["half"]],
    )
    for group in boosted.groups:
        (column, value) = next(iter(group.segment.items()))
        rows = window[window[column].astype(str) == value]
        expected = realised(rows)["mae"]
        assert group.estimates[0].value == pytest.approx(expected, rel=0.06)
        assert binned[(column, value),] == pytest.approx(expected, rel=0.06)
    assert len(boosted.groups) == len(binned) == 4


def model_of(*cells):
    axes = (LossAxis(column="guess", edges=(1.0,)), LossAxis(column="area", values=("city",)))
    return LossModel(rows=sum(cell.count for cell in cells), axes=axes, cells=cells)


def test_a_cell_that_the_reference_lacks_leans_on_the_wider_cell():
    model = model_of(
        LossCell((0, 0), 10_000, 10_000.0, 20_000.0, 80_000.0), LossCell((1, 0), 10_000, 9e4, 9e5, 9e7)
    )
    (mae, _) = estimate_losses(model, [LossCount((0, 1), 50)])
    assert mae.value == pytest.approx(1.0, abs=0.01)


def test_an_estimate_out_of_range_alerts():
    model = model_of(LossCell((0, 0), 100, 100.0, 200.0, 800.0))
    found = estimate_losses(model, [LossCount((0, 0), 50)], thresholds={"mae": AlertThreshold(upper=0.9)})
    assert [one.alert for one in found] == [True, False]


def test_a_window_without_rows_has_reasons():
    found = estimate_losses(model_of(LossCell((0, 0), 100, 100.0, 200.0, 800.0)), [])
    assert [(one.value, one.reason) for one in found] == [(None, "The window has no usable row.")] * 2


def test_missing_values_and_new_texts_are_estimated_too():
    reference, window = draw(2000, 1), draw(500, 2)
    reference.loc[::7, "area"] = None
    window.loc[::5, "area"] = None
    window.loc[::9, "area"] = "sea"
    window.loc[:9, "guess"] = None
    model = fit_losses(save(reference, "reference.parquet"), COLUMNS, by=["area"])
    counts = count_losses(save(window, "window.parquet"), model)
    boosted = estimate_boosted(
        open_table("reference.parquet"), open_table("window.parquet"), COLUMNS, by=["area"]
    )
    assert counts.unusable == boosted.unusable == 10
    assert estimate_losses(model, counts.counts)[0].rows == boosted.whole[0].rows == 490
    assert msgspec.json.decode(msgspec.json.encode(model), type=LossModel) == model


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    table = save(draw(50, 1), "reference.parquet")
    with pytest.raises(InputError, match="scikit-learn") as error:
        estimate_boosted(table, table, COLUMNS, by=[])
    assert error.value.slug == "not-installed"


@pytest.mark.parametrize(
    ("change", "by", "slug"),
    [
        ({"y": None}, [], "not-a-number"),
        ({"y": float("nan")}, [], "no-rows"),
        ({"guess": "text"}, [], "not-a-number"),
        ({"guess": 1e200}, [], "not-a-number"),
        ({}, ["aera"], "unknown-name"),
    ],
)
def test_a_reference_that_cannot_be_used_is_refused(change, by, slug):
    table = save(draw(50, 1).assign(**change), "reference.parquet")
    for fit in (
        lambda: fit_losses(table, COLUMNS, by=by),
        lambda: estimate_boosted(table, table, COLUMNS, by=by),
    ):
        with pytest.raises(InputError) as error:
            fit()
        assert error.value.slug == slug
