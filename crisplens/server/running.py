"""The server as a process: where it listens, and how it stops."""

from __future__ import annotations

import ipaddress
import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from crisplens.core.errors import InputError, RegistryError

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.server.tokens import Token

_QUEUE = 128


def serve(
    registry: Registry,
    *,
    host: str,
    port: int,
    tokens: tuple[Token, ...] | None,
    most_body: int,
    ready: Callable[[str], None],
) -> None:
    """Answer requests until SIGTERM or Ctrl-C; `ready` is told the address that it listens on.

    Raises `InputError` for an address that cannot be listened on, and for one beyond this machine without tokens;
    `RegistryError` when the libraries are not installed.
    """
    if tokens is None:
        registry.actor  # noqa: B018  (pushed rows are taken in as the server's own actor)
        _check_loopback(host)
    try:
        from crisplens.server.app import Service, create_app
        from crisplens.server.connections import http_server
    except ImportError as error:
        raise RegistryError(
            f"a library of the server is not installed: {error.name}",
            slug="not-installed",
            hint="pip install 'crisplens[server]'",
        ) from None
    import crisplens.nouns.monitors
    import crisplens.nouns.streaming  # noqa: F401
    from crisplens.monitors.streaming.batches import load_libraries

    load_libraries()
    listening = _listen(host, port)
    server = http_server(create_app(Service(registry, tokens, most_body=most_body)))
    # uvicorn raises the signal that stopped it once more, when it has: stopping as asked is no failure.
    before = {number: signal.signal(number, _ignore) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        ready(_address(listening))
        server.run(sockets=[listening])
    finally:
        listening.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore(_number: int, _frame: object) -> None:
    pass


def _check_loopback(host: str) -> None:
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise InputError(
            f"without tokens the server listens on this machine only, and {host[:60]} is beyond it",
            slug="bad-tokens",
            hint="Name a file of tokens with --tokens; crisplens server token makes one.",
        )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=_QUEUE)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"cannot listen on {host[:60]}, port {port}: {getattr(error, 'strerror', None) or error}",
            slug="bad-address",
            hint="Choose another --host or --port; port 0 takes any that is free.",
        ) from None


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
