"""What a policy's conditions can ask about: typed names, and their values in a situation. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from crisplens.lifecycle.rules.situation import (
    Situation,
    data_basis,
    evaluation_basis,
    goal_basis,
    kpi_basis,
    risk_basis,
    run_basis,
    subject_basis,
)

if TYPE_CHECKING:
    from crisplens.registry.models.model import Part

Basis = Callable[[Situation], dict[str, int]]


@dataclass(frozen=True)
class Name:
    """A name of the view: its CEL type, what it says, its value, and the recorded things that the value rests on."""

    type: str
    about: str
    value: Callable[[Situation], Any]
    basis: Basis = lambda situation: {}


STRINGS, NUMBERS, COUNTS = "list(string)", "map(string, double)", "map(string, int)"
TEXTS, PARTS = "map(string, string)", "map(string, map(string, double))"


def _decimals(given: Mapping[str, str | None]) -> dict[str, float]:
    return {name: float(Decimal(value)) for name, value in given.items() if value is not None}


def _parts(parts: tuple[Part, ...]) -> dict[str, dict[str, float]]:
    return {part.name: {name: float(value) for name, value in part.metrics.items()} for part in parts}


def _metrics(s: Situation) -> dict[str, float]:
    found = s.evaluation.metrics if s.evaluation else {}
    return {name: float(value) for name, value in found.items()}


def _evidence_kinds(s: Situation) -> list[str]:
    return [one.kind for one in s.checkpoint.evidence if one.kind] if s.checkpoint else []


VIEW: dict[str, Name] = {
    "now": Name("timestamp", "when the gate is asked", lambda s: datetime.fromisoformat(s.record.now)),
    "project.name": Name("string", "the project's name", lambda s: s.record.project.project),
    "project.owner": Name("string", "its owner", lambda s: s.record.project.owner),
    "project.risk": Name("string", "its risk tier: low, medium or high", lambda s: s.record.project.risk),
    "cycle.number": Name("int", "the current cycle", lambda s: s.record.cycle.number),
    "cycle.from_phase": Name("string", "the phase it began at", lambda s: s.record.cycle.from_phase),
    "goal.stated": Name(
        "bool", "whether there is a business goal", lambda s: bool(s.record.goal), goal_basis
    ),
    "goal.owner": Name(
        "string", "who answers for it", lambda s: s.record.goal.owner if s.record.goal else "", goal_basis
    ),
    "goal.options": Name(
        STRINGS,
        "the ways to reach it that were considered",
        lambda s: [one.name for one in s.record.goal.options] if s.record.goal else [],
        goal_basis,
    ),
    "goal.costs": Name(
        NUMBERS,
        "its expected costs, by kind",
        lambda s: _decimals({k.value: v for k, v in s.record.goal.costs.items()}) if s.record.goal else {},
        goal_basis,
    ),
    "kpis.targets": Name(
        NUMBERS,
        "each KPI's target",
        lambda s: _decimals({one.name: one.target for one in s.record.kpis}),
        kpi_basis,
    ),
    "kpis.baselines": Name(
        NUMBERS,
        "the baseline of each KPI that has one",
        lambda s: _decimals({one.name: one.baseline for one in s.record.kpis}),
        kpi_basis,
    ),
    "kpis.observed": Name(
        NUMBERS,
        "the newest value in production of each KPI that was observed",
        lambda s: _decimals({one.kpi: one.value for one in s.record.observations}),
    ),
    "costs.actual": Name(
        NUMBERS,
        "what was spent, by kind, in the goal's currency",
        lambda s: _decimals({one.kind: one.actual for one in s.record.costs}),
    ),
    "data.versions": Name(
        STRINGS, "the dataset versions in use", lambda s: [str(one.ref) for one in s.data_in_use], data_basis
    ),
    "data.sources": Name(
        STRINGS,
        "the data sources that these name",
        lambda s: sorted({one.source for one in s.data_in_use if one.source}),
        data_basis,
    ),
    "data.rows": Name(
        COUNTS,
        "the rows of each dataset version in use whose rows are known",
        lambda s: {str(one.ref): one.rows for one in s.data_in_use if one.rows is not None},
        data_basis,
    ),
    "model.name": Name(
        "string", "the model that is judged", lambda s: s.subject.model if s.subject else "", subject_basis
    ),
    "model.version": Name(
        "int",
        "its version; 0 when there is none",
        lambda s: s.subject.version if s.subject else 0,
        subject_basis,
    ),
    "model.datasets": Name(
        STRINGS,
        "the dataset versions that trained it",
        lambda s: [str(ref) for ref in s.subject.datasets] if s.subject else [],
        subject_basis,
    ),
    "run.name": Name("string", "the run that made it", lambda s: s.run.name if s.run else "", run_basis),
    "run.code_version": Name(
        "string", "that run's code version", lambda s: (s.run.code_version or "") if s.run else "", run_basis
    ),
    "run.parameters": Name(
        TEXTS,
        "that run's parameters, as text",
        lambda s: {name: str(value) for name, value in s.run.parameters.items()} if s.run else {},
        run_basis,
    ),
    "evaluation.id": Name(
        "string",
        "the newest evaluation on data that did not train it",
        lambda s: s.evaluation.id if s.evaluation else "",
        evaluation_basis,
    ),
    "evaluation.dataset": Name(
        "string",
        "the dataset version that it was evaluated on",
        lambda s: str(s.evaluation.dataset) if s.evaluation else "",
        evaluation_basis,
    ),
    "evaluation.metrics": Name(NUMBERS, "that evaluation's metrics", _metrics, evaluation_basis),
    "evaluation.slices": Name(
        PARTS,
        "its metrics by slice",
        lambda s: _parts(s.evaluation.slices) if s.evaluation else {},
        evaluation_basis,
    ),
    "evaluation.classes": Name(
        PARTS,
        "its metrics by class",
        lambda s: _parts(s.evaluation.classes) if s.evaluation else {},
        evaluation_basis,
    ),
    "deployment.id": Name(
        "string", "the deployment in production", lambda s: s.deployment.id if s.deployment else ""
    ),
    "deployment.models": Name(
        STRINGS,
        "the model versions that it serves",
        lambda s: [str(one.model) for one in s.deployment.variants] if s.deployment else [],
    ),
    "monitors.names": Name(STRINGS, "the monitors", lambda s: [one.name for one in s.record.monitors]),
    "monitors.checks": Name(COUNTS, "how often each monitor has run", lambda s: dict(s.record.check_counts)),
    "incidents.open": Name(
        STRINGS,
        "incidents that wait for an answer",
        lambda s: [one.id for one in s.record.incidents if one.is_open],
    ),
    "triggers.open": Name(
        STRINGS,
        "retraining triggers that wait for an answer",
        lambda s: [one.id for one in s.record.triggers if one.is_open],
    ),
    "risks.open": Name(
        STRINGS, "the open risks", lambda s: [one.id for one in s.record.risks if one.is_open], risk_basis
    ),
    "risks.levels": Name(
        TEXTS,
        "the level of each open risk: low, medium, high or critical",
        lambda s: {one.id: str(one.level) for one in s.record.risks if one.is_open},
        risk_basis,
    ),
    "risks.overdue": Name(
        STRINGS,
        "open risks whose review is overdue",
        lambda s: [one.id for one in s.record.risks if one.is_overdue(s.record.today)],
        risk_basis,
    ),
    "risks.unmitigated": Name(
        STRINGS,
        "open risks without a mitigation",
        lambda s: [one.id for one in s.record.risks if one.is_open and not one.mitigation.strip()],
        risk_basis,
    ),
    "checkpoint.author": Name(
        "string",
        "who recorded the phase's checkpoint",
        lambda s: s.checkpoint.recorded_by if s.checkpoint else "",
    ),
    "checkpoint.summary": Name(
        "string", "what it says", lambda s: s.checkpoint.summary if s.checkpoint else ""
    ),
    "checkpoint.answers": Name(
        TEXTS,
        "its answers, by control",
        lambda s: {one.control: one.answer.value for one in s.checkpoint.answers} if s.checkpoint else {},
    ),
    "checkpoint.evidence": Name(STRINGS, "the kinds of evidence that it carries", _evidence_kinds),
}
