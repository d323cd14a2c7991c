"""Use cases of streaming: taking in a batch of rows, and checking a window from what was pushed to it.

Taking in is one short transaction: what the batch's rows are was found out before it. A window is checked in a
transaction of its own, together with which it is closed, so that it is checked once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy.orm import Session

from crisplens.core.canonical import digest_bytes
from crisplens.core.clock import parse_time, to_text
from crisplens.core.content_store import ContentStore
from crisplens.core.errors import InputError
from crisplens.core.work import UnitOfWork
from crisplens.monitors import checking
from crisplens.monitors.checking import MOST_VIOLATIONS, CheckFindings
from crisplens.monitors.engines import _comparing
from crisplens.monitors.engines.by_name import get_engine, reads_reference_rows
from crisplens.monitors.engines.interface import EngineResult
from crisplens.monitors.events import MonitorChecked
from crisplens.monitors.kept_profiles import read_profile
from crisplens.monitors.model import Profile
from crisplens.monitors.moving import PastWindow
from crisplens.monitors.quality.model import Constraints, Violation
from crisplens.monitors.queries import Monitor, checked_windows, past_windows
from crisplens.monitors.recording import CheckRecorded, record_check
from crisplens.monitors.schedules.windows import RowsRule, TimeRule
from crisplens.monitors.service import check_in_use
from crisplens.monitors.states import Window
from crisplens.monitors.streaming import model, store
from crisplens.monitors.streaming.batches import Batch, Wanted, profile_part, require_arrow
from crisplens.monitors.streaming.model import Done, Part, PushWindow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = slice | NDArray[np.bool_]

# A service that is pushed to looks at the same few references all day.
MOST_KEPT = 32
_references: dict[str, Profile] = {}
_constraints: dict[str, Constraints] = {}


class WindowFill(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of a batch went to a window, and how many it has now."""

    key: str
    added: int
    rows: int


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch's rows (of a `repeated` batch, nothing), and whether a window is `complete` now."""

    repeated: bool = False
    windows: tuple[WindowFill, ...] = ()
    too_late: int = 0
    without_time: int = 0
    complete: bool = False


@dataclass(frozen=True)
class Target:
    """A monitor that rows are pushed to, and what is read of them."""

    monitor: Monitor
    wanted: Wanted
    constraints: Constraints | None

    @property
    def reference(self) -> Profile:
        """The profile of its reference."""
        return self.wanted.reference


@dataclass(frozen=True)
class Standing:
    """What is known of a monitor's windows: those that are open or were closed last, and what lies behind."""

    windows: Sequence[PushWindow]
    done: Done


@dataclass(frozen=True)
class Looked:
    """An open window as it was looked at, and what was found."""

    window: PushWindow
    findings: CheckFindings


@dataclass
class PartProfiles:
    """The profiles of a batch's parts, each made once."""

    batch: Batch
    wanted: Wanted
    made: dict[Part, Profile] = field(default_factory=dict)

    def of(self, part: Part, chosen: Rows) -> Profile:
        """The profile of a part."""
        # The same rows, whichever window they go to.
        known = part if part.window else msgspec.structs.replace(part, key="")
        if known not in self.made:
            self.made[known] = profile_part(self.batch, self.wanted, chosen)
        return self.made[known]


def get_target(monitor: Monitor, evidence: ContentStore) -> Target:
    """What is needed to push to a monitor; its reference is read once in a process.

    Raises `InputError` for a monitor that is retired, that reads data by itself, or whose engine needs rows.
    """
    check_in_use(monitor)
    if not model.is_pushed(monitor.current):
        raise InputError(
            f"monitor {monitor.name} reads {monitor.current}; no rows are pushed to it",
            slug="not-pushed",
            hint=f"Add a monitor for pushed rows: crisplens monitor add NAME --current {model.PUSHED}",
        )
    if monitor.plan is not None or reads_reference_rows(monitor.engine, monitor.settings):
        what = (
            "the measuring of performance" if monitor.plan is not None else "the monitor's engine or method"
        )
        raise InputError(
            f"{what} needs rows, and of pushed ones only the profile is kept",
            slug="not-pushed",
            hint="Push to a monitor for drift, with the engine duckdb and scores from profiles.",
        )
    require_arrow()
    reference = _reference(monitor, evidence)
    rule, constraints = monitor.windows, _held_to(monitor, evidence)
    fresh = constraints.freshness.column if constraints and constraints.freshness else ""
    wanted = Wanted(
        reference=reference,
        columns=get_engine(monitor.engine).check_settings(reference, monitor.settings),
        time_column=monitor.time_column or fresh,
        needs_times=isinstance(rule, TimeRule),
        zone=rule.zone if isinstance(rule, TimeRule) else "UTC",
    )
    return Target(monitor, wanted, constraints)


