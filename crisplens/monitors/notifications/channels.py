"""Channels as `crisplens.toml` names them: the tables `[notifications.NAME]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from crisplens.core.decoding import convert
from crisplens.core.errors import InputError
from crisplens.core.names import check_name, nearest
from crisplens.monitors.notifications.model import (
    Channel,
    ChannelKind,
    CommandSettings,
    EmailSettings,
    FileSettings,
    NoticeKind,
    SecretSource,
    Security,
    Settings,
    SlackSettings,
    WebhookSettings,
)

LONGEST_TIMEOUT = 300
SETTINGS: dict[ChannelKind, type[Settings]] = {
    ChannelKind.WEBHOOK: WebhookSettings,
    ChannelKind.SLACK: SlackSettings,
    ChannelKind.EMAIL: EmailSettings,
    ChannelKind.COMMAND: CommandSettings,
    ChannelKind.FILE: FileSettings,
}
# Always, or only with a `user`.
NEEDS_SECRET = frozenset({ChannelKind.WEBHOOK, ChannelKind.SLACK})
MAY_HAVE_SECRET = NEEDS_SECRET | {ChannelKind.EMAIL}
ACCEPTED = {
    "kind": f"one of {', '.join(ChannelKind)}",
    "notices": f"a list of {', '.join(NoticeKind)}, or patterns such as incident.*",
    "secret_env": "the name of an environment variable, such as CRISPLENS_WEBHOOK_SECRET; never the secret itself",
    "secret_file": "the path of a file that holds the secret",
    "url": "an http or https URL without user name, password, fragment or spaces",
    "ca_file": "the path of a PEM file with the certificates to trust",
    "timeout": f"a number of seconds above 0, at most {LONGEST_TIMEOUT}",
    "to": 'a list of mail addresses, such as ["ana@example.org"]',
    "from": "a mail address, such as crisplens@example.org",
    "host": "the name of the mail server, such as mail.example.org",
    "port": "a whole number from 1 to 65535",
    "security": f"one of {', '.join(Security)}",
    "user": "the name to log in with at the mail server",
    "command": 'a list of a program and its arguments, such as ["/usr/local/bin/page", "--team", "ml"]',
    "environment": "a list of names of environment variables that the command may see",
    "path": "the path of the file that lines are added to",
    "format": "json or text",
}
_COMMON = ("kind", "notices", "secret_env", "secret_file")
_PATHS = ("ca_file", "path")
# What may hold a secret, or does when someone mistook the key, is not repeated in an error.
_SHOWN = frozenset({"kind", "notices", "timeout", "to", "from", "host", "port", "security", "format"})
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\"\\\x00-\x20\x7f-\U0010ffff]+@[A-Za-z0-9.-]+")
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")


def read_channels(tables: Mapping[str, Any], *, folder: Path = Path()) -> tuple[Channel, ...]:
    """The channels of the tables `[notifications.NAME]`, given as NAME to table, in their order.

    Relative paths start at `folder`, where the configuration stands. Secrets are not looked up here. Raises
    `InputError` that names the table, the key and what is accepted.
    """
    if not isinstance(tables, Mapping):
        raise _fault(
            "notifications", "is not a set of tables", "Write a table [notifications.NAME] per channel."
        )
    return tuple(_read_channel(name, table, folder) for name, table in tables.items())


def _read_channel(name: str, table: Any, folder: Path) -> Channel:
    check_name("notification channel", name)
    where = f"notifications.{name}"
    if not isinstance(table, Mapping):
        raise _fault(where, "is not a table", f"Write [{where}] and its keys below.")
    kind = _read_kind(where, table)
    fields = {field.encode_name: field for field in msgspec.structs.fields(SETTINGS[kind])}
    allowed = [key for key in (*_COMMON, *fields) if kind in MAY_HAVE_SECRET or not key.startswith("secret_")]
    for key in table:
        if key not in allowed:
            raise _unknown_key(where, kind, str(key), allowed)
    for key, field in fields.items():
        if field.required and key not in table:
            raise _fault(where, f"has no {key}, which {kind} needs", _accepted(key))
    settings = {key: _read_value(where, key, value, folder) for key, value in table.items() if key in fields}
    try:
        converted = convert(settings, SETTINGS[kind])
    except msgspec.ValidationError as error:
        raise _fault(where, f"cannot be used: {error}", f"Keys: {', '.join(allowed)}.") from None
    channel = Channel(
        name=name,
        settings=converted,
        notices=_read_notices(where, table),
        secret=_read_secret_source(where, table, folder),
    )
    _check_secret(where, channel)
    return channel


def _read_kind(where: str, table: Mapping[str, Any]) -> ChannelKind:
    if "kind" not in table:
        raise _fault(where, "has no kind", _accepted("kind"))
    if table["kind"] not in list(ChannelKind):
        raise _bad_value(where, "kind", table["kind"])
    return ChannelKind(table["kind"])


def _read_notices(where: str, table: Mapping[str, Any]) -> tuple[NoticeKind, ...]:
    patterns = table.get("notices", ["*"])
    if not _is_list_of_text(patterns):
        raise _bad_value(where, "notices", patterns)
    for pattern in patterns:
        if not any(fnmatchcase(kind, pattern) for kind in NoticeKind):
            raise _bad_value(where, "notices", pattern)
    return tuple(kind for kind in NoticeKind if any(fnmatchcase(kind, pattern) for pattern in patterns))


def _read_secret_source(where: str, table: Mapping[str, Any], folder: Path) -> SecretSource | None:
    given = [key for key in ("secret_env", "secret_file") if key in table]
    if len(given) == 2:
        raise _fault(where, "has both secret_env and secret_file", "Give one of them.")
    if not given:
        return None
    (key,) = given
    value = table[key]
    if not isinstance(value, str) or not value or "\x00" in value:
        raise _bad_value(where, key, value)
    if key == "secret_file":
        return SecretSource(file=str(folder / value))
    if not _VARIABLE.fullmatch(value):
        raise _bad_value(where, key, value)
    return SecretSource(variable=value)


def _check_secret(where: str, channel: Channel) -> None:
    """A secret where one is needed, and no password over a connection that everybody can read."""
    if channel.secret is None and channel.kind in NEEDS_SECRET:
        what = "its URL" if channel.kind is ChannelKind.SLACK else "the key that signs"
        raise _fault(
            where, f"has no secret: {what}", "Give secret_env or secret_file, which say where to find it."
        )
    if isinstance(channel.settings, EmailSettings):
        user = channel.settings.user
        if (user is None) != (channel.secret is None):
            missing, given = ("user", "a secret") if user is None else ("secret_env or secret_file", "a user")
            raise _fault(where, f"has {given} but no {missing}", "A login takes both, or neither.")
        if user is not None and channel.settings.security is Security.NONE:
            raise _fault(
                where,
                "would send a password in the clear",
                "Set security to starttls or tls, or leave user out.",
            )


def _read_value(where: str, key: str, value: Any, folder: Path) -> Any:
    """A setting's value as the settings take it; raises `InputError` for one that is not accepted."""
    if not _is_accepted(key, value):
        raise _bad_value(where, key, value)
    if key in _PATHS:
        return str(folder / value)
    if key == "command" and "/" in value[0]:
        return [str(folder / value[0]), *value[1:]]
    return value


