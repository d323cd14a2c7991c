"""The story by phase: how each stands, what was stated and decided, and what decisions are worth today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crisplens.lifecycle.gates import check_gate
from crisplens.lifecycle.inbox import waiting_requests
from crisplens.lifecycle.model import ApprovalStanding, ApprovalState, GateResult
from crisplens.lifecycle.phases import SUBJECT_PHASES, Phase, list_phases, phase_order
from crisplens.lifecycle.queries import Approval, ApprovalRequest, Checkpoint
from crisplens.lifecycle.record import ProjectRecord
from crisplens.registry.views import View
from crisplens.reports.governance_content import OverrideEntry
from crisplens.reports.story_content import (
    ApprovalEntry,
    CheckpointEntry,
    ControlEntry,
    CycleOfPhase,
    PhaseGaps,
    PhaseState,
    PhaseStory,
    RequestEntry,
    RequestState,
)


def phase_stories(
    record: ProjectRecord,
    gates: Mapping[str, GateResult],
    overrides: Sequence[OverrideEntry],
    titles: Mapping[str, str],
) -> tuple[PhaseStory, ...]:
    """The phases in their order, each by its gate. `titles` are those of controls, by the ids that checkpoints keep."""
    teller = _Teller(record, titles)
    return tuple(
        teller.story(
            number, phase, gates[phase.id], [one for one in overrides if one.override.phase == phase.id]
        )
        for number, phase in enumerate(list_phases(), start=1)
    )


def open_gaps(phases: tuple[PhaseStory, ...]) -> tuple[PhaseGaps, ...]:
    """The phases that have rules that are not met, with those rules."""
    unmet = ((phase, tuple(rule for rule in phase.rules if not rule.met)) for phase in phases)
    return tuple(
        PhaseGaps(phase=phase.id, title=phase.title, state=phase.state, rules=rules)
        for phase, rules in unmet
        if rules
    )


class _Teller:
    """Tells phases of one record; what is asked of it more than once is worked out once."""

    def __init__(self, record: ProjectRecord, titles: Mapping[str, str]) -> None:
        self.record = record
        self.titles = titles
        self.waiting = {request.id for request, _ in waiting_requests(record)}
        self.faults = {one.digest: one.fault for one in record.evidence_faults}
        self.asked: dict[tuple[str, str], GateResult] = {}

    def story(
        self, number: int, phase: Phase, gate: GateResult, overrides: Sequence[OverrideEntry]
    ) -> PhaseStory:
        record = self.record
        checkpoints = [one for one in record.checkpoints if one.phase == phase.id]
        before = phase_order(phase.id) < phase_order(record.cycle.from_phase)
        demands = record.policy.policy.demands(phase.id)
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
            policy=gate.policy,
            demanded=demands.approvals.count if demands.required else 0,
            standing=sum(one.state is ApprovalState.STANDS for one in gate.approvals),
            override=gate.override,
            overrides=tuple(overrides),
            cycles=tuple(
                CycleOfPhase(
                    number=cycle.number,
                    checkpoints=tuple(
                        self._checkpoint(phase, one, gate)
                        for one in reversed(checkpoints)
                        if one.cycle == cycle.number
                    ),
                )
                for cycle in reversed(record.cycles)
                if any(one.cycle == cycle.number for one in checkpoints)
            ),
        )

    def _checkpoint(self, phase: Phase, checkpoint: Checkpoint, gate: GateResult) -> CheckpointEntry:
        answered = {answer.control for answer in checkpoint.answers}
        own_gate = self._gate_of(checkpoint) or gate
        return CheckpointEntry(
            checkpoint=checkpoint,
            counts=checkpoint.id == gate.checkpoint,
            controls=tuple(
                ControlEntry(
                    id=one.control,
                    title=self.titles.get(one.control, ""),
                    answer=one.answer,
                    reason=one.reason,
                )
                for one in checkpoint.answers
            ),
            unanswered=tuple(control for control in phase.practices if control.id not in answered),
            requests=tuple(
                RequestEntry(request=one, state=self._state_of(one))
                for one in self.record.requests
                if one.checkpoint == checkpoint.id
            ),
            approvals=tuple(
                ApprovalEntry(approval=one, standing=_standing(checkpoint, one, own_gate))
                for one in self.record.decisions.get(checkpoint.id, [])
            ),
            faults={
                one.digest: self.faults[one.digest]
                for one in checkpoint.evidence
                if one.digest in self.faults
            },
        )

    def _gate_of(self, checkpoint: Checkpoint) -> GateResult | None:
        """The gate asked about the model version that the checkpoint is about, where it is about one."""
        if checkpoint.phase not in SUBJECT_PHASES or checkpoint.subject is None:
            return None
        key = (checkpoint.phase, checkpoint.subject)
        if key not in self.asked:
            versions = (one for one in self.record.model_versions if str(one.ref) == checkpoint.subject)
            self.asked[key] = check_gate(self.record, checkpoint.phase, subject=next(versions))
        return self.asked[key]

    def _state_of(self, request: ApprovalRequest) -> RequestState:
        if request.withdrawn_seq is not None:
            return RequestState.WITHDRAWN
        if request.id in self.waiting:
            return RequestState.WAITING
        answers = self.record.decisions.get(request.checkpoint, [])
        if any(one.seq > request.seq and one.withdrawn_seq is None for one in answers):
            return RequestState.ANSWERED
        expired = request.until is not None and request.until < self.record.today
        return RequestState.EXPIRED if expired else RequestState.SUPERSEDED


def _framework_name(name: str) -> str:
    words = name.replace("_", " ").capitalize()
    return "ML" + words[2:] if words.startswith("Ml ") else words


def _state(record: ProjectRecord, phase: Phase, gate: GateResult, before: bool) -> PhaseState:
    if not record.policy.policy.demands(phase.id).required:
        return PhaseState.NOT_REQUIRED
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


def _standing(checkpoint: Checkpoint, approval: Approval, gate: GateResult) -> ApprovalStanding | None:
    """What a decision is worth now: as its gate judges it, or superseded together with its checkpoint."""
    known = next((one for one in gate.approvals if one.approval == approval.id), None)
    if known is not None or gate.checkpoint == checkpoint.id:
        return known
    withdrawn = approval.withdrawn_seq is not None
    return ApprovalStanding(
        approval=approval.id,
        checkpoint=checkpoint.id,
        by=approval.recorded_by,
        on_behalf_of=approval.recorded_by,
        state=ApprovalState.WITHDRAWN if withdrawn else ApprovalState.SUPERSEDED,
        reason=f"{approval.withdrawn_by} withdrew {approval.id}: {approval.withdrawn_reason}"
        if withdrawn
        else f"{checkpoint.id} is no longer the checkpoint that counts",
        signed=approval.signature is not None,
    )
