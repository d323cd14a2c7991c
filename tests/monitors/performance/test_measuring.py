import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from crisplens.core.errors import InputError
from crisplens.monitors.performance import score_bins
from crisplens.monitors.performance.measuring import measure, read_scores
from crisplens.monitors.performance.merging import merge_all
from crisplens.monitors.performance.metrics import by_name, metrics_of, row_count
from crisplens.monitors.performance.model import (
    BinaryColumns,
    BinaryStatistics,
    MulticlassColumns,
    MulticlassStatistics,
    RegressionColumns,
    RegressionStatistics,
)
from crisplens.registry.data.tabular import connect, open_table

N = 2000
SCORED = BinaryColumns(label="repaid", score="p")


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def frame(seed=4):
    rng = np.random.default_rng(seed)
    score = rng.random(N).round(4)
    return pd.DataFrame(
        {
            "id": [f"{i:05}" for i in range(N)],
            "p": score,
            "region": rng.choice(["north", "south", None], N),
            "sex": rng.choice(["f", "m"], N),
            "repaid": (rng.random(N) < score).astype(int),
            "price": rng.normal(100, 20, N),
        }
    )


def save(data, name="table.parquet"):
    data.to_parquet(name) if name.endswith("parquet") else data.to_csv(name, index=False)
    return open_table(name)


def value(statistics, name):
    return by_name(metrics_of(statistics))[name].value


@pytest.mark.parametrize("name", ["table.parquet", "table.csv"])
def test_binary_statistics_are_those_of_the_rows(name):
    data = frame()
    found = measure(save(data, name), SCORED, segments=[["region"], ["region", "sex"]])
    assert isinstance(found.whole, BinaryStatistics)
    assert found.counts.predictions == found.counts.labelled == N
    assert value(found.whole, "brier") == pytest.approx(sk.brier_score_loss(data.repaid, data.p))
    assert value(found.whole, "log_loss") == pytest.approx(sk.log_loss(data.repaid, data.p))
    assert value(found.whole, "f1") == pytest.approx(sk.f1_score(data.repaid, data.p >= 0.5))
    assert value(found.whole, "roc_auc") == pytest.approx(sk.roc_auc_score(data.repaid, data.p), abs=1e-4)
    by_region = [one for one in found.groups if list(one.segment) == ["region"]]
    assert {one.segment["region"] for one in by_region} == {"north", "south", None}
    for group in by_region:
        region = group.segment["region"]
        rows = data[data.region.isna() if region is None else data.region == region]
        assert value(group.statistics, "accuracy") == pytest.approx(((rows.p >= 0.5) == rows.repaid).mean())
    assert sum(list(one.segment) == ["region", "sex"] for one in found.groups) == 6
    merged = merge_all(one.statistics for one in by_region)
    assert (merged.confusion, merged.scores) == (found.whole.confusion, found.whole.scores)


def test_bins_in_the_database_are_those_in_python():
    rng = np.random.default_rng(1)
    scores = [
        *rng.random(3000),
        *(10 ** rng.uniform(-9, 0, 3000)),
        *(1 - 10 ** rng.uniform(-9, 0, 3000)),
        0.0,
        1.0,
    ]
    connection = connect()
    connection.execute("CREATE TABLE t AS SELECT unnest(?::DOUBLE[]) AS s", [[float(one) for one in scores]])
    rows = connection.execute(f"SELECT s, {score_bins.bin_sql('s')} FROM t").fetchall()
    assert [found for _, found in rows] == [score_bins.bin_of(score) for score, _ in rows]


def test_labels_join_by_key_however_they_arrive():
    data = frame()
    predictions = save(data.drop(columns="repaid"), "predictions.csv")
    late = pd.concat(
        [
            data.loc[:1499, ["id", "repaid"]],
            data.loc[:9, ["id", "repaid"]],
            data.loc[10:12, ["id", "repaid"]].assign(repaid=lambda d: 1 - d.repaid),
            pd.DataFrame({"id": ["90001", "90002"], "repaid": [1, 0]}),
        ]
    ).sample(frac=1, random_state=1)
    found = measure(predictions, SCORED, labels=save(late, "labels.parquet"), key=["id"])
    counts = found.counts
    assert (counts.predictions, counts.labelled) == (N, 1500 - 3)
    assert (counts.repeated_labels, counts.conflicting_labels, counts.orphan_labels) == (13, 3, 2)
    assert counts.coverage == pytest.approx(1497 / N)
    kept = data.iloc[[*range(10), *range(13, 1500)]]
    assert value(found.whole, "brier") == pytest.approx(sk.brier_score_loss(kept.repaid, kept.p))


