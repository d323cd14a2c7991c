"""From drift to a retrained version in production and closed incidents, through commands and a launcher of its own."""

from __future__ import annotations

import json
import random
import runpy
import shlex
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Ran, run_here, run_process
from tests.conftest import ANA, BO

pytest.importorskip("sklearn")
pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

LAUNCHER = "launcher@example.org"
# What stands outside: it is given a notice, and answers a trigger once, however often it is told of it.
LAUNCH = """
import json, pickle, sys
from pathlib import Path

def read(file):
    rows = [line.split(",") for line in Path(file).read_text().splitlines()[1:]]
    return [[float(age), float(spend)] for age, spend, _ in rows], [int(churned) for *_, churned in rows]

def train(file, artefact):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(*read(file))
    Path(artefact).write_bytes(pickle.dumps(model))
    return model

def roc_auc(model, file):
    from sklearn.metrics import roc_auc_score
    inputs, churned = read(file)
    return round(float(roc_auc_score(churned, model.predict_proba(inputs)[:, 1])), 4)

def answer(notice):
    import crisplens
    from crisplens.core.errors import InputError
    told = notice["data"]
    with crisplens.connect(project=told["project"], actor="launcher@example.org") as registry:
        try:
            trigger = registry.trigger.acknowledge(told["subject"], note="retraining")
        except InputError as error:
            if error.slug != "not-open":
                raise
            return
        drifted = [c for c in registry.monitor.history(told["monitor"]) if c.result.verdict == "drift"]
        training, holdout = (check.window.location for check in drifted[-2:])
        registry.cycle.open(trigger=trigger.id)
        customers = registry.data.add("customers", training, source="crm")
        held_out = registry.data.add("holdout", holdout, source="crm")
        run = registry.run.record(f"retrain-{trigger.id}", used=[str(customers.ref)], parameters={"C": 1.0})
        before = registry.model.list()[-1]
        model = train(training, "model-2.pkl")
        version = registry.model.register(told["model"], "model-2.pkl", run=run.name)
        with open("model-1.pkl", "rb") as file:
            old = pickle.load(file)
        for ref, one in ((before.ref, old), (version.ref, model)):
            metrics = {"roc_auc": roc_auc(one, holdout)}
            registry.evaluation.record(str(ref), dataset=str(held_out.ref), metrics=metrics)
        registry.checkpoint.record("evaluation", controls={"EV-1": ("met", f"answers {trigger.id}")})

if __name__ == "__main__":
    Path("launched").open("a").write("once\\n")
    answer(json.load(sys.stdin))
"""
CHANNELS = f"""
[notifications.launcher]
kind = "command"
command = [{json.dumps(sys.executable)}, "launch.py"]
notices = ["trigger.raised"]
timeout = 120

[notifications.log]
kind = "file"
path = "told.jsonl"
"""
FIRST_VERSION = r"""
init
project add churn --title Churn --owner ana@example.org --risk medium
goal set --problem "Customers leave" --value "Less churn" --owner bo@example.org
kpi set roc_auc --target 0.80 --direction higher --baseline 0.50
data add customers train.csv --source crm --owner data-team
data add holdout holdout.csv --source crm
run record train-1 --used customers@1
model register churn-gbm model-1.pkl --run train-1
evaluation record churn-gbm@1 --dataset holdout@1 --metric roc_auc={roc_auc}
checkpoint record evaluation --control EV-1=met:"reviewed with finance"
approval grant evaluation --actor bo@example.org
deployment record churn-gbm@1 --environment production --kind batch
monitor add weekly --model churn-gbm --reference train.csv --current 'live/*.csv' --window file \
  --column age --column spend
"""


def write_customers(file: Path, *, seed: int, drifted: bool = False) -> None:
    """Customers of whom the older leave; after the drift they are older, and those who spend leave."""
    chance = random.Random(seed)
    lines = ["age,spend,churned"]
    for _ in range(400):
        age, spend = chance.gauss(52 if drifted else 40, 8), chance.expovariate(1 / 100)
        reason = (spend - 70) / 25 if drifted else (age - 40) / 3
        lines.append(f"{age:.1f},{spend:.2f},{int(chance.gauss(0, 1) < reason)}")
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")


@pytest.fixture
def in_production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a first version in production, a monitor, and a launcher that waits for notices."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRISPLENS_ACTOR", ANA)
    write_customers(tmp_path / "train.csv", seed=1)
    write_customers(tmp_path / "holdout.csv", seed=2)
    write_customers(tmp_path / "live/week-1.csv", seed=3)
    write_customers(tmp_path / "live/week-2.csv", seed=4, drifted=True)
    write_customers(tmp_path / "live/week-3.csv", seed=5, drifted=True)
    write_customers(tmp_path / "week-4.csv", seed=6, drifted=True)
    (tmp_path / "launch.py").write_text(LAUNCH, encoding="utf-8")
    outside = runpy.run_path("launch.py")
    roc_auc = outside["roc_auc"](outside["train"]("train.csv", "model-1.pkl"), "holdout.csv")
    for line in FIRST_VERSION.strip().format(roc_auc=roc_auc).replace("\\\n", "").splitlines():
        ran = run_here(*shlex.split(line))
        assert ran.code == 0, (line, ran)
    with (tmp_path / "crisplens.toml").open("a", encoding="utf-8") as file:
        file.write(CHANNELS)
    return tmp_path


def done(line: str, code: int = 0) -> Ran:
    """Run a command as its own process; it exits as told."""
    ran = run_process(*shlex.split(line))
    assert (ran.code, "Traceback" in ran.err) == (code, False), (line, ran)
    return ran


