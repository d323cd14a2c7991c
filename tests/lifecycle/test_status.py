"""Where a project stands: phase by phase, and what to do next, by whom and with which command."""

from __future__ import annotations

import importlib
import shlex
from typing import Any

import click
import pytest

from crisplens.api import Registry
from crisplens.cli.main import COMMANDS
from crisplens.core import clock
from crisplens.core.dates import day_after, day_of
from crisplens.core.errors import InputError
from crisplens.lifecycle.model import ApprovalState
from crisplens.lifecycle.phases import list_phases
from crisplens.lifecycle.status import NextStep, PhaseStanding, ProjectStatus
from tests.conftest import ANA, BO, CI, Files, assert_refused, pass_phase, state_goal, train

pytestmark = [pytest.mark.stored, pytest.mark.parametrize("databases", ["sqlite"], indirect=True)]

PHASES = [phase.id for phase in list_phases()]
CY = "cy@example.org"
TOMORROW = day_after(day_of(clock.now()))


def standing(registry: Registry, phase: str) -> str:
    """How one phase stands."""
    return next(one.state.value for one in registry.status.show().phases if one.phase == phase)


def steps(registry: Registry) -> list[tuple[str, str, str]]:
    """What to do next, by whom, and the command."""
    return [(one.what, one.who, one.command) for one in registry.status.show().next_steps]


def test_a_new_project_has_everything_before_it(registry: Registry) -> None:
    status = registry.status.show()
    assert (status.project, status.title, status.owner, status.risk) == ("churn", "Churn", ANA, "medium")
    assert (status.policy, status.cycle, status.cycle_state) == ("standard@1", 1, "open")
    assert [(one.phase, one.state) for one in status.phases] == [
        (phase, PhaseStanding.NOT_STARTED) for phase in PHASES
    ]
    assert (status.stale, status.requests, status.overrides) == ((), (), ())
    assert not status.in_order
    for step in status.next_steps:
        assert step.what.startswith("business-goal: ")
        assert step.who == ANA
    assert status.next_steps[0].command.startswith("crisplens goal set ")


def test_a_phase_goes_from_blocked_to_waiting_to_approved(registry: Registry) -> None:
    registry.checkpoint.record("business-goal", summary="as it is")
    assert standing(registry, "business-goal") == "blocked"
    state_goal(registry)
    assert standing(registry, "business-goal") == "waiting-for-approval"
    assert steps(registry) == [
        (
            "business-goal: approve it",
            f"someone other than {ANA}",
            "crisplens approval grant business-goal --actor SOMEONE-ELSE",
        )
    ]
    registry.acting_as(BO).approval.grant("business-goal")
    assert standing(registry, "business-goal") == "approved"
    assert {one[0].partition(":")[0] for one in steps(registry)} == {"problem-framing"}


@pytest.mark.parametrize("decide", ["reject", "request_changes"])
def test_a_phase_that_someone_is_against_is_blocked(registry: Registry, decide: str) -> None:
    state_goal(registry)
    registry.checkpoint.record("business-goal", summary="as it is")
    getattr(registry.acting_as(BO).approval, decide)("business-goal", reason="no")
    assert standing(registry, "business-goal") == "blocked"
    what, who, command = steps(registry)[0]
    assert what == "business-goal: state it anew, or have it approved as it is now"
    assert (who, command) == (ANA, "crisplens checkpoint record business-goal --control …")


def test_who_approves_is_who_was_asked_or_holds_the_role(registry: Registry) -> None:
    state_goal(registry)
    registry.checkpoint.record("business-goal", summary="as it is")
    registry.role.grant(ANA, "administrator")
    registry.role.grant(BO, "approver")
    registry.role.grant(CY, "approver", phases=["business-goal"])
    registry.role.grant(CI, "approver", phases=["monitoring"])
    assert steps(registry)[-1][1] == f"{BO} or {CY}"
    registry.role.withdraw("role-2", reason="left")
    assert steps(registry)[-1][1] == CY
    asked = registry.approval.request("business-goal", approvers=[CY, "dee@example.org"])
    assert steps(registry)[-1][1] == f"{CY}, dee@example.org"
    assert registry.status.show().requests == (asked.id,)
    # What was asked for is not what there is: it is asked for anew.
    registry.kpi.set("f1", target="0.4", baseline="0.3")
    assert steps(registry) == [
        ("business-goal: ask for approval", ANA, "crisplens approval request business-goal")
    ]