def test_keys_of_several_columns_and_other_types_join():
    predictions = save(
        pd.DataFrame({"a": [1, 2, 2, 3], "b": ["x", "x", "y", "x"], "p": [0.9, 0.2, 0.7, 0.1]}), "p.parquet"
    )
    labels = save(
        pd.DataFrame({"b": ["x", "y", "x"], "a": [1.0, 2.0, np.nan], "repaid": [1, 0, 1]}), "l.parquet"
    )
    found = measure(predictions, SCORED, labels=labels, key=["a", "b"])
    assert isinstance(found.whole, BinaryStatistics)
    assert (found.counts.labelled, found.counts.orphan_labels) == (2, 0)
    assert (found.whole.confusion.tp, found.whole.confusion.fp) == (1, 1)


def test_repeated_and_missing_keys_are_counted():
    predictions = save(pd.DataFrame({"id": ["a", "a", "b", None], "p": [0.9, 0.8, 0.1, 0.5]}), "p.parquet")
    labels = save(pd.DataFrame({"id": ["a", "b", None], "repaid": [1, None, 1]}), "l.parquet")
    counts = measure(predictions, SCORED, labels=labels, key=["id"]).counts
    assert (counts.labelled, counts.repeated_predictions, counts.without_key) == (2, 1, 1)
    assert counts.orphan_labels == 0


def test_unusable_predictions_are_counted_and_left_out():
    table = save(pd.DataFrame({"p": [0.9, 1.2, None, float("inf"), 0.1], "repaid": [1, 1, 0, 0, None]}))
    found = measure(table, SCORED)
    assert (found.counts.labelled, found.unusable, row_count(found.whole)) == (4, 3, 1)


def test_scores_that_are_no_probabilities_are_refused():
    with pytest.raises(InputError) as error:
        measure(save(pd.DataFrame({"p": [-3.0, 4.0], "repaid": [0, 1]})), SCORED)
    assert error.value.slug == "bad-scores"


@pytest.mark.parametrize(
    ("labels", "positive"),
    [
        ([True, False, True, False], None),
        ([True, False, True, False], "true"),
        ([False, True, False, True], "false"),
        ([1.0, 0.0, 1.0, 0.0], None),
        ([2, 1, 2, 1], "2"),
        (["good", "bad", "good", "bad"], "good"),
    ],
)
def test_the_positive_class_is_found_in_every_type(labels, positive):
    table = save(pd.DataFrame({"p": [0.9, 0.6, 0.2, 0.1], "repaid": labels}))
    found = measure(table, BinaryColumns(label="repaid", score="p", positive=positive))
    assert msgspec.structs.astuple(found.whole.confusion) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("labels", "positive", "message"),
    [
        (["good", "bad"], None, "none is named as positive"),
        ([1, 2], None, "neither 0 nor 1"),
        ([1, 2], "good", "is not a number"),
    ],
)
def test_a_positive_class_that_cannot_be_told_is_refused(labels, positive, message):
    table = save(pd.DataFrame({"p": [0.9, 0.6], "repaid": labels}))
    with pytest.raises(InputError, match=message):
        measure(table, BinaryColumns(label="repaid", score="p", positive=positive))


def test_multiclass_statistics_are_those_of_the_rows():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.integers(0, 3, 500), "g": rng.integers(0, 3, 500).astype(float)})
    found = measure(save(data), MulticlassColumns(label="y", predicted="g"))
    assert isinstance(found.whole, MulticlassStatistics)
    assert {cell.actual for cell in found.whole.cells} == {"0", "1", "2"}
    assert value(found.whole, "f1_macro") == pytest.approx(sk.f1_score(data.y, data.g, average="macro"))


