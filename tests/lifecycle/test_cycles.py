"""Cycles: what they inherit, what each changed, how long its phases took, and how they end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crisplens.api import Registry
from crisplens.core import clock
from crisplens.core.errors import Refused
from crisplens.lifecycle.phases import list_phases
from tests.conftest import BO, Files, assert_refused, pass_phase, train

pytestmark = pytest.mark.stored
ONLY_GOAL = """
policy: goal-only
version: 1
title: Cycles end with the goal
doors: {cycle: [business-goal]}
"""


def test_a_cycle_in_order_is_closed_with_what_its_gates_said(first_cycle: Registry) -> None:
    closed = first_cycle.cycle.close(note="in use")
    assert (closed.number, closed.state, closed.note, closed.closed_by) == (
        1,
        "closed",
        "in use",
        "ana@example.org",
    )
    assert first_cycle.status.show().cycle_state == "closed"
    assert_refused(first_cycle, lambda: first_cycle.cycle.close(), "not-open", "cycle open")


def test_one_that_is_not_is_refused_with_each_rule(first_cycle: Registry) -> None:
    first_cycle.kpi.set("auc", target="0.99", baseline="0.71")
    error = assert_refused(first_cycle, lambda: first_cycle.cycle.close(), "gate-blocked", kind=Refused)
    assert "3 of its 10 gates are blocked" in error.message
    assert "evaluation: That evaluation meets every KPI target: auc 0.83" in error.message


def test_the_policy_says_which_gates_end_a_cycle(registry: Registry, files: Files) -> None:
    registry.policy.adopt(files.text(ONLY_GOAL, "goal-only.yaml"))
    error = assert_refused(registry, lambda: registry.cycle.close(), "gate-blocked", kind=Refused)
    assert "1 of its 1 gates" in error.message


def test_the_history_tells_each_cycle(first_cycle: Registry, files: Files) -> None:
    first_cycle.cycle.close()
    first_cycle.cycle.open(from_phase="model-training", reason="a better model")
    train(first_cycle, files, 2)
    pass_phase(first_cycle, "model-training")
    first_cycle.cycle.open(reason="and all over again")
    one, two, three = first_cycle.cycle.history()
    assert (one.state, two.state, three.state) == ("closed", "superseded", "open")
    assert two.from_phase == "model-training"
    assert "model churn-gbm@2" in two.changes
    assert "3 dataset versions" in two.changes
    assert "model churn-gbm@1" in one.changes
    assert three.changes == ()
    assert [phase.phase for phase in two.phases if phase.inherited] == [
        phase.id for phase in list_phases()[:6]
    ]
    (training,) = (phase for phase in two.phases if phase.phase == "model-training")
    assert (training.inherited, training.checkpoints) == (False, 1)
    assert training.days is not None


def test_a_phase_takes_from_its_first_checkpoint_to_its_last_approval(
    first_cycle: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = datetime.now(UTC)
    first_cycle.cycle.open(from_phase="business-goal", reason="anew")
    first_cycle.checkpoint.record("business-goal", controls={"BG-1": ("met", "asked")})
    (phase,) = (one for one in first_cycle.cycle.history()[-1].phases if one.phase == "business-goal")
    assert (phase.days, phase.approved_at) == (None, None)
    monkeypatch.setattr(clock, "now", lambda: began + timedelta(days=3))
    first_cycle.acting_as(BO).approval.grant("business-goal")
    (phase,) = (one for one in first_cycle.cycle.history()[-1].phases if one.phase == "business-goal")
    assert phase.days == pytest.approx(3, abs=0.1)


def test_a_new_cycle_keeps_what_still_stands_before_its_phase(first_cycle: Registry) -> None:
    first_cycle.cycle.open(from_phase="evaluation", reason="again")
    phases = {one.phase: one for one in first_cycle.status.show().phases}
    assert {one.state for one in list(phases.values())[:7]} == {"approved"}
    assert all(one.inherited for one in list(phases.values())[:7])
    assert phases["evaluation"].state == "not-started"
    first_cycle.goal.set(problem="other", value="other")
    assert first_cycle.status.show().phases[0].state == "stale"
