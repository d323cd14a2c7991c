"""Approvals asked for, given by several, refused, sent back, withdrawn, delegated; and whose inbox they are in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from crisplens.api import Registry
from crisplens.core import clock
from crisplens.core.errors import InputError, Refused
from tests.conftest import ANA, BO, CI, FAR_AWAY, Files, assert_refused, state_goal, unmet

pytestmark = pytest.mark.stored
CY = "cy@example.org"
TWO = """
policy: two
version: 1
title: Two approvals
phases:
  business-goal: {approvals: {count: 2}}
"""
ASKED = """
policy: asked
version: 1
title: Asked for
phases:
  business-goal: {approvals: {requested: true}}
"""


@pytest.fixture
def stated(registry: Registry) -> Registry:
    """A goal, and Ana's checkpoint on it."""
    state_goal(registry)
    registry.checkpoint.record("business-goal", controls={"BG-1": ("met", "asked")})
    return registry


def inbox(registry: Registry, who: str) -> list[str]:
    """The requests that wait for someone."""
    return [one.request.id for one in registry.approval.inbox(who)]


def test_what_was_asked_for_is_what_is_approved(stated: Registry) -> None:
    asked = stated.approval.request("business-goal", approvers=[BO], note="before Friday")
    assert (asked.id, asked.checkpoint, asked.approvers) == ("request-1", "checkpoint-1", (BO,))
    assert stated.status.show().requests == ("request-1",)
    stated.kpi.set("f1", target="0.4", baseline="0.3")
    (waiting,) = stated.approval.inbox(BO)
    assert waiting.outdated == ("KPI f1",)
    other = stated.acting_as(BO)
    error = assert_refused(
        stated, lambda: other.approval.grant("business-goal"), "changed-since-requested", kind=Refused
    )
    assert "KPI f1 was recorded" in error.message
    stated.approval.request("business-goal", approvers=[BO])
    other.approval.grant("business-goal")
    assert stated.gate.check("business-goal").open
    assert stated.status.show().requests == ()


def test_it_is_asked_once_and_of_someone_who_can(stated: Registry) -> None:
    assert_refused(
        stated, lambda: stated.approval.request("business-goal", approvers=[ANA]), "own-checkpoint", ANA
    )
    assert_refused(
        stated, lambda: stated.approval.request("business-goal", until="2026-01-01"), "bad-time", "has passed"
    )
    assert_refused(stated, lambda: stated.approval.request("data-analysis"), "nothing-to-approve")
    stated.approval.request("business-goal")
    assert_refused(stated, lambda: stated.approval.request("business-goal"), "exists", "request-1")


def test_an_inbox_holds_what_that_person_can_answer(stated: Registry) -> None:
    stated.approval.request("business-goal", approvers=[BO])
    assert {who: inbox(stated, who) for who in (ANA, BO, CI)} == {ANA: [], BO: ["request-1"], CI: []}
    assert inbox(stated, BO.upper()) == ["request-1"]
    stated.approval.withdraw("request-1", reason="too early")
    assert inbox(stated, BO) == []
    stated.approval.request("business-goal")
    assert {who: inbox(stated, who) for who in (ANA, BO, CI)} == {
        ANA: [],
        BO: ["request-2"],
        CI: ["request-2"],
    }
    stated.acting_as(BO).approval.reject("business-goal", reason="no")
    assert inbox(stated, CI) == []


def test_an_inbox_is_of_every_project_or_of_one(stated: Registry) -> None:
    stated.project.add("other")
    stated.approval.request("business-goal")
    assert len(stated.approval.inbox(BO)) == len(stated.approval.inbox(BO, project="churn")) == 1
    assert stated.approval.inbox(BO, project="other") == []
    assert_refused(stated, lambda: stated.approval.inbox(BO, project="chrun"), "unknown-name", "churn")


