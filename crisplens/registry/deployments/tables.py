"""Tables of deployments."""

from __future__ import annotations

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.columns import JsonText
from crisplens.core.database import Base
from crisplens.ledger.tables import Traced
from crisplens.registry.deployments.model import Variant
from crisplens.registry.model import GateDecision


class DeploymentRow(Traced, Base):
    """One deployment."""

    __tablename__ = "deployment"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    environment: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    variants: Mapped[tuple[Variant, ...]] = mapped_column(JsonText(tuple[Variant, ...]))
    note: Mapped[str] = mapped_column(Text)
    gates: Mapped[tuple[GateDecision, ...]] = mapped_column(JsonText(tuple[GateDecision, ...]))
