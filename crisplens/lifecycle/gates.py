"""Gates: a phase's rules and its policy's demands asked of the record, with its checkpoint and approvals. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crisplens.lifecycle.model import ApprovalStanding, GateResult, OverrideOutcome, RuleResult
from crisplens.lifecycle.phases import DATA_PHASES, SUBJECT_PHASES, phase_order
from crisplens.lifecycle.policies.demands import Values, judge
from crisplens.lifecycle.policies.model import ApprovalDemand, PhasePolicy
from crisplens.lifecycle.policies.view import VIEW
from crisplens.lifecycle.rules import PHASE_RULES, Outcome, Situation, no_control_not_met
from crisplens.lifecycle.rules.situation import datasets_behind, replaced_basis
from crisplens.lifecycle.standing import FAILURE, POLICY, demands_signature, judge_decisions, sum_up
from crisplens.registry.lineage.model import NodeKind
from crisplens.registry.model import GateDecision

if TYPE_CHECKING:
    from crisplens.lifecycle.queries import Checkpoint, Override
    from crisplens.lifecycle.record import EvidenceFault, ProjectRecord
    from crisplens.registry.data.queries import DatasetVersion
    from crisplens.registry.models.queries import ModelVersion

APPROVED = "approved"


def check_gate(record: ProjectRecord, phase: str, *, subject: ModelVersion | None = None) -> GateResult:
    """Ask every rule that the project's policy has for `phase`; the gate is open when all are met.

    With a `subject` the question is about that model version, in whichever cycle it was approved;
    without one it is about the newest version in the current cycle.
    """
    demands = record.policy.policy.demands(phase)
    judged = subject or (record.model_versions[-1] if record.model_versions else None)
    checkpoint = checkpoint_for(record, phase, judged, any_cycle=subject is not None)
    about = str(judged.ref) if judged and phase in SUBJECT_PHASES else None
    rules: list[RuleResult] = []
    basis: dict[str, int] = {}
    standings: tuple[ApprovalStanding, ...] = ()
    if demands.required:
        situation = Situation(record, judged, checkpoint)
        for rule in PHASE_RULES[phase]:
            if demands.rules is None or rule.id in demands.rules:
                outcome = rule.ask(situation)
                basis.update(outcome.basis)
                rules.append(_result(rule.id, rule.title, outcome, rule.remedy))
        rules += _demanded(situation, phase, demands, basis)
        basis.update(_changes_beneath(situation, phase))
        if failed := _failed_evidence(situation):
            found = Outcome(False, "; ".join(f"{one.name} {one.fault}" for one in failed))
            title = "The evidence that it carries is as recorded"
            rules.append(_result("evidence-intact", title, found, "crisplens evidence check"))
        if phase in record.policy.seqs:
            basis[f"{POLICY}{phase}"] = record.policy.seqs[phase]
        if checkpoint:
            basis[checkpoint.id] = checkpoint.seq
            standings = judge_decisions(record, checkpoint, basis, about)
        rules += _common_rules(record, phase, situation, demands.approvals, standings)
    else:
        rules.append(
            _result("not-required", "The policy does not ask for this phase", Outcome(True, "so it is"), "")
        )
    opened = all(rule.met for rule in rules)
    return GateResult(
        phase=phase,
        cycle=record.cycle.number,
        subject=about,
        open=opened,
        rules=tuple(rules),
        basis=basis,
        policy=record.policy.policy.ref,
        checkpoint=checkpoint.id if checkpoint else None,
        approvals=standings,
        override="" if opened else override_for(record, phase, about),
    )


def decide_version(record: ProjectRecord, subject: ModelVersion, phase: str = "evaluation") -> GateDecision:
    """Whether a model version may pass a door that asks the gate of `phase`.

    A gate about model versions is asked about this one, in whichever cycle it was approved; others as they stand now.
    """
    gate = check_gate(record, phase, subject=subject if phase in SUBJECT_PHASES else None)
    return decide_gate(gate, str(subject.ref))


def decide_gate(gate: GateResult, subject: str) -> GateDecision:
    """A gate's answer to `subject`, as it is recorded with what it let through."""
    return GateDecision(
        phase=gate.phase,
        subject=subject,
        open=gate.open,
        unmet=tuple(f"{rule.title}: {rule.found}" for rule in gate.unmet),
        override=gate.override,
        policy=gate.policy,
    )


