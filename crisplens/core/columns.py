"""A text column that keeps a typed value as canonical JSON, the same bytes on every database."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import msgspec
from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from crisplens.core.canonical import canonical_json
from crisplens.core.decoding import decoder


class JsonText(TypeDecorator[Any]):
    """Text holding the canonical JSON of a value of type `kind` (anything that msgspec reads)."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """The value as text."""
        return None if value is None else canonical_json(msgspec.to_builtins(value))

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """The text as a value."""
        return None if value is None else self._read(value)

    @cached_property
    def _read(self) -> Callable[[str], Any]:
        # Made for what is read: a command loads many tables and reads few.
        return decoder(self.kind).decode
