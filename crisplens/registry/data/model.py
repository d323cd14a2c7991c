"""What is known of a dataset version's content."""

from __future__ import annotations

import msgspec


class ColumnSchema(msgspec.Struct, frozen=True):
    """A column and its type, as DuckDB names types."""

    name: str
    type: str


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of a dataset version: digest over all files, size in bytes, and what they hold if tabular."""

    digest: str
    size: int
    files: int
    format: str
    rows: int | None
    columns: tuple[ColumnSchema, ...]
