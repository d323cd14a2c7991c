"""The built-in rules of each phase's gate: pure questions to the record, and what each answer rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from crisplens.registry.deployments.model import is_production
from crisplens.registry.lineage.model import NodeKind
from crisplens.registry.projects.model import CostKind, Direction

if TYPE_CHECKING:
    from crisplens.lifecycle.queries import Checkpoint, ProjectRecord
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

    @property
    def run(self) -> Run | None:
        """The run that made the subject."""
        name = self.subject.run if self.subject else None
        return next((run for run in self.record.runs if run.name == name), None)

    @property
    def evaluation(self) -> Evaluation | None:
        """The subject's newest evaluation on data that did not train it."""
        if self.subject is None:
            return None
        trained_on = training_digests(self.record, self.subject)
        evaluations = [one for one in self.record.evaluations if one.model == self.subject.ref]
        held_out = [one for one in evaluations if self.dataset(one.dataset).digest not in trained_on]
        return held_out[-1] if held_out else None

    @property
    def deployment(self) -> Deployment | None:
        """The deployment in force in production."""
        production = [one for one in self.record.deployments if is_production(one.environment)]
        return production[-1] if production else None

    @property
    def data_in_use(self) -> list[DatasetVersion]:
        """The dataset versions that the subject and its evaluations rest on; all, until the cycle has a model."""
        if self.subject is None or self.subject.seq < self.record.cycle.seq:
            return self.record.dataset_versions
        starts = [f"{NodeKind.MODEL_VERSION}:{self.subject.ref}"]
        starts += [
            f"{NodeKind.EVALUATION}:{one.id}"
            for one in self.record.evaluations
            if one.model == self.subject.ref
        ]
        ids = {node.id for start in starts for node in self.record.lineage.upstream(start).nodes}
        return [one for one in self.record.dataset_versions if f"{NodeKind.DATASET_VERSION}:{one.ref}" in ids]

    def dataset(self, ref: VersionRef) -> DatasetVersion:
        """The dataset version of that reference."""
        return next(one for one in self.record.dataset_versions if one.ref == ref)


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
    refs = set(version.datasets)
    refs |= {ref for run in record.runs if run.name == version.run for ref in run.used_datasets}
    return {one.digest for one in record.dataset_versions if one.ref in refs}


def _listed(names: Iterable[object], none: str = "none") -> str:
    return ", ".join(map(str, names)) or none


def _kpi_basis(s: Situation) -> dict[str, int]:
    return {f"KPI {kpi.name}": kpi.seq for kpi in s.record.kpis}


def _goal_basis(s: Situation) -> dict[str, int]:
    return {"the goal": s.record.goal.seq} if s.record.goal else {}


def _data_basis(s: Situation) -> dict[str, int]:
    return {f"dataset {one.ref}": one.seq for one in s.data_in_use}


def _subject_basis(s: Situation) -> dict[str, int]:
    return {f"model {s.subject.ref}": s.subject.seq} if s.subject else {}


def goal_stated(s: Situation) -> Outcome:
    """Is there a goal?"""
    goal = s.record.goal
    return Outcome(
        goal is not None,
        f"stated by {goal.recorded_by}, owner {goal.owner}" if goal else "no goal",
        _goal_basis(s),
    )


def kpi_measurable(s: Situation) -> Outcome:
    """Is there a KPI?"""
    found = _listed(
        f"{kpi.name} {'≥' if kpi.direction == Direction.HIGHER else '≤'} {kpi.target}"
        for kpi in s.record.kpis
    )
    return Outcome(bool(s.record.kpis), found, _kpi_basis(s))


def options_considered(s: Situation) -> Outcome:
    """Does the goal name an option?"""
    options = s.record.goal.options if s.record.goal else ()
    return Outcome(bool(options), _listed(option.name for option in options), _goal_basis(s))


def costs_estimated(s: Situation) -> Outcome:
    """Has the goal every kind of cost?"""
    costs = s.record.goal.costs if s.record.goal else {}
    missing = [kind for kind in CostKind if kind not in costs]
    return Outcome(
        not missing, f"missing: {_listed(missing)}" if missing else "all four kinds", _goal_basis(s)
    )


def kpi_baseline(s: Situation) -> Outcome:
    """Has every KPI a baseline?"""
    missing = [kpi.name for kpi in s.record.kpis if kpi.baseline is None]
    met = bool(s.record.kpis) and not missing
    return Outcome(
        met,
        "every KPI has one" if met else f"without one: {_listed(missing, 'there is no KPI')}",
        _kpi_basis(s),
    )


