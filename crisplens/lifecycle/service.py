"""Use cases of checkpoints, approvals and cycles, and those of the areas below that must pass a gate."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import msgspec

from crisplens.core.canonical import digest_json
from crisplens.core.errors import InputError
from crisplens.core.names import unknown_name
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.lifecycle.events import CheckpointRecorded, CycleOpened
from crisplens.lifecycle.gates import (
    SUBJECT_PHASES,
    decide_version,
)
from crisplens.lifecycle.model import (
    Answer,
    ControlAnswer,
    EvidenceLink,
)
from crisplens.lifecycle.phases import Phase, get_control, get_phase
from crisplens.lifecycle.queries import (
    Checkpoint,
    Cycle,
    ProjectRecord,
    list_cycles,
    load_record,
)
from crisplens.lifecycle.tables import CheckpointRow, CycleRow
from crisplens.monitors import answers as monitor_answers
from crisplens.monitors.queries import Trigger, get_trigger
from crisplens.registry.deployments import service as deployments
from crisplens.registry.deployments.queries import Deployment
from crisplens.registry.evidence.service import add_evidence
from crisplens.registry.lineage.queries import project_lineage
from crisplens.registry.model import GateDecision, VersionRef, parse_reference
from crisplens.registry.models.queries import get_model_version, list_model_versions
from crisplens.registry.projects.model import choose
from crisplens.registry.projects.queries import get_project
from crisplens.registry.views import get_view, next_id

ControlGiven = str | tuple[str, str]


def record_checkpoint(
    work: UnitOfWork,
    phase: str,
    *,
    controls: Mapping[str, ControlGiven] | None = None,
    evidence: Sequence[str | os.PathLike[str]] = (),
    links: Sequence[str] = (),
    summary: str = "",
    model: str | VersionRef | None = None,
) -> Checkpoint:
    """Record where a phase of the current cycle stands.

    `controls` maps a control's id to its answer (met, partial, not-met, not-applicable) or to the
    answer and its reason; an answer without a reason needs evidence. `evidence` are files to keep,
    `links` names of recorded things. Checkpoints on training and evaluation are about one model
    version: `model`, or the newest. Raises `InputError` for an unknown phase, control, answer,
    file or link, for an answer with neither reason nor evidence, and for a checkpoint that says nothing.
    """
    chosen = get_phase(phase)
    get_project(work.session, work.project)
    answers = _answers(chosen, controls or {}, has_evidence=bool(evidence))
    if not (answers or evidence or summary.strip()):
        raise InputError(
            "the checkpoint says nothing",
            slug="empty-checkpoint",
            hint=f"Answer a control (--control {chosen.practices[0].id}=met:REASON), attach evidence or sum it up.",
        )
    _check_links(work, links)
    subject = _subject(work, chosen.id, model)
    kept = [add_evidence(work, file) for file in evidence]
    cycle = list_cycles(work.session, work.project)[-1].number
    content = CheckpointRecorded(
        id=next_id(work.session, work.project, CheckpointRow, "checkpoint"),
        phase=chosen.id,
        cycle=cycle,
        subject=subject,
        summary=check_text("the summary", summary, required=False),
        answers=answers,
        evidence=tuple(EvidenceLink(one.digest, one.name) for one in kept),
        links=tuple(links),
        digest="",
    )
    append(work, msgspec.structs.replace(content, digest=checkpoint_digest(content)))
    return get_view(work.session, CheckpointRow, (work.project, content.id), Checkpoint)


def checkpoint_digest(content: CheckpointRecorded) -> str:
    """`sha256:<hex>` of what a checkpoint says: the canonical JSON of its fields but the digest."""
    fields = msgspec.to_builtins(content)
    del fields["digest"]
    return digest_json(fields)


def open_cycle(
    work: UnitOfWork, *, from_phase: str = "data-collection", reason: str = "", trigger: str | None = None
) -> Cycle:
    """Begin another pass at `from_phase`; the phases before it keep their checkpoints.

    Raises `InputError` for an unknown phase or trigger, and when neither reason nor trigger is given.
    """
    phase = get_phase(from_phase)
    cycles = list_cycles(work.session, work.project)
    if trigger is not None:
        reason = reason or get_trigger(work.session, work.project, trigger).reason
    event = CycleOpened(
        number=cycles[-1].number + 1,
        from_phase=phase.id,
        reason=check_text("the reason for a new cycle", reason),
        trigger=trigger,
    )
    append(work, event)
    return get_view(work.session, CycleRow, (work.project, event.number), Cycle)


def record_deployment(
    work: UnitOfWork,
    model: str | VersionRef,
    *,
    environment: str,
    kind: str,
    variants: Mapping[str, tuple[str | VersionRef, str | float]] | None = None,
    note: str = "",
) -> Deployment:
    """Record that a model version went into service; to production only through its open evaluation gate.

    `variants` maps names to other versions and their share of the traffic in percent; `model` serves the rest.
    Raises `InputError` for unknown versions or shares that do not fit, `Refused` when a gate is blocked.
    """
    served = deployments.share_traffic(parse_reference("model", model), variants or {})
    record = load_record(work.session, work.project)
    gates = [_decide_version(work, record, variant.model) for variant in served]
    return deployments.record_deployment(
        work, served, environment=environment, kind=kind, gates=gates, note=note
    )


def resolve_trigger(work: UnitOfWork, id: str, *, model: str | VersionRef, note: str = "") -> Trigger:
    """Close a retraining trigger, and its incident, with a newer model version whose evaluation gate is open.

    Raises `InputError` when the trigger or version is unknown or closed, `Refused` when the version does not answer it.
    """
    record = load_record(work.session, work.project)
    ref = parse_reference("model", model)
    gate = _decide_version(work, record, ref)
    return monitor_answers.resolve_trigger(work, id, model=ref, gate=gate, note=note)


def _decide_version(work: UnitOfWork, record: ProjectRecord, ref: VersionRef) -> GateDecision:
    return decide_version(record, get_model_version(work.session, work.project, ref))


def _answers(
    phase: Phase, controls: Mapping[str, ControlGiven], *, has_evidence: bool
) -> tuple[ControlAnswer, ...]:
    answers = []
    for id, given in controls.items():
        control = get_control(phase, id)
        text, reason = (given, "") if isinstance(given, str) else given
        answer = Answer(choose(Answer, f"the answer to {control.id}", text))
        if not reason.strip() and not has_evidence:
            raise InputError(
                f"{control.id} is answered {answer} without a reason or evidence",
                slug="no-reason",
                hint=f'Write --control {control.id}={answer}:"why", or attach --evidence FILE.',
            )
        answers.append(
            ControlAnswer(
                control.id, answer, check_text(f"the reason of {control.id}", reason, required=False)
            )
        )
    return tuple(answers)


def _subject(work: UnitOfWork, phase: str, model: str | VersionRef | None) -> str | None:
    if phase not in SUBJECT_PHASES:
        if model is not None:
            raise InputError(
                f"a checkpoint on {phase} is not about one model version",
                slug="bad-choice",
                hint=f"Only those on {' and '.join(sorted(SUBJECT_PHASES))} are; use links for the others.",
            )
        return None
    if model is not None:
        return str(get_model_version(work.session, work.project, model).ref)
    versions = list_model_versions(work.session, work.project)
    return str(versions[-1].ref) if versions else None


def _check_links(work: UnitOfWork, links: Sequence[str]) -> None:
    if not links:
        return
    names = [node.name for node in project_lineage(work.session, work.project).nodes]
    for link in links:
        if link not in names:
            raise unknown_name("recorded thing", link, names)
