"""Values of notifications: what happened, where it is to be told, and how far that got. Pure."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum

import msgspec

from crisplens.core.canonical import canonical_json
from crisplens.core.clock import parse_time
from crisplens.core.errors import InputError
from crisplens.monitors.notifications.text import one_line

MOST_SUMMARY = 2000
MOST_NEXT = 1000
MOST_NAME = 200
# Goes into the header webhook-id and between dots into what is signed, so neither dots nor line ends.
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


class NoticeKind(StrEnum):
    """What can be told; a receiver sees it as the type of the message."""

    INCIDENT_OPENED = "incident.opened"
    INCIDENT_ESCALATED = "incident.escalated"
    INCIDENT_RESOLVED = "incident.resolved"
    TRIGGER_RAISED = "trigger.raised"
    TRIGGER_RESOLVED = "trigger.resolved"
    SCHEDULER_FAILED = "scheduler.failed"


class Severity(StrEnum):
    """How much it matters."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened and that people or systems are to be told; made by `make_notice`.

    `subject` is the id of the incident or trigger, empty where there is none; `incident` is that of a trigger. `at` is
    when it happened (RFC 3339), `next` the command to run next. `id` is the same whenever the same thing is told, so
    receivers drop repeats by it.
    """

    id: str
    kind: NoticeKind
    project: str
    monitor: str = ""
    model: str = ""
    subject: str = ""
    incident: str = ""
    summary: str
    severity: Severity
    at: str
    next: str = ""


def make_notice(
    kind: NoticeKind,
    *,
    project: str,
    summary: str,
    severity: Severity,
    at: str,
    monitor: str = "",
    model: str = "",
    subject: str = "",
    incident: str = "",
    next: str = "",
) -> Notice:
    """A notice with its id, which depends on kind, project, monitor, subject and `at` alone.

    So `at` must be the time that the record has for it, not the time of telling. Texts become one line each; a long
    one is cut. Raises `InputError` when `at` is no time.
    """
    parse_time(at)
    identity = canonical_json([str(kind), *map(one_line, (project, monitor, subject)), at])
    return Notice(
        id=f"ntc_{hashlib.sha256(identity.encode()).hexdigest()[:32]}",
        kind=kind,
        project=one_line(project, most=MOST_NAME),
        monitor=one_line(monitor, most=MOST_NAME),
        model=one_line(model, most=MOST_NAME),
        subject=one_line(subject, most=MOST_NAME),
        incident=one_line(incident, most=MOST_NAME),
        summary=one_line(summary, most=MOST_SUMMARY),
        severity=severity,
        at=at,
        next=one_line(next, most=MOST_NEXT),
    )


def check_notice(notice: Notice) -> Notice:
    """`notice` if it can be kept and sent: its id fits a header, its texts are Unicode. Raises `InputError`."""
    if not _ID.fullmatch(notice.id):
        raise InputError(
            f"{notice.id[:60]!r} is not the id of a notice",
            slug="bad-notice",
            hint="Make notices with make_notice, or use 1 to 100 letters, digits, dashes and underscores.",
        )
    parse_time(notice.at)
    canonical_json(msgspec.to_builtins(notice))
    return notice


class ChannelKind(StrEnum):
    """The ways to tell."""

    WEBHOOK = "webhook"
    SLACK = "slack"
    EMAIL = "email"
    COMMAND = "command"
    FILE = "file"


class Security(StrEnum):
    """How the connection to a mail server is kept private; `none` sends no password."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class LineFormat(StrEnum):
    """What a line of a file looks like."""

    JSON = "json"
    TEXT = "text"


class SecretSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where a secret is found: in an environment variable of that name, or in a file. Never the secret itself."""

    variable: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        return f"the environment variable {self.variable}" if self.variable else f"the file {self.file}"


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="webhook"):
    """A signed POST to `url`. `timeout` is in seconds; `ca_file` has the certificates to trust, if not the system's."""

    url: str
    ca_file: str | None = None
    timeout: float = 15.0


class SlackSettings(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="slack"):
    """A POST to an incoming webhook of Slack, whose URL is the secret."""

    ca_file: str | None = None
    timeout: float = 15.0


class EmailSettings(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="email"):
    """A mail through a server; with a `user`, the secret is the password. No `port` means the usual one."""

    to: tuple[str, ...]
    sender: str = msgspec.field(name="from")
    host: str
    port: int | None = None
    security: Security = Security.STARTTLS
    user: str | None = None
    ca_file: str | None = None
    timeout: float = 30.0


class CommandSettings(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="command"):
    """A program and its arguments; it gets the variables that are named in `environment`, and few others."""

    command: tuple[str, ...]
    environment: tuple[str, ...] = ()
    timeout: float = 30.0


class FileSettings(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="file"):
    """A file to which a line is added."""

    path: str
    format: LineFormat = LineFormat.JSON


Settings = WebhookSettings | SlackSettings | EmailSettings | CommandSettings | FileSettings
_KINDS: dict[type[Settings], ChannelKind] = {
    WebhookSettings: ChannelKind.WEBHOOK,
    SlackSettings: ChannelKind.SLACK,
    EmailSettings: ChannelKind.EMAIL,
    CommandSettings: ChannelKind.COMMAND,
    FileSettings: ChannelKind.FILE,
}


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """One way to tell someone, which kinds of notice it takes, and where its secret comes from."""

    name: str
    settings: Settings
    notices: tuple[NoticeKind, ...] = tuple(NoticeKind)
    secret: SecretSource | None = None

    @property
    def kind(self) -> ChannelKind:
        """Which of the ways it is."""
        return _KINDS[type(self.settings)]

    @property
    def target(self) -> str:
        """Whom it reaches, in words that hold no secret."""
        match self.settings:
            case WebhookSettings(url=url):
                return url.partition("?")[0]
            case SlackSettings():
                return f"the URL in {self.secret}"
            case EmailSettings(to=to):
                return ", ".join(to)
            case CommandSettings(command=command):
                return command[0]
            case FileSettings(path=path):
                return path

    def takes(self, kind: NoticeKind) -> bool:
        """Whether notices of this kind go through it."""
        return kind in self.notices


class DeliveryState(StrEnum):
    """How far a delivery got. An unreadable one was damaged in the spool folder and is set aside there."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"
    UNREADABLE = "unreadable"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One notice on its way through one channel; times are RFC 3339.

    `attempts` counts those that were begun. `last_error` says in plain words why the last one failed. A waiting
    delivery is tried from `next_attempt` on, or at once where there is none. `closed_at` is when it was delivered
    or given up. An unreadable delivery has its `id` and `last_error` alone.
    """

    id: str
    notice_id: str = ""
    channel: str = ""
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    last_error: str = ""
    next_attempt: str | None = None
    closed_at: str | None = None


class SendError(Exception):
    """An attempt failed; the message says why, in plain words and without a secret.

    `unreachable`: the other side gave no answer, so the next notice would meet the same. `permanent`: trying again
    is pointless or unwanted. `retry_after`: the seconds for which the receiver asked to be left alone.
    """

    def __init__(
        self, message: str, *, unreachable: bool = False, permanent: bool = False, retry_after: int = 0
    ) -> None:
        super().__init__(message)
        self.unreachable = unreachable
        self.permanent = permanent
        self.retry_after = retry_after
