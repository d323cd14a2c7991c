"""Roles, delegations, and what a person may do by them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec


class Role(StrEnum):
    """What a person may do in a project that has assigned roles; reading is never restricted.

    A contributor records, an approver decides on checkpoints, an auditor reviews overrides, an administrator assigns
    roles and chooses the policy, and may record too; a viewer only reads.
    """

    VIEWER = "viewer"
    CONTRIBUTOR = "contributor"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


class Assigned(Protocol):
    """A role that someone holds from event `seq` until `withdrawn_seq`; no phases means every phase."""

    @property
    def person(self) -> str:
        """Who holds it."""

    @property
    def role(self) -> str:
        """Which role."""

    @property
    def phases(self) -> tuple[str, ...]:
        """For which phases; none means every phase."""

    @property
    def seq(self) -> int:
        """The event that began it."""

    @property
    def withdrawn_seq(self) -> int | None:
        """The event that ended it, if one did."""


class Delegated(Protocol):
    """Approvals that `recorded_by` has handed to `to`, from event `seq` to the end of day `until`."""

    @property
    def recorded_by(self) -> str:
        """The approver whose decisions they are."""

    @property
    def to(self) -> str:
        """Who decides in their place."""

    @property
    def phases(self) -> tuple[str, ...]:
        """For which phases; none means every phase."""

    @property
    def until(self) -> str:
        """The last day."""

    @property
    def seq(self) -> int:
        """The event that began it."""

    @property
    def withdrawn_seq(self) -> int | None:
        """The event that ended it, if one did."""


def same_person(one: str, other: str) -> bool:
    """Whether two identities are the same person's: case does not matter."""
    return one.casefold() == other.casefold()


class RoleBook(msgspec.Struct, frozen=True):
    """Who holds which role in a project, and who decides for whom."""

    assigned: Sequence[Assigned] = ()
    delegated: Sequence[Delegated] = ()

    @property
    def in_use(self) -> bool:
        """Whether the project has assigned roles: until then everyone may do everything."""
        return bool(self.assigned)

    def holds(self, person: str, role: Role, *, seq: int, day: str, phase: str = "") -> str:
        """How `person` comes to `role` (for `phase`) in event `seq` on `day` (YYYY-MM-DD); empty when they do not.

        Either they hold it themselves, or an approver has delegated to them.
        """
        if self._own(person, role, seq, phase):
            return person
        if role is not Role.APPROVER:
            return ""
        for one in self.delegated:
            if (
                same_person(one.to, person)
                and _in_force(one.seq, one.withdrawn_seq, seq)
                and day <= one.until
                and (not phase or not one.phases or phase in one.phases)
                and self._own(one.recorded_by, role, seq, phase)
            ):
                return one.recorded_by
        return ""

    def holders(self, role: Role, *, seq: int, phase: str = "") -> list[str]:
        """Everyone who holds a role (for `phase`) themselves, in the order of assignment."""
        found = (
            one.person
            for one in self.assigned
            if one.role == role
            and _in_force(one.seq, one.withdrawn_seq, seq)
            and (not phase or not one.phases or phase in one.phases)
        )
        return list(dict.fromkeys(found))

    def holds_any(self, person: str, roles: Collection[Role], *, seq: int, day: str, phase: str = "") -> bool:
        """Whether they come to one of these roles."""
        return any(self.holds(person, role, seq=seq, day=day, phase=phase) for role in roles)

    def _own(self, person: str, role: Role, seq: int, phase: str) -> bool:
        return any(
            one.role == role
            and same_person(one.person, person)
            and _in_force(one.seq, one.withdrawn_seq, seq)
            and (not phase or not one.phases or phase in one.phases)
            for one in self.assigned
        )


def _in_force(since: int, until: int | None, seq: int) -> bool:
    return since < seq and (until is None or seq <= until)
