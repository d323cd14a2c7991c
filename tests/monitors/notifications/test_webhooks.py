"""Webhooks and Slack messages against a real server, and their signatures against the reference library."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socket import create_server
from threading import Thread

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from crisplens.monitors.notifications.model import Channel, SecretSource, SendError, WebhookSettings
from crisplens.monitors.notifications.rendering import json_body, slack_message
from crisplens.monitors.notifications.sending import send
from crisplens.monitors.notifications.signing import parse_keys, signed_headers
from tests.monitors.notifications.conftest import (
    KEY_VARIABLE,
    SECRET,
    URL_VARIABLE,
    Receiver,
    a_notice,
    respond,
    server_tls,
)

Handler = BaseHTTPRequestHandler


def now() -> datetime:
    """The reference library takes no signature that is more than 5 minutes old."""
    return datetime.now(UTC)


def test_a_webhook_arrives_and_the_reference_library_takes_its_signature(receiver: Receiver) -> None:
    notice = a_notice(summary="café & <b> 😀")
    send(receiver.webhook(), notice, now())
    (got,) = receiver.requests
    payload = Webhook(SECRET).verify(got.body, got.headers)
    assert (payload["type"], payload["data"]["summary"]) == ("incident.opened", "café & <b> 😀")
    assert got.headers["webhook-id"] == notice.id
    assert got.headers["content-type"] == "application/json"
    assert got.path == "/hook"


def test_a_changed_body_or_another_key_fails_verification(receiver: Receiver) -> None:
    send(receiver.webhook(), a_notice(), now())
    (got,) = receiver.requests
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(got.body.replace(b"churn", b"fraud"), got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(base64.b64encode(b"x" * 32).decode()).verify(got.body, got.headers)


@given(st.binary(min_size=24, max_size=64), st.text(max_size=200))
def test_signatures_equal_those_of_the_reference_library(key: bytes, summary: str) -> None:
    secret = f"whsec_{base64.b64encode(key).decode()}"
    body = json_body(a_notice(summary=summary))
    headers = signed_headers("ntc_1", 1_780_000_000, body, parse_keys(secret))
    # The library drops the zone of the time that it is given.
    expected = Webhook(secret).sign("ntc_1", datetime.fromtimestamp(1_780_000_000, UTC), body.decode())
    assert headers["webhook-signature"] == expected


def test_the_example_of_the_specification_has_three_parts_joined_by_dots() -> None:
    headers = signed_headers("msg_1", 1674087231, b'{"a":1}', (bytes(24),))
    again = signed_headers("msg_1", 1674087231, b'{"a":1}', (bytes(24),))
    other = signed_headers("msg_1", 1674087232, b'{"a":1}', (bytes(24),))
    assert headers == again
    assert headers["webhook-signature"] != other["webhook-signature"]
    assert headers["webhook-signature"].startswith("v1,")


def test_while_a_key_is_replaced_both_keys_sign(receiver: Receiver, tmp_path: Path) -> None:
    new = f"whsec_{base64.b64encode(b'n' * 24).decode()}"
    file = tmp_path / "secret"
    file.write_text(f"{new}\n{SECRET}\n")
    channel = msgspec.structs.replace(receiver.webhook(), secret=SecretSource(file=str(file)))
    send(channel, a_notice(), now())
    (got,) = receiver.requests
    for secret in (new, SECRET):
        Webhook(secret).verify(got.body, got.headers)


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("", "holds no secret"),
        ("   ", "holds no secret"),
        ("not-base64!", "not whsec_ followed by base64"),
        ("whsec_c2hvcnQ=", "its key has 5 bytes; 24 to 64 are accepted"),
        (f"whsec_{base64.b64encode(b'x' * 65).decode()}", "its key has 65 bytes"),
    ],
)
def test_a_secret_that_cannot_sign_is_refused_without_being_shown(
    receiver: Receiver, secret: str, why: str
) -> None:
    with pytest.raises(SendError, match=why) as raised:
        send(receiver.webhook(), a_notice(), now(), environment={KEY_VARIABLE: secret})
    assert receiver.requests == []
    assert not secret.strip() or secret not in str(raised.value)


def test_a_secret_that_is_not_there_is_named(receiver: Receiver, tmp_path: Path) -> None:
    with pytest.raises(SendError, match=f"environment variable {KEY_VARIABLE} holds no secret"):
        send(receiver.webhook(), a_notice(), now(), environment={})
    gone = msgspec.structs.replace(receiver.webhook(), secret=SecretSource(file=str(tmp_path / "gone")))
    with pytest.raises(SendError, match="gone cannot be read: No such file"):
        send(gone, a_notice(), now())


def test_slack_gets_its_message_unsigned(receiver: Receiver) -> None:
    send(receiver.slack(), a_notice(), now(), environment={URL_VARIABLE: f"{receiver.url}/services/T0/B0"})
    (got,) = receiver.requests
    assert msgspec.json.decode(got.body) == slack_message(a_notice())
    assert got.path == "/services/T0/B0"
    assert not [name for name in got.headers if name.startswith("webhook-")]


@pytest.mark.parametrize("path", ["/hush?token=hush", "/hush hush", "/hush\x00", ":hush/"])
def test_errors_never_hold_the_secret_url_of_slack(receiver: Receiver, path: str) -> None:
    receiver.answer = lambda handler: respond(handler, 404, b"no_service")
    with pytest.raises(SendError) as raised:
        send(receiver.slack(), a_notice(), now(), environment={URL_VARIABLE: f"{receiver.url}{path}"})
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("url", ["hush", "ftp://example.org/hush", "file:///etc/hush"])
def test_slack_takes_only_http_urls(receiver: Receiver, url: str) -> None:
    with pytest.raises(SendError, match="not the http or https URL") as raised:
        send(receiver.slack(), a_notice(), now(), environment={URL_VARIABLE: url})
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["ftp://example.org/x", "file:///etc/passwd", "data:,x", "http://", "http://[/"]
)
def test_other_schemes_are_never_opened(url: str) -> None:
    channel = Channel(
        name="hook", settings=WebhookSettings(url=url), secret=SecretSource(variable=KEY_VARIABLE)
    )
    with pytest.raises(SendError):
        send(channel, a_notice(), now())


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_means_that_it_arrived(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda handler: respond(handler, status)
    send(receiver.webhook(), a_notice(), now())


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(400, False), (404, False), (410, True), (429, False), (500, False), (503, False)],
)
def test_other_answers_are_told_with_their_first_words(
    receiver: Receiver, status: int, permanent: bool
) -> None:
    receiver.answer = lambda handler: respond(handler, status, b"invalid\r\npayload\x1b[31m" + b"y" * 500)
    with pytest.raises(SendError) as raised:
        send(receiver.webhook(), a_notice(), now())
    message = str(raised.value)
    assert message.startswith(f"127.0.0.1 answered {status} ")
    assert ": invalid payload\ufffd[31myyy" in message
    assert len(message) < 300
    assert (raised.value.permanent, raised.value.unreachable) == (permanent, False)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("999999999", 86400), ("-5", 0), ("soon", 0), ("9" * 5000, 0), ("²", 0)],
)
def test_a_receiver_may_ask_to_be_left_alone_for_a_while(
    receiver: Receiver, header: str, seconds: int
) -> None:
    receiver.answer = lambda handler: respond(handler, 503, headers={"Retry-After": header})
    with pytest.raises(SendError) as raised:
        send(receiver.webhook(), a_notice(), now())
    assert raised.value.retry_after == seconds


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda handler: respond(handler, status, headers={"Location": f"{receiver.url}/other"})
    with pytest.raises(SendError, match="redirects are not followed"):
        send(receiver.webhook(), a_notice(), now())
    assert [request.path for request in receiver.requests] == ["/hook"]


def silent(receiver: Receiver) -> Callable[[Handler], None]:
    """Say nothing until the test is over."""
    return lambda handler: receiver.stop.wait(20) and None


def dripping(receiver: Receiver) -> Callable[[Handler], None]:
    """Send a header's bytes one by one, so that no time-out of the socket is ever reached."""

    def answer(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not receiver.stop.wait(0.05):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    return answer


@pytest.mark.parametrize("way", [silent, dripping])
def test_a_receiver_that_does_not_answer_is_given_up_in_time(
    receiver: Receiver, way: Callable[[Receiver], Callable[[Handler], None]]
) -> None:
    receiver.answer = way(receiver)
    started = time.monotonic()
    with pytest.raises(SendError, match=r"no answer within 0\.4 seconds") as raised:
        send(receiver.webhook(timeout=0.4), a_notice(), now())
    assert time.monotonic() - started < 2
    assert raised.value.unreachable


def test_the_body_of_a_good_answer_is_not_waited_for(receiver: Receiver) -> None:
    def answer(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        handler.wfile.flush()
        while not receiver.stop.is_set():
            handler.wfile.write(b"x" * 100_000)

    receiver.answer = answer
    started = time.monotonic()
    send(receiver.webhook(), a_notice(), now())
    assert time.monotonic() - started < 2


def test_of_a_huge_refusal_only_the_beginning_is_read(receiver: Receiver) -> None:
    sent = [0]

    def answer(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 500 No\r\nContent-Length: 1000000000000\r\n\r\n")
        while not receiver.stop.is_set():
            handler.wfile.write(b"x" * 100_000)
            sent[0] += 100_000

    receiver.answer = answer
    with pytest.raises(SendError, match="answered 500 No: xxx"):
        send(receiver.webhook(), a_notice(), now())
    assert sent[0] < 50_000_000


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 2", b"HTTP/1.1 " + b"9" * 100_000])
def test_an_answer_that_is_none_is_told(receiver: Receiver, answer: bytes) -> None:
    def broken(handler: Handler) -> None:
        handler.wfile.write(answer)
        handler.close_connection = True

    receiver.answer = broken
    with pytest.raises(SendError, match=r"127\.0\.0\.1"):
        send(receiver.webhook(), a_notice(), now())


def test_a_port_without_a_server_is_unreachable() -> None:
    with create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
    channel = Channel(
        name="hook", settings=WebhookSettings(url=url), secret=SecretSource(variable=KEY_VARIABLE)
    )
    with pytest.raises(SendError, match=r"127\.0\.0\.1 cannot be reached: Connection refused") as raised:
        send(channel, a_notice(), now())
    assert raised.value.unreachable


def test_an_unknown_name_is_unreachable() -> None:
    channel = Channel(
        name="hook",
        settings=WebhookSettings(url="http://nowhere.invalid/"),
        secret=SecretSource(variable=KEY_VARIABLE),
    )
    with pytest.raises(SendError, match=r"nowhere\.invalid"):
        send(channel, a_notice(), now())


@pytest.fixture
def secure(receiver: Receiver, certificate: Path) -> Iterator[str]:
    """The URL of a server that speaks TLS and answers 204 to one request."""

    def serve() -> None:
        with suppress(OSError):
            plain, _ = listening.accept()
            with server_tls(certificate).wrap_socket(plain, server_side=True) as connection:
                got = connection.recv(10_000)
                while not got.endswith(b"}"):
                    got += connection.recv(10_000)
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=serve)
        thread.start()
        yield f"https://localhost:{listening.getsockname()[1]}/"
        thread.join(10)


def test_a_certificate_that_nobody_vouches_for_is_refused(receiver: Receiver, secure: str) -> None:
    with pytest.raises(SendError, match=r"localhost cannot be reached: .*certificate verify failed"):
        send(receiver.webhook(url=secure), a_notice(), now())


def test_a_certificate_of_the_company_is_taken_when_it_is_named(
    receiver: Receiver, secure: str, certificate: Path
) -> None:
    send(receiver.webhook(url=secure, ca_file=str(certificate)), a_notice(), now())


def test_a_file_of_certificates_that_cannot_be_used_is_named(receiver: Receiver, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    for file, why in ((tmp_path / "gone.pem", "No such file"), (empty, "it holds no certificate")):
        with pytest.raises(SendError, match=f"{file} cannot be read: {why}"):
            send(receiver.webhook(ca_file=str(file)), a_notice(), now())


def test_a_proxy_of_the_environment_is_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", receiver.url)
    send(receiver.webhook(url="http://hooks.invalid/in"), a_notice(), now())
    (got,) = receiver.requests
    assert got.path == "http://hooks.invalid/in"
