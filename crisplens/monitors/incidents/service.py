"""Use cases of incidents and triggers: opening them, taking them on, handing them up, closing them."""

from __future__ import annotations

from datetime import timedelta

from crisplens.core.clock import parse_time
from crisplens.core.errors import InputError, Refused
from crisplens.core.text import check_text, count
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.monitors.alarms import in_cool_down
from crisplens.monitors.incidents.events import (
    IncidentAcknowledged,
    IncidentAssigned,
    IncidentEscalated,
    IncidentLinked,
    IncidentOpened,
    IncidentResolved,
    TriggerAcknowledged,
    TriggerDismissed,
    TriggerRaised,
    TriggerResolved,
)
from crisplens.monitors.incidents.model import RETRAINED, IncidentKind, Response, State, TriggerPolicy
from crisplens.monitors.incidents.queries import (
    Answerable,
    Incident,
    Trigger,
    get_incident,
    get_trigger,
    open_incidents,
    triggers_of,
)
from crisplens.monitors.incidents.tables import IncidentRow, TriggerRow
from crisplens.registry.model import GateDecision, VersionRef
from crisplens.registry.views import next_id


def find_open_incident(work: UnitOfWork, monitor: str, kind: IncidentKind) -> Incident | None:
    """The open incident of a monitor for this kind of cause: further checks belong to it."""
    same = (
        one
        for one in open_incidents(work.session, work.project)
        if one.monitor == monitor and one.kind == kind
    )
    return next(same, None)


def next_incident_id(work: UnitOfWork) -> str:
    """The id of the incident that is opened next."""
    return next_id(work.session, work.project, IncidentRow, "incident")


def open_incident(work: UnitOfWork, opened: IncidentOpened, response: Response) -> Trigger | None:
    """Open an incident, and ask for retraining where the monitor's response says so; returns a new trigger.

    A model that is to be retrained already is asked for once: the incident is linked to that trigger.
    """
    append(work, opened)
    if opened.kind not in RETRAINED or response.trigger is not TriggerPolicy.AUTOMATIC:
        return None
    known = triggers_of(work.session, work.project, opened.model)
    waiting = next((one for one in known if one.is_open), None)
    if waiting is not None:
        append(
            work, IncidentLinked(id=opened.id, target=waiting.id, note="The same model is to be retrained.")
        )
        return None
    last = max((parse_time(one.closed_at) for one in known if one.closed_at), default=None)
    if in_cool_down(last, work.now, timedelta(hours=response.cool_down)):
        ago = f"less than {count(response.cool_down, 'hour')} ago"
        note = f"No trigger: the last one for {opened.model} was closed {ago}."
        append(work, IncidentLinked(id=opened.id, target=known[-1].id, note=note))
        return None
    reason = f"{opened.check_id} of {opened.monitor}: {opened.summary}"
    return _raise(work, opened.id, opened.monitor, opened.model, reason)


def raise_trigger(work: UnitOfWork, *, incident: str, reason: str = "") -> Trigger:
    """Ask for the retraining of the model that an open incident is about.

    Raises `InputError` when the incident is unknown or closed, `Refused` while a trigger for its model is open.
    """
    about = get_incident(work.session, work.project, incident)
    _check_open("incident", about)
    for one in triggers_of(work.session, work.project, about.model):
        if one.is_open:
            raise Refused(
                f"{one.id} asks for {one.model} to be retrained already",
                slug="trigger-open",
                hint=f"`crisplens incident link {incident} {one.id}` says that it answers both.",
            )
    said = check_text("the reason", reason, required=False) or about.summary
    return _raise(work, about.id, about.monitor, about.model, f"{about.check_id} of {about.monitor}: {said}")


def _raise(work: UnitOfWork, incident: str, monitor: str, model: str, reason: str) -> Trigger:
    id = next_id(work.session, work.project, TriggerRow, "trigger")
    append(work, TriggerRaised(id=id, incident=incident, monitor=monitor, model=model, reason=reason))
    return get_trigger(work.session, work.project, id)


def acknowledge_incident(work: UnitOfWork, id: str, *, note: str = "") -> Incident:
    """Take an incident on. Raises `InputError` when it is unknown or no longer open."""
    _check_open("incident", get_incident(work.session, work.project, id), unacknowledged=True)
    append(work, IncidentAcknowledged(id=id, note=check_text("the note", note, required=False)))
    return get_incident(work.session, work.project, id)


def assign_incident(work: UnitOfWork, id: str, *, to: str, note: str = "") -> Incident:
    """Give an open incident another owner. Raises `InputError` when it is unknown or closed."""
    _check_open("incident", get_incident(work.session, work.project, id))
    owner = check_text("the owner", to)
    append(work, IncidentAssigned(id=id, owner=owner, note=check_text("the note", note, required=False)))
    return get_incident(work.session, work.project, id)