def target_beats_baseline(s: Situation) -> Outcome:
    """Is every target better than its baseline?"""
    worse = [
        kpi.name
        for kpi in s.record.kpis
        if kpi.baseline is not None and kpi.goal_line.shortfall(float(kpi.baseline)) <= Decimal(0)
    ]
    met = bool(s.record.kpis) and not worse
    return Outcome(
        met,
        "every target is better" if met else f"not better: {_listed(worse, 'there is no KPI')}",
        _kpi_basis(s),
    )


def data_recorded(s: Situation) -> Outcome:
    """Is there data?"""
    return Outcome(bool(s.data_in_use), _listed(one.ref for one in s.data_in_use), _data_basis(s))


def sources_governed(s: Situation) -> Outcome:
    """Is every source in use fully described?"""
    in_use = {one.source for one in s.data_in_use if one.source}
    sources = [source for source in s.record.data_sources if source.name in in_use]
    gaps = [
        f"{source.name} lacks {_listed(name.replace('_', ' ') for name in missing)}"
        for source in sources
        if (
            missing := [
                name
                for name in ("owner", "access", "permitted_use", "retention")
                if not getattr(source, name)
            ]
        )
    ]
    basis = {f"data source {source.name}": source.seq for source in sources}
    return Outcome(
        bool(sources) and not gaps,
        "; ".join(gaps) or _listed((one.name for one in sources), "no data source"),
        basis,
    )


def data_traced(s: Situation) -> Outcome:
    """Does every dataset in use reach a source?"""
    holes = {
        hole
        for one in s.data_in_use
        for hole in s.record.lineage.holes(f"{NodeKind.DATASET_VERSION}:{one.ref}")
    }
    met = bool(s.data_in_use) and not holes
    return Outcome(
        met, "; ".join(sorted(holes)) or ("every dataset does" if met else "no data"), _data_basis(s)
    )


def holdout_apart(s: Situation) -> Outcome:
    """Is some recorded data unseen by the model?"""
    trained = set(training_digests(s.record, s.subject)) if s.subject else set()
    apart = [one.ref for one in s.record.dataset_versions if one.digest not in trained]
    enough = apart if s.subject else apart[1:]
    return Outcome(bool(enough), _listed(apart) + " not used for training", _data_basis(s))


def preparation_recorded(s: Situation) -> Outcome:
    """Is every derived dataset made by a run with a code version?"""
    with_code = {run.name for run in s.record.runs if run.code_version}
    gaps = [one.ref for one in s.data_in_use if one.derived_from and one.run not in with_code]
    return Outcome(
        not gaps, f"without: {_listed(gaps)}" if gaps else "every derived dataset is", _data_basis(s)
    )


def data_profiled(s: Situation) -> Outcome:
    """Are rows and columns of every dataset in use known?"""
    unknown = [one.ref for one in s.data_in_use if one.rows is None]
    met = bool(s.data_in_use) and not unknown
    return Outcome(
        met, "known for all" if met else f"unknown: {_listed(unknown, 'there is no data')}", _data_basis(s)
    )


def findings_kept(s: Situation) -> Outcome:
    """Does the checkpoint carry evidence?"""
    evidence = s.checkpoint.evidence if s.checkpoint else ()
    return Outcome(bool(evidence), _listed(one.name for one in evidence))


def training_data_derivable(s: Situation) -> Outcome:
    """Was each training dataset taken from a source or made by a run with a code version?"""
    if s.subject is None:
        return Outcome(False, "no model version")
    with_code = {run.name for run in s.record.runs if run.code_version}
    gaps = [
        ref for ref in s.subject.datasets if not s.dataset(ref).source and s.dataset(ref).run not in with_code
    ]
    met = bool(s.subject.datasets) and not gaps
    return Outcome(
        met, "every one was" if met else f"not: {_listed(gaps, 'no training data is named')}", _data_basis(s)
    )


def same_feature_code(s: Situation) -> Outcome:
    """Were training and evaluation data made by the same code?"""
    if s.subject is None or s.evaluation is None:
        return Outcome(s.subject is not None, "nothing to compare yet" if s.subject else "no model version")
    code = {run.name: run.code_version for run in s.record.runs}
    refs = [*s.subject.datasets, s.evaluation.dataset]
    versions = {code.get(run) for ref in refs if (run := s.dataset(ref).run)}
    return Outcome(
        len(versions) <= 1,
        _listed(sorted(str(one) for one in versions), "taken as they came"),
        _data_basis(s),
    )


