"""How key events change the tables."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.orm import Session

from crisplens.ledger.model import Recorded
from crisplens.ledger.projection import applies, insert_row
from crisplens.registry.keys.events import KeyRevoked, KeyTrusted
from crisplens.registry.keys.tables import SigningKeyRow


@applies(KeyTrusted)
def apply_key_trusted(session: Session, recorded: Recorded, event: KeyTrusted) -> None:
    """A new key."""
    insert_row(session, SigningKeyRow, recorded)


@applies(KeyRevoked)
def apply_key_revoked(session: Session, recorded: Recorded, event: KeyRevoked) -> None:
    """The key counts no more. A second revocation, which nobody but a forger can record, moves nothing."""
    values = {
        "revoked_reason": event.reason,
        "revoked_by": recorded.actor,
        "revoked_at": recorded.at,
        "revoked_seq": recorded.seq,
        "revocation_endorsement": event.endorsement,
    }
    key = (SigningKeyRow.id == event.id) & SigningKeyRow.revoked_seq.is_(None)
    statement = update(SigningKeyRow).where(key).values(**values)
    session.execute(statement.execution_options(synchronize_session=False))
