"""A notice as each kind of channel shows it. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from crisplens.core.canonical import canonical_json
from crisplens.monitors.notifications.model import Notice, NoticeKind, Severity
from crisplens.monitors.notifications.text import cut, one_line

# https://docs.slack.dev/reference/block-kit/composition-objects/text-object; `text` is advised to stay below 4000.
SLACK_TEXT = 3000
# RFC 5322 wants lines below 998 characters; what a list of mails shows is shorter by far.
MOST_SUBJECT = 150

TITLES = {
    NoticeKind.INCIDENT_OPENED: "Incident opened",
    NoticeKind.INCIDENT_ESCALATED: "Incident escalated",
    NoticeKind.INCIDENT_RESOLVED: "Incident resolved",
    NoticeKind.TRIGGER_RAISED: "Retraining asked for",
    NoticeKind.TRIGGER_RESOLVED: "Retraining answered",
    NoticeKind.SCHEDULER_FAILED: "Scheduled check failed to run",
}


class Mail(NamedTuple):
    """A plain-text mail; the subject is one line."""

    subject: str
    body: str


def json_body(notice: Notice) -> bytes:
    """The body of a webhook, the input of a command and a line of a file: RFC 8785, so the same bytes every time.

    `type`, `timestamp` and `data` as Standard Webhooks advises; `data` has id, project, monitor, model, subject,
    incident, summary, severity and next, all text and always there. New keys may be added; none changes its meaning.
    """
    data = {
        key: one_line(getattr(notice, key))
        for key in ("id", "project", "monitor", "model", "subject", "incident", "summary", "severity", "next")
    }
    return canonical_json({"type": str(notice.kind), "timestamp": notice.at, "data": data}).encode()


def slack_message(notice: Notice) -> dict[str, Any]:
    """A message for Slack's incoming webhooks: `text` for notifications and old clients, `blocks` for the rest.

    https://docs.slack.dev/messaging/formatting-message-text: &, < and > are escaped, so no text can mention
    everyone or pose as a link.
    """
    title = f"{TITLES[notice.kind]} ({notice.severity})"
    blocks = [
        _section(f"*{_escaped(title, 200)}*\n{_escaped(one_line(notice.summary), SLACK_TEXT - 250)}"),
        _section(_escaped("\n".join(f"{name}: {value}" for name, value in _facts(notice)), SLACK_TEXT)),
    ]
    if notice.next:
        blocks.append(_section(f"Next: `{_escaped(one_line(notice.next).replace('`', chr(39)), 2500)}`"))
    return {"text": _escaped(text_line(notice), SLACK_TEXT), "blocks": blocks}


def mail(notice: Notice) -> Mail:
    """Subject and text of a mail. No line end can get into the subject, so no header can be smuggled in."""
    subject = one_line(
        f"[crisplens] {_marked(notice)}: {_where(notice)}: {notice.summary}", most=MOST_SUBJECT
    )
    lines = [one_line(notice.summary), "", *(f"{name}: {value}" for name, value in _facts(notice))]
    if notice.next:
        lines += ["", "Next:", f"  {one_line(notice.next)}"]
    return Mail(subject, "\n".join([*lines, "", f"Notice {one_line(notice.id)}", ""]))


def text_line(notice: Notice) -> str:
    """The notice in one line, for a file or a terminal."""
    line = f"{notice.at} {_marked(notice)}: {_where(notice)}: {notice.summary}"
    return one_line(f"{line} Next: {notice.next}" if notice.next else line)


def _marked(notice: Notice) -> str:
    loud = f"{notice.severity.upper()} " if notice.severity is not Severity.INFO else ""
    return f"{loud}{TITLES[notice.kind]}"


def _where(notice: Notice) -> str:
    return " / ".join(part for part in (notice.project, notice.monitor, notice.subject) if part)


def _facts(notice: Notice) -> list[tuple[str, str]]:
    """What is known of it, by name; what is empty is left out."""
    named = {
        "Project": notice.project,
        "Monitor": notice.monitor,
        "Model": notice.model,
        "Id": notice.subject,
        "Severity": notice.severity,
        "At": notice.at,
    }
    return [(name, one_line(value)) for name, value in named.items() if value]


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _escaped(text: str, most: int) -> str:
    """Escaped for Slack, in at most `most` UTF-16 units, without a cut through an entity."""
    escapes = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
    units = [escapes.get(character, character) for character in text]
    size = 0
    for position, unit in enumerate(units):
        size += len(unit) + (unit > "\uffff")
        if size > most:
            return _escaped(cut(text, position), most)
    return "".join(units)
