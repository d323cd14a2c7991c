"""Delivery at least once: notices wait in a spool folder until they arrive, or are given up after a last attempt.

An attempt is noted before it is made, then its outcome. A process that dies in between leaves an attempt of which
nobody knows how it ended, so that one is made again later: its receiver may get that notice twice, and drops the
repeat by the notice's id. Notices through one channel arrive in no fixed order: `at` tells it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from random import random as draw

import msgspec

from crisplens.core.clock import parse_time, to_text
from crisplens.core.errors import InputError
from crisplens.core.names import unknown_name
from crisplens.monitors.notifications import spool
from crisplens.monitors.notifications.model import (
    Channel,
    Delivery,
    DeliveryState,
    Notice,
    NoticeKind,
    SendError,
    check_notice,
)
from crisplens.monitors.notifications.sending import Send
from crisplens.monitors.notifications.sending import send as send_once
from crisplens.monitors.notifications.spool import Damaged, Spooled, delivery_id

# After 30 s, 2 min, 8 min, 32 min, 2 h, 9 h and then every 12 h: about two days in all.
MOST_ATTEMPTS = 10
FIRST_DELAY = timedelta(seconds=30)
FACTOR = 4
LONGEST_DELAY = timedelta(hours=12)
JITTER = 0.25
NOT_ENDED = "the process that made the attempt ended in the middle of it"


def next_attempt(attempts: int, now: datetime, random: float) -> datetime | None:
    """When to try again after `attempts` that failed; None when that were enough.

    The delay grows by `FACTOR` up to `LONGEST_DELAY`; `random`, from [0, 1), moves it by up to a quarter either way,
    so that what failed together is not tried together.
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    delay = min(FIRST_DELAY * int(FACTOR ** max(attempts - 1, 0)), LONGEST_DELAY)
    return now + delay * (1 - JITTER + 2 * JITTER * random)


def enqueue(folder: Path, notice: Notice, channels: Iterable[Channel]) -> list[Delivery]:
    """Put a notice into the spool folder for every channel that takes its kind; what is new is returned.

    What was enqueued before, and even delivered, is left alone: calling it again after a crash is safe. It is on the
    disk when this returns. Raises `InputError` for a notice that cannot be sent, `HalfDone` when the folder
    cannot be used.
    """
    check_notice(notice)
    spool.prepare(folder)
    added = (_add(folder, notice, channel.name) for channel in channels if channel.takes(notice.kind))
    return [delivery for delivery in added if delivery is not None]


def _add(folder: Path, notice: Notice, channel: str) -> Delivery | None:
    id = delivery_id(notice.id, channel)
    # Looked at before the lock too: who delivers it holds that for as long as the receiver takes.
    if _is_known(folder, id):
        return None
    with spool.lock(folder, id, wait=True):
        if _is_known(folder, id):
            return None
        delivery = Delivery(id=id, notice_id=notice.id, channel=channel)
        spool.write(folder, DeliveryState.WAITING, Spooled(notice=notice, delivery=delivery))
        spool.remove(folder, DeliveryState.UNREADABLE, id)
        return delivery


def _is_known(folder: Path, id: str) -> bool:
    return spool.where(folder, id) not in (None, DeliveryState.UNREADABLE)


def deliver_due(
    folder: Path,
    channels: Iterable[Channel],
    *,
    now: datetime,
    send: Send = send_once,
    random: Callable[[], float] = draw,
) -> list[Delivery]:
    """Try every delivery that is due at `now`, once, and return those that were tried or given up.

    Several processes may do so at once: each delivery is tried by one of them. After a channel gave no answer, its
    others wait for the next call. Damaged spool files are set aside and returned as unreadable. Raises
    `HalfDone` when the folder cannot be used; what `send` raises besides `SendError` is not caught.
    """
    by_name = {channel.name: channel for channel in channels}
    started = time.monotonic()
    waiting, damaged = _read_all(folder, DeliveryState.WAITING)
    outcome = [one for one in damaged if _set_aside(folder, one.id)]
    silent: set[str] = set()
    for one in sorted(waiting, key=_order):
        name = one.delivery.channel
        if name in silent or not _is_due(one.delivery, now):
            continue
        with spool.lock(folder, one.delivery.id, wait=False) as mine:
            if not mine:
                continue
            moment = now + timedelta(seconds=time.monotonic() - started)
            tried = _try(folder, one.delivery.id, by_name.get(name), moment, send, random, silent)
            if tried is not None:
                outcome.append(tried)
    return outcome


