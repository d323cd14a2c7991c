"""Use cases of overrides: letting a blocked gate be passed in an emergency, and looking at it afterwards."""

from __future__ import annotations

from datetime import date, timedelta

from crisplens.core.dates import check_date
from crisplens.core.errors import InputError, Refused
from crisplens.core.names import unknown_name
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append, next_seq
from crisplens.lifecycle.events import GateOverridden, OverrideReviewed
from crisplens.lifecycle.gates import check_gate
from crisplens.lifecycle.model import OverrideOutcome
from crisplens.lifecycle.phases import get_phase
from crisplens.lifecycle.queries import Override, list_overrides
from crisplens.lifecycle.record import load_record
from crisplens.lifecycle.roles.model import Role, same_person
from crisplens.lifecycle.tables import OverrideRow
from crisplens.registry.model import VersionRef
from crisplens.registry.models.queries import get_model_version
from crisplens.registry.projects.model import choose
from crisplens.registry.views import get_view, next_id


def override_gate(
    work: UnitOfWork,
    phase: str,
    *,
    reason: str,
    role: str,
    until: str,
    model: str | VersionRef | None = None,
) -> Override:
    """Let what asks a blocked gate pass until the end of day `until` (YYYY-MM-DD), in an emergency.

    `role` is the one that the actor does it by. It shows in every report until someone else has reviewed it. Raises
    `InputError` for an open gate, a day that has passed or is too far, an override in force; `Refused` where the
    policy forbids overrides, or the actor does not hold a role that may.
    """
    record = load_record(work.session, work.project, now=work.now)
    policy = record.policy.policy
    chosen, by = get_phase(phase), Role(choose(Role, "the role", role))
    last, why = check_date("the last day", until), check_text("the reason", reason)
    subject = get_model_version(work.session, work.project, model) if model else None
    gate = check_gate(record, chosen.id, subject=subject)
    if not policy.overrides.allowed:
        raise Refused(f"{policy.ref} forbids overrides", slug="override-forbidden")
    if by not in policy.overrides.roles:
        roles = " or ".join(policy.overrides.roles)
        raise Refused(f"{policy.ref} lets {roles} override a gate, not {by}", slug="override-forbidden")
    if not record.roles.holds(
        work.actor.id, by, seq=next_seq(work.session), day=record.today, phase=chosen.id
    ):
        raise Refused(
            f"{work.actor.id} does not hold the role {by} in this project",
            slug="no-role",
            hint=f"An administrator grants it: crisplens role grant {work.actor.id} {by}",
        )
    if gate.open:
        raise InputError(
            f"the gate of {chosen.id} is open", slug="not-open", hint="Nothing needs overriding."
        )
    if gate.override:
        raise InputError(f"{gate.override} is in force", slug="exists", hint="See `crisplens override list`.")
    most = (date.fromisoformat(record.today) + timedelta(days=policy.overrides.most_days)).isoformat()
    if not record.today <= last <= most:
        raise InputError(
            f"an override lasts from today to {most} at most ({policy.ref}), not until {last}",
            slug="bad-time",
        )
    event = GateOverridden(
        id=next_id(work.session, work.project, OverrideRow, "override"),
        phase=chosen.id,
        cycle=record.cycle.number,
        subject=gate.subject,
        reason=why,
        role=by,
        until=last,
        unmet=tuple(f"{rule.title}: {rule.found}" for rule in gate.unmet),
    )
    append(work, event)
    return get_view(work.session, OverrideRow, (work.project, event.id), Override)


def review_override(work: UnitOfWork, id: str, *, outcome: str, note: str) -> Override:
    """Say whether an override was `justified` or `not-justified`; one that was not lets nothing pass any more.

    Raises `InputError` when it is unknown or was reviewed, `Refused` for one's own.
    """
    known = {one.id: one for one in list_overrides(work.session, work.project)}
    if id not in known:
        raise unknown_name("override", id, known, none_yet="No gate was overridden.")
    one = known[id]
    if one.outcome is not None:
        raise InputError(
            f"{id} was found {one.outcome} by {one.reviewed_by} on {(one.reviewed_at or '')[:10]}",
            slug="not-open",
        )
    if same_person(one.recorded_by, work.actor.id):
        raise Refused(
            f"{work.actor.id} made {id} and cannot review it",
            slug="own-checkpoint",
            hint="Someone else has to: --actor NAME.",
        )
    found = OverrideOutcome(choose(OverrideOutcome, "the outcome", outcome))
    append(work, OverrideReviewed(id=id, outcome=found, note=check_text("the note", note)))
    return get_view(work.session, OverrideRow, (work.project, id), Override)
