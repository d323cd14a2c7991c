"""What a scheduler tells whoever listens: checks, incidents that it handed up, what was sent, how it does itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec

from crisplens.monitors.incidents.queries import Incident
from crisplens.nouns.monitors import DueRun
from crisplens.nouns.notifications import Told


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What was done for one monitor."""

    project: str
    run: DueRun


class HandedUp(msgspec.Struct, frozen=True, kw_only=True):
    """Incidents that nobody took on in time, and who has them now."""

    project: str
    escalated: tuple[Incident, ...]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Something to know about the scheduler itself; `important` unless all is well."""

    text: str
    important: bool = True


News = Checked | HandedUp | Told | Said


class Teller:
    """Tells `listen`, from any thread, what is news."""

    def __init__(self, listen: Callable[[News], None]) -> None:
        self._listen = listen
        self._said: dict[str, str] = {}

    def tell(self, news: News) -> None:
        """Tell something."""
        # Nobody who listens may stop the work.
        with suppress(Exception):
            self._listen(news)

    def say(self, about: str, text: str) -> None:
        """Say something once: not again until something else is said about the same."""
        if self._said.get(about, "") != text:
            self._said[about] = text
            if text:
                self.tell(Said(text=text))
