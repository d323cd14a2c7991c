"""Engines by name; the libraries of one are imported only when it is chosen."""

from __future__ import annotations

from crisplens.core.names import unknown_name
from crisplens.monitors.engines.interface import Engine

DEFAULT_ENGINE = "duckdb"
ENGINES = ("duckdb", "evidently")
# Those that read the reference's rows anew; the others need its profile only.
REFERENCE_ROWS_NEEDED = frozenset({"evidently"})


def get_engine(name: str) -> Engine:
    """The engine of that name; its libraries are imported only now. `InputError` when there is none."""
    if name == "duckdb":
        from crisplens.monitors.engines.duckdb_engine import DuckdbEngine

        return DuckdbEngine()
    if name == "evidently":
        from crisplens.monitors.engines.evidently_engine import EvidentlyEngine, require_evidently

        require_evidently()
        return EvidentlyEngine()
    raise unknown_name("engine", name, ENGINES)
