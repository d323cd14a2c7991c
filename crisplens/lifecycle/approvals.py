"""Use cases of approvals: decisions on checkpoints, signed or not, and what gates demand of them."""

from __future__ import annotations

import msgspec
from sqlalchemy.orm import Session

from crisplens.core import ssh
from crisplens.core.errors import InputError, Refused
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.queries import leaf_hashes
from crisplens.ledger.service import append, next_seq
from crisplens.lifecycle.events import ApprovalDecided, GateDemanded
from crisplens.lifecycle.gates import APPROVED, check_gate, demands_signature
from crisplens.lifecycle.model import ApprovalSignature, Decision, GateResult, Signatures
from crisplens.lifecycle.phases import get_phase
from crisplens.lifecycle.queries import (
    Approval,
    Checkpoint,
    GateDemand,
    ProjectRecord,
    get_approval,
    list_gate_demands,
    load_record,
)
from crisplens.lifecycle.signatures import ApprovalStatement, digest_basis, signature_fault
from crisplens.lifecycle.tables import ApprovalRow, GateDemandRow
from crisplens.registry.keys.queries import load_keyring
from crisplens.registry.keys.service import Signer, endorse_in
from crisplens.registry.model import VersionRef
from crisplens.registry.models.queries import get_model_version
from crisplens.registry.projects.model import choose
from crisplens.registry.projects.queries import get_project
from crisplens.registry.views import get_view, next_id


def grant_approval(
    work: UnitOfWork,
    phase: str,
    *,
    reason: str = "",
    model: str | VersionRef | None = None,
    signature: str | None = None,
) -> Approval:
    """Approve a phase's checkpoint, exactly as it and what it rests on stand now.

    `signature` is the actor's armoured SSH signature of the approval's statement. Raises `Refused` when the actor
    wrote the checkpoint, another rule of the gate is not met, or a signature is demanded or wrong; `InputError`
    when there is no checkpoint, or it is approved already.
    """
    return _decide(work, phase, Decision.APPROVED, reason, model, signature)


def reject_approval(
    work: UnitOfWork,
    phase: str,
    *,
    reason: str,
    model: str | VersionRef | None = None,
    signature: str | None = None,
) -> Approval:
    """Refuse to approve a phase's checkpoint, and say why. Raises as `grant_approval` does."""
    return _decide(work, phase, Decision.REJECTED, check_text("the reason", reason), model, signature)


def demand_signatures(
    work: UnitOfWork, phase: str, signatures: str, *, reason: str, signer: Signer
) -> GateDemand:
    """Let a phase's gate take signed approvals only (`required`), or unsigned ones too (`optional`).

    Lifting the demand is endorsed with the log's signing key, so that nobody who merely holds the database can.
    Raises `InputError` for an unknown phase or when it is so already.
    """
    chosen, wanted = get_phase(phase), Signatures(choose(Signatures, "the demand", signatures))
    get_project(work.session, work.project)
    check_text("the reason", reason)
    before = {one.phase: one.signatures for one in list_gate_demands(work.session, work.project)}
    if before.get(chosen.id, Signatures.OPTIONAL) == wanted:
        raise InputError(
            f"signatures on {chosen.id} are {wanted} already",
            slug="not-open",
            hint="See `crisplens gate demands`.",
        )
    said = {"type": GateDemanded.TYPE, "phase": chosen.id, "signatures": wanted.value, "reason": reason}
    lifts = wanted is Signatures.OPTIONAL
    endorsement = endorse_in(work, said, signer, project=work.project) if lifts else None
    append(work, GateDemanded(phase=chosen.id, signatures=wanted, reason=reason, endorsement=endorsement))
    return get_view(work.session, GateDemandRow, (work.project, chosen.id), GateDemand)


def _decide(
    work: UnitOfWork,
    phase: str,
    decision: Decision,
    reason: str,
    model: str | VersionRef | None,
    armoured: str | None,
) -> Approval:
    check_text("the reason", reason, required=False)
    record = load_record(work.session, work.project)
    gate, checkpoint = _to_decide(work.session, record, phase, model)
    if work.actor.id.casefold() == checkpoint.recorded_by.casefold():
        raise Refused(
            f"{work.actor.id} wrote {checkpoint.id} and cannot decide on it",
            slug="own-checkpoint",
            hint="Someone else has to: --actor NAME.",
        )
    if decision is Decision.APPROVED:
        _refuse_blocked(gate)
        if armoured is None and demands_signature(record, gate.phase):
            raise Refused(
                f"the gate of {gate.phase} takes signed approvals only",
                slug="signature-demanded",
                hint="Sign it with your SSH key: --sign ~/.ssh/id_ed25519",
            )
    statement = _statement(work.session, work.actor.id, record, gate, checkpoint, decision, reason)
    event = ApprovalDecided(
        id=next_id(work.session, work.project, ApprovalRow, "approval"),
        checkpoint=checkpoint.id,
        checkpoint_digest=checkpoint.digest,
        phase=gate.phase,
        cycle=checkpoint.cycle,
        decision=decision,
        reason=reason,
        basis=gate.basis,
        signature=None if armoured is None else _checked_signature(work.session, record, statement, armoured),
    )
    append(work, event)
    return get_view(work.session, ApprovalRow, (work.project, event.id), Approval)


