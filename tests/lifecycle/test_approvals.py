"""Signed approvals: what is signed, by whom, and when a gate asks for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core.canonical import canonical_json
from crisplens.core.errors import InputError, Refused
from crisplens.ledger import merkle
from crisplens.lifecycle.signatures import NAMESPACE, digest_basis
from tests.conftest import ANA, BO, LOG_NAME, SshPerson, assert_refused, log_of, opened, state_goal, unmet
from tests.core.test_ssh import made, verified

pytestmark = pytest.mark.stored

PHASE, OTHER = "business-goal", "problem-framing"
CY = "cy@example.org"
PERSON = SshPerson(BO)


@pytest.fixture
def waiting(registry: Registry) -> Registry:
    """A registry with a log key and Bo's key, in which a checkpoint waits for approval."""
    state_goal(registry)
    registry.key.generate(LOG_NAME)
    registry.key.trust(PERSON.public, owner=BO)
    registry.checkpoint.record(PHASE, summary="as it is")
    return registry


@pytest.fixture
def bo(waiting: Registry) -> Registry:
    """The same registry, used by Bo."""
    return waiting.acting_as(BO)


def test_a_signed_approval_keeps_what_ssh_keygen_needs_to_check_it(bo: Registry, tmp_path: Path) -> None:
    approval = PERSON.approve(bo, PHASE, reason="It pays.")
    shown = bo.approval.show(approval.id)
    assert shown.approval == approval
    assert shown.message
    assert shown.signature == PERSON.sign(shown.message.encode())
    assert unmet(bo, PHASE) == {}
    assert [rule.found for rule in bo.gate.check(PHASE).rules][-1].endswith(", signed")
    if shutil.which("ssh-keygen"):
        assert verified(tmp_path, PERSON.public, shown.signature, shown.message.encode())


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed here")
def test_ssh_keygen_signs_and_verifies_an_approval(waiting: Registry, tmp_path: Path) -> None:
    key = made(tmp_path)
    public = key.with_suffix(".pub").read_text(encoding="utf-8")
    waiting.key.trust(public, owner=CY)
    cy = waiting.acting_as(CY)
    signature = cy.approval.sign(PHASE, key, reason="ä\u2028\n'\"\\")
    approval = cy.approval.grant(PHASE, reason="ä\u2028\n'\"\\", signature=signature)
    shown = cy.approval.show(approval.id)
    assert shown.message
    assert shown.signature
    assert verified(tmp_path, public.strip(), shown.signature, shown.message.encode())
    assert cy.audit.verify().passed


def test_what_is_signed_is_all_that_is_decided(bo: Registry) -> None:
    statement = bo.approval.statement(PHASE, reason="It pays.")
    checkpoint = bo.checkpoint.list()[-1]
    gate = bo.gate.check(PHASE)
    texts = log_of(bo)
    leaves = [(seq, merkle.leaf_hash(texts[seq].encode())) for seq in set(gate.basis.values())]
    assert json.loads(statement.message()) == {
        "project": "churn",
        "actor": BO,
        "checkpoint": checkpoint.id,
        "checkpoint_digest": checkpoint.digest,
        "phase": PHASE,
        "cycle": 1,
        "decision": "approved",
        "reason": "It pays.",
        "basis": gate.basis,
        "basis_digest": digest_basis(leaves),
    }
    assert statement.message() == f"{canonical_json(json.loads(statement.message()))}\n".encode()


@pytest.mark.parametrize("shape", ["\r\n", "one line"])
def test_a_signature_is_kept_as_ssh_keygen_reads_it(bo: Registry, shape: str) -> None:
    whole = PERSON.sign(bo.approval.statement(PHASE).message())
    begin, *lines, end = whole.splitlines()
    given = whole.replace("\n", "\r\n") if shape == "\r\n" else begin + "".join(lines) + end
    approval = bo.approval.grant(PHASE, signature=given)
    assert approval.signature
    assert approval.signature.signature == whole


def other_statement(bo: Registry, **stated: str) -> str:
    """Bo's signature on something else than a plain approval."""
    return PERSON.sign(bo.approval.statement(PHASE, **stated).message())


