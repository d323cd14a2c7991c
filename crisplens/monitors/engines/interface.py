"""What every engine takes and gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import msgspec

from crisplens.monitors.model import CheckResult, CheckSettings, Profile
from crisplens.registry.data.tabular import Table


class TimeSlice(msgspec.Struct, frozen=True):
    """The rows whose `column` lies in [start, end); both have a zone, and so stand for instants.

    Times without a zone in the data are those of `zone` (an IANA name). Rows without a time are in no slice.
    """

    column: str
    start: datetime
    end: datetime
    zone: str


class RowSlice(msgspec.Struct, frozen=True):
    """The rows from number `start` up to but not including `end`, counted from 0 in the order of the files."""

    start: int
    end: int


Slice = TimeSlice | RowSlice


@dataclass(frozen=True)
class Rows:
    """The rows that make up a window: a table's, or those of a slice.

    `name` tells a window that is a file, or a run of rows, from the others of its monitor. `remote` is the table
    itself where it stays in its database, and then `table` has no files.
    """

    table: Table
    only: Slice | None = None
    name: str = ""
    # Tables of ibis give an expression when they are compared.
    remote: Any = field(default=None, compare=False)


class Reference(msgspec.Struct, frozen=True):
    """What windows are compared with; `table` is needed only by engines that read the reference's rows."""

    table: Table | None
    profile: Profile


class Attachment(msgspec.Struct, frozen=True):
    """A file that an engine made, to be kept as evidence."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class EngineResult:
    """A check's result, the window's profile, and the engine's own files."""

    check: CheckResult
    current_profile: Profile | None
    attachments: tuple[Attachment, ...] = ()


class Engine(Protocol):
    """Compares a window with its reference."""

    name: str

    def check_settings(self, reference: Profile, settings: CheckSettings) -> tuple[str, ...]:
        """The columns to watch, in order. `InputError` for settings that cannot hold for this reference."""
        ...

    def check(self, reference: Reference, current: Rows, settings: CheckSettings) -> EngineResult:
        """Compare `current` with `reference`.

        Bad data is a verdict in the result. `InputError` is for settings that name no column or method, and
        for files that cannot be read; `RegistryError` for an engine that fails or is not installed.
        """
        ...
