"""What the rules of a gate are asked: the record as they see it, and the shape of question and answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from crisplens.registry.deployments.model import is_production
from crisplens.registry.lineage.model import NodeKind

if TYPE_CHECKING:
    from crisplens.lifecycle.queries import Checkpoint
    from crisplens.lifecycle.record import ProjectRecord
    from crisplens.registry.data.queries import DatasetVersion
    from crisplens.registry.deployments.queries import Deployment
    from crisplens.registry.model import VersionRef
    from crisplens.registry.models.queries import Evaluation, ModelVersion
    from crisplens.registry.runs.queries import Run


@dataclass(frozen=True)
class Situation:
    """What a gate judges: the record, the model version that matters, and the phase's checkpoint."""

    record: ProjectRecord
    subject: ModelVersion | None
    checkpoint: Checkpoint | None

    @cached_property
    def run(self) -> Run | None:
        """The run that made the subject."""
        name = self.subject.run if self.subject else None
        return self.record.runs_by_name.get(name) if name else None

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """The subject's newest evaluation on data that did not train it."""
        if self.subject is None:
            return None
        trained_on = training_digests(self.record, self.subject)
        newest_first = reversed(self._evaluations)
        held_out = (one for one in newest_first if self.dataset(one.dataset).digest not in trained_on)
        return next(held_out, None)

    @cached_property
    def deployment(self) -> Deployment | None:
        """The deployment in force in production."""
        production = [one for one in self.record.deployments if is_production(one.environment)]
        return production[-1] if production else None

    @cached_property
    def data_in_use(self) -> list[DatasetVersion]:
        """The dataset versions that the subject and its evaluations rest on; all, until the cycle has a model."""
        if self.subject is None or self.subject.seq < self.record.cycle.seq:
            return self.record.dataset_versions
        return self.data_of_subject

    @cached_property
    def data_of_subject(self) -> list[DatasetVersion]:
        """The dataset versions that the subject and its evaluations rest on, in the end."""
        if self.subject is None:
            return []
        starts = [f"{NodeKind.MODEL_VERSION}:{self.subject.ref}"]
        starts += [f"{NodeKind.EVALUATION}:{one.id}" for one in self._evaluations]
        return datasets_behind(self.record, *starts)

    def dataset(self, ref: VersionRef) -> DatasetVersion:
        """The dataset version of that reference."""
        return self.record.datasets_by_ref[ref]

    def made_by_code(self, one: DatasetVersion) -> bool:
        """Whether a run with a code version made it."""
        run = self.record.runs_by_name.get(one.run) if one.run else None
        return run is not None and bool(run.code_version)

    @property
    def _evaluations(self) -> list[Evaluation]:
        return self.record.evaluations_by_model.get(self.subject.ref, []) if self.subject else []


@dataclass(frozen=True)
class Outcome:
    """Whether a rule is met, what was found, and the recorded things that this rested on."""

    met: bool
    found: str
    basis: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """A rule of a gate: a title that states it, the question, and what to do when it is not met."""

    id: str
    title: str
    ask: Callable[[Situation], Outcome]
    remedy: str


def training_digests(record: ProjectRecord, version: ModelVersion) -> set[str]:
    """Content digests of the dataset versions that trained a model version, its run's included."""
    run = record.runs_by_name.get(version.run) if version.run else None
    refs = {*version.datasets, *(run.used_datasets if run else ())}
    return {record.datasets_by_ref[ref].digest for ref in refs if ref in record.datasets_by_ref}


def datasets_behind(record: ProjectRecord, *starts: str) -> list[DatasetVersion]:
    """The dataset versions that nodes of the lineage rest on, in the end."""
    ids = record.lineage.origins(*starts)
    return [one for one in record.dataset_versions if f"{NodeKind.DATASET_VERSION}:{one.ref}" in ids]


def replaced_basis(datasets: Iterable[DatasetVersion]) -> dict[str, int]:
    """The replacements of those datasets that were replaced, as something that an answer rests on."""
    return {
        f"the replacement of {one.ref}": one.replaced_seq for one in datasets if one.replaced_seq is not None
    }


def listed(names: Iterable[object], none: str = "none") -> str:
    """Names in one line, or `none`."""
    return ", ".join(map(str, names)) or none


def kpi_basis(s: Situation) -> dict[str, int]:
    """The KPIs, as something that an answer rests on."""
    return {f"KPI {kpi.name}": kpi.seq for kpi in s.record.kpis}


def goal_basis(s: Situation) -> dict[str, int]:
    """The goal, likewise."""
    return {"the goal": s.record.goal.seq} if s.record.goal else {}


def data_basis(s: Situation) -> dict[str, int]:
    """The data in use, likewise."""
    return {f"dataset {one.ref}": one.seq for one in s.data_in_use}


def subject_basis(s: Situation) -> dict[str, int]:
    """The model version judged, likewise."""
    return {f"model {s.subject.ref}": s.subject.seq} if s.subject else {}


def no_control_not_met(s: Situation) -> Outcome:
    """Is no control of the checkpoint answered not-met?"""
    answers = s.checkpoint.answers if s.checkpoint else ()
    gaps = [answer.control for answer in answers if answer.answer == "not-met"]
    return Outcome(not gaps, listed(gaps, f"{len(answers)} answered, none not-met"))


def run_basis(s: Situation) -> dict[str, int]:
    """The run that made the model version, as something that an answer rests on."""
    return {f"run {s.run.name}": s.run.seq} if s.run else {}


def evaluation_basis(s: Situation) -> dict[str, int]:
    """The model version's evaluation, likewise."""
    return {s.evaluation.id: s.evaluation.seq} if s.evaluation else {}


def risk_basis(s: Situation) -> dict[str, int]:
    """The open risks, likewise."""
    return {one.id: one.changed_seq for one in s.record.risks if one.is_open}
