"""From the verdicts of columns to the verdict of a window. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from crisplens.monitors.model import BAD_VERDICTS, CheckSettings, ColumnCheck, Verdict

_COMPARED = frozenset({Verdict.DRIFT, Verdict.NO_DRIFT})
_IN_WORDS = {
    Verdict.MISSING_COLUMN: "missing",
    Verdict.WRONG_TYPE: "of the wrong type",
    Verdict.ALL_NULL: "all null",
    Verdict.INSUFFICIENT_DATA: "with too few values",
    Verdict.UNSUPPORTED: "of an unsupported type",
}
_MOST_NAMES = 5


def count_checked(columns: Sequence[ColumnCheck]) -> tuple[int, int]:
    """How many columns drift, and how many could be compared."""
    drifted = sum(column.verdict is Verdict.DRIFT for column in columns)
    return drifted, sum(column.verdict in _COMPARED for column in columns)


def decide(
    columns: Sequence[ColumnCheck], settings: CheckSettings, *, current_rows: int
) -> tuple[Verdict, str]:
    """The window's verdict and the reason in one sentence that hides nothing: drifting and bad columns alike.

    The window drifts when at least `settings.drift_share` of the compared columns do, as in Evidently's
    `DataDriftPreset`. Otherwise it is bad data when it has no rows, when a column is missing, of the wrong
    type or all null, and when no column could be compared.
    """
    if current_rows == 0:
        return Verdict.BAD_DATA, "The window has no rows."
    drifted, checked = count_checked(columns)
    bad = any(column.verdict in BAD_VERDICTS for column in columns)
    drift = checked > 0 and drifted / checked >= settings.drift_share
    parts = [_drift_in_words(columns, drifted, checked, settings.drift_share)]
    parts += [
        f"{_names(named)} {'is' if len(named) == 1 else 'are'} {words}"
        for verdict, words in _IN_WORDS.items()
        if (named := [column.column for column in columns if column.verdict is verdict])
    ]
    reason = "; ".join(parts) + "."
    if drift:
        return Verdict.DRIFT, reason
    return (Verdict.BAD_DATA if bad or not checked else Verdict.NO_DRIFT), reason


def _drift_in_words(columns: Sequence[ColumnCheck], drifted: int, checked: int, share: float) -> str:
    if not checked:
        return "No column could be compared"
    of = f"of {checked} compared column{'' if checked == 1 else 's'}"
    if not drifted:
        return f"None {of} drifts"
    named = _names([column.column for column in columns if column.verdict is Verdict.DRIFT])
    side = "at least" if drifted / checked >= share else "less than"
    return f"{drifted} {of} drift ({named}), {side} the share {share:g} that counts as drift"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    more = len(names) - _MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
