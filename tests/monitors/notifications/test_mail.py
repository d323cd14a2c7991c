"""Mails against a real SMTP server on this machine."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from socket import create_server, socket
from threading import Event, Thread
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from crisplens.monitors.notifications.model import Channel, EmailSettings, SecretSource, Security, SendError
from crisplens.monitors.notifications.sending import send
from tests.monitors.notifications.conftest import AT, a_notice, server_tls

NOW = datetime(2026, 3, 1, 13, tzinfo=UTC)
PASSWORD = "correct horse"


class Mailbox:
    """A mail server's messages, and whom it refuses."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.refused: set[str] = set()
        self.answer = "250 OK"

    @property
    def mails(self) -> list[EmailMessage]:
        """What arrived, parsed."""
        return [
            message_from_bytes(bytes(envelope.content or b""), policy=default) for envelope in self.envelopes
        ]

    def log_in(self, _: SMTP, __: Session, ___: Envelope, ____: str, given: LoginPassword) -> AuthResult:
        """Take one password."""
        self.logins.append((given.login, given.password))
        return AuthResult(success=given.password == PASSWORD.encode(), handled=False)

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, to: str, ___: list[str]) -> str:
        """Take a recipient, or refuse."""
        if to in self.refused:
            return "550 no such\x07 user"
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:
        """Take a message, or refuse."""
        self.envelopes.append(envelope)
        return self.answer


