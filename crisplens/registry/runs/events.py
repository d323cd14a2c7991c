"""Events of runs."""

from __future__ import annotations

from crisplens.ledger.model import Event, event_type
from crisplens.registry.model import Scalar, VersionRef


@event_type("run.recorded")
class RunRecorded(Event, frozen=True, kw_only=True):
    """An activity took place: a W3C PROV activity with what it used; what it generated names the run.

    `started_at` and `ended_at` are RFC 3339 times in UTC, when known.
    """

    name: str
    activity: str
    used_datasets: tuple[VersionRef, ...]
    used_models: tuple[VersionRef, ...]
    parameters: dict[str, Scalar]
    metrics: dict[str, float]
    code_version: str
    environment: dict[str, str]
    started_at: str | None
    ended_at: str | None
