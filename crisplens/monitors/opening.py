"""A monitor's data opened for its engine: as local files, or as a table that stays where it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from crisplens.core.errors import InputError
from crisplens.monitors.engines.by_name import PUSHED_DOWN
from crisplens.monitors.sources.by_location import opened_data
from crisplens.registry.data.files import Table
from crisplens.registry.data.locations import check_location

# The format of a table that has no files here.
REMOTE = "remote"


@contextmanager
def opened_for(
    engine: str, data: Any, *, text: Callable[[], Sequence[str]] = tuple, partial: bool = False
) -> Iterator[tuple[Table, Any]]:
    """The table of a location or of data in memory, and for an engine that pushes down also where it is, else None.

    `text` gives the columns whose values stay text whatever they look like. With `partial`, files that cannot be read
    are told in the table. Raises `InputError` for what cannot be read by that engine and for a location with a password
    or key in it, `RegistryError` when a store, database or cluster cannot be reached.
    """
    if isinstance(data, str | os.PathLike):
        check_location(os.fspath(data))
    if engine not in PUSHED_DOWN:
        if isinstance(data, str) and data[:6].casefold() == "spark:":
            raise InputError(
                f"{data[:200]} is read by Spark", slug="bad-source", hint="Use --engine ibis for it."
            )
        with opened_data(data, partial=partial) as table:
            yield table, None
    elif hasattr(data, "get_backend"):
        yield Table(f"a table of {data.get_backend().name}", (), REMOTE), data
    else:
        from crisplens.monitors.engines.ibis_engine import opened_remote

        location = os.fspath(data)
        with opened_remote(location, text=text()) as remote:
            yield Table(location, (), REMOTE), remote
