"""The story by phase: how each stands, what was stated and decided, and what decisions are worth today."""

from __future__ import annotations

from collections.abc import Sequence

from crisplens.lifecycle.gates import SUBJECT_PHASES, check_gate
from crisplens.lifecycle.model import Decision, GateResult, changes_since
from crisplens.lifecycle.phases import Phase, list_phases, phase_order
from crisplens.lifecycle.queries import Approval, Checkpoint, ProjectRecord
from crisplens.registry.views import View
from crisplens.reports.content import (
    ApprovalEntry,
    CheckpointEntry,
    ControlEntry,
    CycleOfPhase,
    PhaseGaps,
    PhaseState,
    PhaseStory,
    Standing,
)


def phase_stories(record: ProjectRecord) -> tuple[PhaseStory, ...]:
    """The phases in their order."""
    return tuple(_story(record, number, phase) for number, phase in enumerate(list_phases(), start=1))


def open_gaps(phases: tuple[PhaseStory, ...]) -> tuple[PhaseGaps, ...]:
    """The phases that have rules that are not met, with those rules."""
    unmet = ((phase, tuple(rule for rule in phase.rules if not rule.met)) for phase in phases)
    return tuple(
        PhaseGaps(phase=phase.id, title=phase.title, state=phase.state, rules=rules)
        for phase, rules in unmet
        if rules
    )


def _story(record: ProjectRecord, number: int, phase: Phase) -> PhaseStory:
    gate = check_gate(record, phase.id)
    checkpoints = [one for one in record.checkpoints if one.phase == phase.id]
    before = phase_order(phase.id) < phase_order(record.cycle.from_phase)
    return PhaseStory(
        number=number,
        id=phase.id,
        title=phase.title,
        description=phase.description,
        crisp_dm=tuple(map(_framework_name, phase.crisp_dm)),
        lens_phase=_framework_name(phase.lens_phase),
        source=phase.source,
        note=phase.note,
        state=_state(record, phase, gate, before),
        before_cycle=before,
        subject=gate.subject,
        rules=gate.rules,
        cycles=tuple(
            CycleOfPhase(
                number=cycle.number,
                checkpoints=tuple(
                    _checkpoint(record, phase, one, gate)
                    for one in reversed(checkpoints)
                    if one.cycle == cycle.number
                ),
            )
            for cycle in reversed(record.cycles)
            if any(one.cycle == cycle.number for one in checkpoints)
        ),
    )


def _framework_name(name: str) -> str:
    words = name.replace("_", " ").capitalize()
    return "ML" + words[2:] if words.startswith("Ml ") else words


def _state(record: ProjectRecord, phase: Phase, gate: GateResult, before: bool) -> PhaseState:
    if gate.open:
        return PhaseState.IN_ORDER
    since = -1 if before else record.cycle.seq
    begun = any(seq > since for seq in _recorded_in(record, phase.id))
    return PhaseState.BLOCKED if begun else PhaseState.NOT_STARTED


def _recorded_in(record: ProjectRecord, phase: str) -> list[int]:
    """The events that belong to a phase: its checkpoints, and what only that phase records."""
    own: dict[str, Sequence[View]] = {
        "business-goal": [*([record.goal] if record.goal else []), *record.kpis],
        "data-collection": [*record.data_sources, *record.dataset_versions],
        "data-preparation": [one for one in record.dataset_versions if one.derived_from],
        "model-training": record.model_versions,
        "evaluation": record.evaluations,
        "deployment": record.deployments,
        "monitoring": [*record.monitors, *record.checks],
    }
    checkpoints = [one.seq for one in record.checkpoints if one.phase == phase]
    return [*(one.seq for one in own.get(phase, ())), *checkpoints]


def _checkpoint(
    record: ProjectRecord, phase: Phase, checkpoint: Checkpoint, gate: GateResult
) -> CheckpointEntry:
    titles = {control.id: control.title for control in phase.practices}
    answered = {answer.control for answer in checkpoint.answers}
    own_gate = _gate_of(record, checkpoint) or gate
    decisions = [one for one in record.approvals if one.checkpoint == checkpoint.id]
    return CheckpointEntry(
        checkpoint=checkpoint,
        counts=checkpoint.id in gate.basis,
        controls=tuple(
            ControlEntry(
                id=one.control, title=titles.get(one.control, ""), answer=one.answer, reason=one.reason
            )
            for one in checkpoint.answers
        ),
        unanswered=tuple(control for control in phase.practices if control.id not in answered),
        approvals=tuple(_approval(checkpoint, one, decisions[-1], own_gate) for one in decisions),
    )


def _gate_of(record: ProjectRecord, checkpoint: Checkpoint) -> GateResult | None:
    """The gate asked about the model version that the checkpoint is about, where it is about one."""
    if checkpoint.phase not in SUBJECT_PHASES:
        return None
    version = next((one for one in record.model_versions if str(one.ref) == checkpoint.subject), None)
    return check_gate(record, checkpoint.phase, subject=version) if version else None


def _approval(checkpoint: Checkpoint, approval: Approval, last: Approval, gate: GateResult) -> ApprovalEntry:
    if approval is not last or checkpoint.id not in gate.basis:
        return ApprovalEntry(approval=approval, standing=Standing.SUPERSEDED)
    if approval.decision != Decision.APPROVED:
        return ApprovalEntry(approval=approval, standing=Standing.REJECTED)
    changes = changes_since(approval.basis, gate.basis)
    if approval.checkpoint_digest != checkpoint.digest:
        changes.append("the checkpoint is not the content that was approved")
    standing = Standing.STALE if changes else Standing.STANDS
    return ApprovalEntry(approval=approval, standing=standing, changes=tuple(changes))
