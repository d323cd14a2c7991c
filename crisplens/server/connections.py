"""Connections of clients that are slow, silent or many: how long one may wait for nothing, and how many there are."""

from __future__ import annotations

import asyncio

import uvicorn
from litestar import Litestar
from uvicorn.protocols.http.h11_impl import H11Protocol

# More connections are told to come again before anything of them is read.
MOST_CONNECTIONS = 256
# So many are not answered at all, so that there are files left to open for the work.
MOST_OPEN = 2 * MOST_CONNECTIONS
# A request's head has to come in so long, and an answer to be taken.
HEAD_SECONDS, ANSWER_SECONDS = 10.0, 30.0
# Requests at hand get so long to end when the server is stopped.
GRACE_SECONDS = 30


class BoundedProtocol(H11Protocol):
    """HTTP as h11 reads it, which bounds a request's head in bytes; here it is bounded in time too.

    The application bounds the body. Otherwise those who connect and send nothing would take all places for ever.
    """

    _head: asyncio.TimerHandle | None = None
    _answer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, or end a connection that is one too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_OPEN:
            transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self._head = _stop(self._head)
        self._answer = _stop(self._answer)

    def pause_writing(self) -> None:
        """Wait for the answer to be taken."""
        super().pause_writing()
        self._answer = self.loop.call_later(ANSWER_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The answer is being taken."""
        super().resume_writing()
        self._answer = _stop(self._answer)

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._head = _stop(self._head)
        elif self._head is None:
            # Also of one that is closing: what is still to be sent may never be taken.
            self._head = self.loop.call_later(HEAD_SECONDS, self.transport.abort)


def _stop(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    if timer is not None:
        timer.cancel()
    return None


def http_server(app: Litestar) -> uvicorn.Server:
    """What answers requests with the application."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=BoundedProtocol,
            access_log=False,
            log_level="warning",
            lifespan="off",
            ws="none",
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            # Proxies' headers say nothing here: who asks is told by the token.
            proxy_headers=False,
        )
    )
