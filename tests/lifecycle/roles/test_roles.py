"""Roles: who may record and decide what, for whom, until when; and that without any everyone may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.api import Registry
from crisplens.core import clock
from crisplens.core.dates import day_after, day_of
from crisplens.core.errors import InputError, Refused
from crisplens.lifecycle.roles.model import Role, RoleBook
from crisplens.lifecycle.roles.service import MAY_RECORD
from tests.conftest import ANA, BO, CI, LOG_NAME, Files, assert_refused, state_goal, unmet

pytestmark = pytest.mark.stored

CY, DEE = "cy@example.org", "dee@example.org"
PHASE, OTHER = "business-goal", "problem-framing"
TODAY = day_of(clock.now())
TOMORROW = day_after(TODAY)


@pytest.fixture
def staffed(registry: Registry) -> Registry:
    """Ana administers, Bo approves, Cy contributes, CI only reads; a checkpoint of Ana's waits."""
    state_goal(registry)
    registry.checkpoint.record(PHASE, summary="as it is")
    for person, role in ((ANA, "administrator"), (BO, "approver"), (CY, "contributor"), (CI, "viewer")):
        registry.role.grant(person, role)
    return registry


def test_without_roles_everyone_may_do_everything(registry: Registry) -> None:
    state_goal(registry)
    registry.acting_as(CY).kpi.set("f1", target="0.4")
    registry.acting_as(CY).policy.adopt("light")
    registry.acting_as(CY).checkpoint.record(PHASE, summary="x")
    registry.acting_as(CI).approval.grant(PHASE)
    assert registry.role.list() == []


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_the_first_role_makes_an_administrator(registry: Registry, role: Role) -> None:
    error = assert_refused(
        registry, lambda: registry.role.grant(BO, role), "no-administrator", kind=InputError
    )
    assert f"crisplens role grant {ANA} administrator" in error.hint


def test_a_role_is_kept_with_who_gave_it_and_why(registry: Registry) -> None:
    held = registry.role.grant(f" {BO} ", "administrator", reason="she leads it")
    assert (held.id, held.person, held.role, held.phases) == ("role-1", BO, "administrator", ())
    assert (held.reason, held.recorded_by, held.withdrawn_at) == ("she leads it", ANA, None)
    approver = registry.acting_as(BO).role.grant(CY, "approver", phases=["evaluation", PHASE, PHASE])
    assert approver.phases == ("evaluation", PHASE)
    assert registry.role.list() == [held, approver]
    assert registry.audit.verify().passed


@pytest.mark.parametrize(
    ("person", "role", "options", "slug"),
    [
        (CY, "boss", {}, "bad-choice"),
        ("", "viewer", {}, "bad-actor"),
        ("a\nb", "viewer", {}, "bad-actor"),
        (CY, "approver", {"phases": ["evalution"]}, "unknown-name"),
        (CY, "contributor", {"phases": [PHASE]}, "bad-choice"),
        (BO, "approver", {}, "exists"),
        (BO.upper(), "approver", {}, "exists"),
        (CY, "viewer", {"reason": "x" * 20_001}, "text-too-long"),
    ],
)
def test_roles_that_cannot_be_given(
    staffed: Registry, person: str, role: str, options: dict[str, Any], slug: str
) -> None:
    assert_refused(staffed, lambda: staffed.role.grant(person, role, **options), slug, kind=InputError)


