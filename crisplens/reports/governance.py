"""Who may do what and what stands out: overrides, roles, the risk register."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.lifecycle.gates import in_force
from crisplens.lifecycle.phases import get_phase
from crisplens.lifecycle.record import ProjectRecord
from crisplens.lifecycle.roles.queries import list_delegations, list_roles
from crisplens.reports.governance_content import OverrideEntry, RiskEntry, RoleSection


def override_entries(record: ProjectRecord) -> tuple[OverrideEntry, ...]:
    """Every override, in the order of recording."""
    return tuple(
        OverrideEntry(
            override=one,
            title=get_phase(one.phase).title,
            in_force=in_force(record, one),
            reviewed=one.outcome is not None,
        )
        for one in record.overrides
    )


def role_section(session: Session, record: ProjectRecord) -> RoleSection:
    """The project's roles and delegations; those that were taken back come last."""
    project = record.project.project
    return RoleSection(
        roles=tuple(sorted(list_roles(session, project), key=lambda one: one.withdrawn_seq is not None)),
        delegations=tuple(list_delegations(session, project)),
    )


def risk_entries(record: ProjectRecord) -> tuple[RiskEntry, ...]:
    """The risk register: open risks first, and of those the gravest."""
    ordered = sorted(record.risks, key=lambda one: (not one.is_open, -one.score))
    return tuple(
        RiskEntry(risk=one, level=one.level, score=one.score, overdue=one.is_overdue(record.today))
        for one in ordered
    )
