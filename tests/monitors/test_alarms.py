from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.monitors.alarms import (
    AlarmSettings,
    alarming_columns,
    alarming_together,
    benjamini_hochberg,
    check_alarm_settings,
    flag_columns,
    in_cool_down,
    newly_alarming,
    persistent,
)
from crisplens.monitors.effects import Effect, at_tolerance

P_VALUES = st.lists(st.floats(0, 1), max_size=40)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def an_effect(w, *, rows=5000.0, bins=14, tolerance=0.1):
    """What a window shows on average whose column differs by `w`."""
    untested = Effect(
        w=w, p_value=1.0, tolerance=1.9, bins=bins, statistic=rows * w * w + bins - 1, effective_rows=rows
    )
    return at_tolerance(untested, tolerance)


@hypothesis_settings(deadline=None)
@given(P_VALUES, st.floats(0.001, 0.5))
def test_adjusted_p_values_agree_with_scipy(p_values, level):
    from scipy import stats

    found = benjamini_hochberg(p_values, level)
    expected = stats.false_discovery_control(p_values) if p_values else []
    assert found.adjusted == pytest.approx(tuple(expected))
    assert found.flagged == tuple(p <= level for p in found.adjusted)


@hypothesis_settings(deadline=None)
@given(P_VALUES.filter(bool), st.floats(0.1, 10))
def test_equal_weights_of_any_scale_change_nothing(p_values, weight):
    weighted = benjamini_hochberg(p_values, 0.05, [weight] * len(p_values))
    assert weighted.adjusted == pytest.approx(benjamini_hochberg(p_values, 0.05).adjusted)


@hypothesis_settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 10)), min_size=1, max_size=30), st.floats(0.01, 0.3)
)
def test_weights_are_those_of_genovese_roeder_and_wasserman(pairs, level):
    p_values, weights = [p for p, _ in pairs], [w for _, w in pairs]
    mean = sum(weights) / len(weights)
    scaled = sorted(p / (w / mean) for p, w in pairs)
    cut = max((q for rank, q in enumerate(scaled, 1) if q <= level * rank / len(scaled)), default=-1.0)
    found = benjamini_hochberg(p_values, level, weights)
    near = any(abs(q * len(scaled) / rank - level) < 1e-9 for rank, q in enumerate(scaled, 1))
    assert near or found.flagged == tuple(p / (w / mean) <= cut for p, w in pairs)


def test_a_weight_of_zero_never_flags_and_leaves_its_share_to_the_others():
    found = benjamini_hochberg([0.0, 0.04, 0.9], 0.05, [0, 1, 1])
    assert found.flagged == (False, False, False)
    assert found.adjusted[0] == 1.0
    assert benjamini_hochberg([0.0, 0.04, 0.9], 0.05, [0, 2, 1]).adjusted[1] == pytest.approx(0.06)
    assert benjamini_hochberg([0.0, 0.0], 0.05, [0, 0]).flagged == (False, False)


def test_the_share_of_false_flags_is_at_most_the_level():
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(500):
        p_values = [*rng.random(90), *rng.random(10) * 1e-4]
        flagged = benjamini_hochberg(p_values, 0.1).flagged
        shares.append(sum(flagged[:90]) / max(1, sum(flagged)))
    assert np.mean(shares) == pytest.approx(0.09, abs=0.015)


@pytest.mark.parametrize(
    ("level", "weights"),
    [(0.0, None), (1.0, None), (0.05, [1.0]), (0.05, [1.0, -1.0]), (0.05, [1.0, float("inf")])],
)
def test_a_level_or_weights_out_of_range_are_refused(level, weights):
    with pytest.raises(InputError) as refused:
        benjamini_hochberg([0.1, 0.2], level, weights)
    assert refused.value.slug == "bad-setting"


def test_columns_are_flagged_when_they_differ_by_more_than_is_tolerated():
    flags = flag_columns({"a": an_effect(0.05), "b": an_effect(0.3)}, AlarmSettings())
    assert flags == {"a": False, "b": True}


def test_the_tolerances_of_the_settings_count_and_not_those_of_the_effects():
    found = {"a": an_effect(0.3, tolerance=0.0), "b": an_effect(0.3, tolerance=0.5)}
    assert flag_columns(found, AlarmSettings(tolerance=0.5)) == {"a": False, "b": False}
    assert flag_columns(found, AlarmSettings(tolerances={"a": 0.5})) == {"a": False, "b": True}


