"""Checkpoints, approvals and cycles, and what must pass a gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core.canonical import digest_bytes
from crisplens.core.errors import InputError, Refused
from crisplens.lifecycle.events import CheckpointRecorded
from crisplens.lifecycle.model import Answer, ControlAnswer, EvidenceLink
from crisplens.lifecycle.phases import get_control, get_phase, list_phases
from crisplens.lifecycle.service import checkpoint_digest
from tests.conftest import ANA, BO, Files, assert_refused, pass_phase, state_goal, train, unmet

stored = pytest.mark.stored


def test_the_catalogue_has_ten_phases_with_controls_of_their_own() -> None:
    phases = list_phases()
    assert [phase.id for phase in phases] == [
        "business-goal", "problem-framing", "data-collection", "data-preparation", "data-analysis",
        "feature-engineering", "model-training", "evaluation", "deployment", "monitoring",
    ]  # fmt: skip
    ids = [control.id for phase in phases for control in phase.practices]
    assert len(set(ids)) == len(ids)
    assert all(phase.title and phase.description and phase.crisp_dm and phase.lens_phase for phase in phases)


@pytest.mark.parametrize(
    ("control", "words"),
    [
        ("EV-1", ["phase evaluation", "business-goal", "BG-1"]),
        ("BG-11", ["no control 'BG-11'", "BG-1"]),
        ("nonsense", ["Controls of business-goal"]),
    ],
)
def test_an_unknown_control_says_where_it_belongs_or_what_there_is(control: str, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        get_control(get_phase("business-goal"), control)
    assert caught.value.slug == "unknown-name"
    assert all(word in f"{caught.value.message} {caught.value.hint}" for word in words)


def test_controls_are_found_in_any_case() -> None:
    assert get_control(get_phase("business-goal"), "bg-1").id == "BG-1"


@stored
def test_a_checkpoint_keeps_answers_evidence_and_links(first_cycle: Registry, files: Files) -> None:
    checkpoint = first_cycle.checkpoint.record(
        "evaluation",
        controls={"ev-1": ("met", "reviewed"), "EV-2": "not-applicable"},
        evidence=[files.text("notes", "notes.md")],
        links=["churn-gbm@1", "train-1"],
        summary="As agreed.",
    )
    assert checkpoint.answers == (
        ControlAnswer("EV-1", Answer.MET, "reviewed"),
        ControlAnswer("EV-2", Answer.NOT_APPLICABLE, ""),
    )
    assert checkpoint.evidence == (EvidenceLink(digest_bytes(b"notes"), "notes.md"),)
    assert (checkpoint.links, checkpoint.subject, checkpoint.cycle) == (
        ("churn-gbm@1", "train-1"),
        "churn-gbm@1",
        1,
    )
    said = {name: getattr(checkpoint, name) for name in CheckpointRecorded.__struct_fields__}
    assert checkpoint.digest == checkpoint_digest(CheckpointRecorded(**said))
    assert checkpoint.digest != checkpoint_digest(CheckpointRecorded(**{**said, "summary": "Otherwise."}))
    assert first_cycle.checkpoint.list("evaluation")[-1] == checkpoint


@stored
def test_only_training_and_evaluation_are_about_a_model_version(first_cycle: Registry, files: Files) -> None:
    first_cycle.model.register("other", files.text("w"))
    record = first_cycle.checkpoint.record
    assert record("business-goal", summary="s").subject is None
    assert record("evaluation", summary="s").subject == "other@1"
    assert record("evaluation", summary="s", model="churn-gbm@1").subject == "churn-gbm@1"


@stored
@pytest.mark.parametrize(
    ("call", "slug", "words"),
    [
        (lambda r, f: r.checkpoint.record("evaluatoin", summary="s"), "unknown-name", ["evaluation"]),
        (lambda r, f: r.checkpoint.record("evaluation"), "empty-checkpoint", ["EV-1"]),
        (lambda r, f: r.checkpoint.record("evaluation", summary=" \n"), "empty-checkpoint", []),
        (
            lambda r, f: r.checkpoint.record("evaluation", controls={"EV-1": "met"}),
            "no-reason",
            ["EV-1", "--evidence"],
        ),
        (
            lambda r, f: r.checkpoint.record("evaluation", controls={"EV-1": ("met", " ")}),
            "no-reason",
            ["EV-1"],
        ),
        (
            lambda r, f: r.checkpoint.record("evaluation", controls={"EV-1": ("yes", "x")}),
            "bad-choice",
            ["yes", "not-met"],
        ),
        (
            lambda r, f: r.checkpoint.record("evaluation", controls={"BG-1": ("met", "x")}),
            "unknown-name",
            ["business-goal"],
        ),
        (
            lambda r, f: r.checkpoint.record("evaluation", evidence=[f.folder / "none"]),
            "unreadable-file",
            ["none"],
        ),
        (
            lambda r, f: r.checkpoint.record("evaluation", summary="s", links=["churn@1"]),
            "unknown-name",
            ["churn-gbm@1"],
        ),
        (
            lambda r, f: r.checkpoint.record("evaluation", summary="s", model="churn-gbm@9"),
            "unknown-name",
            ["churn-gbm@1"],
        ),
        (
            lambda r, f: r.checkpoint.record("evaluation", evidence=[f.text("kept"), f.folder / "none"]),
            "unreadable-file",
            ["none"],
        ),
        (lambda r, f: r.gate.check("evaluatoin"), "unknown-name", ["evaluation"]),
        (lambda r, f: r.gate.check("evaluation", model="churn-gbm@9"), "unknown-name", ["churn-gbm@1"]),
        (lambda r, f: r.cycle.open(), "empty-text", ["reason"]),
        (lambda r, f: r.cycle.open(from_phase="training", reason="r"), "unknown-name", ["model-training"]),
        (lambda r, f: r.cycle.open(trigger="trigger-1"), "unknown-name", ["trigger-1"]),
        (lambda r, f: r.acting_as(BO).approval.reject("evaluation", reason=" "), "empty-text", ["reason"]),
        (lambda r, f: r.acting_as(BO).approval.grant("evaluation"), "not-open", ["approved already"]),
        (
            lambda r, f: r.acting_as(BO).approval.grant("evaluation", model="churn-gbm@9"),
            "unknown-name",
            ["churn-gbm@1"],
        ),
        (lambda r, f: r.trigger.resolve("trigger-1", model="churn-gbm@1"), "unknown-name", ["trigger-1"]),
        (lambda r, f: deploy(r, "churn-gbm@9"), "unknown-name", ["churn-gbm@1"]),
        (lambda r, f: deploy(r, "churn-gbm"), "bad-reference", ["churn-gbm@1"]),
        (lambda r, f: deploy(r, kind="stream"), "bad-choice", ["batch, real-time"]),
        (lambda r, f: deploy(r, environment="a b"), "bad-name", ["environment"]),
        (lambda r, f: deploy(r, variants={"b": ("churn-gbm@1", 101)}), "bad-variants", ["100"]),
        (lambda r, f: deploy(r, variants={"b": ("churn-gbm@9", 10)}), "unknown-name", ["churn-gbm@1"]),
        (lambda r, f: deploy(r, variants={"main": ("churn-gbm@1", 10)}), "bad-variants", ["same name"]),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    first_cycle: Registry, files: Files, call: Callable[[Registry, Files], Any], slug: str, words: list[str]
) -> None:
    assert_refused(first_cycle, lambda: call(first_cycle, files), slug, *words, kind=InputError)
    assert first_cycle.audit.verify().passed


def deploy(registry: Registry, model: str = "churn-gbm@1", **options: Any) -> Any:
    """Record a deployment."""
    return registry.deployment.record(model, **({"environment": "production", "kind": "batch"} | options))


@stored
def test_an_approval_is_bound_to_the_content_and_its_basis(first_cycle: Registry) -> None:
    approval = first_cycle.approval.list()[-1]
    checkpoint = first_cycle.checkpoint.list()[-1]
    assert (approval.checkpoint, approval.checkpoint_digest) == (checkpoint.id, checkpoint.digest)
    assert (approval.decision, approval.recorded_by, approval.phase, approval.cycle) == (
        "approved",
        BO,
        "monitoring",
        1,
    )
    assert approval.basis[checkpoint.id] == checkpoint.seq


@stored
def test_nothing_recorded_cannot_be_approved(registry: Registry) -> None:
    for verb in (registry.approval.grant, lambda phase: registry.approval.reject(phase, reason="r")):
        assert_refused(
            registry, lambda verb=verb: verb("business-goal"), "nothing-to-approve", "checkpoint record"
        )


@stored
@pytest.mark.parametrize("author", [ANA, ANA.upper(), "Ana@Example.org", f" {ANA} "])
def test_the_author_can_neither_approve_nor_reject(registry: Registry, author: str) -> None:
    state_goal(registry)
    registry.checkpoint.record("business-goal", summary="s")
    own = registry.acting_as(author).approval
    for verb in (lambda: own.grant("business-goal"), lambda: own.reject("business-goal", reason="r")):
        assert_refused(registry, verb, "own-checkpoint", "checkpoint-1", kind=Refused)
    registry.acting_as(BO).approval.grant("business-goal")
    assert unmet(registry, "business-goal") == {}


@stored
def test_a_phase_that_is_not_in_order_cannot_be_approved(registry: Registry) -> None:
    registry.checkpoint.record("business-goal", summary="s")
    grant = registry.acting_as(BO).approval.grant
    words = ["The business goal is stated", "At least one KPI", "crisplens goal set"]
    assert_refused(registry, lambda: grant("business-goal"), "gate-blocked", *words, kind=Refused)
    state_goal(registry)
    registry.checkpoint.record("business-goal", controls={"BG-1": ("not-met", "nobody asked")})
    assert_refused(registry, lambda: grant("business-goal"), "gate-blocked", "BG-1", kind=Refused)


@stored
def test_a_rejection_closes_the_gate_until_another_approval(first_cycle: Registry) -> None:
    other = first_cycle.acting_as(BO)
    rejected = other.approval.reject("business-goal", reason="on second thoughts")
    assert (rejected.decision, rejected.reason) == ("rejected", "on second thoughts")
    assert "on second thoughts" in unmet(first_cycle, "business-goal")["approved"]
    other.approval.grant("business-goal")
    assert unmet(first_cycle, "business-goal") == {}


@stored
def test_a_stale_approval_can_be_renewed(first_cycle: Registry) -> None:
    first_cycle.kpi.set("auc", target="0.79", baseline="0.71")
    assert "stale" in unmet(first_cycle, "evaluation")["approved"]
    first_cycle.acting_as(BO).approval.grant("evaluation")
    assert unmet(first_cycle, "evaluation") == {}


@stored
def test_production_needs_an_open_gate_and_staging_needs_none(registry: Registry, files: Files) -> None:
    state_goal(registry)
    train(registry, files, 1)
    refused = assert_refused(registry, lambda: deploy(registry), "gate-blocked", "churn-gbm@1", kind=Refused)
    assert "Someone other than its author" in refused.message
    staged = deploy(registry, environment="staging")
    assert [(gate.subject, gate.open) for gate in staged.gates] == [("churn-gbm@1", False)]
    registry.checkpoint.record("evaluation", summary="s")
    assert_refused(registry, lambda: deploy(registry), "gate-blocked", kind=Refused)
    registry.acting_as(BO).approval.grant("evaluation")
    deployed = deploy(registry)
    assert [(gate.subject, gate.open, gate.unmet) for gate in deployed.gates] == [("churn-gbm@1", True, ())]
    assert [one.id for one in registry.deployment.list()] == ["deployment-1", "deployment-2"]


@stored
def test_every_variant_in_production_must_be_approved(first_cycle: Registry, files: Files) -> None:
    train(first_cycle, files, 2)
    variants = {"challenger": ("churn-gbm@2", "12.5")}
    assert_refused(first_cycle, lambda: deploy(first_cycle, variants=variants), "gate-blocked", "churn-gbm@2")
    pass_phase(first_cycle, "evaluation", model="churn-gbm@2")
    shares = [(one.name, one.traffic) for one in deploy(first_cycle, variants=variants).variants]
    assert shares == [("main", "87.5"), ("challenger", "12.5")]


@stored
def test_a_version_that_misses_a_target_stays_out_of_production(first_cycle: Registry, files: Files) -> None:
    train(first_cycle, files, 2, auc=0.7)
    first_cycle.checkpoint.record("evaluation", summary="s")
    assert_refused(
        first_cycle, lambda: first_cycle.acting_as(BO).approval.grant("evaluation"), "gate-blocked", "missed"
    )
    assert_refused(first_cycle, lambda: deploy(first_cycle, "churn-gbm@2"), "gate-blocked", "missed")


@stored
def test_production_can_go_back_to_an_earlier_approved_version(first_cycle: Registry, files: Files) -> None:
    first_cycle.cycle.open(reason="retrain")
    train(first_cycle, files, 2)
    pass_phase(first_cycle, "evaluation")
    deploy(first_cycle, "churn-gbm@2")
    back = deploy(first_cycle, "churn-gbm@1", note="rollback")
    assert back.gates[0].open
    assert str(back.variants[0].model) == "churn-gbm@1"


@stored
def test_cycles_count_on_from_the_project_s_first(story: Registry) -> None:
    cycles = story.cycle.list()
    assert [(one.number, one.from_phase, one.trigger) for one in cycles] == [
        (1, "business-goal", None),
        (2, "data-collection", "trigger-1"),
        (3, "data-collection", None),
    ]
    assert cycles[1].reason == story.trigger.list()[0].reason
    assert story.checkpoint.record("data-collection", summary="s").cycle == 3
