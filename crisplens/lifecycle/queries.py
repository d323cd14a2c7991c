"""Reads of checkpoints, approvals and cycles, and the whole record that gates are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import msgspec
from sqlalchemy import func, select, union
from sqlalchemy.orm import Session

from crisplens.core.clock import to_text
from crisplens.core.names import unknown_name
from crisplens.ledger.past import time_of
from crisplens.lifecycle.events import GateDemanded
from crisplens.lifecycle.model import (
    FIRST_CYCLE,
    ApprovalSignature,
    ControlAnswer,
    EvidenceLink,
    Signatures,
)
from crisplens.lifecycle.phases import list_phases
from crisplens.lifecycle.policies.model import PolicyInForce
from crisplens.lifecycle.policies.queries import load_policy
from crisplens.lifecycle.risks.queries import Risk, list_risks
from crisplens.lifecycle.roles.model import RoleBook
from crisplens.lifecycle.roles.queries import WithdrawableView, load_role_book
from crisplens.lifecycle.signatures import ApprovalStatement, signature_fault
from crisplens.lifecycle.tables import (
    ApprovalRequestRow,
    ApprovalRow,
    CheckpointRow,
    CycleEndRow,
    CycleRow,
    GateDemandRow,
    OverrideRow,
)
from crisplens.monitors.queries import (
    Check,
    Incident,
    Monitor,
    Trigger,
    count_checks,
    list_checks,
    list_incidents,
    list_monitors,
    list_triggers,
)
from crisplens.registry.data.queries import (
    DatasetVersion,
    DataSource,
    list_data_sources,
    list_dataset_versions,
)
from crisplens.registry.data.tables import DatasetVersionRow
from crisplens.registry.deployments.queries import Deployment, list_deployments
from crisplens.registry.evidence.tables import EvidenceRow
from crisplens.registry.keys.model import Keyring
from crisplens.registry.keys.queries import load_keyring
from crisplens.registry.lineage.model import Graph
from crisplens.registry.lineage.queries import draw_lineage
from crisplens.registry.model import GateDecision, VersionRef
from crisplens.registry.models.queries import (
    Evaluation,
    ModelVersion,
    Promotion,
    list_evaluations,
    list_model_versions,
    list_promotions,
)
from crisplens.registry.models.tables import ModelVersionRow
from crisplens.registry.projects.queries import Goal, Kpi, Project, find_goal, get_project, list_kpis
from crisplens.registry.runs.queries import Run, list_runs
from crisplens.registry.runs.tables import RunRow
from crisplens.registry.value.model import CostComparison
from crisplens.registry.value.queries import Observation, compare_costs, list_observations
from crisplens.registry.views import View, find_view, views


class Checkpoint(View, frozen=True, kw_only=True):
    """A dated statement about one phase in one cycle; its author is `recorded_by`."""

    id: str
    phase: str
    cycle: int
    subject: str | None
    summary: str
    answers: tuple[ControlAnswer, ...]
    evidence: tuple[EvidenceLink, ...]
    links: tuple[str, ...]
    digest: str


class Approval(WithdrawableView, frozen=True, kw_only=True):
    """A decision on a checkpoint; who took it is `recorded_by`."""

    id: str
    checkpoint: str
    checkpoint_digest: str
    phase: str
    cycle: int
    decision: str
    reason: str
    basis: dict[str, int]
    signature: ApprovalSignature | None

    def statement(self, project: str, basis_digest: str) -> ApprovalStatement:
        """What the approver stated and, if it is signed, signed."""
        return ApprovalStatement(
            project=project,
            actor=self.recorded_by,
            checkpoint=self.checkpoint,
            checkpoint_digest=self.checkpoint_digest,
            phase=self.phase,
            cycle=self.cycle,
            decision=self.decision,
            reason=self.reason,
            basis=self.basis,
            basis_digest=basis_digest,
        )


class GateDemand(View, frozen=True, kw_only=True):
    """What a phase's gate demands of approvals beyond its rules."""

    phase: str
    signatures: str
    reason: str


class ApprovalRequest(WithdrawableView, frozen=True, kw_only=True):
    """A request to approve a checkpoint as it and what it rests on stood; who asked is `recorded_by`."""

    id: str
    checkpoint: str
    checkpoint_digest: str
    phase: str
    cycle: int
    subject: str | None
    basis: dict[str, int]
    approvers: tuple[str, ...]
    until: str | None
    note: str


class Override(View, frozen=True, kw_only=True):
    """A blocked gate that someone let be passed until the end of day `until`, and what the review of that found."""

    id: str
    phase: str
    cycle: int
    subject: str | None
    reason: str
    role: str
    until: str
    unmet: tuple[str, ...]
    outcome: str | None
    review_note: str | None
    reviewed_by: str | None
    reviewed_at: str | None


class CycleEnd(View, frozen=True, kw_only=True):
    """The end of a cycle, and what its gates said."""

    number: int
    note: str
    gates: tuple[GateDecision, ...]


