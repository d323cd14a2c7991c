"""Configuration: `crisplens.toml`, overridden by `CRISPLENS_*`, overridden by options."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crisplens.core.content_store import ContentStore, open_store
from crisplens.core.errors import InputError
from crisplens.core.files import write_whole

FILE_NAME = "crisplens.toml"
KEYS = ("project", "registry", "evidence", "actor", "signing_key")
NOTIFICATIONS = "notifications"
DEFAULT_REGISTRY = "sqlite:///.crisplens/registry.db"
DEFAULT_EVIDENCE = ".crisplens/evidence"
DEFAULT_SIGNING_KEY = ".crisplens/signing.key"


@dataclass(frozen=True)
class Configuration:
    """Settings in force. `folder` is where the file stands; relative locations start there."""

    folder: Path
    file: Path | None = None
    project: str | None = None
    registry: str = DEFAULT_REGISTRY
    # A folder, or a URL that fsspec knows.
    evidence: str = field(default=DEFAULT_EVIDENCE, repr=False)
    actor: str | None = None
    # A file, or (from the environment only) the private key itself.
    signing_key: str = field(default=DEFAULT_SIGNING_KEY, repr=False)
    # The tables [notifications.NAME], as they stand there.
    notifications: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def open_evidence(self) -> ContentStore:
        """The store that keeps evidence files. Raises `RegistryError` for a URL that no store can have."""
        return open_store(self.evidence, self.folder)


def load_configuration(
    start: Path | None = None, environment: Mapping[str, str] = os.environ, *, parents: bool = True
) -> Configuration:
    """Read the nearest `crisplens.toml` at or (with `parents`) above `start`, and apply `CRISPLENS_*` over it.

    Raises `InputError` for a file that is not TOML, an unknown key or a value that is not text.
    """
    start = (start or Path.cwd()).resolve()
    folders = (start, *start.parents) if parents else (start,)
    file = next((path for path in (folder / FILE_NAME for folder in folders) if path.exists()), None)
    settings, notifications = _read(file) if file else ({}, {})
    for key in KEYS:
        if value := environment.get(f"CRISPLENS_{key.upper()}"):
            settings[key] = value
    return Configuration(
        folder=file.parent if file else start,
        file=file,
        project=settings.get("project"),
        registry=settings.get("registry", DEFAULT_REGISTRY),
        evidence=settings.get("evidence", DEFAULT_EVIDENCE),
        actor=settings.get("actor"),
        signing_key=settings.get("signing_key", DEFAULT_SIGNING_KEY),
        notifications=notifications,
    )


def write_configuration(folder: Path) -> Path:
    """Write a first `crisplens.toml` into `folder` and return its path; an existing one is left alone."""
    file = folder / FILE_NAME
    if not file.exists():
        write_whole(
            file,
            "# Where this folder's record is kept. CRISPLENS_* variables and options override it.\n"
            f"registry = {json.dumps(DEFAULT_REGISTRY)}\n"
            f"evidence = {json.dumps(DEFAULT_EVIDENCE)}\n",
        )
    return file


def set_default_project(file: Path, project: str) -> None:
    """Make `project` the one that commands in this folder mean, keeping the rest of the file as it is."""
    text = file.read_text(encoding="utf-8")
    write_whole(file, f"project = {json.dumps(project)}\n{text}")


def _read(file: Path) -> tuple[dict[str, str], dict[str, Any]]:
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}", slug="bad-configuration") from None
    notifications = settings.pop(NOTIFICATIONS, {})
    if not isinstance(notifications, dict):
        raise InputError(
            f"{file}: {NOTIFICATIONS} is not a table",
            slug="bad-configuration",
            hint=f"Write a table [{NOTIFICATIONS}.NAME] per channel.",
        )
    for key, value in settings.items():
        if key not in KEYS:
            raise InputError(
                f"{file}: unknown key {key!r}",
                slug="bad-configuration",
                hint=f"Known keys: {', '.join([*KEYS, NOTIFICATIONS])}.",
            )
        if not isinstance(value, str) or not value:
            raise InputError(f"{file}: {key} must be text in quotes", slug="bad-configuration")
        if value.startswith("PRIVATE+KEY+"):
            raise InputError(
                f"{file}: {key} holds a private key",
                slug="bad-configuration",
                hint="Name a file that only you can read, or set CRISPLENS_SIGNING_KEY; then rotate this key.",
            )
    return settings, notifications
