"""Events of costs and of observed KPIs."""

from __future__ import annotations

from crisplens.ledger.model import Event, event_type
from crisplens.registry.projects.model import CostKind


@event_type("cost.recorded")
class CostRecorded(Event, frozen=True, kw_only=True):
    """Money was spent in the period `start` to `end` (days, both included); less than 0 takes back or credits.

    `evidence` is the digest of what shows it, such as an invoice.
    """

    id: str
    kind: CostKind
    amount: str
    currency: str
    start: str
    end: str
    note: str
    evidence: str | None


@event_type("kpi.observed")
class KpiObserved(Event, frozen=True, kw_only=True):
    """A KPI had this value in the period `start` to `end` (days, both included).

    `worth` is what that was worth to the business, in `currency`.
    """

    id: str
    kpi: str
    value: str
    start: str
    end: str
    worth: str | None
    currency: str | None
    note: str
