"""Events of keys."""

from __future__ import annotations

from crisplens.ledger.model import Event, event_type
from crisplens.registry.keys.model import Endorsement, Purpose


@event_type("key.trusted", of_registry=True)
class KeyTrusted(Event, frozen=True, kw_only=True):
    """Signatures of this key count from here on; every key but the first log key is endorsed by a log key."""

    id: str
    purpose: Purpose
    owner: str
    public_key: str
    endorsement: Endorsement | None


@event_type("key.revoked", of_registry=True)
class KeyRevoked(Event, frozen=True, kw_only=True):
    """Signatures of this key count no more; earlier ones stay what they were."""

    id: str
    reason: str
    endorsement: Endorsement