def known_windows(session: Session, project: str, monitor: Monitor) -> Standing:
    """A monitor's windows that are open or were closed last, and what lies behind."""
    windows = store.load(session, project, monitor.name)
    told = any(one.closed for one in windows) or (windows and not isinstance(monitor.windows, TimeRule))
    # None was closed, or the working tables are new: of a copy, or restored.
    checked = [] if told else checked_windows(session, project, monitor.name)
    return Standing(windows, model.done_before(windows, checked))


def prepare(target: Target, batch: Batch, standing: Standing) -> PartProfiles:
    """Profile a batch's parts, as far as can be told before anything is locked."""
    made = PartProfiles(batch, target.wanted)
    for part, chosen in _plan(target, batch, standing)[0]:
        made.of(part, chosen)
    return made


def take_in(work: UnitOfWork, target: Target, made: PartProfiles, mark: str) -> Taken:
    """Count a batch's rows in the open windows that they belong to, all of them or, on an error, none.

    `mark` is `model.batch_mark` of its id. Raises `Refused` when the actor may not record what is found.
    """
    name, batch, now = target.monitor.name, made.batch, to_text(work.now)
    store.lock(work.session, work.project, name)
    work.authorise(work, MonitorChecked, work.project)
    standing = known_windows(work.session, work.project, target.monitor)
    if model.is_repeated(standing.windows, mark):
        return Taken(repeated=True)
    plan, too_late, without_time = _plan(target, batch, standing)
    known = {one.key: one for one in standing.windows if not one.closed}
    packed = store.packed_profiles(work.session, work.project, name, [part.key for part, _ in plan])
    fills = []
    for part, chosen in plan:
        profile = made.of(part, chosen)
        added = profile.rows
        before = known.get(part.key, PushWindow(key=part.key, rows=0))
        if part.key in packed:
            profile = model.grown(model.unpack(packed[part.key], target.reference), profile, target.reference)
        newest = batch.newest(chosen)
        grown = PushWindow(
            key=part.key,
            rows=profile.rows,
            batches=before.batches.add(mark),
            newest=max(before.newest, to_text(newest) if newest else ""),
        )
        store.save(work.session, work.project, name, grown, model.pack(profile), now)
        known[part.key] = grown
        fills.append(WindowFill(key=part.key, added=added, rows=profile.rows))
    after = Standing([one for one in standing.windows if one.closed] + [*known.values()], standing.done)
    return Taken(
        windows=tuple(fills),
        too_late=too_late,
        without_time=without_time,
        complete=bool(_complete(target.monitor, after, work.now, most=1)[0]),
    )


def closing_windows(
    session: Session, project: str, monitor: Monitor, *, now: datetime, most: int, by_clock: bool = False
) -> tuple[tuple[str, ...], int]:
    """The windows that are to be closed, oldest first, at most `most`, and how many more there are.

    Full ones of rows; those of time that are over by the newest time that came or, `by_clock`, by `now`.
    """
    at = now if by_clock else None
    return _complete(monitor, known_windows(session, project, monitor), now, most=most, at=at)


def _complete(
    monitor: Monitor, standing: Standing, now: datetime, *, most: int, at: datetime | None = None
) -> tuple[tuple[str, ...], int]:
    rule = monitor.windows
    if isinstance(rule, RowsRule):
        full = model.full_windows(rule, standing.windows)
        return full[:most], len(full[most:])
    if isinstance(rule, TimeRule):
        at = at or model.watermark(standing.windows, now)
        if at is not None:
            return model.over_windows(rule, standing.windows, standing.done, at, most)
    return (), 0


def open_windows(session: Session, project: str, monitor: str) -> tuple[str, ...]:
    """The keys of the windows that rows were pushed to and that are not closed, oldest first."""
    return tuple(one.key for one in store.load(session, project, monitor) if not one.closed)


def look_at(
    session: Session, project: str, target: Target, key: str, *, evidence: ContentStore, now: datetime
) -> Looked | None:
    """Compare an open window with the reference; None when it is closed.

    A window of time that nothing was pushed to has no rows, which is bad data.
    """
    standing = known_windows(session, project, target.monitor)
    window = next((one for one in standing.windows if one.key == key and not one.closed), None)
    times = model.time_window(key)
    if window is None:
        if times is None or model.is_over(times, standing.windows, standing.done):
            return None
        window = PushWindow(key=key, rows=0)
        profile = model.empty_profile(target.reference, target.wanted.columns)
    else:
        packed = store.packed_profiles(session, project, target.monitor.name, [key])
        profile = model.unpack(packed[key], target.reference)
    earlier = partial(past_windows, session, project, target.monitor.name)
    return Looked(window, _findings(target, window, profile, earlier, evidence, now))


