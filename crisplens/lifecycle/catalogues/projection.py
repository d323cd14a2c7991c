"""How catalogue events change the table."""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row
from crisplens.lifecycle.catalogues.events import CatalogueImported
from crisplens.lifecycle.catalogues.tables import CatalogueRow


@applies(CatalogueImported)
def apply_catalogue_imported(session: Session, recorded: Recorded, event: CatalogueImported) -> None:
    """The catalogue as it now stands."""
    session.connection().execute(delete(CatalogueRow).where(CatalogueRow.name == event.name))
    insert_row(session, CatalogueRow, recorded)
