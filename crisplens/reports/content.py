"""The audit report as values: all that its HTML shows. Each encodes to JSON; numbers and times are raw."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from crisplens.ledger.queries import TreeHead
from crisplens.ledger.verdict import Finding
from crisplens.lifecycle.model import RuleResult
from crisplens.lifecycle.phases import Control
from crisplens.lifecycle.queries import Approval, Checkpoint, Cycle
from crisplens.monitors.queries import Incident, Trigger
from crisplens.registry.deployments.model import Variant
from crisplens.registry.projects.queries import Goal, Kpi, Project
from crisplens.reports.record_content import LineageSection, MonitorStory, RecordSection


class ProjectState(StrEnum):
    """The project in one word."""

    IN_ORDER = "in order"
    NOT_IN_ORDER = "not in order"
    UNDER_WAY = "under way"
    NOT_STARTED = "not started"


class PhaseState(StrEnum):
    """How a phase stands in the current cycle."""

    IN_ORDER = "in order"
    BLOCKED = "blocked"
    NOT_STARTED = "not started"


class Standing(StrEnum):
    """What a decision on a checkpoint is worth today."""

    STANDS = "stands"
    STALE = "stale"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


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


class ControlEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A control's answer, with its title."""

    id: str
    title: str
    answer: str
    reason: str


class ApprovalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A decision on a checkpoint and what it is worth today; `changes` says what made it stale."""

    approval: Approval
    standing: Standing
    changes: tuple[str, ...] = ()


class CheckpointEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint with its answers spelt out. `counts`: the gate rests on this one."""

    checkpoint: Checkpoint
    counts: bool
    controls: tuple[ControlEntry, ...]
    unanswered: tuple[Control, ...]
    approvals: tuple[ApprovalEntry, ...]


class CycleOfPhase(msgspec.Struct, frozen=True, kw_only=True):
    """A phase's checkpoints in one cycle."""

    number: int
    checkpoints: tuple[CheckpointEntry, ...]


class PhaseStory(msgspec.Struct, frozen=True, kw_only=True):
    """A phase: its places in the frameworks, how it stands, and what was stated and decided."""

    number: int
    id: str
    title: str
    description: str
    crisp_dm: tuple[str, ...]
    lens_phase: str
    source: str
    note: str
    state: PhaseState
    before_cycle: bool
    subject: str | None
    rules: tuple[RuleResult, ...]
    cycles: tuple[CycleOfPhase, ...]


class PhaseGaps(msgspec.Struct, frozen=True, kw_only=True):
    """A phase's rules that are not met, each with what would meet it."""

    phase: str
    title: str
    state: PhaseState
    rules: tuple[RuleResult, ...]


class CycleEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A cycle and what was recorded in it."""

    cycle: Cycle
    from_title: str
    current: bool
    checkpoints: int
    decisions: int
    models: tuple[str, ...]
    deployments: tuple[str, ...]


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

    With `as_of` the record and the tree head are those of that point, the verification is that of the whole log.
    """

    format: int = 1
    generated_at: str
    as_of: AsOf | None
    project: Project
    verdict: ProjectVerdict
    verification: tuple[RegistryVerdict, ...]
    head: TreeHead | None
    in_production: tuple[Variant, ...]
    goal: Goal | None
    kpis: tuple[KpiResults, ...]
    phases: tuple[PhaseStory, ...]
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
