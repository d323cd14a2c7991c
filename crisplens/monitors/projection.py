"""How monitor events change the tables."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row, update_row
from crisplens.monitors.events import (
    MonitorAdded,
    MonitorChanged,
    MonitorChecked,
    MonitorMuted,
    MonitorRetired,
    MonitorUnmuted,
)
from crisplens.monitors.tables import CheckRow, MonitorRow, MuteRow


@applies(MonitorAdded)
def apply_monitor_added(session: Session, recorded: Recorded, event: MonitorAdded) -> None:
    """A new monitor."""
    insert_row(session, MonitorRow, recorded)


@applies(MonitorChanged)
def apply_monitor_changed(session: Session, recorded: Recorded, event: MonitorChanged) -> None:
    """The monitor is as stated from now on."""
    update_row(
        session,
        MonitorRow,
        recorded,
        {"name": event.name},
        current=event.current,
        engine=event.engine,
        settings=event.settings,
        constraints=event.constraints,
        schedule=event.schedule,
        response=event.response,
        change_reason=event.reason,
    )


@applies(MonitorRetired)
def apply_monitor_retired(session: Session, recorded: Recorded, event: MonitorRetired) -> None:
    """The monitor is run no more."""
    retired = {"retired_by": recorded.actor, "retired_at": recorded.at, "retired_reason": event.reason}
    update_row(session, MonitorRow, recorded, {"name": event.name}, **retired)


@applies(MonitorMuted)
def apply_monitor_muted(session: Session, recorded: Recorded, event: MonitorMuted) -> None:
    """A new mute."""
    insert_row(session, MuteRow, recorded)


@applies(MonitorUnmuted)
def apply_monitor_unmuted(session: Session, recorded: Recorded, event: MonitorUnmuted) -> None:
    """The mute ended before its time."""
    ended = {"ended_by": recorded.actor, "ended_at": recorded.at, "ended_reason": event.reason}
    update_row(session, MuteRow, recorded, {"id": event.id}, **ended)


@applies(MonitorChecked)
def apply_monitor_checked(session: Session, recorded: Recorded, event: MonitorChecked) -> None:
    """A new check."""
    insert_row(session, CheckRow, recorded, verdict=event.result.verdict, window_key=event.window.key)
