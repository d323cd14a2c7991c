"""How policy events change the table."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row
from crisplens.lifecycle.policies.events import PolicyAdopted
from crisplens.lifecycle.policies.tables import AdoptionRow


@applies(PolicyAdopted)
def apply_policy_adopted(session: Session, recorded: Recorded, event: PolicyAdopted) -> None:
    """A new policy of the project."""
    insert_row(session, AdoptionRow, recorded)
