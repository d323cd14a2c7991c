"""A monitor's past windows, judged anew by other settings: their profiles are kept, so no data is read.

Where it has a moving reference, each window is compared with the windows before it as they were known then: what was
accepted later excuses nothing that came before.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from crisplens.core.content_store import ContentStore
from crisplens.core.errors import InputError
from crisplens.monitors import moving, tuning
from crisplens.monitors.alarms import AlarmSettings
from crisplens.monitors.features import resolved
from crisplens.monitors.kept_profiles import read_profile
from crisplens.monitors.model import CheckSettings, Profile, Verdict
from crisplens.monitors.queries import Check, Monitor
from crisplens.monitors.scores import METHODS

_COMPARED = (Verdict.DRIFT, Verdict.NO_DRIFT)


class PastWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A window that was checked: what was decided then, and what these settings would have said.

    `excused` are columns that would drift from the reference, but are excused by the windows before.
    """

    check: str
    window: str
    verdict: Verdict
    alarmed: bool
    drifting: tuple[str, ...]
    alarming: tuple[str, ...]
    excused: tuple[str, ...] = ()


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """What settings would have said over a monitor's past windows, and in how many alarms would have begun."""

    monitor: str
    settings: CheckSettings
    windows: tuple[PastWindow, ...]
    alarms: int


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One setting: false alarms on the past windows, and how soon an injected drift is found (windows; None for not).

    `rate_at_most` is what the share of windows with a false alarm may be in truth, with 95% confidence.
    """

    tolerance: float
    needed: int
    of: int
    false_alarms: int
    windows: int
    rate_at_most: float
    found: float | None
    delay: int | None
    late_delay: int | None


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """The setting that finds drift of `effect` soonest within the wanted rate, if any, and all that were weighed."""

    monitor: str
    effect: float
    chosen: Choice | None
    weighed: tuple[Choice, ...]


def backtest(
    monitor: Monitor,
    checks: Sequence[Check],
    settings: CheckSettings,
    evidence: ContentStore,
    *,
    earlier: Sequence[moving.PastWindow] = (),
) -> Backtest:
    """What `settings` would have said over the windows of `checks`, oldest first; each window's newest check counts.

    `earlier` are the same checks for a moving reference (`queries.past_windows`). Raises `InputError` when no window
    was profiled, or the settings decide by a share.
    """
    reference, kept, windows = _load(monitor, checks, evidence)
    fitted = resolved(settings, reference)
    found = tuning.backtest(
        _judged_by_effect(reference, fitted),
        windows,
        _alarm_settings(fitted),
        before=_before(monitor, settings, kept, reference, windows, earlier, evidence),
        scored=[_beyond(check, fitted) for check in kept],
    )
    told = tuple(
        PastWindow(
            check=check.id,
            window=check.window.key if check.window.end or check.window.name else check.window.location,
            verdict=check.result.verdict,
            alarmed=check.decision.alarm,
            drifting=one.flagged,
            alarming=one.alarming,
            excused=one.excused,
        )
        for check, one in zip(kept, found, strict=True)
    )
    return Backtest(
        monitor=monitor.name, settings=settings, windows=told, alarms=sum(bool(one.new) for one in found)
    )


def tune(
    monitor: Monitor,
    checks: Sequence[Check],
    evidence: ContentStore,
    *,
    most_alarms: float,
    period: int,
    effect: float = 0.2,
    earlier: Sequence[moving.PastWindow] = (),
) -> Tuning:
    """Settings with at most `most_alarms` false alarms in `period` windows that find drift of `effect` soonest.

    The past windows are taken as quiet, but for those of checks that an incident was opened for or belongs to.
    `earlier` are the same checks for a moving reference (`queries.past_windows`). Raises `InputError` when no window
    was profiled, and for a rate or effect that cannot be.
    """
    reference, kept, windows = _load(monitor, checks, evidence)
    drifting = [(at, at + 1) for at, check in enumerate(kept) if check.incident is not None]
    fitted = resolved(monitor.settings, reference)
    found = tuning.propose(
        _judged_by_effect(reference, fitted),
        windows,
        _alarm_settings(fitted),
        most_alarms=most_alarms,
        period=period,
        w=effect,
        drifting=drifting,
        before=_before(monitor, monitor.settings, kept, reference, windows, earlier, evidence),
    )
    return Tuning(
        monitor=monitor.name,
        effect=effect,
        chosen=None if found.chosen is None else _choice(found.chosen),
        weighed=tuple(map(_choice, found.weighed)),
    )


def _load(
    monitor: Monitor, checks: Sequence[Check], evidence: ContentStore
) -> tuple[Profile, list[Check], list[Profile]]:
    if monitor.plan is not None:
        raise InputError(
            f"{monitor.name} watches performance, and only monitors of drift can be tried on past windows",
            slug="bad-setting",
        )
    newest = {check.window.key: check for check in checks if check.attachments and check.result.columns}
    if not newest:
        raise InputError(
            f"no window of {monitor.name} has been profiled yet",
            slug="nothing-due",
            hint=f"`crisplens monitor run {monitor.name}` checks one.",
        )
    kept = sorted(newest.values(), key=lambda check: (check.window.start or "", check.seq))
    windows = [read_profile(evidence, check.attachments[0]) for check in kept]
    return read_profile(evidence, monitor.reference_profile), kept, windows


def _before(
    monitor: Monitor,
    settings: CheckSettings,
    kept: Sequence[Check],
    reference: Profile,
    windows: Sequence[Profile],
    earlier: Sequence[moving.PastWindow],
    evidence: ContentStore,
) -> list[Profile | None]:
    """For each window the accepted windows before it, as they were known when it was checked."""
    also = settings.also
    # Most monitors have none, and most windows nothing accepted before them.
    if also is None or not any(one.accepted for one in earlier):
        return []
    profiles = {check.attachments[0]: window for check, window in zip(kept, windows, strict=True)}
    by_seq = {one.seq: one for one in earlier}

    def read(digest: str) -> Profile:
        return profiles[digest] if digest in profiles else read_profile(evidence, digest)

    return [
        moving.accepted_windows(
            also,
            by_seq[check.seq],
            moving.known_by(earlier, check.seq, check.recorded_at),
            read,
            reference=reference,
            rows=window.rows,
            minimum_rows=settings.minimum_rows,
            zone=monitor.zone,
        )
        if check.seq in by_seq
        else None
        for check, window in zip(kept, windows, strict=True)
    ]


def _judged_by_effect(reference: Profile, settings: CheckSettings) -> Profile:
    """The reference without the columns whose thresholds decide: no tolerance or level is asked for them."""
    columns = tuple(column for column in reference.columns if column.name not in settings.thresholds)
    return msgspec.structs.replace(reference, columns=columns)


def _beyond(check: Check, settings: CheckSettings) -> dict[str, bool]:
    """Whether each column with a threshold is beyond it, by the score that the check recorded."""
    return {
        one.column: METHODS[one.method].drifts(one.score, settings.thresholds[one.column])
        if one.method in METHODS
        else one.verdict is Verdict.DRIFT
        for one in check.result.columns
        if one.column in settings.thresholds and one.verdict in _COMPARED and one.score is not None
    }


def _alarm_settings(settings: CheckSettings) -> AlarmSettings:
    if settings.drift_share is not None:
        raise InputError(
            "a monitor with a drift share decides by scores, and has no tolerance to try",
            slug="bad-setting",
            hint="Add one without --drift-share.",
        )
    return AlarmSettings(
        tolerance=settings.tolerance,
        level=settings.level,
        weights=settings.weights,
        needed=settings.needed,
        of=settings.of,
        together=False,
    )


def _choice(one: tuning.TradeOff) -> Choice:
    return Choice(
        tolerance=one.settings.tolerance,
        needed=one.settings.needed,
        of=one.settings.of,
        false_alarms=one.false_alarms,
        windows=one.quiet_windows,
        rate_at_most=one.rate_at_most,
        found=one.found,
        delay=one.delay,
        late_delay=one.late_delay,
    )
