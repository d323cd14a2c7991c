"""What of a check's result is kept in an event: all columns, but for very wide tables. Pure."""

from __future__ import annotations

import msgspec

from crisplens.monitors.model import BAD_VERDICTS, FOUND, CheckResult, ColumnCheck

# About 400 kB of events. Nobody reads more, and every later reading of the checks would load them.
MOST_COLUMNS = 500


def bounded(result: CheckResult, most: int = MOST_COLUMNS) -> CheckResult:
    """The result with at most so many columns: the drifting ones first, strongest first, then the bad ones.

    Of few columns it is the result itself, in which they keep their order.
    """
    if len(result.columns) <= most:
        return result
    kept = tuple(sorted(result.columns, key=_urgency)[:most])
    return msgspec.structs.replace(result, columns=kept, left_out=len(result.columns) - most)


def _urgency(column: ColumnCheck) -> tuple[int, float]:
    if column.verdict in FOUND:
        return 0, -(column.effect or 0.0)
    return (1, 0.0) if column.verdict in BAD_VERDICTS else (2, 0.0)
