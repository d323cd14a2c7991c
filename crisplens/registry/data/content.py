"""What a path or glob holds: one digest over its files, and rows and columns when it is tabular."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from crisplens.core.canonical import digest_file, digest_json
from crisplens.core.errors import InputError
from crisplens.registry.data.files import FORMATS, Table, matching_files
from crisplens.registry.data.model import ColumnSchema, Content
from crisplens.registry.data.tabular import describe_table, open_table


class Bytes(msgspec.Struct, frozen=True):
    """The files at a location: one digest over all, their size in bytes, and how many they are.

    One file's digest is that of its bytes; several files' is that of the canonical JSON of their
    names and digests.
    """

    digest: str
    size: int
    files: int


def digest_location(location: str) -> Bytes:
    """Digest the file or files at a path or glob. Raises `InputError` for what cannot be read."""
    return _digest(matching_files(location), location)


def digest_table(table: Table) -> Bytes:
    """Digest the files of a table."""
    return _digest(table.originals or table.files, table.pattern)


def read_content(location: str) -> Content:
    """Digest the file or files at `location`, and describe them when they are CSV or Parquet.

    Raises `InputError` for what cannot be read, or is no table though it is named like one.
    """
    files = matching_files(location)
    found = _digest(files, location)
    if not all(file.name.lower().endswith(tuple(FORMATS)) for file in files):
        return Content(**msgspec.structs.asdict(found), format="other", rows=None, columns=())
    table = describe_table(open_table(location))
    columns = tuple(ColumnSchema(column.name, column.type) for column in table.columns)
    return Content(
        **msgspec.structs.asdict(found), format=table.format, rows=table.row_count, columns=columns
    )


def _digest(files: Sequence[Path], location: str) -> Bytes:
    digests = {file.name: digest_file(file) for file in files}
    if len(digests) < len(files):
        raise InputError(
            f"two files of {location} have the same name", slug="same-name", hint="Name them apart."
        )
    size = sum(size for _, size in digests.values())
    if len(files) == 1:
        return Bytes(digests[files[0].name][0], size, 1)
    return Bytes(digest_json({name: digest for name, (digest, _) in digests.items()}), size, len(files))
