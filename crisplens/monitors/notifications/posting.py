"""An HTTP POST that follows no redirect, reads little of the answer and ends in time.

Proxies are taken from the environment (HTTPS_PROXY, NO_PROXY) and trusted certificates from the system, or
SSL_CERT_FILE, as elsewhere. Targets inside a private network are allowed: that is where most receivers stand, and the
one who can write the configuration can run commands anyway.
"""

from __future__ import annotations

import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, InvalidURL
from typing import Any
from urllib.parse import urlsplit

from crisplens.monitors.notifications.connections import SOCKET_GRACE, trusted, within
from crisplens.monitors.notifications.model import SendError
from crisplens.monitors.notifications.text import one_line

MOST_READ = 2000
MOST_SHOWN = 200
LONGEST_PAUSE = 24 * 3600
GONE = 410
# The first words of a refusal come with it or are not waited for.
WORDS_SECONDS = 2.0


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, ca_file: str | None = None
) -> None:
    """POST JSON to `url`; any status from 200 to 299 means that it arrived. Raises `SendError` otherwise.

    Errors name the host and never the rest of the URL, which may hold a secret.
    """
    opened: list[socket.socket] = []
    host = _host(url)
    if not url.lower().startswith(("http://", "https://")):
        raise SendError(f"the URL for {host} is neither http nor https")
    context = trusted(ca_file)
    try:
        request = urllib.request.Request(url, data=body, method="POST")
        request.add_header("Content-Type", "application/json")
        request.add_header("User-Agent", "crisplens")
        for name, value in headers.items():
            request.add_header(name, value)
        opener = _opener(opened, context)
        within(seconds, lambda: opener.open(request, timeout=seconds + SOCKET_GRACE).close(), lambda: opened)
    except SendError as error:
        raise SendError(f"{host}: {error}", unreachable=True) from None
    except urllib.error.HTTPError as error:
        raise _refusal(host, error, opened) from None
    except urllib.error.URLError as error:
        raise SendError(f"{host} cannot be reached: {_why(error.reason)}", unreachable=True) from None
    except (InvalidURL, ValueError):
        raise SendError(f"the URL for {host} cannot be used") from None
    except (OSError, HTTPException) as error:
        raise SendError(f"{host} gave no proper answer: {_why(error)}", unreachable=True) from None


def _host(url: str) -> str:
    try:
        return one_line(urlsplit(url).hostname or "the receiver", most=MOST_SHOWN)
    except ValueError:
        return "the receiver"


def _opener(opened: list[socket.socket], context: ssl.SSLContext) -> urllib.request.OpenerDirector:
    """An opener that knows HTTP and proxies, no redirects and no other scheme, and notes its sockets in `opened`."""

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            opened.append(self.sock)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            opened.append(self.sock)

    class Handler(urllib.request.AbstractHTTPHandler):
        http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_

        def http_open(self, request: urllib.request.Request) -> HTTPResponse:
            return self.do_open(Plain, request)

        def https_open(self, request: urllib.request.Request) -> HTTPResponse:
            return self.do_open(Secure, request, context=context)

    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        Handler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _refusal(host: str, error: urllib.error.HTTPError, opened: list[socket.socket]) -> SendError:
    said = _beginning(error, opened)
    message = f"{host} answered {error.code} {one_line(error.reason or '', most=MOST_SHOWN)}".rstrip()
    if 300 <= error.code < 400:
        message += ", and redirects are not followed: give the URL that it leads to"
    pause = str(error.headers.get("Retry-After", ""))
    return SendError(
        f"{message}: {said}" if said else message,
        permanent=error.code == GONE,
        retry_after=min(int(pause), LONGEST_PAUSE)
        if pause.isascii() and pause.isdigit() and len(pause) < 10
        else 0,
    )


def _beginning(error: urllib.error.HTTPError, opened: list[socket.socket]) -> str:
    """The first words of an answer, which often say what was wrong; empty when they do not come."""
    body: Any = error
    try:
        said: bytes = within(WORDS_SECONDS, lambda: body.read1(MOST_READ), lambda: opened)
        error.close()
    except (SendError, OSError, HTTPException, ValueError):
        return ""
    return one_line(said[:MOST_READ].decode("utf-8", errors="replace"), most=MOST_SHOWN)


def _why(reason: object) -> str:
    said = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
    return one_line(said or type(reason).__name__, most=MOST_SHOWN)
