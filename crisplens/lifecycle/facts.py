"""Facts that the record shows by itself: the built-in rules, and what else the crosswalk counts as evidence. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from crisplens.core.text import count
from crisplens.lifecycle.gates import check_gate
from crisplens.lifecycle.model import ApprovalStanding, ApprovalState, GateResult
from crisplens.lifecycle.phases import list_phases
from crisplens.lifecycle.roles.model import same_person
from crisplens.lifecycle.rules import PHASE_RULES, Situation

if TYPE_CHECKING:
    from crisplens.lifecycle.record import ProjectRecord


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the record shows, or does not; `found` is what there is."""

    fact: str
    title: str
    holds: bool
    found: str


def list_facts(record: ProjectRecord, gates: Iterable[GateResult] | None = None) -> dict[str, Fact]:
    """Every fact by its id. `gates` are those of every phase, if they were asked already."""
    asked = list(gates) if gates is not None else [check_gate(record, phase.id) for phase in list_phases()]
    situation = Situation(record, record.model_versions[-1] if record.model_versions else None, None)
    facts: dict[str, Fact] = {}
    for rules in PHASE_RULES.values():
        for rule in rules:
            # What a checkpoint carries is told with its answers.
            if rule.id == "findings-kept":
                continue
            outcome = rule.ask(situation)
            facts[rule.id] = Fact(fact=rule.id, title=rule.title, holds=outcome.met, found=outcome.found)
    facts["findings-kept"] = _rule_of(asked, "data-analysis", "findings-kept")
    if not record.dataset_versions:
        for id in ("preparation-recorded", "same-feature-code"):
            facts[id] = msgspec.structs.replace(facts[id], holds=False, found="there is no data")
    if not record.check_counts:
        facts["alarms-answered"] = msgspec.structs.replace(
            facts["alarms-answered"], holds=False, found="nothing is watched"
        )
    for id, (title, tell) in _OTHERS.items():
        found = tell(record, asked)
        facts[id] = Fact(fact=id, title=title, holds=bool(found), found=found or "none")
    return facts


def _rule_of(gates: list[GateResult], phase: str, rule: str) -> Fact:
    for gate in gates:
        for one in gate.rules:
            if gate.phase == phase and one.rule == rule:
                return Fact(fact=rule, title=one.title, holds=one.met, found=one.found)
    return Fact(fact=rule, title=rule, holds=False, found="not asked for by the policy")


def _signed(record: ProjectRecord, gates: list[GateResult]) -> str:
    standing = [one for gate in gates if gate.phase == "evaluation" for one in _standing(gate)]
    return ", ".join(one.reason for one in standing if one.signed)


def _separate(record: ProjectRecord, gates: list[GateResult]) -> str:
    authors = {one.id: one.recorded_by for one in record.checkpoints}
    given = [(one.by, authors[one.checkpoint]) for gate in gates for one in _standing(gate)]
    if not given or any(same_person(by, author) for by, author in given):
        return ""
    return f"{count(len(given), 'approval')}, each by someone other than the author"


def _standing(gate: GateResult) -> list[ApprovalStanding]:
    return [one for one in gate.approvals if one.state is ApprovalState.STANDS]


def _risks_registered(record: ProjectRecord, gates: list[GateResult]) -> str:
    known = [one for one in record.risks if one.owner and one.mitigation.strip()]
    return f"{count(len(known), 'risk')} with owner and mitigation" if known else ""


def _reviews_current(record: ProjectRecord, gates: list[GateResult]) -> str:
    open_risks = [one for one in record.risks if one.is_open]
    overdue = [one for one in open_risks if one.is_overdue(record.today)]
    return f"{count(len(open_risks), 'open risk')}, none overdue" if open_risks and not overdue else ""


def _by_slice(record: ProjectRecord, gates: list[GateResult]) -> str:
    situation = Situation(record, record.model_versions[-1] if record.model_versions else None, None)
    one = situation.evaluation
    parts = len(one.slices) + len(one.classes) if one else 0
    return f"{one.id}: {count(parts, 'slice or class', 'slices and classes')}" if one and parts else ""


def _costs(record: ProjectRecord, gates: list[GateResult]) -> str:
    return ", ".join(f"{one.kind} {one.actual} {one.currency}" for one in record.costs if one.recorded)


def _observed(record: ProjectRecord, gates: list[GateResult]) -> str:
    names = dict.fromkeys(one.kpi for one in record.observations)
    return f"{count(len(record.observations), 'observation')} of {', '.join(names)}" if names else ""


def _adopted(record: ProjectRecord, gates: list[GateResult]) -> str:
    return record.policy.policy.ref if record.policy.seq != record.project.seq else ""


_Tell = Callable[["ProjectRecord", list[GateResult]], str]
_OTHERS: dict[str, tuple[str, _Tell]] = {
    "risks-registered": ("Risks are registered with owner and mitigation", _risks_registered),
    "risk-reviews-current": ("No review of a risk is overdue", _reviews_current),
    "evaluation-signed": ("The evaluation's approval is signed by the approver's own key", _signed),
    "evaluation-by-slice": ("Results are known by slice or by class", _by_slice),
    "approvals-separate": ("Approvals are given by others than the authors", _separate),
    "costs-observed": ("Actual costs are recorded", _costs),
    "kpi-observed": ("The business KPI is observed in production", _observed),
    "changes-recorded": (
        "Every change is in the log",
        lambda record, gates: "an append-only log that can be verified",
    ),
    "policy-adopted": ("A policy was adopted", _adopted),
    "roles-assigned": (
        "Roles are assigned",
        lambda record, gates: ", ".join(
            f"{one.person} {one.role}" for one in record.roles.assigned if one.withdrawn_seq is None
        ),
    ),
}
