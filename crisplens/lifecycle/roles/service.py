"""Use cases of roles and delegations, and the check that every event of a project passes."""

from __future__ import annotations

from collections.abc import Sequence

from crisplens.core.actor import resolve_actor
from crisplens.core.clock import to_text
from crisplens.core.dates import check_date
from crisplens.core.errors import InputError, Refused
from crisplens.core.names import unknown_name
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.model import Event
from crisplens.ledger.service import append, next_seq
from crisplens.lifecycle.phases import get_phase
from crisplens.lifecycle.roles.events import (
    ApprovalDelegated,
    DelegationEnded,
    RoleGranted,
    RoleWithdrawn,
)
from crisplens.lifecycle.roles.model import Role, RoleBook, same_person
from crisplens.lifecycle.roles.queries import (
    Delegation,
    RoleHeld,
    list_delegations,
    list_roles,
    load_role_book,
)
from crisplens.lifecycle.roles.tables import DelegationRow, RoleRow
from crisplens.registry.projects.model import choose
from crisplens.registry.projects.queries import get_project
from crisplens.registry.views import get_view, next_id

_BOOK = "crisplens.lifecycle.roles"
_WRITERS = (Role.CONTRIBUTOR, Role.ADMINISTRATOR)
# Who may record an event of a project with roles; contributors and administrators may record all others.
MAY_RECORD: dict[str, tuple[Role, ...]] = {
    "approval.decided": (Role.APPROVER,),
    "approval.withdrawn": (Role.APPROVER, *_WRITERS),
    "approval.delegated": (Role.APPROVER,),
    "approval.delegation-ended": (Role.APPROVER, Role.ADMINISTRATOR),
    "gate.demanded": (Role.ADMINISTRATOR,),
    "gate.override-reviewed": (Role.AUDITOR, Role.ADMINISTRATOR),
    # Which roles may override a gate is the policy's to say.
    "gate.overridden": tuple(Role),
    "policy.adopted": (Role.ADMINISTRATOR,),
    "risk.reviewed": (Role.AUDITOR, *_WRITERS),
    "role.granted": (Role.ADMINISTRATOR,),
    "role.withdrawn": (Role.ADMINISTRATOR,),
}


def grant_role(
    work: UnitOfWork, person: str, role: str, *, phases: Sequence[str] = (), reason: str = ""
) -> RoleHeld:
    """Give someone a role in the project; an approver may be one for certain phases only.

    The first role of a project must make an administrator: from then on what is recorded needs a role. Raises
    `InputError` for an unknown role or phase and for what they hold already.
    """
    get_project(work.session, work.project)
    chosen, holder = Role(choose(Role, "the role", role)), resolve_actor(person, {}, None).id
    wanted = _phases(phases)
    if wanted and chosen is not Role.APPROVER:
        raise InputError(f"the role {chosen} is held for every phase", slug="bad-choice")
    held = [one for one in list_roles(work.session, work.project) if one.withdrawn_seq is None]
    if not held and chosen is not Role.ADMINISTRATOR:
        raise InputError(
            "the project has no administrator yet, and roles are in force once one is granted",
            slug="no-administrator",
            hint=f"First: crisplens role grant {work.actor.id} administrator",
        )
    if any(one.role == chosen and same_person(one.person, holder) and one.phases == wanted for one in held):
        raise InputError(f"{holder} is {chosen} already", slug="exists", hint="See `crisplens role list`.")
    event = RoleGranted(
        id=next_id(work.session, work.project, RoleRow, "role"),
        person=holder,
        role=chosen,
        phases=wanted,
        reason=check_text("the reason", reason, required=False),
    )
    append(work, event)
    forget_book(work)
    return get_view(work.session, RoleRow, (work.project, event.id), RoleHeld)


def withdraw_role(work: UnitOfWork, id: str, *, reason: str) -> RoleHeld:
    """Take a role back. What was decided by it stands. Raises `InputError` when it is unknown or was withdrawn,
    `Refused` for the last administrator."""
    roles = list_roles(work.session, work.project)
    known = {one.id: one for one in roles if one.withdrawn_seq is None}
    if id not in known:
        raise unknown_name("role in force", id, known, none_yet="Nobody has a role yet.")
    administrators = [one.id for one in known.values() if one.role == Role.ADMINISTRATOR]
    if administrators == [id]:
        raise Refused(
            f"{known[id].person} is the only administrator",
            slug="no-administrator",
            hint="Grant the role to someone else first.",
        )
    append(work, RoleWithdrawn(id=id, reason=check_text("the reason", reason)))
    forget_book(work)
    return get_view(work.session, RoleRow, (work.project, id), RoleHeld)


