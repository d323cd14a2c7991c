"""What monitors found last, as gauges in Prometheus' text format.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from crisplens.core.clock import parse_time, to_text
from crisplens.core.errors import RegistryError
from crisplens.monitors.due import next_moment
from crisplens.monitors.incidents.queries import Incident, Trigger
from crisplens.monitors.model import Verdict
from crisplens.monitors.queries import Check, Monitor, Mute

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# What a window's verdict can be; each has a series of its own, so that a change shows as one going to 0.
VERDICTS = (Verdict.NO_DRIFT, Verdict.DRIFT, Verdict.INSUFFICIENT_DATA, Verdict.BAD_DATA)
_MONITOR = ("project", "monitor", "model")


def metrics_text(
    project: str,
    monitors: Sequence[Monitor],
    checks: Mapping[str, Check],
    *,
    mutes: Iterable[Mute],
    incidents: Iterable[Incident],
    triggers: Iterable[Trigger],
    now: datetime,
) -> str:
    """The gauges of a project's monitors in use; `checks` is each one's newest, by its name.

    Raises `RegistryError` when prometheus-client is not installed.
    """
    registry, gauge = _registry()
    muted = {one.monitor for one in mutes if one.holds(to_text(now))}
    for monitor in (one for one in monitors if one.retired_at is None):
        labels = dict(zip(_MONITOR, (project, monitor.name, monitor.model), strict=True))
        gauge("monitor_muted", "Whether the monitor is muted now.", labels, float(monitor.name in muted))
        coming = next_moment(monitor, now)
        if coming is not None:
            gauge(
                "monitor_next_due_timestamp_seconds",
                "When the next check is due.",
                labels,
                coming.timestamp(),
            )
        if monitor.name in checks:
            _tell_check(gauge, labels, checks[monitor.name])
    for kind, waiting in _open(incidents, "kind").items():
        about = {"project": project, "monitor": kind[0], "kind": kind[1]}
        gauge("incidents_open", "Incidents that wait for an answer.", about, waiting)
    for (monitor_name, model), waiting in _open(triggers, "model").items():
        about = {"project": project, "monitor": monitor_name, "model": model}
        gauge("triggers_open", "Requests to retrain that wait for an answer.", about, waiting)

    from prometheus_client import generate_latest

    return generate_latest(registry).decode()


Gauge = Callable[[str, str, Mapping[str, str], float], None]


def _tell_check(gauge: Gauge, labels: Mapping[str, str], check: Check) -> None:
    result, at = check.result, parse_time(check.recorded_at).timestamp()
    gauge("monitor_last_check_timestamp_seconds", "When the last check was recorded.", labels, at)
    gauge("monitor_rows", "Rows of the last window.", labels, check.window.rows)
    gauge("monitor_columns_compared", "Columns that could be compared.", labels, result.checked)
    gauge("monitor_columns_drifting", "Columns that drift.", labels, result.drifted)
    gauge("monitor_violations", "Constraints that the last window breaks.", labels, len(check.violations))
    gauge("monitor_alarm", "Whether the last check is an alarm.", labels, float(check.decision.alarm))
    for verdict in VERDICTS:
        about = {**labels, "verdict": str(verdict)}
        gauge("monitor_verdict", "1 for the last check's verdict.", about, float(result.verdict is verdict))
    for column in result.columns:
        about = {**labels, "column": column.column}
        if column.effect is not None:
            gauge("column_effect", "Cohen's w between window and reference.", about, column.effect)
        if column.score is not None and column.method is not None:
            scored = {**about, "method": column.method}
            gauge("column_score", "The drift score: a distance, or a p-value.", scored, column.score)


def _open(found: Iterable[Incident] | Iterable[Trigger], field: str) -> Counter[tuple[str, str]]:
    return Counter((one.monitor, str(getattr(one, field))) for one in found if one.is_open)


def _registry() -> tuple[CollectorRegistry, Gauge]:
    try:
        from prometheus_client import CollectorRegistry
        from prometheus_client import Gauge as PrometheusGauge
    except ImportError:
        raise RegistryError(
            "prometheus-client is not installed",
            slug="library-missing",
            hint="`pip install 'crisplens[prometheus]'` brings it.",
        ) from None
    registry = CollectorRegistry()
    known: dict[str, PrometheusGauge] = {}

    def gauge(name: str, help: str, labels: Mapping[str, str], value: float) -> None:
        if name not in known:
            known[name] = PrometheusGauge(name, help, list(labels), namespace="crisplens", registry=registry)
        known[name].labels(**labels).set(value)

    return registry, gauge
