"""Who records: the actor's identity and where it came from."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from functools import cache

import msgspec

from crisplens.core.errors import InputError


class Actor(msgspec.Struct, frozen=True):
    """A person or system by a stable identity; `source` says which setting named it."""

    id: str
    source: str = "python"


def resolve_actor(option: str | None, environment: Mapping[str, str], configured: str | None) -> Actor:
    """The actor from the option, `CRISPLENS_ACTOR`, the configuration or git's user.email, in that order.

    Raises `InputError` when none of them names one.
    """
    if option is not None:
        return _checked(option, "option")
    if "CRISPLENS_ACTOR" in environment:
        return _checked(environment["CRISPLENS_ACTOR"], "environment")
    if configured is not None:
        return _checked(configured, "configuration")
    if email := _git_email():
        return _checked(email, "git")
    raise InputError(
        "nobody is named as the actor of this command",
        slug="no-actor",
        hint="Pass --actor ana@example.org, or set CRISPLENS_ACTOR, actor in crisplens.toml, or git's user.email.",
    )


def _checked(identity: str, source: str) -> Actor:
    identity = identity.strip()
    if not identity or len(identity) > 320 or not identity.isprintable():
        raise InputError(
            f"the actor from the {source} is not usable: {identity[:60]!r}",
            slug="bad-actor",
            hint="Use a stable identity of 1 to 320 printable characters, such as an e-mail address.",
        )
    return Actor(id=identity, source=source)


@cache
def _git_email() -> str:
    try:
        done = subprocess.run(
            ["git", "config", "user.email"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
