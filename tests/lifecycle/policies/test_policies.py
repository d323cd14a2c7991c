"""Policies in force: which one judges a project, what it demands, and what adopting another one leaves standing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core.errors import InputError, Refused
from crisplens.lifecycle.model import ApprovalState
from crisplens.lifecycle.phases import list_phases
from crisplens.lifecycle.policies.service import policy_digest
from crisplens.lifecycle.policies.shipped import shipped_names, shipped_policy
from tests.conftest import ANA, BO, LOG_NAME, Files, SshPerson, assert_refused, pass_phase, state_goal, unmet

pytestmark = pytest.mark.stored

HEAD = "policy: house\nversion: 1\ntitle: House\n"
PHASES = [phase.id for phase in list_phases()]
Write = Callable[..., Path]


@pytest.fixture
def policy(files: Files) -> Write:
    """Writes a policy of the house."""

    def write(rest: str = "", *, version: int = 1) -> Path:
        return files.text(HEAD.replace("version: 1", f"version: {version}") + rest, f"house-{version}.yaml")

    return write


def opened(registry: Registry) -> set[str]:
    """The phases whose gates are open."""
    return {gate.phase for gate in registry.gate.list() if gate.open}


@pytest.mark.parametrize(
    ("given", "ref"),
    [
        ({"risk": "low"}, "light@1"),
        ({}, "standard@1"),
        ({"risk": "medium"}, "standard@1"),
        ({"risk": "high"}, "high-risk@1"),
        ({"risk": "high", "policy": "light"}, "light@1"),
        ({"policy": "high-risk@1"}, "high-risk@1"),
    ],
)
def test_a_project_s_risk_chooses_its_policy_unless_one_is_named(
    bare: Registry, given: dict[str, str], ref: str
) -> None:
    bare.project.add("churn", **given)
    assert bare.policy.show() == shipped_policy(ref)
    assert {gate.policy for gate in bare.gate.list()} == {ref}
    assert [one.policy for one in bare.policy.list() if one.in_force] == [ref]
    assert bare.policy.adoptions() == []


@pytest.mark.parametrize("name", ["ligth", "standard@2", "house"])
def test_a_project_begins_under_a_shipped_policy(bare: Registry, name: str) -> None:
    assert_refused(bare, lambda: bare.project.add("churn", policy=name), "unknown-name", kind=InputError)


def test_a_shipped_policy_is_adopted_by_its_name(registry: Registry) -> None:
    adopted = registry.policy.adopt("light", reason="a small one")
    assert (adopted.id, adopted.ref, adopted.reason) == ("policy-1", "light@1", "a small one")
    assert adopted.digest == policy_digest(shipped_policy("light@1"))
    assert registry.policy.adoptions() == [adopted]
    assert registry.gate.check("evaluation").policy == "light@1"
    listed = {one.policy: one for one in registry.policy.list()}
    assert set(listed) == set(shipped_names())
    light = listed["light@1"]
    assert (light.in_force, light.origin, light.adopted_by, light.seq) == (True, "shipped", ANA, adopted.seq)
    assert listed["standard@1"].adopted_by is None
    registry.policy.adopt("standard@1")
    assert registry.policy.show().ref == "standard@1"
    assert registry.audit.verify().passed


def test_a_file_s_policy_is_adopted_and_known_by_its_name_from_then_on(
    registry: Registry, policy: Write
) -> None:
    registry.policy.adopt(policy("extends: light@1\n"))
    registry.policy.adopt(policy("extends: light@1\n", version=2))
    registry.policy.adopt("standard")
    (listed,) = (one for one in registry.policy.list() if one.policy == "house@1")
    assert (listed.origin, listed.in_force, listed.title) == ("own", False, "House")
    assert registry.policy.show("house@1").version == 1
    assert registry.policy.show("house").version == 2
    assert registry.policy.show("light").ref == "light@1"
    assert registry.policy.adopt("house@1").id == "policy-4"
    assert registry.gate.check("monitoring").policy == "house@1"
    assert_refused(registry, lambda: registry.policy.show("hose@1"), "unknown-name", "house@1")
    assert registry.audit.verify().passed


def test_a_policy_in_json_is_adopted_too(registry: Registry, files: Files) -> None:
    file = files.text('{"policy": "house", "version": 3, "title": "House"}', "house.json")
    assert registry.policy.adopt(str(file)).ref == "house@3"


@pytest.mark.parametrize(
    ("given", "kind", "slug", "words"),
    [
        ("standard", InputError, "exists", ["standard@1 is in force already"]),
        ("standard@1", InputError, "exists", ["standard@1"]),
        ("stadnard", InputError, "unknown-name", ["no policy named 'stadnard'", "Shipped: high-risk@1"]),
        ("standard@9", InputError, "unknown-name", ["standard@9"]),
        ("none.yaml", InputError, "unreadable-file", ["cannot read none.yaml"]),
        ("a\0b", InputError, "unknown-name", ["no policy named"]),
    ],
)
def test_what_cannot_be_adopted(
    registry: Registry, given: str, kind: Any, slug: str, words: list[str]
) -> None:
    assert_refused(registry, lambda: registry.policy.adopt(given), slug, *words, kind=kind)


@pytest.mark.parametrize("given", ["a" * 300, "a\0b.yaml"])
def test_names_that_no_file_can_have(registry: Registry, given: str) -> None:
    assert_refused(
        registry, lambda: registry.policy.adopt(given), ("unknown-name", "unreadable-file"), kind=InputError
    )


def test_a_faulty_file_is_not_adopted(registry: Registry, policy: Write) -> None:
    file = policy("phases:\n  evaluatoin: {}\n")
    for use in (registry.policy.adopt, registry.policy.check, registry.policy.test):
        assert_refused(
            registry,
            lambda use=use: use(file),
            "bad-document",
            "house-1.yaml, line 5, column 3",
            "Did you mean evaluation",
            kind=InputError,
        )


def test_a_version_never_changes(registry: Registry, files: Files, policy: Write) -> None:
    registry.policy.adopt(policy())
    changed = policy("description: other\n")
    assert_refused(
        registry,
        lambda: registry.policy.adopt(changed),
        "version-taken",
        "house@1 was adopted on",
        "raise it to 2",
        kind=Refused,
    )
    registry.policy.adopt("light")
    assert_refused(registry, lambda: registry.policy.adopt(changed), "version-taken", kind=Refused)
    light = files.text("policy: light\nversion: 1\ntitle: Ours\n", "light.yaml")
    assert_refused(
        registry,
        lambda: registry.policy.adopt(light),
        "version-taken",
        "light@1 is shipped with crisplens",
        kind=Refused,
    )
    # The same content is the same version.
    assert registry.policy.adopt(policy()).ref == "house@1"
    assert_refused(registry, lambda: registry.policy.adopt(policy()), "exists", kind=InputError)


def test_a_shipped_policy_may_come_from_a_file_of_the_same_content(registry: Registry, files: Files) -> None:
    text = registry.policy.to_yaml(shipped_policy("light@1"))
    assert registry.policy.adopt(files.text(text, "light.yaml")).ref == "light@1"


EXAMPLES = """\
phases:
  evaluation:
    controls: [{id: EV-1}]
    evidence: [{kind: test-report}]
    metrics: [{name: auc, at-least: 1}]
    conditions:
      - {id: late, title: It is late, expression: "now > timestamp('2026-02-01T00:00:00Z')"}
