"""Reads of deployments."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.registry.deployments.model import Variant
from crisplens.registry.deployments.tables import DeploymentRow
from crisplens.registry.model import GateDecision
from crisplens.registry.views import View, views


class Deployment(View, frozen=True, kw_only=True):
    """Model versions in service in an environment, and what the gates said before."""

    id: str
    environment: str
    kind: str
    variants: tuple[Variant, ...]
    note: str
    gates: tuple[GateDecision, ...]


def list_deployments(session: Session, project: str) -> list[Deployment]:
    """The project's deployments, in the order of recording; the last one of an environment is in force."""
    query = select(DeploymentRow).filter_by(project=project).order_by(DeploymentRow.seq)
    return views(session.connection().execute(query), Deployment)
