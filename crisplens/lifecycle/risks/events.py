"""Events of the risk register."""

from __future__ import annotations

from crisplens.ledger.model import Event, event_type
from crisplens.lifecycle.risks.model import Impact, Likelihood


@event_type("risk.recorded")
class RiskRecorded(Event, frozen=True, kw_only=True):
    """A risk came into the register. `review_by` is a day; `controls` are the ids of those that lower it."""

    id: str
    title: str
    description: str
    likelihood: Likelihood
    impact: Impact
    owner: str
    mitigation: str
    review_by: str
    controls: tuple[str, ...]


@event_type("risk.updated")
class RiskUpdated(Event, frozen=True, kw_only=True):
    """An open risk was stated anew, all of it."""

    id: str
    title: str
    description: str
    likelihood: Likelihood
    impact: Impact
    owner: str
    mitigation: str
    review_by: str
    controls: tuple[str, ...]


@event_type("risk.reviewed")
class RiskReviewed(Event, frozen=True, kw_only=True):
    """Someone looked at an open risk again: how it stands, what is to be said, and the day of the next review."""

    id: str
    likelihood: Likelihood
    impact: Impact
    note: str
    review_by: str


@event_type("risk.closed")
class RiskClosed(Event, frozen=True, kw_only=True):
    """A risk is none any more, or is borne; `reason` says which and why."""

    id: str
    reason: str
