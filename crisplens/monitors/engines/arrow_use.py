"""Whether a table is to be counted in Arrow: nothing is imported to find out, as that costs more than a small check."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from crisplens.registry.data.files import Table

# For smaller files, DuckDB's shorter import makes up for its longer work.
LEAST_BYTES = 2 << 20


def available() -> bool:
    """Whether the libraries are installed; nothing is imported."""
    return find_spec("pyarrow") is not None and find_spec("numpy") is not None


def applies(table: Table) -> bool:
    """Whether Arrow can read the table: the libraries are there, and all its files are local Parquet."""
    return available() and table.format == "parquet" and all(isinstance(file, Path) for file in table.files)


def loaded() -> bool:
    """Whether the libraries are in memory already."""
    return "pyarrow" in sys.modules and available()


def pays(table: Table) -> bool:
    """Whether importing the libraries costs less than it saves, for a process that ends after one check."""
    try:
        return loaded() or sum(file.stat().st_size for file in table.files) >= LEAST_BYTES
    except OSError:
        return False
