"""How project, goal and KPI events change the tables."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row, replace_row
from crisplens.registry.projects.events import GoalSet, KpiSet, ProjectAdded
from crisplens.registry.projects.tables import GoalRow, KpiRow, ProjectRow


@applies(ProjectAdded)
def apply_project_added(session: Session, recorded: Recorded, event: ProjectAdded) -> None:
    """A new project."""
    insert_row(session, ProjectRow, recorded)


@applies(GoalSet)
def apply_goal_set(session: Session, recorded: Recorded, event: GoalSet) -> None:
    """The goal as it now stands."""
    replace_row(session, GoalRow, recorded)


@applies(KpiSet)
def apply_kpi_set(session: Session, recorded: Recorded, event: KpiSet) -> None:
    """The KPI as it now stands."""
    replace_row(session, KpiRow, recorded, "name")
