"""Tables of monitors, their mutes and their checks."""

from __future__ import annotations

from sqlalchemy import Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.columns import JsonText
from crisplens.core.database import Base
from crisplens.ledger.tables import Traced
from crisplens.monitors.decisions import Decision
from crisplens.monitors.incidents.model import Response
from crisplens.monitors.model import CheckResult, CheckSettings
from crisplens.monitors.performance.plans import Plan
from crisplens.monitors.quality.model import Violation
from crisplens.monitors.schedules.model import Schedule
from crisplens.monitors.schedules.windows import WindowRule
from crisplens.monitors.states import Window


class MonitorRow(Traced, Base):
    """One monitor."""

    __tablename__ = "monitor"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    model: Mapped[str] = mapped_column(Text)
    reference: Mapped[Window] = mapped_column(JsonText(Window))
    reference_profile: Mapped[str] = mapped_column(Text)
    plan: Mapped[Plan | None] = mapped_column(JsonText(Plan))
    succeeds: Mapped[str | None] = mapped_column(Text)
    current: Mapped[str] = mapped_column(Text)
    engine: Mapped[str] = mapped_column(Text)
    settings: Mapped[CheckSettings] = mapped_column(JsonText(CheckSettings))
    constraints: Mapped[str | None] = mapped_column(Text)
    windows: Mapped[WindowRule] = mapped_column(JsonText(WindowRule), server_default='{"kind":"whole"}')
    time_column: Mapped[str] = mapped_column(Text, server_default=text("''"))
    schedule: Mapped[Schedule | None] = mapped_column(JsonText(Schedule))
    response: Mapped[Response] = mapped_column(JsonText(Response), server_default="{}")
    change_reason: Mapped[str | None] = mapped_column(Text)
    retired_by: Mapped[str | None] = mapped_column(Text)
    retired_at: Mapped[str | None] = mapped_column(Text)
    retired_reason: Mapped[str | None] = mapped_column(Text)


class MuteRow(Traced, Base):
    """A time in which what a monitor finds is no alarm."""

    __tablename__ = "monitor_mute"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    monitor: Mapped[str] = mapped_column(Text)
    start: Mapped[str] = mapped_column(Text)
    end: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    ended_by: Mapped[str | None] = mapped_column(Text)
    ended_at: Mapped[str | None] = mapped_column(Text)
    ended_reason: Mapped[str | None] = mapped_column(Text)


class CheckRow(Traced, Base):
    """One check of a monitor. `window_key` tells its window from others."""

    __tablename__ = "monitor_check"
    # Scheduled monitors ask again and again which of their windows were checked, and when last.
    __table_args__ = (
        Index("ix_monitor_check_window", "project", "monitor", "window_key", "recorded_at", "seq"),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    monitor: Mapped[str] = mapped_column(Text)
    verdict: Mapped[str] = mapped_column(Text)
    window_key: Mapped[str] = mapped_column(Text, server_default=text("''"))
    window: Mapped[Window] = mapped_column(JsonText(Window))
    result: Mapped[CheckResult] = mapped_column(JsonText(CheckResult))
    violations: Mapped[tuple[Violation, ...]] = mapped_column(
        JsonText(tuple[Violation, ...]), server_default="[]"
    )
    decision: Mapped[Decision] = mapped_column(
        JsonText(Decision), server_default='{"alarm":false,"reason":""}'
    )
    attachments: Mapped[tuple[str, ...]] = mapped_column(JsonText(tuple[str, ...]))
    incident: Mapped[str | None] = mapped_column(Text)
