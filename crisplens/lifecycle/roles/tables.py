"""Tables of roles and delegations."""

from __future__ import annotations

from sqlalchemy import BigInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.columns import JsonText
from crisplens.core.database import Base
from crisplens.ledger.tables import Traced


class Withdrawable(Traced):
    """Columns of what can be taken back: why, by whom, when and in which event it was."""

    withdrawn_reason: Mapped[str | None] = mapped_column(Text)
    withdrawn_by: Mapped[str | None] = mapped_column(Text)
    withdrawn_at: Mapped[str | None] = mapped_column(Text)
    withdrawn_seq: Mapped[int | None] = mapped_column(BigInteger)


class RoleRow(Withdrawable, Base):
    """One role of one person."""

    __tablename__ = "role"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    person: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    phases: Mapped[tuple[str, ...]] = mapped_column(JsonText(tuple[str, ...]))
    reason: Mapped[str] = mapped_column(Text)


class DelegationRow(Withdrawable, Base):
    """One delegation of approvals."""

    __tablename__ = "delegation"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    to: Mapped[str] = mapped_column(Text)
    phases: Mapped[tuple[str, ...]] = mapped_column(JsonText(tuple[str, ...]))
    until: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
