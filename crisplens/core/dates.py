"""Days as the record keeps them: YYYY-MM-DD, so that text order is their order."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from crisplens.core.errors import InputError


def day_of(moment: datetime) -> str:
    """The day of `moment` (time-zone aware), in UTC."""
    return moment.astimezone(UTC).date().isoformat()


def day_after(day: str) -> str:
    """The day after `day`."""
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def check_date(what: str, text: str) -> str:
    """`text` if it is a day of the calendar, written YYYY-MM-DD, else `InputError` naming `what`."""
    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    raise InputError(
        f"{what} is {text[:60]!r}, which is not a day", slug="bad-time", hint="Write it as 2026-03-01."
    )