def escalate_incident(work: UnitOfWork, id: str, *, to: str, reason: str) -> Incident:
    """Hand an open incident up. Raises `InputError` when it is unknown or closed."""
    _check_open("incident", get_incident(work.session, work.project, id))
    to, reason = check_text("who it goes to", to), check_text("the reason", reason)
    append(work, IncidentEscalated(id=id, to=to, reason=reason))
    return get_incident(work.session, work.project, id)


def link_incident(work: UnitOfWork, id: str, target: str, *, note: str = "") -> Incident:
    """Say what an incident belongs with: a trigger's or incident's id, a ticket's address, a cause in words.

    Raises `InputError` when the incident, or a trigger or incident that is named, is unknown.
    """
    get_incident(work.session, work.project, id)
    target = check_text("what it is linked to", target, most=500)
    if target.startswith("incident-"):
        get_incident(work.session, work.project, target)
    if target.startswith("trigger-"):
        get_trigger(work.session, work.project, target)
    append(work, IncidentLinked(id=id, target=target, note=check_text("the note", note, required=False)))
    return get_incident(work.session, work.project, id)


def resolve_incident(work: UnitOfWork, id: str, *, reason: str = "", note: str = "") -> Incident:
    """Close an incident with what was done about it: the `reason`; `note` is an older name for the same.

    Raises `InputError` when it is unknown or closed, or both or neither are given; `Refused` while a trigger that it
    raised is open.
    """
    if reason and note:
        raise InputError(
            "--reason and --note exclude each other", slug="bad-choice", hint="They are one: give the reason."
        )
    incident = get_incident(work.session, work.project, id)
    _check_open("incident", incident)
    for trigger in triggers_of(work.session, work.project, incident.model):
        if trigger.incident == id and trigger.is_open:
            raise Refused(
                f"{id} waits for {trigger.id}, a request to retrain {trigger.model}",
                slug="trigger-open",
                hint=f"Resolve it (`crisplens trigger resolve {trigger.id} --model {trigger.model}@N`) or dismiss it.",
            )
    said = check_text("the note", note) if note else check_text("the reason", reason)
    append(work, IncidentResolved(id=id, note=said))
    return get_incident(work.session, work.project, id)


def acknowledge_trigger(work: UnitOfWork, id: str, *, note: str = "") -> Trigger:
    """Take a retraining on. Raises `InputError` when the trigger is unknown or no longer open."""
    _check_open("trigger", get_trigger(work.session, work.project, id), unacknowledged=True)
    append(work, TriggerAcknowledged(id=id, note=check_text("the note", note, required=False)))
    return get_trigger(work.session, work.project, id)


def dismiss_trigger(work: UnitOfWork, id: str, *, reason: str) -> Trigger:
    """Close a trigger, and its incidents, without retraining. Raises `InputError` when it is unknown or closed."""
    trigger = get_trigger(work.session, work.project, id)
    _check_open("trigger", trigger)
    append(work, TriggerDismissed(id=id, reason=check_text("the reason", reason)))
    _resolve_incidents_of(work, trigger, f"{id} was dismissed: {reason}")
    return get_trigger(work.session, work.project, id)


def resolve_trigger(
    work: UnitOfWork, id: str, *, model: str | VersionRef, gate: GateDecision, note: str = ""
) -> Trigger:
    """Close a trigger, and its incidents, with a model version that came after it and passed the gate.

    `gate` is the decision on that version, made by `lifecycle`. Raises `InputError` when the trigger is
    unknown or closed or the version is unknown; `Refused` when the version is of another model, is older
    than the trigger, or is not approved.
    """
    from crisplens.registry.models.queries import get_model_version

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
    _resolve_incidents_of(work, trigger, f"{id} was resolved by {version.ref}")
    return get_trigger(work.session, work.project, id)


def _resolve_incidents_of(work: UnitOfWork, trigger: Trigger, note: str) -> None:
    for one in open_incidents(work.session, work.project):
        if one.id == trigger.incident or any(link.target == trigger.id for link in one.links):
            append(work, IncidentResolved(id=one.id, note=note))


def _check_open(kind: str, one: Answerable, *, unacknowledged: bool = False) -> None:
    if one.is_open and not (unacknowledged and one.state == State.ACKNOWLEDGED):
        return
    when = one.closed_at or one.acknowledged_at or ""
    raise InputError(
        f"{kind} {one.id} was {one.state} by {one.closed_by or one.acknowledged_by} on {when[:10]}",
        slug="not-open",
        hint=f"Open ones: `crisplens {kind} list`.",
    )
