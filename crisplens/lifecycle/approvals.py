"""Use cases of approvals: requests, decisions on checkpoints, signed or not, and what gates demand of them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy.orm import Session

from crisplens.core import ssh
from crisplens.core.actor import resolve_actor
from crisplens.core.clock import to_text
from crisplens.core.dates import check_date
from crisplens.core.errors import InputError, Refused
from crisplens.core.names import unknown_name
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.queries import leaf_hashes
from crisplens.ledger.service import append, next_seq
from crisplens.lifecycle.events import (
    ApprovalDecided,
    ApprovalRequested,
    ApprovalWithdrawn,
    GateDemanded,
)
from crisplens.lifecycle.gates import APPROVED, check_gate
from crisplens.lifecycle.inbox import is_open
from crisplens.lifecycle.model import (
    ApprovalSignature,
    ApprovalState,
    Decision,
    GateResult,
    Signatures,
    changed_since,
)
from crisplens.lifecycle.phases import get_phase
from crisplens.lifecycle.queries import (
    Approval,
    ApprovalRequest,
    Checkpoint,
    GateDemand,
    get_approval,
    list_gate_demands,
)
from crisplens.lifecycle.record import ProjectRecord, load_record
from crisplens.lifecycle.roles.model import Role, same_person
from crisplens.lifecycle.signatures import ApprovalStatement, digest_basis, signature_fault
from crisplens.lifecycle.standing import demands_signature, principal_of
from crisplens.lifecycle.tables import ApprovalRequestRow, ApprovalRow, GateDemandRow
from crisplens.registry.keys.queries import load_keyring
from crisplens.registry.keys.service import Signer, endorse_in
from crisplens.registry.model import VersionRef
from crisplens.registry.models.queries import get_model_version
from crisplens.registry.projects.model import choose
from crisplens.registry.projects.queries import get_project
from crisplens.registry.views import get_view, next_id

MOST_APPROVERS = 50


def request_approval(
    work: UnitOfWork,
    phase: str,
    *,
    approvers: Sequence[str] = (),
    until: str | None = None,
    note: str = "",
    model: str | VersionRef | None = None,
) -> ApprovalRequest:
    """Ask for a phase's checkpoint to be approved, exactly as it and what it rests on stand now.

    `approvers` are asked in particular, `until` (YYYY-MM-DD) is the last day to answer. Raises `InputError` when there
    is no checkpoint, nobody could approve, or it is approved or asked for already; `Refused` while another rule of
    the gate is not met.
    """
    record = load_record(work.session, work.project, now=work.now)
    gate, checkpoint = _to_decide(work.session, record, phase, model)
    _refuse_blocked(gate)
    asked = tuple(dict.fromkeys(resolve_actor(one, {}, None).id for one in approvers))[:MOST_APPROVERS]
    demand = record.policy.policy.demands(gate.phase).approvals
    for one in asked:
        if demand.author_excluded and same_person(one, checkpoint.recorded_by):
            raise InputError(
                f"{one} wrote {checkpoint.id} and cannot be asked to approve it", slug="own-checkpoint"
            )
    day = None if until is None else check_date("the last day", until)
    if day is not None and day < record.today:
        raise InputError(
            f"the last day, {day}, has passed", slug="bad-time", hint=f"Today is {record.today}."
        )
    for known in record.requests:
        if known.checkpoint == checkpoint.id and is_open(record, known) and known.basis == gate.basis:
            raise InputError(
                f"{known.id} asks for it already",
                slug="exists",
                hint=f"Withdraw it first: crisplens approval withdraw {known.id} --reason …",
            )
    event = ApprovalRequested(
        id=next_id(work.session, work.project, ApprovalRequestRow, "request"),
        checkpoint=checkpoint.id,
        checkpoint_digest=checkpoint.digest,
        phase=gate.phase,
        cycle=checkpoint.cycle,
        subject=gate.subject,
        basis=gate.basis,
        approvers=asked,
        until=day,
        note=check_text("the note", note, required=False),
    )
    append(work, event)
    return get_view(work.session, ApprovalRequestRow, (work.project, event.id), ApprovalRequest)


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
    wrote the checkpoint or lacks the role that the policy demands, another rule of the gate is not met, something
    has changed since the approval was requested, or a signature or request is demanded; `InputError` when there is
    no checkpoint, or it is approved already.
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


def request_changes(
    work: UnitOfWork,
    phase: str,
    *,
    reason: str,
    model: str | VersionRef | None = None,
    signature: str | None = None,
) -> Approval:
    """Say what has to change before a phase's checkpoint can be approved. Raises as `grant_approval` does."""
    return _decide(
        work, phase, Decision.CHANGES_REQUESTED, check_text("the reason", reason), model, signature
    )


