"""Event -> rows: each area registers how its events change its tables; replay is nothing but this."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

from sqlalchemy import Delete, Insert, Table, bindparam, delete, insert, update
from sqlalchemy.orm import Session

from crisplens.core.database import Base
from crisplens.ledger.events import ClockCorrected
from crisplens.ledger.model import Event, Recorded

Handler = Callable[[Session, Recorded, Any], None]
E = TypeVar("E", bound=Event)
HANDLERS: dict[type[Event], Handler] = {}


def applies(event: type[E]) -> Callable[[Callable[[Session, Recorded, E], None]], Handler]:
    """Decorator: this function puts `event` into the tables.

    It may depend on nothing but the event and the rows that earlier events left.
    """

    def register(handler: Callable[[Session, Recorded, E], None]) -> Handler:
        if HANDLERS.setdefault(event, handler) is not handler:
            raise ValueError(f"two projections apply {event.__name__}")
        return handler

    return register


def apply(session: Session, recorded: Recorded) -> None:
    """Put one recorded event into the tables."""
    kind = type(recorded.event)
    if kind not in HANDLERS:
        # An area's projection stands beside its events; it is imported when the first of them is applied.
        importlib.import_module(f"{kind.__module__.rpartition('.')[0]}.projection")
    HANDLERS[kind](session, recorded, recorded.event)


@applies(ClockCorrected)
def apply_clock_corrected(session: Session, recorded: Recorded, event: ClockCorrected) -> None:
    """It is in the log, and in no table."""


def insert_row(session: Session, row: type[Base], recorded: Recorded, **values: Any) -> None:
    """Insert a traced row of the event's project: the event's fields that are columns, then `values`."""
    columns, statement = _insertion(row)
    event = recorded.event
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name in columns}
    trace = {"seq": recorded.seq, "recorded_by": recorded.actor, "recorded_at": recorded.at}
    project = {"project": recorded.project} if "project" in columns else {}
    session.connection().execute(statement, {**project, **fields, **trace, **values})


def replace_row(session: Session, row: type[Base], recorded: Recorded, *key: str) -> None:
    """Like `insert_row`, for an event that sets something anew: the row with the same `key` fields goes first."""
    same = {name: getattr(recorded.event, name) for name in key}
    session.connection().execute(_deletion(row, key), {"project": recorded.project, **same})
    insert_row(session, row, recorded)


def update_row(
    session: Session, row: type[Base], recorded: Recorded, key: dict[str, Any], **values: Any
) -> None:
    """Change the row of the event's project that has these `key` values, if there is one."""
    columns = cast(Table, row.__table__).columns
    found = {"project": recorded.project, **key} if "project" in columns else key
    statement = update(row).where(*(columns[name] == value for name, value in found.items())).values(**values)
    session.execute(statement.execution_options(synchronize_session=False))


@cache
def _insertion(row: type[Base]) -> tuple[frozenset[str], Insert]:
    table = cast(Table, row.__table__)
    return frozenset(column.name for column in table.columns), insert(table)


@cache
def _deletion(row: type[Base], key: tuple[str, ...]) -> Delete:
    columns = cast(Table, row.__table__).columns
    return delete(row).where(*(columns[name] == bindparam(name) for name in ("project", *key)))
