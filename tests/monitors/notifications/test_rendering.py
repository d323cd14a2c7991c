"""What each kind of channel shows of a notice."""

from __future__ import annotations

import html
import json
from email import message_from_bytes
from email.policy import default

from hypothesis import given
from hypothesis import strategies as st

from crisplens.core.clock import parse_time
from crisplens.monitors.notifications.mailing import make_message
from crisplens.monitors.notifications.model import EmailSettings, Notice, NoticeKind
from crisplens.monitors.notifications.rendering import (
    TITLES,
    json_body,
    mail,
    slack_message,
    text_line,
)
from tests.monitors.notifications.conftest import AT, a_notice, changed

NASTY = st.text(st.sampled_from("a <>&`*\r\n\t\x00\x1b\x85\u2028\u202e\ud800é😀:.@"), max_size=4000)
MIME_HEADERS = ("Content-Type", "Content-Transfer-Encoding", "MIME-Version")
HEADERS = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "X-Crisplens-Notice",
    *MIME_HEADERS,
)
EMAIL = EmailSettings(to=("ana@example.org",), sender="crisplens@example.org", host="mail")


def nasty(text: str) -> Notice:
    """A notice with the same text everywhere, not tidied by `make_notice`."""
    fields = ("project", "monitor", "model", "subject", "incident", "summary", "next")
    return changed(a_notice(), **dict.fromkeys(fields, text))


def test_the_json_body_is_documented_and_stable() -> None:
    notice = a_notice()
    assert json_body(notice).decode() == (
        '{"data":{"id":"' + notice.id + '","incident":"","model":"churn-gbm","monitor":"nightly",'
        '"next":"crisplens incident show incident-1","project":"churn","severity":"warning",'
        '"subject":"incident-1","summary":"2 of 3 compared columns drift (tenure, spend)."},'
        f'"timestamp":"{AT}","type":"incident.opened"}}'
    )


def test_slack_gets_a_text_and_blocks() -> None:
    message = slack_message(a_notice())
    assert message["text"] == (
        f"{AT} WARNING Incident opened: churn / nightly / incident-1: "
        "2 of 3 compared columns drift (tenure, spend). Next: crisplens incident show incident-1"
    )
    texts = [block["text"]["text"] for block in message["blocks"]]
    assert texts == [
        "*Incident opened (warning)*\n2 of 3 compared columns drift (tenure, spend).",
        "Project: churn\nMonitor: nightly\nModel: churn-gbm\nId: incident-1\nSeverity: warning\n"
        + f"At: {AT}",
        "Next: `crisplens incident show incident-1`",
    ]


def test_slack_cannot_be_made_to_mention_everyone_or_to_pose_as_a_link() -> None:
    message = slack_message(a_notice(summary="<!channel> <https://evil.example|fine> & more"))
    assert "&lt;!channel&gt; &lt;https://evil.example|fine&gt; &amp; more" in message["text"]
    assert "<" not in json.dumps(message)


@given(NASTY)
def test_slack_texts_are_escaped_and_short_whatever_they_say(text: str) -> None:
    message = slack_message(nasty(text))
    for shown in (message["text"], *(block["text"]["text"] for block in message["blocks"])):
        assert 0 < len(shown.encode("utf-16-le")) // 2 <= 3000
        assert "<" not in shown
        assert ">" not in shown
        # Escaping what was unescaped gives it back: no entity is cut in two.
        assert html.escape(html.unescape(shown), quote=False) == shown


@given(NASTY)
def test_no_text_can_smuggle_a_header_into_a_mail(text: str) -> None:
    notice = nasty(text)
    subject, body = mail(notice)
    assert len(subject.splitlines()) == 1
    assert len(subject) <= 150
    sent = message_from_bytes(bytes(make_message(EMAIL, notice, parse_time(AT))), policy=default)
    assert sorted(sent.keys()) == sorted(HEADERS)
    assert sent["To"] == "ana@example.org"
    assert notice.id in body


def test_slack_counts_an_emoji_as_two() -> None:
    shown = slack_message(a_notice(summary="😀" * 2000))["blocks"][0]["text"]["text"]
    assert 2700 <= len(shown.encode("utf-16-le")) // 2 <= 3000
    assert shown.endswith("😀…")


def test_a_mail_says_what_happened_and_what_to_do_next() -> None:
    subject, body = mail(a_notice())
    assert subject == (
        "[crisplens] WARNING Incident opened: churn / nightly / incident-1: "
        "2 of 3 compared columns drift (tenure, spend)."
    )
    assert body.splitlines()[0] == "2 of 3 compared columns drift (tenure, spend)."
    assert "Next:\n  crisplens incident show incident-1\n" in body


def test_what_is_empty_is_left_out() -> None:
    notice = a_notice(monitor="", model="", subject="", next="")
    assert text_line(notice) == (
        f"{AT} WARNING Incident opened: churn: 2 of 3 compared columns drift (tenure, spend)."
    )
    assert "Monitor" not in mail(notice).body
    assert len(slack_message(notice)["blocks"]) == 2


@given(NASTY)
def test_a_text_line_is_one_line_without_control_characters(text: str) -> None:
    line = text_line(nasty(text))
    assert len(line.splitlines()) == 1
    assert not set(line) & {"\x00", "\x1b", "\u202e", "\ud800"}
    json_body(nasty(text)).decode()


def test_every_kind_has_a_title() -> None:
    assert TITLES.keys() == set(NoticeKind)
