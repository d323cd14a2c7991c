"""Channels read from `crisplens.toml`, and faults that name the key and what is accepted."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.monitors.notifications.channels import ACCEPTED, SETTINGS, read_channels
from crisplens.monitors.notifications.model import (
    Channel,
    ChannelKind,
    CommandSettings,
    EmailSettings,
    FileSettings,
    LineFormat,
    NoticeKind,
    SecretSource,
    Security,
    SlackSettings,
    WebhookSettings,
)

EXAMPLE = """
[notifications.ops]
kind = "webhook"
url = "https://hooks.example.org/in"
secret_env = "OPS_SECRET"
notices = ["incident.*", "scheduler.failed"]
timeout = 20

[notifications.chat]
kind = "slack"
secret_file = "slack.url"

[notifications.mail]
kind = "email"
to = ["ana@example.org"]
from = "crisplens@example.org"
host = "mail.example.org"
port = 2525
security = "tls"
user = "crisplens"
secret_env = "MAIL_PASSWORD"
ca_file = "/etc/ca.pem"

[notifications.relay]
kind = "email"
to = ["ana@example.org", "bo@example.org"]
from = "crisplens@example.org"
host = "localhost"
security = "none"

[notifications.page]
kind = "command"
command = ["bin/page", "--team", "ml"]
environment = ["PAGER_TOKEN"]