def test_a_column_without_weight_is_not_flagged():
    assert flag_columns({"a": an_effect(0.5)}, AlarmSettings(weights={"a": 0.0})) == {"a": False}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], False),
        ([True], False),
        ([True, True], True),
        ([True, False, True], True),
        ([True, True, False, False], False),
        ([True, False, False, True], False),
    ],
)
def test_flags_persist_when_two_of_the_newest_three_are_set(flags, expected):
    assert persistent(flags, 2, 3) is expected


@pytest.mark.parametrize(("needed", "of"), [(0, 3), (4, 3), (1, 0)])
def test_a_pattern_that_cannot_be_asked_for_is_refused(needed, of):
    with pytest.raises(InputError):
        persistent([True], needed, of)
    with pytest.raises(InputError):
        alarming_columns([], needed, of)


def test_the_same_column_must_be_flagged_again():
    one, other = {"a": True, "b": False}, {"a": False, "b": True}
    assert alarming_columns([one, other], 2, 3) == ()
    assert alarming_columns([one, other, one], 2, 3) == ("a",)


def test_a_window_without_the_column_neither_hides_its_drift_nor_alarms():
    assert alarming_columns([{"a": True}, {}, {}, {"a": True}], 2, 3) == ("a",)
    assert alarming_columns([{"a": True}, {"a": True}, {}], 2, 3) == ()
    assert alarming_columns([], 2, 3) == ()


def test_a_drift_that_is_over_does_not_alarm():
    assert alarming_columns([{"a": True}, {"a": True}, {"a": False}], 2, 3) == ()


def test_windows_together_find_what_no_window_proves_alone():
    single = {"a": an_effect(0.2, rows=900.0), **{f"b{i}": an_effect(0.0, rows=900.0) for i in range(99)}}
    three = {"a": an_effect(0.2, rows=2300.0), **{f"b{i}": an_effect(0.0, rows=2300.0) for i in range(99)}}
    assert not any(flag_columns(single, AlarmSettings()).values())
    assert alarming_together([single] * 3, three, AlarmSettings()) == ("a",)


def test_one_strange_window_is_no_alarm_however_strange():
    quiet, strange = {"a": an_effect(0.0)}, {"a": an_effect(1.5)}
    together = {"a": an_effect(0.5, rows=8000.0)}
    for windows in ([quiet, quiet, strange], [quiet, strange, quiet], [strange]):
        assert alarming_together(windows, together, AlarmSettings()) == ()
    assert alarming_together([strange], strange, AlarmSettings(needed=1, of=1)) == ("a",)


def test_together_a_drift_that_is_over_or_unseen_in_the_newest_window_does_not_alarm():
    quiet, drift = {"a": an_effect(0.0)}, {"a": an_effect(0.5)}
    together = {"a": an_effect(0.3)}
    assert alarming_together([drift, drift, quiet], together, AlarmSettings()) == ()
    assert alarming_together([drift, drift, {}], together, AlarmSettings()) == ()
    assert alarming_together([drift, {}, drift], together, AlarmSettings()) == ("a",)
    assert alarming_together([], {}, AlarmSettings()) == ()


def test_a_cool_down_ends():
    assert not in_cool_down(None, NOON, HOUR)
    assert in_cool_down(NOON, NOON + HOUR / 2, HOUR)
    assert not in_cool_down(NOON, NOON + HOUR, HOUR)


def test_an_alarm_of_a_clock_that_was_ahead_cools_nothing_down():
    assert not in_cool_down(NOON, NOON - HOUR, HOUR)


def test_only_new_alarms_are_worth_a_message():
    assert newly_alarming(("a", "b"), {"a"}) == ("b",)


@pytest.mark.parametrize(
    "settings",
    [
        AlarmSettings(tolerance=-1),
        AlarmSettings(tolerances={"a": 2.0}),
        AlarmSettings(level=1.5),
        AlarmSettings(weights={"a": -1}),
        AlarmSettings(needed=3, of=2),
    ],
)
def test_settings_out_of_range_are_refused(settings):
    check_alarm_settings(AlarmSettings())
    with pytest.raises(InputError) as refused:
        check_alarm_settings(settings)
    assert refused.value.slug == "bad-setting"
