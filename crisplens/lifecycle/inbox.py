"""Requests for approval that wait, and for whom."""

from __future__ import annotations

import msgspec
from sqlalchemy.orm import Session

from crisplens.lifecycle.gates import APPROVED, check_gate
from crisplens.lifecycle.model import Decision, changed_since
from crisplens.lifecycle.queries import ApprovalRequest
from crisplens.lifecycle.record import ProjectRecord, load_record
from crisplens.lifecycle.roles.model import Role, same_person
from crisplens.registry.projects.queries import list_projects

# Beyond every event: what holds now.
_NEWEST = 2**62


class InboxItem(msgspec.Struct, frozen=True, kw_only=True):
    """A request that someone may answer; `outdated` says what has changed since it was made, `unmet` what else stops
    the gate, `command` what answers it."""

    project: str
    request: ApprovalRequest
    outdated: tuple[str, ...]
    unmet: tuple[str, ...]
    command: str


def is_open(record: ProjectRecord, request: ApprovalRequest) -> bool:
    """Whether a request still waits: it is neither withdrawn, expired, refused nor granted by as many as have to."""
    if request.withdrawn_seq is not None or (request.until is not None and request.until < record.today):
        return False
    since = [
        one
        for one in record.decisions.get(request.checkpoint, [])
        if one.seq > request.seq and one.withdrawn_seq is None
    ]
    if any(one.decision != Decision.APPROVED for one in since):
        return False
    wanted = max(1, record.policy.policy.demands(request.phase).approvals.count)
    return len({one.recorded_by.casefold() for one in since}) < wanted


def waiting_requests(record: ProjectRecord) -> list[tuple[ApprovalRequest, InboxItem]]:
    """The open requests on checkpoints that still count and are not approved, with what stands in their way."""
    found = []
    versions = {str(one.ref): one for one in record.model_versions}
    for request in record.requests:
        if not is_open(record, request):
            continue
        gate = check_gate(record, request.phase, subject=versions.get(request.subject or ""))
        if gate.checkpoint != request.checkpoint or not any(one.rule == APPROVED for one in gate.unmet):
            continue
        changed = changed_since(request.basis, gate.basis)
        item = InboxItem(
            project=record.project.project,
            request=request,
            outdated=tuple(changed),
            unmet=tuple(rule.title for rule in gate.unmet if rule.rule != APPROVED),
            command=f"crisplens approval grant {request.phase}"
            + (f" --model {request.subject}" if request.subject else ""),
        )
        found.append((request, item))
    return found


def list_inbox(session: Session, actor: str, *, project: str | None = None) -> list[InboxItem]:
    """What waits for an actor's decision, in every project or in one.

    Raises `InputError` when there is no such project.
    """
    names = [one.project for one in list_projects(session)] if project is None else [project]
    return [item for name in names for item in _for(load_record(session, name), actor)]


def _for(record: ProjectRecord, actor: str) -> list[InboxItem]:
    return [item for request, item in waiting_requests(record) if may_decide(record, request, actor)]


def may_decide(record: ProjectRecord, request: ApprovalRequest, actor: str) -> bool:
    """Whether a request waits for this person: they may approve, were asked if anyone was, and have not decided."""
    demand = record.policy.policy.demands(request.phase).approvals
    checkpoint = next(one for one in record.checkpoints if one.id == request.checkpoint)
    if demand.author_excluded and same_person(checkpoint.recorded_by, actor):
        return False
    # What they decided before the request was on something else.
    decided = any(
        same_person(one.recorded_by, actor) and one.seq > request.seq and one.withdrawn_seq is None
        for one in record.decisions.get(request.checkpoint, [])
    )
    if decided:
        return False
    principal = deciding_for(record, request.phase, actor)
    roles = demand.roles or ((Role.APPROVER,) if record.roles.in_use else ())
    if roles and not record.roles.holds_any(actor, roles, seq=_NEWEST, day=record.today, phase=request.phase):
        return False
    return not request.approvers or any(
        same_person(one, actor) or same_person(one, principal) for one in request.approvers
    )


def deciding_for(record: ProjectRecord, phase: str, actor: str) -> str:
    """Whose role as approver of a phase an actor would decide by: their own or one delegated to them; empty without."""
    return record.roles.holds(actor, Role.APPROVER, seq=_NEWEST, day=record.today, phase=phase)
