import msgspec
import numpy as np
import pytest

from crisplens.core.errors import InputError
from crisplens.monitors.performance.fairness import GAPS, fairness_gaps
from crisplens.monitors.performance.model import BinaryStatistics, Confusion, Group, RegressionStatistics


def group(name, tp, fp, fn, tn):
    counts = Confusion(tp=int(tp), fp=int(fp), fn=int(fn), tn=int(tn))
    return Group(segment={"sex": name}, statistics=BinaryStatistics(confusion=counts))


A, B, C = group("a", 80, 20, 40, 160), group("b", 45, 30, 55, 70), group("c", 100, 10, 100, 190)


def gaps(*groups, **options):
    return {gap.name: gap for gap in fairness_gaps(groups, **options).gaps}


def test_gaps_are_those_of_fairlearns_definitions():
    found = gaps(A, B, C)
    selection = [100 / 300, 75 / 200, 110 / 400]
    recall, alarms, precision = [80 / 120, 0.45, 0.5], [20 / 180, 0.3, 0.05], [0.8, 0.6, 100 / 110]
    expected = {
        "demographic_parity_difference": max(selection) - min(selection),
        "demographic_parity_ratio": min(selection) / max(selection),
        "equal_opportunity_difference": max(recall) - min(recall),
        "false_positive_rate_difference": max(alarms) - min(alarms),
        "equalized_odds_difference": max(max(recall) - min(recall), max(alarms) - min(alarms)),
        "predictive_parity_difference": max(precision) - min(precision),
    }
    assert tuple(found) == GAPS
    assert {name: gap.value for name, gap in found.items()} == pytest.approx(expected)
    assert (found["predictive_parity_difference"].lowest, found["predictive_parity_difference"].highest) == (
        {"sex": "b"},
        {"sex": "c"},
    )


def test_the_interval_of_two_groups_is_newcombes():
    from statsmodels.stats.proportion import confint_proportions_2indep

    found = gaps(A, B)["predictive_parity_difference"]
    expected = confint_proportions_2indep(80, 100, 45, 75, method="newcomb", compare="diff")
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)


def test_the_interval_of_a_ratio_of_two_groups_is_of_its_log():
    from statsmodels.stats.proportion import confint_proportions_2indep

    found = gaps(A, group("b", 5, 15, 50, 130))["demographic_parity_ratio"]
    expected = confint_proportions_2indep(20, 200, 100, 300, method="log", compare="ratio")
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rates", [(0.5, 0.5, 0.5, 0.5), (0.3, 0.4, 0.4, 0.6)])
def test_intervals_cover_the_true_gap_though_the_extremes_are_picked(rates):
    rng = np.random.default_rng(1)
    covered = {
        "demographic_parity_difference": 0,
        "demographic_parity_ratio": 0,
        "equalized_odds_difference": 0,
    }
    true = {
        "demographic_parity_difference": max(rates) - min(rates),
        "demographic_parity_ratio": min(rates) / max(rates),
        "equalized_odds_difference": max(rates) - min(rates),
    }
    for _ in range(200):
        groups = []
        for i, rate in enumerate(rates):
            tp, fp = rng.binomial(150, rate), rng.binomial(150, rate)
            groups.append(group(str(i), tp, fp, 150 - tp, 150 - fp))
        found = gaps(*groups)
        for name in covered:
            covered[name] += found[name].low - 1e-9 <= true[name] <= found[name].high + 1e-9
    assert min(covered.values()) / 200 > 0.94


def test_rates_with_too_few_rows_are_not_compared():
    found = fairness_gaps([A, group("b", 3, 50, 2, 50), group("c", 1, 1, 1, 1)])
    named = {gap.name: gap for gap in found.gaps}
    assert named["equal_opportunity_difference"].value is None
    assert named["equal_opportunity_difference"].reason == "Fewer than two groups have 30 rows to compare."
    assert named["equalized_odds_difference"].value is None
    assert named["demographic_parity_difference"].value is not None
    assert found.left_out == ({"sex": "c"},)


def test_a_ratio_of_nothing_is_undefined():
    found = gaps(group("a", 0, 0, 50, 50), group("b", 0, 0, 60, 60))["demographic_parity_ratio"]
    assert (found.value, found.reason) == (None, "No group has a row that is predicted positive.")
    assert gaps(A, group("b", 0, 0, 60, 60))["demographic_parity_ratio"].value == 0
    assert b"NaN" not in msgspec.json.encode(fairness_gaps([A, group("b", 0, 0, 60, 60)]))


@pytest.mark.parametrize(
    ("groups", "slug"),
    [
        ([], "bad-setting"),
        ([A], "bad-setting"),
        ([A, Group(segment={"age": "old"}, statistics=A.statistics)], "bad-setting"),
        ([A, Group(segment={"sex": "b"}, statistics=RegressionStatistics())], "statistics-differ"),
    ],
)
def test_groups_that_cannot_be_compared_are_refused(groups, slug):
    with pytest.raises(InputError) as error:
        fairness_gaps(groups)
    assert error.value.slug == slug
