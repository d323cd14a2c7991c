"""Values of the record in a sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

MOST_CHARACTERS = 120


def show_value(value: Any) -> str:
    """A value as a reader takes it in: words in quotes, nothing by its name, long ones cut."""
    if value is None or value in ("", [], {}):
        return "nothing"
    if isinstance(value, str):
        return f"“{_cut(value)}”" if " " in value else _cut(value)
    if isinstance(value, Mapping):
        return _cut(join_values(value))
    if isinstance(value, list):
        return _cut(", ".join(map(show_value, value)))
    return msgspec.json.encode(value).decode()


def join_values(values: Mapping[str, Any]) -> str:
    """Names with their values: `auc 0.83, latency 96.5`; a version as `name@1`."""
    if values.keys() == {"name", "version"}:
        return f"{values['name']}@{values['version']}"
    return ", ".join(f"{name} {show_value(value)}" for name, value in values.items())


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
