"""A mail handed to a server over SMTP, within a time."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from typing import Any

from crisplens.monitors.notifications.connections import SOCKET_GRACE, trusted, within
from crisplens.monitors.notifications.model import EmailSettings, Notice, Security, SendError
from crisplens.monitors.notifications.rendering import mail
from crisplens.monitors.notifications.text import one_line

PORTS = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}
MOST_SHOWN = 200


def make_message(settings: EmailSettings, notice: Notice, at: datetime) -> EmailMessage:
    """The mail of a notice. Its Message-ID comes from the notice's id, so that a repeated mail can be told."""
    subject, body = mail(notice)
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.to)
    message["Subject"] = subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{notice.id}@{settings.sender.rpartition('@')[2]}>"
    # RFC 3834: keeps out-of-office replies away.
    message["Auto-Submitted"] = "auto-generated"
    message["X-Crisplens-Notice"] = notice.id
    message.set_content(body)
    return message


def hand_over(settings: EmailSettings, message: EmailMessage, password: str | None) -> None:
    """Hand `message` to the server; with a `password`, after a login over TLS.

    Raises `SendError` when the server did not take it. When it took it for some recipients only, that is permanent:
    a repeat would reach the others twice.
    """
    peers: list[smtplib.SMTP] = []
    context = trusted(settings.ca_file)
    server = f"the mail server {settings.host}"
    try:
        refused = within(
            settings.timeout,
            lambda: _talk(settings, message, password, context, peers),
            lambda: [getattr(peer, "sock", None) for peer in peers],
        )
    except SendError as error:
        raise SendError(f"{server}: {error}", unreachable=True) from None
    except smtplib.SMTPRecipientsRefused as error:
        raise SendError(f"{server} refused every recipient: {_refusals(error.recipients)}") from None
    except smtplib.SMTPResponseException as error:
        raise SendError(f"{server} answered {error.smtp_code} {_said(error.smtp_error)}") from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        unreachable = isinstance(error, OSError) and not isinstance(error, smtplib.SMTPNotSupportedError)
        raise SendError(f"{server} cannot be used: {_said(why)}", unreachable=unreachable) from None
    if refused:
        raise SendError(f"{server} refused some recipients: {_refusals(refused)}", permanent=True)


def _talk(
    settings: EmailSettings,
    message: EmailMessage,
    password: str | None,
    context: ssl.SSLContext,
    peers: list[smtplib.SMTP],
) -> dict[str, tuple[int, bytes]]:
    """Connect, secure, log in, send; the recipients that were refused while others were not."""
    server = _connect(settings, context, peers)
    try:
        if settings.security is Security.STARTTLS:
            server.starttls(context=context)
        if password is not None and settings.user is not None:
            server.login(settings.user, password)
        refused = server.send_message(message, settings.sender, list(settings.to))
        with suppress(OSError):
            # It is accepted by now: a server that is slow to say good-bye does not turn that into a failure.
            if server.sock is not None:
                server.sock.settimeout(1)
            server.quit()
        return refused
    finally:
        server.close()


def _connect(settings: EmailSettings, context: ssl.SSLContext, peers: list[smtplib.SMTP]) -> smtplib.SMTP:
    """A connection past the greeting, noted in `peers` before that, so that it can be cut off."""
    port = settings.port or PORTS[settings.security]
    patience = settings.timeout + SOCKET_GRACE

    class Plain(smtplib.SMTP):
        def connect(self, *arguments: Any, **named: Any) -> tuple[int, bytes]:
            peers.append(self)
            return super().connect(*arguments, **named)

    class Secure(smtplib.SMTP_SSL):
        def connect(self, *arguments: Any, **named: Any) -> tuple[int, bytes]:
            peers.append(self)
            return super().connect(*arguments, **named)

    if settings.security is Security.TLS:
        return Secure(settings.host, port, timeout=patience, context=context)
    return Plain(settings.host, port, timeout=patience)


def _refusals(refused: dict[str, tuple[int, bytes]]) -> str:
    return one_line(
        "; ".join(f"{who}: {code} {_said(why)}" for who, (code, why) in refused.items()), most=MOST_SHOWN
    )


def _said(words: object) -> str:
    text = words.decode("utf-8", errors="replace") if isinstance(words, bytes) else str(words)
    return one_line(text, most=MOST_SHOWN)
