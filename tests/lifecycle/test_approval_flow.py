"""Approvals from the request to the gate: who is asked, what they decide, and how long that counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core import clock
from crisplens.core.dates import day_after, day_of
from crisplens.core.errors import InputError, Refused
from crisplens.lifecycle.model import ApprovalState
from tests.conftest import ANA, BO, CI, LOG_NAME, Files, SshPerson, assert_refused, state_goal, unmet

pytestmark = pytest.mark.stored

PHASE, OTHER = "business-goal", "problem-framing"
CY, DEE = "cy@example.org", "dee@example.org"
TODAY = day_of(clock.now())
TOMORROW = day_after(TODAY)
HOUSE = "policy: house\nversion: 1\ntitle: H\nphases: {business-goal: {approvals: "


@pytest.fixture
def waiting(registry: Registry) -> Registry:
    """A checkpoint of Ana's that could be approved."""
    state_goal(registry)
    registry.checkpoint.record(PHASE, summary="as it is")
    return registry


@pytest.fixture
def demanding(waiting: Registry, files: Files) -> Callable[[str], Registry]:
    """Adopts a policy that demands this of the approvals of the phase."""

    def adopt(demand: str) -> Registry:
        waiting.policy.adopt(files.text(f"{HOUSE}{{{demand}}}}}}}\n", "house.yaml"))
        return waiting

    return adopt


