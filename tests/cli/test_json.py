"""`--json`: standard output holds one JSON value and nothing else; everything else goes to standard error."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

pytestmark = pytest.mark.end_to_end

# The nouns that list things, and every other read; with its exit code where that is not 0.
LISTS = (
    "project",
    "kpi",
    "cost",
    "source",
    "data",
    "run",
    "model",
    "evaluation",
    "evidence",
    "phase",
    "control",
    "policy",
    "role",
    "risk",
    "checkpoint",
    "gate",
    "approval",
    "override",
    "cycle",
    "deployment",
    "monitor",
    "incident",
    "trigger",
)
READS = {
    **{f"{noun} list": 0 for noun in LISTS},
    "project show churn": 0,
    "status": 0,
    "goal show": 0,
    "kpi history": 0,
    "kpi compare": 0,
    "cost compare": 0,
    "evidence show notes.md": 0,
    "data show customers@1": 0,
    "model show churn-gbm@1": 0,
    "model promotions": 0,
    "lineage show churn-gbm@1": 0,
    "phase show evaluation": 0,
    "control search data": 0,
    "control show EV-1": 0,
    "control catalogues": 0,
    "policy show": 0,
    "policy view": 0,
    "gate check evaluation": 0,
    "gate check deployment": 1,
    "gate demands": 0,
    "approval show approval-1": 0,
    "approval inbox": 0,
    "approval requests": 0,
    "approval delegations": 0,
    "cycle history": 0,
    "coverage --framework nist-ai-rmf": 0,
    "coverage --framework nist-ai-rmf --gaps": 0,
    "monitor history": 0,
    "monitor history nightly": 0,
    "monitor show nightly": 0,
    "audit verify": 0,
    "audit head": 0,
    "db status": 0,
}


@pytest.mark.usefixtures("story", "unchanged")
@pytest.mark.parametrize("line", READS)
def test_reads_print_json_alone(run, line: str) -> None:
    ran = run(*line.split(), "--json")
    assert (ran.code, ran.err) == (READS[line], ""), ran
    assert json.loads(ran.out) is not None


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize(
    "line",
    [
        "init",
        "db upgrade",
        "project add other",
        "project add careful --policy high-risk",
        "goal set --problem p --value v",
        "kpi set k --target 1",
        "kpi observe roc_auc 0.8",
        "cost record data 1 --start 2025-03-01",
        "source set crm",
        "data add new train.csv",
        "data replace customers@1 --by holdout@1 --reason late",
        "run record r --used customers@1",
        "model register m model2.bin",
        "model promote churn-gbm@1",
        "evidence add notes.md",
        "evidence check",
        "evidence redact notes.md --reason personal",
        "evidence copy team",
        "evaluation record churn-gbm@1 --dataset holdout@1 --metric a=1",
        "policy adopt light",
        "role grant ana@example.org administrator",
        "risk add t --likelihood rare --impact minor --review-by 2099-01-01",
        "checkpoint record deployment --summary done",
        "approval request-changes evaluation --reason why --actor bo@example.org",
        "approval withdraw approval-1 --reason no --actor bo@example.org",
        "approval reject evaluation --reason no --actor bo@example.org",
        "cycle open --reason again",
        "deployment record churn-gbm@1 --environment staging --kind batch",
        "monitor add other --model churn-gbm --reference train.csv --current train.csv",
        "monitor run nightly",
        "incident acknowledge incident-1",
        "trigger acknowledge trigger-1",
        "trigger dismiss trigger-1 --reason no",
    ],
)
def test_commands_that_record_print_json_alone(run, line: str) -> None:
    ran = run(*shlex.split(line), "--json")
    assert (ran.code, ran.err) == (0, ""), ran
    assert isinstance(json.loads(ran.out), dict)
    # The last connection to close takes the write-ahead log away.
    assert [file.name for file in Path(".crisplens").glob("registry.db*")] == ["registry.db"]


@pytest.mark.usefixtures("story", "unchanged")
def test_log_is_one_object_a_line(run) -> None:
    lines = run("audit", "log", "--json").out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(len(lines)))
    assert json.loads(run("audit", "log", "--json", "--type", "model-version.registered").out)["seq"] == 6
    assert run("audit", "log", "--json", "--last", "9" * 30).out.splitlines() == lines
    assert run("audit", "log", "--json", "--last", "1").out.splitlines() == lines[-1:]
    nothing = run("audit", "log", "--json", "--actor", "nobody@example.org")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "No event matches.\n")


@pytest.mark.usefixtures("story", "unchanged")
def test_report_as_json(run) -> None:
    ran = run("report", "audit", "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    assert isinstance(json.loads(ran.out), dict)
    ran = run("report", "audit", "--output", "report.json")
    assert (ran.code, ran.out, "report.json" in ran.err) == (0, "", True)
    json.loads(Path("report.json").read_text(encoding="utf-8"))
    assert not list(Path.cwd().glob(".report*"))


@pytest.mark.usefixtures("story", "unchanged")
def test_errors_leave_standard_output_empty(run) -> None:
    for line in ("data show nope@1", "kpi list --project nope", "kpi list --nope"):
        ran = run(*line.split(), "--json")
        assert (ran.code, ran.out) == (2, ""), ran


@pytest.mark.parametrize(
    "noun",
    [noun for noun in LISTS if noun not in ("project", "phase", "control", "policy", "gate", "cycle")],
)
def test_lists_of_an_empty_project(run, tmp_path: Path, noun: str) -> None:
    for line in ("init", "project add empty"):
        assert run(*line.split()).code == 0
    ran = run(noun, "list")
    assert (ran.code, ran.err, len(ran.out.splitlines())) == (0, "", 1), ran
    ran = run(noun, "list", "--json")
    assert (ran.code, json.loads(ran.out), ran.err) == (0, [], ""), ran


def test_reads_of_an_empty_project(run) -> None:
    assert run("init").code == 0
    assert "crisplens project add" in run("project", "list").out
    assert run("approval", "inbox").out == "Nothing waits for ana@example.org.\n"
    assert run("project", "add", "empty").code == 0
    assert run("goal", "show", "--json").out == "null\n"
    for line, code in {
        "goal show": 0,
        "status": 0,
        "coverage --framework nist-ai-rmf": 0,
        "policy show": 0,
        "gate list": 0,
        "cycle list": 0,
        "cycle history": 0,
        "phase list": 0,
        "control list": 0,
        "evidence check": 0,
        "monitor history": 0,
        "gate check business-goal": 1,
        "gate check evaluation": 1,
        "report audit": 0,
        "audit verify": 0,
        "audit log": 0,
    }.items():
        ran = run(*line.split())
        assert (ran.code, ran.err) == (code, ""), ran


def test_the_second_project_does_not_become_the_default(run) -> None:
    assert run("init").code == 0
    assert "default project" in run("project", "add", "first").out
    assert "--project second" in run("project", "add", "second").out
    assert Path("crisplens.toml").read_text().startswith('project = "first"\n')
