"""Reads of data sources and dataset versions."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crisplens.core.names import unknown_name
from crisplens.registry.data.model import ColumnSchema
from crisplens.registry.data.tables import DatasetVersionRow, DataSourceRow
from crisplens.registry.model import VersionRef, parse_reference
from crisplens.registry.views import View, find_view, views


class DataSource(View, frozen=True, kw_only=True):
    """Where data comes from, who answers for it and what may be done with it."""

    name: str
    owner: str
    access: str
    permitted_use: str
    retention: str
    description: str


class DatasetVersion(View, frozen=True, kw_only=True):
    """Fixed content of a dataset: digest over its files, size in bytes, rows and columns when tabular.

    When it was replaced: by which version, why, and in which event.
    """

    dataset: str
    version: int
    source: str | None
    derived_from: tuple[VersionRef, ...]
    run: str | None
    location: str
    digest: str
    size: int
    files: int
    format: str
    rows: int | None
    columns: tuple[ColumnSchema, ...]
    replaced_by: VersionRef | None
    replaced_reason: str | None
    replaced_seq: int | None

    @property
    def ref(self) -> VersionRef:
        """`name@version`."""
        return VersionRef(self.dataset, self.version)


def list_data_sources(session: Session, project: str) -> list[DataSource]:
    """The project's data sources, by name."""
    query = select(DataSourceRow).filter_by(project=project).order_by(DataSourceRow.name)
    return views(session.connection().execute(query), DataSource)


def find_data_source(session: Session, project: str, name: str) -> DataSource | None:
    """The project's data source of this name, if any."""
    return find_view(session, DataSourceRow, (project, name), DataSource)


def list_dataset_versions(session: Session, project: str, dataset: str | None = None) -> list[DatasetVersion]:
    """Versions of the project's datasets, or of one, by name and version."""
    query = select(DatasetVersionRow).filter_by(project=project)
    if dataset is not None:
        query = query.filter_by(dataset=dataset)
    query = query.order_by(DatasetVersionRow.dataset, DatasetVersionRow.version)
    return views(session.connection().execute(query), DatasetVersion)


def newest_dataset_version(session: Session, project: str, dataset: str) -> int:
    """The highest version of a dataset; 0 when it has none."""
    query = select(func.max(DatasetVersionRow.version)).filter_by(project=project, dataset=dataset)
    return session.scalar(query) or 0


def find_dataset_version(session: Session, project: str, ref: VersionRef) -> DatasetVersion | None:
    """The project's dataset version of this reference, if any."""
    return find_view(session, DatasetVersionRow, (project, ref.name, ref.version), DatasetVersion)


def get_dataset_version(session: Session, project: str, reference: str | VersionRef) -> DatasetVersion:
    """One dataset version. Raises `InputError` with the nearest names when there is none."""
    ref = parse_reference("dataset", reference)
    found = find_dataset_version(session, project, ref)
    if found is None:
        refs = [str(version.ref) for version in list_dataset_versions(session, project)]
        raise unknown_name(
            "dataset version", str(ref), refs, none_yet="Add one with `crisplens data add NAME FILE`."
        )
    return found