class ImplicitTls(Controller):
    """A server that speaks TLS from the first byte; aiosmtpd looks whether it is up without TLS."""

    def _trigger_server(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with create_connection(self) as plain, context.wrap_socket(plain) as connection:
            connection.recv(1000)


def create_connection(server: Controller) -> socket:
    """A connection to a server."""
    made = socket()
    made.connect((server.hostname, server.port))
    return made


@contextmanager
def running(mailbox: Mailbox, **options: Any) -> Iterator[int]:
    """A mail server on some port."""
    with closing(create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    kind = ImplicitTls if "ssl_context" in options else Controller
    server = kind(mailbox, hostname="127.0.0.1", port=port, ready_timeout=10, **options)
    server.start()
    try:
        yield port
    finally:
        server.stop()


@pytest.fixture
def mailbox() -> Mailbox:
    """An empty mailbox."""
    return Mailbox()


@pytest.fixture
def plain(mailbox: Mailbox) -> Iterator[int]:
    """A server without TLS and login."""
    with running(mailbox) as port:
        yield port


@pytest.fixture
def starttls(mailbox: Mailbox, certificate: Path) -> Iterator[int]:
    """A server that wants STARTTLS and a login."""
    with running(
        mailbox,
        tls_context=server_tls(certificate),
        require_starttls=True,
        authenticator=mailbox.log_in,
        auth_required=True,
    ) as port:
        yield port


def email(port: int, **settings: Any) -> Channel:
    """A channel to the server."""
    given: dict[str, Any] = {
        "to": ("ana@example.org", "bo@example.org"),
        "sender": "crisplens@example.org",
        "host": "localhost",
        "port": port,
        "security": Security.NONE,
        "timeout": 5,
    }
    return Channel(
        name="mail",
        settings=EmailSettings(**(given | settings)),
        secret=SecretSource(variable="MAIL_PASSWORD") if "user" in settings else None,
    )


def test_a_mail_arrives_with_an_id_that_stays_the_same(mailbox: Mailbox, plain: int) -> None:
    notice = a_notice(summary="Spend of café customers drifts.")
    send(email(plain), notice, NOW)
    send(email(plain), notice, NOW)
    first, second = mailbox.mails
    assert mailbox.envelopes[0].rcpt_tos == ["ana@example.org", "bo@example.org"]
    assert mailbox.envelopes[0].mail_from == "crisplens@example.org"
    assert first["Subject"].endswith("Spend of café customers drifts.")
    assert first["Message-ID"] == second["Message-ID"] == f"<{notice.id}@example.org>"
    assert first["Date"].datetime.isoformat().startswith(AT[:19])
    assert first.get_content().replace("\r\n", "\n").startswith("Spend of café customers drifts.\n")


def test_starttls_and_a_login_come_before_the_mail(
    mailbox: Mailbox, starttls: int, certificate: Path
) -> None:
    channel = email(starttls, security=Security.STARTTLS, ca_file=str(certificate), user="ana")
    send(channel, a_notice(), NOW, environment={"MAIL_PASSWORD": PASSWORD})
    assert mailbox.logins == [(b"ana", PASSWORD.encode())]
    assert len(mailbox.mails) == 1


def test_tls_from_the_first_byte_works_too(mailbox: Mailbox, certificate: Path) -> None:
    with running(mailbox, ssl_context=server_tls(certificate)) as port:
        send(email(port, security=Security.TLS, ca_file=str(certificate)), a_notice(), NOW)
    assert len(mailbox.mails) == 1


def test_a_wrong_password_is_told_and_not_shown(mailbox: Mailbox, starttls: int, certificate: Path) -> None:
    channel = email(starttls, security=Security.STARTTLS, ca_file=str(certificate), user="ana")
    with pytest.raises(SendError, match="the mail server localhost answered 535") as raised:
        send(channel, a_notice(), NOW, environment={"MAIL_PASSWORD": "hush hush"})
    assert "hush" not in str(raised.value)
    assert mailbox.mails == []


def test_no_password_goes_to_a_server_that_nobody_vouches_for(mailbox: Mailbox, starttls: int) -> None:
    channel = email(starttls, security=Security.STARTTLS, user="ana")
    with pytest.raises(SendError, match="certificate verify failed"):
        send(channel, a_notice(), NOW, environment={"MAIL_PASSWORD": PASSWORD})
    assert mailbox.logins == []


def test_a_server_without_starttls_is_not_used_in_the_clear(mailbox: Mailbox, plain: int) -> None:
    with pytest.raises(SendError, match="STARTTLS extension not supported"):
        send(email(plain, security=Security.STARTTLS), a_notice(), NOW)
    assert mailbox.mails == []


def test_a_refused_message_is_told(mailbox: Mailbox, plain: int) -> None:
    mailbox.answer = "451 try again later"
    with pytest.raises(SendError, match="answered 451 try again later") as raised:
        send(email(plain), a_notice(), NOW)
    assert not raised.value.permanent


def test_refused_recipients_are_named(mailbox: Mailbox, plain: int) -> None:
    mailbox.refused = {"ana@example.org", "bo@example.org"}
    with pytest.raises(SendError, match=r"refused every recipient: ana@example\.org: 550 no such") as raised:
        send(email(plain), a_notice(), NOW)
    assert not raised.value.permanent
    assert "\x07" not in str(raised.value)


def test_a_mail_that_reached_some_recipients_is_not_sent_to_them_again(mailbox: Mailbox, plain: int) -> None:
    mailbox.refused = {"bo@example.org"}
    with pytest.raises(SendError, match=r"refused some recipients: bo@example\.org") as raised:
        send(email(plain), a_notice(), NOW)
    assert raised.value.permanent
    assert len(mailbox.mails) == 1


@pytest.fixture
def stuck() -> Iterator[tuple[int, Event]]:
    """A server that greets with one byte after the other, or with none while the event is set."""
    over, quiet = Event(), Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            while not over.wait(0.05):
                try:
                    connection.sendall(b"" if quiet.is_set() else b"2")
                except OSError:
                    return

    with create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1], quiet
        over.set()
        thread.join(10)


@pytest.mark.parametrize("quiet", [True, False])
def test_a_server_that_does_not_come_to_the_point_is_given_up_in_time(
    stuck: tuple[int, Event], quiet: bool
) -> None:
    port, event = stuck
    if quiet:
        event.set()
    started = time.monotonic()
    with pytest.raises(SendError, match=r"no answer within 0\.4 seconds") as raised:
        send(email(port, host="127.0.0.1", timeout=0.4), a_notice(), NOW)
    assert time.monotonic() - started < 2
    assert raised.value.unreachable


def test_a_server_that_is_down_is_unreachable() -> None:
    with closing(create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(SendError, match="cannot be used: Connection refused") as raised:
        send(email(port, host="127.0.0.1"), a_notice(), NOW)
    assert raised.value.unreachable
