"""The table of adopted policies."""

from __future__ import annotations

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.columns import JsonText
from crisplens.core.database import Base
from crisplens.ledger.tables import Traced
from crisplens.lifecycle.policies.model import Policy


class AdoptionRow(Traced, Base):
    """One policy that a project took on."""

    __tablename__ = "policy_adoption"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    version: Mapped[int]
    digest: Mapped[str] = mapped_column(Text)
    content: Mapped[Policy] = mapped_column(JsonText(Policy))
    reason: Mapped[str] = mapped_column(Text)
