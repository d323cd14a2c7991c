"""A clock that tests of monitors move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crisplens.core import clock

START = datetime(2031, 3, 1, tzinfo=UTC)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        return self.moment

    def move(self, **by: float) -> None:
        """Let time pass."""
        self.moment += timedelta(**by)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of every command."""
    stopped = Clock()
    monkeypatch.setattr(clock, "now", stopped)
    return stopped
