"""What monitors found last, as gauges: the readings, and their page in Prometheus' text format.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from crisplens.core.clock import parse_time, to_text
from crisplens.core.errors import RegistryError
from crisplens.monitors.due import next_moment
from crisplens.monitors.incidents.queries import Incident, Trigger
from crisplens.monitors.model import Verdict
from crisplens.monitors.queries import Check, Monitor, Mute

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# What a window's verdict can be; each has a series of its own, so that a change shows as one going to 0.
VERDICTS = (
    *(Verdict.NO_DRIFT, Verdict.DRIFT, Verdict.NOT_DEGRADED, Verdict.DEGRADED),
    *(Verdict.INSUFFICIENT_DATA, Verdict.BAD_DATA),
)
_MONITOR = ("project", "monitor", "model")


@dataclass(frozen=True)
class Gauge:
    """What a series of numbers is. `name` has dots, as OpenTelemetry's names have, and `unit` is of UCUM.

    Prometheus' name is what OpenTelemetry's rules make of it, so that both ways lead to one name:
    https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
    """

    name: str
    help: str
    unit: str = ""

    @property
    def prometheus(self) -> str:
        """The name in Prometheus' text format: underscores, and seconds said; units in braces are notes."""
        return self.name.replace(".", "_") + ("_seconds" if self.unit == "s" else "")


@dataclass(frozen=True)
class Reading:
    """The number of a gauge now, for these labels."""

    gauge: Gauge
    labels: Mapping[str, str]
    value: float


MUTED = Gauge("crisplens.monitor.muted", "Whether the monitor is muted now.")
NEXT_DUE = Gauge("crisplens.monitor.next_due.timestamp", "When the next check is due.", "s")
LAST_CHECK = Gauge("crisplens.monitor.last_check.timestamp", "When the last check was recorded.", "s")
ROWS = Gauge("crisplens.monitor.rows", "Rows of the last window.", "{row}")
COMPARED = Gauge("crisplens.monitor.columns.compared", "Columns that could be compared.", "{column}")
DRIFTING = Gauge("crisplens.monitor.columns.drifting", "Columns that drift.", "{column}")
VIOLATIONS = Gauge("crisplens.monitor.violations", "Constraints that the last window breaks.", "{constraint}")
ALARM = Gauge("crisplens.monitor.alarm", "Whether the last check is an alarm.")
VERDICT = Gauge("crisplens.monitor.verdict", "1 for the last check's verdict.")
EFFECT = Gauge("crisplens.column.effect", "Cohen's w between window and reference.")
SCORE = Gauge("crisplens.column.score", "The drift score: a distance, or a p-value.")
INCIDENTS = Gauge("crisplens.incidents.open", "Incidents that wait for an answer.", "{incident}")
TRIGGERS = Gauge("crisplens.triggers.open", "Requests to retrain that wait for an answer.", "{trigger}")


def readings(
    project: str,
    monitors: Sequence[Monitor],
    checks: Mapping[str, Check],
    *,
    mutes: Iterable[Mute],
    incidents: Iterable[Incident],
    triggers: Iterable[Trigger],
    now: datetime,
) -> Iterator[Reading]:
    """The gauges of a project's monitors in use; `checks` is each one's newest, by its name."""
    muted = {one.monitor for one in mutes if one.holds(to_text(now))}
    for monitor in (one for one in monitors if one.retired_at is None):
        labels = dict(zip(_MONITOR, (project, monitor.name, monitor.model), strict=True))
        yield Reading(MUTED, labels, float(monitor.name in muted))
        coming = next_moment(monitor, now)
        if coming is not None:
            yield Reading(NEXT_DUE, labels, coming.timestamp())
        if monitor.name in checks:
            yield from _of_check(labels, checks[monitor.name])
    for (monitor_name, kind), waiting in _open(incidents, "kind").items():
        about = {"project": project, "monitor": monitor_name, "kind": kind}
        yield Reading(INCIDENTS, about, waiting)
    for (monitor_name, model), waiting in _open(triggers, "model").items():
        about = {"project": project, "monitor": monitor_name, "model": model}
        yield Reading(TRIGGERS, about, waiting)


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
    """The `readings` in Prometheus' text format.

    Raises `RegistryError` when prometheus-client is not installed.
    """
    return prometheus_text(
        readings(project, monitors, checks, mutes=mutes, incidents=incidents, triggers=triggers, now=now)
    )


def prometheus_text(found: Iterable[Reading]) -> str:
    """Readings in Prometheus' text format. Raises `RegistryError` when prometheus-client is not installed."""
    try:
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client import Gauge as PrometheusGauge
    except ImportError:
        raise RegistryError(
            "prometheus-client is not installed",
            slug="library-missing",
            hint="`pip install 'crisplens[prometheus]'` brings it.",
        ) from None
    registry = CollectorRegistry()
    known: dict[str, PrometheusGauge] = {}
    for one in found:
        name = one.gauge.prometheus
        if name not in known:
            known[name] = PrometheusGauge(name, one.gauge.help, list(one.labels), registry=registry)
        known[name].labels(**one.labels).set(one.value)
    return generate_latest(registry).decode()


def _of_check(labels: Mapping[str, str], check: Check) -> Iterator[Reading]:
    result = check.result
    yield Reading(LAST_CHECK, labels, parse_time(check.recorded_at).timestamp())
    yield Reading(ROWS, labels, check.window.rows)
    yield Reading(COMPARED, labels, result.checked)
    yield Reading(DRIFTING, labels, result.drifted)
    yield Reading(VIOLATIONS, labels, len(check.violations))
    yield Reading(ALARM, labels, float(check.decision.alarm))
    for verdict in VERDICTS:
        yield Reading(VERDICT, {**labels, "verdict": str(verdict)}, float(result.verdict is verdict))
    for column in result.columns:
        about = {**labels, "column": column.column}
        if column.effect is not None:
            yield Reading(EFFECT, about, column.effect)
        if column.score is not None and column.method is not None:
            yield Reading(SCORE, {**about, "method": column.method}, column.score)


def _open(found: Iterable[Incident] | Iterable[Trigger], field: str) -> Counter[tuple[str, str]]:
    return Counter((one.monitor, str(getattr(one, field))) for one in found if one.is_open)
