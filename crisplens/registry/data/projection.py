"""How data source and dataset version events change the tables."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row, replace_row, update_row
from crisplens.registry.data.events import DatasetVersionAdded, DatasetVersionReplaced, DataSourceSet
from crisplens.registry.data.tables import DatasetVersionRow, DataSourceRow


@applies(DataSourceSet)
def apply_data_source_set(session: Session, recorded: Recorded, event: DataSourceSet) -> None:
    """The data source as it now stands."""
    replace_row(session, DataSourceRow, recorded, "name")


@applies(DatasetVersionAdded)
def apply_dataset_version_added(session: Session, recorded: Recorded, event: DatasetVersionAdded) -> None:
    """A new version of a dataset."""
    insert_row(session, DatasetVersionRow, recorded)


@applies(DatasetVersionReplaced)
def apply_dataset_version_replaced(
    session: Session, recorded: Recorded, event: DatasetVersionReplaced
) -> None:
    """What takes its place, why, and since when."""
    key = {"dataset": event.dataset, "version": event.version}
    values = {"replaced_by": event.by, "replaced_reason": event.reason, "replaced_seq": recorded.seq}
    update_row(session, DatasetVersionRow, recorded, key, **values)