def withdraw_approval(work: UnitOfWork, id: str, *, reason: str) -> Approval | ApprovalRequest:
    """Take back a decision or a request of the actor's own. Raises `InputError` when it is unknown or was withdrawn,
    `Refused` when it is someone else's and the actor is no administrator."""
    record = load_record(work.session, work.project, now=work.now)
    known: dict[str, Approval | ApprovalRequest] = {one.id: one for one in record.approvals}
    known |= {one.id: one for one in record.requests}
    if id not in known:
        raise unknown_name("approval or request", id, known, none_yet="Nothing is decided yet.")
    one = known[id]
    if one.withdrawn_at is not None:
        raise InputError(f"{id} was withdrawn on {one.withdrawn_at[:10]}", slug="not-open")
    seq = next_seq(work.session)
    if not same_person(one.recorded_by, work.actor.id) and not record.roles.holds(
        work.actor.id, Role.ADMINISTRATOR, seq=seq, day=record.today
    ):
        raise Refused(
            f"{id} is {one.recorded_by}'s to withdraw",
            slug="no-role",
            hint="Or an administrator's of the project.",
        )
    append(work, ApprovalWithdrawn(id=id, reason=check_text("the reason", reason)))
    if isinstance(one, Approval):
        return get_view(work.session, ApprovalRow, (work.project, id), Approval)
    return get_view(work.session, ApprovalRequestRow, (work.project, id), ApprovalRequest)


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
    record = load_record(work.session, work.project, now=work.now)
    gate, checkpoint = _to_decide(work.session, record, phase, model)
    _refuse_unfit(work, record, gate, checkpoint)
    if decision is Decision.APPROVED:
        _refuse_blocked(gate)
        _refuse_repeated(work, gate)
        _refuse_changed(work, record, gate, checkpoint)
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


def _refuse_unfit(work: UnitOfWork, record: ProjectRecord, gate: GateResult, checkpoint: Checkpoint) -> None:
    """Raise `Refused` when the policy does not let the actor decide on this checkpoint."""
    demand = record.policy.policy.demands(gate.phase).approvals
    day, seq = to_text(work.now)[:10], next_seq(work.session)
    principal = principal_of(record, work.actor.id, seq=seq, day=day, phase=gate.phase)
    if demand.author_excluded and any(
        same_person(one, checkpoint.recorded_by) for one in (work.actor.id, principal)
    ):
        raise Refused(
            f"{principal} wrote {checkpoint.id} and cannot decide on it"
            + ("" if same_person(principal, work.actor.id) else f", nor {work.actor.id} for them"),
            slug="own-checkpoint",
            hint="Someone else has to: --actor NAME.",
        )
    if demand.roles and not record.roles.holds_any(
        work.actor.id, demand.roles, seq=seq, day=day, phase=gate.phase
    ):
        raise Refused(
            f"{work.actor.id} may not decide on {gate.phase}: {gate.policy} asks for the role "
            f"{' or '.join(demand.roles)}",
            slug="no-role",
            hint="See `crisplens role list`; an administrator grants roles.",
        )


def _refuse_repeated(work: UnitOfWork, gate: GateResult) -> None:
    for one in gate.approvals:
        if one.state is ApprovalState.STANDS and same_person(one.by, work.actor.id):
            raise InputError(
                f"{one.by} approved it already ({one.approval}); someone else has to as well", slug="not-open"
            )


def _refuse_changed(
    work: UnitOfWork, record: ProjectRecord, gate: GateResult, checkpoint: Checkpoint
) -> None:
    """Raise `Refused` when what was asked for is not what would be approved."""
    requests = [one for one in record.requests if one.checkpoint == checkpoint.id and is_open(record, one)]
    if not requests:
        if record.policy.policy.demands(gate.phase).approvals.requested:
            raise Refused(
                f"nobody has asked for {checkpoint.id} to be approved, as {gate.policy} demands",
                slug="not-requested",
                hint=f"Its author asks: crisplens approval request {gate.phase}",
            )
        return
    if changed := changed_since(requests[-1].basis, gate.basis):
        what = "; ".join(
            f"{name} {'changed' if known else 'was recorded'}" for name, known in changed.items()
        )
        raise Refused(
            f"what {requests[-1].id} asked to be approved is not what there is now: {what}",
            slug="changed-since-requested",
            hint=f"Have it asked for anew: crisplens approval request {gate.phase}",
        )


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
    checkpoint = next((one for one in reversed(record.checkpoints) if one.id == gate.checkpoint), None)
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
    if gate.open and any(one.state is ApprovalState.STANDS for one in gate.approvals):
        raise InputError(f"the checkpoint of {gate.phase} is approved already, as it stands", slug="not-open")
    unmet = [rule for rule in gate.unmet if rule.rule != APPROVED]
    if unmet:
        raise Refused(
            f"phase {gate.phase} is not in order\n"
            + "\n".join(f"  - {rule.title}: {rule.found}. To meet it: {rule.remedy}" for rule in unmet),
            slug="gate-blocked",
            hint=f"See `crisplens gate check {gate.phase}`.",
        )
