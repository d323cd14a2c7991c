"""Policies that users write: what is read, what is refused and where, and the way back to YAML."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisplens.core.documents import read_document
from crisplens.core.errors import InputError
from crisplens.lifecycle.catalogues.queries import answerable, find_control
from crisplens.lifecycle.model import Answer
from crisplens.lifecycle.phases import list_phases
from crisplens.lifecycle.policies.documents import read_policy, write_policy
from crisplens.lifecycle.policies.model import (
    ApprovalDemand,
    Condition,
    ControlDemand,
    Doors,
    Duty,
    EvidenceDemand,
    Example,
    MetricDemand,
    Overrides,
    PhasePolicy,
    Policy,
)
from crisplens.lifecycle.policies.service import policy_digest
from crisplens.lifecycle.policies.shipped import shipped_names, shipped_policy
from crisplens.lifecycle.policies.view import VIEW
from crisplens.lifecycle.roles.model import Role
from crisplens.lifecycle.rules import PHASE_RULES

HEAD = "policy: house\nversion: 1\ntitle: T\n"
WHOLE = f"""\
{HEAD}description: All of it.
phases:
  evaluation:
    required: true
    rules: [kpis-met]
    reasons: true
    controls:
      - id: ev-1
      - id: nist-ai-rmf:measure 2.11
        answers: [met, partial]
    evidence:
      - {{kind: test-report, count: 2}}
    metrics:
      - {{name: auc, at-least: 0.8, every-slice: true}}
      - {{name: latency_ms, at-most: 120}}
    approvals:
      count: 2
      roles: [approver, administrator]
      signed: true
      author-excluded: false
      requested: true
      expires-days: 30
    conditions:
      - id: a-risk
        title: A risk is known
        when: goal.stated
        expression: size(risks.open) > 0
        remedy: add one
  monitoring: {{required: false}}
separation: [[author, deployer], [approver, deployer]]
overrides: {{allowed: true, roles: [auditor], most-days: 2}}
doors:
  promotion: [evaluation, monitoring]
  deployment: [evaluation, deployment]
  cycle: [monitoring]
examples:
  - name: no risk
    phase: evaluation
    given: {{goal.stated: true}}
    unmet: [a-risk]