def _order(one: Spooled) -> tuple[str, str, int]:
    # What one transaction recorded is told in the order of the kinds: an incident before its trigger.
    kinds = list(NoticeKind)
    return one.delivery.next_attempt or "", one.notice.at, kinds.index(one.notice.kind)


def _try(
    folder: Path,
    id: str,
    channel: Channel | None,
    now: datetime,
    send: Send,
    random: Callable[[], float],
    silent: set[str],
) -> Delivery | None:
    """One attempt at a delivery whose lock is held; None when it is no longer due."""
    with suppress(Damaged):
        spooled = spool.read(folder, DeliveryState.WAITING, id)
        if spooled is None or not _is_due(spooled.delivery, now):
            return None
        before = spooled.delivery
        if before.state is not DeliveryState.WAITING:
            return _file(folder, spooled, before)
        if before.attempts >= MOST_ATTEMPTS:
            return _file(folder, spooled, _given_up(before, before.last_error, now))
        attempts = before.attempts + 1
        begun = _failed(before, attempts, NOT_ENDED, next_attempt(attempts, now, random()) or now)
        spool.write(folder, DeliveryState.WAITING, Spooled(notice=spooled.notice, delivery=begun))
        try:
            if channel is None:
                raise SendError(f"the configuration has no channel {before.channel!r}")
            send(channel, spooled.notice, now)
        except SendError as error:
            if error.unreachable:
                silent.add(before.channel)
            return _file(folder, spooled, _after(begun, error, now))
        done = msgspec.structs.replace(
            begun, state=DeliveryState.DELIVERED, last_error="", next_attempt=None, closed_at=to_text(now)
        )
        return _file(folder, spooled, done)
    return None


def _after(begun: Delivery, error: SendError, now: datetime) -> Delivery:
    """What becomes of a delivery whose attempt failed."""
    if error.permanent or begun.attempts >= MOST_ATTEMPTS or begun.next_attempt is None:
        return _given_up(begun, str(error), now)
    earliest = now + timedelta(seconds=error.retry_after)
    again = max(parse_time(begun.next_attempt), earliest)
    return _failed(begun, begun.attempts, str(error), again)


def _failed(delivery: Delivery, attempts: int, error: str, again: datetime) -> Delivery:
    return msgspec.structs.replace(delivery, attempts=attempts, last_error=error, next_attempt=to_text(again))


def _given_up(delivery: Delivery, error: str, now: datetime) -> Delivery:
    return msgspec.structs.replace(
        delivery, state=DeliveryState.DEAD, last_error=error, next_attempt=None, closed_at=to_text(now)
    )


def _file(folder: Path, spooled: Spooled, delivery: Delivery) -> Delivery:
    """Note how it went, then file it where that belongs."""
    spool.write(folder, DeliveryState.WAITING, Spooled(notice=spooled.notice, delivery=delivery))
    if delivery.state is not DeliveryState.WAITING:
        spool.refile(folder, delivery.id, DeliveryState.WAITING, delivery.state)
    return delivery


def _is_due(delivery: Delivery, now: datetime) -> bool:
    return delivery.next_attempt is None or parse_time(delivery.next_attempt) <= now


