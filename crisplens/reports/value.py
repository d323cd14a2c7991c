"""What the project costs and is worth: spent against expected, observed against the goal."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.lifecycle.record import ProjectRecord
from crisplens.registry.projects.queries import Kpi
from crisplens.registry.value.model import KpiComparison
from crisplens.registry.value.queries import compare_kpis
from crisplens.reports.governance_content import ObservedKpi, ValueSection

# More points cannot be told apart, and the report has to stay small enough to send.
MOST_OBSERVATIONS = 60


def value_section(session: Session, record: ProjectRecord) -> ValueSection:
    """Costs that were expected or recorded, and the KPIs that were observed."""
    compared = {one.kpi: one for one in compare_kpis(session, record.project.project)}
    return ValueSection(
        costs=tuple(one for one in record.costs if one.expected is not None or one.recorded),
        kpis=tuple(
            _observed(record, kpi, compared[kpi.name])
            for kpi in record.kpis
            if compared[kpi.name].observations
        ),
    )


def _observed(record: ProjectRecord, kpi: Kpi, comparison: KpiComparison) -> ObservedKpi:
    own = sorted(
        (one for one in record.observations if one.kpi == kpi.name), key=lambda one: (one.end, one.seq)
    )
    listed = own[-MOST_OBSERVATIONS:]
    return ObservedKpi(
        kpi=kpi, comparison=comparison, observations=tuple(listed), earlier=len(own) - len(listed)
    )
