"""Tables of incidents and triggers."""

from __future__ import annotations

from sqlalchemy import Text, text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.columns import JsonText
from crisplens.core.database import Base
from crisplens.ledger.tables import Traced
from crisplens.monitors.incidents.model import Escalation, Link
from crisplens.registry.model import VersionRef


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
    owner: Mapped[str] = mapped_column(Text, server_default=text("''"))
    since: Mapped[str] = mapped_column(Text, server_default=text("''"))
    escalations: Mapped[tuple[Escalation, ...]] = mapped_column(
        JsonText(tuple[Escalation, ...]), server_default="[]"
    )
    links: Mapped[tuple[Link, ...]] = mapped_column(JsonText(tuple[Link, ...]), server_default="[]")


class TriggerRow(Traced, Answered, Base):
    """One trigger: a request to retrain. `resolved_by` is the model version that answered it."""

    __tablename__ = "retraining_trigger"

    incident: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    resolved_by: Mapped[VersionRef | None] = mapped_column(JsonText(VersionRef))
