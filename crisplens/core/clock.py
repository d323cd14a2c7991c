"""Time as the record keeps it: UTC, RFC 3339, microseconds."""

from __future__ import annotations

from datetime import UTC, datetime

from crisplens.core.errors import InputError


def now() -> datetime:
    """The current time in UTC; doors call it once per command and hand it down."""
    return datetime.now(UTC)


def to_text(moment: datetime) -> str:
    """`moment` (time-zone aware) as RFC 3339 in UTC, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time or an ISO date; without a zone it is UTC. Raises `InputError`."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError(
            f"{text!r} is not a time",
            slug="bad-time",
            hint="Write an ISO 8601 time such as 2026-03-01, 2026-03-01T12:30 or 2026-03-01T12:30:00+01:00.",
        ) from None
