"""Notices, and a receiver on this machine that answers as it is told."""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from crisplens.monitors.notifications.model import (
    Channel,
    Notice,
    NoticeKind,
    SecretSource,
    Severity,
    SlackSettings,
    WebhookSettings,
    make_notice,
)

AT = "2026-03-01T12:30:00.000000Z"
SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
KEY_VARIABLE, URL_VARIABLE = "HOOK_SECRET", "SLACK_URL"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests reach this machine directly."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv(KEY_VARIABLE, SECRET)


def a_notice(**changes: Any) -> Notice:
    """A notice with some fields changed."""
    given: dict[str, Any] = {
        "project": "churn",
        "monitor": "nightly",
        "model": "churn-gbm",
        "subject": "incident-1",
        "summary": "2 of 3 compared columns drift (tenure, spend).",
        "severity": Severity.WARNING,
        "at": AT,
        "next": "crisplens incident show incident-1",
    }
    return make_notice(changes.pop("kind", NoticeKind.INCIDENT_OPENED), **(given | changes))


def changed(notice: Notice, **changes: Any) -> Notice:
    """A notice that `make_notice` would not make."""
    return msgspec.structs.replace(notice, **changes)


@dataclass
class Request:
    """What the receiver got; the names of headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """An HTTP server; `answer` is called with the handler of each request."""

    url: str
    stop: Event
    requests: list[Request] = field(default_factory=list)
    answer: Callable[[BaseHTTPRequestHandler], None] = lambda handler: respond(handler, 204)

    def webhook(self, **settings: Any) -> Channel:
        """A channel to it, signed with `SECRET`."""
        return Channel(
            name="hook",
            settings=WebhookSettings(**({"url": f"{self.url}/hook", "timeout": 5} | settings)),
            secret=SecretSource(variable=KEY_VARIABLE),
        )

    def slack(self) -> Channel:
        """A Slack channel to it; the URL is in `URL_VARIABLE`."""
        return Channel(
            name="chat", settings=SlackSettings(timeout=5), secret=SecretSource(variable=URL_VARIABLE)
        )


def respond(
    handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", headers: dict[str, str] | None = None
) -> None:
    """Answer a request."""
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A running receiver that answers 204."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            headers = {name.lower(): value for name, value in self.headers.items()}
            got.requests.append(Request(self.path, headers, self.rfile.read(size)))
            try:
                got.answer(self)
            except OSError:
                self.close_connection = True

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    got = Receiver(f"http://127.0.0.1:{server.server_port}", Event())
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield got
    got.stop.set()
    server.shutdown()
    server.server_close()
    thread.join()


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something, and fail when it does not come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEM file with a key and a certificate for localhost that nobody trusts yet."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    day = datetime.now(UTC)
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ip_address("127.0.0.1")),
    ]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(day - timedelta(days=1))
        .not_valid_after(day + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file


def server_tls(certificate: Path) -> ssl.SSLContext:
    """What a server needs to speak TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
