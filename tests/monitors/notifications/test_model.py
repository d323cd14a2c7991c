"""Notices: the same thing has the same id, and no text can break out of its line."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.monitors.notifications.model import (
    Channel,
    CommandSettings,
    EmailSettings,
    FileSettings,
    NoticeKind,
    SecretSource,
    Severity,
    SlackSettings,
    WebhookSettings,
    check_notice,
)
from tests.monitors.notifications.conftest import a_notice, changed


def test_the_id_stays_the_same_when_only_the_words_change() -> None:
    assert a_notice().id == a_notice(summary="In other words.", severity=Severity.CRITICAL, next="").id


@pytest.mark.parametrize(
    "change",
    [
        {"kind": NoticeKind.INCIDENT_RESOLVED},
        {"project": "fraud"},
        {"monitor": "weekly"},
        {"subject": "incident-2"},
        {"at": "2026-03-02T12:30:00.000000Z"},
    ],
)
def test_another_thing_has_another_id(change: dict[str, Any]) -> None:
    assert a_notice(**change).id != a_notice().id


@given(st.text(max_size=300), st.text(max_size=3000), st.text(max_size=1500))
def test_any_text_makes_a_notice_that_can_be_kept(name: str, summary: str, next: str) -> None:
    made = a_notice(project=name, monitor=name, subject=name, summary=summary, next=next)
    assert check_notice(made) is made
    texts = (made.project, made.monitor, made.subject, made.summary, made.next)
    assert all(len(text.splitlines()) <= 1 for text in texts)
    assert len(made.summary) <= 2000
    assert msgspec.json.decode(msgspec.json.encode(made), type=type(made)) == made


@given(st.text(st.characters(categories=["L", "N", "P"], max_codepoint=0x2000), max_size=50))
def test_harmless_text_is_kept_as_it_is(text: str) -> None:
    assert a_notice(summary=text).summary == text


def test_a_notice_without_a_time_is_refused() -> None:
    with pytest.raises(InputError, match="is not a time"):
        a_notice(at="yesterday")


@pytest.mark.parametrize("id", ["", "a.b", "a\nb", "a b", "é", "x" * 101, "a\n"])
def test_an_id_that_does_not_fit_a_header_is_refused(id: str) -> None:
    with pytest.raises(InputError, match="is not the id of a notice"):
        check_notice(changed(a_notice(), id=id))


@pytest.mark.parametrize("summary", ["\ud800", "a\x00b"])
def test_text_that_json_cannot_hold_is_refused(summary: str) -> None:
    with pytest.raises(InputError):
        check_notice(changed(a_notice(), summary=summary))


def test_a_channel_says_whom_it_reaches_without_a_secret() -> None:
    source = SecretSource(variable="SLACK_URL")
    settings = [
        WebhookSettings(url="https://hooks.example.org/in?token=hush"),
        SlackSettings(),
        EmailSettings(to=("ana@example.org", "bo@example.org"), sender="c@example.org", host="mail"),
        CommandSettings(command=("page", "--key", "hush")),
        FileSettings(path="notices.jsonl"),
    ]
    channels = [Channel(name="one", settings=one, secret=source) for one in settings]
    assert [(channel.kind.value, channel.target) for channel in channels] == [
        ("webhook", "https://hooks.example.org/in"),
        ("slack", "the URL in the environment variable SLACK_URL"),
        ("email", "ana@example.org, bo@example.org"),
        ("command", "page"),
        ("file", "notices.jsonl"),
    ]