examples:
  - name: nothing is there
    phase: evaluation
    unmet: ["control:EV-1", "evidence:test-report", "metric:auc", late]
  - name: all is there
    phase: evaluation
    given:
      now: 2026-03-01
      checkpoint.answers: {EV-1: met}
      checkpoint.evidence: [test-report]
      evaluation.metrics: {auc: 1}
"""


def test_the_examples_in_a_policy_are_run(registry: Registry, policy: Write) -> None:
    told = registry.policy.test(policy(EXAMPLES))
    assert (told.policy, told.passed) == ("house@1", True)
    first, second = told.examples
    assert first.passed
    assert first.unmet == ("control:EV-1", "evidence:test-report", "metric:auc", "late")
    assert first.reasons[:3] == (
        "control:EV-1: not answered",
        "evidence:test-report: none",
        "metric:auc: overall: not measured",
    )
    assert (second.passed, second.unmet) == (True, ())
    assert registry.policy.adopt(policy(EXAMPLES)).ref == "house@1"


def test_a_policy_whose_example_fails_is_not_adopted(registry: Registry, policy: Write) -> None:
    file = policy(EXAMPLES.replace("auc: 1}\n", "auc: 0.9}\n"))
    told = registry.policy.test(file)
    assert [one.passed for one in told.examples] == [True, False]
    assert not told.passed
    assert told.examples[1].reasons == ("metric:auc: overall: 0.9",)
    assert_refused(
        registry,
        lambda: registry.policy.adopt(file),
        "policy-example",
        "fails its own example 'all is there'",
        "policy test",
        kind=Refused,
    )
    assert registry.policy.show().ref == "standard@1"


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_policies_pass_their_own_examples(registry: Registry, files: Files, name: str) -> None:
    text = registry.policy.to_yaml(shipped_policy(name))
    assert registry.policy.test(files.text(text, "shipped.yaml")).passed


@pytest.mark.parametrize(
    "given",
    [
        "{checkpoint.answers: 3}",
        "{checkpoint.evidence: 3}",
        "{evaluation.metrics: {auc: high}}",
        "{goal.stated: null}",
        "{risks.open: {a: 1}}",
        "{now: tomorrow}",
        "{model.version: 99999999999999999999}",
    ],
)
def test_what_an_example_gives_is_of_the_view_s_types(registry: Registry, policy: Write, given: str) -> None:
    demands = EXAMPLES.partition("examples:")[0]
    file = policy(f"{demands}examples:\n  - {{name: x, phase: evaluation, given: {given}, unmet: [late]}}\n")
    assert_refused(registry, lambda: registry.policy.test(file), "bad-document", "line 12", kind=InputError)


def test_what_canonical_json_cannot_hold_is_not_adopted(registry: Registry, policy: Write) -> None:
    examples = "examples:\n  - {name: x, phase: evaluation, given: {model.version: 9007199254740993}}\n"
    file = policy(examples)
    assert_refused(registry, lambda: registry.policy.adopt(file), "not-exact", kind=InputError)


def test_adopting_leaves_standing_what_is_demanded_as_before(first_cycle: Registry, policy: Write) -> None:
    assert opened(first_cycle) == set(PHASES)
    file = policy("extends: standard@1\nphases:\n  evaluation:\n    metrics: [{name: auc, at-least: 0.8}]\n")
    adopted = first_cycle.policy.adopt(file)
    assert opened(first_cycle) == set(PHASES) - {"evaluation"}
    gate = first_cycle.gate.check("evaluation")
    assert [rule.rule for rule in gate.unmet] == ["approved"]
    (standing,) = (one for one in gate.approvals if one.state is not ApprovalState.SUPERSEDED)
    assert standing.state is ApprovalState.STALE
    (cause,) = standing.causes
    assert (cause.what, cause.seq) == ("the policy for evaluation", adopted.seq)
    assert cause.said == "the policy for evaluation has changed since"
    assert cause.path == ("the policy for evaluation", f"{gate.checkpoint} (evaluation)")
    # Approved under these demands, it stands under any version that demands the same.
    first_cycle.acting_as(BO).approval.grant("evaluation")
    text = file.read_text(encoding="utf-8").partition("extends")[2]
    first_cycle.policy.adopt(policy(f"extends{text}doors: {{cycle: []}}\n", version=2))
    assert opened(first_cycle) == set(PHASES)
    first_cycle.policy.adopt("standard")
    assert "the policy for evaluation has changed" in unmet(first_cycle, "evaluation")["approved"]
    assert opened(first_cycle) == set(PHASES) - {"evaluation"}
    assert first_cycle.audit.verify().passed


def test_what_a_policy_no_longer_asks_for_is_open(first_cycle: Registry, policy: Write) -> None:
    first_cycle.kpi.set("auc", target="0.99", baseline="0.71")
    assert not first_cycle.gate.check("evaluation").open
    first_cycle.policy.adopt(policy("phases: {evaluation: {required: false}}\n"))
    gate = first_cycle.gate.check("evaluation")
    assert gate.open
    assert [rule.rule for rule in gate.rules] == ["not-required"]
    assert (gate.basis, gate.approvals) == ({}, ())
    first_cycle.policy.adopt(policy("phases: {evaluation: {rules: [evaluated-on-unseen-data]}}\n", version=2))
    assert [rule.rule for rule in first_cycle.gate.check("evaluation").rules] == [
        "evaluated-on-unseen-data",
        "checkpoint-recorded",
        "no-control-not-met",
        "approved",
    ]
    assert "the policy for evaluation" in unmet(first_cycle, "evaluation")["approved"]


DEMANDS: dict[str, tuple[str, str, str, str]] = {
    "a control": (
        "controls: [{id: EV-2}]",
        "control:EV-2",
        "not answered",
        "crisplens checkpoint record evaluation --control EV-2=met:REASON",
    ),
    "a control answered in one of several ways": (
        "controls: [{id: EV-2, answers: [not-applicable, partial]}]",
        "control:EV-2",
        "not answered",
        "--control EV-2=not-applicable:REASON",
    ),
    "another catalogue's control": (
        "controls: [{id: 'eu-ai-act:AIV-3'}]",
        "control:eu-ai-act:AIV-3",
        "not answered",
        "--control eu-ai-act:AIV-3=met:REASON",
    ),
    "evidence": (
        "evidence: [{kind: test-report, count: 2}]",
        "evidence:test-report",
        "none",
        "--evidence test-report=FILE",
    ),
    "a metric": (
        "metrics: [{name: auc, at-least: 0.9, at-most: 1}]",
        "metric:auc",
        "overall: 0.83",
        "train a version",
    ),
    "a metric at most": (
        "metrics: [{name: latency_ms, at-most: 90}]",
        "metric:latency_ms",
        "overall: 96.5",
        "",
    ),
    "a metric that is not measured": ("metrics: [{name: f1}]", "metric:f1", "overall: not measured", ""),
    "a metric in every slice": (
        "metrics: [{name: auc, at-least: 0.8, every-slice: true}]",
        "metric:auc",
        "plan=free: 0.78",
        "",
    ),
    "a metric that a slice lacks": (
        "metrics: [{name: latency_ms, every-slice: true}]",
        "metric:latency_ms",
        "plan=free: not measured",
        "",
    ),
    "a condition": (
        "conditions: [{id: risks, title: Risks, expression: size(risks.open) > 0, remedy: add one}]",
        "risks",
        "it does not hold: size(risks.open) > 0",
        "add one",
    ),
    "a condition on what is missing": (
        "conditions: [{id: f1, title: F1, expression: \"evaluation.metrics['f1'] > 0.5\"}]",
        "f1",
        'Key not found in map : "f1"',
        "see the policy",
    ),
}


@pytest.mark.parametrize("demand", DEMANDS)
def test_what_a_policy_demands_is_a_rule_with_a_remedy(
    first_cycle: Registry, policy: Write, demand: str
) -> None:
    text, rule, found, remedy = DEMANDS[demand]
    first_cycle.policy.adopt(policy(f"phases:\n  evaluation:\n    {text}\n"))
    (told,) = (one for one in first_cycle.gate.check("evaluation").unmet if one.rule != "approved")
    assert (told.rule, told.found) == (rule, found)
    assert told.title
    assert remedy in told.remedy
    assert_refused(
        first_cycle,
        lambda: first_cycle.acting_as(BO).approval.grant("evaluation"),
        "gate-blocked",
        told.title,
        told.found,
        kind=Refused,
    )


def test_demands_that_are_met_say_what_meets_them(first_cycle: Registry, files: Files, policy: Write) -> None:
    first_cycle.policy.adopt(
        policy(
            "phases:\n  evaluation:\n"
            "    controls: [{id: EV-2, answers: [met, partial]}]\n"
            "    evidence: [{kind: test-report}]\n"
            "    metrics: [{name: auc, at-least: 0.77, every-slice: true}]\n"
            "    conditions: [{id: later, title: L, expression: cycle.number > 1, when: cycle.number > 5}]\n"
        )
    )
    pass_phase(
        first_cycle,
        "evaluation",
        controls={"ev-2": ("partial", "nearly")},
        evidence=[f"test-report={files.text('all fine')}"],
        model="churn-gbm@1",
    )
    found = {one.rule: (one.title, one.found) for one in first_cycle.gate.check("evaluation").rules}
    assert found["control:EV-2"] == ("EV-2 is answered met or partial", "partial")
    assert found["evidence:test-report"] == ("The checkpoint carries a test-report", "1")
    assert found["metric:auc"] == ("auc is at least 0.77 in every slice", "0.83 in every slice")
    assert found["later"] == ("L", "does not apply")
    assert unmet(first_cycle, "evaluation") == {}
    assert first_cycle.audit.verify().passed


def test_every_slice_asks_for_slices(first_cycle: Registry, policy: Write) -> None:
    metrics = {"auc": 0.9, "latency_ms": 90}
    first_cycle.evaluation.record("churn-gbm@1", dataset="holdout@1", metrics=metrics)
    first_cycle.policy.adopt(policy("phases: {evaluation: {metrics: [{name: auc, every-slice: true}]}}\n"))
    assert unmet(first_cycle, "evaluation")["metric:auc"] == "no slice was evaluated"


def test_answers_to_mapped_controls_meet_a_demand_when_all_its_topics_have_one(
    registry: Registry, policy: Write
) -> None:
    registry.policy.adopt(policy("phases: {problem-framing: {controls: [{id: 'crisp-dm:CRISP-1.3'}]}}\n"))
    rule = "control:crisp-dm:CRISP-1.3"
    registry.checkpoint.record("problem-framing", controls={"PF-1": ("met", "x")})
    assert unmet(registry, "problem-framing")[rule] == "not answered"
    registry.checkpoint.record("problem-framing", controls={"PF-1": ("met", "x"), "PF-3": ("partial", "y")})
    assert unmet(registry, "problem-framing")[rule] == "partial, by the answer to PF-3, PF-1"
    registry.checkpoint.record("problem-framing", controls={"PF-1": ("met", "x"), "PF-3": ("met", "y")})
    assert rule not in unmet(registry, "problem-framing")


def test_what_a_condition_looked_at_is_what_an_approval_rests_on(
    first_cycle: Registry, policy: Write
) -> None:
    condition = "{id: risks, title: R, expression: size(risks.unmitigated) == 0}"
    first_cycle.policy.adopt(policy(f"phases: {{monitoring: {{conditions: [{condition}]}}}}\n"))
    first_cycle.acting_as(BO).approval.grant("monitoring")
    assert unmet(first_cycle, "monitoring") == {}
    given = {"likelihood": "rare", "impact": "minor", "review_by": "2099-01-01", "mitigation": "watched"}
    risk = first_cycle.risk.add("Labels come late", **given)
    assert f"{risk.id} was recorded since" in unmet(first_cycle, "monitoring")["approved"]
    assert unmet(first_cycle, "evaluation") == {}


def test_reasons_are_asked_for_also_beside_evidence(registry: Registry, files: Files, policy: Write) -> None:
    state_goal(registry)
    given = {"controls": {"BG-1": "met"}, "evidence": [files.text("minutes")]}
    registry.checkpoint.record("business-goal", **given)
    registry.policy.adopt(policy("phases: {business-goal: {reasons: true}}\n"))
    assert_refused(
        registry,
        lambda: registry.checkpoint.record("business-goal", **given),
        "no-reason",
        "BG-1 is answered met without a reason, which house@1 demands of business-goal",
        kind=InputError,
    )
    registry.checkpoint.record("business-goal", controls={"BG-1": ("met", "asked")})
    registry.checkpoint.record("problem-framing", controls={"PF-1": "met"}, evidence=[files.text("x")])


def test_a_policy_may_ask_for_signatures(registry: Registry, policy: Write) -> None:
    state_goal(registry)
    registry.key.generate(LOG_NAME)
    registry.key.trust(SshPerson(BO).public, owner=BO)
    registry.policy.adopt(policy("phases: {business-goal: {approvals: {signed: true}}}\n"))
    registry.checkpoint.record("business-goal", summary="as it is")
    bo = registry.acting_as(BO)
    assert_refused(
        bo, lambda: bo.approval.grant("business-goal"), "signature-demanded", "--sign", kind=Refused
    )
    assert "--sign KEY" in registry.gate.check("business-goal").unmet[-1].remedy
    SshPerson(BO).approve(bo, "business-goal")
    assert unmet(registry, "business-goal") == {}
    assert registry.audit.verify().passed


def test_the_author_may_approve_where_the_policy_lets_them(registry: Registry, policy: Write) -> None:
    state_goal(registry)
    registry.checkpoint.record("business-goal", summary="as it is")
    assert_refused(registry, lambda: registry.approval.grant("business-goal"), "own-checkpoint", kind=Refused)
    registry.policy.adopt(policy("phases: {business-goal: {approvals: {author-excluded: false}}}\n"))
    registry.approval.grant("business-goal")
    assert unmet(registry, "business-goal") == {}


def test_where_no_approval_is_demanded_a_checkpoint_is_enough(registry: Registry, policy: Write) -> None:
    state_goal(registry)
    registry.policy.adopt(policy("phases: {business-goal: {approvals: {count: 0}}}\n"))
    assert unmet(registry, "business-goal") == {"checkpoint-recorded": "none in cycle 1"}
    registry.checkpoint.record("business-goal", summary="as it is")
    assert unmet(registry, "business-goal") == {}
    bo = registry.acting_as(BO)
    bo.approval.reject("business-goal", reason="no")
    assert unmet(registry, "business-goal")["approved"] == f"{BO} rejected checkpoint-1: no"


def test_a_policy_is_one_project_s(registry: Registry, policy: Write) -> None:
    other = registry.on_project("other")
    other.project.add("other", risk="low")
    registry.policy.adopt(policy())
    assert other.policy.show().ref == "light@1"
    assert_refused(other, lambda: other.policy.show("house"), "unknown-name")
    assert [one.id for one in other.policy.adoptions()] == []


def test_the_past_is_judged_by_the_policy_of_its_time(first_cycle: Registry, policy: Write) -> None:
    before = first_cycle.audit.head().size - 1
    first_cycle.policy.adopt(policy())
    with first_cycle.as_of(before) as then:
        assert then.policy.show().ref == "standard@1"
        assert then.gate.check("evaluation").policy == "standard@1"
        assert then.policy.adoptions() == []


def test_the_names_that_conditions_may_use_are_told(registry: Registry) -> None:
    assert registry.policy.names()["risks.open"].type == "list(string)"
