"""What decisions on a checkpoint are worth now, and what made an approval stale. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from crisplens.lifecycle.model import (
    ApprovalStanding,
    ApprovalState,
    Cause,
    Decision,
    Signatures,
    changed_since,
)
from crisplens.lifecycle.policies.model import ApprovalDemand
from crisplens.lifecycle.roles.model import Role, same_person
from crisplens.registry.lineage.model import Graph, NodeKind

if TYPE_CHECKING:
    from crisplens.lifecycle.queries import Approval, Checkpoint
    from crisplens.lifecycle.record import EvidenceFault, ProjectRecord

# So many causes are told with their path, and a path with so many steps.
MOST_PATHS = 20
MOST_STEPS = 8
# What a checkpoint may be about, by the beginnings of its names in a basis.
_ENDS = ("deployment-", "dataset ", "evaluation-")
_UNDECIDED = {
    Decision.REJECTED: ApprovalState.REJECTED,
    Decision.CHANGES_REQUESTED: ApprovalState.CHANGES_REQUESTED,
}


def demands_signature(record: ProjectRecord, phase: str) -> bool:
    """Whether the gate of `phase` takes signed approvals only: its policy says so, or it was demanded."""
    demand = record.gate_demands.get(phase)
    demanded = demand is not None and demand.signatures == Signatures.REQUIRED
    return demanded or record.policy.policy.demands(phase).approvals.signed


def judge_decisions(
    record: ProjectRecord, checkpoint: Checkpoint, basis: dict[str, int], subject: str | None
) -> tuple[ApprovalStanding, ...]:
    """What every decision on a checkpoint is worth against what its gate rests on now (`basis`).

    A person's last decision counts; the ones before it are superseded.
    """
    demand = record.policy.policy.demands(checkpoint.phase).approvals
    decisions = record.decisions.get(checkpoint.id, [])
    last = {one.recorded_by.casefold(): one.id for one in decisions}
    return tuple(
        _judge(record, checkpoint, one, demand, basis, subject)
        if last[one.recorded_by.casefold()] == one.id
        else _standing(one, ApprovalState.SUPERSEDED, f"{one.recorded_by} decided again")
        for one in decisions
    )


def sum_up(
    standings: Sequence[ApprovalStanding], checkpoint: Checkpoint | None, demand: ApprovalDemand
) -> tuple[bool, str]:
    """Whether these decisions are the approval that is demanded, and what there is."""
    if checkpoint is None:
        return demand.count == 0, "there is nothing to approve"
    counted = [one for one in standings if one.state is not ApprovalState.SUPERSEDED]
    against = [
        one for one in counted if one.state in (ApprovalState.REJECTED, ApprovalState.CHANGES_REQUESTED)
    ]
    standing = [one for one in counted if one.state is ApprovalState.STANDS]
    others = [one.reason for one in counted if one not in standing]
    people = {one.on_behalf_of.casefold() for one in standing}
    met = not against and len(people) >= demand.count
    if met:
        return True, "; ".join(one.reason for one in standing) or "no approval is demanded"
    if not counted:
        nobody = f"nobody has decided on {checkpoint.id}"
        return False, nobody if demand.count < 2 else f"{nobody}, and {demand.count} have to approve"
    if demand.count < 2:
        return False, "; ".join(others)
    told = [f"{len(people)} of {demand.count} approvals", *(one.reason for one in standing), *others]
    return False, "; ".join(told)


def explain(
    record: ProjectRecord,
    checkpoint: Checkpoint,
    approved: dict[str, int],
    basis: dict[str, int],
    subject: str | None,
) -> tuple[Cause, ...]:
    """What has changed under an approved checkpoint, each with its event and the path from there to the checkpoint."""
    changes = changed_since(approved, basis)
    if not changes:
        return ()
    ends = [f"{NodeKind.MODEL_VERSION}:{subject}"] if subject else []
    ends += [_node_of(name) for name in approved if name.startswith(_ENDS)]
    onward = _onward(record.lineage, ends)
    end = f"{checkpoint.id} ({checkpoint.phase})"
    return tuple(
        Cause(
            what=name,
            seq=basis[name],
            said=_said(record, name, known),
            path=(*_path(record, name, onward if number < MOST_PATHS else {}), end),
        )
        for number, (name, known) in enumerate(changes.items())
    )


def _judge(
    record: ProjectRecord,
    checkpoint: Checkpoint,
    approval: Approval,
    demand: ApprovalDemand,
    basis: dict[str, int],
    subject: str | None,
) -> ApprovalStanding:
    by, invalid = approval.recorded_by, ApprovalState.INVALID
    if approval.withdrawn_seq is not None:
        said = f"{approval.withdrawn_by} withdrew {approval.id}: {approval.withdrawn_reason}"
        return _standing(approval, ApprovalState.WITHDRAWN, said)
    if approval.decision != Decision.APPROVED:
        verb = "rejected" if approval.decision == Decision.REJECTED else "wants changes to"
        state = _UNDECIDED[Decision(approval.decision)]
        return _standing(approval, state, f"{by} {verb} {checkpoint.id}: {approval.reason}")
    principal = principal_of(
        record, by, seq=approval.seq, day=approval.recorded_at[:10], phase=checkpoint.phase
    )
    if demand.author_excluded and any(same_person(one, checkpoint.recorded_by) for one in (by, principal)):
        return _standing(approval, invalid, f"{principal} wrote {checkpoint.id} and cannot approve it")
    if approval.checkpoint_digest != checkpoint.digest:
        return _standing(approval, invalid, f"{checkpoint.id} is not the content that was approved")
    if fault := record.signature_faults.get(approval.id):
        return _standing(approval, invalid, f"the signature of {approval.id} is wrong: {fault}")
    if demands_signature(record, checkpoint.phase) and not approval.signature:
        return _standing(approval, invalid, f"{by} did not sign {approval.id}, as this gate demands")
    day = approval.recorded_at[:10]
    if demand.roles and not record.roles.holds_any(
        by, demand.roles, seq=approval.seq, day=day, phase=checkpoint.phase
    ):
        roles = " or ".join(demand.roles)
        return _standing(approval, invalid, f"{by} was no {roles} when {approval.id} was given")
    if demand.expires_days is not None and (end := last_day(day, demand.expires_days)) < record.today:
        said = f"{approval.id} by {by} expired on {end}, {demand.expires_days} days after it was given"
        return _standing(approval, ApprovalState.EXPIRED, said)
    if causes := explain(record, checkpoint, approval.basis, basis, subject):
        said = f"stale: {'; '.join(one.said for one in causes)}"
        return _standing(approval, ApprovalState.STALE, said, causes)
    signed = ", signed" if approval.signature else ""
    deputy = "" if same_person(principal, by) else f" for {principal}"
    said = f"{by}{deputy} on {day}{signed}"
    return _standing(approval, ApprovalState.STANDS, said, on_behalf_of=principal)


def principal_of(record: ProjectRecord, actor: str, *, seq: int, day: str, phase: str) -> str:
    """Whose decision it is when an actor decides: that of the approver who delegated to them, or their own."""
    return record.roles.holds(actor, Role.APPROVER, seq=seq, day=day, phase=phase) or actor


def last_day(day: str, days: int) -> str:
    """The day (YYYY-MM-DD) that is `days` after another."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def _standing(
    approval: Approval,
    state: ApprovalState,
    reason: str,
    causes: tuple[Cause, ...] = (),
    on_behalf_of: str = "",
) -> ApprovalStanding:
    return ApprovalStanding(
        approval=approval.id,
        checkpoint=approval.checkpoint,
        by=approval.recorded_by,
        on_behalf_of=on_behalf_of or approval.recorded_by,
        state=state,
        reason=reason,
        signed=approval.signature is not None,
        causes=causes,
    )


