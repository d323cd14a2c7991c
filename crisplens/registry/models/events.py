"""Events of model versions, their promotions and evaluations."""

from __future__ import annotations

from crisplens.ledger.model import Event, event_type
from crisplens.registry.model import GateDecision, Scalar, VersionRef
from crisplens.registry.models.model import Part


@event_type("model-version.registered")
class ModelVersionRegistered(Event, frozen=True, kw_only=True):
    """A model got a version: an artefact by its digest, the data it was trained on and the run that made it."""

    model: str
    version: int
    location: str
    digest: str
    size: int
    datasets: tuple[VersionRef, ...]
    parameters: dict[str, Scalar]
    run: str | None


@event_type("evaluation.recorded")
class EvaluationRecorded(Event, frozen=True, kw_only=True):
    """A model version was measured on a dataset version: overall, by slice and by class."""

    id: str
    model: VersionRef
    dataset: VersionRef
    metrics: dict[str, float]
    slices: tuple[Part, ...]
    classes: tuple[Part, ...]


@event_type("model-version.promoted")
class ModelVersionPromoted(Event, frozen=True, kw_only=True):
    """A model version took over an alias such as `champion`; `gates` is what was asked before, and its answer."""

    id: str
    model: str
    version: int
    alias: str
    note: str
    gates: tuple[GateDecision, ...]
