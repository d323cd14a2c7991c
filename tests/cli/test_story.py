"""The commands of the main job, in their order and as they are written for users."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

# (exit code, command, words of standard output)
FIRST_VERSION = [
    (0, "init", "crisplens.toml"),
    (0, 'project add churn --title "Churn" --owner ana@example.org --risk high --policy standard', "churn"),
    (0, 'goal set --problem "Customers leave" --value "Less churn" --owner bo@example.org', "bo@example.org"),
    (0, "kpi set roc_auc --target 0.80 --direction higher --baseline 0.71", "0.80"),
    (0, "data add customers train.csv --source crm --owner data-team", "customers@1: 300 rows, 4 columns"),
    (0, "data add holdout holdout.csv --source crm", "holdout@1"),
    (0, "model register churn-gbm model.bin --dataset customers@1 --param depth=3", "churn-gbm@1"),
    (0, "evaluation record churn-gbm@1 --dataset holdout@1 --metric roc_auc=0.82", "roc_auc 0.82"),
    (
        0,
        'checkpoint record evaluation --control EV-1=met:"reviewed with finance" --evidence notes.md',
        "checkpoint-1 on evaluation, cycle 1: 1 control, 1 evidence file.",
    ),
    # The approval is one of the gate's rules.
    (1, "gate check evaluation", "blocked, 1 of 5 rules unmet"),
    (1, "deployment record churn-gbm@1 --environment production --kind batch", ""),
    (1, "approval grant evaluation", ""),
    (0, "approval grant evaluation --actor bo@example.org", "bo@example.org approved checkpoint-1"),
    (0, "gate check evaluation", "open"),
    (
        0,
        "deployment record churn-gbm@1 --environment production --kind batch",
        "churn-gbm@1 100 % in production",
    ),
]
DRIFT = [
    (0, "monitor add nightly --model churn-gbm --reference train.csv --current 'live/*.csv'", "300 rows"),
    (0, "monitor run nightly", "check-1 of nightly: drift."),
    (1, "monitor run nightly --fail-on drift", "check-2 of nightly: drift."),
    (1, "monitor run nightly --engine duckdb --fail-on drift", "check-3 of nightly: drift."),
    (0, "trigger list", "trigger-1   open"),
    (1, "trigger resolve trigger-1 --model churn-gbm@1", ""),
    (0, "lineage show churn-gbm@1", "was derived from dataset-version customers@1"),
    (0, "report audit --output audit.html", ""),
    (0, "audit verify", "ok  integrity"),
    (0, "audit log", "trigger.raised"),
    (0, "audit head", "events"),
    (0, "db status", "up to date"),
    (0, "db upgrade", "up to date"),
]
SECOND_VERSION = [
    (0, "data add customers train2.csv --source crm", "customers@2"),
    (0, "data add holdout holdout2.csv --source crm", "holdout@2"),
    (0, "model register churn-gbm model2.bin --dataset customers@2", "churn-gbm@2"),
    (
        0,
        "evaluation record churn-gbm@2 --dataset holdout@2 --metric roc_auc=0.84",
        "churn-gbm@2 on holdout@2",
    ),
    (0, "checkpoint record evaluation --control EV-1=met:again", "checkpoint-2"),
    (1, "trigger resolve trigger-1 --model churn-gbm@2", ""),
    (0, "approval grant evaluation --actor cy@example.org", "approved checkpoint-2"),
    (0, "trigger resolve trigger-1 --model churn-gbm@2", "trigger-1 is resolved by churn-gbm@2"),
    (0, "incident list", "resolved"),
    (0, "audit verify", "ok  projection"),
]


@pytest.mark.usefixtures("files")
def test_commands_work_as_written(process) -> None:
    for code, line, words in [*FIRST_VERSION, *DRIFT, *SECOND_VERSION]:
        ran = process(*shlex.split(line))
        assert (ran.code, "Traceback" in ran.err) == (code, False), (line, ran)
        assert words in ran.out, (line, ran)
    assert Path("audit.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    trigger = json.loads(process("trigger", "list", "--json").out)[0]
    assert (trigger["state"], trigger["resolved_by"]) == ("resolved", {"name": "churn-gbm", "version": 2})


@pytest.mark.usefixtures("story")
def test_engines_agree_on_the_verdict(process) -> None:
    pytest.importorskip("pandas")
    ran = process("monitor", "run", "nightly", "--engine", "evidently", "--fail-on", "drift", "--json")
    assert ran.code == 1, ran
    result = json.loads(ran.out)["check"]["result"]
    assert (result["engine"], result["verdict"], result["drifted"]) == ("evidently", "drift", 3)