WRONG: dict[str, tuple[Callable[[Registry], str], str]] = {
    "another reason": (lambda bo: other_statement(bo, reason="x"), "of another text"),
    "a rejection": (lambda bo: other_statement(bo, decision="rejected"), "of another text"),
    "another actor": (
        lambda bo: PERSON.sign(bo.acting_as(CY).approval.statement(PHASE).message()),
        "of another text",
    ),
    "another key": (
        lambda bo: SshPerson(CY).sign(bo.approval.statement(PHASE).message()),
        "is no trusted key",
    ),
    "another namespace": (
        lambda bo: PERSON.sign(bo.approval.statement(PHASE).message(), namespace="git"),
        "was made for 'git'",
    ),
    "sha1": (lambda bo: PERSON.sign(bo.approval.statement(PHASE).message(), hash="sha1"), "neither sha256"),
    "without the newline": (
        lambda bo: PERSON.sign(bo.approval.statement(PHASE).message().rstrip()),
        "of another text",
    ),
    "cut off": (lambda bo: other_statement(bo)[:150], "no SSH signature"),
    "empty": (lambda bo: "", "no SSH signature"),
    "no text": (lambda bo: "\ud800", "no SSH signature"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_signature_is_not_taken(bo: Registry, wrong: str) -> None:
    make, why = WRONG[wrong]
    signature = make(bo)
    assert_refused(
        bo, lambda: bo.approval.grant(PHASE, signature=signature), "bad-signature", why, kind=Refused
    )
    assert bo.approval.list() == []


def test_a_signature_of_what_has_changed_since_is_not_taken(waiting: Registry, bo: Registry) -> None:
    signature = PERSON.sign(bo.approval.statement(PHASE).message())
    waiting.kpi.set("auc", target="0.7")
    assert_refused(
        bo, lambda: bo.approval.grant(PHASE, signature=signature), "bad-signature", "may have changed since"
    )


def test_a_key_of_somebody_else_or_a_revoked_one_signs_nothing(waiting: Registry, bo: Registry) -> None:
    waiting.key.trust(SshPerson(CY).public, owner=CY)
    theirs = SshPerson(CY).sign(bo.approval.statement(PHASE).message())
    assert_refused(
        bo,
        lambda: bo.approval.grant(PHASE, signature=theirs),
        "bad-signature",
        f"is the key of {CY}, not of {BO}",
    )
    waiting.key.revoke(PERSON.fingerprint, reason="lost")
    assert_refused(bo, lambda: PERSON.approve(bo, PHASE), "bad-signature", "was revoked before", kind=Refused)


def test_names_are_compared_without_case(waiting: Registry) -> None:
    loud = waiting.acting_as(BO.upper())
    assert PERSON.approve(loud, PHASE).recorded_by == BO.upper()
    assert waiting.audit.verify().passed


def test_a_rejection_can_be_signed(bo: Registry) -> None:
    bo.approval.reject(PHASE, reason="no", signature=other_statement(bo, decision="rejected", reason="no"))
    assert bo.audit.verify().passed
    assert "rejected checkpoint-1" in unmet(bo, PHASE)["approved"]


def test_the_same_signature_counts_once(bo: Registry) -> None:
    signature = PERSON.sign(bo.approval.statement(PHASE).message())
    bo.approval.grant(PHASE, signature=signature)
    bo.approval.reject(PHASE, reason="on second thoughts")
    error = assert_refused(
        bo, lambda: bo.approval.grant(PHASE, signature=signature), "bad-signature", "approval-1", kind=Refused
    )
    assert "--reason WHY" in error.hint
    PERSON.approve(bo, PHASE, reason="on third thoughts")
    assert unmet(bo, PHASE) == {}
    assert bo.audit.verify().passed


def test_the_author_cannot_sign_either(waiting: Registry) -> None:
    waiting.key.trust(SshPerson(ANA).public, owner=ANA)
    assert_refused(waiting, lambda: SshPerson(ANA).approve(waiting, PHASE), "own-checkpoint", kind=Refused)


def test_nothing_can_be_stated_about_nothing(bo: Registry) -> None:
    assert_refused(bo, lambda: bo.approval.statement(OTHER), "nothing-to-approve", kind=InputError)
    assert_refused(bo, lambda: bo.approval.statement("no-phase"), "unknown-name", kind=InputError)
    assert_refused(bo, lambda: bo.approval.statement(PHASE, decision="maybe"), "bad-choice", kind=InputError)
    assert_refused(bo, lambda: bo.approval.show("approval-9"), "unknown-name", kind=InputError)


def test_a_gate_that_demands_signatures_takes_no_other_approval(waiting: Registry, bo: Registry) -> None:
    demand = waiting.gate.demand(PHASE, "required", reason="audited")
    assert (demand.phase, demand.signatures, demand.reason) == (PHASE, "required", "audited")
    assert waiting.gate.demands() == [demand]
    assert_refused(bo, lambda: bo.approval.grant(PHASE), "signature-demanded", "--sign", kind=Refused)
    PERSON.approve(bo, PHASE)
    assert unmet(bo, PHASE) == {}


def test_a_demand_closes_the_gate_on_an_approval_that_was_not_signed(waiting: Registry, bo: Registry) -> None:
    bo.approval.grant(PHASE)
    assert unmet(bo, PHASE) == {}
    waiting.gate.demand(PHASE, "required", reason="audited")
    assert unmet(bo, PHASE)["approved"] == f"{BO} did not sign approval-1, as this gate demands"
    # It was right when it was recorded.
    assert waiting.audit.verify().passed
    PERSON.approve(bo, PHASE)
    assert unmet(bo, PHASE) == {}
    assert waiting.audit.verify().passed


def test_a_demand_is_about_one_phase_of_one_project(waiting: Registry, bo: Registry) -> None:
    waiting.gate.demand(OTHER, "required", reason="audited")
    other = waiting.acting_as(ANA, project="other")
    other.project.add("other")
    other.gate.demand(PHASE, "required", reason="audited")
    bo.approval.grant(PHASE)
    assert unmet(bo, PHASE) == {}
    assert [one.phase for one in other.gate.demands()] == [PHASE]
    assert waiting.audit.verify().passed


def test_a_demand_is_lifted_with_the_log_s_key_alone(waiting: Registry, bo: Registry) -> None:
    waiting.gate.demand(PHASE, "required", reason="audited")
    key = waiting.configuration.folder / waiting.configuration.signing_key
    key.rename(key.with_name("aside"))
    lift: Callable[[], Any] = lambda: waiting.gate.demand(PHASE, "optional", reason="x")  # noqa: E731
    assert_refused(waiting, lift, "no-signing-key", kind=InputError)
    key.with_name("aside").rename(key)
    assert lift().signatures == "optional"
    bo.approval.grant(PHASE)
    assert unmet(bo, PHASE) == {}
    assert waiting.audit.verify().passed


@pytest.mark.parametrize(
    ("phase", "signatures", "reason", "slug"),
    [
        (PHASE, "optional", "x", "not-open"),
        (PHASE, "maybe", "x", "bad-choice"),
        (PHASE, "required", " ", "empty-text"),
        ("no-phase", "required", "x", "unknown-name"),
    ],
)
def test_demands_that_are_none(
    waiting: Registry, phase: str, signatures: str, reason: str, slug: str
) -> None:
    assert_refused(
        waiting, lambda: waiting.gate.demand(phase, signatures, reason=reason), slug, kind=InputError
    )


def test_what_is_demanded_is_not_demanded_again(waiting: Registry) -> None:
    waiting.gate.demand(PHASE, "required", reason="x")
    assert_refused(waiting, lambda: waiting.gate.demand(PHASE, "required", reason="y"), "not-open")


def test_a_demand_cannot_be_lifted_where_no_log_key_could_endorse_it(registry: Registry) -> None:
    registry.gate.demand(PHASE, "required", reason="x")
    assert_refused(registry, lambda: registry.gate.demand(PHASE, "optional", reason="y"), "no-signing-key")


def test_signatures_are_the_same_of_a_version_that_is_named(first_cycle: Registry) -> None:
    first_cycle.key.generate(LOG_NAME)
    first_cycle.key.trust(PERSON.public, owner=BO)
    first_cycle.checkpoint.record("evaluation", summary="again", model="churn-gbm@1")
    PERSON.approve(first_cycle.acting_as(BO), "evaluation", model="churn-gbm@1")
    assert unmet(first_cycle, "evaluation") == {}
    assert first_cycle.audit.verify().passed


def test_a_registry_that_is_moved_keeps_its_signatures(
    bo: Registry, relogged: Callable[[Registry, list[str]], Registry]
) -> None:
    PERSON.approve(bo, PHASE)
    moved = relogged(bo, log_of(bo))
    assert moved.audit.head() == bo.audit.head()
    assert unmet(moved, PHASE) == {}
    assert moved.audit.verify().passed
    with opened(moved.engine.url.render_as_string(hide_password=False), bo.configuration.folder) as again:
        assert again.approval.list() == bo.approval.list()


def test_the_namespace_is_one_of_our_own() -> None:
    assert NAMESPACE == "crisplens-approval"


def test_the_order_of_a_basis_does_not_matter() -> None:
    leaves = [(3, b"c"), (1, b"a"), (2, b"b")]
    assert digest_basis(leaves) == digest_basis(sorted(leaves))
    assert len({digest_basis(leaves), digest_basis(leaves[1:]), digest_basis([(3, b"x"), *leaves[1:]])}) == 3
