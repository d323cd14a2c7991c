"""Tables of runs."""

from __future__ import annotations

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.columns import JsonText
from crisplens.core.database import Base
from crisplens.ledger.tables import Traced
from crisplens.registry.model import Scalar, VersionRef


class RunRow(Traced, Base):
    """One run."""

    __tablename__ = "run"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    activity: Mapped[str] = mapped_column(Text)
    used_datasets: Mapped[tuple[VersionRef, ...]] = mapped_column(JsonText(tuple[VersionRef, ...]))
    used_models: Mapped[tuple[VersionRef, ...]] = mapped_column(JsonText(tuple[VersionRef, ...]))
    parameters: Mapped[dict[str, Scalar]] = mapped_column(JsonText(dict[str, Scalar]))
    metrics: Mapped[dict[str, float]] = mapped_column(JsonText(dict[str, float]))
    code_version: Mapped[str] = mapped_column(Text)
    environment: Mapped[dict[str, str]] = mapped_column(JsonText(dict[str, str]))
    started_at: Mapped[str | None] = mapped_column(Text)
    ended_at: Mapped[str | None] = mapped_column(Text)
