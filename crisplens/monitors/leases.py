"""Leases: which process is at work on what, until when, so that several share the work and none does it twice.

A lease is a row of the registry's database. It is held while `until` is ahead; a holder that dies leaves it behind,
and from then on it says that something was not finished. A released lease has no holder: with a time in `until`,
there is work left that nobody is to take up before. Times are those of one clock, the database's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from crisplens.core import clock
from crisplens.core.clock import parse_time, to_text
from crisplens.core.errors import RegistryError
from crisplens.core.working import LEASES


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """What one process holds. `token` is larger than that of every lease of this name before."""

    project: str
    name: str
    holder: str
    until: str
    token: int


class LeaseLost(RegistryError):
    """The lease ran out and another process took it, or it was given back: what was found is not to be recorded."""


_FREE = ""
# Nothing is held or put off for longer: what is further ahead bears the time of a clock that was set back since.
FURTHEST = timedelta(days=2)
_OURS = (
    LEASES.c.project == bindparam("project_"),
    LEASES.c.name == bindparam("name_"),
    LEASES.c.holder == bindparam("holder_"),
    LEASES.c.token == bindparam("token_"),
)
_RENEW = update(LEASES).where(*_OURS).values(until=bindparam("until_"))
_RELEASE = update(LEASES).where(*_OURS).values(holder=_FREE, until=bindparam("until_"))
_HOLD = select(LEASES.c.token).where(*_OURS).with_for_update()
_ALL = select(LEASES).order_by(LEASES.c.project, LEASES.c.name)
_UNFINISHED = _ALL.where(LEASES.c.until != _FREE)
_SERVER_TIME = text("SELECT clock_timestamp()")


def read_clock(connection: Connection) -> datetime:
    """The time of the clock that leases go by: PostgreSQL's; with SQLite, whose file is here, this machine's."""
    if connection.dialect.name == "postgresql":
        found: datetime = connection.execute(_SERVER_TIME).scalar_one()
        return found
    return clock.now()


def take(
    session: Session | Connection, project: str, name: str, holder: str, now: datetime, length: timedelta
) -> Lease | None:
    """Take a lease for `length` from `now` on; None while someone holds it, or its work is to wait.

    One statement, in a transaction that may write. Whoever holds a lease cannot take it again.
    """
    connection = _connection(session)
    until = to_text(now + length)
    given = {"project": project, "name": name, "holder": holder, "until": until, "token": 1}
    token = connection.execute(
        _take(connection), {**given, "now_": to_text(now), "furthest_": to_text(now + FURTHEST)}
    ).scalar_one_or_none()
    if token is None:
        return None
    return Lease(project=project, name=name, holder=holder, until=until, token=token)


def renew(session: Session | Connection, lease: Lease, now: datetime, length: timedelta) -> Lease | None:
    """Hold a lease on until `length` after `now`; None when it was lost. One that ran out and nobody took is kept."""
    until = to_text(now + length)
    done = _connection(session).execute(_RENEW, {**_key(lease), "until_": until})
    return msgspec.structs.replace(lease, until=until) if done.rowcount else None


def release(session: Session | Connection, lease: Lease, *, again: datetime | None = None) -> bool:
    """Give a lease back; `again` says that work is left, from when on others may take it up. False when it was lost."""
    until = to_text(again) if again else _FREE
    return bool(_connection(session).execute(_RELEASE, {**_key(lease), "until_": until}).rowcount)


def hold(session: Session | Connection, lease: Lease) -> None:
    """Make sure that nobody else takes a lease before this transaction, which may write, is over.

    Raises `LeaseLost` when it is another's already.
    """
    if _connection(session).execute(_HOLD, _key(lease)).scalar_one_or_none() is None:
        raise LeaseLost(
            f"the lease on {lease.name} was lost",
            slug="lease-lost",
            hint="Whoever holds it now goes on with its work.",
        )


def unfinished(session: Session | Connection, project: str | None = None) -> dict[tuple[str, str], Lease]:
    """The leases that are held, or whose work is not finished, by project and name."""
    query = _UNFINISHED if project is None else _UNFINISHED.where(LEASES.c.project == project)
    found = (Lease(**row._mapping) for row in _connection(session).execute(query))
    return {(one.project, one.name): one for one in found}


def is_held(lease: Lease, now: datetime) -> bool:
    """Whether someone is at work."""
    return lease.holder != _FREE and is_ahead(lease, now)


def is_ahead(lease: Lease, now: datetime) -> bool:
    """Whether nobody is to take it yet: it is held, or its work is to wait."""
    return lease.until != _FREE and now < parse_time(lease.until) <= now + FURTHEST


def _connection(session: Session | Connection) -> Connection:
    return session.connection() if isinstance(session, Session) else session


def _key(lease: Lease) -> dict[str, Any]:
    return {
        "project_": lease.project,
        "name_": lease.name,
        "holder_": lease.holder,
        "token_": lease.token,
    }


def _take(connection: Connection) -> Any:
    return _TAKE_POSTGRESQL if connection.dialect.name == "postgresql" else _TAKE_SQLITE


def _over() -> ColumnElement[bool]:
    return or_(LEASES.c.until <= bindparam("now_"), LEASES.c.until > bindparam("furthest_"))


def _taking(insert: Any) -> Any:
    new = insert(LEASES)
    taken = {"holder": new.excluded.holder, "until": new.excluded.until, "token": LEASES.c.token + 1}
    return new.on_conflict_do_update(
        index_elements=[LEASES.c.project, LEASES.c.name], set_=taken, where=_over()
    ).returning(LEASES.c.token)


_TAKE_POSTGRESQL = _taking(postgresql.insert)
_TAKE_SQLITE = _taking(sqlite.insert)
