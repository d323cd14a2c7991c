"""Use cases of deployments. What needs a gate takes the gate's decision as an argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from crisplens.core.decimals import check_decimal
from crisplens.core.names import check_name
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.registry.deployments.events import DeploymentRecorded
from crisplens.registry.deployments.model import DeploymentKind, Variant, check_traffic, is_production
from crisplens.registry.deployments.queries import Deployment
from crisplens.registry.deployments.tables import DeploymentRow
from crisplens.registry.model import GateDecision, VersionRef, parse_reference, refuse_blocked
from crisplens.registry.models.queries import get_model_version
from crisplens.registry.projects.model import choose
from crisplens.registry.projects.queries import get_project
from crisplens.registry.views import get_view, next_id

MAIN_VARIANT = "main"


def record_deployment(
    work: UnitOfWork,
    variants: Sequence[Variant],
    *,
    environment: str,
    kind: str,
    gates: Sequence[GateDecision],
    note: str = "",
) -> Deployment:
    """Record that model versions went into service; to production only through gates that are open or overridden.

    `gates` holds the decisions on every variant's model version, made by `lifecycle`.
    Raises `InputError` for an unknown version or kind, or shares that do not make 100;
    `Refused` when the environment is production and a decision is missing or negative.
    """
    get_project(work.session, work.project)
    for variant in variants:
        get_model_version(work.session, work.project, variant.model)
    check_name("environment", environment)
    checked_kind = DeploymentKind(choose(DeploymentKind, "the kind of deployment", kind))
    check_traffic(tuple(variants))
    if is_production(environment):
        refuse_blocked("go to production", (one.model for one in variants), gates)
    event = DeploymentRecorded(
        id=next_id(work.session, work.project, DeploymentRow, "deployment"),
        environment=environment,
        kind=checked_kind,
        variants=tuple(variants),
        note=check_text("the note", note, required=False),
        gates=tuple(gates),
    )
    append(work, event)
    return get_view(work.session, DeploymentRow, (work.project, event.id), Deployment)


def share_traffic(
    model: VersionRef, others: Mapping[str, tuple[str | VersionRef, str | float]]
) -> tuple[Variant, ...]:
    """The variants of a deployment: `model` serves what the others leave of 100 percent."""
    variants = [
        Variant(
            check_name("variant", name),
            parse_reference("model", ref),
            check_decimal(f"the share of {name}", share),
        )
        for name, (ref, share) in others.items()
    ]
    rest = 100 - sum((Decimal(variant.traffic) for variant in variants), Decimal(0))
    return (Variant(MAIN_VARIANT, model, f"{rest.normalize():f}"), *variants)