Step = Callable[[Registry, Files], Any]
WHAT: dict[str, tuple[str, Step]] = {
    "a KPI": ("kpi.set", lambda r, f: r.kpi.set("f1", target="0.4")),
    "a checkpoint": ("checkpoint.recorded", lambda r, f: r.checkpoint.record(PHASE, summary="again")),
    "evidence": ("evidence.added", lambda r, f: r.evidence.add(f.text("x"))),
    "a request": ("approval.requested", lambda r, f: r.approval.request(PHASE)),
    "an approval": ("approval.decided", lambda r, f: r.approval.grant(PHASE)),
    "a rejection": ("approval.decided", lambda r, f: r.approval.reject(PHASE, reason="no")),
    "a delegation": (
        "approval.delegated",
        lambda r, f: r.approval.delegate(DEE, until=TOMORROW, reason="away"),
    ),
    "a demand": ("gate.demanded", lambda r, f: r.gate.demand(PHASE, "required", reason="x")),
    "a policy": ("policy.adopted", lambda r, f: r.policy.adopt("light")),
    "a role": ("role.granted", lambda r, f: r.role.grant(DEE, "viewer")),
    "a withdrawal": ("role.withdrawn", lambda r, f: r.role.withdraw("role-4", reason="left")),
    "a risk": (
        "risk.recorded",
        lambda r, f: r.risk.add("R", likelihood="rare", impact="minor", review_by=TOMORROW),
    ),
    "a cycle": ("cycle.opened", lambda r, f: r.cycle.open(reason="x")),
}
WRITERS = {"contributor", "administrator"}


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("role", Role)
def test_what_each_role_may_record(staffed: Registry, files: Files, role: Role, what: str) -> None:
    event, step = WHAT[what]
    allowed = {one.value for one in MAY_RECORD.get(event, ())} or WRITERS
    staffed.role.grant(DEE, role)
    dee = staffed.acting_as(DEE)
    if what == "a delegation":
        assert allowed == {"approver"}
        step = lambda r, f: r.approval.delegate(CY, until=TOMORROW, reason="away")  # noqa: E731
    if what == "a role":
        step = lambda r, f: r.role.grant("eve@example.org", "viewer")  # noqa: E731
    if role.value in allowed:
        step(dee, files)
        assert staffed.audit.log()[-1].type == event or event == "kpi.set"
    else:
        assert_refused(dee, lambda: step(dee, files), "no-role", DEE, kind=Refused)


def test_what_roles_may_record_is_what_is_said() -> None:
    said = {event: {role.value for role in roles} for event, roles in MAY_RECORD.items()}
    assert said == {
        "approval.decided": {"approver"},
        "approval.withdrawn": {"approver", *WRITERS},
        "approval.delegated": {"approver"},
        "approval.delegation-ended": {"approver", "administrator"},
        "gate.demanded": {"administrator"},
        "gate.override-reviewed": {"auditor", "administrator"},
        "gate.overridden": set(Role),
        "policy.adopted": {"administrator"},
        "risk.reviewed": {"auditor", *WRITERS},
        "role.granted": {"administrator"},
        "role.withdrawn": {"administrator"},
    }


def test_someone_without_a_role_may_read_alone(staffed: Registry) -> None:
    eve = staffed.acting_as("eve@example.org")
    assert eve.kpi.list()
    assert eve.status.show().project == "churn"
    assert_refused(
        eve,
        lambda: eve.kpi.set("f1", target=1),
        "no-role",
        "eve@example.org may not record",
        "contributor or administrator",
        kind=Refused,
    )


def test_roles_are_one_project_s_and_the_registry_s_own_events_need_none(
    staffed: Registry, files: Files
) -> None:
    eve = staffed.acting_as("eve@example.org")
    eve.project.add("other")
    eve.on_project("other").kpi.set("f1", target=1)
    eve.key.generate(LOG_NAME)
    assert staffed.on_project("other").role.list() == []


def test_names_of_people_are_compared_without_case(staffed: Registry) -> None:
    staffed.acting_as(CY.title()).kpi.set("f1", target=1)
    staffed.acting_as(BO.upper()).approval.grant(PHASE)
    assert unmet(staffed, PHASE) == {}


def test_within_a_transaction_a_new_role_counts_at_once(staffed: Registry) -> None:
    with staffed.transaction() as together:
        together.role.grant(DEE, "contributor")
        together.acting_as(DEE).kpi.set("f1", target=1)

    def too_late() -> None:
        with staffed.transaction() as together:
            together.role.withdraw("role-5", reason="left")
            together.acting_as(DEE).kpi.set("f2", target=1)

    assert_refused(staffed, too_late, "no-role", kind=Refused)
    assert [one.withdrawn_at for one in staffed.role.list()][-1] is None


def test_an_approver_of_certain_phases_decides_on_those(registry: Registry) -> None:
    state_goal(registry)
    for phase in (PHASE, OTHER):
        registry.checkpoint.record(phase, summary="as it is")
    registry.role.grant(ANA, "administrator")
    registry.role.grant(BO, "approver", phases=[OTHER])
    bo = registry.acting_as(BO)
    assert_refused(
        bo,
        lambda: bo.approval.grant(PHASE),
        "no-role",
        f"{BO} may not record approval.decided on {PHASE}: it takes the role approver",
        kind=Refused,
    )
    bo.approval.grant(OTHER)
    assert unmet(registry, OTHER) == {}
    registry.role.grant(BO, "approver")
    bo.approval.grant(PHASE)
    assert unmet(registry, PHASE) == {}


