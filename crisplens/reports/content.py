"""The audit report as values: all that its HTML shows. Each encodes to JSON; numbers and times are raw."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from crisplens.ledger.queries import TreeHead
from crisplens.ledger.verdict import Finding
from crisplens.lifecycle.status import StaleApproval
from crisplens.monitors.incidents.queries import Incident, Trigger
from crisplens.registry.deployments.model import Variant
from crisplens.registry.projects.queries import Goal, Kpi, Project
from crisplens.reports.governance_content import (
    FrameworkSection,
    OverrideEntry,
    PolicySection,
    RiskEntry,
    RoleSection,
    ValueSection,
)
from crisplens.reports.record_content import LineageSection, MonitorStory, RecordSection
from crisplens.reports.story_content import CycleEntry, PhaseGaps, PhaseStory


class ProjectState(StrEnum):
    """The project in one word."""

    IN_ORDER = "in order"
    NOT_IN_ORDER = "not in order"
    UNDER_WAY = "under way"
    NOT_STARTED = "not started"


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why the verdict is what it is; `section` is the id of the section that says more of `subject`."""

    subject: str
    text: str
    section: str


class ProjectVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the project is in order, in one sentence, and why not."""

    state: ProjectState
    sentence: str
    reasons: tuple[Reason, ...]


class RegistryVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One verdict on the record itself: what was checked, and what passing shows and does not show."""

    name: str
    passed: bool
    checked: str
    found: int
    findings: tuple[Finding, ...]
    shows: str
    does_not_show: str


class VersionResult(msgspec.Struct, frozen=True, kw_only=True):
    """A model version held against a KPI. `shown` is the value rounded, never across the target.

    The evaluation is the version's newest on data that did not train it, else (`unseen` false) its newest.
    """

    model: str
    in_production: bool
    evaluation: str | None
    dataset: str | None
    unseen: bool
    value: float | None
    shown: str | None
    met: bool | None


class KpiResults(msgspec.Struct, frozen=True, kw_only=True):
    """A KPI and what each model version reached."""

    kpi: Kpi
    results: tuple[VersionResult, ...]


class VerifyStep(msgspec.Struct, frozen=True, kw_only=True):
    """A command that checks the record, and what it does."""

    command: str
    what: str


class AsOf(msgspec.Struct, frozen=True, kw_only=True):
    """The point whose record a report shows: the log just after event `seq`; `events_since` have been added."""

    seq: int
    recorded_at: str
    events_since: int | None


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report on a project; `generated_at` is RFC 3339, UTC.

    `unreviewed` are the overrides that nobody has reviewed; every override is told with its phase.
    With `as_of` the record and the tree head are those of that point, the verification is that of the whole log.
    """

    format: int = 2
    generated_at: str
    as_of: AsOf | None
    project: Project
    verdict: ProjectVerdict
    unreviewed: tuple[OverrideEntry, ...]
    stale: tuple[StaleApproval, ...]
    verification: tuple[RegistryVerdict, ...]
    head: TreeHead | None
    in_production: tuple[Variant, ...]
    goal: Goal | None
    kpis: tuple[KpiResults, ...]
    value: ValueSection
    policy: PolicySection
    roles: RoleSection
    phases: tuple[PhaseStory, ...]
    risks: tuple[RiskEntry, ...]
    frameworks: FrameworkSection
    record: RecordSection
    lineage: LineageSection
    monitors: tuple[MonitorStory, ...]
    incidents: tuple[Incident, ...]
    triggers: tuple[Trigger, ...]
    gaps: tuple[PhaseGaps, ...]
    cycles: tuple[CycleEntry, ...]
    verify_steps: tuple[VerifyStep, ...]
    limits: tuple[str, ...]
    method: tuple[str, ...]