def model_registered(s: Situation) -> Outcome:
    """Is there a model version?"""
    found = f"{s.subject.ref}, {s.subject.digest[:19]}…" if s.subject else "no model version"
    return Outcome(s.subject is not None, found, _subject_basis(s))


def training_reproducible(s: Situation) -> Outcome:
    """Did a recorded run with parameters, code version and environment make the model?"""
    if s.run is None:
        return Outcome(False, "no run is named as having made it", _subject_basis(s))
    missing = [name for name in ("parameters", "code_version", "environment") if not getattr(s.run, name)]
    found = (
        f"run {s.run.name} lacks {_listed(name.replace('_', ' ') for name in missing)}"
        if missing
        else f"run {s.run.name}"
    )
    return Outcome(not missing, found, {f"run {s.run.name}": s.run.seq})


def training_data_named(s: Situation) -> Outcome:
    """Is the training data named?"""
    datasets = s.subject.datasets if s.subject else ()
    return Outcome(bool(datasets), _listed(datasets, "no training data"), _subject_basis(s))


def evaluated_on_unseen_data(s: Situation) -> Outcome:
    """Is there an evaluation on data that did not train the model?"""
    if s.subject is None:
        return Outcome(False, "no model version")
    if s.evaluation is None:
        return Outcome(False, f"{s.subject.ref} has none", _subject_basis(s))
    return Outcome(
        True,
        f"{s.evaluation.id} on {s.evaluation.dataset}",
        _subject_basis(s) | {s.evaluation.id: s.evaluation.seq},
    )


def kpis_met(s: Situation) -> Outcome:
    """Does that evaluation meet every KPI?"""
    if s.evaluation is None or not s.record.kpis:
        return Outcome(False, "no evaluation to judge" if s.record.kpis else "no KPI", _kpi_basis(s))
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
    return Outcome(met, "; ".join(found), _kpi_basis(s))


def in_production(s: Situation) -> Outcome:
    """Is there a deployment to production?"""
    deployed = s.deployment
    if deployed is None:
        return Outcome(False, "nothing is in production")
    return Outcome(
        True, f"{deployed.id}: {_listed(one.model for one in deployed.variants)}", {deployed.id: deployed.seq}
    )


def deployed_through_gate(s: Situation) -> Outcome:
    """Did every deployed version pass its gate?"""
    if s.deployment is None:
        return Outcome(False, "nothing is in production")
    passed = {gate.subject for gate in s.deployment.gates if gate.open}
    gaps = [one.model for one in s.deployment.variants if str(one.model) not in passed]
    return Outcome(not gaps, f"not: {_listed(gaps)}" if gaps else "every version did")


def deployment_traced(s: Situation) -> Outcome:
    """Does the deployment's lineage reach data sources without a hole?"""
    if s.deployment is None:
        return Outcome(False, "nothing is in production")
    holes = s.record.lineage.holes(f"{NodeKind.DEPLOYMENT}:{s.deployment.id}")
    return Outcome(not holes, "; ".join(holes) or "no hole")


def model_watched(s: Situation) -> Outcome:
    """Has every model in production a monitor?"""
    deployed = dict.fromkeys(one.model.name for one in s.deployment.variants) if s.deployment else {}
    watched = {monitor.model for monitor in s.record.monitors}
    gaps = [name for name in deployed if name not in watched]
    basis = {f"monitor {monitor.name}": monitor.seq for monitor in s.record.monitors}
    met = bool(deployed) and not gaps
    return Outcome(
        met, "every one has" if met else f"without: {_listed(gaps, 'nothing is in production')}", basis
    )


def monitor_ran(s: Situation) -> Outcome:
    """Has every monitor checked something?"""
    ran = {check.monitor for check in s.record.checks}
    gaps = [monitor.name for monitor in s.record.monitors if monitor.name not in ran]
    met = bool(s.record.monitors) and not gaps
    return Outcome(
        met, f"{len(s.record.checks)} checks" if met else f"never ran: {_listed(gaps, 'there is no monitor')}"
    )