def shown(line: str) -> Any:
    """What a command prints as JSON, run in this process."""
    ran = run_here(*shlex.split(f"{line} --json"))
    assert ran.code == 0, (line, ran)
    return json.loads(ran.out)


def refused(line: str) -> str:
    """What a command says that is refused, or finds something, with exit code 1, run in this process."""
    ran = run_here(*shlex.split(line))
    assert ran.code == 1, (line, ran)
    return ran.out + ran.err


def told() -> Counter[str]:
    """How often a notice of each kind was told."""
    return Counter(json.loads(line)["type"] for line in Path("told.jsonl").read_text("utf-8").splitlines())


def check_chain(report: dict[str, Any]) -> None:
    """The report leads from the data that drifted to the version that serves now, each step by the one before."""
    (incident,), (trigger,) = report["incidents"], report["triggers"]
    monitor = next(one for one in report["monitors"] if one["monitor"]["name"] == incident["monitor"])
    found = next(one for one in monitor["checks"] if one["id"] == incident["check_id"])
    assert (found["verdict"], found["incident"]) == ("drift", incident["id"])
    assert (trigger["incident"], trigger["acknowledged_by"]) == (incident["id"], LAUNCHER)
    cycle = report["cycles"][-1]["story"]
    assert (cycle["trigger"], cycle["opened_by"]) == (trigger["id"], LAUNCHER)
    version = report["record"]["models"][-1]
    assert version["run"] == f"retrain-{trigger['id']}"
    edges = {(one["source"], one["target"]) for one in report["lineage"]["picture"]["edges"]}
    assert ("model-version:churn-gbm@2", f"run:{version['run']}") in edges
    assert (f"run:{version['run']}", "dataset-version:customers@2") in edges
    (phase,) = (one for one in report["phases"] if one["id"] == "evaluation")
    (judged,) = (one for one in phase["cycles"] if one["number"] == cycle["number"])
    (written,) = judged["checkpoints"]
    (approved,) = written["approvals"]
    assert (written["checkpoint"]["subject"], written["checkpoint"]["recorded_by"]) == (
        "churn-gbm@2",
        LAUNCHER,
    )
    assert (approved["approval"]["recorded_by"], approved["standing"]["state"]) == (BO, "stands")
    deployment = report["record"]["deployments"][-1]
    gates = [(one["phase"], one["subject"], one["open"]) for one in deployment["deployment"]["gates"]]
    assert (deployment["in_force"], gates) == (True, [("evaluation", "churn-gbm@2", True)])
    serving = report["in_production"][0]["model"]
    assert trigger["resolved_by"] == serving == {"name": "churn-gbm", "version": 2}
    assert (trigger["state"], incident["state"]) == ("resolved", "resolved")


@pytest.mark.usefixtures("in_production")
def test_drift_is_answered_by_a_retrained_version_and_everything_is_closed() -> None:
    # One command that a scheduler calls: drift, an incident, a trigger, and the launcher that is told of it.
    done("monitor run weekly --due")
    checks = shown("monitor history weekly")
    assert [one["result"]["verdict"] for one in checks] == ["no-drift", "drift", "drift"]
    assert [one["incident"] for one in checks] == [None, None, "incident-1"]
    assert told() == {"incident.opened": 1, "trigger.raised": 1}
    assert Path("launched").read_text() == "once\n"

    # The new version was trained on the very data that drifted, and only it is good enough there.
    data = {one["dataset"]: one["digest"] for one in shown("data list") if one["version"] == 2}
    assert [data["customers"], data["holdout"]] == [one["window"]["digest"] for one in checks[1:]]
    old, new = (one for one in shown("evaluation list") if one["dataset"]["version"] == 2)
    assert (str(old["model"]["version"]), str(new["model"]["version"])) == ("1", "2")
    assert float(old["metrics"]["roc_auc"]) < 0.8 <= float(new["metrics"]["roc_auc"])

    # Told once more, as after a crash, the launcher starts no second retraining.
    before = shown("audit head")
    shutil.rmtree(".crisplens/notifications")
    done("notification deliver")
    assert told() == {"incident.opened": 2, "trigger.raised": 2}
    assert Path("launched").read_text() == "once\n" * 2
    assert shown("audit head") == before

    # The launcher wrote the checkpoint; until somebody else approves it nothing passes.
    refused("gate check evaluation")
    refused("deployment record churn-gbm@2 --environment production --kind batch")
    assert "churn-gbm@2 is not approved" in refused("trigger resolve trigger-1 --model churn-gbm@2")
    refused(f"approval grant evaluation --actor {LAUNCHER}")
    done(f"approval grant evaluation --actor {BO}")
    shown("gate check evaluation")
    done("deployment record churn-gbm@2 --environment production --kind batch")
    done("trigger resolve trigger-1 --model churn-gbm@2")
    shown("notification deliver")
    assert (told()["trigger.resolved"], told()["incident.resolved"]) == (1, 1)

    # The next windows are compared with the data that the new version knows.
    shown("monitor retire weekly --reason 'churn-gbm@2 serves'")
    columns = "--column age --column spend"
    shown(
        f"monitor add weekly-2 --model churn-gbm --reference live/week-2.csv --current week-4.csv {columns}"
    )
    assert shown("monitor run weekly-2")["check"]["result"]["verdict"] == "no-drift"

    assert done("audit verify").out.count("ok  ") >= 4
    done("report audit --output audit.json")
    check_chain(json.loads(Path("audit.json").read_text("utf-8")))
