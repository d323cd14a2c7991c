"""One attempt to tell: a function for each kind of channel. Each ends in time and raises `SendError` when it failed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from crisplens.core.canonical import canonical_json
from crisplens.core.clock import parse_time
from crisplens.monitors.notifications import rendering
from crisplens.monitors.notifications.locks import lock_within
from crisplens.monitors.notifications.model import (
    Channel,
    CommandSettings,
    EmailSettings,
    FileSettings,
    LineFormat,
    Notice,
    SecretSource,
    SendError,
    SlackSettings,
    WebhookSettings,
)

# How `deliver_due` sends: through a channel, a notice, at a time. Returning means that it arrived.
Send: TypeAlias = Callable[[Channel, Notice, datetime], None]

MOST_SECRET = 10_000
LOCK_SECONDS = 10


def send(
    channel: Channel, notice: Notice, at: datetime, *, environment: Mapping[str, str] = os.environ
) -> None:
    """Send `notice` through `channel`, once. Raises `SendError` when it did not arrive, or nobody can tell."""
    match channel.settings:
        case WebhookSettings() as settings:
            send_webhook(settings, notice, at, read_secret(channel.secret, environment))
        case SlackSettings() as settings:
            send_slack(settings, notice, read_secret(channel.secret, environment))
        case EmailSettings() as settings:
            send_email(settings, notice, read_secret(channel.secret, environment) if settings.user else None)
        case CommandSettings() as settings:
            send_to_command(settings, notice, environment)
        case FileSettings() as settings:
            append_to_file(settings, notice)


def read_secret(source: SecretSource | None, environment: Mapping[str, str]) -> str:
    """The secret, without white space around it. Raises `SendError` when it is not where it should be."""
    if source is None:
        raise SendError("the channel names no secret: set secret_env or secret_file")
    if source.variable:
        secret = environment.get(source.variable, "")
    else:
        try:
            with Path(str(source.file)).open("rb") as file:
                secret = file.read(MOST_SECRET).decode()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise SendError(f"the secret in {source} cannot be read: {why}") from None
    if not secret.strip():
        raise SendError(f"{source} holds no secret: it is not set, or empty")
    return secret.strip()


def send_webhook(settings: WebhookSettings, notice: Notice, at: datetime, secret: str) -> None:
    """POST the notice, signed as Standard Webhooks has it (see `signing`)."""
    from crisplens.monitors.notifications.posting import post
    from crisplens.monitors.notifications.signing import parse_keys, signed_headers

    try:
        keys = parse_keys(secret)
    except ValueError as error:
        raise SendError(f"the secret cannot be used: {error}") from None
    body = rendering.json_body(notice)
    headers = signed_headers(notice.id, int(at.timestamp()), body, keys)
    post(settings.url, body, headers, seconds=settings.timeout, ca_file=settings.ca_file)


def send_slack(settings: SlackSettings, notice: Notice, url: str) -> None:
    """POST the notice to an incoming webhook of Slack, or of a chat that takes the same messages."""
    from crisplens.monitors.notifications.posting import post

    if not url.startswith(("https://", "http://")):
        raise SendError("the secret cannot be used: it is not the http or https URL of an incoming webhook")
    body = canonical_json(rendering.slack_message(notice)).encode()
    post(url, body, {}, seconds=settings.timeout, ca_file=settings.ca_file)


def send_email(settings: EmailSettings, notice: Notice, password: str | None) -> None:
    """Hand the notice to the mail server (see `mailing`)."""
    from crisplens.monitors.notifications.mailing import hand_over, make_message

    hand_over(settings, make_message(settings, notice, parse_time(notice.at)), password)


def send_to_command(
    settings: CommandSettings, notice: Notice, environment: Mapping[str, str] = os.environ
) -> None:
    """Run a program with the notice as JSON on its standard input; exit code 0 means that it was told."""
    from crisplens.monitors.notifications.running import run

    run(settings, rendering.json_body(notice) + b"\n", environment)


def append_to_file(settings: FileSettings, notice: Notice) -> None:
    """Add the notice to a file as one line, in one write that other processes' lines do not mix with, and sync it.

    A line that a full disk or a power cut tore is left as it is; the next one starts on a line of its own. The file is
    locked for that: while another process adds its line, the file's end looks torn.
    """
    as_json = settings.format is LineFormat.JSON
    line = (rendering.json_body(notice) if as_json else rendering.text_line(notice).encode()) + b"\n"
    # Not waiting: opening a named pipe would, until somebody reads it.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(settings.path, flags, 0o666)
        try:
            if not os.path.isfile(settings.path):
                raise SendError(f"{settings.path} is not a regular file")
            if not lock_within(descriptor, LOCK_SECONDS):
                raise SendError(f"{settings.path} was locked by another process for {LOCK_SECONDS} seconds")
            if not _ends_a_line(descriptor):
                line = b"\n" + line
            if os.write(descriptor, line) != len(line):
                raise SendError(f"{settings.path} took a part of the line only. Is the disk full?")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise SendError(f"{settings.path} cannot be written: {why}") from None


def _ends_a_line(descriptor: int) -> bool:
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if not size:
        return True
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) == b"\n"