def later(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Let that many days pass."""
    moment = clock.now() + timedelta(days=days)
    monkeypatch.setattr(clock, "now", lambda: moment)


def approved(registry: Registry, phase: str = PHASE) -> str:
    """What the gate says of the approvals; empty when they are enough."""
    return unmet(registry, phase).get("approved", "")


def states(registry: Registry, phase: str = PHASE) -> dict[str, ApprovalState]:
    """What each decision on the phase's checkpoint is worth."""
    return {one.approval: one.state for one in registry.gate.check(phase).approvals}


def inbox(registry: Registry, *people: str) -> dict[str, list[str]]:
    """The requests that wait for each of these people."""
    return {person: [one.request.id for one in registry.approval.inbox(person)] for person in people}


def test_a_request_says_what_is_to_be_approved_and_by_whom(waiting: Registry) -> None:
    asked = waiting.approval.request(PHASE, approvers=[BO, CY, BO], until=TOMORROW, note="for the board")
    checkpoint, gate = waiting.checkpoint.list()[-1], waiting.gate.check(PHASE)
    assert (asked.id, asked.phase, asked.cycle, asked.subject) == ("request-1", PHASE, 1, None)
    assert (asked.checkpoint, asked.checkpoint_digest) == (checkpoint.id, checkpoint.digest)
    assert (asked.approvers, asked.until, asked.note) == ((BO, CY), TOMORROW, "for the board")
    assert (asked.basis, asked.recorded_by, asked.withdrawn_at) == (gate.basis, ANA, None)
    assert waiting.approval.requests() == [asked]
    (item,) = waiting.acting_as(BO).approval.inbox()
    assert (item.project, item.request, item.outdated, item.unmet) == ("churn", asked, (), ())
    assert item.command == "crisplens approval grant business-goal"
    assert waiting.audit.verify().passed


def test_a_request_about_a_model_version_names_it(first_cycle: Registry) -> None:
    first_cycle.checkpoint.record("evaluation", summary="again", model="churn-gbm@1")
    asked = first_cycle.approval.request("evaluation", model="churn-gbm@1")
    assert asked.subject == "churn-gbm@1"
    (item,) = first_cycle.approval.inbox(BO)
    assert item.command == "crisplens approval grant evaluation --model churn-gbm@1"


@pytest.mark.parametrize(
    ("phase", "options", "kind", "slug"),
    [
        (OTHER, {}, InputError, "nothing-to-approve"),
        ("evalution", {}, InputError, "unknown-name"),
        (PHASE, {"approvers": [ANA.upper()]}, InputError, "own-checkpoint"),
        (PHASE, {"approvers": [""]}, InputError, "bad-actor"),
        (PHASE, {"until": "2026-01-31"}, InputError, "bad-time"),
        (PHASE, {"until": "soon"}, InputError, "bad-time"),
        (PHASE, {"note": "x" * 20_001}, InputError, "text-too-long"),
        (PHASE, {"model": "none@1"}, InputError, "unknown-name"),
    ],
)
def test_requests_that_cannot_be(
    waiting: Registry, phase: str, options: dict[str, Any], kind: Any, slug: str
) -> None:
    assert_refused(waiting, lambda: waiting.approval.request(phase, **options), slug, kind=kind)


def test_what_is_not_in_order_or_approved_is_not_asked_for(waiting: Registry) -> None:
    waiting.checkpoint.record(PHASE, controls={"BG-1": ("not-met", "nobody asked")})
    assert_refused(waiting, lambda: waiting.approval.request(PHASE), "gate-blocked", "BG-1", kind=Refused)
    waiting.checkpoint.record(PHASE, summary="now it is")
    waiting.acting_as(BO).approval.grant(PHASE)
    assert_refused(waiting, lambda: waiting.approval.request(PHASE), "not-open", kind=InputError)


def test_the_same_is_asked_for_once(waiting: Registry) -> None:
    waiting.approval.request(PHASE)
    assert_refused(
        waiting, lambda: waiting.approval.request(PHASE), "exists", "request-1 asks for it", kind=InputError
    )
    waiting.kpi.set("f1", target="0.4")
    assert waiting.approval.request(PHASE).id == "request-2"


def test_what_has_changed_since_it_was_asked_for_is_not_approved(waiting: Registry) -> None:
    bo = waiting.acting_as(BO)
    waiting.approval.request(PHASE)
    waiting.kpi.set("f1", target="0.4")
    waiting.kpi.set("auc", target="0.85", baseline="0.71")
    (item,) = bo.approval.inbox()
    assert set(item.outdated) == {"KPI auc", "KPI f1"}
    assert_refused(
        bo,
        lambda: bo.approval.grant(PHASE),
        "changed-since-requested",
        "request-1",
        "KPI auc changed",
        "KPI f1 was recorded",
        "crisplens approval request business-goal",
        kind=Refused,
    )
    # Saying no to it is possible all the same.
    bo.approval.request_changes(PHASE, reason="Ask me again.")
    waiting.approval.request(PHASE)
    bo.approval.grant(PHASE)
    assert approved(waiting) == ""
    assert waiting.audit.verify().passed


def test_a_request_is_gone_from_every_inbox_once_it_is_decided(waiting: Registry) -> None:
    waiting.approval.request(PHASE)
    assert inbox(waiting, ANA, BO, CY) == {ANA: [], BO: ["request-1"], CY: ["request-1"]}
    waiting.acting_as(BO).approval.grant(PHASE)
    assert inbox(waiting, ANA, BO, CY) == {ANA: [], BO: [], CY: []}


@pytest.mark.parametrize("decide", ["reject", "request_changes"])
def test_a_request_that_was_refused_waits_no_more(waiting: Registry, decide: str) -> None:
    waiting.approval.request(PHASE)
    getattr(waiting.acting_as(BO).approval, decide)(PHASE, reason="no")
    assert inbox(waiting, BO, CY) == {BO: [], CY: []}


def test_only_those_who_were_asked_find_it_in_their_inbox(waiting: Registry) -> None:
    waiting.approval.request(PHASE, approvers=[BO.upper()])
    assert inbox(waiting, ANA, BO, CY) == {ANA: [], BO: ["request-1"], CY: []}


def test_a_withdrawn_or_expired_request_waits_for_nobody(
    waiting: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting.approval.request(PHASE)
    waiting.approval.withdraw("request-1", reason="too early")
    assert inbox(waiting, BO) == {BO: []}
    waiting.approval.request(PHASE, until=TODAY)
    assert inbox(waiting, BO) == {BO: ["request-2"]}
    later(monkeypatch, 1)
    assert inbox(waiting, BO) == {BO: []}
    # What nobody asks for any more may be approved.
    waiting.acting_as(BO).approval.grant(PHASE)
    assert approved(waiting) == ""


def test_a_request_on_a_checkpoint_that_counts_no_more_waits_for_nobody(waiting: Registry) -> None:
    waiting.approval.request(PHASE)
    waiting.checkpoint.record(PHASE, summary="in other words")
    assert inbox(waiting, BO) == {BO: []}


def test_roles_decide_whose_inbox_it_is(waiting: Registry) -> None:
    for person, role, phases in ((ANA, "administrator", []), (BO, "approver", []), (CY, "approver", [OTHER])):
        waiting.role.grant(person, role, phases=phases)
    waiting.approval.request(PHASE)
    assert inbox(waiting, ANA, BO, CY, DEE) == {ANA: [], BO: ["request-1"], CY: [], DEE: []}
    waiting.acting_as(BO).approval.delegate(DEE, until=TOMORROW, reason="away")
    assert inbox(waiting, BO, DEE) == {BO: ["request-1"], DEE: ["request-1"]}


def test_a_delegate_finds_what_the_approver_was_asked_for(
    waiting: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person, role in ((ANA, "administrator"), (BO, "approver"), (CY, "approver")):
        waiting.role.grant(person, role)
    waiting.approval.request(PHASE, approvers=[BO])
    waiting.acting_as(BO).approval.delegate(DEE, until=TOMORROW, reason="away")
    waiting.acting_as(CY).approval.delegate(CI, until=TOMORROW, reason="away")
    assert inbox(waiting, BO, DEE, CY, CI) == {BO: ["request-1"], DEE: ["request-1"], CY: [], CI: []}
    later(monkeypatch, 2)
    assert inbox(waiting, BO, DEE) == {BO: ["request-1"], DEE: []}


def test_an_inbox_is_of_every_project_or_one(waiting: Registry) -> None:
    other = waiting.on_project("other")
    other.project.add("other")
    state_goal(other)
    other.checkpoint.record(PHASE, summary="x")
    for one in (waiting, other):
        one.approval.request(PHASE)
    found = waiting.approval.inbox(BO)
    assert [one.project for one in found] == ["churn", "other"]
    assert [one.project for one in waiting.approval.inbox(BO, project="other")] == ["other"]
    assert_refused(waiting, lambda: waiting.approval.inbox(BO, project="none"), "unknown-name")


def test_two_approvals_are_two_people_s(demanding: Callable[[str], Registry]) -> None:
    waiting = demanding("count: 2")
    assert approved(waiting) == "nobody has decided on checkpoint-1, and 2 have to approve"
    bo, cy = waiting.acting_as(BO), waiting.acting_as(CY)
    waiting.approval.request(PHASE)
    bo.approval.grant(PHASE)
    assert approved(waiting).startswith(f"1 of 2 approvals; {BO} on ")
    assert inbox(waiting, BO, CY) == {BO: [], CY: ["request-1"]}
    for who in (bo, waiting.acting_as(BO.upper())):
        assert_refused(
            who, lambda who=who: who.approval.grant(PHASE), "not-open", "approval-1", kind=InputError
        )
    cy.approval.grant(PHASE)
    assert approved(waiting) == ""
    assert inbox(waiting, CY, DEE) == {CY: [], DEE: []}
    assert_refused(cy, lambda: cy.approval.grant(PHASE), "not-open", "approved already", kind=InputError)
    assert waiting.audit.verify().passed


def test_a_policy_may_take_only_what_was_asked_for(demanding: Callable[[str], Registry]) -> None:
    waiting = demanding("requested: true")
    bo = waiting.acting_as(BO)
    assert_refused(
        bo,
        lambda: bo.approval.grant(PHASE),
        "not-requested",
        "nobody has asked for checkpoint-1",
        kind=Refused,
    )
    waiting.approval.request(PHASE)
    bo.approval.grant(PHASE)
    assert approved(waiting) == ""


@pytest.mark.parametrize(
    ("decide", "said"), [("reject", "rejected"), ("request_changes", "wants changes to")]
)
def test_one_person_against_it_stops_it_until_they_change_their_mind(
    waiting: Registry, decide: str, said: str
) -> None:
    bo, cy = waiting.acting_as(BO), waiting.acting_as(CY)
    decision = getattr(bo.approval, decide)(PHASE, reason="Say which plan.")
    cy.approval.grant(PHASE)
    assert approved(waiting) == f"{BO} {said} checkpoint-1: Say which plan."
    against = ApprovalState.REJECTED if decide == "reject" else ApprovalState.CHANGES_REQUESTED
    assert states(waiting) == {"approval-1": against, "approval-2": ApprovalState.STANDS}
    bo.approval.withdraw(decision.id, reason="said elsewhere")
    assert approved(waiting) == ""
    assert states(waiting)["approval-1"] is ApprovalState.WITHDRAWN
    getattr(bo.approval, decide)(PHASE, reason="After all.")
    assert approved(waiting) != ""
    bo.approval.grant(PHASE)
    assert approved(waiting) == ""
    assert states(waiting) == {
        "approval-1": ApprovalState.SUPERSEDED,
        "approval-2": ApprovalState.STANDS,
        "approval-3": ApprovalState.SUPERSEDED,
        "approval-4": ApprovalState.STANDS,
    }
    assert waiting.audit.verify().passed


def test_a_new_checkpoint_begins_anew(waiting: Registry) -> None:
    bo = waiting.acting_as(BO)
    bo.approval.reject(PHASE, reason="no")
    waiting.checkpoint.record(PHASE, summary="better")
    assert approved(waiting) == "nobody has decided on checkpoint-2"
    bo.approval.grant(PHASE)
    assert approved(waiting) == ""


@pytest.mark.parametrize("decide", ["reject", "request_changes"])
def test_who_is_against_it_says_why(waiting: Registry, decide: str) -> None:
    bo = waiting.acting_as(BO)
    assert_refused(bo, lambda: getattr(bo.approval, decide)(PHASE, reason=" "), "empty-text", kind=InputError)
    assert_refused(
        waiting, lambda: getattr(waiting.approval, decide)(PHASE, reason="x"), "own-checkpoint", kind=Refused
    )


def test_an_approval_that_is_taken_back_opens_nothing(waiting: Registry) -> None:
    bo, cy = waiting.acting_as(BO), waiting.acting_as(CY)
    bo.approval.grant(PHASE)
    assert_refused(
        cy,
        lambda: cy.approval.withdraw("approval-1", reason="x"),
        "no-role",
        f"approval-1 is {BO}'s to withdraw",
        kind=Refused,
    )
    gone = bo.approval.withdraw("approval-1", reason="too quick")
    assert (gone.withdrawn_by, gone.withdrawn_reason, gone.decision) == (BO, "too quick", "approved")
    assert approved(waiting) == f"{BO} withdrew approval-1: too quick"
    assert_refused(bo, lambda: bo.approval.withdraw("approval-1", reason="x"), "not-open", kind=InputError)
    bo.approval.grant(PHASE)
    assert approved(waiting) == ""


@pytest.mark.parametrize(
    ("id", "reason", "slug"), [("approval-9", "x", "unknown-name"), ("request-1", " ", "empty-text")]
)
def test_withdrawals_that_cannot_be(waiting: Registry, id: str, reason: str, slug: str) -> None:
    waiting.approval.request(PHASE)
    assert_refused(waiting, lambda: waiting.approval.withdraw(id, reason=reason), slug, kind=InputError)


def test_an_administrator_may_withdraw_what_others_decided(waiting: Registry) -> None:
    waiting.role.grant(ANA, "administrator")
    waiting.role.grant(BO, "approver")
    waiting.acting_as(BO).approval.reject(PHASE, reason="no")
    assert waiting.approval.withdraw("approval-1", reason="Bo has left").withdrawn_by == ANA
    waiting.role.grant(CY, "approver")
    waiting.acting_as(CY).approval.grant(PHASE)
    assert approved(waiting) == ""


def test_an_approval_expires_at_the_end_of_its_last_day(
    demanding: Callable[[str], Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = demanding("expires-days: 30")
    bo = waiting.acting_as(BO)
    bo.approval.grant(PHASE)
    given_on = clock.now()
    monkeypatch.setattr(clock, "now", lambda: given_on + timedelta(days=30))
    assert approved(waiting) == ""
    monkeypatch.setattr(clock, "now", lambda: given_on + timedelta(days=31))
    last = day_of(given_on + timedelta(days=30))
    assert approved(waiting) == f"approval-1 by {BO} expired on {last}, 30 days after it was given"
    assert states(waiting) == {"approval-1": ApprovalState.EXPIRED}
    bo.approval.grant(PHASE)
    assert approved(waiting) == ""
    assert waiting.audit.verify().passed


def test_an_approval_of_the_past_had_not_expired_then(
    demanding: Callable[[str], Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = demanding("expires-days: 1")
    waiting.acting_as(BO).approval.grant(PHASE)
    point = waiting.audit.head().size - 1
    later(monkeypatch, 9)
    assert approved(waiting) != ""
    with waiting.as_of(point) as then:
        assert approved(then) == ""


def test_signed_and_unsigned_approvals_count_together_until_signatures_are_demanded(
    demanding: Callable[[str], Registry],
) -> None:
    waiting = demanding("count: 2")
    waiting.key.generate(LOG_NAME)
    waiting.key.trust(SshPerson(BO).public, owner=BO)
    waiting.key.trust(SshPerson(CY).public, owner=CY)
    bo, cy = waiting.acting_as(BO), waiting.acting_as(CY)
    SshPerson(BO).approve(bo, PHASE)
    cy.approval.grant(PHASE)
    assert approved(waiting) == ""
    waiting.gate.demand(PHASE, "required", reason="audited")
    assert states(waiting) == {"approval-1": ApprovalState.STANDS, "approval-2": ApprovalState.INVALID}
    assert f"{CY} did not sign approval-2" in approved(waiting)
    SshPerson(CY).approve(cy, PHASE)
    assert approved(waiting) == ""
    assert waiting.audit.verify().passed


def test_the_gate_of_an_evaluation_at_high_risk_from_request_to_deployment(
    first_cycle: Registry, files: Files
) -> None:
    first_cycle.key.generate(LOG_NAME)
    for person in (BO, CY):
        first_cycle.key.trust(SshPerson(person).public, owner=person)
    for person, role in ((ANA, "administrator"), (BO, "approver"), (CY, "approver"), (DEE, "contributor")):
        first_cycle.role.grant(person, role)
    first_cycle.risk.add(
        "Late labels", likelihood="rare", impact="minor", review_by=TOMORROW, mitigation="a proxy"
    )
    first_cycle.policy.adopt("high-risk")
    given = dict.fromkeys(("EV-2", "EV-3", "EV-4"), ("met", "shown"))
    report = [("test-report", files.text("all fine"))]
    first_cycle.checkpoint.record("evaluation", controls=given, evidence=report, model="churn-gbm@1")
    bo, cy = first_cycle.acting_as(BO), first_cycle.acting_as(CY)
    assert_refused(bo, lambda: SshPerson(BO).approve(bo, "evaluation"), "not-requested", kind=Refused)
    first_cycle.approval.request("evaluation")
    assert_refused(bo, lambda: bo.approval.grant("evaluation"), "signature-demanded", kind=Refused)
    dee = first_cycle.acting_as(DEE)
    assert_refused(dee, lambda: dee.approval.grant("evaluation"), "no-role", kind=Refused)
    SshPerson(BO).approve(bo, "evaluation")
    SshPerson(CY).approve(cy, "evaluation")
    assert unmet(first_cycle, "evaluation") == {}
    deploy = {"environment": "production", "kind": "batch"}
    for who, duty in ((first_cycle, "author"), (bo, "approver")):
        if who is bo:
            first_cycle.role.grant(BO, "contributor")
        assert_refused(
            who,
            lambda who=who: who.deployment.record("churn-gbm@1", **deploy),
            "duties-united",
            f"is {duty} of churn-gbm@1 and cannot deploy it, as high-risk@1 keeps these apart",
            kind=Refused,
        )
    assert dee.deployment.record("churn-gbm@1", **deploy).recorded_by == DEE
    assert first_cycle.audit.verify().passed