def test_a_role_that_is_taken_back_leaves_what_was_decided(staffed: Registry) -> None:
    staffed.policy.adopt("high-risk")
    staffed.policy.adopt("standard")
    bo = staffed.acting_as(BO)
    bo.approval.grant(PHASE)
    gone = staffed.role.withdraw("role-2", reason="left")
    assert (gone.withdrawn_by, gone.withdrawn_reason, gone.recorded_by) == (ANA, "left", ANA)
    assert gone.withdrawn_seq == staffed.audit.head().size - 1
    assert unmet(staffed, PHASE) == {}
    assert_refused(bo, lambda: bo.approval.reject(PHASE, reason="no"), "no-role", kind=Refused)
    # It may be given again.
    staffed.role.grant(BO, "approver")
    bo.approval.reject(PHASE, reason="no")
    assert staffed.audit.verify().passed


def test_a_policy_that_asks_for_roles_takes_decisions_of_those_who_held_them(
    registry: Registry, files: Files
) -> None:
    state_goal(registry)
    registry.checkpoint.record(PHASE, summary="as it is")
    policy = (
        "policy: house\nversion: 1\ntitle: H\nphases: {business-goal: {approvals: {roles: [approver]}}}\n"
    )
    registry.policy.adopt(files.text(policy, "house.yaml"))
    bo = registry.acting_as(BO)
    # Nobody holds a role in a project that has none.
    assert_refused(
        bo, lambda: bo.approval.grant(PHASE), "no-role", "house@1 asks for the role approver", kind=Refused
    )
    registry.role.grant(ANA, "administrator")
    role = registry.role.grant(BO, "approver")
    bo.approval.grant(PHASE)
    registry.role.withdraw(role.id, reason="left")
    assert unmet(registry, PHASE) == {}
    assert registry.audit.verify().passed


def test_a_decision_from_before_the_role_does_not_count_where_the_role_is_demanded(
    registry: Registry, files: Files
) -> None:
    state_goal(registry)
    registry.checkpoint.record(PHASE, summary="as it is")
    registry.acting_as(BO).approval.grant(PHASE)
    registry.role.grant(ANA, "administrator")
    registry.role.grant(BO, "approver")
    assert unmet(registry, PHASE) == {}
    policy = (
        "policy: house\nversion: 1\ntitle: H\nphases: {business-goal: {approvals: {roles: [approver]}}}\n"
    )
    registry.policy.adopt(files.text(policy, "house.yaml"))
    assert unmet(registry, PHASE)["approved"] == f"{BO} was no approver when approval-1 was given"


@pytest.mark.parametrize(
    ("id", "reason", "kind", "slug"),
    [
        ("role-9", "x", InputError, "unknown-name"),
        ("role-2", " ", InputError, "empty-text"),
        ("role-1", "x", Refused, "no-administrator"),
    ],
)
def test_roles_that_cannot_be_taken_back(
    staffed: Registry, id: str, reason: str, kind: Any, slug: str
) -> None:
    assert_refused(staffed, lambda: staffed.role.withdraw(id, reason=reason), slug, kind=kind)


def test_a_role_is_taken_back_once_and_somebody_always_administers(staffed: Registry) -> None:
    staffed.role.withdraw("role-2", reason="left")
    assert_refused(
        staffed, lambda: staffed.role.withdraw("role-2", reason="left"), "unknown-name", kind=InputError
    )
    staffed.role.grant(BO, "administrator")
    staffed.role.withdraw("role-1", reason="left")
    assert_refused(staffed, lambda: staffed.kpi.set("f1", target=1), "no-role", kind=Refused)
    bo = staffed.acting_as(BO)
    error = assert_refused(
        bo, lambda: bo.role.withdraw("role-5", reason="x"), "no-administrator", BO, kind=Refused
    )
    assert "Grant the role to someone else" in error.hint


