"""Engines by name; the libraries of one are imported only when it is chosen."""

from __future__ import annotations

from crisplens.core.names import unknown_name
from crisplens.monitors.engines.interface import Engine
from crisplens.monitors.features import DOMAIN_CLASSIFIER
from crisplens.monitors.model import CheckSettings

DEFAULT_ENGINE = "duckdb"
ENGINES = ("duckdb", "evidently", "ibis")
# Those that look at tables where they are.
PUSHED_DOWN = frozenset({"ibis"})
# Those that read the reference's rows anew; the others need its profile only.
REFERENCE_ROWS_NEEDED = frozenset({"evidently"})


def reads_reference_rows(engine: str, settings: CheckSettings) -> bool:
    """Whether a check by these settings reads the reference's rows anew, and not its profile alone."""
    asked = settings.exact or DOMAIN_CLASSIFIER in settings.methods.values()
    return engine in REFERENCE_ROWS_NEEDED or asked


def get_engine(name: str) -> Engine:
    """The engine of that name; its libraries are imported only now. `InputError` when there is none."""
    if name == "duckdb":
        from crisplens.monitors.engines.duckdb_engine import DuckdbEngine

        return DuckdbEngine()
    if name == "evidently":
        from crisplens.monitors.engines.evidently_engine import EvidentlyEngine, require_evidently

        require_evidently()
        return EvidentlyEngine()
    if name == "ibis":
        from crisplens.monitors.engines.ibis_engine import IbisEngine

        return IbisEngine()
    raise unknown_name("engine", name, ENGINES)
