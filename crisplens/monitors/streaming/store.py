"""A monitor's pushed windows in the database: read, locked, written; the open ones with their profiles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from crisplens.core.decoding import decode_json
from crisplens.core.working import OPEN_WINDOWS
from crisplens.monitors.streaming.model import MOST_CLOSED, Batches, PushWindow
from crisplens.monitors.tables import MonitorRow

_ROW = OPEN_WINDOWS.c
# A window is closed when it has no profile any more.
_CLOSED = ""
# Written once: composing a statement takes longer than SQLite takes to carry it out.
_OF_MONITOR = (_ROW.project == bindparam("project_"), _ROW.monitor == bindparam("monitor_"))
_OF_KEYS = (*_OF_MONITOR, _ROW.window_key.in_(bindparam("keys_", expanding=True)))
_LOCK = (
    select(MonitorRow.name)
    .where(MonitorRow.project == bindparam("project_"), MonitorRow.name == bindparam("monitor_"))
    .with_for_update()
)
_LOAD = select(_ROW.window_key, _ROW.rows, _ROW.batches, _ROW.newest, _ROW.profile == _CLOSED).where(
    *_OF_MONITOR
)
_PROFILES = select(_ROW.window_key, _ROW.profile).where(*_OF_KEYS, _ROW.profile != _CLOSED)
_VALUES: dict[str, Any] = {
    name: bindparam(f"{name}_value") for name in ("rows", "profile", "batches", "newest", "updated_at")
}
_CHANGE = update(OPEN_WINDOWS).where(*_OF_MONITOR, _ROW.window_key == bindparam("key_")).values(_VALUES)
_ADD = insert(OPEN_WINDOWS).values(
    {
        **_VALUES,
        "project": bindparam("project_"),
        "monitor": bindparam("monitor_"),
        "window_key": bindparam("key_"),
    }
)
_FORGET = delete(OPEN_WINDOWS).where(*_OF_KEYS)


def lock(session: Session, project: str, monitor: str) -> None:
    """Let nobody else push to a monitor or close its windows before this transaction ends.

    On SQLite, beginning to write has locked everything already.
    """
    session.connection().execute(_LOCK, _named(project, monitor))


def load(session: Session, project: str, monitor: str) -> list[PushWindow]:
    """The monitor's open windows and those that were closed last, without profiles, by their keys."""
    found = [
        PushWindow(
            key=key,
            rows=rows,
            batches=decode_json(batches, Batches),
            newest=newest,
            closed=bool(closed),
        )
        for key, rows, batches, newest, closed in session.connection().execute(
            _LOAD, _named(project, monitor)
        )
    ]
    # Collations order punctuation as they like; keys are in the order of their characters.
    return sorted(found, key=lambda one: one.key)


def packed_profiles(session: Session, project: str, monitor: str, keys: Iterable[str]) -> dict[str, str]:
    """The profiles of open windows, packed, by their keys."""
    found = session.connection().execute(_PROFILES, {**_named(project, monitor), "keys_": [*keys]})
    return {row[0]: row[1] for row in found}


def save(session: Session, project: str, monitor: str, window: PushWindow, profile: str, now: str) -> None:
    """Write an open window, new or known; the monitor is locked."""
    values = {
        **_named(project, monitor),
        "key_": window.key,
        "rows_value": window.rows,
        "profile_value": profile,
        "batches_value": msgspec.json.encode(window.batches).decode(),
        "newest_value": window.newest,
        "updated_at_value": now,
    }
    connection = session.connection()
    if not connection.execute(_CHANGE, values).rowcount:
        connection.execute(_ADD, values)


def close(session: Session, project: str, monitor: str, window: PushWindow, key: str, now: str) -> None:
    """Keep of a window, from now on of that key, only which batches it had; and of older ones nothing."""
    forget(session, project, monitor, [window.key])
    save(session, project, monitor, msgspec.structs.replace(window, key=key), _CLOSED, now)
    closed = [one.key for one in load(session, project, monitor) if one.closed]
    if old := closed[:-MOST_CLOSED]:
        forget(session, project, monitor, old)


def forget(session: Session, project: str, monitor: str, keys: Iterable[str]) -> None:
    """Remove windows, open or closed."""
    session.connection().execute(_FORGET, {**_named(project, monitor), "keys_": [*keys]})


def _named(project: str, monitor: str) -> dict[str, str]:
    return {"project_": project, "monitor_": monitor}
