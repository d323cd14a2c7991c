"""Events of data sources and dataset versions."""

from __future__ import annotations

from crisplens.ledger.model import Event, event_type
from crisplens.registry.data.model import ColumnSchema
from crisplens.registry.model import VersionRef


@event_type("data-source.set")
class DataSourceSet(Event, frozen=True, kw_only=True):
    """A data source was described, or described anew."""

    name: str
    owner: str
    access: str
    permitted_use: str
    retention: str
    description: str


@event_type("dataset-version.added")
class DatasetVersionAdded(Event, frozen=True, kw_only=True):
    """A dataset got a version: fixed content at a location, with where it came from."""

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


@event_type("dataset-version.replaced")
class DatasetVersionReplaced(Event, frozen=True, kw_only=True):
    """A dataset version is not to be relied on any more: another one takes its place, for this reason."""

    dataset: str
    version: int
    by: VersionRef
    reason: str
