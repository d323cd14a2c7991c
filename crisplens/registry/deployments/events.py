"""Events of deployments."""

from __future__ import annotations

from crisplens.ledger.model import Event, event_type
from crisplens.registry.deployments.model import DeploymentKind, Variant
from crisplens.registry.model import GateDecision


@event_type("deployment.recorded")
class DeploymentRecorded(Event, frozen=True, kw_only=True):
    """Model versions went into service in an environment; `gates` is what was asked before, and its answer."""

    id: str
    environment: str
    kind: DeploymentKind
    variants: tuple[Variant, ...]
    note: str
    gates: tuple[GateDecision, ...]
