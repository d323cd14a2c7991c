from functools import cache
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.monitors import profiles
from crisplens.monitors.alarms import AlarmSettings
from crisplens.monitors.effects import effect, effects
from crisplens.monitors.model import (
    CategoricalProfile,
    Category,
    Family,
    NumericProfile,
    OtherProfile,
    Profile,
)
from crisplens.monitors.tuning import backtest, propose, rate_upper_bound, shift_column, trade_off

SHARES = np.array([0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
EACH_WINDOW = AlarmSettings(together=False, level=0.05)


def numbers(values, edges=None):
    if edges is None:
        quantiles = np.quantile(values, profiles.QUANTILES, method="inverted_cdf").tolist()
        edges = profiles.quantile_edges(quantiles, spread=float(values.std()))
    counts = np.bincount(np.searchsorted(edges, values, "left"), minlength=len(edges) + 1)
    return NumericProfile(
        name="x",
        type="DOUBLE",
        rows=len(values),
        nulls=0,
        count=len(values),
        edges=edges,
        counts=tuple(counts.tolist()),
    )


def categories(counts, name="c"):
    return CategoricalProfile(
        name=name,
        type="VARCHAR",
        family=Family.TEXT,
        rows=sum(counts),
        nulls=0,
        count=sum(counts),
        categories=tuple(Category(value=f"v{i}", count=count) for i, count in enumerate(counts)),
        n_unique=len(counts),
    )


def a_table(rng, rows, edges=None, *, shift=0.0):
    columns = (
        numbers(rng.normal(shift, size=rows), edges),
        categories(rng.multinomial(rows, SHARES).tolist(), "c"),
        categories(rng.multinomial(rows, SHARES).tolist(), "d"),
    )
    return Profile(rows=rows, columns=columns)


@cache
def quiet_history(windows=16, rows=2000):
    rng = np.random.default_rng(1)
    reference = a_table(rng, 10_000)
    edges = reference.columns[0].edges
    return reference, tuple(a_table(rng, rows, edges) for _ in range(windows))


@cache
def drifting_history():
    """As the quiet one, but the numbers are shifted in windows 6 to 10."""
    reference, history = quiet_history()
    rng = np.random.default_rng(2)
    edges = reference.columns[0].edges
    return reference, tuple(
        a_table(rng, 2000, edges, shift=0.4) if 6 <= i < 11 else window for i, window in enumerate(history)
    )


@pytest.mark.parametrize("settings", [AlarmSettings(), EACH_WINDOW])
def test_a_backtest_alarms_where_the_drift_was_and_nowhere_else(settings):
    found = backtest(*drifting_history(), settings)
    assert [one.window for one in found] == list(range(16))
    assert [one.window for one in found if one.alarming] == [7, 8, 9, 10]
    assert [(one.window, one.new) for one in found if one.new] == [(7, ("x",))]
    assert [one.window for one in found if one.flagged == ("x",)] == [6, 7, 8, 9, 10]


def test_a_backtest_with_one_of_one_alarms_at_once():
    found = backtest(*drifting_history(), AlarmSettings(needed=1, of=1))
    assert [one.window for one in found if one.new] == [6]


def test_a_tolerance_of_one_column_holds_for_it_alone():
    found = backtest(*drifting_history(), AlarmSettings(tolerances={"x": 0.9}))
    assert not any(one.alarming for one in found)


def test_a_history_on_other_edges_and_bad_settings_are_refused():
    reference, history = quiet_history()
    other = a_table(np.random.default_rng(5), 100)
    with pytest.raises(InputError) as refused:
        backtest(reference, [other], AlarmSettings())
    assert refused.value.slug == "profiles-differ"
    with pytest.raises(InputError):
        backtest(reference, history, AlarmSettings(needed=4))


@hypothesis_settings(deadline=None)
@given(st.floats(0.05, 0.5), st.integers(0, 1000))
def test_an_injected_drift_has_the_size_that_was_stated(w, seed):
    reference, _ = quiet_history()
    for column in reference.columns:
        moved = shift_column(column, column, w, Random(seed))
        found = effect(column, moved)
        # The bins of an effect may cut across the half that gains rows.
        assert (found.statistic / found.effective_rows) ** 0.5 == pytest.approx(w, rel=0.06)
        assert effects(reference, Profile(rows=1, columns=(moved,)))
        assert moved.count == column.count


@hypothesis_settings(deadline=None)
@given(st.floats(0.05, 0.5), st.integers(0, 1000))
def test_injecting_keeps_the_number_of_rows(w, seed):
    reference, history = quiet_history()
    for column, of in zip(history[0].columns, reference.columns, strict=True):
        moved = shift_column(column, of, w, Random(seed))
        counts = (
            moved.counts if isinstance(moved, NumericProfile) else [one.count for one in moved.categories]
        )
        assert sum(counts) == column.count
        assert min(counts) >= 0


def test_a_column_that_cannot_hold_a_drift_gets_none():
    one_value = categories([1000])
    nearly = categories([999_999, 1])
    other = OtherProfile(name="c", type="BLOB", family=Family.OTHER, rows=10, nulls=0)
    empty = msgspec.structs.replace(one_value, categories=(), count=0, rows=0)
    for column in (one_value, other, empty):
        assert shift_column(column, column, 0.2, Random(0)) is None
    assert shift_column(nearly, nearly, 1.9, Random(0)) is None


def test_more_tolerance_means_fewer_false_alarms_and_later_finds():
    reference, history = quiet_history(windows=20, rows=500)
    rows = trade_off(reference, history, EACH_WINDOW, tolerances=(0.0, 0.1, 0.3), w=0.25, repeats=15)
    assert [one.settings.tolerance for one in rows] == [0.0, 0.1, 0.3]
    assert rows[0].false_alarms >= rows[1].false_alarms >= rows[2].false_alarms == 0
    assert rows[0].found >= rows[1].found > rows[2].found
    assert rows[1].quiet_windows == 20
    assert rows[1].injected == 15
    assert rows[1].rate < rows[1].rate_at_most < 0.3


def test_a_trade_off_finds_an_injected_drift_of_a_clear_size_in_two_windows():
    (row,) = trade_off(*quiet_history(), AlarmSettings(), tolerances=(0.1,), w=0.3)
    assert (row.false_alarms, row.found, row.delay, row.late_delay) == (0, 1.0, 2, 2)


def test_alarms_in_stated_drifts_are_not_false():
    reference, history = drifting_history()
    (plain,) = trade_off(reference, history, AlarmSettings(), tolerances=(0.1,), repeats=0)
    (told,) = trade_off(reference, history, AlarmSettings(), tolerances=(0.1,), drifting=[(6, 11)], repeats=0)
    assert (plain.false_alarms, plain.quiet_windows) == (1, 16)
    assert (told.false_alarms, told.quiet_windows) == (0, 11)
    assert (told.found, told.delay) == (None, None)


def test_a_history_without_a_quiet_window_is_refused():
    reference, history = quiet_history()
    with pytest.raises(InputError, match="no quiet window"):
        trade_off(reference, history, AlarmSettings(), drifting=[(0, 16)])
    with pytest.raises(InputError, match="no quiet window"):
        trade_off(reference, [], AlarmSettings())


def test_the_same_seed_gives_the_same_answer():
    first, second = (
        trade_off(*quiet_history(), AlarmSettings(), tolerances=(0.1,), seed=3) for _ in range(2)
    )
    assert first == second


def test_a_proposal_finds_the_drift_soonest_within_the_wanted_rate():
    reference, history = quiet_history()
    found = propose(reference, history, AlarmSettings(), most_alarms=1, period=30, w=0.3, repeats=10)
    assert found.chosen in found.weighed
    assert found.chosen.rate == 0
    assert (found.chosen.settings.needed, found.chosen.settings.of) == (1, 1)
    assert found.chosen.late_delay == 1
    soonest = [one for one in found.weighed if one.rate == 0 and one.late_delay == 1 and one.found == 1]
    assert found.chosen.settings.tolerance == max(one.settings.tolerance for one in soonest)


def test_there_is_no_proposal_where_nothing_keeps_to_the_rate():
    reference, history = drifting_history()
    found = propose(
        reference,
        history,
        AlarmSettings(),
        most_alarms=0,
        period=30,
        tolerances=(0.05,),
        patterns=((2, 3),),
        repeats=3,
    )
    assert found.chosen is None
    assert len(found.weighed) == 1


@pytest.mark.parametrize(("most_alarms", "period"), [(-1, 30), (1, 0)])
def test_a_rate_that_cannot_be_wanted_is_refused(most_alarms, period):
    with pytest.raises(InputError) as refused:
        propose(*quiet_history(), AlarmSettings(), most_alarms=most_alarms, period=period)
    assert refused.value.slug == "bad-setting"


@hypothesis_settings(deadline=None)
@given(st.integers(0, 40), st.integers(1, 40))
def test_the_bound_of_a_rate_is_that_of_clopper_and_pearson(events, windows):
    from scipy import stats

    events = min(events, windows)
    expected = stats.beta.ppf(0.95, events + 1, windows - events) if events < windows else 1.0
    assert rate_upper_bound(events, windows) == pytest.approx(expected, abs=1e-9)


def test_the_bound_of_a_rate_holds_for_long_histories():
    assert rate_upper_bound(0, 100_000) == pytest.approx(3 / 100_000, rel=0.01)
    assert rate_upper_bound(3000, 6000) == pytest.approx(0.5, abs=0.02)
