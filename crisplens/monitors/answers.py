"""Use cases of incidents and triggers: taking them on and closing them."""

from __future__ import annotations

from crisplens.core.errors import InputError, Refused
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.monitors.events import (
    IncidentAcknowledged,
    IncidentResolved,
    TriggerAcknowledged,
    TriggerDismissed,
    TriggerResolved,
)
from crisplens.monitors.queries import Answerable, Incident, Trigger, get_incident, get_trigger, list_triggers
from crisplens.monitors.states import State
from crisplens.registry.model import GateDecision, VersionRef
from crisplens.registry.models.queries import get_model_version


def acknowledge_incident(work: UnitOfWork, id: str, *, note: str = "") -> Incident:
    """Take an incident on. Raises `InputError` when it is unknown or no longer open."""
    _check_open("incident", get_incident(work.session, work.project, id), unacknowledged=True)
    append(work, IncidentAcknowledged(id=id, note=check_text("the note", note, required=False)))
    return get_incident(work.session, work.project, id)


def resolve_incident(work: UnitOfWork, id: str, *, note: str) -> Incident:
    """Close an incident with what was done about it.

    Raises `InputError` when it is unknown or closed, `Refused` while a trigger that it raised is open.
    """
    _check_open("incident", get_incident(work.session, work.project, id))
    for trigger in list_triggers(work.session, work.project):
        if trigger.incident == id and trigger.is_open:
            raise Refused(
                f"{id} waits for {trigger.id}, a request to retrain {trigger.model}",
                slug="trigger-open",
                hint=f"Resolve it (`crisplens trigger resolve {trigger.id} --model {trigger.model}@N`) or dismiss it.",
            )
    append(work, IncidentResolved(id=id, note=check_text("the note", note)))
    return get_incident(work.session, work.project, id)


def acknowledge_trigger(work: UnitOfWork, id: str, *, note: str = "") -> Trigger:
    """Take a retraining on. Raises `InputError` when the trigger is unknown or no longer open."""
    _check_open("trigger", get_trigger(work.session, work.project, id), unacknowledged=True)
    append(work, TriggerAcknowledged(id=id, note=check_text("the note", note, required=False)))
    return get_trigger(work.session, work.project, id)


def dismiss_trigger(work: UnitOfWork, id: str, *, reason: str) -> Trigger:
    """Close a trigger, and its incident, without retraining. Raises `InputError` when it is unknown or closed."""
    trigger = get_trigger(work.session, work.project, id)
    _check_open("trigger", trigger)
    append(work, TriggerDismissed(id=id, reason=check_text("the reason", reason)))
    _resolve_incident_of(work, trigger, f"{id} was dismissed: {reason}")
    return get_trigger(work.session, work.project, id)


def resolve_trigger(
    work: UnitOfWork, id: str, *, model: str | VersionRef, gate: GateDecision, note: str = ""
) -> Trigger:
    """Close a trigger, and its incident, with a model version that came after it and passed the gate.

    `gate` is the decision on that version, made by `lifecycle`. Raises `InputError` when the trigger is
    unknown or closed or the version is unknown; `Refused` when the version is of another model, is older
    than the trigger, or is not approved.
    """
    trigger = get_trigger(work.session, work.project, id)
    _check_open("trigger", trigger)
    version = get_model_version(work.session, work.project, model)
    if version.model != trigger.model:
        raise Refused(
            f"{id} asks for a version of {trigger.model}, not of {version.model}", slug="trigger-open"
        )
    if version.seq < trigger.seq:
        raise Refused(
            f"{version.ref} was registered before {id} was raised",
            slug="trigger-open",
            hint=f"Resolve it with a version that was trained since, or `crisplens trigger dismiss {id} --reason WHY`.",
        )
    if gate.subject != str(version.ref) or not gate.open:
        raise Refused(
            f"{version.ref} is not approved: its {gate.phase} gate is blocked\n"
            + "\n".join(f"  - {rule}" for rule in gate.unmet),
            slug="gate-blocked",
            hint=f"See `crisplens gate check {gate.phase}`.",
        )
    append(
        work,
        TriggerResolved(
            id=id, model=version.ref, gate=gate, note=check_text("the note", note, required=False)
        ),
    )
    _resolve_incident_of(work, trigger, f"{id} was resolved by {version.ref}")
    return get_trigger(work.session, work.project, id)


def _resolve_incident_of(work: UnitOfWork, trigger: Trigger, note: str) -> None:
    if get_incident(work.session, work.project, trigger.incident).is_open:
        append(work, IncidentResolved(id=trigger.incident, note=note))


def _check_open(kind: str, one: Answerable, *, unacknowledged: bool = False) -> None:
    if one.is_open and not (unacknowledged and one.state == State.ACKNOWLEDGED):
        return
    when = one.closed_at or one.acknowledged_at or ""
    raise InputError(
        f"{kind} {one.id} was {one.state} by {one.closed_by or one.acknowledged_by} on {when[:10]}",
        slug="not-open",
        hint=f"Open ones: `crisplens {kind} list`.",
    )
