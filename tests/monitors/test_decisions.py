import pytest

from crisplens.monitors.decisions import count_checked, decide
from crisplens.monitors.model import CheckSettings, ColumnCheck, ColumnKind, Verdict

SETTINGS = CheckSettings()


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
        (["insufficient-data", "insufficient-data"], "bad-data"),
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