def delegate_approval(
    work: UnitOfWork, to: str, *, until: str, reason: str, phases: Sequence[str] = ()
) -> Delegation:
    """Let someone decide on checkpoints in the actor's place until the end of a day (YYYY-MM-DD).

    Raises `InputError` for a day that has passed, an unknown phase or oneself; `Refused` when the actor is no
    approver.
    """
    get_project(work.session, work.project)
    delegate, last = resolve_actor(to, {}, None).id, check_date("the last day", until)
    wanted, today = _phases(phases), to_text(work.now)[:10]
    if last < today:
        raise InputError(f"the last day, {last}, has passed", slug="bad-time", hint=f"Today is {today}.")
    if same_person(delegate, work.actor.id):
        raise InputError("nobody delegates to themselves", slug="bad-choice", hint="Name someone else.")
    book = load_role_book(work.session, work.project)
    if not any(
        one.role == Role.APPROVER and same_person(one.person, work.actor.id) and one.withdrawn_seq is None
        for one in book.assigned
    ):
        raise Refused(
            f"{work.actor.id} is no approver and has nothing to delegate",
            slug="no-role",
            hint="See `crisplens role list`.",
        )
    event = ApprovalDelegated(
        id=next_id(work.session, work.project, DelegationRow, "delegation"),
        to=delegate,
        phases=wanted,
        until=last,
        reason=check_text("the reason", reason),
    )
    append(work, event)
    forget_book(work)
    return get_view(work.session, DelegationRow, (work.project, event.id), Delegation)


def end_delegation(work: UnitOfWork, id: str, *, reason: str) -> Delegation:
    """Take a delegation back. Raises `InputError` when it is unknown or has ended, `Refused` when it is not the
    actor's own and they are no administrator."""
    delegations = list_delegations(work.session, work.project)
    known = {one.id: one for one in delegations if one.withdrawn_seq is None}
    if id not in known:
        raise unknown_name("delegation in force", id, known, none_yet="Nothing is delegated.")
    if not same_person(known[id].recorded_by, work.actor.id):
        _require(work, load_role_book(work.session, work.project), (Role.ADMINISTRATOR,), f"end {id}")
    append(work, DelegationEnded(id=id, reason=check_text("the reason", reason)))
    forget_book(work)
    return get_view(work.session, DelegationRow, (work.project, id), Delegation)


def authorise(work: UnitOfWork, event: Event, project: str | None) -> None:
    """Raise `Refused` unless the actor's roles let them record `event`; without roles in the project all may.

    It is not authentication: who the actor is, is what the door says.
    """
    if project is None or event.OF_REGISTRY:
        return
    book = _book(work, project)
    if not book.in_use:
        return
    allowed = MAY_RECORD.get(event.TYPE, _WRITERS)
    phase = getattr(event, "phase", "") if event.TYPE == "approval.decided" else ""
    _require(work, book, allowed, f"record {event.TYPE}" + (f" on {phase}" if phase else ""), phase=phase)


def forget_book(work: UnitOfWork) -> None:
    """Read the roles anew when they are asked for next."""
    work.session.info.pop(_BOOK, None)


def _book(work: UnitOfWork, project: str) -> RoleBook:
    books: dict[str, RoleBook] = work.session.info.setdefault(_BOOK, {})
    if project not in books:
        books[project] = load_role_book(work.session, project)
    return books[project]


def _require(
    work: UnitOfWork, book: RoleBook, allowed: Sequence[Role], what: str, *, phase: str = ""
) -> None:
    seq, day = next_seq(work.session), to_text(work.now)[:10]
    if book.holds_any(work.actor.id, allowed, seq=seq, day=day, phase=phase):
        return
    raise Refused(
        f"{work.actor.id} may not {what}: it takes the role {' or '.join(dict.fromkeys(allowed))}",
        slug="no-role",
        hint="See `crisplens role list`; an administrator grants roles.",
    )


def _phases(phases: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(get_phase(phase).id for phase in phases))
