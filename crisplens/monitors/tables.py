"""Tables of monitors, checks, incidents and triggers."""

from __future__ import annotations

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.columns import JsonText
from crisplens.core.database import Base
from crisplens.ledger.tables import Traced
from crisplens.monitors.model import CheckResult, CheckSettings
from crisplens.monitors.states import Window
from crisplens.registry.model import VersionRef


class MonitorRow(Traced, Base):
    """One monitor."""

    __tablename__ = "monitor"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    model: Mapped[str] = mapped_column(Text)
    reference: Mapped[Window] = mapped_column(JsonText(Window))
    reference_profile: Mapped[str] = mapped_column(Text)
    current: Mapped[str] = mapped_column(Text)
    engine: Mapped[str] = mapped_column(Text)
    settings: Mapped[CheckSettings] = mapped_column(JsonText(CheckSettings))


class CheckRow(Traced, Base):
    """One check of a monitor."""

    __tablename__ = "monitor_check"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    monitor: Mapped[str] = mapped_column(Text)
    verdict: Mapped[str] = mapped_column(Text)
    window: Mapped[Window] = mapped_column(JsonText(Window))
    result: Mapped[CheckResult] = mapped_column(JsonText(CheckResult))
    attachments: Mapped[tuple[str, ...]] = mapped_column(JsonText(tuple[str, ...]))
    incident: Mapped[str | None] = mapped_column(Text)


class Answered:
    """Columns of what must be answered: its state, and who acknowledged and closed it, when, with which note."""

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    monitor: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    acknowledged_by: Mapped[str | None] = mapped_column(Text)
    acknowledged_at: Mapped[str | None] = mapped_column(Text)
    closed_by: Mapped[str | None] = mapped_column(Text)
    closed_at: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)


class IncidentRow(Traced, Answered, Base):
    """One incident."""

    __tablename__ = "incident"

    check_id: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    summary: Mapped[str] = mapped_column(Text)


class TriggerRow(Traced, Answered, Base):
    """One trigger: a request to retrain. `resolved_by` is the model version that answered it."""

    __tablename__ = "retraining_trigger"

    incident: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    resolved_by: Mapped[VersionRef | None] = mapped_column(JsonText(VersionRef))
