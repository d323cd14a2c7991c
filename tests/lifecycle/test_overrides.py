"""Overrides: a blocked gate is passed in an emergency, by a role, for days, under the eyes of someone else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core import clock
from crisplens.core.errors import InputError, Refused
from tests.conftest import ANA, BO, CI, Files, assert_refused, state_goal, train

pytestmark = pytest.mark.stored
FORBIDDEN = """
policy: strict
version: 1
title: No way around
overrides: {allowed: false}
"""
APART = """
policy: apart
version: 1
title: Three people
separation: [[author, deployer], [approver, deployer]]
"""


def day(days: int = 0) -> str:
    """The day that is so many days from today."""
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


@pytest.fixture
def blocked(registry: Registry, files: Files) -> Registry:
    """A project with an evaluated version that nobody has approved; Ana is its administrator."""
    state_goal(registry)
    train(registry, files, 1)
    registry.role.grant(ANA, "administrator")
    registry.role.grant(BO, "auditor")
    return registry


def override(registry: Registry, **given: Any) -> Any:
    """Override the evaluation gate."""
    return registry.override.grant(
        "evaluation", **{"reason": "the old model is down", "role": "administrator", "until": day(), **given}
    )


def deploy(registry: Registry) -> Any:
    """Put the version into production."""
    return registry.deployment.record("churn-gbm@1", environment="production", kind="batch")


def test_what_it_lets_pass_names_it(blocked: Registry) -> None:
    assert_refused(blocked, lambda: deploy(blocked), "gate-blocked", kind=Refused)
    made = override(blocked)
    assert (made.id, made.subject, made.until, made.outcome) == ("override-1", "churn-gbm@1", day(), None)
    assert made.unmet
    gate = blocked.gate.check("evaluation")
    assert (gate.open, gate.override) == (False, "override-1")
    (decision,) = deploy(blocked).gates
    assert (decision.open, decision.override, decision.policy) == (False, "override-1", "standard@1")
    (decision,) = blocked.model.promote("churn-gbm@1").gates
    assert decision.override == "override-1"
    (shown,) = blocked.status.show().overrides
    assert (shown.override, shown.in_force, shown.reviewed) == ("override-1", True, False)
    assert "review the override override-1 of evaluation" in [
        step.what for step in blocked.status.show().next_steps
    ]


def test_a_deployment_by_override_passed_its_gate_when_the_review_says_so(blocked: Registry) -> None:
    override(blocked)
    deploy(blocked)
    rules = {rule.rule: rule for rule in blocked.gate.check("deployment").rules}
    assert not rules["deployed-through-gate"].met
    blocked.acting_as(BO).override.review("override-1", outcome="justified", note="it was")
    rules = {rule.rule: rule for rule in blocked.gate.check("deployment").rules}
    assert rules["deployed-through-gate"].met


def test_what_is_not_justified_lets_nothing_pass_any_more(blocked: Registry) -> None:
    override(blocked)
    blocked.acting_as(BO).override.review("override-1", outcome="not-justified", note="nothing was down")
    assert_refused(blocked, lambda: deploy(blocked), "gate-blocked", kind=Refused)
    assert blocked.gate.check("evaluation").override == ""


def test_it_ends_with_its_last_day(blocked: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    override(blocked, until=day(2))
    tomorrow = datetime.now(UTC) + timedelta(days=2)
    monkeypatch.setattr(clock, "now", lambda: tomorrow)
    assert blocked.gate.check("evaluation").override == "override-1"
    monkeypatch.setattr(clock, "now", lambda: tomorrow + timedelta(days=1))
    assert_refused(blocked, lambda: deploy(blocked), "gate-blocked", kind=Refused)


def test_it_is_of_one_version(blocked: Registry, files: Files) -> None:
    override(blocked, model="churn-gbm@1")
    train(blocked, files, 2)
    assert_refused(
        blocked,
        lambda: blocked.deployment.record("churn-gbm@2", environment="production", kind="batch"),
        "gate-blocked",
        kind=Refused,
    )


@pytest.mark.parametrize(
    ("given", "slug", "word"),
    [
        ({"reason": " "}, "empty-text", "the reason"),
        ({"role": "boss"}, "bad-choice", "administrator"),
        ({"role": "contributor"}, "override-forbidden", "administrator"),
        ({"until": "tomorrow"}, "bad-time", "2026-03-01"),
        ({"until": "2026-01-01"}, "bad-time", "from today"),
        ({"until": day(8)}, "bad-time", day(7)),
        ({"model": "churn-gbm@9"}, "unknown-name", "churn-gbm@1"),
    ],
)
def test_it_needs_a_reason_a_role_and_an_end(
    blocked: Registry, given: dict[str, Any], slug: str, word: str
) -> None:
    assert_refused(blocked, lambda: override(blocked, **given), slug, word)


def test_the_role_is_held_and_the_gate_blocked(blocked: Registry, first_cycle: Registry) -> None:
    assert_refused(blocked, lambda: override(blocked.acting_as(BO)), "no-role", "role grant", kind=Refused)
    override(blocked)
    assert_refused(blocked, lambda: override(blocked), "exists", "override-1 is in force")
    assert_refused(first_cycle, lambda: override(first_cycle), "no-role", kind=Refused)
    first_cycle.role.grant(ANA, "administrator")
    assert_refused(first_cycle, lambda: override(first_cycle), "not-open", "is open", kind=InputError)


def test_a_policy_can_forbid_it(blocked: Registry, files: Files) -> None:
    override(blocked)
    blocked.policy.adopt(files.text(FORBIDDEN, "strict.yaml"))
    assert_refused(blocked, lambda: override(blocked), "override-forbidden", "strict@1", kind=Refused)
    assert_refused(blocked, lambda: deploy(blocked), "gate-blocked", kind=Refused)


@pytest.mark.parametrize(
    ("review", "slug", "word"),
    [
        (lambda r: r.override.review("override-1", outcome="justified", note="ok"), "own-checkpoint", ANA),
        (
            lambda r: r.acting_as(BO).override.review("override-2", outcome="justified", note="ok"),
            "unknown-name",
            "override-1",
        ),
        (
            lambda r: r.acting_as(BO).override.review("override-1", outcome="fine", note="ok"),
            "bad-choice",
            "not-justified",
        ),
        (
            lambda r: r.acting_as(BO).override.review("override-1", outcome="justified", note=""),
            "empty-text",
            "",
        ),
        (
            lambda r: r.acting_as(CI).override.review("override-1", outcome="justified", note="x"),
            "no-role",
            "auditor",
        ),
    ],
)
def test_someone_else_reviews_it_once(
    blocked: Registry, review: Callable[[Registry], object], slug: str, word: str
) -> None:
    override(blocked)
    assert_refused(blocked, lambda: review(blocked), slug, word)
    blocked.acting_as(BO).override.review("override-1", outcome="justified", note="it was down")
    assert_refused(
        blocked,
        lambda: blocked.acting_as(BO).override.review("override-1", outcome="justified", note="again"),
        "not-open",
    )


def test_duties_are_kept_apart_where_the_policy_says_so(first_cycle: Registry, files: Files) -> None:
    first_cycle.policy.adopt(files.text(APART, "apart.yaml"))
    for who, duty in ((ANA, "author"), (BO, "approver")):
        error = assert_refused(
            first_cycle, lambda who=who: deploy(first_cycle.acting_as(who)), "duties-united", kind=Refused
        )
        assert duty in error.message
    assert deploy(first_cycle.acting_as(CI)).recorded_by == CI


def test_a_cycle_is_closed_over_an_override(first_cycle: Registry) -> None:
    first_cycle.role.grant(ANA, "administrator")
    first_cycle.kpi.set("auc", target="0.79", baseline="0.71")
    assert_refused(first_cycle, lambda: first_cycle.cycle.close(), "gate-blocked", "evaluation", kind=Refused)
    for phase in ("business-goal", "problem-framing", "evaluation"):
        first_cycle.override.grant(phase, reason="year's end", role="administrator", until=day())
    assert first_cycle.cycle.close().state == "closed"
    assert_refused(first_cycle, lambda: first_cycle.cycle.close(), "not-open")
