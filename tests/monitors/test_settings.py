"""Options of a monitor: their ranges, and what is filled in."""

from __future__ import annotations

from typing import Any

import pytest

from crisplens.core.errors import InputError
from crisplens.monitors import profiles
from crisplens.monitors.incidents.model import Response, TriggerPolicy
from crisplens.monitors.model import Profile
from crisplens.monitors.settings import changed, check_fits, check_response, check_settings

HUNDRED = Profile(
    rows=100,
    columns=tuple(
        profiles.profile_numbers(name, [float(i) for i in range(100)], (50.0,)) for name in ("x", "y")
    ),
)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"drift_share": 0}, "drift share 0"),
        ({"drift_share": 1.1}, "drift share 1.1"),
        ({"minimum_rows": 0}, "minimum of rows is 0"),
        ({"tolerance": -0.1}, "tolerance -0.1"),
        ({"tolerance": 11}, "tolerance 11"),
        ({"level": 0}, "level 0"),
        ({"level": 1}, "level 1"),
        ({"thresholds": {"x": -1}}, "threshold of 'x'"),
        ({"weights": {"x": -1}}, "weight of 'x'"),
        ({"weights": {"x": 1e308, "y": 1e308}}, "a weight is above 1,000"),
        ({"minimum_rows": 10**12}, "minimum of rows is 1000000000000"),
        ({"persistence": "3/2"}, "3/2"),
        ({"persistence": "0/2"}, "0/2"),
        ({"persistence": "2/101"}, "2/101"),
        ({"persistence": "2 of 3"}, "2 of 3"),
    ],
)
def test_a_setting_out_of_its_range_is_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        check_settings(**given)
    assert caught.value.slug == "bad-setting"
    assert words in caught.value.message


@pytest.mark.parametrize(
    "given", [{"tolerance": "wide"}, {"level": float("nan")}, {"weights": {"x": float("inf")}}]
)
def test_a_setting_that_is_no_number_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        check_settings(**given)
    assert caught.value.slug == "not-a-number"


def test_windows_that_follow_each_other_ask_for_two_of_three() -> None:
    alone, followed = check_settings(), check_settings(comes_alone=False)
    assert (alone.needed, alone.of) == (1, 1)
    assert (followed.needed, followed.of) == (2, 3)
    told = check_settings(comes_alone=False, persistence="1/4")
    assert (told.needed, told.of) == (1, 4)


def test_a_change_keeps_what_is_not_given() -> None:
    before = check_settings(tolerance=0.2, thresholds={"x": 1.0}, persistence="2/5")
    after = changed(before, level=0.01, tolerance=None)
    assert (after.tolerance, after.level, after.thresholds) == (0.2, 0.01, {"x": 1.0})
    assert (after.needed, after.of) == (2, 5)
    assert (changed(before, persistence="1/2").needed, changed(before).of) == (1, 5)


def test_what_follows_an_alarm_is_checked() -> None:
    assert check_response() == Response()
    assert check_response(trigger="ask").trigger is TriggerPolicy.ASK
    for given, slug in (
        ({"trigger": "allways"}, "unknown-name"),
        ({"cool_down": -1}, "bad-setting"),
        ({"escalate_after": 0}, "bad-setting"),
    ):
        with pytest.raises(InputError) as caught:
            check_response(**given)  # type: ignore[arg-type]
        assert caught.value.slug == slug


@pytest.mark.parametrize(
    ("given", "slug", "words"),
    [
        ({"minimum_rows": 101}, "no-comparison", "101 values"),
        ({"weights": {"x": 0, "y": 0}}, "bad-setting", "weight 0"),
        ({"columns": ["x"], "weights": {"x": 0}}, "bad-setting", "weight 0"),
        ({"methods": {"x": "ks"}, "thresholds": {"x": 5}}, "bad-setting", "threshold 5 of 'x'"),
        # For a reference of 100 rows the default is a p-value, too.
        ({"thresholds": {"x": 5}}, "bad-setting", "threshold 5 of 'x'"),
    ],
)
def test_settings_by_which_nothing_would_ever_drift_are_refused(
    given: dict[str, Any], slug: str, words: str
) -> None:
    settings = check_settings(**given)
    with pytest.raises(InputError) as caught:
        check_fits(HUNDRED, settings.columns or ("x", "y"), settings)
    assert caught.value.slug == slug
    assert words in caught.value.message


@pytest.mark.parametrize(
    "given",
    [
        {"weights": {"x": 0}},
        {"weights": {"y": 0}, "thresholds": {"x": 0.2}},
        {"drift_share": 0.5},
        {"methods": {"x": "psi"}, "thresholds": {"x": 5}},
        {"thresholds": {"x": 1}},
    ],
)
def test_settings_by_which_something_may_drift_fit(given: dict[str, Any]) -> None:
    check_fits(HUNDRED, ("x", "y"), check_settings(**given))
