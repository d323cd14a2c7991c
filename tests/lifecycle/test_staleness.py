"""What makes approvals stale: each cause, all that depended on it with reason and path, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core import clock
from crisplens.core.content_store import LocalStore
from crisplens.lifecycle.phases import list_phases
from tests.conftest import BO, Files, lose_evidence, train, unmet

pytestmark = [pytest.mark.stored, pytest.mark.parametrize("databases", ["sqlite"], indirect=True)]

PHASES = [phase.id for phase in list_phases()]
DATA = ["data-collection", "data-preparation", "data-analysis", "feature-engineering"]
MODEL = ["model-training", "evaluation"]
Step = Callable[[Registry, Files], Any]


def states(registry: Registry) -> dict[str, str]:
    """How every phase stands."""
    return {one.phase: one.state.value for one in registry.status.show().phases}


def changed(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    """The phases that stand otherwise now."""
    return {phase: state for phase, state in after.items() if before[phase] != state}


def replace_raw(r: Registry, f: Files) -> None:
    r.data.add("raw", f.table("raw-new.csv", shift=3), source="crm")
    r.data.replace("raw@1", by="raw@2", reason="a week was missing")


CAUSES: dict[str, tuple[Step, dict[str, str], dict[str, tuple[str, ...]]]] = {
    # What is done, the reason for each phase, and the path for some.
    "the goal": (
        lambda r, f: r.goal.set(
            problem="x", value="y", owner=BO, options={"rules": "no"}, costs={"data": "1"}
        ),
        {"business-goal": "the goal has changed since"},
        {"business-goal": ("the goal", "checkpoint-2 (business-goal)")},
    ),
    "a goal's target": (
        lambda r, f: r.kpi.set("auc", target="0.79", baseline="0.71"),
        dict.fromkeys(["business-goal", "problem-framing", "evaluation"], "KPI auc has changed since"),
        {"evaluation": ("KPI auc", "checkpoint-9 (evaluation)")},
    ),
    "a new KPI": (
        lambda r, f: r.kpi.set("latency_p99", target="1", baseline="0"),
        dict.fromkeys(
            ["business-goal", "problem-framing", "evaluation"], "KPI latency_p99 was recorded since"
        ),
        {},
    ),
    "a data source": (
        lambda r, f: r.source.set("crm", owner=BO, access="a", permitted_use="b", retention="c"),
        {"data-collection": "data source crm has changed since"},
        {"data-collection": ("data source crm", "checkpoint-4 (data-collection)")},
    ),
    "a dataset version that was replaced": (
        replace_raw,
        dict.fromkeys([*DATA, *MODEL, "deployment"], "raw@1 was replaced by raw@2: a week was missing"),
        {
            "data-collection": ("raw@1", "checkpoint-4 (data-collection)"),
            "evaluation": ("raw@1", "train@1", "churn-gbm@1", "checkpoint-9 (evaluation)"),
            "deployment": ("raw@1", "train@1", "churn-gbm@1", "deployment-1", "checkpoint-10 (deployment)"),
        },
    ),
    "a new evaluation": (
        lambda r, f: r.evaluation.record(
            "churn-gbm@1", dataset="holdout@1", metrics={"auc": 0.9, "latency_ms": 90}
        ),
        {"evaluation": "evaluation-2 was recorded since"},
        {},
    ),
    "a new deployment": (
        lambda r, f: r.deployment.record("churn-gbm@1", environment="production", kind="batch"),
        {"deployment": "deployment-2 was recorded since"},
        {},
    ),
    "evidence that is gone": (
        lambda r, f: lose_evidence(r, "evaluation.md"),
        {"evaluation": "the evidence evaluation.md is gone"},
        {"evaluation": ("evidence evaluation.md", "checkpoint-9 (evaluation)")},
    ),
    "a policy": (
        lambda r, f: r.policy.adopt(
            f.text(
                "policy: house\nversion: 1\ntitle: H\nphases: {monitoring: {reasons: true}}\n", "house.yaml"
            )
        ),
        {"monitoring": "the policy for monitoring has changed since"},
        {"monitoring": ("the policy for monitoring", "checkpoint-11 (monitoring)")},
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_cause_makes_stale_what_depended_on_it_and_nothing_else(
    first_cycle: Registry, files: Files, cause: str
) -> None:
    step, reasons, paths = CAUSES[cause]
    before = states(first_cycle)
    assert set(before.values()) == {"approved"}
    step(first_cycle, files)
    assert changed(before, states(first_cycle)) == dict.fromkeys(reasons, "stale")
    status = first_cycle.status.show()
    told = {one.phase: one for one in status.stale}
    assert {phase: one.reason for phase, one in told.items()} == {
        phase: f"stale: {reason}" for phase, reason in reasons.items()
    }
    assert {phase: told[phase].causes[0].path for phase in paths} == paths
    size = first_cycle.audit.head().size
    for one in status.stale:
        assert (one.by, one.state) == (BO, "stale")
        assert all(cause.path[-1] == f"{one.checkpoint} ({one.phase})" for cause in one.causes)
        assert all(0 < cause.seq < size for cause in one.causes)
    assert not status.in_order
    assert first_cycle.audit.verify().passed


@pytest.mark.parametrize(
    "cause", [cause for cause in CAUSES if cause not in ("the goal", "evidence that is gone")]
)
def test_what_is_approved_as_it_is_now_stands_again(first_cycle: Registry, files: Files, cause: str) -> None:
    step, reasons, _ = CAUSES[cause]
    step(first_cycle, files)
    stopped = [phase for phase in reasons if set(unmet(first_cycle, phase)) != {"approved"}]
    if cause == "a new KPI":
        # Nothing has measured it yet.
        assert stopped == ["evaluation"]
    else:
        assert stopped == []
    for phase in reasons:
        if phase not in stopped:
            first_cycle.acting_as(BO).approval.grant(phase)
    assert {one.phase for one in first_cycle.status.show().stale} == set(stopped)


@pytest.mark.parametrize(
    "step",
    [
        lambda r, f: r.evidence.add(f.text("a note")),
        lambda r, f: r.source.set("other"),
        lambda r, f: r.run.record("elsewhere"),
        lambda r, f: r.deployment.record("churn-gbm@1", environment="staging", kind="batch"),
        lambda r, f: r.monitor.run("nightly", current=str(f.table("live.csv"))),
        lambda r, f: r.policy.adopt(f.text("policy: h\nversion: 1\ntitle: H\ndoors: {cycle: []}", "h.yaml")),
        lambda r, f: r.risk.add("R", likelihood="rare", impact="minor", review_by="2099-01-01"),
        lambda r, f: r.cost.record("data", "9", start="2026-01-31"),
        lambda r, f: r.kpi.observe("auc", "0.8", start="2026-01-31"),
        lambda r, f: r.model.promote("churn-gbm@1"),
        lambda r, f: r.control.import_(
            f.text("catalogue: c\nversion: '1'\ntitle: C\ncontrols: [{id: C-1, title: T}]\n", "c.yaml")
        ),
        lambda r, f: r.role.grant("ana@example.org", "administrator"),
        lambda r, f: r.data.add("unrelated", f.table("unrelated.csv", shift=7)),
    ],
)
def test_what_nothing_rests_on_changes_nothing(first_cycle: Registry, files: Files, step: Step) -> None:
    before = states(first_cycle)
    step(first_cycle, files)
    assert changed(before, states(first_cycle)) == {}
    assert first_cycle.status.show().stale == ()


def test_replacing_data_that_nothing_uses_changes_nothing(first_cycle: Registry, files: Files) -> None:
    for number in (1, 2):
        first_cycle.data.add("unrelated", files.table(f"unrelated-{number}.csv", shift=number))
    before = states(first_cycle)
    first_cycle.data.replace("unrelated@1", by="unrelated@2", reason="it was wrong")
    assert changed(before, states(first_cycle)) == {}


def test_a_new_model_version_asks_for_its_own_training_and_evaluation(
    first_cycle: Registry, files: Files
) -> None:
    before = states(first_cycle)
    first_cycle.model.register("churn-gbm", files.text("w2"), datasets=["train@1"])
    assert changed(before, states(first_cycle)) == dict.fromkeys(MODEL, "not-started")
    # What was approved of the version in production goes on standing for it.
    assert first_cycle.status.show().stale == ()
    for phase in MODEL:
        assert unmet(first_cycle, phase, model="churn-gbm@1") == {}


def test_what_was_approved_of_a_version_that_serves_nowhere_is_stale_with_the_next(
    first_cycle: Registry, files: Files
) -> None:
    train(first_cycle, files, 2)
    first_cycle.checkpoint.record("evaluation", summary="better")
    approval = first_cycle.acting_as(BO).approval.grant("evaluation")
    newest = first_cycle.model.register("churn-gbm", files.text("w3"), run="train-2")
    (told,) = (one for one in first_cycle.status.show().stale if one.phase == "evaluation")
    assert (told.approval, told.subject, told.state) == (approval.id, "churn-gbm@2", "stale")
    assert told.reason == "stale: it is about churn-gbm@2, and churn-gbm@3 was registered since"
    (cause,) = told.causes
    assert (cause.what, cause.seq) == ("model churn-gbm@3", newest.seq)
    assert cause.path == ("churn-gbm@3", "churn-gbm@2", "checkpoint-12 (evaluation)")


def test_a_rejection_does_not_go_stale(first_cycle: Registry, files: Files) -> None:
    train(first_cycle, files, 2)
    first_cycle.checkpoint.record("evaluation", summary="better")
    rejection = first_cycle.acting_as(BO).approval.reject("evaluation", reason="no")
    first_cycle.model.register("churn-gbm", files.text("w3"), run="train-2")
    assert rejection.id not in {one.approval for one in first_cycle.status.show().stale}


def replace_holdout(r: Registry, f: Files) -> None:
    r.data.add("holdout", f.table("holdout-new.csv", shift=3), derived_from=["raw@1"])
    r.data.replace("holdout@1", by="holdout@2", reason="it leaked")


def test_a_replaced_holdout_makes_the_evaluation_stale_and_leaves_the_deployment(
    first_cycle: Registry, files: Files
) -> None:
    replace_holdout(first_cycle, files)
    now = states(first_cycle)
    assert {now[phase] for phase in [*DATA, "evaluation"]} == {"stale"}
    assert {now[phase] for phase in ("business-goal", "problem-framing", "deployment", "monitoring")} == {
        "approved"
    }
    assert "holdout@1 was replaced by holdout@2: it leaked" in unmet(first_cycle, "evaluation")["approved"]


def test_a_replaced_holdout_leaves_the_training(first_cycle: Registry, files: Files) -> None:
    replace_holdout(first_cycle, files)
    assert states(first_cycle)["model-training"] == "approved"


def test_the_path_of_a_replaced_holdout_leads_through_the_evaluation(
    first_cycle: Registry, files: Files
) -> None:
    replace_holdout(first_cycle, files)
    (told,) = (one for one in first_cycle.status.show().stale if one.phase == "evaluation")
    assert told.causes[0].path == ("holdout@1", "evaluation-1", "checkpoint-9 (evaluation)")


def test_an_approval_that_expired_is_told_with_its_last_day(
    first_cycle: Registry, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = "policy: house\nversion: 1\ntitle: H\nphases: {monitoring: {approvals: {expires-days: 30}}}\n"
    first_cycle.policy.adopt(files.text(policy, "house.yaml"))
    first_cycle.acting_as(BO).approval.grant("monitoring")
    before = states(first_cycle)
    assert set(before.values()) == {"approved"}
    moment = clock.now() + timedelta(days=31)
    monkeypatch.setattr(clock, "now", lambda: moment)
    assert changed(before, states(first_cycle)) == {"monitoring": "stale"}
    (told,) = first_cycle.status.show().stale
    assert (told.phase, told.state, told.causes) == ("monitoring", "expired", ())
    assert f"by {BO} expired on" in told.reason
    assert "30 days after it was given" in told.reason


def test_evidence_that_is_back_lets_the_approval_stand_again(first_cycle: Registry, files: Files) -> None:
    before = states(first_cycle)
    lose_evidence(first_cycle, "evaluation.md")
    found = unmet(first_cycle, "evaluation")
    assert found["evidence-intact"] == "evaluation.md is gone"
    assert changed(before, states(first_cycle)) == {"evaluation": "stale"}
    assert first_cycle.evidence.check() == []
    assert states(first_cycle) == before
    assert unmet(first_cycle, "evaluation") == {}
    assert first_cycle.audit.verify().passed


def test_damaged_evidence_stops_every_phase_that_carries_it(first_cycle: Registry, files: Files) -> None:
    note = files.text("one note for both", "both.md")
    for phase in ("problem-framing", "monitoring"):
        first_cycle.checkpoint.record(phase, summary="again", evidence=[note])
        first_cycle.acting_as(BO).approval.grant(phase)
    before = states(first_cycle)
    store = first_cycle.configuration.open_evidence()
    assert isinstance(store, LocalStore)
    place = store.path(first_cycle.evidence.show("both.md").digest)
    place.chmod(0o600)
    place.write_text("another", encoding="utf-8")
    (fault,) = first_cycle.evidence.check()
    assert (fault.name, fault.fault) == ("both.md", "is damaged")
    assert changed(before, states(first_cycle)) == {"problem-framing": "stale", "monitoring": "stale"}
    # Another checkpoint, without it, is another matter.
    first_cycle.checkpoint.record("monitoring", summary="without it")
    first_cycle.acting_as(BO).approval.grant("monitoring")
    assert states(first_cycle)["monitoring"] == "approved"


def test_several_causes_are_all_told(first_cycle: Registry, files: Files) -> None:
    replace_raw(first_cycle, files)
    first_cycle.kpi.set("auc", target="0.79", baseline="0.71")
    lose_evidence(first_cycle, "evaluation.md")
    (told,) = (one for one in first_cycle.status.show().stale if one.phase == "evaluation")
    assert {one.said for one in told.causes} == {
        "raw@1 was replaced by raw@2: a week was missing",
        "KPI auc has changed since",
        "the evidence evaluation.md is gone",
    }
    assert all(one.said in told.reason for one in told.causes)


def test_the_past_is_not_stale(first_cycle: Registry, files: Files) -> None:
    point = first_cycle.audit.head().size - 1
    replace_raw(first_cycle, files)
    with first_cycle.as_of(point) as then:
        assert set(states(then).values()) == {"approved"}
        assert then.status.show().stale == ()
    assert list(states(first_cycle)) == PHASES
