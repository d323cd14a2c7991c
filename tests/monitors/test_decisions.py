import pytest

from crisplens.monitors.decisions import Seen, count_checked, decide, decide_alarm, judge_effects
from crisplens.monitors.effects import Effect
from crisplens.monitors.model import CheckSettings, ColumnCheck, ColumnKind, Verdict

SETTINGS = CheckSettings(drift_share=0.5)


def columns(*verdicts):
    return [
        ColumnCheck(column=f"c{i}", kind=ColumnKind.NUMERIC, verdict=Verdict(verdict), reason="")
        for i, verdict in enumerate(verdicts)
    ]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["no-drift", "no-drift"], "no-drift"),
        (["drift", "no-drift"], "drift"),
        (["drift", "no-drift", "no-drift"], "no-drift"),
        (["drift", "no-drift", "missing-column"], "drift"),
        (["no-drift", "missing-column"], "bad-data"),
        (["no-drift", "wrong-type"], "bad-data"),
        (["no-drift", "all-null"], "bad-data"),
        (["drift", "no-drift", "no-drift", "all-null"], "bad-data"),
        (["no-drift", "insufficient-data"], "no-drift"),
        (["no-drift", "unsupported"], "no-drift"),
        (["insufficient-data", "insufficient-data"], "insufficient-data"),
        (["insufficient-data", "unsupported"], "insufficient-data"),
        (["insufficient-data", "missing-column"], "bad-data"),
        (["unsupported"], "bad-data"),
        ([], "bad-data"),
    ],
)
def test_verdict_of_a_window(verdicts, expected):
    verdict, reason = decide(columns(*verdicts), SETTINGS, current_rows=100)
    assert verdict == expected
    assert reason.endswith(".")


def test_the_reason_names_drifting_and_bad_columns_alike():
    _, reason = decide(columns("drift", "missing-column", "wrong-type"), SETTINGS, current_rows=100)
    assert "c0" in reason
    assert "c1 is missing" in reason
    assert "c2 is of the wrong type" in reason
    _, reason = decide(columns("drift", "no-drift", "no-drift", "all-null"), SETTINGS, current_rows=100)
    assert "c0" in reason
    assert "c3 is all null" in reason


def test_an_empty_window_is_bad_data_whatever_its_columns():
    assert decide(columns("no-drift"), SETTINGS, current_rows=0)[0] is Verdict.BAD_DATA


def test_the_share_that_counts_as_drift_is_a_setting():
    found = columns("drift", "no-drift", "no-drift", "no-drift")
    assert decide(found, CheckSettings(drift_share=0.25), current_rows=100)[0] is Verdict.DRIFT
    assert decide(found, CheckSettings(drift_share=0.26), current_rows=100)[0] is Verdict.NO_DRIFT


def test_long_lists_of_names_are_cut():
    _, reason = decide(columns(*["missing-column"] * 8), SETTINGS, current_rows=100)
    assert "c4 and 3 more are missing" in reason


def test_counts_leave_out_what_was_not_compared():
    assert count_checked(columns("drift", "no-drift", "missing-column", "unsupported")) == (1, 2)


def seen(window: str, *drifting: str, verdict: str | None = None) -> Seen:
    return Seen(
        window=window,
        start=f"2026-01-{window}",
        verdict=Verdict(verdict or ("drift" if drifting else "no-drift")),
        drifting=frozenset(drifting),
    )


TWO_OF_THREE = CheckSettings(needed=2, of=3)


def test_drift_in_one_window_is_no_alarm_and_says_what_is_missing():
    found = decide_alarm(seen("03", "age"), [seen("01"), seen("02")], TWO_OF_THREE)
    assert not found.alarm
    assert "1 of the newest 3 windows; an alarm needs 2 of 3" in found.reason


def test_the_same_column_in_two_of_three_windows_is_an_alarm_since_the_first():
    found = decide_alarm(seen("03", "age", "plan"), [seen("01", "age"), seen("02")], TWO_OF_THREE)
    assert (found.alarm, found.columns, found.since) == (True, ("age",), "2026-01-01")


def test_different_columns_do_not_add_up():
    assert not decide_alarm(seen("03", "age"), [seen("01", "plan"), seen("02", "sex")], TWO_OF_THREE).alarm


def test_windows_further_back_do_not_count():
    earlier = [seen("01", "age"), seen("02"), seen("03")]
    assert not decide_alarm(seen("04", "age"), earlier, TWO_OF_THREE).alarm


def test_a_window_that_is_looked_at_again_counts_once():
    assert not decide_alarm(seen("02", "age"), [seen("01"), seen("02", "age")], TWO_OF_THREE).alarm


def test_with_a_share_the_windows_themselves_are_counted():
    settings = CheckSettings(drift_share=0.5, needed=2, of=2)
    assert decide_alarm(seen("02", "age"), [seen("01", "plan")], settings).alarm
    assert not decide_alarm(seen("02", "age"), [seen("01")], settings).alarm


def test_bad_data_is_an_alarm_at_once_and_nothing_found_never_is():
    assert decide_alarm(seen("01", verdict="bad-data"), [], TWO_OF_THREE).alarm
    assert not decide_alarm(seen("02"), [seen("01", "age")], TWO_OF_THREE).alarm


def test_a_mute_holds_back_drift_and_bad_data_alike():
    for now in (seen("01", "age"), seen("01", verdict="bad-data")):
        found = decide_alarm(now, [], CheckSettings(), muted="mute-1, until then: a migration")
        assert not found.alarm
        assert "a migration" in found.reason


def effect(w: float, p_value: float) -> Effect:
    return Effect(w=w, p_value=p_value, tolerance=0.1, bins=10, statistic=w, effective_rows=100)


def test_effects_decide_for_all_columns_together_and_weights_move_them():
    found = columns("drift", "no-drift", "drift", "insufficient-data")
    told = {"c0": effect(0.12, 0.04), "c1": effect(0.5, 1e-9), "c2": None}
    judged = judge_effects(found, told, CheckSettings())
    assert [one.verdict for one in judged] == ["drift", "drift", "insufficient-data", "insufficient-data"]
    assert (judged[1].effect, judged[1].reason.startswith("The effect w 0.5 is larger than")) == (0.5, True)
    stricter = judge_effects(found, {**told, "c1": effect(0, 0.9)}, CheckSettings())
    assert [one.verdict for one in stricter][:2] == ["no-drift", "no-drift"]
    unweighted = judge_effects(found, told, CheckSettings(weights={"c1": 0}))
    assert unweighted[1].verdict is Verdict.NO_DRIFT


def test_without_a_share_one_column_is_enough_and_its_effect_is_named():
    found = judge_effects(
        columns("drift", "drift"), {"c0": effect(0.3, 1e-9), "c1": effect(0, 1)}, CheckSettings()
    )
    verdict, reason = decide(found, CheckSettings(), current_rows=100)
    assert verdict is Verdict.DRIFT
    assert reason == "1 of 2 compared columns drifts (c0 w 0.30)."
