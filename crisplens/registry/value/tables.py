"""Tables of costs and of observed KPIs."""

from __future__ import annotations

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.database import Base
from crisplens.ledger.tables import Traced


class CostRow(Traced, Base):
    """One cost."""

    __tablename__ = "cost"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    amount: Mapped[str] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    start: Mapped[str] = mapped_column(Text)
    end: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    evidence: Mapped[str | None] = mapped_column(Text)


class KpiObservationRow(Traced, Base):
    """One observation of a KPI."""

    __tablename__ = "kpi_observation"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    kpi: Mapped[str] = mapped_column(Text)
    value: Mapped[str] = mapped_column(Text)
    start: Mapped[str] = mapped_column(Text)
    end: Mapped[str] = mapped_column(Text)
    worth: Mapped[str | None] = mapped_column(Text)
    currency: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
