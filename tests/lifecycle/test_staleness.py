"""Staleness: what changes beneath an approval makes exactly what rested on it stale, with its cause and path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core import clock
from crisplens.core.content_store import LocalStore
from tests.conftest import ANA, BO, Files, pass_phase, train

pytestmark = pytest.mark.stored
Change = Callable[[Registry, Files], Any]

HOUSE = """
policy: house
version: 1
title: House
extends: standard@1
phases:
  evaluation:
    conditions:
      - {id: measured, title: Something is measured, expression: size(evaluation.metrics) > 0}
"""
SHORT = """
policy: short
version: 1
title: Approvals of a month
phases:
  evaluation: {approvals: {expires-days: 30}}
"""


def lose(registry: Registry, name: str) -> None:
    """Remove an evidence file behind the store's back, and let a check find out."""
    store = registry.configuration.open_evidence()
    assert isinstance(store, LocalStore)
    store.path(registry.evidence.show(name).digest).unlink()
    registry.evidence.check()


@dataclass(frozen=True)
class Case:
    """A change, the phases whose approvals it makes stale, and the cause and the path of the first one."""

    change: Change
    phases: tuple[str, ...]
    said: str
    path: tuple[str, ...]


DATA = ("data-collection", "data-preparation", "data-analysis", "feature-engineering")
CASES = {
    "target": Case(
        lambda r, f: r.kpi.set("auc", target="0.79", baseline="0.71"),
        ("business-goal", "problem-framing", "evaluation"),
        "KPI auc has changed since",
        ("KPI auc", "checkpoint-2 (business-goal)"),
    ),
    "goal": Case(
        lambda r, f: r.goal.set(
            problem="p",
            value="v",
            options={"o": "x"},
            costs={"data": 1, "training": 1, "inference": 1, "wrong-predictions": 1},
        ),
        ("business-goal",),
        "the goal has changed since",
        ("the goal", "checkpoint-2 (business-goal)"),
    ),
    "dataset replaced": Case(
        lambda r, f: (
            r.data.add("raw", f.table("raw-again.csv"), source="crm"),
            r.data.replace("raw@1", by="raw@2", reason="rows were missing"),
        ),
        (*DATA, "model-training", "evaluation", "deployment"),
        "raw@1 was replaced by raw@2: rows were missing",
        ("raw@1", "checkpoint-4 (data-collection)"),
    ),
    "policy": Case(
        lambda r, f: r.policy.adopt(f.text(HOUSE, "house.yaml")),
        ("evaluation",),
        "the policy for evaluation has changed since",
        ("the policy for evaluation", "checkpoint-9 (evaluation)"),
    ),
    "evidence": Case(
        lambda r, f: lose(r, "data-analysis.md"),
        ("data-analysis",),
        "the evidence data-analysis.md is gone",
        ("evidence data-analysis.md", "checkpoint-6 (data-analysis)"),
    ),
    "nothing that counts": Case(
        lambda r, f: (
            r.cost.record("data", 5, start="2026-01-01"),
            r.run.record("elsewhere", code_version="x"),
            r.evidence.add(f.text("unrelated")),
            r.data.add("other", f.table("other.csv", shift=3), source="crm"),
        ),
        (),
        "",
        (),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_exactly_what_rested_on_it_is_stale(first_cycle: Registry, files: Files, case: Case) -> None:
    before = {one.phase: one.state for one in first_cycle.status.show().phases}
    assert set(before.values()) == {"approved"}
    case.change(first_cycle, files)
    status = first_cycle.status.show()
    assert tuple(dict.fromkeys(one.phase for one in status.stale)) == case.phases
    for phase in status.phases:
        assert phase.state == ("stale" if phase.phase in case.phases else "approved"), phase
    if case.phases:
        cause = status.stale[0].causes[0]
        assert (cause.said, cause.path) == (case.said, case.path)
        assert cause.seq < first_cycle.audit.head().size


def test_the_path_goes_through_the_lineage(first_cycle: Registry, files: Files) -> None:
    CASES["dataset replaced"].change(first_cycle, files)
    (stale,) = (one for one in first_cycle.status.show().stale if one.phase == "evaluation")
    assert stale.causes[0].path == ("raw@1", "train@1", "churn-gbm@1", "checkpoint-9 (evaluation)")


def test_data_that_nothing_rests_on_is_replaced_without_a_word(first_cycle: Registry, files: Files) -> None:
    for shift in (3, 4):
        first_cycle.data.add("other", files.table(f"other-{shift}.csv", shift=shift), source="crm")
    first_cycle.data.replace("other@1", by="other@2", reason="moved")
    assert first_cycle.status.show().stale == ()


def test_a_new_model_version_outdates_what_was_approved_of_the_one_before(
    registry: Registry, files: Files
) -> None:
    from tests.conftest import state_goal

    state_goal(registry)
    train(registry, files, 1)
    for phase in ("business-goal", "model-training", "evaluation"):
        pass_phase(registry, phase)
    train(registry, files, 2)
    status = registry.status.show()
    assert {one.phase for one in status.stale} == {"model-training", "evaluation"}
    (stale,) = (one for one in status.stale if one.phase == "evaluation")
    assert "churn-gbm@2 was registered since" in stale.reason
    assert stale.causes[0].path[:2] == ("churn-gbm@2", "churn-gbm@1")
    states = {one.phase: one.state for one in status.phases}
    assert (states["business-goal"], states["evaluation"]) == ("approved", "stale")


def test_a_version_in_production_stands_for_itself_when_the_next_one_is_registered(
    first_cycle: Registry, files: Files
) -> None:
    train(first_cycle, files, 2)
    assert not [one for one in first_cycle.status.show().stale if one.subject == "churn-gbm@1"]
    assert first_cycle.gate.check("evaluation", model="churn-gbm@1").open


def test_an_approval_expires_with_its_last_day(
    first_cycle: Registry, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_cycle.policy.adopt(files.text(SHORT, "short.yaml"))
    pass_phase(first_cycle, "evaluation")
    given = datetime.now(UTC)
    for days, is_open in ((30, True), (31, False)):
        monkeypatch.setattr(clock, "now", lambda days=days: given + timedelta(days=days))
        assert first_cycle.gate.check("evaluation").open is is_open
    (stale,) = (one for one in first_cycle.status.show().stale if one.phase == "evaluation")
    assert stale.state == "expired"
    assert "30 days after it was given" in stale.reason


def test_restored_evidence_makes_an_approval_stand_again(first_cycle: Registry) -> None:
    store = first_cycle.configuration.open_evidence()
    assert isinstance(store, LocalStore)
    place = store.path(first_cycle.evidence.show("data-analysis.md").digest)
    aside = place.rename(place.with_suffix(".aside"))
    first_cycle.evidence.check()
    head = first_cycle.audit.head()
    first_cycle.evidence.check()
    assert first_cycle.audit.head() == head
    gate = first_cycle.gate.check("data-analysis")
    assert [rule.rule for rule in gate.unmet] == ["evidence-intact", "approved"]
    aside.rename(place)
    assert first_cycle.evidence.check() == []
    assert first_cycle.gate.check("data-analysis").open


def test_what_is_stale_is_approved_anew(first_cycle: Registry) -> None:
    first_cycle.kpi.set("auc", target="0.79", baseline="0.71")
    for phase in ("business-goal", "problem-framing", "evaluation"):
        first_cycle.acting_as(BO).approval.grant(phase)
    status = first_cycle.status.show()
    assert status.stale == ()
    assert status.in_order
    assert status.next_steps[0].command == "crisplens cycle close"
    assert status.next_steps[0].who == ANA
