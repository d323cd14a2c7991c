"""What `crisplens monitor push` and `close` do, transaction by transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from crisplens.core import clock
from crisplens.core.database import write_session
from crisplens.core.errors import CrisplensError, InputError
from crisplens.core.work import UnitOfWork
from crisplens.lifecycle.roles.service import authorise
from crisplens.monitors import queries as monitor_queries
from crisplens.monitors import recording
from crisplens.monitors.recording import CheckRecorded
from crisplens.monitors.schedules.windows import RowsRule, TimeRule
from crisplens.monitors.streaming import service
from crisplens.monitors.streaming.formats import parse_rows
from crisplens.monitors.streaming.model import batch_mark
from crisplens.monitors.streaming.rows import read_rows
from crisplens.monitors.streaming.service import Standing, Target, WindowFill

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from crisplens.api import Registry
    from crisplens.monitors.queries import Monitor

    Hold = Callable[[Session], None]

# A push checks at most so many windows; the next one, or `monitor run --due`, goes on from there.
MOST_CLOSED = 50
# Someone who pushes all the time changes a window while it is looked at.
TRIES = 3


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch: where its rows went, and the checks of the windows that it closed.

    A `repeated` batch was taken in before and changed nothing. Rows that are `too_late` belong to windows that were
    checked, and rows `without_time` to none. `waiting` windows are still to be checked; `failure` says why.
    """

    monitor: str
    rows: int
    batch: str = ""
    repeated: bool = False
    windows: tuple[WindowFill, ...] = ()
    too_late: int = 0
    without_time: int = 0
    checks: tuple[CheckRecorded, ...] = ()
    waiting: int = 0
    failure: str = ""


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """The checks of windows that were closed, and how many more are to be."""

    monitor: str
    checks: tuple[CheckRecorded, ...] = ()
    waiting: int = 0


def push(
    registry: Registry, name: str, rows: Any, *, format: str = "", batch: str = "", close: bool = False
) -> Pushed:
    """Count rows in the open windows of a monitor, and check the windows that are complete with them.

    `rows` are a list of dicts, a DataFrame of pandas or polars, data of pyarrow, or bytes in a `format`: csv, jsonl,
    json, parquet or arrow. The same `batch` id again changes nothing. `close` checks what is open then, complete or
    not. Raises `InputError` for rows that lack a watched column or have another type in it, and for a monitor that
    nothing is pushed to; then nothing is changed.
    """
    batch_mark(batch, 0)
    target, standing = _target(registry, name)
    read = (
        parse_rows(rows, format, target.wanted) if isinstance(rows, bytes) else read_rows(rows, target.wanted)
    )
    mark = batch_mark(batch, read.rows)
    made = service.prepare(target, read, standing)
    with _pushing(registry) as work:
        taken = service.take_in(work, target, made, mark)
    checks: tuple[CheckRecorded, ...] = ()
    waiting, failure = 0, ""
    # What was taken in stays, whatever becomes of the checks: saying it failed would have it pushed again.
    try:
        if close:
            checks = _close_all(registry, target)
        elif taken.complete:
            checks, waiting = _close_complete(registry, target, most=MOST_CLOSED)
    except CrisplensError as error:
        failure = f"The rows are taken in, but a window could not be checked: {error.message}"
    return Pushed(
        monitor=name,
        rows=read.rows,
        batch=batch,
        repeated=taken.repeated,
        windows=taken.windows,
        too_late=taken.too_late,
        without_time=taken.without_time,
        checks=checks,
        waiting=waiting,
        failure=failure,
    )


def close(registry: Registry, name: str) -> Closed:
    """Check the open windows of a monitor now, whether they are complete or not, and close them.

    Raises `InputError` when nothing was pushed to one.
    """
    checks = _close_all(registry, _target(registry, name)[0])
    if not checks:
        raise InputError(
            f"no window of {name} is open",
            slug="nothing-due",
            hint=f"A window is opened by the first rows: crisplens monitor push {name} FILE",
        )
    return Closed(monitor=name, checks=checks)