def alarms_answered(s: Situation) -> Outcome:
    """Is nothing waiting for an answer?"""
    waiting = [one.id for one in (*s.record.incidents, *s.record.triggers) if one.is_open]
    return Outcome(not waiting, f"open: {_listed(waiting)}" if waiting else "none is open")


def no_control_not_met(s: Situation) -> Outcome:
    """Is no control of the checkpoint answered not-met?"""
    answers = s.checkpoint.answers if s.checkpoint else ()
    gaps = [answer.control for answer in answers if answer.answer == "not-met"]
    return Outcome(not gaps, _listed(gaps, f"{len(answers)} answered, none not-met"))


PHASE_RULES: dict[str, tuple[Rule, ...]] = {
    "business-goal": (
        Rule(
            "goal-stated",
            "The business goal is stated",
            goal_stated,
            "crisplens goal set --problem … --value …",
        ),
        Rule(
            "kpi-measurable",
            "At least one KPI has a target",
            kpi_measurable,
            "crisplens kpi set NAME --target NUMBER",
        ),
        Rule(
            "options-considered",
            "Options were considered",
            options_considered,
            "crisplens goal set … --option 'NAME=WHAT WAS THOUGHT OF IT'",
        ),
        Rule(
            "costs-estimated",
            "Data, training, inference and wrong predictions are costed",
            costs_estimated,
            "crisplens goal set … --cost KIND=AMOUNT",
        ),
    ),
    "problem-framing": (
        Rule(
            "kpi-baseline",
            "Every KPI has a baseline to beat",
            kpi_baseline,
            "crisplens kpi set NAME … --baseline NUMBER",
        ),
        Rule(
            "target-beats-baseline",
            "Every target is better than its baseline",
            target_beats_baseline,
            "set a target that is worth a model",
        ),
    ),
    "data-collection": (
        Rule(
            "data-recorded",
            "The data in use is recorded",
            data_recorded,
            "crisplens data add NAME FILE --source SOURCE",
        ),
        Rule(
            "sources-governed",
            "Every source has owner, access, permitted use and retention",
            sources_governed,
            "crisplens source set NAME --owner … --access … --permitted-use … --retention …",
        ),
        Rule(
            "data-traced",
            "Every dataset goes back to a data source",
            data_traced,
            "record a new version with --source or --derived-from",
        ),
    ),
    "data-preparation": (
        Rule(
            "preparation-recorded",
            "Every derived dataset was made by a run with a code version",
            preparation_recorded,
            "crisplens run record NAME --code-version …, then data add … --run NAME",
        ),
        Rule(
            "holdout-apart",
            "Some data is kept apart from training",
            holdout_apart,
            "crisplens data add holdout FILE …",
        ),
    ),
    "data-analysis": (
        Rule(
            "data-profiled",
            "Rows and columns of the data in use are known",
            data_profiled,
            "record the data as CSV or Parquet",
        ),
        Rule(
            "findings-kept",
            "The checkpoint carries the findings as evidence",
            findings_kept,
            "crisplens checkpoint record data-analysis --evidence FILE",
        ),
    ),
    "feature-engineering": (
        Rule(
            "training-data-derivable",
            "Training data comes from a source or from recorded code",
            training_data_derivable,
            "crisplens data add … --run RUN",
        ),
        Rule(
            "same-feature-code",
            "Training and evaluation data were made by the same code",
            same_feature_code,
            "prepare both with one code version",
        ),
    ),
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
    "deployment": (
        Rule(
            "in-production",
            "A version is in production",
            in_production,
            "crisplens deployment record MODEL@N --environment production --kind batch",
        ),
        Rule(
            "deployed-through-gate",
            "Every version in production passed its evaluation gate",
            deployed_through_gate,
            "deploy an approved version",
        ),
        Rule(
            "deployment-traced",
            "Its lineage reaches data sources without a hole",
            deployment_traced,
            "crisplens lineage show MODEL@N",
        ),
    ),
    "monitoring": (
        Rule(
            "model-watched",
            "Every model in production has a monitor",
            model_watched,
            "crisplens monitor add NAME --model MODEL --reference FILE --current 'FILES'",
        ),
        Rule("monitor-ran", "Every monitor has run", monitor_ran, "crisplens monitor run NAME"),
        Rule(
            "alarms-answered",
            "No incident or trigger is open",
            alarms_answered,
            "crisplens trigger resolve ID --model MODEL@N",
        ),
    ),
}
