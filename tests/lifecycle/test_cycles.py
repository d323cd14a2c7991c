"""Cycles: what each pass through the phases changed, how long its phases took, and how it ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from crisplens.api import Registry
from crisplens.core import clock
from crisplens.core.errors import InputError, Refused
from crisplens.lifecycle.phases import list_phases
from crisplens.lifecycle.record import load_record
from tests.conftest import ANA, BO, CI, Files, assert_refused, pass_phase, state_goal, train

pytestmark = pytest.mark.stored

PHASES = [phase.id for phase in list_phases()]
HOUSE = "policy: house\nversion: 1\ntitle: H\n"


def test_a_project_begins_with_its_first_cycle(registry: Registry) -> None:
    (story,) = registry.cycle.history()
    assert (story.number, story.from_phase, story.reason, story.trigger) == (
        1,
        PHASES[0],
        "The project began.",
        None,
    )
    assert (story.state, story.ended_at, story.closed_by, story.note) == ("open", None, None, "")
    assert (story.opened_by, story.changes) == (ANA, ())
    assert [one.phase for one in story.phases] == PHASES
    for one in story.phases:
        assert (one.inherited, one.checkpoints, one.started_at, one.approved_at, one.days) == (
            False,
            0,
            None,
            None,
            None,
        )


def test_a_cycle_is_closed_once_through_every_gate(first_cycle: Registry) -> None:
    closed = first_cycle.cycle.close(note="in use")
    assert closed == first_cycle.cycle.history()[-1]
    assert (closed.state, closed.closed_by, closed.note) == ("closed", ANA, "in use")
    assert closed.ended_at == first_cycle.audit.log()[-1].recorded_at
    with first_cycle.reading() as session:
        (end,) = load_record(session, "churn").cycle_ends
    assert [gate.phase for gate in end.gates] == PHASES
    assert {(gate.open, gate.subject, gate.policy) for gate in end.gates} == {(True, "cycle 1", "standard@1")}
    assert first_cycle.status.show().cycle_state == "closed"
    assert_refused(
        first_cycle,
        lambda: first_cycle.cycle.close(),
        "not-open",
        "cycle 1 is closed already",
        "crisplens cycle open",
        kind=InputError,
    )
    first_cycle.cycle.open(reason="yearly")
    assert [one.state for one in first_cycle.cycle.history()] == ["closed", "open"]
    assert first_cycle.audit.verify().passed


def test_a_cycle_whose_gates_are_blocked_is_not_closed(registry: Registry) -> None:
    error = assert_refused(
        registry,
        lambda: registry.cycle.close(),
        "gate-blocked",
        "cycle 1 cannot be closed: 10 of its 10 gates are blocked",
        "business-goal: A checkpoint is recorded: none in cycle 1",
        "monitoring: ",
        kind=Refused,
    )
    assert error.hint == "See `crisplens status`."


def test_one_blocked_gate_is_enough(first_cycle: Registry) -> None:
    first_cycle.kpi.set("auc", target="0.79", baseline="0.71")
    assert_refused(
        first_cycle,
        lambda: first_cycle.cycle.close(),
        "gate-blocked",
        "3 of its 10 gates are blocked",
        "evaluation: Someone other than its author approved it as it stands: stale: KPI auc has changed",
        kind=Refused,
    )
    assert_refused(first_cycle, lambda: first_cycle.cycle.close(note="x" * 20_001), "gate-blocked")


@pytest.mark.parametrize(
    ("policy", "asked"),
    [
        ("doors: {cycle: [business-goal]}\n", ["business-goal"]),
        ("doors: {cycle: []}\n", []),
        ("phases: {monitoring: {required: false}, deployment: {required: false}}\n", PHASES[:-2]),
    ],
)
def test_a_policy_says_which_gates_a_cycle_passes_at_its_end(
    first_cycle: Registry, files: Files, policy: str, asked: list[str]
) -> None:
    first_cycle.checkpoint.record("monitoring", summary="again")
    first_cycle.policy.adopt(files.text(HOUSE + policy, "house.yaml"))
    first_cycle.cycle.close()
    with first_cycle.reading() as session:
        (end,) = load_record(session, "churn").cycle_ends
    assert [gate.phase for gate in end.gates] == asked


def test_a_note_that_is_too_long_is_refused(first_cycle: Registry) -> None:
    assert_refused(
        first_cycle, lambda: first_cycle.cycle.close(note="x" * 20_001), "text-too-long", kind=InputError
    )


def test_the_next_cycle_supersedes_one_that_was_not_closed(first_cycle: Registry) -> None:
    opened = first_cycle.cycle.open(from_phase="evaluation", reason="a complaint")
    first, second = first_cycle.cycle.history()
    assert (first.state, first.closed_by, first.note) == ("superseded", None, "")
    assert first.ended_at == second.opened_at == opened.recorded_at
    assert (second.number, second.from_phase, second.reason) == (2, "evaluation", "a complaint")
    assert (second.state, second.ended_at) == ("open", None)
    start = PHASES.index("evaluation")
    assert [one.inherited for one in second.phases] == [True] * start + [False] * (len(PHASES) - start)
    # Stated anew, a phase is this cycle's own.
    first_cycle.checkpoint.record("business-goal", summary="again")
    assert not first_cycle.cycle.history()[-1].phases[0].inherited


def test_a_trigger_gives_its_reason_to_the_cycle(first_cycle: Registry, files: Files) -> None:
    first_cycle.acting_as(CI).monitor.run("nightly", current=str(files.table("live-2.csv", shift=40)))
    (trigger,) = first_cycle.trigger.list()
    first_cycle.cycle.open(trigger=trigger.id)
    story = first_cycle.cycle.history()[-1]
    assert (story.trigger, story.reason) == (trigger.id, trigger.reason)


@pytest.mark.parametrize(
    ("options", "slug"),
    [
        ({}, "empty-text"),
        ({"reason": "x", "from_phase": "evalution"}, "unknown-name"),
        ({"trigger": "trigger-9"}, "unknown-name"),
    ],
)
def test_cycles_that_cannot_be_opened(registry: Registry, options: dict[str, str], slug: str) -> None:
    assert_refused(registry, lambda: registry.cycle.open(**options), slug, kind=InputError)


def test_what_a_cycle_changed_is_told_in_words(first_cycle: Registry, files: Files) -> None:
    assert first_cycle.cycle.history()[0].changes == (
        "1 goal last set",
        "2 KPIs last set",
        "3 dataset versions",
        "1 evaluation",
        "model by-hand@1",
        "model churn-gbm@1",
        "deployment-1 to production: churn-gbm@1",
    )
    first_cycle.cycle.open(reason="yearly")
    assert first_cycle.cycle.history()[1].changes == ()
    train(first_cycle, files, 2)
    first_cycle.policy.adopt("light")
    pass_phase(first_cycle, "evaluation")
    first_cycle.model.promote("churn-gbm@2")
    first_cycle.deployment.record("churn-gbm@2", environment="staging", kind="batch")
    first_cycle.acting_as(CI).monitor.run("nightly", current=str(files.table("live-2.csv", shift=40)))
    assert first_cycle.cycle.history()[1].changes == (
        "3 dataset versions",
        "1 evaluation",
        "1 incident",
        "model churn-gbm@2",
        "champion is churn-gbm@2",
        "deployment-2 to staging: churn-gbm@2",
        "policy light@1",
    )
    # What the first one changed is told as before, but for what was set anew since.
    assert "3 dataset versions" in first_cycle.cycle.history()[0].changes


def test_how_long_a_phase_took_is_from_its_first_checkpoint_to_its_last_approval(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = datetime(2040, 5, 1, 12, tzinfo=UTC)

    def at(days: float) -> str:
        moment = begun + timedelta(days=days)
        monkeypatch.setattr(clock, "now", lambda: moment)
        return clock.to_text(moment)

    def phase() -> tuple[int, str | None, str | None, float | None]:
        told = registry.cycle.history()[-1].phases[0]
        return told.checkpoints, told.started_at, told.approved_at, told.days

    start = at(0)
    state_goal(registry)
    registry.checkpoint.record("business-goal", summary="as it is")
    assert phase() == (1, start, None, None)
    at(1)
    bo = registry.acting_as(BO)
    bo.approval.reject("business-goal", reason="no")
    registry.checkpoint.record("business-goal", summary="better")
    assert phase() == (2, start, None, None)
    end = at(2.5)
    bo.approval.grant("business-goal")
    assert phase() == (2, start, end, 2.5)
    at(3)
    bo.approval.withdraw("approval-2", reason="too quick")
    assert phase() == (2, start, None, None)


def test_a_phase_whose_approver_rejects_it_now_is_not_approved(registry: Registry) -> None:
    state_goal(registry)
    registry.checkpoint.record("business-goal", summary="as it is")
    bo = registry.acting_as(BO)
    bo.approval.grant("business-goal")
    bo.approval.reject("business-goal", reason="on second thoughts")
    assert registry.cycle.history()[-1].phases[0].approved_at is None


def test_the_history_of_the_whole_story(story: Registry) -> None:
    stories = story.cycle.history()
    assert [one.number for one in stories] == list(range(1, len(stories) + 1))
    assert stories[-1].state == "open"
    assert {one.state for one in stories[:-1]} <= {"closed", "superseded"}
    assert [one.opened_at for one in stories] == sorted(one.opened_at for one in stories)
    for one, following in pairwise(stories):
        assert one.opened_at <= (one.ended_at or "") <= following.opened_at
    for one in stories:
        for phase in one.phases:
            assert not (phase.inherited and phase.checkpoints)
            assert (phase.days is None) == (phase.approved_at is None or phase.started_at is None)
            assert phase.days is None or phase.days >= 0
