"""Use cases that pass a gate: promotion, deployment to production, closing a cycle, resolving a trigger.

Each asks the gates that the policy puts before it, and is refused with the rules that are not met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crisplens.core.errors import InputError, Refused
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.lifecycle.cycles import CycleStory, cycle_stories
from crisplens.lifecycle.events import CycleClosed
from crisplens.lifecycle.gates import check_gate, decide_gate, decide_version
from crisplens.lifecycle.model import ApprovalState
from crisplens.lifecycle.phases import list_phases
from crisplens.lifecycle.policies.model import Duty
from crisplens.lifecycle.record import ProjectRecord, load_record
from crisplens.lifecycle.roles.model import same_person
from crisplens.monitors.incidents import service as incidents
from crisplens.monitors.incidents.queries import Trigger, get_trigger
from crisplens.registry.deployments import service as deployments
from crisplens.registry.deployments.model import is_production
from crisplens.registry.deployments.queries import Deployment
from crisplens.registry.model import GateDecision, VersionRef, parse_reference
from crisplens.registry.models import service as models
from crisplens.registry.models.queries import ModelVersion, Promotion, get_model_version

CHAMPION = "champion"


def promote_model(
    work: UnitOfWork, model: str | VersionRef, *, alias: str = CHAMPION, note: str = ""
) -> Promotion:
    """Let a model version take over an alias, through the gates that the policy puts before a promotion.

    Raises `InputError` for an unknown version or what holds the alias already, `Refused` when a gate is blocked.
    """
    record = load_record(work.session, work.project, now=work.now)
    version = get_model_version(work.session, work.project, model)
    gates = decide(record, version, record.policy.policy.doors.promotion)
    return models.promote_model(work, version.ref, alias=alias, gates=gates, note=note)


def record_deployment(
    work: UnitOfWork,
    model: str | VersionRef,
    *,
    environment: str,
    kind: str,
    variants: Mapping[str, tuple[str | VersionRef, str | float]] | None = None,
    answers: Sequence[str] = (),
    note: str = "",
) -> Deployment:
    """Record that a model version went into service; to production only through the gates that the policy names.

    `variants` maps names to other versions and their share of the traffic in percent; `model` serves the rest.
    `answers` are the ids of retraining triggers that a deployment to production answers: each is resolved, as by
    `resolve_trigger`, with what now serves of its model, `model` before its variants.

    Raises `InputError` for unknown versions or shares that do not fit, `Refused` when a gate is blocked or the policy
    keeps the actor's duties apart; and what `resolve_trigger` raises. Then nothing is recorded.
    """
    served = deployments.share_traffic(parse_reference("model", model), variants or {})
    _check_answers(answers, environment)
    record = load_record(work.session, work.project, now=work.now)
    gates = []
    for variant in served:
        version = get_model_version(work.session, work.project, variant.model)
        gates += decide(record, version, record.policy.policy.doors.deployment)
        if is_production(environment):
            _refuse_united(record, work.actor.id, version)
    deployed = deployments.record_deployment(
        work, served, environment=environment, kind=kind, gates=gates, note=note
    )
    for id in dict.fromkeys(answers):
        asked = get_trigger(work.session, work.project, id).model
        serving = next((one.model for one in served if one.model.name == asked), served[0].model)
        _resolve(work, record, id, serving, f"It went to {environment} with {deployed.id}.")
    return deployed


def resolve_trigger(work: UnitOfWork, id: str, *, model: str | VersionRef, note: str = "") -> Trigger:
    """Close a retraining trigger, and its incident, with a newer model version whose evaluation gate is open.

    Raises `InputError` when the trigger or version is unknown or closed, `Refused` when the version does not answer it.
    """
    record = load_record(work.session, work.project, now=work.now)
    return _resolve(work, record, id, parse_reference("model", model), note)


def _resolve(work: UnitOfWork, record: ProjectRecord, id: str, model: VersionRef, note: str) -> Trigger:
    version = get_model_version(work.session, work.project, model)
    gate = decide_version(record, version)
    return incidents.resolve_trigger(work, id, model=version.ref, gate=gate, note=note)


def _check_answers(answers: Sequence[str], environment: str) -> None:
    if isinstance(answers, str):
        raise InputError(
            f"the answered triggers are one text, {answers[:60]!r}",
            slug="bad-choice",
            hint=f"Give a list of ids: answers=[{answers[:60]!r}].",
        )
    if answers and not is_production(environment):
        raise InputError(
            f"a deployment to {environment} answers no trigger, as only one to production does",
            slug="bad-choice",
            hint="Leave --answers out, and give it when the version goes to production.",
        )


def close_cycle(work: UnitOfWork, *, note: str = "") -> CycleStory:
    """Bring the current cycle to its end, through the gates that the policy puts there: all that are required.

    Raises `InputError` when it is closed already, `Refused` with the rules that are not met.
    """
    record = load_record(work.session, work.project, now=work.now)
    number = record.cycle.number
    if any(one.number == number for one in record.cycle_ends):
        raise InputError(
            f"cycle {number} is closed already", slug="not-open", hint="Open the next: crisplens cycle open"
        )
    phases = record.policy.policy.doors.cycle
    if phases is None:
        phases = tuple(one.id for one in list_phases() if record.policy.policy.demands(one.id).required)
    gates = [decide_gate(check_gate(record, phase), f"cycle {number}") for phase in phases]
    if blocked := [gate for gate in gates if not gate.passes]:
        lines = [f"  - {gate.phase}: {rule}" for gate in blocked for rule in gate.unmet]
        raise Refused(
            f"cycle {number} cannot be closed: {len(blocked)} of its {len(gates)} gates are blocked\n"
            + "\n".join(lines),
            slug="gate-blocked",
            hint="See `crisplens status`.",
        )
    append(
        work,
        CycleClosed(number=number, note=check_text("the note", note, required=False), gates=tuple(gates)),
    )
    return cycle_stories(load_record(work.session, work.project, now=work.now))[-1]


def decide(record: ProjectRecord, version: ModelVersion, phases: Sequence[str]) -> list[GateDecision]:
    """What the gates of these phases say of a model version that asks to pass."""
    return [decide_version(record, version, phase) for phase in phases]


def _refuse_united(record: ProjectRecord, actor: str, version: ModelVersion) -> None:
    """Raise `Refused` when the policy keeps the one who deploys apart from who wrote or approved the version."""
    policy = record.policy.policy
    authors, approvers = {version.recorded_by}, set()
    for phase in policy.doors.deployment:
        gate = check_gate(record, phase, subject=version)
        authors |= {one.recorded_by for one in record.checkpoints if one.id == gate.checkpoint}
        approvers |= {one.by for one in gate.approvals if one.state is ApprovalState.STANDS}
    for duty, people in ((Duty.AUTHOR, authors), (Duty.APPROVER, approvers)):
        if policy.separates(duty, Duty.DEPLOYER) and any(same_person(one, actor) for one in people):
            raise Refused(
                f"{actor} is {duty} of {version.ref} and cannot deploy it, as {policy.ref} keeps these apart",
                slug="duties-united",
                hint="Someone else has to: --actor NAME.",
            )