def test_a_delegate_decides_in_an_approver_s_place(staffed: Registry) -> None:
    bo, dee = staffed.acting_as(BO), staffed.acting_as(DEE)
    assert_refused(dee, lambda: dee.approval.grant(PHASE), "no-role", kind=Refused)
    made = bo.approval.delegate(DEE, until=TODAY, reason="on leave")
    assert (made.id, made.to, made.until, made.phases) == ("delegation-1", DEE, TODAY, ())
    assert (made.recorded_by, made.reason, made.withdrawn_at) == (BO, "on leave", None)
    assert staffed.approval.delegations() == [made]
    dee.approval.grant(PHASE)
    assert unmet(staffed, PHASE) == {}
    # Deciding is all that was handed on.
    assert_refused(dee, lambda: dee.kpi.set("f1", target=1), "no-role", kind=Refused)
    assert_refused(
        dee,
        lambda: dee.approval.delegate(CY, until=TOMORROW, reason="x"),
        "no-role",
        "has nothing to delegate",
        kind=Refused,
    )
    assert staffed.audit.verify().passed


def test_a_delegation_may_be_for_certain_phases(staffed: Registry) -> None:
    staffed.checkpoint.record(OTHER, summary="x")
    staffed.acting_as(BO).approval.delegate(DEE, until=TOMORROW, reason="x", phases=[OTHER])
    dee = staffed.acting_as(DEE)
    assert_refused(dee, lambda: dee.approval.grant(PHASE), "no-role", kind=Refused)
    dee.approval.grant(OTHER)
    assert unmet(staffed, OTHER) == {}


def test_nobody_hands_on_more_than_they_hold(registry: Registry) -> None:
    state_goal(registry)
    registry.checkpoint.record(PHASE, summary="x")
    registry.role.grant(ANA, "administrator")
    registry.role.grant(BO, "approver", phases=[OTHER])
    registry.acting_as(BO).approval.delegate(DEE, until=TOMORROW, reason="x")
    dee = registry.acting_as(DEE)
    assert_refused(dee, lambda: dee.approval.grant(PHASE), "no-role", kind=Refused)