def test_a_policy_that_wants_requests_has_them_made_first(registry: Registry, files: Files) -> None:
    policy = "policy: house\nversion: 1\ntitle: H\nphases: {business-goal: {approvals: {requested: true}}}\n"
    registry.policy.adopt(files.text(policy, "house.yaml"))
    state_goal(registry)
    registry.checkpoint.record("business-goal", summary="as it is")
    assert steps(registry) == [
        ("business-goal: ask for approval", ANA, "crisplens approval request business-goal")
    ]


def test_phases_that_the_policy_does_not_ask_for_are_in_order(bare: Registry) -> None:
    bare.project.add("churn", risk="low")
    states = {one.phase: one.state.value for one in bare.status.show().phases}
    assert {phase for phase, state in states.items() if state == "not-required"} == {
        "problem-framing",
        "data-preparation",
        "data-analysis",
        "feature-engineering",
    }


def test_when_all_is_in_order_the_cycle_is_closed_next(first_cycle: Registry) -> None:
    status = first_cycle.status.show()
    assert status.in_order
    assert {one.state for one in status.phases} == {PhaseStanding.APPROVED}
    assert status.next_steps == (
        NextStep(what="close cycle 1: all its gates are open", who=ANA, command="crisplens cycle close"),
    )
    first_cycle.cycle.close()
    status = first_cycle.status.show()
    assert (status.cycle_state, status.next_steps, status.in_order) == ("closed", (), True)


def test_inherited_phases_are_said_to_be(first_cycle: Registry) -> None:
    first_cycle.cycle.open(from_phase="evaluation", reason="yearly")
    status = first_cycle.status.show()
    assert (status.cycle, status.from_phase) == (2, "evaluation")
    start = PHASES.index("evaluation")
    assert [one.inherited for one in status.phases] == [True] * start + [False] * (len(PHASES) - start)
    assert [one.state.value for one in status.phases] == ["approved"] * start + ["not-started"] * (
        len(PHASES) - start
    )


def test_an_alarm_asks_for_a_cycle_before_anything_else(first_cycle: Registry, files: Files) -> None:
    first_cycle.acting_as(CI).monitor.run("nightly", current=str(files.table("live-2.csv", shift=40)))
    status = first_cycle.status.show()
    assert status.open_triggers == ("trigger-1",)
    assert status.open_incidents == ("incident-1",)
    first = status.next_steps[0]
    assert first.what == "trigger-1 asks for churn-gbm to be retrained"
    assert (first.who, first.command) == (ANA, "crisplens cycle open --trigger trigger-1")
    first_cycle.acting_as(BO).trigger.acknowledge("trigger-1", note="mine")
    assert steps(first_cycle)[0][1] == BO
    first_cycle.cycle.open(trigger="trigger-1")
    assert "trigger-1" not in steps(first_cycle)[0][0]


def test_overdue_risks_and_overrides_wait_for_their_review(first_cycle: Registry, files: Files) -> None:
    given = {"likelihood": "rare", "impact": "minor"}
    first_cycle.risk.add("Late labels", review_by="2026-01-31", owner=CY, **given)
    first_cycle.risk.add("Lost rows", review_by="2099-01-31", **given)
    train(first_cycle, files, 2)
    first_cycle.role.grant(ANA, "administrator")
    first_cycle.override.grant("evaluation", reason="x", role="administrator", until=TOMORROW)
    status = first_cycle.status.show()
    assert status.overdue_risks == ("risk-1",)
    assert not status.in_order
    override, risk = status.next_steps[:2]
    assert override.what == "review the override override-1 of evaluation"
    assert override.who == f"someone other than {ANA}"
    assert override.command == "crisplens override review override-1 --outcome justified --note …"
    assert (risk.what, risk.who) == ("review risk-1, due 2026-01-31: Late labels", CY)
    assert risk.command == "crisplens risk review risk-1 --note …"
    first_cycle.role.grant(BO, "auditor")
    assert first_cycle.status.show().next_steps[0].who == BO
    first_cycle.acting_as(BO).override.review("override-1", outcome="justified", note="so it was")
    assert first_cycle.status.show().next_steps[0].what.startswith("review risk-1")