def test_regression_statistics_are_those_of_the_rows():
    data = frame()
    data["guess"] = data.price + np.random.default_rng(1).normal(2, 5, N)
    columns = RegressionColumns(label="price", predicted="guess")
    found = measure(save(data), columns, segments=[["sex"]])
    assert isinstance(found.whole, RegressionStatistics)
    assert value(found.whole, "r2") == pytest.approx(sk.r2_score(data.price, data.guess))
    assert value(found.whole, "mae") == pytest.approx(sk.mean_absolute_error(data.price, data.guess))
    women = data[data.sex == "f"]
    (group,) = [one for one in found.groups if one.segment == {"sex": "f"}]
    assert value(group.statistics, "r2") == pytest.approx(sk.r2_score(women.price, women.guess))


def test_scores_are_counted_without_labels():
    data = frame().drop(columns="repaid")
    found = read_scores(save(data), SCORED, segments=[["sex"]])
    assert sum(one.positive for one in found.scores) == (data.p >= 0.5).sum()
    assert sum(one.positive + one.negative for one in found.scores) == N
    assert [group.segment for group in found.groups] == [{"sex": "f"}, {"sex": "m"}]


def test_no_labels_yet_is_no_error():
    data = frame()
    none_yet = save(data.loc[[], ["id", "repaid"]].astype({"repaid": "int64"}), "labels.parquet")
    found = measure(save(data.drop(columns="repaid")), SCORED, labels=none_yet, key=["id"])
    assert (found.counts.coverage, row_count(found.whole)) == (0.0, 0)


def test_a_segment_named_twice_is_counted_once():
    found = measure(save(frame()), SCORED, segments=[["sex"], ["sex"], ["region", "sex"], ["sex", "region"]])
    assert len(found.groups) == 2 + 6
    assert sum(row_count(one.statistics) for one in found.groups) == 2 * N


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
@pytest.mark.parametrize("columns", [SCORED, RegressionColumns(label="repaid", predicted="p")])
def test_a_labels_file_without_rows_is_no_error(name, columns):
    data = frame()
    found = measure(
        save(data.drop(columns="repaid"), "predictions.csv"),
        columns,
        labels=save(data.loc[[], ["id", "repaid"]], name),
        key=["id"],
    )
    assert (found.counts.predictions, found.counts.coverage, row_count(found.whole)) == (N, 0.0, 0)


def test_a_window_without_rows_is_no_error():
    table = save(frame().loc[[]], "window.csv")
    assert measure(table, SCORED).counts.predictions == 0
    assert read_scores(table, SCORED).scores == ()


def test_a_missing_column_of_a_file_without_rows_is_an_error_all_the_same():
    with pytest.raises(InputError) as error:
        measure(save(frame().loc[[]], "window.csv"), BinaryColumns(label="repayed", score="p"))
    assert error.value.slug == "unknown-name"


def test_a_value_of_another_type_late_in_a_csv_is_read_too():
    data = pd.DataFrame({"p": [1] * 30_000 + [0.25], "repaid": [1] * 30_001})
    found = measure(save(data.astype({"p": object}), "late.csv"), SCORED)
    assert value(found.whole, "brier") == pytest.approx(0.75**2 / 30_001)


def test_a_table_is_segmented_by_its_own_prediction():
    data = frame().assign(guess=lambda d: (d.p >= 0.7).astype(int))
    columns = BinaryColumns(label="repaid", score="p", predicted="guess")
    found = measure(save(data, "table.csv"), columns, segments=[["guess"]])
    assert [one.segment for one in found.groups] == [{"guess": "0"}, {"guess": "1"}]


@pytest.mark.parametrize(
    ("columns", "options", "slug"),
    [
        (BinaryColumns(label="repayed", score="p"), {}, "unknown-name"),
        (BinaryColumns(label="repaid"), {}, "bad-setting"),
        (BinaryColumns(label="repaid", score="p", threshold=50), {}, "bad-setting"),
        (BinaryColumns(label="repaid", score="sex"), {}, "not-a-number"),
        (SCORED, {"segments": [["regoin"]]}, "unknown-name"),
        (SCORED, {"segments": [["id"]]}, "too-many-segments"),
        (SCORED, {"segments": [[]]}, "bad-setting"),
        (SCORED, {"key": ["id"]}, "bad-setting"),
    ],
)
def test_what_cannot_be_measured_is_refused(columns, options, slug):
    with pytest.raises(InputError) as error:
        measure(save(frame()), columns, **options)
    assert error.value.slug == slug


def test_what_is_measured_fits_json():
    found = measure(save(frame()), SCORED, segments=[["region"]])
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
