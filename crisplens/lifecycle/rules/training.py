"""Rules on training and evaluation."""

from __future__ import annotations

from crisplens.lifecycle.rules.situation import Outcome, Rule, Situation, kpi_basis, listed, subject_basis
from crisplens.registry.projects.model import Direction


def model_registered(s: Situation) -> Outcome:
    """Is there a model version?"""
    found = f"{s.subject.ref}, {s.subject.digest[:19]}…" if s.subject else "no model version"
    return Outcome(s.subject is not None, found, subject_basis(s))


def training_reproducible(s: Situation) -> Outcome:
    """Did a recorded run with parameters, code version and environment make the model?"""
    if s.run is None:
        return Outcome(False, "no run is named as having made it", subject_basis(s))
    missing = [name for name in ("parameters", "code_version", "environment") if not getattr(s.run, name)]
    found = (
        f"run {s.run.name} lacks {listed(name.replace('_', ' ') for name in missing)}"
        if missing
        else f"run {s.run.name}"
    )
    return Outcome(not missing, found, {f"run {s.run.name}": s.run.seq})


def training_data_named(s: Situation) -> Outcome:
    """Is the training data named?"""
    datasets = s.subject.datasets if s.subject else ()
    return Outcome(bool(datasets), listed(datasets, "no training data"), subject_basis(s))


def evaluated_on_unseen_data(s: Situation) -> Outcome:
    """Is there an evaluation on data that did not train the model?"""
    if s.subject is None:
        return Outcome(False, "no model version")
    if s.evaluation is None:
        return Outcome(False, f"{s.subject.ref} has none", subject_basis(s))
    return Outcome(
        True,
        f"{s.evaluation.id} on {s.evaluation.dataset}",
        subject_basis(s) | {s.evaluation.id: s.evaluation.seq},
    )


def kpis_met(s: Situation) -> Outcome:
    """Does that evaluation meet every KPI?"""
    if s.evaluation is None or not s.record.kpis:
        return Outcome(False, "no evaluation to judge" if s.record.kpis else "no KPI", kpi_basis(s))
    found, met = [], True
    for kpi in s.record.kpis:
        value = s.evaluation.metrics.get(kpi.name)
        reached = value is not None and kpi.goal_line.is_met_by(value)
        met = met and reached
        measured = "not measured" if value is None else f"{value:.6g}"
        sign = "≥" if kpi.direction == Direction.HIGHER else "≤"
        within = f" ± {kpi.acceptable_error}" if kpi.acceptable_error else ""
        found.append(
            f"{kpi.name} {measured} (target {sign} {kpi.target}{within}{'' if reached else ': missed'})"
        )
    return Outcome(met, "; ".join(found), kpi_basis(s))


RULES: dict[str, tuple[Rule, ...]] = {
    "model-training": (
        Rule(
            "model-registered",
            "A model version is registered",
            model_registered,
            "crisplens model register NAME FILE --run RUN",
        ),
        Rule(
            "training-reproducible",
            "A run with parameters, code version and environment made it",
            training_reproducible,
            "crisplens run record NAME --used DATASET@1 --param … --code-version … --environment …",
        ),
        Rule(
            "training-data-named",
            "Its training data is named",
            training_data_named,
            "crisplens model register … --dataset NAME@1",
        ),
    ),
    "evaluation": (
        Rule(
            "evaluated-on-unseen-data",
            "It was evaluated on data that did not train it",
            evaluated_on_unseen_data,
            "crisplens evaluation record MODEL@N --dataset HOLDOUT@1 --metric NAME=NUMBER",
        ),
        Rule(
            "kpis-met",
            "That evaluation meets every KPI target",
            kpis_met,
            "train a version that meets the targets, or have the goal's owner set others",
        ),
    ),
}
