"""The HTTP application: rows for monitors, and whether the registry answers. No row of data gets into a log.

Every request is authenticated before its body is read, and every body is bounded in size and time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from anyio import CapacityLimiter, to_thread
from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.exceptions import HTTPException
from sqlalchemy import text

from crisplens.core.error_pages import ERROR_PAGES
from crisplens.core.errors import CrisplensError, InputError, RegistryError
from crisplens.monitors.streaming.refusals import bad_batch
from crisplens.monitors.streaming.service import WindowFill
from crisplens.server.problems import MEDIA_TYPE, Problem, plain_problem, problem_of
from crisplens.server.tokens import Token, find_token

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.monitors.recording import CheckRecorded
    from crisplens.nouns.streaming import Pushed

MOST_BODY = 16 << 20
BODY_SECONDS = 30.0
HEALTH_SECONDS = 5.0
# So many requests are read or worked on at once, the latter by so many threads; others are told to come again.
MOST_REQUESTS, WORKERS = 64, 4
FORMATS = {
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "application/json": "json",
    "text/csv": "csv",
    "application/vnd.apache.arrow.stream": "arrow",
}
ARROW_FILE = b"ARROW1"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_log = logging.getLogger("crisplens.server")

AnyRequest = Request[Any, Any, Any]


class CheckMade(msgspec.Struct, frozen=True, kw_only=True):
    """A window that a push closed, and what was found in it."""

    id: str
    window: str
    rows: int
    verdict: str
    reason: str
    alarm: bool
    incident: str | None


class RowsTaken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the rows of a request; see `crisplens.nouns.streaming.Pushed`."""

    monitor: str
    rows: int
    batch: str
    repeated: bool
    windows: tuple[WindowFill, ...]
    too_late: int
    without_time: int
    checks: tuple[CheckMade, ...]
    waiting: int
    failure: str


@dataclass
class Service:
    """What requests share. Without `tokens` everyone on this machine may push, as the registry's own actor."""

    registry: Registry
    tokens: tuple[Token, ...] | None = None
    most_body: int = MOST_BODY
    body_seconds: float = BODY_SECONDS
    most_requests: int = MOST_REQUESTS
    workers: CapacityLimiter | None = None
    active: int = field(default=0)

    @asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """Hold one of the places for requests. Raises `RegistryError` when all are taken."""
        if self.active >= self.most_requests:
            raise RegistryError("too many batches are being taken in", slug="busy", hint="Send it again.")
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1

    def limiter(self) -> CapacityLimiter:
        """The threads that work on requests; they belong to the event loop."""
        if self.workers is None:
            self.workers = CapacityLimiter(WORKERS)
        return self.workers


def create_app(service: Service) -> Litestar:
    """The application for a registry."""

    @post("/projects/{project:str}/monitors/{name:str}/rows", status_code=200)
    async def push_rows(request: AnyRequest) -> Response[RowsTaken]:
        """Count the rows of the body in the open windows of a monitor."""
        project, name = request.path_params["project"], request.path_params["name"]
        registry = _authorised(service, request, project)
        format = _format_of(request)
        # A string in quotes, by the draft that names the header; most send it without.
        batch = request.headers.get("Idempotency-Key", "").removeprefix('"').removesuffix('"')
        async with service.room():
            content = await _read_body(service, request)
            if content.startswith(ARROW_FILE):
                # What a stream holds is bounded before it is unpacked; a file's blocks may lie anywhere.
                raise bad_batch("the body is an Arrow file", "Send an Arrow stream.")
            push = partial(registry.monitor.push, name, content, format=format, batch=batch)
            done = await to_thread.run_sync(push, limiter=service.limiter())
        return Response(_taken(done), media_type=MediaType.JSON)

    @get("/health", status_code=200)
    async def health() -> Response[dict[str, str]]:
        """Whether the registry answers."""
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                await to_thread.run_sync(_ask, service.registry, abandon_on_cancel=True)
        except (CrisplensError, TimeoutError):
            raise RegistryError("the registry does not answer", slug="registry-failed") from None
        return Response({"status": "ok"}, media_type=MediaType.JSON)

    @get("/errors/{slug:str}", status_code=200, media_type=MediaType.TEXT)
    async def error_page(request: AnyRequest) -> str:
        """What an error means, and what to do about it."""
        slug = request.path_params["slug"]
        if slug not in ERROR_PAGES:
            raise HTTPException(status_code=404)
        return ERROR_PAGES[slug]

    return Litestar(
        [push_rows, health, error_page],
        openapi_config=None,
        logging_config=None,
        # Bodies are bounded where they are read.
        request_max_body_size=None,
        exception_handlers={
            CrisplensError: _our_error,
            HTTPException: _http_error,
            Exception: _defect,
        },
    )


