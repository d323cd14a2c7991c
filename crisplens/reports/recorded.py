"""The record itself: what the project recorded, arranged for reading, and its lineage."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from crisplens.lifecycle.gates import decide_version
from crisplens.lifecycle.record import ProjectRecord
from crisplens.registry.data.model import ColumnSchema
from crisplens.registry.deployments.queries import Deployment
from crisplens.registry.evidence.queries import list_evidence
from crisplens.registry.lineage.model import Graph, Node, NodeKind, Relation
from crisplens.registry.models.model import Part
from crisplens.registry.models.queries import Evaluation
from crisplens.reports.drift import unlisted_checks
from crisplens.reports.record_content import (
    DatasetEntry,
    DeploymentEntry,
    EvaluationEntry,
    LineageEntry,
    LineageSection,
    MetricRow,
    MetricTable,
    RecordSection,
)

# A picture with more nodes than this can no longer be read.
MOST_NODES = 60
# So many columns of numbers fit on paper.
MOST_METRICS = 8


def record_section(session: Session, record: ProjectRecord) -> RecordSection:
    """What was recorded, with the evidence; files of checks that are no longer listed are only counted."""
    unlisted = {digest for check in unlisted_checks(record) for digest in check.attachments}
    evidence = list_evidence(session, record.project.project)
    shown = tuple(one for one in evidence if one.digest not in unlisted)
    return RecordSection(
        data_sources=tuple(sorted(record.data_sources, key=lambda one: one.seq)),
        datasets=_datasets(record),
        replaced={str(one.ref): str(one.replaced_by) for one in record.dataset_versions if one.replaced_by},
        runs=tuple(record.runs),
        models=tuple(record.model_versions),
        promotions=tuple(record.promotions),
        evaluations=tuple(map(_evaluation, record.evaluations)),
        deployments=tuple(_deployment(record, one) for one in record.deployments),
        evidence=shown,
        more_evidence=len(evidence) - len(shown),
    )


def lineage_section(record: ProjectRecord) -> LineageSection:
    """The lineage: drawn whole, or around the newest model version when there is too much of it."""
    graph = record.lineage
    names = {node.id: node.name for node in graph.nodes}
    picture, of = _picture(record)
    starts = [node.id for node in graph.nodes if node.kind in {NodeKind.MODEL_VERSION, NodeKind.DEPLOYMENT}]

    earlier: dict[tuple[str, str], dict[str, None]] = {}
    for edge in graph.edges:
        earlier.setdefault((edge.source, edge.relation), {})[names[edge.target]] = None

    def rests_on(node: Node, relation: Relation) -> tuple[str, ...]:
        return tuple(earlier.get((node.id, relation), ()))

    return LineageSection(
        picture=picture,
        picture_of=of,
        entries=tuple(
            LineageEntry(
                kind=node.kind,
                name=node.name,
                used=rests_on(node, Relation.USED),
                was_generated_by=rests_on(node, Relation.WAS_GENERATED_BY),
                was_derived_from=rests_on(node, Relation.WAS_DERIVED_FROM),
            )
            for node in graph.nodes
        ),
        holes=tuple(dict.fromkeys(hole for start in starts for hole in graph.holes(start))),
    )


def _picture(record: ProjectRecord) -> tuple[Graph | None, str]:
    if len(record.lineage.nodes) <= MOST_NODES:
        return record.lineage, "everything that the project recorded"
    if record.model_versions:
        newest = record.model_versions[-1].ref
        around = record.lineage.around(f"{NodeKind.MODEL_VERSION}:{newest}")
        if len(around.nodes) <= MOST_NODES:
            return around, f"what {newest}, the newest model version, came from and what came from it"
    return None, ""


def _datasets(record: ProjectRecord) -> tuple[DatasetEntry, ...]:
    seen: dict[tuple[ColumnSchema, ...], str] = {}
    entries = []
    for one in sorted(record.dataset_versions, key=lambda one: one.seq):
        first = seen.setdefault(one.columns, str(one.ref)) if one.columns else str(one.ref)
        entries.append(DatasetEntry(dataset=one, columns_as=None if first == str(one.ref) else first))
    return tuple(entries)


def _evaluation(evaluation: Evaluation) -> EvaluationEntry:
    whole = Part(str(evaluation.dataset), evaluation.metrics)
    title = "Overall and by slice" if evaluation.slices else "Overall"
    tables = [
        *_metric_tables(title, (whole, *evaluation.slices)),
        *_metric_tables("By class", evaluation.classes),
    ]
    return EvaluationEntry(evaluation=evaluation, tables=tuple(tables))


def _metric_tables(title: str, parts: tuple[Part, ...]) -> Iterator[MetricTable]:
    names = tuple(dict.fromkeys(name for part in parts for name in part.metrics))
    for start in range(0, len(names), MOST_METRICS):
        shown = names[start : start + MOST_METRICS]
        yield MetricTable(
            title=title if start == 0 else f"{title}, continued",
            metrics=shown,
            rows=tuple(
                MetricRow(name=part.name, values=tuple(part.metrics.get(name) for name in shown))
                for part in parts
            ),
        )


def _deployment(record: ProjectRecord, deployment: Deployment) -> DeploymentEntry:
    same = [one for one in record.deployments if one.environment == deployment.environment]
    in_force = same[-1] is deployment
    versions = {version.ref: version for version in record.model_versions}
    served = dict.fromkeys(variant.model for variant in deployment.variants)
    today = (
        tuple(decide_version(record, versions[ref]) for ref in served if ref in versions) if in_force else ()
    )
    return DeploymentEntry(deployment=deployment, in_force=in_force, gates_today=today)