def lock_and_look(work: UnitOfWork, target: Target, key: str) -> Looked | None:
    """`look_at`, with nobody pushing until the transaction ends."""
    store.lock(work.session, work.project, target.monitor.name)
    return look_at(work.session, work.project, target, key, evidence=work.evidence, now=work.now)


def close_window(work: UnitOfWork, target: Target, looked: Looked) -> CheckRecorded | None:
    """Record what was found in a window, and close it. None when it has changed or was closed meanwhile."""
    name, window = target.monitor.name, looked.window
    store.lock(work.session, work.project, name)
    standing = known_windows(work.session, work.project, target.monitor)
    now = next((one for one in standing.windows if one.key == window.key), None)
    times = model.time_window(window.key)
    if (
        now is None
        and window.rows == 0
        and times
        and not model.is_over(times, standing.windows, standing.done)
    ):
        now = window
    if now != window:
        return None
    recorded = record_check(work, looked.findings)
    store.close(work.session, work.project, name, window, model.closed_key(window), to_text(work.now))
    return recorded


def _plan(target: Target, batch: Batch, standing: Standing) -> tuple[list[tuple[Part, Rows]], int, int]:
    """Which rows go to which window, how many are too late for any, and how many have no time."""
    rule, windows, done = target.monitor.windows, standing.windows, standing.done
    if not isinstance(rule, TimeRule):
        parts = model.number_parts(rule, windows, done, batch.rows)
        return [(part, slice(part.first, part.last)) for part in parts], 0, 0
    extent = batch.extent()
    if extent is None or batch.timed is None:
        return [], 0, batch.rows
    late = batch.timed.copy()
    plan: list[tuple[Part, Rows]] = []
    for part in model.time_parts(rule, *extent):
        assert part.window is not None
        chosen = batch.within(part.window)
        if chosen.any() and not model.is_over(part.window, windows, done):
            plan.append((part, chosen))
            late &= ~chosen
    return plan, int(late.sum()), batch.rows - int(batch.timed.sum())


def _findings(
    target: Target,
    window: PushWindow,
    profile: Profile,
    earlier: Callable[[], Sequence[PastWindow]],
    evidence: ContentStore,
    now: datetime,
) -> CheckFindings:
    monitor, times = target.monitor, model.time_window(window.key)
    result = _comparing.compare(
        monitor.engine, target.reference, profile, target.wanted.columns, monitor.settings
    )
    kept = msgspec.json.encode(profile)
    batches = window.batches.count
    # The digest is that of the profile as it is kept as evidence: of the rows nothing else is left.
    looked_at = Window(
        location=f"{batches} pushed batch{'' if batches == 1 else 'es'}",
        digest=digest_bytes(kept),
        size=len(kept),
        files=0,
        rows=profile.rows,
        start=to_text(times.start) if times else None,
        end=to_text(times.end) if times else None,
        name="" if times else model.closed_key(window),
    )
    found = EngineResult(check=result, current_profile=profile)
    violations: tuple[Violation, ...] = ()
    if target.constraints is not None:
        from crisplens.monitors.quality.judge import judge

        fresh = target.constraints.freshness
        timed = window.newest and fresh and fresh.column == target.wanted.time_column
        violations = judge(
            target.constraints,
            profile,
            reference_rows=monitor.reference.rows,
            now=min(now, times.end) if times else now,
            newest=parse_time(window.newest) if timed else None,
        )[:MOST_VIOLATIONS]
    doubted = checking.with_doubts(found, monitor, looked_at, violations)
    moving = checking.look_back(monitor, looked_at, doubted, earlier, evidence)
    return CheckFindings(monitor, looked_at, doubted, violations, moving)


def nothing_pushed(monitor: Monitor) -> CheckFindings:
    """What is recorded when a schedule asks for a window that nothing was pushed to."""
    error = InputError("nothing was pushed since the last check", slug="nothing-due")
    return checking.unreadable(monitor, error)


def _reference(monitor: Monitor, evidence: ContentStore) -> Profile:
    digest = monitor.reference_profile
    if digest not in _references:
        _make_room(_references)
        _references[digest] = read_profile(evidence, digest)
    return _references[digest]


def _held_to(monitor: Monitor, evidence: ContentStore) -> Constraints | None:
    digest = monitor.constraints
    if digest is None:
        return None
    if digest not in _constraints:
        from crisplens.monitors.constraints import read_kept

        _make_room(_constraints)
        _constraints[digest] = read_kept(evidence, digest)
    return _constraints[digest]


def _make_room(kept: dict[str, object] | dict[str, Profile] | dict[str, Constraints]) -> None:
    if len(kept) >= MOST_KEPT:
        kept.clear()
