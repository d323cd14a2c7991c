"""Looking at a window's data: it is compared with the reference, and what makes it doubtful is said.

A check is three steps, so that no writer waits while data is read: load the monitor (`get_monitor`), look at the
data (`carry_out_check`, which touches no database), record what was found (`recording.record_check`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

import msgspec

from crisplens.core.clock import to_text
from crisplens.core.content_store import ContentStore
from crisplens.core.decoding import decode_json
from crisplens.core.errors import InputError
from crisplens.monitors.engines.by_name import REFERENCE_ROWS_NEEDED, get_engine, reads_reference_rows
from crisplens.monitors.engines.interface import EngineResult, Reference, Rows, TimeSlice
from crisplens.monitors.engines.parts import (
    Expected,
    Stamps,
    expected_columns,
    is_changed,
    left_out,
    look_at_readable,
    stamps,
)
from crisplens.monitors.features import resolved
from crisplens.monitors.kept_profiles import read_profile
from crisplens.monitors.model import FOUND, CheckResult, MovingFindings, Profile, Verdict
from crisplens.monitors.moving import PastWindow, choose_windows, compare
from crisplens.monitors.performance.plans import PerformanceBaseline, PerformancePlan, VariantPlan
from crisplens.monitors.quality.model import Violation
from crisplens.monitors.queries import Monitor
from crisplens.monitors.sources.by_location import opened_source
from crisplens.monitors.states import Window
from crisplens.registry.data.content import Bytes, digest_table
from crisplens.registry.data.files import Table
from crisplens.registry.data.locations import shown_location

# More would not be read, and the event has to stay small.
MOST_VIOLATIONS = 100


@dataclass(frozen=True)
class CheckFindings:
    """What `carry_out_check` found, ready to be recorded."""

    monitor: Monitor
    window: Window
    found: EngineResult
    violations: tuple[Violation, ...] = ()
    moving: MovingFindings | None = None


def carry_out_check(
    monitor: Monitor,
    *,
    evidence: ContentStore,
    engine: str | None = None,
    rows: Rows,
    now: datetime,
    earlier: Callable[[], Sequence[PastWindow]] = tuple,
) -> CheckFindings:
    """Compare a window of a monitor with its reference; the registry's database is not touched.

    `earlier` gives the windows that the monitor has looked at (`past_windows`), and is asked where they may excuse
    a drift.

    Raises `InputError` when the data cannot be read at all or changes meanwhile, `RegistryError` when the engine
    fails.
    """
    if rows.remote is not None:
        return _look_at_remote(monitor, evidence, engine or monitor.engine, rows, now, earlier)
    asked, before = rows.table, stamps(rows.table)
    with ThreadPoolExecutor(max_workers=1) as pool:
        digesting = pool.submit(_digest, asked, before)
        try:
            found, rows = look_at_readable(
                lambda part: _look(monitor, evidence, engine or monitor.engine, part, now),
                rows,
                _expected(monitor, evidence, asked),
            )
            content = digesting.result() if rows.table == asked else _digest(rows.table, before)
        except InputError:
            _check_unchanged(asked, before)
            raise
    _check_unchanged(rows.table, before)
    return _findings(monitor, evidence, rows, found, content, now, earlier)


def unreadable(monitor: Monitor, error: InputError, rows: Rows | None = None) -> CheckFindings:
    """What is recorded when the data that a schedule asked for cannot be read."""
    result = CheckResult(
        engine=monitor.engine,
        verdict=Verdict.BAD_DATA,
        reason=f"The data could not be read: {error.message}.",
        columns=(),
        reference_rows=monitor.reference.rows,
        current_rows=0,
        drifted=0,
        checked=0,
        drift_share=monitor.settings.drift_share,
    )
    window = _window(rows or Rows(Table(shown_location(monitor.current), (), "")), Bytes("", 0, 0), 0)
    return CheckFindings(monitor, window, EngineResult(result, None))


def look_back(
    monitor: Monitor,
    window: Window,
    found: EngineResult,
    earlier: Callable[[], Sequence[PastWindow]],
    evidence: ContentStore,
) -> MovingFindings | None:
    """What the windows before say of a drift from the reference; None where there is nothing to excuse."""
    also, current = monitor.settings.also, found.current_profile
    if also is None or current is None or found.check.verdict is not Verdict.DRIFT:
        return None
    now = PastWindow(key=window.key, start=window.start, end=window.end, verdict=found.check.verdict)
    chosen = choose_windows(also, now, earlier(), zone=monitor.zone)
    reference = read_profile(evidence, monitor.reference_profile)
    return compare(
        also,
        chosen,
        [read_profile(evidence, one.profile) for one in chosen],
        reference=reference,
        current=current,
        checks=found.check.columns,
        settings=resolved(monitor.settings, reference),
    )


def with_doubts(
    found: EngineResult,
    monitor: Monitor,
    window: Window,
    violations: tuple[Violation, ...],
    missing: str = "",
) -> EngineResult:
    """The result, with what makes its data doubtful said in its reason, and a verdict of bad data where it breaks
    what it is held to."""
    check, said = found.check, [missing] if missing else []
    errors = [one for one in violations if one.severity == "error"]
    if errors:
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        said.append(f"It breaks a constraint: {errors[0].reason.rstrip('.')}{more}.")
    if window.digest and window.digest == monitor.reference.digest:
        said.append("Its data is the very data of the reference.")
    if not said:
        return found
    verdict = Verdict.BAD_DATA if (errors or missing) and check.verdict not in FOUND else check.verdict
    judged: CheckResult = msgspec.structs.replace(
        check, verdict=verdict, reason=" ".join([check.reason, *said])
    )
    return replace(found, check=judged)


def text_columns(monitor: Monitor, evidence: ContentStore) -> tuple[str, ...]:
    """The columns of a monitor's reference whose values are text, whatever they look like."""
    from crisplens.monitors.engines.ibis_engine import text_columns

    profile = read_profile(evidence, monitor.reference_profile)
    return text_columns(profile)


