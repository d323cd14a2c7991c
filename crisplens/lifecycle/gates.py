"""Gates: a phase's rules asked of the record, with its checkpoint and approval. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crisplens.lifecycle.model import Decision, GateResult, RuleResult, Signatures, changes_since
from crisplens.lifecycle.phases import phase_order
from crisplens.lifecycle.rules import PHASE_RULES, Outcome, Situation, no_control_not_met
from crisplens.registry.model import GateDecision

if TYPE_CHECKING:
    from crisplens.lifecycle.queries import Approval, Checkpoint, ProjectRecord
    from crisplens.registry.models.queries import ModelVersion

# Phases whose checkpoint is a statement about one model version.
SUBJECT_PHASES = frozenset({"model-training", "evaluation"})
APPROVED = "approved"


def check_gate(record: ProjectRecord, phase: str, *, subject: ModelVersion | None = None) -> GateResult:
    """Ask every rule of `phase`; the gate is open when all are met.

    With a `subject` the question is about that model version, in whichever cycle it was approved;
    without one it is about the newest version in the current cycle.
    """
    judged = subject or (record.model_versions[-1] if record.model_versions else None)
    checkpoint = _checkpoint_for(record, phase, judged, any_cycle=subject is not None)
    situation = Situation(record, judged, checkpoint)
    rules, basis = [], {}
    for rule in PHASE_RULES[phase]:
        outcome = rule.ask(situation)
        basis.update(outcome.basis)
        rules.append(_result(rule.id, rule.title, outcome, rule.remedy))
    if checkpoint:
        basis[checkpoint.id] = checkpoint.seq
    rules += _common_rules(record, phase, situation, basis)
    return GateResult(
        phase=phase,
        cycle=record.cycle.number,
        subject=str(judged.ref) if judged and phase in SUBJECT_PHASES else None,
        open=all(rule.met for rule in rules),
        rules=tuple(rules),
        basis=basis,
    )


def decide_version(record: ProjectRecord, subject: ModelVersion) -> GateDecision:
    """Whether a model version may go to production or answer a trigger: its evaluation gate must be open."""
    gate = check_gate(record, "evaluation", subject=subject)
    return GateDecision(
        phase="evaluation",
        subject=str(subject.ref),
        open=gate.open,
        unmet=tuple(f"{rule.title}: {rule.found}" for rule in gate.unmet),
    )


def demands_signature(record: ProjectRecord, phase: str) -> bool:
    """Whether the gate of `phase` takes signed approvals only."""
    demand = record.gate_demands.get(phase)
    return demand is not None and demand.signatures == Signatures.REQUIRED


def approval_of(record: ProjectRecord, checkpoint: Checkpoint) -> Approval | None:
    """The last decision on a checkpoint."""
    return record.last_decisions.get(checkpoint.id)


def _checkpoint_for(
    record: ProjectRecord, phase: str, judged: ModelVersion | None, *, any_cycle: bool
) -> Checkpoint | None:
    """The newest checkpoint that counts: of this cycle, or of an earlier one if the cycle began after the phase."""
    inherited = phase_order(phase) < phase_order(record.cycle.from_phase)
    ref = str(judged.ref) if judged else None
    found = [
        one
        for one in record.checkpoints
        if one.phase == phase
        and (any_cycle or inherited or one.cycle == record.cycle.number)
        and (phase not in SUBJECT_PHASES or one.subject == ref)
    ]
    return found[-1] if found else None


def _common_rules(
    record: ProjectRecord, phase: str, situation: Situation, basis: dict[str, int]
) -> list[RuleResult]:
    checkpoint = situation.checkpoint
    about = f" on {situation.subject.ref}" if phase in SUBJECT_PHASES and situation.subject else ""
    recorded = Outcome(
        checkpoint is not None,
        f"{checkpoint.id} by {checkpoint.recorded_by}"
        if checkpoint
        else f"none{about} in cycle {record.cycle.number}",
    )
    record_it = f"crisplens checkpoint record {phase} --control ID=ANSWER:REASON"
    return [
        _result("checkpoint-recorded", f"A checkpoint is recorded{about}", recorded, record_it),
        _result(
            "no-control-not-met", "No control is answered not-met", no_control_not_met(situation), record_it
        ),
        _result(
            APPROVED,
            "Someone other than its author approved it as it stands",
            _approved(record, checkpoint, basis),
            f"crisplens approval grant {phase} --actor SOMEONE-ELSE"
            + (" --sign KEY" if demands_signature(record, phase) else ""),
        ),
    ]


def _approved(record: ProjectRecord, checkpoint: Checkpoint | None, basis: dict[str, int]) -> Outcome:
    if checkpoint is None:
        return Outcome(False, "there is nothing to approve")
    approval = approval_of(record, checkpoint)
    if approval is None:
        return Outcome(False, f"nobody has decided on {checkpoint.id}")
    if approval.decision != Decision.APPROVED:
        return Outcome(False, f"{approval.recorded_by} rejected {checkpoint.id}: {approval.reason}")
    if approval.recorded_by.casefold() == checkpoint.recorded_by.casefold():
        return Outcome(False, f"{approval.recorded_by} wrote {checkpoint.id} and cannot approve it")
    if approval.checkpoint_digest != checkpoint.digest:
        return Outcome(False, f"{checkpoint.id} is not the content that was approved")
    if fault := record.signature_faults.get(approval.id):
        return Outcome(False, f"the signature of {approval.id} is wrong: {fault}")
    if demands_signature(record, checkpoint.phase) and not approval.signature:
        return Outcome(False, f"{approval.recorded_by} did not sign {approval.id}, as this gate demands")
    if changed := changes_since(approval.basis, basis):
        return Outcome(False, f"stale: {'; '.join(changed)}")
    signed = ", signed" if approval.signature else ""
    return Outcome(True, f"{approval.recorded_by} on {approval.recorded_at[:10]}{signed}")


def _result(id: str, title: str, outcome: Outcome, remedy: str) -> RuleResult:
    return RuleResult(
        rule=id, title=title, met=outcome.met, found=outcome.found, remedy="" if outcome.met else remedy
    )
