"""How deployment events change the tables."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row
from crisplens.registry.deployments.events import DeploymentRecorded
from crisplens.registry.deployments.tables import DeploymentRow


@applies(DeploymentRecorded)
def apply_deployment_recorded(session: Session, recorded: Recorded, event: DeploymentRecorded) -> None:
    """A new deployment."""
    insert_row(session, DeploymentRow, recorded)
