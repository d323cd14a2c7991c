"""Events of roles and delegations."""

from __future__ import annotations

from crisplens.ledger.model import Event, event_type
from crisplens.lifecycle.roles.model import Role


@event_type("role.granted")
class RoleGranted(Event, frozen=True, kw_only=True):
    """Someone holds a role in the project from here on; no phases means every phase."""

    id: str
    person: str
    role: Role
    phases: tuple[str, ...]
    reason: str


@event_type("role.withdrawn")
class RoleWithdrawn(Event, frozen=True, kw_only=True):
    """A role was taken back; what was decided by it before stands."""

    id: str
    reason: str


@event_type("approval.delegated")
class ApprovalDelegated(Event, frozen=True, kw_only=True):
    """An approver lets someone else decide in their place until the end of a day."""

    id: str
    to: str
    phases: tuple[str, ...]
    until: str
    reason: str


@event_type("approval.delegation-ended")
class DelegationEnded(Event, frozen=True, kw_only=True):
    """A delegation was taken back before its end."""

    id: str
    reason: str
