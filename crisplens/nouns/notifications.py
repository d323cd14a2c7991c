"""Telling people and systems of incidents and triggers: the log is read on from where it was told before."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from crisplens.binding import Noun
from crisplens.core import clock
from crisplens.core.clock import to_text
from crisplens.core.errors import InputError
from crisplens.core.names import unknown_name
from crisplens.ledger.queries import EventFilter, read_events, tree_head
from crisplens.monitors.notifications import delivery, sending, spool
from crisplens.monitors.notifications.channels import read_channels
from crisplens.monitors.notifications.model import (
    Channel,
    Delivery,
    NoticeKind,
    SendError,
    Severity,
    make_notice,
)
from crisplens.monitors.notifications.notices import notice_of

if TYPE_CHECKING:
    from crisplens.api import Registry

SPOOL = ".crisplens/notifications"
# Where nothing was told before, what happened so long ago still is; and so long delivered ones are kept.
FIRST_TOLD, KEPT = timedelta(days=1), timedelta(days=30)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What one run told: how many notices were new, and the deliveries that were tried."""

    notices: int
    deliveries: tuple[Delivery, ...]


class Notifications(Noun):
    """`crisplens notification`"""

    _registry: Registry

    def channels(self) -> tuple[Channel, ...]:
        """The channels of `crisplens.toml`, in their order. Raises `InputError` for one that cannot be used."""
        configuration = self._registry.configuration
        return read_channels(configuration.notifications, folder=configuration.folder)

    def deliver(self) -> Told:
        """Put what happened since the last time into the spool, then send what is due.

        A notice is on its way from the moment it is in the spool; a crash repeats at most the last attempt, and
        receivers know repeats by the notice's id. Raises `HalfDone` when the spool cannot be used.
        """
        channels, now = self.channels(), clock.now()
        if not channels:
            return Told(notices=0, deliveries=())
        with self._registry.reading_log() as session:
            after, head = self._told_until(), tree_head(session).size - 1
            if after is not None and after > head:
                # An older copy of the registry was put back, and what it recorded since has other numbers.
                after = None
            recent = EventFilter(since=to_text(now - FIRST_TOLD)) if after is None else EventFilter()
            events = read_events(session, recent, after=-1 if after is None else after)
        notices = [one for one in map(notice_of, events) if one is not None]
        for notice in notices:
            delivery.enqueue(self._spool, notice, channels)
        if head != after:
            spool.prepare(self._spool)
            spool.write_position(self._spool, head)
        delivery.forget_delivered(self._spool, before=now - KEPT)
        sent = delivery.deliver_due(self._spool, channels, now=now)
        return Told(notices=len(notices), deliveries=tuple(sent))

    def list(self, *, dead: bool = False) -> list[Delivery]:
        """The deliveries that the spool knows of, oldest first; with `dead`, those that were given up."""
        return delivery.dead_letters(self._spool) if dead else delivery.list_deliveries(self._spool)

    def retry(self, id: str) -> Delivery:
        """Give a dead letter all its attempts again, from the next `deliver` on. `InputError` when it is none."""
        return delivery.retry_dead(self._spool, id)

    def test(self, channel: str) -> Channel:
        """Send a test through a channel now. `InputError` when it is unknown, or says why it cannot be sent."""
        known = {one.name: one for one in self.channels()}
        if channel not in known:
            none_yet = "Write a table [notifications.NAME] into crisplens.toml."
            raise unknown_name("notification channel", channel, known, none_yet=none_yet)
        notice = make_notice(
            NoticeKind.INCIDENT_OPENED,
            project=self._registry.configuration.project or "",
            summary="This is a test: nothing has happened.",
            severity=Severity.INFO,
            at=to_text(clock.now()),
        )
        try:
            sending.send(known[channel], notice, clock.now())
        except SendError as error:
            raise InputError(f"{channel}: {error}", slug="not-delivered") from None
        return known[channel]

    @property
    def _spool(self) -> Path:
        return self._registry.configuration.folder / SPOOL

    @property
    def _position(self) -> Path:
        return spool.position_of(self._spool)

    def _told_until(self) -> int | None:
        try:
            return int(json.loads(self._position.read_text(encoding="utf-8"))["told_until"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self._position} cannot be read: {error}",
                slug="notification-spool",
                hint="Remove it: what happened in the last day is told again, and receivers drop repeats.",
            ) from None
