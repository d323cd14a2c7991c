"""Overrides: what may be passed in an emergency, by whom, until when, and what the review of it does."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core import clock
from crisplens.core.dates import day_after, day_of
from crisplens.core.errors import InputError, Refused
from crisplens.lifecycle.record import load_record
from tests.conftest import ANA, BO, CI, Files, assert_refused, train

pytestmark = pytest.mark.stored

TODAY = day_of(clock.now())
TOMORROW = day_after(TODAY)
IN_A_WEEK = day_of(clock.now() + timedelta(days=7))
GIVEN = {"reason": "the old one is down", "role": "administrator", "until": TOMORROW}
DEPLOY = {"environment": "production", "kind": "batch"}


@pytest.fixture
def blocked(first_cycle: Registry, files: Files) -> Registry:
    """Version 2 waits for its evaluation to be approved; Ana administers, Bo audits, CI contributes."""
    train(first_cycle, files, 2)
    for person, role in ((ANA, "administrator"), (BO, "auditor"), (CI, "contributor")):
        first_cycle.role.grant(person, role)
    return first_cycle


def house(files: Files, rest: str) -> Path:
    """A policy of the house."""
    return files.text(f"policy: house\nversion: 1\ntitle: H\n{rest}\n", "house.yaml")


def test_an_override_is_kept_with_what_was_not_met(blocked: Registry) -> None:
    gate = blocked.gate.check("evaluation")
    assert (gate.open, gate.override) == (False, "")
    made = blocked.override.grant("evaluation", **GIVEN)
    assert (made.id, made.phase, made.cycle, made.subject) == ("override-1", "evaluation", 1, "churn-gbm@2")
    assert (made.reason, made.role, made.until) == (GIVEN["reason"], "administrator", TOMORROW)
    assert (made.recorded_by, made.outcome, made.reviewed_by) == (ANA, None, None)
    assert made.unmet == tuple(f"{rule.title}: {rule.found}" for rule in gate.unmet)
    assert blocked.override.list() == [made]
    after = blocked.gate.check("evaluation")
    # The gate does not say that it is open; it says what lets pass.
    assert (after.open, after.override, after.unmet) == (False, "override-1", gate.unmet)
    assert blocked.gate.check("evaluation", model="churn-gbm@1").override == ""
    (shown,) = blocked.status.show().overrides
    assert (shown.override, shown.in_force, shown.reviewed) == ("override-1", True, False)
    assert blocked.audit.verify().passed


@pytest.mark.parametrize(
    ("phase", "options", "kind", "slug", "words"),
    [
        ("evalution", {}, InputError, "unknown-name", ["evaluation"]),
        ("evaluation", {"role": "boss"}, InputError, "bad-choice", ["administrator"]),
        ("evaluation", {"reason": " "}, InputError, "empty-text", ["the reason"]),
        ("evaluation", {"until": "tomorrow"}, InputError, "bad-time", []),
        ("evaluation", {"until": "2026-01-31"}, InputError, "bad-time", ["from today to"]),
        ("evaluation", {"until": day_after(IN_A_WEEK)}, InputError, "bad-time", ["at most (standard@1)"]),
        ("evaluation", {"model": "none@1"}, InputError, "unknown-name", []),
        ("evaluation", {"model": "churn-gbm@1"}, InputError, "not-open", ["is open"]),
        ("business-goal", {}, InputError, "not-open", ["the gate of business-goal is open"]),
        ("evaluation", {"role": "auditor"}, Refused, "override-forbidden", ["lets administrator override"]),
    ],
)
def test_overrides_that_cannot_be(
    blocked: Registry, phase: str, options: dict[str, Any], kind: Any, slug: str, words: list[str]
) -> None:
    given = {**GIVEN, **options}
    assert_refused(blocked, lambda: blocked.override.grant(phase, **given), slug, *words, kind=kind)


def test_the_days_that_a_policy_allows_are_counted_from_today(blocked: Registry) -> None:
    assert blocked.override.grant("evaluation", **{**GIVEN, "until": IN_A_WEEK}).until == IN_A_WEEK


@pytest.mark.parametrize("who", [BO, CI, "eve@example.org"])
def test_only_who_holds_the_role_overrides(blocked: Registry, who: str) -> None:
    other = blocked.acting_as(who)
    assert_refused(
        other,
        lambda: other.override.grant("evaluation", **GIVEN),
        "no-role",
        f"{who} does not hold the role administrator",
        kind=Refused,
    )


def test_in_a_project_without_roles_nobody_overrides(first_cycle: Registry, files: Files) -> None:
    train(first_cycle, files, 2)
    error = assert_refused(
        first_cycle, lambda: first_cycle.override.grant("evaluation", **GIVEN), "no-role", kind=Refused
    )
    assert f"crisplens role grant {ANA} administrator" in error.hint


def test_a_policy_says_who_overrides(blocked: Registry, files: Files) -> None:
    blocked.policy.adopt(house(files, "overrides: {roles: [auditor], most-days: 1}"))
    assert_refused(
        blocked, lambda: blocked.override.grant("evaluation", **GIVEN), "override-forbidden", kind=Refused
    )
    bo = blocked.acting_as(BO)
    made = bo.override.grant("evaluation", **{**GIVEN, "role": "auditor"})
    assert (made.role, made.recorded_by) == ("auditor", BO)


def test_a_policy_may_forbid_overrides_those_in_force_too(blocked: Registry, files: Files) -> None:
    blocked.override.grant("evaluation", **GIVEN)
    blocked.policy.adopt(house(files, "overrides: {allowed: false}"))
    assert blocked.gate.check("evaluation").override == ""
    assert_refused(
        blocked,
        lambda: blocked.override.grant("evaluation", **GIVEN),
        "override-forbidden",
        "house@1 forbids overrides",
        kind=Refused,
    )
    assert_refused(blocked, lambda: blocked.deployment.record("churn-gbm@2", **DEPLOY), "gate-blocked")


def test_one_override_at_a_time(blocked: Registry) -> None:
    blocked.override.grant("evaluation", **GIVEN)
    assert_refused(
        blocked,
        lambda: blocked.override.grant("evaluation", **GIVEN),
        "exists",
        "override-1 is in force",
        kind=InputError,
    )


def test_deployment_and_promotion_pass_and_say_by_what(blocked: Registry) -> None:
    for door in (
        lambda: blocked.deployment.record("churn-gbm@2", **DEPLOY),
        lambda: blocked.model.promote("churn-gbm@2"),
    ):
        assert_refused(blocked, door, "gate-blocked", "churn-gbm@2", kind=Refused)
    blocked.override.grant("evaluation", **GIVEN)
    for passed in (
        blocked.deployment.record("churn-gbm@2", **DEPLOY),
        blocked.model.promote("churn-gbm@2", note="for now"),
    ):
        (gate,) = passed.gates
        assert (gate.phase, gate.subject, gate.open) == ("evaluation", "churn-gbm@2", False)
        assert (gate.override, gate.policy) == ("override-1", "standard@1")
        assert gate.unmet
        assert gate.passes
    assert blocked.audit.verify().passed


def test_a_cycle_is_closed_through_an_override_that_is_named(first_cycle: Registry) -> None:
    first_cycle.role.grant(ANA, "administrator")
    first_cycle.checkpoint.record("monitoring", summary="again")
    assert_refused(first_cycle, lambda: first_cycle.cycle.close(), "gate-blocked", "monitoring", kind=Refused)
    first_cycle.override.grant("monitoring", **GIVEN)
    first_cycle.cycle.close(note="done")
    with first_cycle.reading() as session:
        (end,) = load_record(session, "churn").cycle_ends
    assert {gate.phase: gate.override for gate in end.gates if gate.override} == {"monitoring": "override-1"}
    assert all(gate.open for gate in end.gates if not gate.override)


def test_an_override_expires_at_the_end_of_its_last_day(
    blocked: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked.override.grant("evaluation", **GIVEN)
    given_on = clock.now()
    monkeypatch.setattr(clock, "now", lambda: given_on + timedelta(days=1))
    assert blocked.gate.check("evaluation").override == "override-1"
    monkeypatch.setattr(clock, "now", lambda: given_on + timedelta(days=2))
    assert blocked.gate.check("evaluation").override == ""
    assert_refused(
        blocked, lambda: blocked.deployment.record("churn-gbm@2", **DEPLOY), "gate-blocked", kind=Refused
    )
    # Nobody has looked at it yet, so it goes on being shown.
    (shown,) = blocked.status.show().overrides
    assert (shown.in_force, shown.reviewed) == (False, False)
    until = day_of(given_on + timedelta(days=3))
    assert blocked.override.grant("evaluation", **{**GIVEN, "until": until}).id == "override-2"


def test_an_override_of_a_version_goes_with_it_and_that_of_a_phase_ends_with_its_cycle(
    blocked: Registry,
) -> None:
    blocked.checkpoint.record("monitoring", summary="again")
    for phase in ("evaluation", "monitoring"):
        blocked.override.grant(phase, **GIVEN)
    assert blocked.gate.check("monitoring").override == "override-2"
    blocked.cycle.open(reason="yearly")
    assert blocked.gate.check("monitoring").override == ""
    assert blocked.gate.check("evaluation", model="churn-gbm@2").override == "override-1"
    assert [one.in_force for one in blocked.status.show().overrides] == [True, False]


def test_a_review_is_someone_else_s(blocked: Registry) -> None:
    blocked.override.grant("evaluation", **GIVEN)
    given = {"outcome": "justified", "note": "it was down"}
    assert_refused(
        blocked,
        lambda: blocked.override.review("override-1", **given),
        "own-checkpoint",
        f"{ANA} made override-1 and cannot review it",
        kind=Refused,
    )
    ci = blocked.acting_as(CI)
    assert_refused(
        ci,
        lambda: ci.override.review("override-1", **given),
        "no-role",
        "auditor or administrator",
        kind=Refused,
    )
    bo = blocked.acting_as(BO)
    reviewed = bo.override.review("override-1", **given)
    assert (reviewed.outcome, reviewed.review_note, reviewed.reviewed_by) == ("justified", "it was down", BO)
    assert (reviewed.recorded_by, reviewed.reviewed_at is not None) == (ANA, True)
    assert blocked.gate.check("evaluation").override == "override-1"
    assert_refused(
        bo,
        lambda: bo.override.review("override-1", **given),
        "not-open",
        f"override-1 was found justified by {BO}",
        kind=InputError,
    )
    assert blocked.audit.verify().passed


@pytest.mark.parametrize(
    ("id", "outcome", "note", "slug"),
    [
        ("override-9", "justified", "x", "unknown-name"),
        ("override-1", "maybe", "x", "bad-choice"),
        ("override-1", "justified", " ", "empty-text"),
    ],
)
def test_reviews_that_cannot_be(blocked: Registry, id: str, outcome: str, note: str, slug: str) -> None:
    blocked.override.grant("evaluation", **GIVEN)
    bo = blocked.acting_as(BO)
    assert_refused(bo, lambda: bo.override.review(id, outcome=outcome, note=note), slug, kind=InputError)


def test_what_was_not_justified_lets_nothing_pass_any_more(blocked: Registry) -> None:
    blocked.override.grant("evaluation", **GIVEN)
    blocked.model.promote("churn-gbm@2")
    blocked.acting_as(BO).override.review("override-1", outcome="not-justified", note="the old one was up")
    assert blocked.gate.check("evaluation").override == ""
    assert_refused(
        blocked, lambda: blocked.deployment.record("churn-gbm@2", **DEPLOY), "gate-blocked", kind=Refused
    )
    assert blocked.status.show().overrides == ()
    # What has passed has passed.
    assert blocked.model.promotions()[-1].gates[0].override == "override-1"


def test_an_open_gate_needs_no_override_any_more(blocked: Registry) -> None:
    blocked.override.grant("evaluation", **GIVEN)
    blocked.checkpoint.record("evaluation", summary="now it is looked at")
    blocked.role.grant(BO, "approver")
    blocked.acting_as(BO).approval.grant("evaluation")
    gate = blocked.gate.check("evaluation")
    assert (gate.open, gate.override) == (True, "")
    (decision,) = blocked.deployment.record("churn-gbm@2", **DEPLOY).gates
    assert (decision.open, decision.override) == (True, "")


@pytest.mark.parametrize(
    ("pairs", "refused"),
    [
        ("[author, deployer]", [ANA]),
        ("[deployer, approver]", [BO]),
        ("[author, deployer], [approver, deployer]", [ANA, BO]),
        ("[author, approver]", []),
    ],
)
def test_a_policy_keeps_duties_apart_at_deployment(
    first_cycle: Registry, files: Files, pairs: str, refused: list[str]
) -> None:
    first_cycle.policy.adopt(house(files, f"separation: [{pairs}]"))
    for person, duty in ((ANA, "author"), (BO, "approver"), (CI, "")):
        who = first_cycle.acting_as(person.upper())
        # A rehearsal is no production.
        who.deployment.record("churn-gbm@1", environment="staging", kind="batch")
        if person in refused:
            assert_refused(
                who,
                lambda who=who: who.deployment.record("churn-gbm@1", **DEPLOY),
                "duties-united",
                f"is {duty} of churn-gbm@1 and cannot deploy it",
                kind=Refused,
            )
        else:
            who.deployment.record("churn-gbm@1", **DEPLOY)


def test_duties_are_kept_apart_for_every_version_that_serves(first_cycle: Registry, files: Files) -> None:
    rest = "separation: [[author, deployer]]\nphases: {evaluation: {required: false}}"
    first_cycle.policy.adopt(house(files, rest))
    cy = first_cycle.acting_as("cy@example.org")
    cy.model.register("churn-gbm", files.text("w2"), datasets=["train@1"])
    assert_refused(
        cy,
        lambda: cy.deployment.record("churn-gbm@1", **DEPLOY, variants={"b": ("churn-gbm@2", "10")}),
        "duties-united",
        "author of churn-gbm@2",
        kind=Refused,
    )
    assert cy.deployment.record("churn-gbm@1", **DEPLOY).recorded_by == "cy@example.org"


@pytest.mark.parametrize("door", ["deployment", "promotion"])
def test_a_door_asks_at_least_one_gate(first_cycle: Registry, files: Files, door: str) -> None:
    file = house(files, f"doors: {{{door}: []}}")
    said = f"line 4, column 9: {door} asks at least one gate"
    assert_refused(first_cycle, lambda: first_cycle.policy.adopt(file), "bad-document", said, kind=InputError)
