"""SageMaker Model Monitor's `statistics.json`, read as a profile."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from crisplens.core.errors import InputError
from crisplens.monitors.model import CategoricalProfile, Family, NumericProfile, OtherProfile
from crisplens.monitors.profiles import cumulative_knots, share_at_most, variance
from crisplens.monitors.quality.judge import judge
from crisplens.monitors.quality.sagemaker_statistics import read_model_monitor_statistics
from crisplens.monitors.quality.suggest import suggest
from tests.monitors.quality.made import numbers, table

VALUES = np.random.default_rng(7).gamma(3.0, 2.0, size=400)


def statistics() -> dict:
    """A file of the form that Model Monitor writes, of real values in ten buckets."""
    counts, edges = np.histogram(VALUES, bins=10)
    buckets = [
        {"lower_bound": float(low), "upper_bound": float(high), "count": float(count)}
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    return {
        "version": 0.0,
        "dataset": {"item_count": 410},
        "features": [
            {
                "name": "amount",
                "inferred_type": "Fractional",
                "numerical_statistics": {
                    "common": {"num_present": 400, "num_missing": 10},
                    "mean": float(VALUES.mean()),
                    "sum": float(VALUES.sum()),
                    "std_dev": float(VALUES.std()),
                    "min": float(VALUES.min()),
                    "max": float(VALUES.max()),
                    "distribution": {
                        "kll": {
                            "buckets": buckets,
                            "sketch": {"parameters": {"c": 0.64, "k": 2048.0}, "data": [[1.0, 2.0]]},
                        }
                    },
                },
            },
            {
                "name": "plan",
                "inferred_type": "String",
                "string_statistics": {
                    "common": {"num_present": 410, "num_missing": 0},
                    "distinct_count": 3.0,
                    "distribution": {
                        "categorical": {
                            "buckets": [{"value": "a", "count": 300}, {"value": "b", "count": 100}]
                        }
                    },
                },
            },
            {"name": "raw", "inferred_type": "Unknown"},
        ],
    }


def read(value: dict):
    return read_model_monitor_statistics(json.dumps(value).encode())


def test_numbers_keep_their_moments_range_and_buckets():
    amount = read(statistics()).profile.columns[0]
    assert isinstance(amount, NumericProfile)
    assert (amount.rows, amount.nulls, amount.count, amount.integer) == (410, 10, 400, False)
    assert (amount.mean, amount.minimum) == (VALUES.mean(), VALUES.min())
    assert variance(amount) == pytest.approx(VALUES.var())
    for edge in amount.edges:
        assert share_at_most(cumulative_knots(amount), edge) == pytest.approx(
            np.mean(edge >= VALUES), abs=0.003
        )


def test_text_keeps_its_categories_and_how_many_are_not_listed():
    plan = read(statistics()).profile.columns[1]
    assert isinstance(plan, CategoricalProfile)
    assert [(c.value, c.count) for c in plan.categories] == [("a", 300), ("b", 100)]
    assert (plan.rest, plan.n_unique, plan.family) == (10, 3, Family.TEXT)


def test_a_feature_without_statistics_is_named_and_belongs_to_the_table():
    imported = read(statistics())
    assert imported.profile.other_columns == ("raw",)
    assert any("features[2] (raw)" in remark for remark in imported.remarks)


def test_constraints_are_suggested_from_it():
    constraints = suggest(read(statistics()).profile)
    amount = constraints.columns[0]
    assert amount.maximum > VALUES.max()
    assert amount.non_negative
    window = table(numbers([-1.0], "amount"), other_columns=("plan", "raw"))
    assert [(v.column, v.rule.value) for v in judge(constraints, window)] == [
        ("amount", "negative"),
        ("plan", "not-checked"),
    ]


def test_a_constant_column_and_one_without_values_are_read():
    value = statistics()
    one = value["features"][0]["numerical_statistics"]
    one |= {"min": 5, "max": 5, "mean": 5, "std_dev": 0}
    one["distribution"]["kll"]["buckets"] = [{"lower_bound": 5, "upper_bound": 5, "count": 200}] * 2
    constant = read(value).profile.columns[0]
    assert (constant.edges, constant.counts) == ((5.0,), (400, 0))
    one |= {"mean": "NaN", "std_dev": None, "min": None, "max": "NaN"}
    one["common"] = {"num_present": 0, "num_missing": 410}
    empty = read(value).profile.columns[0]
    assert (empty.mean, empty.m2, empty.minimum, empty.nulls) == (None, None, None, 410)


def test_buckets_that_do_not_hold_all_values_are_left_out_and_told():
    value = statistics()
    value["features"][0]["numerical_statistics"]["distribution"]["kll"]["buckets"].pop()
    imported = read(value)
    assert imported.profile.columns[0].edges == ()
    assert any("has no buckets that hold its values" in remark for remark in imported.remarks)


def test_text_without_categories_cannot_be_compared():
    value = statistics()
    del value["features"][1]["string_statistics"]["distribution"]
    assert isinstance(read(value).profile.columns[1], OtherProfile)


@pytest.mark.parametrize(
    ("place", "to", "said"),
    [
        (("dataset", "item_count"), -1, "no whole number of 0 or more (dataset.item_count)"),
        (("features", 0, "name"), "plan", "given twice (features[1].name)"),
        (("features", 0, "numerical_statistics", "mean"), "x", "features[0].numerical_statistics.mean"),
        (("features", 0, "numerical_statistics", "min"), 1e9, "above the maximum"),
        (("features", 0, "numerical_statistics", "common", "num_present"), 1.5, "common.num_present"),
        (("features", 1, "string_statistics", "common", "num_present"), 5, "hold more than the 5 values"),
        (("features", 1, "inferred_type"), "Text", "none of Integral"),
    ],
)
def test_a_fault_names_its_place(place, to, said):
    value = at = statistics()
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = to
    with pytest.raises(InputError) as caught:
        read(value)
    assert said in caught.value.message
    assert caught.value.message.startswith("statistics.json, line 1, column ")


def test_numbers_too_large_for_their_spread_lose_their_moments():
    value = statistics()
    value["features"][0]["numerical_statistics"]["std_dev"] = 1e200
    amount = read(value).profile.columns[0]
    assert (amount.mean, amount.m2) == (None, None)
    assert math.isfinite(amount.maximum)
