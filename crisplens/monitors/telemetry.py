"""What monitors found last, sent to an OpenTelemetry collector over OTLP/HTTP.

https://opentelemetry.io/docs/specs/otlp/ and, for the variables that configure it,
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import metadata
from typing import TYPE_CHECKING

from crisplens.core.errors import InputError, RegistryError
from crisplens.core.remote_store import shown_url
from crisplens.monitors.metrics import Gauge, Reading

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.resources import Resource

# One request holds at most so many points: collectors limit the size of a request.
BATCH = 5000
SPOKEN = "http/protobuf"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_LOGGER = "opentelemetry.exporter.otlp"


def push_metrics(found: Iterable[Reading], *, now: datetime) -> int:
    """Send readings to the collector that the OTEL_* variables name, and wait until it has them; returns how many.

    Without them it is http://localhost:4318, as OpenTelemetry says. Raises `InputError` for variables that ask for
    another protocol or switch the sending off, `RegistryError` when the collector cannot be reached or does not take
    the readings, and when the libraries are not installed.
    """
    _check_variables()
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics.export import MetricExportResult
    except ImportError as error:
        raise RegistryError(
            f"a library for OpenTelemetry is not installed: {error}",
            slug="library-missing",
            hint="`pip install 'crisplens[otel]'` brings it.",
        ) from None
    readings = list(found)
    with _warnings() as said:
        # The exporter lets through what the transport raises for a URL or certificate that it cannot use.
        try:
            exporter = OTLPMetricExporter()
            try:
                for first in range(0, len(readings), BATCH):
                    result = exporter.export(_data(readings[first : first + BATCH], now))
                    if result is not MetricExportResult.SUCCESS:
                        raise _not_sent(said[-1] if said else "it did not take them")
            finally:
                exporter.shutdown()
        except (OSError, ValueError, RuntimeError) as error:
            raise _not_sent(type(error).__name__) from None
    return len(readings)


def _check_variables() -> None:
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().casefold() == "true":
        raise InputError(
            "OTEL_SDK_DISABLED is set, so that nothing is sent",
            slug="telemetry-off",
            hint="Unset it, or leave --otlp out.",
        )
    asked = next((os.environ[name] for name in _PROTOCOLS if os.environ.get(name)), SPOKEN)
    if asked.strip() != SPOKEN:
        raise InputError(
            f"the OTLP protocol {asked!r} is not spoken here",
            slug="telemetry-off",
            hint=f"Set {_PROTOCOLS[0]} to {SPOKEN}, and the endpoint to the collector's port for it (4318).",
        )


def _data(readings: Iterable[Reading], now: datetime) -> MetricsData:
    from opentelemetry.sdk.metrics import export
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    at = int(now.timestamp() * 1e9)
    points: dict[Gauge, list[export.NumberDataPoint]] = {}
    for one in readings:
        # Attributes have a name space, labels have not.
        attributes = {f"crisplens.{name}": value for name, value in one.labels.items()}
        point = export.NumberDataPoint(
            attributes=attributes, start_time_unix_nano=0, time_unix_nano=at, value=float(one.value)
        )
        points.setdefault(one.gauge, []).append(point)
    metrics = [
        export.Metric(
            name=gauge.name, description=gauge.help, unit=gauge.unit, data=export.Gauge(data_points=found)
        )
        for gauge, found in points.items()
    ]
    scope = InstrumentationScope("crisplens", _version())
    held = export.ScopeMetrics(scope=scope, metrics=metrics, schema_url="")
    whole = export.ResourceMetrics(resource=_resource(), scope_metrics=[held], schema_url="")
    return export.MetricsData(resource_metrics=[whole])


def _version() -> str | None:
    try:
        return metadata.version("crisplens")
    except metadata.PackageNotFoundError:
        return None


def _resource() -> Resource:
    """What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say; the service is crisplens where they do not."""
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource

    found = Resource.create()
    if str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        return found.merge(Resource({SERVICE_NAME: "crisplens"}))
    return found


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What the exporter logs about its failures, which it does not raise, instead of printing it."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger(_LOGGER)
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates


def _not_sent(why: str) -> RegistryError:
    endpoint = next(
        (os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "http://localhost:4318"
    )
    # The reason may repeat the URL, with a key in it.
    shown = shown_url(endpoint)
    reason = why.replace(endpoint, shown).splitlines()[0][:200] if why else "no reason was given"
    return RegistryError(
        f"the metrics were not sent to {shown}: {reason}",
        slug="telemetry-not-sent",
        hint=f"Is the collector running, and does {_ENDPOINTS[1]} name its port for OTLP over HTTP (4318)?",
    )
