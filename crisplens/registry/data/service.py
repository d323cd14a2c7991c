"""Use cases of data sources and datasets."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from crisplens.core.errors import InputError
from crisplens.core.names import check_name
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.registry.data.content import read_content
from crisplens.registry.data.events import DatasetVersionAdded, DatasetVersionReplaced, DataSourceSet
from crisplens.registry.data.locations import check_location
from crisplens.registry.data.queries import (
    DatasetVersion,
    DataSource,
    find_data_source,
    find_dataset_version,
    get_dataset_version,
    newest_dataset_version,
)
from crisplens.registry.data.tables import DataSourceRow
from crisplens.registry.model import VersionRef, parse_reference
from crisplens.registry.projects.queries import get_project
from crisplens.registry.runs.queries import get_run
from crisplens.registry.versions import next_version
from crisplens.registry.views import get_view


def set_data_source(
    work: UnitOfWork,
    name: str,
    *,
    owner: str | None = None,
    access: str = "",
    permitted_use: str = "",
    retention: str = "",
    description: str = "",
) -> DataSource:
    """Describe a data source, or describe it anew; what is not given is unknown.

    `access` says who can read it, `permitted_use` what it may be used for, `retention` how long it is kept.
    """
    get_project(work.session, work.project)
    append(
        work,
        DataSourceSet(
            name=check_name("data source", name),
            owner=check_text("the owner", owner or work.actor.id, most=320),
            access=check_text("the access", access, required=False),
            permitted_use=check_text("the permitted use", permitted_use, required=False),
            retention=check_text("the retention", retention, required=False),
            description=check_text("the description", description, required=False),
        ),
    )
    return get_view(work.session, DataSourceRow, (work.project, name), DataSource)


def add_data(
    work: UnitOfWork,
    name: str,
    location: str | os.PathLike[str],
    *,
    source: str | None = None,
    owner: str | None = None,
    derived_from: Sequence[str | VersionRef] = (),
    run: str | None = None,
    version: int | None = None,
) -> DatasetVersion:
    """Record a version of a dataset: the content of a file or of the files that a glob matches.

    `source` names where it comes from (a new one is recorded with `owner`), `derived_from` the dataset
    versions it was made of, `run` the run that made it. The version is the next one unless given.
    Raises `InputError` for content that cannot be read, a location with a password or key in it, names that nothing
    has, a version that exists, or a source that somebody else owns.
    """
    check_location(os.fspath(location))
    # Reading comes before the first statement, so that no other writer waits for it.
    content = read_content(os.fspath(location))
    get_project(work.session, work.project)
    check_name("dataset", name)
    parents = tuple(parse_reference("dataset", parent) for parent in derived_from)
    for parent in parents:
        get_dataset_version(work.session, work.project, parent)
    if run is not None:
        get_run(work.session, work.project, run)
    version = next_version(
        name,
        version,
        newest=newest_dataset_version(work.session, work.project, name),
        exists=lambda number: _exists(work, VersionRef(name, number)),
    )
    if source is not None:
        known = find_data_source(work.session, work.project, source)
        if known is None:
            set_data_source(work, source, owner=owner)
        elif owner not in (None, known.owner):
            raise InputError(
                f"the data source {source} belongs to {known.owner}, and not to {owner}",
                slug="bad-choice",
                hint=f"Leave --owner out, or say who has it now: crisplens source set {source} --owner {owner}",
            )
    event = DatasetVersionAdded(
        dataset=name,
        version=version,
        source=source,
        derived_from=parents,
        run=run,
        location=os.fspath(location),
        **msgspec.structs.asdict(content),
    )
    append(work, event)
    return get_dataset_version(work.session, work.project, VersionRef(name, version))


def replace_data(
    work: UnitOfWork, version: str | VersionRef, *, by: str | VersionRef, reason: str
) -> DatasetVersion:
    """Say that a dataset version is not to be relied on any more, and which version takes its place.

    What was approved on it is stale from then on. Raises `InputError` for unknown versions, one that would replace
    itself, or one that is replaced already.
    """
    replaced = get_dataset_version(work.session, work.project, version)
    new = get_dataset_version(work.session, work.project, by)
    if replaced.replaced_by is not None:
        raise InputError(f"{replaced.ref} is replaced by {replaced.replaced_by} already", slug="not-open")
    if new.ref == replaced.ref or new.replaced_by is not None:
        raise InputError(
            f"{new.ref} cannot take the place of {replaced.ref}"
            + (f": it is replaced by {new.replaced_by} itself" if new.replaced_by else ""),
            slug="bad-choice",
            hint="Name the version to use from now on: --by NAME@VERSION.",
        )
    event = DatasetVersionReplaced(
        dataset=replaced.dataset,
        version=replaced.version,
        by=new.ref,
        reason=check_text("the reason", reason),
    )
    append(work, event)
    return get_dataset_version(work.session, work.project, replaced.ref)


def _exists(work: UnitOfWork, ref: VersionRef) -> bool:
    return find_dataset_version(work.session, work.project, ref) is not None
