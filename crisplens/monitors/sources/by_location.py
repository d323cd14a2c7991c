"""A location as a table: which kind of source it names, opened as local files for as long as they are needed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from crisplens.registry.data.files import ARROW, ARROW_FORMATS, Table, open_table
from crisplens.registry.data.locations import check_location

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
DATABASES = frozenset({"sqlite", "postgresql", "duckdb"})


@contextmanager
def opened_source(location: str, *, partial: bool = False) -> Iterator[Table]:
    """The table that a location names: a path, a glob, the URL of an object store, or of a database.

    A database's URL ends in `#TABLE`, `#SCHEMA.TABLE` or `#SELECT …`. What is not a local file is read into a folder
    that goes away at the end, and so are Arrow files. With `partial`, files that cannot be opened are told in the
    table's `unreadable`, as long as others can be. Raises `InputError` for what cannot be read and for a location with
    a password or key in it, `RegistryError` when a store or database cannot be reached.
    """
    check_location(location)
    scheme = scheme_of(location)
    if scheme in DATABASES:
        from crisplens.monitors.sources.databases import spooled_query

        with spooled_query(location) as table:
            yield table
    elif scheme:
        from crisplens.monitors.sources.object_stores import fetched_files

        with fetched_files(location, partial=partial) as table, _readable(table, partial=partial) as readable:
            yield readable
    else:
        table = open_table(location, also=ARROW_FORMATS, partial=partial)
        with _readable(table, partial=partial) as readable:
            yield readable


@contextmanager
def _readable(table: Table, *, partial: bool) -> Iterator[Table]:
    """The table in a format that engines read."""
    if table.format == ARROW:
        from crisplens.monitors.sources.arrow_files import converted

        with converted(table, partial=partial) as readable:
            yield readable
    else:
        yield table


@contextmanager
def opened_data(data: Any, *, partial: bool = False) -> Iterator[Table]:
    """The table of a location, or of a frame in memory. Raises as `opened_source` does."""
    if isinstance(data, str | os.PathLike):
        with opened_source(os.fspath(data), partial=partial) as table:
            yield table
    else:
        from crisplens.monitors.sources.frames import spooled_frame

        with spooled_frame(data) as table:
            yield table


def scheme_of(location: str) -> str:
    """The scheme of a URL, lower case and without a driver's name; empty for a path."""
    found = _SCHEME.match(location)
    # One letter is a drive of Windows.
    if found is None or len(found[1]) == 1 or "://" not in location:
        return ""
    return found[1].casefold().partition("+")[0]
