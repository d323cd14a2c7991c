"""What a scheduler does besides checking: hand up incidents that nobody takes on, and send notifications."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from crisplens.core.errors import CrisplensError
from crisplens.nouns.scheduling_leases import HeldLeases
from crisplens.nouns.scheduling_news import HandedUp, Teller

if TYPE_CHECKING:
    from crisplens.api import Registry

ESCALATION, NOTIFICATION = "escalation", "notification"
OF_ALL_PROJECTS = ""


@dataclass
class Duties:
    """Each duty is one scheduler's, which takes it while `go_on` says so and keeps it until it ends."""

    registry: Registry
    held: HeldLeases
    teller: Teller
    go_on: Callable[[], bool]

    def attend(self, projects: Sequence[str]) -> None:
        """Hand up what is overdue in these projects, then send what is due. A failure is told, and ends nothing."""
        for project in projects:
            self._in_peace(f"{ESCALATION} {project}", partial(self._hand_up, project))
        self._in_peace(NOTIFICATION, self._deliver)

    def _in_peace(self, about: str, do: Callable[[], None]) -> None:
        try:
            do()
            self.teller.say(about, "")
        except CrisplensError as error:
            self.teller.say(about, error.message)
        except Exception as error:
            self.teller.say(about, f"crisplens failed: {type(error).__name__}: {error}")

    def _hand_up(self, project: str) -> None:
        if self._is_ours(project, ESCALATION):
            late = self.registry.on_project(project).incident.escalate_overdue()
            if late:
                self.teller.tell(HandedUp(project=project, escalated=late))

    def _deliver(self) -> None:
        notification = self.registry.notification
        if notification.channels() and self._is_ours(OF_ALL_PROJECTS, NOTIFICATION):
            told = notification.deliver()
            if told.deliveries:
                self.teller.tell(told)

    def _is_ours(self, project: str, name: str) -> bool:
        """Whether this process has this duty. It keeps it until it stops: another has its own folder of notices."""
        if (project, name) in self.held:
            return True
        if not self.go_on():
            return False
        with self.held.taking(project, name) as (_, lease):
            return lease is not None
