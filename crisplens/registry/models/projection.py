"""How model version and evaluation events change the tables."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row
from crisplens.registry.models.events import EvaluationRecorded, ModelVersionPromoted, ModelVersionRegistered
from crisplens.registry.models.tables import EvaluationRow, ModelVersionRow, PromotionRow


@applies(ModelVersionRegistered)
def apply_model_version_registered(
    session: Session, recorded: Recorded, event: ModelVersionRegistered
) -> None:
    """A new version of a model."""
    insert_row(session, ModelVersionRow, recorded)


@applies(EvaluationRecorded)
def apply_evaluation_recorded(session: Session, recorded: Recorded, event: EvaluationRecorded) -> None:
    """A new evaluation."""
    insert_row(session, EvaluationRow, recorded)


@applies(ModelVersionPromoted)
def apply_model_version_promoted(session: Session, recorded: Recorded, event: ModelVersionPromoted) -> None:
    """A new promotion."""
    insert_row(session, PromotionRow, recorded)