[notifications.log]
kind = "file"
path = "notices.jsonl"
format = "text"
"""
HOOK = {"kind": "webhook", "url": "https://hooks.example.org/", "secret_env": "OPS_SECRET"}
MAIL = {"kind": "email", "to": ["a@example.org"], "from": "c@example.org", "host": "mail"}


def read(**table: Any) -> Channel:
    """The channel of one table."""
    (channel,) = read_channels({"one": table})
    return channel


def test_every_kind_of_channel_is_read() -> None:
    folder = Path("/srv/churn")
    assert read_channels(tomllib.loads(EXAMPLE)["notifications"], folder=folder) == (
        Channel(
            name="ops",
            settings=WebhookSettings(url="https://hooks.example.org/in", timeout=20),
            notices=(
                NoticeKind.INCIDENT_OPENED,
                NoticeKind.INCIDENT_ESCALATED,
                NoticeKind.INCIDENT_RESOLVED,
                NoticeKind.SCHEDULER_FAILED,
            ),
            secret=SecretSource(variable="OPS_SECRET"),
        ),
        Channel(name="chat", settings=SlackSettings(), secret=SecretSource(file="/srv/churn/slack.url")),
        Channel(
            name="mail",
            settings=EmailSettings(
                to=("ana@example.org",),
                sender="crisplens@example.org",
                host="mail.example.org",
                port=2525,
                security=Security.TLS,
                user="crisplens",
                ca_file="/etc/ca.pem",
            ),
            secret=SecretSource(variable="MAIL_PASSWORD"),
        ),
        Channel(
            name="relay",
            settings=EmailSettings(
                to=("ana@example.org", "bo@example.org"),
                sender="crisplens@example.org",
                host="localhost",
                security=Security.NONE,
            ),
        ),
        Channel(
            name="page",
            settings=CommandSettings(
                command=("/srv/churn/bin/page", "--team", "ml"), environment=("PAGER_TOKEN",)
            ),
        ),
        Channel(name="log", settings=FileSettings(path="/srv/churn/notices.jsonl", format=LineFormat.TEXT)),
    )


def test_a_channel_takes_every_kind_unless_it_says_which() -> None:
    assert read(**HOOK).notices == tuple(NoticeKind)
    only = read(**HOOK, notices=["trigger.raised"])
    assert [kind for kind in NoticeKind if only.takes(kind)] == [NoticeKind.TRIGGER_RAISED]


def test_a_program_of_the_search_path_stays_as_it_is() -> None:
    (channel,) = read_channels({"one": {"kind": "command", "command": ["page", "a/b"]}}, folder=Path("/srv"))
    assert isinstance(channel.settings, CommandSettings)
    assert channel.settings.command == ("page", "a/b")


@pytest.mark.parametrize(
    ("table", "message", "hint"),
    [
        ({}, "notifications.one has no kind", "webhook, slack, email, command, file"),
        ({"kind": "pager"}, "notifications.one.kind is not accepted: 'pager'", "webhook, slack"),
        ({"kind": ["webhook"]}, "notifications.one.kind is not accepted", "webhook, slack"),
        ({"kind": "webhook", "secret_env": "S"}, "has no url, which webhook needs", "an http or https URL"),
        ({**HOOK, "url": "ftp://example.org"}, "one.url is not accepted", "an http or https URL"),
        ({**HOOK, "url": "https://ana:hush@example.org/"}, "one.url is not accepted", "without user name"),
        ({**HOOK, "url": "https://exa mple.org/"}, "one.url is not accepted", "spaces"),
        ({**HOOK, "url": "https://example.org/\n"}, "one.url is not accepted", "spaces"),
        ({**HOOK, "url": "https://example.org:port/"}, "one.url is not accepted", "URL"),
        ({**HOOK, "url": 5}, "one.url is not accepted", "URL"),
        ({**HOOK, "timout": 5}, "unknown key 'timout'", "Did you mean timeout?"),
        ({**HOOK, "secret": "hush"}, "unknown key 'secret'", "Did you mean secret_"),
        ({**HOOK, "timeout": 0}, "one.timeout is not accepted: 0", "at most 300"),
        ({**HOOK, "timeout": 301}, "one.timeout is not accepted: 301", "at most 300"),
        ({**HOOK, "timeout": True}, "one.timeout is not accepted: True", "at most 300"),
        ({**HOOK, "timeout": float("nan")}, "one.timeout is not accepted: nan", "at most 300"),
        ({**HOOK, "notices": "incident.opened"}, "one.notices is not accepted", "incident.opened"),
        ({**HOOK, "notices": []}, "one.notices is not accepted", "incident.opened"),
        (
            {**HOOK, "notices": ["incident.open"]},
            "one.notices is not accepted: 'incident.open'",
            "incident.*",
        ),
        ({**HOOK, "secret_env": "hush hush"}, "one.secret_env is not accepted", "never the secret itself"),
        ({**HOOK, "secret_env": ""}, "one.secret_env is not accepted", "never the secret itself"),
        ({**HOOK, "secret_file": "x"}, "both secret_env and secret_file", "one of them"),
        ({"kind": "webhook", "url": "https://a.example/"}, "has no secret: the key", "secret_env"),
        ({"kind": "slack"}, "has no secret: its URL", "secret_env"),
        (
            {"kind": "slack", "url": "https://hooks.slack.example/hush"},
            "unknown key 'url'",
            "URL is a secret",
        ),
        ({**MAIL, "to": "a@example.org"}, "one.to is not accepted", "list of mail addresses"),
        ({**MAIL, "to": ["Ana <a@example.org>"]}, "one.to is not accepted", "list of mail addresses"),
        ({**MAIL, "to": ["a@example.org\nBcc: b@example.org"]}, "one.to is not accepted", "list of mail"),
        ({**MAIL, "from": "a@b\r\nBcc: c@d"}, "one.from is not accepted", "a mail address"),
        ({**MAIL, "host": "mail/x"}, "one.host is not accepted: 'mail/x'", "name of the mail server"),
        ({**MAIL, "port": 70000}, "one.port is not accepted: 70000", "1 to 65535"),
        ({**MAIL, "security": "ssl"}, "one.security is not accepted: 'ssl'", "starttls, tls, none"),
        ({**MAIL, "user": "ana"}, "has a user but no secret_env", "both, or neither"),
        ({**MAIL, "secret_env": "P"}, "has a secret but no user", "both, or neither"),
        (
            {**MAIL, "user": "ana", "secret_env": "P", "security": "none"},
            "would send a password in the clear",
            "starttls",
        ),
        ({"kind": "command", "command": "rm -rf /"}, "one.command is not accepted", "a list of a program"),
        ({"kind": "command", "command": []}, "one.command is not accepted", "a list of a program"),
        ({"kind": "command", "command": ["a\x00"]}, "one.command is not accepted", "a list of a program"),
        (
            {"kind": "command", "command": ["a"], "environment": ["A=hush"]},
            "one.environment",
            "list of names",
        ),
        (
            {"kind": "command", "command": ["a"], "secret_env": "A"},
            "unknown key 'secret_env'",
            "Keys of command",
        ),
        ({"kind": "file", "path": ""}, "one.path is not accepted", "path of the file"),
        (
            {"kind": "file", "path": "log", "format": "csv"},
            "one.format is not accepted: 'csv'",
            "json or text",
        ),
        ({"kind": "file"}, "has no path, which file needs", "path of the file"),
    ],
)
def test_a_fault_names_the_key_and_what_is_accepted(table: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(InputError) as raised:
        read(**table)
    assert message in raised.value.message
    assert hint in raised.value.hint
    assert "hush" not in raised.value.message + raised.value.hint
    assert raised.value.slug == "bad-configuration"


@pytest.mark.parametrize("tables", ["text", ["a"], {"one": "text"}, {"one": 5}])
def test_what_is_no_table_is_refused(tables: Any) -> None:
    with pytest.raises(InputError, match="is not a"):
        read_channels(tables)


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="cannot name a notification channel"):
        read_channels({"a b": HOOK})


def test_every_key_says_what_it_accepts() -> None:
    fields = {field.encode_name for kind in SETTINGS.values() for field in msgspec.structs.fields(kind)}
    assert fields | {"kind", "notices", "secret_env", "secret_file"} == set(ACCEPTED)
    assert set(SETTINGS) == set(ChannelKind)


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from(list(ChannelKind))
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=6,
)


@given(st.sampled_from(list(ChannelKind)), st.dictionaries(st.sampled_from(sorted(ACCEPTED)), VALUES))
def test_no_value_leads_to_anything_but_a_channel_or_a_fault(
    kind: ChannelKind, table: dict[str, Any]
) -> None:
    with suppress(InputError):
        assert isinstance(read(**{"kind": str(kind), **table}), Channel)
