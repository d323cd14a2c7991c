"""The demonstration tells its story on the real data, and leaves a record that verifies."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

import crisplens
from crisplens.cli.main import main
from crisplens.demo import data
from crisplens.demo.story import PROJECT, run_story
from crisplens.monitors.engines.by_name import get_engine
from crisplens.monitors.engines.interface import Reference, Rows
from crisplens.monitors.model import CheckSettings
from crisplens.registry.data.tabular import open_table

pytest.importorskip("sklearn")
pytest.importorskip("statsmodels")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration's folder, after the story."""
    folder = tmp_path_factory.mktemp("demo")
    run_story(folder, lambda step: None)
    return folder


@pytest.fixture(scope="module")
def registry(told: Path) -> crisplens.Registry:
    """Its registry."""
    return crisplens.connect(folder=told, project=PROJECT)


def test_every_gate_is_open_at_the_end(registry: crisplens.Registry) -> None:
    assert [gate.phase for gate in registry.gate.list() if not gate.open] == []


def test_registry_verifies(registry: crisplens.Registry) -> None:
    assert registry.audit.verify().passed


def test_one_changed_number_is_found(told: Path, tmp_path: Path) -> None:
    copy = tmp_path / "registry.db"
    with sqlite3.connect(told / ".crisplens/registry.db") as source, sqlite3.connect(copy) as target:
        source.backup(target)
        target.execute("UPDATE kpi SET target = 50")
    verification = crisplens.connect(f"sqlite:///{copy}", folder=told).audit.verify()
    projection = next(verdict for verdict in verification.verdicts if verdict.name == "projection")
    assert not projection.passed
    assert "kpi" in projection.findings[0].where


def test_first_version_fails_the_people_of_the_other_plans(registry: crisplens.Registry) -> None:
    evaluations = {(str(one.model), str(one.dataset)): one.metrics for one in registry.evaluation.list()}
    assert evaluations["visits@1", "holdout@1"]["total_error"] <= 10
    assert evaluations["visits@1", "served@1"]["total_error"] > 10
    assert evaluations["visits@2", "holdout@2"]["total_error"] <= 10


def test_alarm_is_answered_by_the_second_version(registry: crisplens.Registry) -> None:
    (trigger,) = registry.trigger.list()
    (incident,) = registry.incident.list()
    assert (trigger.state, str(trigger.resolved_by), incident.state) == ("resolved", "visits@2", "resolved")
    assert [check.result.verdict for check in registry.monitor.history()] == ["no-drift", "drift", "no-drift"]


def test_parts_share_no_person_between_training_and_holdout(told: Path) -> None:
    parts = {name: data.load(told / "data" / f"{name}.csv") for name in data.PARTS}
    assert sum(len(parts[name]) for name in ("train", "holdout", "window-1")) < 20190
    for (start, end), (other_start, other_end) in (data.PARTS["holdout"], data.PARTS["holdout-all-plans"]):
        (train_start, train_end), (train_other_start, train_other_end) = data.PARTS["train-all-plans"]
        assert start >= train_end or end <= train_start
        assert other_start >= train_other_end or other_end <= train_other_start


@pytest.mark.parametrize("window", ["window-1", "window-2"])
def test_both_engines_give_the_same_verdicts(told: Path, window: str) -> None:
    pytest.importorskip("evidently")
    from crisplens.monitors.engines.duckdb_engine import profile_reference

    table = open_table(str(told / "data/train.csv"))
    reference = Reference(table=table, profile=profile_reference(table, data.INPUTS))
    settings = CheckSettings(columns=data.INPUTS, drift_share=0.25)
    current = Rows(open_table(str(told / "data" / f"{window}.csv")))
    ours, theirs = (
        get_engine(name).check(reference, current, settings).check for name in ("duckdb", "evidently")
    )
    assert [(one.column, one.verdict) for one in ours.columns] == [
        (one.column, one.verdict) for one in theirs.columns
    ]
    assert ours.verdict == theirs.verdict


def test_folder_that_is_there_already_is_refused(told: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["demo", "--directory", str(told)])
    assert "is there already" in capsys.readouterr().err
