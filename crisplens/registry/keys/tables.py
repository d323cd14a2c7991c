"""Tables of keys."""

from __future__ import annotations

from sqlalchemy import BigInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.columns import JsonText
from crisplens.core.database import Base
from crisplens.ledger.tables import Dated
from crisplens.registry.keys.model import Endorsement


class SigningKeyRow(Dated, Base):
    """One public key, trusted and perhaps revoked."""

    __tablename__ = "signing_key"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    purpose: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text)
    public_key: Mapped[str] = mapped_column(Text)
    endorsement: Mapped[Endorsement | None] = mapped_column(JsonText(Endorsement))
    revoked_reason: Mapped[str | None] = mapped_column(Text)
    revoked_by: Mapped[str | None] = mapped_column(Text)
    revoked_at: Mapped[str | None] = mapped_column(Text)
    revoked_seq: Mapped[int | None] = mapped_column(BigInteger)
    revocation_endorsement: Mapped[Endorsement | None] = mapped_column(JsonText(Endorsement))
