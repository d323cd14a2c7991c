"""Events of the ledger itself."""

from __future__ import annotations

from crisplens.ledger.model import Event, event_type


@event_type("clock.corrected", of_registry=True)
class ClockCorrected(Event, frozen=True, kw_only=True):
    """The log's last time was found to be wrong; what follows is recorded by the clock, which is behind it."""

    last_recorded_at: str
    reason: str
