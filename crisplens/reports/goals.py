"""Goals against results: what each model version reached of each KPI."""

from __future__ import annotations

from crisplens.lifecycle.record import ProjectRecord
from crisplens.lifecycle.rules import Situation
from crisplens.registry.deployments.model import Variant
from crisplens.registry.deployments.queries import Deployment
from crisplens.registry.models.queries import Evaluation, ModelVersion
from crisplens.registry.projects.queries import Kpi
from crisplens.reports.content import KpiResults, VersionResult
from crisplens.reports.numbers import show_measured


def deployment_in_production(record: ProjectRecord) -> Deployment | None:
    """The deployment in force in production; None when nothing is."""
    return Situation(record, None, None).deployment


def variants_in_production(record: ProjectRecord) -> tuple[Variant, ...]:
    """The variants of the deployment in force in production."""
    deployment = deployment_in_production(record)
    return deployment.variants if deployment else ()


def versions_in_production(record: ProjectRecord) -> tuple[ModelVersion, ...]:
    """The model versions that are in production, in the order of registration."""
    served = {variant.model for variant in variants_in_production(record)}
    return tuple(version for version in record.model_versions if version.ref in served)


def kpi_results(record: ProjectRecord) -> tuple[KpiResults, ...]:
    """Every KPI with every model version's result, in the order of registration."""
    served = {version.ref for version in versions_in_production(record)}
    judged = [
        (version, *_evaluation(record, version), version.ref in served) for version in record.model_versions
    ]
    return tuple(
        KpiResults(kpi=kpi, results=tuple(_result(kpi, *one) for one in judged)) for kpi in record.kpis
    )


def _evaluation(record: ProjectRecord, version: ModelVersion) -> tuple[Evaluation | None, bool]:
    unseen = Situation(record, version, None).evaluation
    if unseen:
        return unseen, True
    own = [one for one in record.evaluations if one.model == version.ref]
    return (own[-1] if own else None), False


def _result(
    kpi: Kpi, version: ModelVersion, evaluation: Evaluation | None, unseen: bool, served: bool
) -> VersionResult:
    value = evaluation.metrics.get(kpi.name) if evaluation else None
    return VersionResult(
        model=str(version.ref),
        in_production=served,
        evaluation=evaluation.id if evaluation else None,
        dataset=str(evaluation.dataset) if evaluation else None,
        unseen=unseen,
        value=value,
        shown=None if value is None else show_measured(value, kpi.target),
        met=None if value is None else kpi.goal_line.is_met_by(value),
    )