def _is_accepted(key: str, value: Any) -> bool:
    match key:
        case "url":
            return isinstance(value, str) and _is_url(value)
        case "timeout":
            return (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and 0 < value <= LONGEST_TIMEOUT
            )
        case "port":
            return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536
        case "to":
            return _is_list_of_text(value) and all(map(_ADDRESS.fullmatch, value))
        case "from":
            return isinstance(value, str) and _ADDRESS.fullmatch(value) is not None
        case "host":
            return isinstance(value, str) and _HOST.fullmatch(value) is not None
        case "security":
            return value in list(Security)
        case "format":
            return value in ("json", "text")
        case "command":
            return _is_list_of_text(value) and "\x00" not in "".join(value)
        case "environment":
            return isinstance(value, list | tuple) and all(
                isinstance(one, str) and _VARIABLE.fullmatch(one) for one in value
            )
        case _:
            return isinstance(value, str) and bool(value) and value.isprintable()


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    whole = text.isascii() and text.isprintable() and " " not in text
    named = parts.scheme in ("http", "https") and bool(parts.hostname)
    return whole and named and "@" not in parts.netloc and not parts.fragment


def _is_list_of_text(value: Any) -> bool:
    return (
        isinstance(value, list | tuple) and bool(value) and all(isinstance(one, str) and one for one in value)
    )


def _accepted(key: str) -> str:
    return f"{key} is {ACCEPTED[key]}."


def _bad_value(where: str, key: str, value: Any) -> InputError:
    shown = f": {repr(value)[:60]}" if key in _SHOWN else ""
    return _fault(f"{where}.{key}", f"is not accepted{shown}", f"Accepted: {ACCEPTED[key]}.")


def _unknown_key(where: str, kind: ChannelKind, key: str, allowed: list[str]) -> InputError:
    close = nearest(key, allowed, most=1)
    meant = f"Did you mean {close[0]}? " if close else ""
    if kind is ChannelKind.SLACK and key == "url":
        meant = "The URL is a secret: secret_env or secret_file say where to find it. "
    return _fault(where, f"has an unknown key {key[:60]!r}", f"{meant}Keys of {kind}: {', '.join(allowed)}.")


def _fault(where: str, what: str, hint: str) -> InputError:
    return InputError(f"crisplens.toml: {where} {what}", slug="bad-configuration", hint=hint)