def state_approval(
    session: Session,
    project: str,
    phase: str,
    *,
    actor: str,
    decision: str = Decision.APPROVED,
    reason: str = "",
    model: str | VersionRef | None = None,
) -> ApprovalStatement:
    """What `actor` would state, and may sign, by deciding on a phase's checkpoint as it stands now.

    Raises `InputError` when there is no checkpoint.
    """
    chosen = Decision(choose(Decision, "the decision", decision))
    record = load_record(session, project)
    gate, checkpoint = _to_decide(session, record, phase, model)
    return _statement(session, actor, record, gate, checkpoint, chosen, reason)


class SignedStatement(msgspec.Struct, frozen=True, kw_only=True):
    """A decision with the text that its approver signed, and the signature; both are None when unsigned.

    `ssh-keygen -Y verify -n crisplens-approval` takes them.
    """

    approval: Approval
    message: str | None
    signature: str | None


def show_approval(session: Session, project: str, id: str) -> SignedStatement:
    """A decision, and what its approver signed. Raises `InputError` for an unknown one."""
    approval = get_approval(session, project, id)
    if approval.signature is None:
        return SignedStatement(approval=approval, message=None, signature=None)
    statement = approval.statement(project, approval.signature.basis_digest)
    return SignedStatement(
        approval=approval, message=statement.message().decode(), signature=approval.signature.signature
    )


def _to_decide(
    session: Session, record: ProjectRecord, phase: str, model: str | VersionRef | None
) -> tuple[GateResult, Checkpoint]:
    chosen = get_phase(phase)
    subject = get_model_version(session, record.project.project, model) if model else None
    gate = check_gate(record, chosen.id, subject=subject)
    checkpoint = next((one for one in reversed(record.checkpoints) if one.id in gate.basis), None)
    if checkpoint is None:
        raise InputError(
            f"phase {chosen.id} has no checkpoint to decide on in cycle {gate.cycle}",
            slug="nothing-to-approve",
            hint=f"Record one with `crisplens checkpoint record {chosen.id}`.",
        )
    return gate, checkpoint


def _statement(
    session: Session,
    actor: str,
    record: ProjectRecord,
    gate: GateResult,
    checkpoint: Checkpoint,
    decision: Decision,
    reason: str,
) -> ApprovalStatement:
    return ApprovalStatement(
        project=record.project.project,
        actor=actor,
        checkpoint=checkpoint.id,
        checkpoint_digest=checkpoint.digest,
        phase=gate.phase,
        cycle=checkpoint.cycle,
        decision=decision,
        reason=reason,
        basis=gate.basis,
        basis_digest=digest_basis(leaf_hashes(session, set(gate.basis.values())).items()),
    )


def _checked_signature(
    session: Session, record: ProjectRecord, statement: ApprovalStatement, armoured: str
) -> ApprovalSignature:
    try:
        signature = ApprovalSignature(basis_digest=statement.basis_digest, signature=ssh.armour(armoured))
    except ssh.SshError as error:
        raise Refused(
            f"the signature is not taken: {error}",
            slug="bad-signature",
            hint="Give the file that `ssh-keygen -Y sign` wrote.",
        ) from None
    same = statement.message()
    for one in record.approvals:
        if one.signature and one.statement(statement.project, one.signature.basis_digest).message() == same:
            raise Refused(
                f"this was signed before, word for word, for {one.id}; a signature counts once",
                slug="bad-signature",
                hint="Say why you decide again, and sign that: --reason WHY",
            )
    if fault := signature_fault(statement, signature, load_keyring(session), seq=next_seq(session)):
        raise Refused(
            f"the signature is not taken: {fault}",
            slug="bad-signature",
            hint="Sign what `crisplens approval statement` prints, with a key in `crisplens key list`.\n"
            "If it was signed a while ago, what it rests on may have changed since.",
        )
    return signature


def _refuse_blocked(gate: GateResult) -> None:
    if gate.open:
        raise InputError(f"the checkpoint of {gate.phase} is approved already, as it stands", slug="not-open")
    unmet = [rule for rule in gate.unmet if rule.rule != APPROVED]
    if unmet:
        raise Refused(
            f"phase {gate.phase} is not in order\n"
            + "\n".join(f"  - {rule.title}: {rule.found}. To meet it: {rule.remedy}" for rule in unmet),
            slug="gate-blocked",
            hint=f"See `crisplens gate check {gate.phase}`.",
        )
