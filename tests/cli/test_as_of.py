"""`--as-of` and `audit diff` on the command line."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Run
from tests.cli.test_help import ALL

READING = {"list", "show", "check", "history", "demands"}
WITHOUT_REGISTRY = {"phase list", "phase show", "policy check"}
# It looks at files as they are, and records what it finds.
RECORDS = {"evidence check"}
# What was sent is in no record.
OF_THE_FOLDER = {"notification list"}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("kpi list --as-of x", ["'x' is no point", "event's number", "2026-03-01T12:30"]),
        ("kpi list --as-of=-1", ["'-1' is no point"]),
        ("kpi list --as-of 999", ["no event 999", "events 0 to"]),
        ("kpi list --as-of 1999-01-01", ["nothing was recorded by 1999-01-01", "recorded from"]),
        ("gate check evaluation --as-of ''", ["--as-of is empty"]),
        ("report audit --as-of later", ["'later' is no point"]),
        ("audit head --as-of 2 --sign", ["--sign and --as-of exclude each other"]),
        ("audit log --as-of 2 --follow", ["--follow and --as-of exclude each other"]),
        ("model show churn-gbm@1 --as-of 2", ["churn-gbm@1", "as of event 2"]),
        ("project show other --as-of 2", ["other", "as of event 2"]),
        ("audit diff x", ["'x' is no point"]),
        ("audit diff 1 x", ["'x' is no point"]),
        ("audit diff 3 1", ["event 3", "comes after event 1", "earlier point first"]),
        ("audit diff 0 --project nobody", ["nobody", "churn"]),
        ("audit diff", ["Missing argument 'A'"]),
    ],
)
def test_wrong_points_are_bad_input(run: Run, line: str, words: list[str]) -> None:
    ran = run(*(part.strip("'") for part in line.split()))
    assert (ran.code, ran.out) == (2, ""), ran
    for word in (*words, "Nothing was changed."):
        assert word in ran.err, ran.err


@pytest.mark.parametrize(
    "line", ["kpi set auc --target 1", "audit verify", "monitor run nightly", "audit prove 1"]
)
def test_writes_and_verification_take_no_point(story, run: Run, line: str) -> None:
    ran = run(*line.split(), "--as-of", "3")
    assert ran.code == 2
    assert "No such option" in ran.err


def test_every_reading_command_of_a_project_takes_a_point() -> None:
    for words, command in ALL.items():
        options = {name for parameter in command.params for name in parameter.opts}
        reads = words.split()[-1] in READING and words not in WITHOUT_REGISTRY | RECORDS | OF_THE_FOLDER
        if reads and "--registry" in options:
            assert "--as-of" in options, words
        assert not {"--as-of", "--actor"} <= options - {"--type"} or words == "audit log", words


def test_reads_say_what_the_record_said_then(story, run: Run) -> None:
    before, after = (run("kpi", "list", "--json", "--as-of", seq) for seq in ("1", "2"))
    assert json.loads(before.out) == []
    assert json.loads(after.out) == json.loads(run("kpi", "list", "--json").out)
    assert run("gate", "check", "evaluation").code == 0
    assert run("gate", "check", "evaluation", "--as-of", "2").code == 1
    assert json.loads(run("project", "list", "--json", "--as-of", "0").out)[0]["project"] == "churn"


def test_the_head_and_the_log_end_at_the_point(story, run: Run) -> None:
    head = json.loads(run("audit", "head", "--json", "--as-of", "2").out)
    assert head["size"] == 3
    lines = run("audit", "log", "--json", "--as-of", "2").out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [0, 1, 2]
    last = json.loads(lines[-1])["recorded_at"]
    assert json.loads(run("audit", "head", "--json", "--as-of", last).out) == head


def test_the_report_as_of_a_point_is_written(story, run: Run) -> None:
    ran = run("report", "audit", "--as-of", "5", "--output", "then.html")
    assert ran.code == 0
    assert "As of event 5" in (story / "then.html").read_text("utf-8")


def test_the_difference_is_told_by_project_and_kind(story, run: Run) -> None:
    ran = run("audit", "diff", "1")
    assert (ran.code, ran.err) == (0, "")
    for words in (
        "From event 1, 20",
        "\nProject churn\n  KPI\n    KPI roc_auc was set by ana@example.org on ",
        "\n  model version\n    model version churn-gbm@1 was registered by ",
        "\n  approval\n    approval-1: bo@example.org approved checkpoint-1 on evaluation on ",
        "\n  gate\n    the evaluation gate for churn-gbm@1 opened",
    ):
        assert words in ran.out, ran.out
    assert run("audit", "diff", "3", "3").out.splitlines()[0].endswith(": 0 changes.")


def test_the_difference_as_json_is_a_list_of_changes(story, run: Run) -> None:
    changes = json.loads(run("audit", "diff", "1", "2", "--json").out)
    (one,) = changes
    assert {name: one[name] for name in ("project", "what", "key", "kind", "seq", "by")} == {
        "project": "churn",
        "what": "KPI",
        "key": "roc_auc",
        "kind": "added",
        "seq": 2,
        "by": "ana@example.org",
    }
    assert {"field": "target", "before": None, "after": "0.80"} in one["fields"]
    assert one["at"]
    assert "KPI roc_auc was set by" in one["words"]