def test_a_request_expires(stated: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    today = datetime.now(UTC)
    stated.approval.request("business-goal", until=today.date().isoformat())
    assert inbox(stated, BO) == ["request-1"]
    monkeypatch.setattr(clock, "now", lambda: today + timedelta(days=1))
    assert inbox(stated, BO) == []


def test_a_policy_may_want_it_asked_for(stated: Registry, files: Files) -> None:
    stated.policy.adopt(files.text(ASKED, "asked.yaml"))
    other = stated.acting_as(BO)
    assert_refused(stated, lambda: other.approval.grant("business-goal"), "not-requested", kind=Refused)
    assert stated.status.show().next_steps[0].command == "crisplens approval request business-goal"
    stated.approval.request("business-goal")
    other.approval.grant("business-goal")
    assert stated.gate.check("business-goal").open


def test_two_approvals_are_two_people_s(stated: Registry, files: Files) -> None:
    stated.policy.adopt(files.text(TWO, "two.yaml"))
    assert unmet(stated, "business-goal")["approved"] == (
        "nobody has decided on checkpoint-1, and 2 have to approve"
    )
    stated.acting_as(BO).approval.grant("business-goal")
    assert unmet(stated, "business-goal")["approved"].startswith("1 of 2 approvals; bo@example.org on ")
    assert_refused(
        stated,
        lambda: stated.acting_as(BO.upper()).approval.grant("business-goal"),
        "not-open",
        "approved it already",
        kind=InputError,
    )
    stated.acting_as(CY).approval.grant("business-goal")
    assert stated.gate.check("business-goal").open
    stated.acting_as(CY).approval.withdraw("approval-2", reason="I read the wrong one")
    assert "withdrew approval-2" in unmet(stated, "business-goal")["approved"]


@pytest.mark.parametrize(
    ("refuse", "said"),
    [
        (lambda r: r.approval.reject("business-goal", reason="why"), "rejected checkpoint-1: why"),
        (
            lambda r: r.approval.request_changes("business-goal", reason="why"),
            "wants changes to checkpoint-1: why",
        ),
    ],
)
def test_one_refusal_stands_until_it_is_taken_back(
    stated: Registry, refuse: Callable[[Registry], object], said: str
) -> None:
    refuse(stated.acting_as(BO))
    stated.acting_as(CY).approval.grant("business-goal")
    assert said in unmet(stated, "business-goal")["approved"]
    states = {one.phase: one.state for one in stated.status.show().phases}
    assert states["business-goal"] == "blocked"
    stated.acting_as(BO).approval.withdraw("approval-1", reason="settled")
    assert stated.gate.check("business-goal").open


def test_whoever_refused_can_decide_otherwise(stated: Registry) -> None:
    other = stated.acting_as(BO)
    other.approval.request_changes("business-goal", reason="say more")
    other.approval.grant("business-goal", reason="said")
    gate = stated.gate.check("business-goal")
    assert gate.open
    assert [one.state for one in gate.approvals] == ["superseded", "stands"]


def test_only_one_s_own_is_withdrawn_and_once(stated: Registry) -> None:
    stated.acting_as(BO).approval.grant("business-goal")
    for id, slug, word in (("approval-1", "no-role", BO), ("approval-9", "unknown-name", "approval-1")):
        assert_refused(stated, lambda id=id: stated.approval.withdraw(id, reason="x"), slug, word)
    other = stated.acting_as(BO)
    assert_refused(stated, lambda: other.approval.withdraw("approval-1", reason=" "), "empty-text")
    other.approval.withdraw("approval-1", reason="x")
    assert_refused(stated, lambda: other.approval.withdraw("approval-1", reason="x"), "not-open")


@pytest.fixture
def with_roles(stated: Registry) -> Registry:
    """Ana administers, Bo approves goals only."""
    stated.role.grant(ANA, "administrator")
    stated.role.grant(BO, "approver", phases=["business-goal"])
    return stated


def test_a_delegate_decides_for_the_approver(with_roles: Registry) -> None:
    r = with_roles
    r.approval.request("business-goal", approvers=[BO])
    assert_refused(r, lambda: r.acting_as(CY).approval.grant("business-goal"), "no-role", kind=Refused)
    r.acting_as(BO).approval.delegate(CY, until=FAR_AWAY, reason="on leave", phases=["business-goal"])
    assert inbox(r, CY) == ["request-1"]
    r.acting_as(CY).approval.grant("business-goal")
    assert r.gate.check("business-goal").open
    r.acting_as(BO).approval.end_delegation("delegation-1", reason="back")
    assert r.gate.check("business-goal").open


@pytest.mark.parametrize(
    ("delegate", "slug"),
    [
        (lambda r: r.acting_as(BO).approval.delegate(BO, until=FAR_AWAY, reason="x"), "bad-choice"),
        (lambda r: r.acting_as(BO).approval.delegate(CY, until="2026-01-01", reason="x"), "bad-time"),
        (lambda r: r.acting_as(BO).approval.delegate(CY, until=FAR_AWAY, reason=""), "empty-text"),
        (
            lambda r: r.acting_as(BO).approval.delegate(CY, until=FAR_AWAY, reason="x", phases=["evalution"]),
            "unknown-name",
        ),
        (lambda r: r.approval.delegate(CY, until=FAR_AWAY, reason="x"), "no-role"),
    ],
)
def test_a_delegation_that_cannot_be(
    with_roles: Registry, delegate: Callable[[Registry], object], slug: str
) -> None:
    assert_refused(with_roles, lambda: delegate(with_roles), slug)


def test_a_delegation_is_of_its_phases_and_days(
    with_roles: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    r, today = with_roles, datetime.now(UTC)
    r.acting_as(BO).approval.delegate(CY, until=today.date().isoformat(), reason="x", phases=["evaluation"])
    assert_refused(r, lambda: r.acting_as(CY).approval.grant("business-goal"), "no-role")
    r.acting_as(BO).approval.delegate(CY, until=today.date().isoformat(), reason="x")
    monkeypatch.setattr(clock, "now", lambda: today + timedelta(days=1))
    assert_refused(r, lambda: r.acting_as(CY).approval.grant("business-goal"), "no-role")
