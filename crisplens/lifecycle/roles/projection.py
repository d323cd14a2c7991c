"""How role and delegation events change the tables."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row, update_row
from crisplens.lifecycle.roles.events import (
    ApprovalDelegated,
    DelegationEnded,
    RoleGranted,
    RoleWithdrawn,
)
from crisplens.lifecycle.roles.tables import DelegationRow, RoleRow, Withdrawable


@applies(RoleGranted)
def apply_role_granted(session: Session, recorded: Recorded, event: RoleGranted) -> None:
    """A new role of someone."""
    insert_row(session, RoleRow, recorded)


@applies(RoleWithdrawn)
def apply_role_withdrawn(session: Session, recorded: Recorded, event: RoleWithdrawn) -> None:
    """The role is held no more."""
    withdraw_row(session, RoleRow, recorded, event.id, event.reason)


@applies(ApprovalDelegated)
def apply_approval_delegated(session: Session, recorded: Recorded, event: ApprovalDelegated) -> None:
    """A new delegation."""
    insert_row(session, DelegationRow, recorded)


@applies(DelegationEnded)
def apply_delegation_ended(session: Session, recorded: Recorded, event: DelegationEnded) -> None:
    """The delegation counts no more."""
    withdraw_row(session, DelegationRow, recorded, event.id, event.reason)


def withdraw_row(session: Session, row: type[Withdrawable], recorded: Recorded, id: str, reason: str) -> None:
    """Say that the row of this id is withdrawn, why, by whom and when."""
    update_row(
        session,
        row,  # type: ignore[arg-type]
        recorded,
        {"id": id},
        withdrawn_reason=reason,
        withdrawn_by=recorded.actor,
        withdrawn_at=recorded.at,
        withdrawn_seq=recorded.seq,
    )
