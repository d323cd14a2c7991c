"""What a check looked at. Pure."""

from __future__ import annotations

import msgspec


class Window(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Data that was looked at: where, as the user named it, and a digest over its files' content.

    `start` and `end` (RFC 3339) bound a window of time, end not included; `name` is that of one that is a file or
    a run of rows.
    """

    location: str
    digest: str
    size: int
    files: int
    rows: int
    start: str | None = None
    end: str | None = None
    name: str = ""

    @property
    def key(self) -> str:
        """What tells this window from others of its monitor: its time, its name, or its content."""
        return f"{self.start}/{self.end}" if self.end else self.name or self.digest