def _look_at_remote(
    monitor: Monitor,
    evidence: ContentStore,
    engine: str,
    rows: Rows,
    now: datetime,
    earlier: Callable[[], Sequence[PastWindow]],
) -> CheckFindings:
    from crisplens.monitors.engines.ibis_engine import profile_identity

    found = _look(monitor, evidence, engine, rows, now)
    assert found.current_profile is not None, "engines that push down profile every window"
    content = Bytes(*profile_identity(found.current_profile), files=0)
    return _findings(monitor, evidence, rows, found, content, now, earlier)


def _findings(
    monitor: Monitor,
    evidence: ContentStore,
    rows: Rows,
    found: EngineResult,
    content: Bytes,
    now: datetime,
    earlier: Callable[[], Sequence[PastWindow]],
) -> CheckFindings:
    window = _window(rows, content, found.check.current_rows)
    violations: tuple[Violation, ...] = ()
    if monitor.constraints is not None and found.current_profile is not None:
        from crisplens.monitors.constraints import judge_window, read_kept

        held_to = read_kept(evidence, monitor.constraints)
        violations = judge_window(
            held_to, found.current_profile, rows, reference_rows=monitor.reference.rows, now=now
        )[:MOST_VIOLATIONS]
    doubted = with_doubts(found, monitor, window, violations, left_out(rows.table))
    return CheckFindings(
        monitor, window, doubted, violations, look_back(monitor, window, doubted, earlier, evidence)
    )


def _look(monitor: Monitor, evidence: ContentStore, engine: str, rows: Rows, now: datetime) -> EngineResult:
    if isinstance(monitor.plan, VariantPlan):
        from crisplens.monitors.performance.variant_checks import check_variants

        return check_variants(monitor.plan, monitor.settings, rows)
    kept = evidence.read(monitor.reference_profile)
    if isinstance(monitor.plan, PerformancePlan):
        from crisplens.monitors.performance.checks import check_performance

        baseline = decode_json(kept, PerformanceBaseline)
        return check_performance(monitor.plan, monitor.settings, baseline, rows, now=now)
    chosen = get_engine(engine)
    with _reference_rows(monitor, chosen.name) as table:
        reference = Reference(table=table, profile=decode_json(kept, Profile))
        return chosen.check(reference, rows, monitor.settings)


@contextmanager
def _reference_rows(monitor: Monitor, engine: str) -> Iterator[Table | None]:
    """The reference's rows, for an engine that reads them. `InputError` when they are not those of the profile."""
    if not reads_reference_rows(engine, monitor.settings):
        yield None
        return
    with opened_source(monitor.reference.location) as table:
        if digest_table(table).digest != monitor.reference.digest:
            raise InputError(
                f"the reference {monitor.reference.location} is not the data that the monitor was added with",
                slug="reference-changed",
                hint=f"Engine {engine} needs its rows: restore the file, or use --engine duckdb."
                if engine in REFERENCE_ROWS_NEEDED
                else "Its scores need its rows: restore the file, or take scores from its profile alone.",
            )
        yield table


def _expected(monitor: Monitor, evidence: ContentStore, table: Table) -> tuple[Expected, ...]:
    """What a window's files must agree on, where there are several: for drift, the reference's columns."""
    if monitor.plan is not None or len(table.files) < 2:
        return ()
    profile = read_profile(evidence, monitor.reference_profile)
    return expected_columns(profile, monitor.settings.columns)


def _check_unchanged(table: Table, before: Stamps) -> None:
    if is_changed(table, before):
        raise InputError(
            f"{table.pattern} changed while it was read",
            slug="changed-while-read",
            hint="Check it once its writer is done; writing to another name and renaming keeps readers safe.",
        )


@lru_cache(maxsize=32)
def _digest(table: Table, _stamps: Stamps) -> Bytes:
    """The content's digest, read once for all windows of files that have not changed."""
    return digest_table(table)


def _window(rows: Rows, content: Bytes, count: int) -> Window:
    return Window(
        location=rows.table.pattern,
        digest=content.digest,
        size=content.size,
        files=content.files,
        rows=count,
        start=to_text(rows.only.start) if isinstance(rows.only, TimeSlice) else None,
        end=to_text(rows.only.end) if isinstance(rows.only, TimeSlice) else None,
        name=rows.name,
    )
