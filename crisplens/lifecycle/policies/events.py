"""Events of policies."""

from __future__ import annotations

from crisplens.ledger.model import Event, event_type
from crisplens.lifecycle.policies.model import Policy


@event_type("policy.adopted")
class PolicyAdopted(Event, frozen=True, kw_only=True):
    """The project is judged by this policy from here on; `digest` is `sha256:<hex>` of its canonical JSON."""

    id: str
    name: str
    version: int
    digest: str
    content: Policy
    reason: str
