"""Where a project stands: phase by phase, what is stale and why, and what to do next and by whom."""

from __future__ import annotations

from enum import StrEnum

import msgspec
from sqlalchemy.orm import Session

from crisplens.lifecycle.gates import APPROVED, check_gate, in_force
from crisplens.lifecycle.inbox import is_open, waiting_requests
from crisplens.lifecycle.model import ApprovalState, Cause, Decision, GateResult, changed_since
from crisplens.lifecycle.phases import SUBJECT_PHASES, Phase, list_phases
from crisplens.lifecycle.queries import Approval, Checkpoint
from crisplens.lifecycle.record import ProjectRecord, load_record
from crisplens.lifecycle.roles.model import Role
from crisplens.lifecycle.rules import Situation
from crisplens.registry.models.queries import ModelVersion

_NEWEST = 2**62


class PhaseStanding(StrEnum):
    """How a phase stands in the current cycle; only an approved one has an open gate."""

    APPROVED = "approved"
    NOT_REQUIRED = "not-required"
    STALE = "stale"
    WAITING = "waiting-for-approval"
    BLOCKED = "blocked"
    NOT_STARTED = "not-started"


class PhaseStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One phase now: its checkpoint that counts (from an earlier cycle when inherited), and what its gate misses."""

    phase: str
    title: str
    state: PhaseStanding
    subject: str | None
    checkpoint: str | None
    inherited: bool
    unmet: tuple[str, ...]
    override: str


class StaleApproval(msgspec.Struct, frozen=True, kw_only=True):
    """An approval that no longer stands: what it was on, why, and what changed beneath it."""

    approval: str
    checkpoint: str
    phase: str
    subject: str | None
    by: str
    state: str
    reason: str
    causes: tuple[Cause, ...]


class OverrideStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An override that is in force, or that nobody has reviewed."""

    override: str
    phase: str
    subject: str | None
    by: str
    until: str
    in_force: bool
    reviewed: bool


class NextStep(msgspec.Struct, frozen=True, kw_only=True):
    """What to do next, by whom, and the command for it."""

    what: str
    who: str
    command: str


class ProjectStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where a project stands."""

    project: str
    title: str
    owner: str
    risk: str
    policy: str
    cycle: int
    cycle_state: str
    from_phase: str
    phases: tuple[PhaseStatus, ...]
    stale: tuple[StaleApproval, ...]
    requests: tuple[str, ...]
    overrides: tuple[OverrideStatus, ...]
    overdue_risks: tuple[str, ...]
    open_incidents: tuple[str, ...]
    open_triggers: tuple[str, ...]
    next_steps: tuple[NextStep, ...]

    @property
    def in_order(self) -> bool:
        """Whether every phase that the policy asks for has an open gate, and nothing is stale or overdue."""
        done = (PhaseStanding.APPROVED, PhaseStanding.NOT_REQUIRED)
        unreviewed = any(not one.reviewed for one in self.overrides)
        return all(one.state in done for one in self.phases) and not (
            self.stale or self.overdue_risks or unreviewed
        )


def query_status(session: Session, project: str) -> ProjectStatus:
    """Where a project stands now, or at the time that the session reads. Raises `InputError` when there is none."""
    return tell_status(load_record(session, project))


def tell_status(record: ProjectRecord) -> ProjectStatus:
    """Where the project of a record stands."""
    gates = {phase.id: check_gate(record, phase.id) for phase in list_phases()}
    phases = tuple(_phase(record, phase, gates[phase.id]) for phase in list_phases())
    stale = _stale(record, gates)
    requests = waiting_requests(record)
    overdue = tuple(one.id for one in record.risks if one.is_overdue(record.today))
    overrides = tuple(_overrides(record))
    ended = any(one.number == record.cycle.number for one in record.cycle_ends)
    return ProjectStatus(
        project=record.project.project,
        title=record.project.title,
        owner=record.project.owner,
        risk=record.project.risk,
        policy=record.policy.policy.ref,
        cycle=record.cycle.number,
        cycle_state="closed" if ended else "open",
        from_phase=record.cycle.from_phase,
        phases=phases,
        stale=stale,
        requests=tuple(request.id for request, _ in requests),
        overrides=overrides,
        overdue_risks=overdue,
        open_incidents=tuple(one.id for one in record.incidents if one.is_open),
        open_triggers=tuple(one.id for one in record.triggers if one.is_open),
        next_steps=tuple(_next_steps(record, phases, gates, ended)),
    )


def _phase(record: ProjectRecord, phase: Phase, gate: GateResult) -> PhaseStatus:
    checkpoint = next((one for one in record.checkpoints if one.id == gate.checkpoint), None)
    return PhaseStatus(
        phase=phase.id,
        title=phase.title,
        state=_state(record, phase.id, gate, checkpoint),
        subject=gate.subject,
        checkpoint=gate.checkpoint,
        inherited=checkpoint is not None and checkpoint.cycle != record.cycle.number,
        unmet=tuple(f"{rule.title}: {rule.found}" for rule in gate.unmet),
        override=gate.override,
    )


def _state(
    record: ProjectRecord, phase: str, gate: GateResult, checkpoint: Checkpoint | None
) -> PhaseStanding:
    if not record.policy.policy.demands(phase).required:
        return PhaseStanding.NOT_REQUIRED
    if gate.open:
        return PhaseStanding.APPROVED
    if any(one.state in (ApprovalState.STALE, ApprovalState.EXPIRED) for one in gate.approvals):
        return PhaseStanding.STALE
    if checkpoint is None:
        return PhaseStanding.STALE if _outdated(record, phase) else PhaseStanding.NOT_STARTED
    if [rule.rule for rule in gate.unmet] == [APPROVED] and not _refused(gate):
        return PhaseStanding.WAITING
    return PhaseStanding.BLOCKED


def _refused(gate: GateResult) -> bool:
    against = (ApprovalState.REJECTED, ApprovalState.CHANGES_REQUESTED)
    return any(one.state in against for one in gate.approvals)


def _outdated(record: ProjectRecord, phase: str) -> Checkpoint | None:
    """The approved checkpoint of this cycle on the version before the newest one, of which there is none yet.

    What is in production goes on standing for what it is about, whatever version comes next.
    """
    if phase not in SUBJECT_PHASES:
        return None
    cycle, serving = record.cycle.number, {str(one.ref) for one in _in_production(record)}
    mine = [one for one in record.checkpoints if one.phase == phase and one.cycle == cycle]
    if not mine or mine[-1].subject in serving or not _approvals_of(record, mine[-1]):
        return None
    return mine[-1]


def _approvals_of(record: ProjectRecord, checkpoint: Checkpoint) -> list[Approval]:
    """The approvals of a checkpoint that their givers have neither taken back nor decided otherwise since."""
    last = {one.recorded_by.casefold(): one for one in record.decisions.get(checkpoint.id, [])}
    return [one for one in last.values() if one.decision == Decision.APPROVED and one.withdrawn_seq is None]


def _stale(record: ProjectRecord, gates: dict[str, GateResult]) -> tuple[StaleApproval, ...]:
    """Approvals that no longer stand: of the checkpoints that count now, and of the versions in production."""
    found: dict[str, StaleApproval] = {}
    asked = list(gates.values())
    for version in _in_production(record):
        asked += [check_gate(record, phase, subject=version) for phase in sorted(SUBJECT_PHASES)]
    # Where the gate is open, what stands is enough.
    for gate in (one for one in asked if not one.open):
        for one in gate.approvals:
            if one.state in (ApprovalState.STALE, ApprovalState.EXPIRED):
                found[one.approval] = StaleApproval(
                    approval=one.approval,
                    checkpoint=one.checkpoint,
                    phase=gate.phase,
                    subject=gate.subject,
                    by=one.by,
                    state=one.state,
                    reason=one.reason,
                    causes=one.causes,
                )
    for phase, gate in gates.items():
        if gate.checkpoint is None and gate.subject and (before := _outdated(record, phase)):
            _add_outdated(record, gate, before, found)
    return tuple(found.values())


def _add_outdated(
    record: ProjectRecord, gate: GateResult, before: Checkpoint, found: dict[str, StaleApproval]
) -> None:
    newest = record.model_versions[-1]
    cause = Cause(
        what=f"model {newest.ref}",
        seq=newest.seq,
        said=f"{newest.ref} was registered since",
        path=(str(newest.ref), str(before.subject), f"{before.id} ({before.phase})"),
    )
    for one in _approvals_of(record, before):
        found.setdefault(
            one.id,
            StaleApproval(
                approval=one.id,
                checkpoint=before.id,
                phase=gate.phase,
                subject=before.subject,
                by=one.recorded_by,
                state=ApprovalState.STALE,
                reason=f"stale: it is about {before.subject}, and {cause.said}",
                causes=(cause,),
            ),
        )


def _in_production(record: ProjectRecord) -> list[ModelVersion]:
    deployment = Situation(record, None, None).deployment
    served = {str(one.model) for one in deployment.variants} if deployment else set()
    return [one for one in record.model_versions if str(one.ref) in served]


def _overrides(record: ProjectRecord) -> list[OverrideStatus]:
    return [
        OverrideStatus(
            override=one.id,
            phase=one.phase,
            subject=one.subject,
            by=one.recorded_by,
            until=one.until,
            in_force=in_force(record, one),
            reviewed=one.outcome is not None,
        )
        for one in record.overrides
        if in_force(record, one) or one.outcome is None
    ]


def _next_steps(
    record: ProjectRecord, phases: tuple[PhaseStatus, ...], gates: dict[str, GateResult], ended: bool
) -> list[NextStep]:
    """What to do next: alarms and reviews that wait, then the first phase whose gate is not open."""
    steps = [
        NextStep(
            what=f"{one.id} asks for {one.model} to be retrained",
            who=one.acknowledged_by or record.project.owner,
            command=f"crisplens cycle open --trigger {one.id}",
        )
        for one in record.triggers
        if one.is_open and one.id not in {cycle.trigger for cycle in record.cycles}
    ]
    steps += [
        NextStep(
            what=f"review the override {one.id} of {one.phase}",
            who=_holders(record, Role.AUDITOR) or f"someone other than {one.recorded_by}",
            command=f"crisplens override review {one.id} --outcome justified --note …",
        )
        for one in record.overrides
        if one.outcome is None
    ]
    steps += [
        NextStep(
            what=f"review {one.id}, due {one.review_by}: {one.title}",
            who=one.owner,
            command=f"crisplens risk review {one.id} --note …",
        )
        for one in record.risks
        if one.is_overdue(record.today)
    ]
    done = (PhaseStanding.APPROVED, PhaseStanding.NOT_REQUIRED)
    waiting = [one for one in phases if one.state not in done]
    for phase in waiting[:1]:
        steps += _steps_of(record, phase, gates[phase.phase])
    if not waiting and not ended:
        step = NextStep(
            what=f"close cycle {record.cycle.number}: all its gates are open",
            who=record.project.owner,
            command="crisplens cycle close",
        )
        steps.append(step)
    return steps


def _steps_of(record: ProjectRecord, phase: PhaseStatus, gate: GateResult) -> list[NextStep]:
    checkpoint = next((one for one in record.checkpoints if one.id == gate.checkpoint), None)
    author = checkpoint.recorded_by if checkpoint else record.project.owner
    steps = [
        NextStep(what=f"{phase.phase}: {rule.title}", who=author, command=rule.remedy)
        for rule in gate.unmet
        if rule.rule != APPROVED
    ]
    if steps or checkpoint is None:
        return steps
    if _refused(gate) or any(one.state is ApprovalState.STALE for one in gate.approvals):
        what = f"{phase.phase}: state it anew, or have it approved as it is now"
        steps.append(
            NextStep(what=what, who=author, command=f"crisplens checkpoint record {phase.phase} --control …")
        )
    requests = [one for one in record.requests if one.checkpoint == checkpoint.id and is_open(record, one)]
    demand = record.policy.policy.demands(phase.phase).approvals
    outdated = bool(requests) and bool(changed_since(requests[-1].basis, gate.basis))
    if outdated or (demand.requested and not requests):
        command = f"crisplens approval request {phase.phase}"
        return [*steps, NextStep(what=f"{phase.phase}: ask for approval", who=author, command=command)]
    asked = ", ".join(requests[-1].approvers) if requests else ""
    holders = _holders(record, Role.APPROVER, phase.phase)
    other = f"someone other than {author}" if demand.author_excluded else "anyone"
    remedy = next(rule.remedy for rule in gate.unmet if rule.rule == APPROVED)
    return [
        *steps,
        NextStep(what=f"{phase.phase}: approve it", who=asked or holders or other, command=remedy),
    ]


def _holders(record: ProjectRecord, role: Role, phase: str = "") -> str:
    return " or ".join(record.roles.holders(role, seq=_NEWEST, phase=phase))
