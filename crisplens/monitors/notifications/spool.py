"""The spool folder: one small JSON file for each notice and channel, whole or not there, in a folder per state.

What a file says counts; the folder it stands in is where it was filed. A crash between the two is made good when
the file is looked at next.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from crisplens.core.clock import parse_time
from crisplens.core.decoding import decode_json
from crisplens.core.errors import HalfDone, InputError
from crisplens.monitors.notifications.locks import locked
from crisplens.monitors.notifications.model import Delivery, DeliveryState, Notice, check_notice
from crisplens.monitors.notifications.text import one_line

VERSION = 1
MOST_BYTES = 1 << 20
LOCKS, PARTS = "locks", "parts"


class Spooled(msgspec.Struct, frozen=True, kw_only=True):
    """What a spool file holds."""

    version: int = VERSION
    notice: Notice
    delivery: Delivery


class Damaged(Exception):
    """A spool file is not what was written; says why."""


def delivery_id(notice_id: str, channel: str) -> str:
    """The name of the one delivery of a notice through a channel."""
    return hashlib.sha256(f"{notice_id}\n{channel}".encode()).hexdigest()[:20]


def prepare(folder: Path) -> None:
    """Make the spool folder, for its owner alone. Raises `HalfDone`."""
    with spool_errors(folder):
        for name in (*DeliveryState, LOCKS, PARTS):
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def lock(folder: Path, id: str, *, wait: bool) -> Iterator[bool]:
    """The lock on one delivery: whoever holds it may change it. Yields False when another does. `HalfDone`."""
    with ExitStack() as stack:
        with spool_errors(folder):
            mine = stack.enter_context(locked(folder / LOCKS / id, wait=wait))
        yield mine


def ids(folder: Path, state: DeliveryState) -> list[str]:
    """The deliveries that are filed under a state; none where there is no spool folder."""
    with spool_errors(folder):
        try:
            with os.scandir(folder / state) as entries:
                names = [entry.name for entry in entries if entry.is_file()]
        except FileNotFoundError:
            return []
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))


def where(folder: Path, id: str) -> DeliveryState | None:
    """The state that a delivery is filed under; None when there is no such delivery."""
    return next((state for state in DeliveryState if file_of(folder, state, id).is_file()), None)


def read(folder: Path, state: DeliveryState, id: str) -> Spooled | None:
    """A spool file's content; None when it has gone meanwhile. Raises `Damaged`."""
    with spool_errors(folder):
        try:
            with file_of(folder, state, id).open("rb") as file:
                content = file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            return None
    if not content:
        raise Damaged("the file is empty")
    if len(content) > MOST_BYTES:
        raise Damaged("the file is too large")
    try:
        spooled = decode_json(content, Spooled)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged(one_line(str(error), most=200)) from None
    if spooled.version > VERSION:
        raise Damaged("a newer crisplens wrote it")
    if delivery_id(spooled.notice.id, spooled.delivery.channel) != id or spooled.delivery.id != id:
        raise Damaged("it is about another delivery")
    try:
        check_notice(spooled.notice)
        for moment in (spooled.delivery.next_attempt, spooled.delivery.closed_at):
            if moment is not None:
                parse_time(moment)
    except InputError as error:
        raise Damaged(one_line(error.message, most=200)) from None
    return spooled


def write(folder: Path, state: DeliveryState, spooled: Spooled) -> None:
    """Put a file in its place, whole and on the disk, or leave what was there. Raises `HalfDone`."""
    content = msgspec.json.format(msgspec.json.encode(spooled))
    _put(folder, file_of(folder, state, spooled.delivery.id), content)


def write_position(folder: Path, position: int) -> None:
    """Note up to which entry of the log notices were made; the folder is prepared. Raises `HalfDone`."""
    _put(folder, position_of(folder), msgspec.json.encode({"told_until": position}))


def _put(folder: Path, file: Path, content: bytes) -> None:
    part = folder / PARTS / secrets.token_hex(8)
    with spool_errors(folder):
        try:
            descriptor = os.open(
                part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600
            )
            with open(descriptor, "wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(descriptor)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)


def refile(folder: Path, id: str, old: DeliveryState, new: DeliveryState) -> None:
    """File a delivery under another state. Raises `HalfDone`."""
    with spool_errors(folder):
        file_of(folder, old, id).replace(file_of(folder, new, id))


def remove(folder: Path, state: DeliveryState, id: str) -> None:
    """Remove a file if it is there. Raises `HalfDone`."""
    with spool_errors(folder):
        file_of(folder, state, id).unlink(missing_ok=True)


@contextmanager
def spool_errors(folder: Path) -> Iterator[None]:
    """What the file system refuses becomes a `HalfDone` that names the spool folder: others may be in it by then."""
    try:
        yield
    except OSError as error:
        raise HalfDone(
            f"the folder of notifications {folder} cannot be used: {error.strerror or error}",
            slug="notification-spool",
            hint="Check its permissions and whether the disk is full.",
        ) from None


def position_of(folder: Path) -> Path:
    """The file that says up to which entry of the log notices were made."""
    return folder / "told-until.json"


def file_of(folder: Path, state: DeliveryState, id: str) -> Path:
    """The file of a delivery that is filed under a state."""
    return folder / state / f"{id}.json"
