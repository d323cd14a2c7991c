"""Tables of model versions and evaluations."""

from __future__ import annotations

from sqlalchemy import BigInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.columns import JsonText
from crisplens.core.database import Base
from crisplens.ledger.tables import Traced
from crisplens.registry.model import GateDecision, Scalar, VersionRef
from crisplens.registry.models.model import Part


class ModelVersionRow(Traced, Base):
    """One version of a model."""

    __tablename__ = "model_version"

    model: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    location: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    datasets: Mapped[tuple[VersionRef, ...]] = mapped_column(JsonText(tuple[VersionRef, ...]))
    parameters: Mapped[dict[str, Scalar]] = mapped_column(JsonText(dict[str, Scalar]))
    run: Mapped[str | None] = mapped_column(Text)


class EvaluationRow(Traced, Base):
    """One evaluation of a model version."""

    __tablename__ = "evaluation"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    model: Mapped[VersionRef] = mapped_column(JsonText(VersionRef))
    dataset: Mapped[VersionRef] = mapped_column(JsonText(VersionRef))
    metrics: Mapped[dict[str, float]] = mapped_column(JsonText(dict[str, float]))
    slices: Mapped[tuple[Part, ...]] = mapped_column(JsonText(tuple[Part, ...]))
    classes: Mapped[tuple[Part, ...]] = mapped_column(JsonText(tuple[Part, ...]))


class PromotionRow(Traced, Base):
    """One promotion of a model version to an alias."""

    __tablename__ = "promotion"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    model: Mapped[str] = mapped_column(Text)
    version: Mapped[int]
    alias: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    gates: Mapped[tuple[GateDecision, ...]] = mapped_column(JsonText(tuple[GateDecision, ...]))
