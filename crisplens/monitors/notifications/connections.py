"""Talking to other systems: a hard limit on the time it takes, whatever they do, and whom to trust."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import TypeVar

from crisplens.monitors.notifications.model import SendError

T = TypeVar("T")
# Sockets wait longer than the hard limit, so that it is the limit that speaks.
SOCKET_GRACE = 5


def within(seconds: float, act: Callable[[], T], sockets: Callable[[], Iterable[socket.socket | None]]) -> T:
    """What `act` returns, or `SendError` when that takes more than `seconds`.

    A time-out of a socket starts anew with every byte, and looking up a name has none; so `act` runs in a thread of
    its own, whose `sockets` are shut down when the time is over.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(act())
        except BaseException as error:
            outcome.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return outcome.result(seconds)
    except TimeoutError:
        raise SendError(f"there was no answer within {seconds:g} seconds", unreachable=True) from None
    finally:
        if not outcome.done():
            for one in sockets():
                if one is not None:
                    with suppress(OSError):
                        # An SSLSocket's own method would drop its TLS layer under the other thread.
                        socket.socket.shutdown(one, socket.SHUT_RDWR)


def trusted(ca_file: str | None) -> ssl.SSLContext:
    """TLS that trusts the certificates in a file, or else the system's. Raises `SendError` for a file it cannot use."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        why = (
            "it holds no certificate"
            if isinstance(error, ssl.SSLError)
            else str(getattr(error, "strerror", ""))
        )
        raise SendError(f"the certificates in {ca_file} cannot be read: {why or error}") from None
