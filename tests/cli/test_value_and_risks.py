"""`crisplens cost`, `risk`, and what was observed of KPIs: what bad input gets, what people and programs read."""

from __future__ import annotations

import json
import shlex

import pytest

pytestmark = [pytest.mark.end_to_end, pytest.mark.usefixtures("story")]

RISK = "risk add 'Labels come late' --likelihood likely --impact major --review-by 2025-01-01"
SPENT = "cost record training 800.50 --start 2025-03-01 --end 2025-03-31 --evidence notes.md"
OBSERVED = "kpi observe roc_auc 0.79 --end 2025-03-31 --worth 1200"

WRONG = [
    ("cost record data", 2, "Missing argument 'AMOUNT'"),
    ("cost record data 1", 2, "Missing option '--start'"),
    ("cost record rent 1 --start 2025-03-01", 2, "data, training, inference, wrong-predictions"),
    ("cost record data -1 --start 2025-03-01", 2, "No such option"),
    ("cost record --start 2025-03-01 -- data -1", 2, "[empty-text]: the note on an amount below 0"),
    ("cost record data 1 --start 2025-02-30", 2, "[bad-time]: the day is '2025-02-30'"),
    ("cost record data 1 --start 2025-03-01 --end ''", 2, "--end is empty"),
    ("cost record data 1 --start 2025-03-01 --evidence gone.pdf", 2, "gone.pdf"),
    ("kpi observe roc_auc", 2, "Missing argument 'VALUE'"),
    ("kpi observe roc_acu 1", 2, "Did you mean roc_auc"),
    ("kpi observe roc_auc high", 2, "[not-a-number]: the value of roc_auc is 'high'"),
    ("kpi observe roc_auc 1 --start 2999-01-01", 2, "still to come"),
    ("kpi observe roc_auc 1 --currency EUR", 2, "--worth AMOUNT"),
    ("kpi history nope", 2, "no KPI named 'nope'"),
    ("risk add t", 2, "Missing option '--likelihood'"),
    ("risk add t --likelihood x --impact major --review-by 2025-01-01", 2, "rare, unlikely, possible"),
    (f"{RISK} --control EV-99", 2, "EV-99"),
    ("risk show risk-9", 2, "Record one with `crisplens risk add TITLE`"),
    ("risk close risk-1", 2, "Missing option '--reason'"),
    ("risk update risk-1 --control EV-1 --no-controls", 2, "exclude each other"),
]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(("line", "code", "words"), WRONG)
def test_wrong_input_is_told_and_changes_nothing(run, line: str, code: int, words: str) -> None:
    ran = run(*shlex.split(line))
    assert (ran.code, ran.out) == (code, ""), ran
    assert words in ran.err
    assert "Traceback" not in ran.err


def tell(run, *lines: str) -> str:
    """Run commands, which must succeed without a word on standard error; what the last one printed."""
    for line in lines:
        ran = run(*shlex.split(line))
        assert (ran.code, ran.err) == (0, ""), (line, ran)
    return ran.out


def test_costs_are_compared_with_the_goal(run) -> None:
    assert tell(run, "cost list").startswith("There is no cost yet: crisplens cost record")
    assert "training, 800.50 USD, 2025-03-01 to 2025-03-31" in tell(run, SPENT)
    assert tell(run, "evidence list").count("notes.md") == 1
    tell(run, "cost record --start 2025-03-01 --note credit -- training -0.50")
    tell(run, "goal set --problem p --value v --cost training=799.99")
    row = next(line for line in tell(run, "cost compare").splitlines() if "training" in line)
    assert row.split() == ["training", "USD", "799.99", "800.00", "2", "over"]
    training = json.loads(tell(run, "cost compare --json"))[1]
    assert (training["expected"], training["actual"], training["over"]) == ("799.99", "800.00", True)
    assert [one["amount"] for one in json.loads(tell(run, "cost list --json"))] == ["800.50", "-0.50"]


def test_kpis_are_observed_and_compared(run) -> None:
    assert tell(run, "kpi history").startswith("There is no observation yet: crisplens kpi observe")
    assert "observation-1 is recorded: roc_auc 0.79, 2025-03-31, worth 1200 USD." in tell(run, OBSERVED)
    assert "0.79" in tell(run, "kpi history roc_auc")
    assert "missed" in tell(run, "kpi compare")
    assert "met" in tell(run, "kpi observe roc_auc 0.81 --note labels", "kpi compare").split()
    assert "roc_auc -1, " in tell(run, "kpi observe -- roc_auc -1")
    (compared,) = json.loads(tell(run, "kpi compare --json"))
    assert (compared["observed"], compared["met"], compared["worth"]) == ("-1", False, "1200")


def test_a_risk_from_its_first_day_to_its_last(run) -> None:
    assert tell(run, "risk list").startswith("There is no risk yet: crisplens risk add")
    assert "risk-1 is recorded: high (16)" in tell(run, f"{RISK} --control EV-1")
    assert "2025-01-01 (overdue)" in tell(run, "risk list")
    (risk,) = json.loads(tell(run, "risk list --open --json"))
    assert (risk["score"], risk["level"], risk["overdue"]) == (16, "high", True)
    assert "EV-1" in tell(run, "risk show risk-1")
    shown = tell(run, "risk update risk-1 --impact severe --no-controls")
    assert ("critical (20)" in shown, "EV-1" in shown) == (True, False)
    said = tell(run, "risk review risk-1 --note 'Half as late.' --review-by 2999-01-01 --likelihood rare")
    assert "medium (5), next by 2999-01-01" in said
    assert tell(run, "risk close risk-1 --reason 'They come daily.'") == "risk-1 is closed.\n"
    shown = tell(run, "risk show risk-1")
    assert ("Half as late." in shown, "They come daily." in shown, "Review by" in shown) == (
        True,
        True,
        False,
    )
    assert tell(run, "risk list --open") == "No risk is open.\n"
    assert json.loads(tell(run, "risk show risk-1 --json"))["state"] == "closed"
    ran = run("risk", "close", "risk-1", "--reason", "again")
    assert (ran.code, "[not-open]" in ran.err) == (2, True), ran
    assert run("audit", "verify").code == 0


def test_the_past_is_judged_by_its_own_day(run) -> None:
    tell(run, RISK.replace("2025-01-01", "2998-01-01"))
    size = json.loads(run("audit", "head", "--json").out)["size"]
    tell(run, "risk close risk-1 --reason gone")
    then = json.loads(tell(run, f"risk show risk-1 --as-of {size - 1} --json"))
    assert (then["state"], then["overdue"]) == ("open", False)