def close_due(
    registry: Registry,
    monitor: Monitor,
    moment: datetime | None,
    now: datetime,
    *,
    most: int = MOST_CLOSED,
    hold: Hold = lambda session: None,
    go_on: Callable[[], bool] = lambda: True,
) -> Closed:
    """Check what is due of a monitor that is pushed to; `moment` is when its schedule asked for it, if it did.

    Windows of time are over by the clock then, also those that nothing was pushed to; what is no window of time or
    rows is closed as it is. Nothing pushed where the schedule asks is recorded as bad data. For schedulers: `hold` may
    refuse what a transaction is to record, and `go_on` says before each window whether to begin it.
    """
    target = service.get_target(monitor, registry.configuration.open_evidence())
    if isinstance(monitor.windows, TimeRule | RowsRule):
        checks, waiting = _close_complete(registry, target, most=most, now=now, hold=hold, go_on=go_on)
        return Closed(monitor=monitor.name, checks=checks, waiting=waiting)
    checks = _close_all(registry, target, hold=hold)
    if not checks and moment is not None:
        findings = service.nothing_pushed(monitor)
        with registry.writing() as work:
            hold(work.session)
            if not recording.is_recorded(work, findings, since=moment):
                checks = (recording.record_check(work, findings),)
    return Closed(monitor=monitor.name, checks=checks)


def _target(registry: Registry, name: str) -> tuple[Target, Standing]:
    registry.actor  # noqa: B018  (refuse before the work, not after it)
    if registry.in_transaction:
        raise InputError(
            "rows are not pushed within a transaction: each push is one of its own",
            slug="stands-alone",
            hint="Push before or after it.",
        )
    with registry.reading() as session:
        project = registry.require_project(session)
        monitor = monitor_queries.get_monitor(session, project, name)
        standing = service.known_windows(session, project, monitor)
    return service.get_target(monitor, registry.configuration.open_evidence()), standing


@contextmanager
def _pushing(registry: Registry) -> Iterator[UnitOfWork]:
    """A unit of work that records no event, and so lets others append to the log meanwhile."""
    actor = registry.actor
    with write_session(registry.engine) as session:
        yield UnitOfWork(
            session=session,
            actor=actor,
            now=clock.now(),
            evidence=registry.configuration.open_evidence(),
            project_name=registry.configuration.project,
            authorise=authorise,
        )


def _close_complete(
    registry: Registry,
    target: Target,
    *,
    most: int,
    now: datetime | None = None,
    hold: Hold = lambda session: None,
    go_on: Callable[[], bool] = lambda: True,
) -> tuple[tuple[CheckRecorded, ...], int]:
    """The checks of windows that are complete, by the clock when `now` is given; and how many more there are."""
    with registry.reading() as session:
        project = registry.require_project(session)
        keys, waiting = service.closing_windows(
            session, project, target.monitor, now=now or clock.now(), most=most, by_clock=now is not None
        )
    checks: list[CheckRecorded] = []
    for number, key in enumerate(keys):
        if not go_on():
            return tuple(checks), waiting + len(keys) - number
        checks += _close_one(registry, target, key, hold)
    return tuple(checks), waiting


def _close_all(
    registry: Registry, target: Target, *, hold: Hold = lambda session: None
) -> tuple[CheckRecorded, ...]:
    with registry.reading() as session:
        keys = service.open_windows(session, registry.require_project(session), target.monitor.name)
    return tuple(check for key in keys for check in _close_one(registry, target, key, hold))


def _close_one(registry: Registry, target: Target, key: str, hold: Hold) -> tuple[CheckRecorded, ...]:
    """The window's check; none when someone else has closed it."""
    for _ in range(TRIES):
        with registry.reading() as session:
            project = registry.require_project(session)
            evidence = registry.configuration.open_evidence()
            looked = service.look_at(session, project, target, key, evidence=evidence, now=clock.now())
        if looked is None:
            return ()
        with registry.writing() as work:
            hold(work.session)
            if done := service.close_window(work, target, looked):
                return (done,)
    # Nobody pushes while it is locked.
    with registry.writing() as work:
        hold(work.session)
        last = service.lock_and_look(work, target, key)
        done = service.close_window(work, target, last) if last else None
        return (done,) if done else ()
