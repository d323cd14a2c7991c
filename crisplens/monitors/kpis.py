"""Observations of a KPI held against its target: each is a window of the monitor that watches it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crisplens.monitors.checking import CheckFindings
from crisplens.monitors.engines.interface import EngineResult
from crisplens.monitors.model import CheckResult, ColumnCheck, Verdict
from crisplens.monitors.performance.plans import KpiPlan
from crisplens.monitors.queries import Monitor, checked_windows
from crisplens.monitors.states import Window
from crisplens.registry.projects.queries import Kpi
from crisplens.registry.value.queries import Observation, get_kpi, list_observations


def look_at_kpi(session: Session, project: str, monitor: Monitor, *, most: int) -> tuple[CheckFindings, ...]:
    """What is to be recorded of the observations that the monitor has not judged yet, in the order of recording.

    The target is as it is set now. A monitor that watches no KPI has none.
    """
    plan = monitor.plan
    if not isinstance(plan, KpiPlan):
        return ()
    kpi = get_kpi(session, project, plan.kpi)
    judged = set(checked_windows(session, project, monitor.name))
    new = [one for one in list_observations(session, project, plan.kpi) if one.id not in judged]
    return tuple(_findings(monitor, kpi, one) for one in new[:most])


def _findings(monitor: Monitor, kpi: Kpi, observed: Observation) -> CheckFindings:
    met = kpi.goal_line.is_met_by(float(observed.value))
    verdict = Verdict.NOT_DEGRADED if met else Verdict.DEGRADED
    unit = f" {kpi.unit}" if kpi.unit else ""
    period = observed.start if observed.start == observed.end else f"{observed.start} to {observed.end}"
    reason = (
        f"{kpi.name} was {observed.value}{unit} ({period}), which {'meets' if met else 'misses'} "
        f"its target {kpi.target}{unit}."
    )
    check = ColumnCheck(
        column=kpi.name,
        kind=None,
        method="observed",
        score=float(observed.value),
        threshold=float(kpi.target),
        verdict=verdict,
        beyond=not met,
        reason=reason,
    )
    result = CheckResult(
        engine="record",
        verdict=verdict,
        reason=reason,
        columns=(check,),
        reference_rows=0,
        current_rows=1,
        drifted=int(not met),
        checked=1,
        drift_share=None,
    )
    window = Window(location=monitor.current, digest="", size=0, files=0, rows=1, name=observed.id)
    return CheckFindings(monitor, window, EngineResult(result, None))
