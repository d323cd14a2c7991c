"""Reads of roles and delegations."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.lifecycle.roles.model import RoleBook
from crisplens.lifecycle.roles.tables import DelegationRow, RoleRow
from crisplens.registry.views import View, views


class WithdrawableView(View, frozen=True, kw_only=True):
    """What can be taken back; when it was, why, by whom, when and in which event."""

    withdrawn_reason: str | None
    withdrawn_by: str | None
    withdrawn_at: str | None
    withdrawn_seq: int | None


class RoleHeld(WithdrawableView, frozen=True, kw_only=True):
    """A role that a person holds, or held; no phases means every phase."""

    id: str
    person: str
    role: str
    phases: tuple[str, ...]
    reason: str


class Delegation(WithdrawableView, frozen=True, kw_only=True):
    """Approvals that `recorded_by` handed to someone until the end of day `until`."""

    id: str
    to: str
    phases: tuple[str, ...]
    until: str
    reason: str


def list_roles(session: Session, project: str) -> list[RoleHeld]:
    """The project's roles, withdrawn ones too, in the order of granting."""
    query = select(RoleRow).filter_by(project=project).order_by(RoleRow.seq)
    return views(session.connection().execute(query), RoleHeld)


def list_delegations(session: Session, project: str) -> list[Delegation]:
    """The project's delegations, ended ones too, in the order of recording."""
    query = select(DelegationRow).filter_by(project=project).order_by(DelegationRow.seq)
    return views(session.connection().execute(query), Delegation)


def load_role_book(session: Session, project: str) -> RoleBook:
    """Who holds which role in a project, and who decides for whom."""
    roles = list_roles(session, project)
    return RoleBook(roles, list_delegations(session, project) if roles else [])
