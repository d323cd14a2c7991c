"""Who may push over HTTP: bearer tokens, of which the server knows only the hashes."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crisplens.core.actor import resolve_actor
from crisplens.core.canonical import check_regular
from crisplens.core.errors import InputError

ALL_PROJECTS = "*"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS = {"sha256", "actor", "projects"}
_WRITABLE = 0o022
_ACCEPTED = (
    "Each token is a table [[token]] with sha256, actor and projects: crisplens server token makes one."
)


@dataclass(frozen=True)
class Token:
    """What a token allows: to push, as `actor`, to the monitors of `projects`."""

    sha256: str
    actor: str
    projects: frozenset[str]

    def allows(self, project: str) -> bool:
        """Whether it is one for a project."""
        return bool(self.projects & {project, ALL_PROJECTS})


def make_token(actor: str, projects: Sequence[str]) -> tuple[str, str]:
    """A new token, which is shown once, and its table for the operator's file. Raises `InputError` for no actor."""
    token = secrets.token_urlsafe(32)
    who = resolve_actor(actor, {}, None).id
    lines = [
        "[[token]]",
        f"sha256 = {_quoted(hash_token(token))}",
        f"actor = {_quoted(who)}",
        f"projects = [{', '.join(map(_quoted, projects))}]",
    ]
    return token, "\n".join(lines)


def hash_token(token: str) -> str:
    """What is kept of a token. It is random and long, so that a plain hash of it tells nobody anything."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_tokens(where: str, environment: Mapping[str, str] = os.environ) -> tuple[Token, ...]:
    """The tokens in a file, or in the variable that `env:NAME` names.

    Raises `InputError` for what cannot be used, and for a file that others can write: they could let themselves in.
    """
    if where.startswith("env:"):
        text = environment.get(where.removeprefix("env:"), "")
        if not text.strip():
            raise _bad(f"the variable {where.removeprefix('env:')} is not set")
    else:
        text = _read(Path(where))
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _bad(f"{where} is no TOML: {error}") from None
    tables = document.get("token")
    if set(document) != {"token"} or not isinstance(tables, list) or not tables:
        raise _bad(f"{where} has no tables [[token]], or others")
    return tuple(_token(f"{where}, token {number}", table) for number, table in enumerate(tables, 1))


def find_token(tokens: Sequence[Token], given: str) -> Token | None:
    """The token that was given, found in a time that does not depend on how much of it is right."""
    hashed = hash_token(given)
    found = None
    for token in tokens:
        if hmac.compare_digest(token.sha256, hashed):
            found = token
    return found


def _token(where: str, table: Any) -> Token:
    if not isinstance(table, dict) or set(table) != _KEYS:
        raise _bad(f"{where} has other keys")
    sha256, projects = table["sha256"], table["projects"]
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise _bad(f"{where}: sha256 is not 64 hexadecimal digits")
    if not isinstance(table["actor"], str):
        raise _bad(f"{where}: actor is no text")
    if not isinstance(projects, list) or not projects or not all(isinstance(one, str) for one in projects):
        raise _bad(f"{where}: projects are not a list of names, or ['*'] for all")
    return Token(sha256, resolve_actor(table["actor"], {}, None).id, frozenset(projects))


def _read(file: Path) -> str:
    try:
        check_regular(file)
        if os.name == "posix" and file.stat().st_mode & _WRITABLE:
            raise _bad(f"others can write {file}, and so let themselves in", f"chmod go-w {file}")
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(f"{file} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


def _bad(message: str, hint: str = _ACCEPTED) -> InputError:
    return InputError(message, slug="bad-tokens", hint=hint)