def list_deliveries(folder: Path) -> list[Delivery]:
    """All that the spool folder knows of, oldest notice first; damaged files last, as unreadable."""
    known: dict[str, Spooled] = {}
    unreadable: list[Delivery] = []
    for state in DeliveryState:
        readable, damaged = _read_all(folder, state)
        if state is DeliveryState.UNREADABLE:
            damaged += [_unreadable(one.delivery.id, "it has been mended: retry it") for one in readable]
        else:
            known |= {one.delivery.id: one for one in readable}
        unreadable += damaged
    ordered = sorted(known.values(), key=lambda one: (one.notice.at, one.notice.id, one.delivery.channel))
    return [one.delivery for one in ordered] + unreadable


def dead_letters(folder: Path) -> list[Delivery]:
    """What will not be tried again by itself: given up, or unreadable."""
    closed = (DeliveryState.DEAD, DeliveryState.UNREADABLE)
    return [delivery for delivery in list_deliveries(folder) if delivery.state in closed]


def get_notice(folder: Path, id: str) -> Notice:
    """What the delivery `id` tells. Raises `InputError` when there is none, or its file is damaged."""
    known = {one: state for state in DeliveryState for one in spool.ids(folder, state)}
    spooled = _read(folder, known[id], id) if id in known else None
    if spooled is None:
        raise unknown_name("delivery", id, known, none_yet="No notice has been enqueued.")
    return spooled.notice


def retry_dead(folder: Path, id: str) -> Delivery:
    """Give a dead letter all its attempts again, from the next `deliver_due` on.

    An unreadable one is taken back if its file has been mended. Raises `InputError` when there is no such dead letter
    or its file is damaged.
    """
    dead = {delivery.id for delivery in dead_letters(folder)}
    if id not in dead:
        raise unknown_name("dead letter", id, dead, none_yet="Nothing was given up.")
    with spool.lock(folder, id, wait=True):
        state = spool.where(folder, id)
        spooled = None if state is None else _read(folder, state, id)
        if state is None or spooled is None or state is DeliveryState.WAITING:
            raise unknown_name("dead letter", id, (), none_yet="Another process is giving it a new try.")
        again = Delivery(id=id, notice_id=spooled.notice.id, channel=spooled.delivery.channel)
        # Filed first: a file among the dead that says that it is waiting would be looked at by nobody.
        spool.refile(folder, id, state, DeliveryState.WAITING)
        spool.write(folder, DeliveryState.WAITING, Spooled(notice=spooled.notice, delivery=again))
        return again


def forget_delivered(folder: Path, *, before: datetime) -> int:
    """Remove what was delivered before a time and return how many that were; enqueued anew, it is sent again."""
    delivered, _ = _read_all(folder, DeliveryState.DELIVERED)
    old = [
        one.delivery.id for one in delivered if parse_time(one.delivery.closed_at or one.notice.at) < before
    ]
    for id in old:
        spool.remove(folder, DeliveryState.DELIVERED, id)
    return len(old)


def _read_all(folder: Path, state: DeliveryState) -> tuple[list[Spooled], list[Delivery]]:
    """What is filed under a state, and what of it is damaged."""
    readable, damaged = [], []
    for id in spool.ids(folder, state):
        try:
            spooled = spool.read(folder, state, id)
            if spooled is not None:
                readable.append(spooled)
        except Damaged as error:
            damaged.append(_unreadable(id, str(error)))
    return readable, damaged


def _set_aside(folder: Path, id: str) -> bool:
    """Move a damaged file out of the way; False when another process is at it."""
    with spool.lock(folder, id, wait=False) as mine:
        if not mine or spool.where(folder, id) is not DeliveryState.WAITING:
            return False
        spool.refile(folder, id, DeliveryState.WAITING, DeliveryState.UNREADABLE)
        return True


def _unreadable(id: str, why: str) -> Delivery:
    return Delivery(id=id, state=DeliveryState.UNREADABLE, last_error=f"the spool file cannot be read: {why}")


def _read(folder: Path, state: DeliveryState, id: str) -> Spooled | None:
    try:
        return spool.read(folder, state, id)
    except Damaged as error:
        raise InputError(
            f"{spool.file_of(folder, state, id)} cannot be read: {error}",
            slug="notification-spool",
            hint="Mend the file or remove it.",
        ) from None
