"""What was recorded, as values arranged for reading: the record, its lineage, drift over time."""

from __future__ import annotations

import msgspec

from crisplens.monitors.model import ColumnCheck, Verdict
from crisplens.monitors.quality.model import Violation
from crisplens.monitors.queries import Monitor, Mute
from crisplens.registry.data.queries import DatasetVersion, DataSource
from crisplens.registry.deployments.queries import Deployment
from crisplens.registry.evidence.queries import Evidence
from crisplens.registry.lineage.model import Graph
from crisplens.registry.model import GateDecision
from crisplens.registry.models.queries import Evaluation, ModelVersion, Promotion
from crisplens.registry.runs.queries import Run


class DatasetEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset version; `columns_as` names an earlier version with the same columns."""

    dataset: DatasetVersion
    columns_as: str | None


class MetricRow(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics of the whole, a slice or a class, in the order of the table's columns."""

    name: str
    values: tuple[float | None, ...]


class MetricTable(msgspec.Struct, frozen=True, kw_only=True):
    """A few metrics of the whole and its slices, or of the classes."""

    title: str
    metrics: tuple[str, ...]
    rows: tuple[MetricRow, ...]


class EvaluationEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An evaluation, its numbers arranged in tables narrow enough for a page."""

    evaluation: Evaluation
    tables: tuple[MetricTable, ...]


class DeploymentEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment, whether it is in force, and what its gates say today."""

    deployment: Deployment
    in_force: bool
    gates_today: tuple[GateDecision, ...]


class RecordSection(msgspec.Struct, frozen=True, kw_only=True):
    """What the project recorded, in order; `more_evidence` counts files of checks that are not listed.

    `replaced` maps the dataset versions that are not to be relied on any more to those that took their place.
    """

    data_sources: tuple[DataSource, ...]
    datasets: tuple[DatasetEntry, ...]
    replaced: dict[str, str]
    runs: tuple[Run, ...]
    models: tuple[ModelVersion, ...]
    promotions: tuple[Promotion, ...]
    evaluations: tuple[EvaluationEntry, ...]
    deployments: tuple[DeploymentEntry, ...]
    evidence: tuple[Evidence, ...]
    more_evidence: int


class LineageEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing and what it rests on, in PROV's relations."""

    kind: str
    name: str
    used: tuple[str, ...]
    was_generated_by: tuple[str, ...]
    was_derived_from: tuple[str, ...]


class LineageSection(msgspec.Struct, frozen=True, kw_only=True):
    """The picture (None when there is too much to draw), all relations, and where lineage breaks off."""

    picture: Graph | None
    picture_of: str
    entries: tuple[LineageEntry, ...]
    holes: tuple[str, ...]


class CheckEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One check of a window; `share` of the compared columns drifted.

    `window` is the window's name, `start` where it begins (RFC 3339) if it is one of time.
    """

    id: str
    at: str
    by: str
    engine: str
    location: str
    window: str
    start: str | None
    rows: int
    verdict: Verdict
    reason: str
    drifted: int
    checked: int
    share: float | None
    drift_share: float | None
    violations: tuple[Violation, ...]
    decision: str
    incident: str | None


class ColumnHistory(msgspec.Struct, frozen=True, kw_only=True):
    """A column's verdict in each of the listed checks; None where it was not looked at."""

    name: str
    verdicts: tuple[Verdict | None, ...]


class MonitorStory(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor's newest checks in time order, its columns over them, and the latest check in full.

    `earlier` counts the checks before those listed, `more_columns` the columns beyond those listed. `rule` says when
    it alarms, `response` what follows, `planned` what is checked when; each in words.
    """

    monitor: Monitor
    rule: str
    response: str
    planned: str
    mutes: tuple[Mute, ...]
    checks: tuple[CheckEntry, ...]
    earlier: int
    history: tuple[ColumnHistory, ...]
    latest: tuple[ColumnCheck, ...]
    more_columns: int
