from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.monitors.performance.labels import LabelCounts, LabelSettings, WindowState, decide_window

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(days=1), NOW - timedelta(days=1)


def decide(labelled, deadline=LATER, **settings):
    counts = LabelCounts(predictions=100, labelled=labelled)
    return decide_window(counts, LabelSettings(**settings), deadline=deadline, now=NOW)


@pytest.mark.parametrize(
    ("labelled", "deadline", "state"),
    [
        (94, LATER, WindowState.WAITING),
        (95, LATER, WindowState.READY),
        (95, EARLIER, WindowState.READY),
        (94, NOW, WindowState.EXPIRED),
        (0, None, WindowState.WAITING),
    ],
)
def test_a_window_waits_until_enough_is_labelled_or_its_deadline_passes(labelled, deadline, state):
    assert decide(labelled, deadline).state is state


def test_the_reason_gives_the_numbers():
    assert decide(40).reason == (
        "40 of 100 predictions are labelled (0.4; 0.95 are wanted); waiting until 2026-03-02 12:00 UTC."
    )


def test_a_window_without_predictions_has_no_coverage():
    found = decide_window(LabelCounts(predictions=0, labelled=0), LabelSettings(), deadline=EARLIER, now=NOW)
    assert (found.state, found.coverage) == (WindowState.EXPIRED, None)
    assert "no predictions" in found.reason


def test_too_few_rows_are_not_ready_however_well_covered():
    found = decide(100, minimum_rows=500)
    assert found.state is WindowState.WAITING
    assert "fewer than 500 rows" in found.reason


@given(st.integers(0, 100), st.integers(0, 100))
def test_more_labels_never_take_readiness_away(fewer, more):
    fewer, more = sorted((fewer, more))
    if decide(fewer).state is WindowState.READY:
        assert decide(more).state is WindowState.READY


@pytest.mark.parametrize("settings", [{"coverage": 0.0}, {"coverage": 1.1}, {"minimum_rows": 0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InputError) as error:
        decide(50, **settings)
    assert error.value.slug == "bad-setting"


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(InputError, match="time zone"):
        decide(50, deadline=datetime(2026, 3, 1))