def override_for(record: ProjectRecord, phase: str, subject: str | None) -> str:
    """The id of the override that lets a phase's gate be passed today, for this model version; empty without one.

    One that a review found not to be justified lets nothing pass.
    """
    for one in reversed(record.overrides):
        if one.phase == phase and one.subject == subject and in_force(record, one):
            return one.id
    return ""


def in_force(record: ProjectRecord, override: Override) -> bool:
    """Whether an override lets something pass today; of what is about no model version, in its own cycle only."""
    return (
        record.policy.policy.overrides.allowed
        and record.today <= override.until
        and override.outcome != OverrideOutcome.NOT_JUSTIFIED
        and (override.subject is not None or override.cycle == record.cycle.number)
    )


def _demanded(
    situation: Situation, phase: str, demands: PhasePolicy, basis: dict[str, int]
) -> list[RuleResult]:
    """What the policy demands beyond the built-in rules; `basis` takes in what that rests on."""
    if not (demands.controls or demands.evidence or demands.metrics or demands.conditions):
        return []
    results = []
    for one in judge(demands, phase, Values(situation)):
        for name in one.names:
            basis.update(VIEW[name].basis(situation))
        results.append(_result(one.id, one.title, Outcome(one.met, one.found), one.remedy))
    return results


def _changes_beneath(situation: Situation, phase: str) -> dict[str, int]:
    """Data that was replaced and evidence that failed under a checkpoint, by the events that say so."""
    found = {f"{FAILURE}{one.digest}": one.seq for one in _failed_evidence(situation)}
    if any(one.replaced_seq is not None for one in situation.record.dataset_versions):
        found |= replaced_basis(_data_beneath(situation, phase))
    return found


def _failed_evidence(situation: Situation) -> list[EvidenceFault]:
    carried = {one.digest for one in situation.checkpoint.evidence} if situation.checkpoint else set()
    return [one for one in situation.record.evidence_faults if one.digest in carried]


def _data_beneath(situation: Situation, phase: str) -> list[DatasetVersion]:
    if phase == "model-training" and situation.subject:
        return datasets_behind(situation.record, f"{NodeKind.MODEL_VERSION}:{situation.subject.ref}")
    if phase in SUBJECT_PHASES:
        return situation.data_of_subject
    if phase in DATA_PHASES:
        return situation.data_in_use
    if phase == "deployment" and situation.deployment:
        return datasets_behind(situation.record, f"{NodeKind.DEPLOYMENT}:{situation.deployment.id}")
    return []


def checkpoint_for(
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
    record: ProjectRecord,
    phase: str,
    situation: Situation,
    demand: ApprovalDemand,
    standings: tuple[ApprovalStanding, ...],
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
            _approval_title(demand),
            Outcome(*sum_up(standings, checkpoint, demand)),
            f"crisplens approval grant {phase} --actor {'SOMEONE-ELSE' if demand.author_excluded else 'SOMEONE'}"
            + (" --sign KEY" if demands_signature(record, phase) else ""),
        ),
    ]


def _approval_title(demand: ApprovalDemand) -> str:
    if demand.count == 0:
        return "Nobody who decided on it is against it"
    who = "Someone" if demand.count == 1 else f"{demand.count} people"
    if demand.roles:
        who += f" with the role {' or '.join(demand.roles)}"
    other = " other than its author" if demand.author_excluded else ""
    return f"{who}{other} approved it as it stands"


def _result(id: str, title: str, outcome: Outcome, remedy: str) -> RuleResult:
    return RuleResult(
        rule=id, title=title, met=outcome.met, found=outcome.found, remedy="" if outcome.met else remedy
    )