class EvidenceFault(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence whose content a check found damaged or gone, in event `seq`."""

    digest: str
    name: str
    fault: str
    seq: int


class Cycle(View, frozen=True, kw_only=True):
    """A pass through the phases, from `from_phase` on."""

    number: int
    from_phase: str
    reason: str
    trigger: str | None


@dataclass(frozen=True)
class ProjectRecord:
    """What a project has recorded: all that gates and reports look at, each list as its query orders it."""

    project: Project
    goal: Goal | None
    kpis: list[Kpi]
    data_sources: list[DataSource]
    dataset_versions: list[DatasetVersion]
    runs: list[Run]
    model_versions: list[ModelVersion]
    evaluations: list[Evaluation]
    deployments: list[Deployment]
    monitors: list[Monitor]
    check_counts: dict[str, int]
    # Only in the whole record.
    checks: list[Check]
    incidents: list[Incident]
    triggers: list[Trigger]
    cycles: list[Cycle]
    checkpoints: list[Checkpoint]
    approvals: list[Approval]
    # What is wrong with the signatures of signed approvals, by the approval's id; empty where one is right.
    signature_faults: dict[str, str]
    gate_demands: dict[str, GateDemand]
    policy: PolicyInForce
    roles: RoleBook
    requests: list[ApprovalRequest]
    overrides: list[Override]
    cycle_ends: list[CycleEnd]
    promotions: list[Promotion]
    risks: list[Risk]
    costs: list[CostComparison]
    observations: list[Observation]
    evidence_faults: list[EvidenceFault]
    # When the record is looked at, and so what counts as expired or overdue (RFC 3339, UTC).
    now: str

    @property
    def today(self) -> str:
        """The day of `now`, YYYY-MM-DD."""
        return self.now[:10]

    @property
    def cycle(self) -> Cycle:
        """The current cycle."""
        return self.cycles[-1]

    @cached_property
    def lineage(self) -> Graph:
        """How all this hangs together."""
        return draw_lineage(
            data_sources=self.data_sources,
            dataset_versions=self.dataset_versions,
            runs=self.runs,
            model_versions=self.model_versions,
            evaluations=self.evaluations,
            deployments=self.deployments,
        )

    @cached_property
    def runs_by_name(self) -> dict[str, Run]:
        """The runs, each under its name."""
        return {one.name: one for one in self.runs}

    @cached_property
    def datasets_by_ref(self) -> dict[VersionRef, DatasetVersion]:
        """The dataset versions, each under its reference."""
        return {one.ref: one for one in self.dataset_versions}

    @cached_property
    def evaluations_by_model(self) -> dict[VersionRef, list[Evaluation]]:
        """The evaluations of each model version that has any, in the order of recording."""
        found: dict[VersionRef, list[Evaluation]] = {}
        for one in self.evaluations:
            found.setdefault(one.model, []).append(one)
        return found

    @cached_property
    def decisions(self) -> dict[str, list[Approval]]:
        """The decisions on each checkpoint that has any, by the checkpoint's id, in the order of recording."""
        found: dict[str, list[Approval]] = {}
        for one in self.approvals:
            found.setdefault(one.checkpoint, []).append(one)
        return found


def load_record(
    session: Session, project: str, *, now: datetime | None = None, whole: bool = False
) -> ProjectRecord:
    """What a project has recorded, looked at `now` (else when its session reads).

    Unless the `whole` record is asked for, runs are those that made data or a model, and checks are only counted: no
    gate looks at others, of which there may be thousands. Raises `InputError` when there is no such project.
    """
    approvals = list_approvals(session, project)
    found = get_project(session, project)
    return ProjectRecord(
        project=found,
        goal=find_goal(session, project),
        kpis=list_kpis(session, project),
        data_sources=list_data_sources(session, project),
        dataset_versions=list_dataset_versions(session, project),
        runs=list_runs(session, project) if whole else _runs_that_made_something(session, project),
        model_versions=list_model_versions(session, project),
        evaluations=list_evaluations(session, project),
        deployments=list_deployments(session, project),
        monitors=list_monitors(session, project),
        check_counts=count_checks(session, project),
        checks=list_checks(session, project) if whole else [],
        incidents=list_incidents(session, project),
        triggers=list_triggers(session, project),
        cycles=list_cycles(session, project),
        checkpoints=list_checkpoints(session, project),
        approvals=approvals,
        signature_faults=signature_faults(session, project, approvals),
        gate_demands={one.phase: one for one in list_gate_demands(session, project)},
        policy=load_policy(session, found),
        roles=load_role_book(session, project),
        requests=list_requests(session, project),
        overrides=list_overrides(session, project),
        cycle_ends=list_cycle_ends(session, project),
        promotions=list_promotions(session, project),
        risks=list_risks(session, project),
        costs=compare_costs(session, project),
        observations=list_observations(session, project),
        evidence_faults=list_evidence_faults(session, project),
        now=to_text(now) if now else time_of(session),
    )


def _runs_that_made_something(session: Session, project: str) -> list[Run]:
    made = union(
        *(
            select(row.run).where(row.project == project, row.run.is_not(None))
            for row in (DatasetVersionRow, ModelVersionRow)
        )
    )
    query = select(RunRow).where(RunRow.project == project, RunRow.name.in_(made)).order_by(RunRow.seq)
    return views(session.connection().execute(query), Run)


def list_cycles(session: Session, project: str) -> list[Cycle]:
    """The project's cycles; the first one opened with the project."""
    added = get_project(session, project)
    first = Cycle(
        number=FIRST_CYCLE,
        from_phase=list_phases()[0].id,
        reason="The project began.",
        trigger=None,
        recorded_by=added.recorded_by,
        recorded_at=added.recorded_at,
        seq=added.seq,
    )
    rows = session.scalars(select(CycleRow).filter_by(project=project).order_by(CycleRow.number))
    return [first, *views(rows, Cycle)]


def current_cycle(session: Session, project: str) -> int:
    """The number of the project's current cycle."""
    return session.scalar(select(func.max(CycleRow.number)).filter_by(project=project)) or FIRST_CYCLE


def list_checkpoints(session: Session, project: str, phase: str | None = None) -> list[Checkpoint]:
    """The project's checkpoints, or those of one phase, in the order of recording."""
    query = select(CheckpointRow).filter_by(project=project)
    if phase is not None:
        query = query.filter_by(phase=phase)
    return views(session.connection().execute(query.order_by(CheckpointRow.seq)), Checkpoint)


def list_approvals(session: Session, project: str) -> list[Approval]:
    """The project's decisions on checkpoints, in the order of recording."""
    query = select(ApprovalRow).filter_by(project=project).order_by(ApprovalRow.seq)
    return views(session.connection().execute(query), Approval)


def list_requests(session: Session, project: str) -> list[ApprovalRequest]:
    """The project's requests for approval, in the order of recording."""
    query = select(ApprovalRequestRow).filter_by(project=project).order_by(ApprovalRequestRow.seq)
    return views(session.connection().execute(query), ApprovalRequest)


def list_overrides(session: Session, project: str) -> list[Override]:
    """The project's overrides of gates, in the order of recording."""
    query = select(OverrideRow).filter_by(project=project).order_by(OverrideRow.seq)
    return views(session.connection().execute(query), Override)


def list_cycle_ends(session: Session, project: str) -> list[CycleEnd]:
    """The ends of the project's cycles, in their order."""
    query = select(CycleEndRow).filter_by(project=project).order_by(CycleEndRow.number)
    return views(session.connection().execute(query), CycleEnd)


def list_evidence_faults(session: Session, project: str) -> list[EvidenceFault]:
    """The project's evidence whose content the last check found damaged or gone."""
    failed = select(EvidenceRow).where(EvidenceRow.project == project, EvidenceRow.fault_seq.is_not(None))
    return [
        EvidenceFault(digest=row.digest, name=row.name, fault=row.fault, seq=row.fault_seq)
        for row in session.connection().execute(failed.order_by(EvidenceRow.fault_seq))
    ]


def get_approval(session: Session, project: str, id: str) -> Approval:
    """One decision. Raises `InputError` with the nearest ids when there is none."""
    found = find_view(session, ApprovalRow, (project, id), Approval)
    if found is None:
        ids = [approval.id for approval in list_approvals(session, project)]
        raise unknown_name("approval", id, ids, none_yet="Nothing is decided yet.")
    return found


def list_gate_demands(session: Session, project: str) -> list[GateDemand]:
    """What the project's gates demand of approvals, by phase; phases of which nothing was said are not listed.

    A demand that was lifted without a log key's endorsement still stands.
    """
    query = select(GateDemandRow).filter_by(project=project).order_by(GateDemandRow.phase)
    rows = list(session.scalars(query))
    lifted = [row for row in rows if row.signatures != Signatures.REQUIRED]
    keyring = load_keyring(session) if lifted else Keyring()
    standing = {row.phase for row in lifted if _lift_fault(row, keyring)}
    return [
        msgspec.structs.replace(one, signatures=Signatures.REQUIRED.value) if one.phase in standing else one
        for one in views(rows, GateDemand)
    ]


def _lift_fault(row: GateDemandRow, keyring: Keyring) -> str:
    said = {"type": GateDemanded.TYPE, "phase": row.phase, "signatures": row.signatures, "reason": row.reason}
    return keyring.endorsement_fault(row.seq, row.project, said, row.endorsement)


def signature_faults(session: Session, project: str, approvals: list[Approval]) -> dict[str, str]:
    """What is wrong with the signatures of those approvals that are signed, by id; empty where one is right."""
    signed = [(one, one.signature) for one in approvals if one.signature]
    if not signed:
        return {}
    keyring = load_keyring(session)
    faults: dict[str, str] = {}
    first: dict[bytes, str] = {}
    for one, signature in signed:
        statement = one.statement(project, signature.basis_digest)
        fault = signature_fault(statement, signature, keyring, seq=one.seq)
        if not fault and (before := first.setdefault(statement.message(), one.id)) != one.id:
            fault = f"it is a copy of that of {before}"
        faults[one.id] = fault
    return faults
