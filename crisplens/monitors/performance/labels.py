"""When a window of predictions has enough of its labels to be measured: labels arrive late. Pure."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from crisplens.core.clock import to_text
from crisplens.core.errors import InputError


class LabelsAwaited(InputError):
    """A window whose labels have not all come stays open."""


class LabelCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How predictions and labels met by key.

    `predictions` counts rows, of which `labelled` have a label. A key of several rows is counted once in
    `repeated_predictions` or `repeated_labels`. Rows without a key, and predictions whose key has labels that
    contradict each other (`conflicting_labels` keys), have no label. `orphan_labels` are keys without a prediction.
    """

    predictions: int
    labelled: int
    without_key: int = 0
    repeated_predictions: int = 0
    repeated_labels: int = 0
    conflicting_labels: int = 0
    orphan_labels: int = 0

    @property
    def coverage(self) -> float | None:
        """The share of predictions with a label; None when there is no prediction."""
        return self.labelled / self.predictions if self.predictions else None


class WindowState(StrEnum):
    """Whether a window waits for labels, can be measured, or did not get its labels in time."""

    WAITING = "waiting"
    READY = "ready"
    EXPIRED = "expired"


class LabelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a window's labels are waited for: the share wanted, and the fewest labelled rows."""

    coverage: float = 0.95
    minimum_rows: int = 30


class LabelDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done with a window, why in one sentence, and the share of it that is labelled."""

    state: WindowState
    reason: str
    coverage: float | None


def decide_window(
    counts: LabelCounts, settings: LabelSettings, *, deadline: datetime | None, now: datetime
) -> LabelDecision:
    """Whether the window can be measured: as soon as enough is labelled, and at the deadline not any more.

    Without a deadline a window waits for ever. Times are time-zone aware. Raises `InputError` for a coverage
    outside (0, 1], fewer rows than 1, or a time without a zone.
    """
    check_settings(settings)
    if now.tzinfo is None or (deadline is not None and deadline.tzinfo is None):
        raise InputError("a time has no time zone", slug="bad-time", hint="Write 2026-03-01T12:00:00Z, say.")
    share = counts.coverage
    wanted = f"{settings.coverage:.4g} are wanted"
    if share is None:
        what = "The window has no predictions"
    else:
        what = f"{counts.labelled} of {counts.predictions} predictions are labelled ({share:.4g}; {wanted})"
    if share is not None and share >= settings.coverage:
        if counts.labelled >= settings.minimum_rows:
            return LabelDecision(state=WindowState.READY, reason=f"{what}.", coverage=share)
        what += f", fewer than {settings.minimum_rows} rows"
    if deadline is not None and now >= deadline:
        ended = f"{what}, and the deadline {to_text(deadline)[:16].replace('T', ' ')} UTC has passed."
        return LabelDecision(state=WindowState.EXPIRED, reason=ended, coverage=share)
    until = (
        "without a deadline" if deadline is None else f"until {to_text(deadline)[:16].replace('T', ' ')} UTC"
    )
    return LabelDecision(state=WindowState.WAITING, reason=f"{what}; waiting {until}.", coverage=share)


def check_settings(settings: LabelSettings) -> None:
    """Raise `InputError` for settings that no window can meet or every one does."""
    if not 0 < settings.coverage <= 1:
        raise InputError(
            f"the coverage {settings.coverage:g} is not above 0 and at most 1", slug="bad-setting"
        )
    if settings.minimum_rows < 1:
        raise InputError(f"the minimum of rows is {settings.minimum_rows}, not 1 or more", slug="bad-setting")
