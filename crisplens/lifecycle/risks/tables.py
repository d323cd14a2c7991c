"""Table of the risk register."""

from __future__ import annotations

from sqlalchemy import BigInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.columns import JsonText
from crisplens.core.database import Base
from crisplens.ledger.tables import Traced


class RiskRow(Traced, Base):
    """One risk as it stands, with its last review and its end. `recorded_by` is who brought it in."""

    __tablename__ = "risk"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    likelihood: Mapped[str] = mapped_column(Text)
    impact: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text)
    mitigation: Mapped[str] = mapped_column(Text)
    review_by: Mapped[str] = mapped_column(Text)
    controls: Mapped[tuple[str, ...]] = mapped_column(JsonText(tuple[str, ...]))
    state: Mapped[str] = mapped_column(Text)
    reviewed_by: Mapped[str | None] = mapped_column(Text)
    reviewed_at: Mapped[str | None] = mapped_column(Text)
    review_note: Mapped[str | None] = mapped_column(Text)
    closed_by: Mapped[str | None] = mapped_column(Text)
    closed_at: Mapped[str | None] = mapped_column(Text)
    close_reason: Mapped[str | None] = mapped_column(Text)
    changed_seq: Mapped[int] = mapped_column(BigInteger)