def test_an_override_does_not_make_a_phase_approved(first_cycle: Registry) -> None:
    first_cycle.role.grant(ANA, "administrator")
    first_cycle.checkpoint.record("monitoring", summary="again")
    first_cycle.override.grant("monitoring", reason="x", role="administrator", until=TOMORROW)
    phase = first_cycle.status.show().phases[-1]
    assert (phase.state.value, phase.override) == ("waiting-for-approval", "override-1")


def agrees(registry: Registry) -> ProjectStatus:
    """The status, once it is known to say of each phase what its gate says."""
    status = registry.status.show()
    for phase, gate in zip(status.phases, registry.gate.list(), strict=True):
        assert (phase.phase, phase.subject, phase.checkpoint) == (gate.phase, gate.subject, gate.checkpoint)
        assert phase.unmet == tuple(f"{rule.title}: {rule.found}" for rule in gate.unmet)
        assert (phase.state in (PhaseStanding.APPROVED, PhaseStanding.NOT_REQUIRED)) == gate.open
        lost = {one.state for one in gate.approvals} & {ApprovalState.STALE, ApprovalState.EXPIRED}
        if lost:
            assert phase.state is not PhaseStanding.WAITING
            assert phase.phase in {one.phase for one in status.stale}
    stale = {one.approval for one in status.stale}
    assert stale <= {one.id for one in registry.approval.list()}
    return status


def test_nothing_stale_is_shown_as_approved_at_any_time_of_the_story(story: Registry) -> None:
    size = story.audit.head().size
    for point in [*range(0, size - 1, 9), size - 1]:
        with story.as_of(point) as then:
            if then.project.list():
                agrees(then)


@pytest.mark.parametrize("policy", ["light", "standard", "high-risk"])
def test_what_to_do_next_can_be_done(first_cycle: Registry, files: Files, policy: str) -> None:
    first_cycle.policy.adopt("light" if policy != "light" else "high-risk")
    first_cycle.policy.adopt(policy)
    first_cycle.cycle.open(from_phase="business-goal", reason="yearly")
    for phase in PHASES:
        for step in first_cycle.status.show().next_steps:
            assert step.who
            assert command_of(step.command), step.command
        if policy == "standard":
            pass_phase(first_cycle, phase, evidence=[files.text(f"notes on {phase} again")])
    if policy == "standard":
        assert agrees(first_cycle).in_order


def command_of(text: str) -> click.Command:
    """The command that a text begins with; its options are known to be that command's."""
    words = shlex.split(text)
    assert words[0] == "crisplens", text
    module, attribute, _ = COMMANDS[words[1]]
    found: Any = getattr(importlib.import_module(f"crisplens.cli.{module}"), attribute)
    rest = words[2:]
    while isinstance(found, click.Group):
        found, rest = found.commands[rest[0]], rest[1:]
    known = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= known, text
    return found


def test_what_to_do_about_lost_evidence_is_a_command(first_cycle: Registry) -> None:
    store = first_cycle.configuration.open_evidence()
    store.remove(first_cycle.evidence.show("evaluation.md").digest)
    first_cycle.evidence.check()
    for step in first_cycle.status.show().next_steps:
        command_of(step.command)


def test_an_unknown_project_has_no_status(registry: Registry) -> None:
    other = registry.on_project("chrun")
    assert_refused(registry, lambda: other.status.show(), "unknown-name", "churn", kind=InputError)
