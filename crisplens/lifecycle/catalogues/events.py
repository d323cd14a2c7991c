"""Events of catalogues."""

from __future__ import annotations

from crisplens.ledger.model import Event, event_type
from crisplens.lifecycle.catalogues.model import Catalogue


@event_type("catalogue.imported", of_registry=True)
class CatalogueImported(Event, frozen=True, kw_only=True):
    """A team's own catalogue, or another edition of it, became known to every project of the registry.

    `digest` is `sha256:<hex>` of the file that it was read from, `format` what that was.
    """

    name: str
    content: Catalogue
    format: str
    file: str
    digest: str
