"""The lineage graph of a project, drawn from what the registry holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy.orm import Session

from crisplens.core.names import unknown_name
from crisplens.core.text import count
from crisplens.registry.data.queries import (
    DatasetVersion,
    DataSource,
    list_data_sources,
    list_dataset_versions,
)
from crisplens.registry.deployments.queries import Deployment, list_deployments
from crisplens.registry.lineage.model import Edge, Graph, Node, NodeKind, Relation
from crisplens.registry.models.queries import Evaluation, ModelVersion, list_evaluations, list_model_versions
from crisplens.registry.projects.queries import get_project
from crisplens.registry.runs.queries import Run, list_runs

Part = tuple[Node, list[Edge]]


def project_lineage(session: Session, project: str) -> Graph:
    """Everything that the project recorded, and how it hangs together."""
    return draw_lineage(
        data_sources=list_data_sources(session, project),
        dataset_versions=list_dataset_versions(session, project),
        runs=list_runs(session, project),
        model_versions=list_model_versions(session, project),
        evaluations=list_evaluations(session, project),
        deployments=list_deployments(session, project),
    )


def draw_lineage(
    *,
    data_sources: Iterable[DataSource],
    dataset_versions: Iterable[DatasetVersion],
    runs: Iterable[Run],
    model_versions: Iterable[ModelVersion],
    evaluations: Iterable[Evaluation],
    deployments: Iterable[Deployment],
) -> Graph:
    """How these things, a project's, hang together."""
    parts = [
        *map(_data_source, data_sources),
        *map(_dataset, dataset_versions),
        *map(_run, runs),
        *map(_model, model_versions),
        *map(_evaluation, evaluations),
        *map(_deployment, deployments),
    ]
    return Graph(tuple(node for node, _ in parts), tuple(edge for _, edges in parts for edge in edges))


def show_lineage(session: Session, project: str, name: str) -> Graph:
    """What `name` came from and what came from it.

    `name` is a dataset or model version (`customers@1`), a run, a data source, an evaluation or a
    deployment. Raises `InputError` with the nearest names when the project has no such thing.
    """
    get_project(session, project)
    graph = project_lineage(session, project)
    found = [node for node in graph.nodes if node.name == name]
    if not found:
        raise unknown_name("entity or run", name, [node.name for node in graph.nodes])
    parts = [graph.around(node.id) for node in found]
    nodes = {node.id: node for part in parts for node in part.nodes}
    edges = dict.fromkeys(edge for part in parts for edge in part.edges)
    return Graph(tuple(nodes.values()), tuple(edges))


def _data_source(source: DataSource) -> Part:
    return Node(NodeKind.DATA_SOURCE, source.name, f"owner {source.owner}"), []


def _dataset(version: DatasetVersion) -> Part:
    rows = count(version.rows, "row") if version.rows is not None else count(version.size, "byte")
    node = Node(NodeKind.DATASET_VERSION, str(version.ref), rows)
    edges = [
        Edge(node.id, Relation.WAS_DERIVED_FROM, f"{NodeKind.DATASET_VERSION}:{parent}")
        for parent in version.derived_from
    ]
    if version.source:
        edges.append(Edge(node.id, Relation.WAS_DERIVED_FROM, f"{NodeKind.DATA_SOURCE}:{version.source}"))
    return node, edges + list(_generated(node, version.run))


def _run(run: Run) -> Part:
    node = Node(NodeKind.RUN, run.name, f"by {run.recorded_by}")
    used = [f"{NodeKind.DATASET_VERSION}:{ref}" for ref in run.used_datasets]
    used += [f"{NodeKind.MODEL_VERSION}:{ref}" for ref in run.used_models]
    return node, [Edge(node.id, Relation.USED, target) for target in used]


def _model(version: ModelVersion) -> Part:
    node = Node(NodeKind.MODEL_VERSION, str(version.ref), version.digest[:19] + "…")
    edges = [
        Edge(node.id, Relation.WAS_DERIVED_FROM, f"{NodeKind.DATASET_VERSION}:{ref}")
        for ref in version.datasets
    ]
    return node, edges + list(_generated(node, version.run))


def _evaluation(evaluation: Evaluation) -> Part:
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in list(evaluation.metrics.items())[:2])
    node = Node(NodeKind.EVALUATION, evaluation.id, metrics)
    return node, [
        Edge(node.id, Relation.USED, f"{NodeKind.MODEL_VERSION}:{evaluation.model}"),
        Edge(node.id, Relation.USED, f"{NodeKind.DATASET_VERSION}:{evaluation.dataset}"),
    ]


def _deployment(deployment: Deployment) -> Part:
    node = Node(NodeKind.DEPLOYMENT, deployment.id, f"{deployment.environment}, {deployment.kind}")
    return node, [
        Edge(node.id, Relation.WAS_DERIVED_FROM, f"{NodeKind.MODEL_VERSION}:{variant.model}")
        for variant in deployment.variants
    ]


def _generated(node: Node, run: str | None) -> Iterator[Edge]:
    if run:
        yield Edge(node.id, Relation.WAS_GENERATED_BY, f"{NodeKind.RUN}:{run}")