def _authorised(service: Service, request: AnyRequest, project: str) -> Registry:
    """The registry as the token's actor uses it. Raises `InputError` for a token that is missing or wrong."""
    if service.tokens is None:
        # A page in a browser on this machine, from a name that was made to point here, is not this machine's user.
        host = request.headers.get("Host", "").rpartition("@")[2]
        name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
        if name.casefold() not in LOOPBACK:
            raise InputError(
                "the request is for another host",
                slug="token-scope",
                hint="Without tokens, only requests to localhost are answered.",
            )
        return service.registry.on_project(project)
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    found = find_token(service.tokens, given.strip()) if scheme.casefold() == "bearer" else None
    if found is None:
        raise InputError(
            "the request has no token that is known here",
            slug="bad-token",
            hint="Send a header Authorization: Bearer TOKEN.",
        )
    if not found.allows(project):
        raise InputError("the token is not for this project", slug="token-scope")
    return service.registry.acting_as(found.actor, project=project)


def _format_of(request: AnyRequest) -> str:
    kind, _, parameters = request.headers.get("Content-Type", "").partition(";")
    encoding = request.headers.get("Content-Encoding", "identity").strip().casefold()
    charset = parameters.replace(" ", "").replace('"', "").casefold()
    if (
        kind.strip().casefold() not in FORMATS
        or encoding != "identity"
        or charset not in ("", "charset=utf-8")
    ):
        raise InputError(
            "the body's Content-Type or Content-Encoding is not one that is taken in",
            slug="unknown-media-type",
            hint=f"Accepted, in UTF-8 and not compressed: {', '.join(FORMATS)}.",
        )
    return FORMATS[kind.strip().casefold()]


async def _read_body(service: Service, request: AnyRequest) -> bytes:
    """The request's body. Raises `InputError` as soon as it is too long, or takes too long."""
    announced = request.headers.get("Content-Length", "0")
    if not announced.isdigit() or int(announced) > service.most_body:
        raise _too_large(service.most_body)
    content = bytearray()
    try:
        async with asyncio.timeout(service.body_seconds):
            async for chunk in request.stream():
                content += chunk
                if len(content) > service.most_body:
                    raise _too_large(service.most_body)
    except TimeoutError:
        raise InputError(
            f"the body did not come within {service.body_seconds:g} seconds",
            slug="body-late",
            hint="Send less at once.",
        ) from None
    return bytes(content)


def _too_large(most: int) -> InputError:
    return InputError(
        f"the body has more than {most:,} bytes", slug="batch-too-large", hint="Send the rows in parts."
    )


def _ask(registry: Registry) -> None:
    with registry.reading_log() as session:
        session.execute(text("SELECT 1"))


def _taken(done: Pushed) -> RowsTaken:
    return RowsTaken(
        monitor=done.monitor,
        rows=done.rows,
        batch=done.batch,
        repeated=done.repeated,
        windows=done.windows,
        too_late=done.too_late,
        without_time=done.without_time,
        checks=tuple(map(_made, done.checks)),
        waiting=done.waiting,
        failure=done.failure,
    )


def _made(done: CheckRecorded) -> CheckMade:
    check = done.check
    return CheckMade(
        id=check.id,
        window=check.window.key,
        rows=check.window.rows,
        verdict=check.result.verdict,
        reason=check.result.reason,
        alarm=check.decision.alarm,
        incident=check.incident,
    )


def _our_error(_: AnyRequest, error: CrisplensError) -> Response[Problem]:
    return _answer(problem_of(error))


def _http_error(_: AnyRequest, error: HTTPException) -> Response[Problem]:
    return _answer(plain_problem(error.status_code))


def _defect(_: AnyRequest, error: Exception) -> Response[Problem]:
    # Its message may hold data: where it was raised is enough to find it.
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "an unknown place"
    _log.error("a request failed: %s at %s", type(error).__name__, where)
    return _answer(plain_problem(500, "This is a defect of the server; its log tells where."))


def _answer(problem: Problem) -> Response[Problem]:
    return Response(problem, status_code=problem.status, media_type=MEDIA_TYPE, headers=problem.headers())