"""


def read(text: str, name: str = "p.yaml") -> Policy:
    document = read_document(text.encode(), name)
    return read_policy(document, lambda phase, id: answerable(find_control(None, id), phase).kept_id)


def refused(text: str, name: str = "p.yaml") -> InputError:
    with pytest.raises(InputError) as caught:
        read(text, name)
    assert (caught.value.slug, caught.value.exit_code) == ("bad-document", 2)
    return caught.value


def test_everything_that_a_policy_can_say_is_read() -> None:
    evaluation = PhasePolicy(
        rules=("kpis-met",),
        reasons=True,
        controls=(
            ControlDemand(id="EV-1"),
            ControlDemand(id="nist-ai-rmf:MEASURE 2.11", answers=(Answer.MET, Answer.PARTIAL)),
        ),
        evidence=(EvidenceDemand(kind="test-report", count=2),),
        metrics=(
            MetricDemand(name="auc", at_least=0.8, every_slice=True),
            MetricDemand(name="latency_ms", at_most=120),
        ),
        approvals=ApprovalDemand(
            count=2,
            roles=(Role.APPROVER, Role.ADMINISTRATOR),
            signed=True,
            author_excluded=False,
            requested=True,
            expires_days=30,
        ),
        conditions=(
            Condition(
                id="a-risk",
                title="A risk is known",
                when="goal.stated",
                expression="size(risks.open) > 0",
                remedy="add one",
            ),
        ),
    )
    example = Example(name="no risk", phase="evaluation", given={"goal.stated": True}, unmet=("a-risk",))
    assert read(WHOLE) == Policy(
        policy="house",
        version=1,
        title="T",
        description="All of it.",
        phases={"evaluation": evaluation, "monitoring": PhasePolicy(required=False)},
        separation=((Duty.AUTHOR, Duty.DEPLOYER), (Duty.APPROVER, Duty.DEPLOYER)),
        overrides=Overrides(roles=(Role.AUDITOR,), most_days=2),
        doors=Doors(
            promotion=("evaluation", "monitoring"),
            deployment=("evaluation", "deployment"),
            cycle=("monitoring",),
        ),
        examples=(example,),
    )


def test_a_policy_that_says_little_demands_the_rules_and_one_approval() -> None:
    policy = read(HEAD)
    assert policy.ref == "house@1"
    for phase in list_phases():
        assert policy.demands(phase.id) == PhasePolicy()
    assert policy.demands("evaluation").approvals == ApprovalDemand(count=1, author_excluded=True)
    assert (policy.overrides, policy.doors) == (Overrides(), Doors())
    assert not policy.separates(Duty.AUTHOR, Duty.DEPLOYER)


def test_json_says_the_same() -> None:
    policy = read(WHOLE)
    assert read(json.dumps(msgspec.to_builtins(policy)), "p.json") == policy


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_policy_written_is_read_as_it_was(name: str) -> None:
    policy = shipped_policy(name)
    again = read(write_policy(policy))
    assert again == policy
    assert policy_digest(again) == policy_digest(policy)


def test_a_policy_of_everything_written_is_read_as_it_was() -> None:
    whole = read(WHOLE)
    assert read(write_policy(whole)) == whole
    assert write_policy(read(HEAD)) == HEAD


def test_what_is_false_or_zero_is_written() -> None:
    policy = read(f"{HEAD}overrides: {{allowed: false}}\nphases: {{evaluation: {{approvals: {{count: 0}}}}}}")
    again = read(write_policy(policy))
    assert again.overrides.allowed is False
    assert again.demands("evaluation").approvals.count == 0


@pytest.mark.parametrize(
    "text",
    [
        "phases: {evaluation: {rules: []}}",
        "overrides: {allowed: false, roles: []}",
    ],
)
def test_what_is_empty_but_not_the_default_is_written_too(text: str) -> None:
    policy = read(HEAD + text)
    assert read(write_policy(policy)) == policy


@pytest.mark.parametrize("name", shipped_names())
def test_what_extends_a_policy_has_what_it_does_not_say_itself(name: str) -> None:
    base = shipped_policy(name)
    policy = read(f"{HEAD}extends: {name}\nphases:\n  monitoring:\n    reasons: true\n")
    for phase in list_phases():
        wanted = base.demands(phase.id)
        if phase.id == "monitoring":
            wanted = msgspec.structs.replace(wanted, reasons=True)
        assert policy.demands(phase.id) == wanted
    assert (policy.separation, policy.overrides, policy.doors) == (
        base.separation,
        base.overrides,
        base.doors,
    )
    assert (policy.ref, policy.examples, policy.description) == ("house@1", (), "")


def test_a_demand_that_is_given_takes_the_place_of_the_base_s_whole_demand() -> None:
    text = (
        f"{HEAD}extends: high-risk@1\nphases:\n  evaluation:\n    approvals: {{count: 3}}\n    controls: []\n"
    )
    evaluation = read(text).demands("evaluation")
    assert evaluation.approvals == ApprovalDemand(count=3)
    assert evaluation.controls == ()
    assert evaluation.conditions == shipped_policy("high-risk@1").demands("evaluation").conditions


def below(*lines: str) -> str:
    """A policy whose phase `evaluation`, from line 6 on, says this."""
    return f"{HEAD}phases:\n  evaluation:\n" + "".join(f"    {line}\n" for line in lines)


CONDITION = ("conditions:", "  - id: c", "    title: C", "    expression: goal.stated")


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", (1, 1), ["a policy is a mapping"]),
        ("- a", (1, 1), ["a policy is a mapping"]),
        ("version: 1\ntitle: T", (1, 1), ["missing required field `policy`"]),
        ("policy: a\nversion: 1", (1, 1), ["missing required field `title`"]),
        ("policy: a\nversion: one\ntitle: T", (2, 1), ["Expected `int`, got `str` (version)"]),
        ("policy: a\nversion: 1\ntitle: 3", (3, 1), ["Expected `str`, got `int` (title)"]),
        (f"{HEAD}phasess: {{}}", (4, 1), ["unknown field `phasess`"]),
        ("policy: a b\nversion: 1\ntitle: T", (1, 1), ["'a b' cannot name a policy"]),
        ("policy: a\nversion: 0\ntitle: T", (2, 1), ["0 is no version; they count from 1"]),
        ("policy: a\nversion: 1000001\ntitle: T", (2, 1), ["1000001 is no version"]),
        ("policy: a\nversion: 1\ntitle: ' '", (3, 1), ["the title is empty"]),
        (f"{HEAD}extends: standard", (4, 1), ["extends a shipped one", "Shipped: high-risk@1"]),
        (f"{HEAD}extends: [standard@1]", (4, 1), ["extends a shipped one"]),
        (f"{HEAD}extends: light@1\nphases: [a]", (5, 1), ["phases is a mapping of phases"]),
        (f"{HEAD}extends: light@1\nphases:\n  evaluation: 3", (6, 3), ["a phase is a mapping of demands"]),
        (f"{HEAD}phases:\n  evaluatoin: {{}}", (5, 3), ["no phase named", "Did you mean evaluation"]),
        (f"{HEAD}separation: [[author, author]]", (4, 14), ["kept apart from itself"]),
        (f"{HEAD}separation: [[author, judge]]", (4, 23), ["Invalid enum value 'judge'"]),
        (f"{HEAD}overrides:\n  most-days: 0", (5, 3), ["most-days is 1 or more"]),
        (f"{HEAD}overrides:\n  roles: []", (5, 3), ["name the roles that may override"]),
        (f"{HEAD}overrides:\n  roles: [boss]", (5, 11), ["Invalid enum value 'boss'"]),
        (f"{HEAD}doors:\n  cycle: [evaluation, monitorng]", (5, 23), ["Did you mean monitoring"]),
        (f"{HEAD}doors:\n  exit: []", (5, 3), ["unknown field `exit`"]),
        (below("rules: [kpis-mett]"), (6, 13), ["no rule of evaluation named", "Did you mean kpis-met?"]),
        (below("rules: [goal-stated]"), (6, 13), ["no rule of evaluation named 'goal-stated'"]),
        (below("controls:", "  - id: EV-99"), (7, 9), ["no control named 'EV-99'", "Did you mean EV-"]),
        (below("controls:", "  - {id: EV-1, answers: []}"), (7, 20), ["no answer would do"]),
        (below("evidence:", "  - kind: a b"), (7, 9), ["cannot name a kind of evidence"]),
        (below("evidence:", "  - kind: a", "    count: 0"), (8, 9), ["count is 1 to 200"]),
        (below("evidence:", "  - kind: a", "    count: 201"), (8, 9), ["count is 1 to 200"]),
        (below("metrics:", "  - {name: a, at-least: 2, at-most: 1}"), (7, 9), ["at-least is above"]),
        (below("approvals:", "  count: 21"), (7, 7), ["count is 0 to 20"]),
        (below("approvals:", "  count: -1"), (7, 7), ["count is 0 to 20"]),
        (below("approvals: {expires-days: 0}"), (6, 17), ["expires-days is 1 to 3660"]),
        (below("approvals: {expires-days: 3661}"), (6, 17), ["expires-days is 1 to 3660"]),
        (below("conditions:", "  - {id: a b, title: T, expression: goal.stated}"), (7, 10), ["cannot name"]),
        (below(*CONDITION[:2], "    title: ''", CONDITION[3]), (8, 9), ["the title is empty"]),
        (
            below(*CONDITION, *CONDITION[1:]),
            (10, 9),
            ["c is the id of another rule of this phase"],
        ),
        (below("conditions:", "  - id: approved", *CONDITION[2:]), (7, 9), ["approved is the id of another"]),
        (below("conditions:", "  - id: kpis-met", *CONDITION[2:]), (7, 9), ["kpis-met is the id of another"]),
        (
            below(*CONDITION[:3], "    expression: |", "      goal.stated &&", "        gaol.stated"),
            (9, 9),
            ["c: 'gaol.stated' is unknown; did you mean goal.stated", "line 2, column 7", "policy view"],
        ),
        (below(*CONDITION, "    when: goal.owner"), (10, 9), ["c: is string, where true or false"]),
        (below(*CONDITION[:3], "    expression: ' '"), (9, 9), ["c: is empty"]),
        (f"{HEAD}examples:\n  - {{name: a, phase: evalution}}", (5, 15), ["Did you mean evaluation"]),
        (
            f"{HEAD}examples:\n  - name: a\n    phase: evaluation\n    given:\n      goal.staated: true",
            (8, 7),
            ["no name of the view named 'goal.staated'", "Did you mean goal.stated"],
        ),
    ],
)
def test_what_is_no_policy_is_refused_with_its_place(
    text: str, place: tuple[int, int], words: list[str]
) -> None:
    error = refused(text)
    assert error.message.startswith(f"p.yaml, line {place[0]}, column {place[1]}: ")
    assert [word for word in words if word not in f"{error.message}\n{error.hint}"] == [], error.message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (below("reason: true"), "line 6, column 5"),
        (below("metrics:", "  - name: 3"), "line 7, column 9"),
        (below("metrics:", "  - at-least: 3"), "line 7, column 9"),
        (below("controls:", "  - {id: EV-1, answers: [maybe]}"), "line 7, column 30"),
    ],
)
def test_the_place_of_a_fault_within_a_phase_is_told(text: str, place: str) -> None:
    assert place in refused(text).message


@pytest.mark.parametrize(
    "text",
    [
        # A control of another phase, which no checkpoint of this one can answer.
        below("controls:", "  - id: BG-1"),
        # Two demands of one id, which contradict each other.
        below("controls:", "  - id: EV-1", "  - {id: EV-1, answers: [partial]}"),
        below("metrics:", "  - {name: ''}"),
        # The id of a rule that the gate adds by itself.
        below("conditions:", "  - id: evidence-intact", *CONDITION[2:]),
        f"{HEAD}extends: light@1\nphases: []",
    ],
)
def test_demands_that_cannot_be_met_or_told_apart_are_refused(text: str) -> None:
    refused(text)


def test_a_control_of_several_catalogues_has_to_be_named_with_its_own(monkeypatch: Any) -> None:
    def several(*_: str) -> str:
        raise InputError("'X' is a control of several catalogues", slug="unknown-name", hint="Write one.")

    document = read_document(below("controls:", "  - id: X").encode(), "p.yaml")
    with pytest.raises(InputError, match="line 7, column 9: 'X' is a control of several") as caught:
        read_policy(document, several)
    assert (caught.value.slug, caught.value.hint) == ("bad-document", "Write one.")


PHASES = st.sampled_from([phase.id for phase in list_phases()])
# Without characters that no one sees: see the test after this one.
SEEN = st.characters(exclude_categories=("C", "Zl", "Zp"))
NAMES = st.text("abcxyz019-", min_size=1, max_size=8).filter(lambda name: name[0] != "-")
METRICS = st.builds(
    MetricDemand,
    name=NAMES,
    at_least=st.none() | st.floats(-1e6, 1e6),
    every_slice=st.booleans(),
)
PARTS = st.builds(
    PhasePolicy,
    required=st.booleans(),
    reasons=st.booleans(),
    # One that any phase can answer.
    controls=st.sampled_from([(), (ControlDemand(id="nist-ai-rmf:GOVERN 1.1"),)]),
    evidence=st.lists(st.builds(EvidenceDemand, kind=NAMES, count=st.integers(1, 200)), max_size=2).map(
        tuple
    ),
    metrics=st.lists(METRICS, max_size=2).map(tuple),
    approvals=st.builds(
        ApprovalDemand,
        count=st.integers(0, 20),
        roles=st.lists(st.sampled_from(Role), unique=True, max_size=2).map(tuple),
        signed=st.booleans(),
        requested=st.booleans(),
        author_excluded=st.booleans(),
        expires_days=st.none() | st.integers(1, 3660),
    ),
    conditions=st.lists(
        st.builds(
            Condition,
            id=NAMES,
            title=NAMES,
            expression=st.just("goal.stated"),
            remedy=st.text(SEEN, max_size=9),
        ),
        unique_by=lambda one: one.id,
        max_size=2,
    ).map(tuple),
)
POLICIES = st.builds(
    Policy,
    policy=NAMES,
    version=st.integers(1, 1_000_000),
    title=st.text(SEEN, min_size=1, max_size=20).filter(str.strip),
    phases=st.dictionaries(PHASES, PARTS, max_size=3),
)


@given(POLICIES)
@settings(max_examples=60, deadline=None)
def test_any_policy_written_is_read_as_it_was(policy: Policy) -> None:
    assert read(write_policy(policy)) == policy


def test_odd_line_breaks_are_written_so_that_they_are_read() -> None:
    policy = Policy(policy="house", version=1, title="a\x85b")
    assert read(write_policy(policy)) == policy


KEYS = st.sampled_from(
    [
        "policy",
        "version",
        "title",
        "extends",
        "phases",
        "evaluation",
        "conditions",
        "examples",
        "given",
        "doors",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 10**6)
    | st.text(max_size=9)
    | st.sampled_from(shipped_names()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("extends", "phases", "examples", "doors"), VALUES)))
@settings(max_examples=150, deadline=None)
def test_anything_is_a_policy_or_a_told_error(value: dict[str, Any]) -> None:
    text = json.dumps({"policy": "a", "version": 1, "title": "T", **value})
    try:
        said = read(text, "p.json").ref
    except InputError as told:
        said = told.message
    assert said.startswith(("a@1", "p.json"))


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_policy_names_only_what_there_is(name: str) -> None:
    policy = shipped_policy(name)
    assert set(policy.phases) <= {phase.id for phase in list_phases()}
    for phase, demands in policy.phases.items():
        assert set(demands.rules or ()) <= {rule.id for rule in PHASE_RULES[phase]}
        for control in demands.controls:
            found = find_control(None, control.id)
            assert found.kept_id == control.id
            assert phase in found.control.phases
    for example in policy.examples:
        assert set(example.given) <= set(VIEW)
