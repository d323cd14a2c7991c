"""How the project is governed, as values arranged for reading: policy, roles, overrides, risks, value, frameworks."""

from __future__ import annotations

import msgspec

from crisplens.lifecycle.coverage import Coverage
from crisplens.lifecycle.policies.model import Policy
from crisplens.lifecycle.queries import Override
from crisplens.lifecycle.risks.queries import Risk
from crisplens.lifecycle.roles.queries import Delegation, RoleHeld
from crisplens.registry.projects.queries import Kpi
from crisplens.registry.value.model import CostComparison, KpiComparison
from crisplens.registry.value.queries import Observation


class OverrideEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An override, whether it lets pass what its gate stops (`in_force`), and whether someone has reviewed it."""

    override: Override
    title: str
    in_force: bool
    reviewed: bool


class PhaseDemands(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy demands of one phase, in words; an empty `approvals` means none."""

    phase: str
    title: str
    required: bool
    rules: str
    more: tuple[str, ...]
    approvals: str


class PolicySection(msgspec.Struct, frozen=True, kw_only=True):
    """The policy in force since `since` (RFC 3339), who adopted it and why, and what it demands in words.

    Without `by` it is the one that the project began with. `general` is what it says of no phase in particular.
    """

    policy: Policy
    since: str
    seq: int
    by: str
    reason: str
    phases: tuple[PhaseDemands, ...]
    general: tuple[str, ...]


class RoleSection(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds which role, or held it, and who decides for whom."""

    roles: tuple[RoleHeld, ...]
    delegations: tuple[Delegation, ...]


class RiskEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A risk with its level, and whether its review is overdue."""

    risk: Risk
    level: str
    score: int
    overdue: bool


class ObservedKpi(msgspec.Struct, frozen=True, kw_only=True):
    """A KPI in production: its target against the newest value, and its newest observations in the order of time.

    `earlier` counts the observations before those listed.
    """

    kpi: Kpi
    comparison: KpiComparison
    observations: tuple[Observation, ...]
    earlier: int


class ValueSection(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent beside what was expected, and what the KPIs reached in production."""

    costs: tuple[CostComparison, ...]
    kpis: tuple[ObservedKpi, ...]


class FrameworkRow(msgspec.Struct, frozen=True, kw_only=True):
    """A framework at a glance: how many of its controls are in which state."""

    framework: str
    title: str
    version: str
    superseded: bool
    superseded_by: str
    total: int
    counts: dict[str, int]
    doubts: tuple[str, ...]


class FrameworkSection(msgspec.Struct, frozen=True, kw_only=True):
    """The framework that is told in full, and all others at a glance; `judgement` says whose the mapping is."""

    judgement: str
    full: Coverage
    others: tuple[FrameworkRow, ...]