def test_a_delegation_ends_with_its_last_day(staffed: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    staffed.acting_as(BO).approval.delegate(DEE, until=TOMORROW, reason="x")
    dee = staffed.acting_as(DEE)
    noon = datetime.combine(datetime.fromisoformat(TOMORROW), datetime.min.time(), UTC) + timedelta(hours=12)
    monkeypatch.setattr(clock, "now", lambda: noon + timedelta(days=1))
    assert_refused(dee, lambda: dee.approval.grant(PHASE), "no-role", kind=Refused)
    monkeypatch.setattr(clock, "now", lambda: noon)
    dee.approval.grant(PHASE)
    monkeypatch.setattr(clock, "now", lambda: noon + timedelta(days=30))
    assert unmet(staffed, PHASE) == {}
    assert staffed.audit.verify().passed


def test_a_delegation_is_ended_by_who_made_it_or_an_administrator(staffed: Registry) -> None:
    bo, dee = staffed.acting_as(BO), staffed.acting_as(DEE)
    staffed.role.grant(CI, "approver")
    bo.approval.delegate(DEE, until=TOMORROW, reason="x")
    ci = staffed.acting_as(CI)
    assert_refused(
        ci,
        lambda: ci.approval.end_delegation("delegation-1", reason="x"),
        "no-role",
        "end delegation-1",
        kind=Refused,
    )
    ended = bo.approval.end_delegation("delegation-1", reason="back")
    assert (ended.withdrawn_by, ended.withdrawn_reason) == (BO, "back")
    assert_refused(dee, lambda: dee.approval.grant(PHASE), "no-role", kind=Refused)
    assert_refused(
        bo,
        lambda: bo.approval.end_delegation("delegation-1", reason="x"),
        "unknown-name",
        kind=InputError,
    )
    bo.approval.delegate(DEE, until=TOMORROW, reason="x")
    assert staffed.approval.end_delegation("delegation-2", reason="x").withdrawn_by == ANA
    assert staffed.audit.verify().passed


def test_a_delegation_ends_with_the_role_it_comes_from(staffed: Registry) -> None:
    staffed.acting_as(BO).approval.delegate(DEE, until=TOMORROW, reason="x")
    staffed.role.withdraw("role-2", reason="left")
    dee = staffed.acting_as(DEE)
    assert_refused(dee, lambda: dee.approval.grant(PHASE), "no-role", kind=Refused)


@pytest.mark.parametrize(
    ("actor", "to", "options", "kind", "slug"),
    [
        (BO, BO.upper(), {}, InputError, "bad-choice"),
        (BO, DEE, {"until": "2026-01-31"}, InputError, "bad-time"),
        (BO, DEE, {"until": "tomorrow"}, InputError, "bad-time"),
        (BO, DEE, {"phases": ["evalution"]}, InputError, "unknown-name"),
        (BO, DEE, {"reason": ""}, InputError, "empty-text"),
        (BO, " ", {}, InputError, "bad-actor"),
        (CY, DEE, {}, Refused, "no-role"),
        (ANA, DEE, {}, Refused, "no-role"),
    ],
)
def test_delegations_that_cannot_be(
    staffed: Registry, actor: str, to: str, options: dict[str, Any], kind: Any, slug: str
) -> None:
    who = staffed.acting_as(actor)
    given = {"until": TOMORROW, "reason": "x", **options}
    assert_refused(who, lambda: who.approval.delegate(to, **given), slug, kind=kind)


def test_without_roles_there_is_nothing_to_delegate(registry: Registry) -> None:
    assert_refused(
        registry,
        lambda: registry.approval.delegate(DEE, until=TOMORROW, reason="x"),
        "no-role",
        kind=Refused,
    )
    assert_refused(
        registry, lambda: registry.approval.end_delegation("delegation-1", reason="x"), "unknown-name"
    )


def test_a_delegate_takes_their_own_decision_back(staffed: Registry) -> None:
    staffed.acting_as(BO).approval.delegate(DEE, until=TOMORROW, reason="x", phases=[PHASE])
    dee = staffed.acting_as(DEE)
    decided = dee.approval.reject(PHASE, reason="no")
    assert dee.approval.withdraw(decided.id, reason="said elsewhere").withdrawn_by == DEE


@dataclass(frozen=True)
class Held:
    """A role or delegation in a book of roles."""

    person: str = BO
    role: str = Role.APPROVER
    phases: tuple[str, ...] = ()
    seq: int = 1
    withdrawn_seq: int | None = None
    recorded_by: str = BO
    to: str = DEE
    until: str = "2026-06-30"


@pytest.mark.parametrize(
    ("held", "seq", "phase", "holds"),
    [
        (Held(), 2, "", BO),
        (Held(), 1, "", ""),
        (Held(), 2, PHASE, BO),
        (Held(phases=(PHASE,)), 2, PHASE, BO),
        (Held(phases=(PHASE,)), 2, OTHER, ""),
        (Held(phases=(PHASE,)), 2, "", BO),
        (Held(withdrawn_seq=5), 5, "", BO),
        (Held(withdrawn_seq=5), 6, "", ""),
        (Held(person=BO.upper()), 2, "", BO),
        (Held(role=Role.VIEWER), 2, "", ""),
    ],
)
def test_a_role_is_held_from_its_event_to_its_withdrawal(
    held: Held, seq: int, phase: str, holds: str
) -> None:
    book = RoleBook([held])
    assert book.holds(BO, Role.APPROVER, seq=seq, day="2026-01-01", phase=phase) == holds
    assert book.in_use


@given(
    st.lists(st.builds(Held, person=st.sampled_from([ANA, BO, CY]), role=st.sampled_from(list(Role)),
             phases=st.sampled_from([(), (PHASE,), (OTHER,)]), seq=st.integers(0, 9),
             withdrawn_seq=st.none() | st.integers(0, 9)), max_size=4),
    st.lists(st.builds(Held, recorded_by=st.sampled_from([ANA, BO, CY]), phases=st.sampled_from([(), (PHASE,)]),
             seq=st.integers(0, 9), until=st.sampled_from(["2026-01-01", "2026-06-30"])), max_size=3),
    st.integers(0, 10),
)  # fmt: skip
def test_whoever_decides_for_another_does_so_by_a_role_that_is_held(
    assigned: list[Held], delegated: list[Held], seq: int
) -> None:
    book = RoleBook(assigned, delegated)
    for person in (ANA, BO, CY, DEE):
        by = book.holds(person, Role.APPROVER, seq=seq, day="2026-03-01", phase=PHASE)
        if by and by != person:
            assert by in book.holders(Role.APPROVER, seq=seq, phase=PHASE)
            assert any(
                one.recorded_by == by and one.to == person and one.until >= "2026-03-01" for one in delegated
            )
        elif by:
            assert person in book.holders(Role.APPROVER, seq=seq, phase=PHASE)
        # Nothing but approving is handed on.
        contributor = book.holds(person, Role.CONTRIBUTOR, seq=seq, day="2026-03-01")
        assert contributor in ("", person)
