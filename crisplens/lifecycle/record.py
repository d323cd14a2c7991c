"""The whole record of a project, which gates, status and reports are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import msgspec
from sqlalchemy import select, union
from sqlalchemy.orm import Session

from crisplens.core.clock import to_text
from crisplens.ledger.past import time_of
from crisplens.lifecycle.policies.model import PolicyInForce
from crisplens.lifecycle.policies.queries import load_policy
from crisplens.lifecycle.queries import (
    Approval,
    ApprovalRequest,
    Checkpoint,
    Cycle,
    CycleEnd,
    GateDemand,
    Override,
    list_approvals,
    list_checkpoints,
    list_cycle_ends,
    list_cycles,
    list_gate_demands,
    list_overrides,
    list_requests,
    signature_faults,
)
from crisplens.lifecycle.risks.queries import Risk, list_risks
from crisplens.lifecycle.roles.model import RoleBook
from crisplens.lifecycle.roles.queries import load_role_book
from crisplens.monitors.incidents.queries import Incident, Trigger, list_incidents, list_triggers
from crisplens.monitors.queries import (
    Check,
    Monitor,
    Mute,
    count_checks,
    list_checks,
    list_monitors,
    list_mutes,
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
from crisplens.registry.lineage.model import Graph
from crisplens.registry.lineage.queries import draw_lineage
from crisplens.registry.model import VersionRef
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
from crisplens.registry.views import views


class EvidenceFault(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence whose content a check found damaged or gone, in event `seq`."""

    digest: str
    name: str
    fault: str
    seq: int


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
    # Only in the whole record, as are mutes.
    checks: list[Check]
    mutes: list[Mute]
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
        mutes=list_mutes(session, project) if whole else [],
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


def list_evidence_faults(session: Session, project: str) -> list[EvidenceFault]:
    """The project's evidence whose content the last check found damaged or gone."""
    failed = select(EvidenceRow).where(EvidenceRow.project == project, EvidenceRow.fault_seq.is_not(None))
    return [
        EvidenceFault(digest=row.digest, name=row.name, fault=row.fault, seq=row.fault_seq)
        for row in session.connection().execute(failed.order_by(EvidenceRow.fault_seq))
    ]
