"""Tables of projects, goals and KPIs."""

from __future__ import annotations

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.columns import JsonText
from crisplens.core.database import Base
from crisplens.ledger.tables import Traced
from crisplens.registry.projects.model import CostKind, Option


class ProjectRow(Traced, Base):
    """One project; its name is the column `project`."""

    __tablename__ = "project"

    title: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text)
    risk: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    policy: Mapped[str] = mapped_column(Text, server_default="standard@1")


class GoalRow(Traced, Base):
    """A project's business goal as it stands."""

    __tablename__ = "goal"

    problem: Mapped[str] = mapped_column(Text)
    value: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text)
    options: Mapped[tuple[Option, ...]] = mapped_column(JsonText(tuple[Option, ...]))
    costs: Mapped[dict[CostKind, str]] = mapped_column(JsonText(dict[CostKind, str]))
    currency: Mapped[str] = mapped_column(Text)


class KpiRow(Traced, Base):
    """A KPI as it stands."""

    __tablename__ = "kpi"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    unit: Mapped[str] = mapped_column(Text)
    direction: Mapped[str] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text)
    baseline: Mapped[str | None] = mapped_column(Text)
    acceptable_error: Mapped[str | None] = mapped_column(Text)
