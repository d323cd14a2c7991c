"""The table of imported catalogues."""

from __future__ import annotations

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.columns import JsonText
from crisplens.core.database import Base
from crisplens.ledger.tables import Dated
from crisplens.lifecycle.catalogues.model import Catalogue


class CatalogueRow(Dated, Base):
    """A catalogue as it was last imported; it is the whole registry's."""

    __tablename__ = "catalogue"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    content: Mapped[Catalogue] = mapped_column(JsonText(Catalogue))
    format: Mapped[str] = mapped_column(Text)
    file: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(Text)
