"""Tables of evidence."""

from __future__ import annotations

from sqlalchemy import BigInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.database import Base
from crisplens.ledger.tables import Traced


class EvidenceRow(Traced, Base):
    """One evidence file of a project, under its content's digest."""

    __tablename__ = "evidence"

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    redacted_reason: Mapped[str | None] = mapped_column(Text)
    redacted_by: Mapped[str | None] = mapped_column(Text)
    redacted_at: Mapped[str | None] = mapped_column(Text)
    fault: Mapped[str | None] = mapped_column(Text)
    fault_seq: Mapped[int | None] = mapped_column(BigInteger)