def _said(record: ProjectRecord, name: str, known: bool) -> str:
    if name.startswith(REPLACEMENT):
        old = next((one for one in record.dataset_versions if str(one.ref) == name[len(REPLACEMENT) :]), None)
        if old is not None:
            return f"{old.ref} was replaced by {old.replaced_by}: {old.replaced_reason}"
    if fault := _fault_of(record, name):
        return f"the evidence {fault.name} {fault.fault}"
    return f"{name} has changed since" if known or name.startswith(POLICY) else f"{name} was recorded since"


def _fault_of(record: ProjectRecord, name: str) -> EvidenceFault | None:
    if not name.startswith(FAILURE):
        return None
    return next((one for one in record.evidence_faults if one.digest == name[len(FAILURE) :]), None)


REPLACEMENT = "the replacement of "
FAILURE = "the failure of evidence "
POLICY = "the policy for "
_KINDS = {
    "dataset": NodeKind.DATASET_VERSION,
    "model": NodeKind.MODEL_VERSION,
    "run": NodeKind.RUN,
    "source": NodeKind.DATA_SOURCE,
}


def _onward(graph: Graph, ends: Sequence[str]) -> dict[str, str]:
    """For everything that `ends` came from, the next step on a shortest way to one of them."""
    onward = dict.fromkeys(ends, "")
    waiting = deque(ends)
    while waiting:
        node = waiting.popleft()
        for earlier in graph.earlier(node):
            if earlier not in onward:
                onward[earlier] = node
                waiting.append(earlier)
    return onward


def _path(record: ProjectRecord, name: str, onward: dict[str, str]) -> tuple[str, ...]:
    """From what changed through the lineage, where it is part of it; long ways are told by their two ends."""
    node = _node_of(name)
    if node not in onward:
        fault = _fault_of(record, name)
        return (f"evidence {fault.name}" if fault else name,)
    steps = []
    while node:
        steps.append(node.partition(":")[2])
        node = onward[node]
    if len(steps) > MOST_STEPS:
        half = MOST_STEPS // 2
        steps = [*steps[:half], f"{len(steps) - 2 * half} more", *steps[-half:]]
    return tuple(steps)


def _node_of(name: str) -> str:
    if name.startswith(REPLACEMENT):
        return f"{NodeKind.DATASET_VERSION}:{name[len(REPLACEMENT) :]}"
    if name.startswith("evaluation-"):
        return f"{NodeKind.EVALUATION}:{name}"
    if name.startswith("deployment-"):
        return f"{NodeKind.DEPLOYMENT}:{name}"
    kind, _, rest = name.partition(" ")
    return f"{_KINDS[kind]}:{rest}" if kind in _KINDS else ""
