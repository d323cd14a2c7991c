"""What monitors found last, as an OpenTelemetry collector receives it: a real exporter, and its protobuf read back."""

from __future__ import annotations

import gzip
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core.errors import InputError, RegistryError
from crisplens.monitors import queries
from crisplens.monitors.incidents import queries as incident_queries
from crisplens.monitors.metrics import EFFECT, ROWS, Gauge, Reading, prometheus_text, readings
from crisplens.monitors.telemetry import BATCH, push_metrics
from tests.conftest import Files

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
NOW = datetime(2031, 3, 1, 12, tzinfo=UTC)
LABELS = {"project": "churn", "monitor": "nightly", "model": "churn-gbm"}


@dataclass
class Collector:
    """A receiver of OTLP over HTTP: the requests that it got, and what it answers."""

    url: str
    requests: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answer: int = 200

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics of all requests, by name."""
        scopes = [
            scope
            for request in self.requests
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
        ]
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    @property
    def resource(self) -> dict[str, str]:
        """The attributes of the first request's resource."""
        found = self.requests[0].resource_metrics[0].resource.attributes
        return {one.key: one.value.string_value for one in found}


@contextmanager
def serving(collector: Collector) -> Iterator[None]:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/metrics"
            collector.requests.append(ExportMetricsServiceRequest.FromString(body))
            collector.headers.append({name.casefold(): value for name, value in self.headers.items()})
            self.send_response(collector.answer)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that the OTEL_* variables name."""
    made = Collector("")
    with serving(made):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        yield made


def points(collector: Collector, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """The points of a metric: attributes and value."""
    return {
        tuple(sorted((one.key, one.value.string_value) for one in point.attributes)): point.as_double
        for point in collector.metrics[name].gauge.data_points
    }


def found_in(registry: Registry) -> list[Reading]:
    with registry.reading() as session:
        return list(
            readings(
                "churn",
                queries.list_monitors(session, "churn"),
                queries.newest_checks(session, "churn"),
                mutes=queries.list_mutes(session, "churn"),
                incidents=incident_queries.open_incidents(session, "churn"),
                triggers=incident_queries.list_triggers(session, "churn"),
                now=NOW,
            )
        )


@pytest.mark.stored
def test_a_collector_receives_what_prometheus_would_read(
    first_cycle: Registry, files: Files, collector: Collector
) -> None:
    first_cycle.monitor.run("nightly", current=str(files.table("w.csv", shift=50, rows=70)))
    found = found_in(first_cycle)
    assert push_metrics(found, now=NOW) == len(found) > 15
    labels = tuple(sorted((f"crisplens.{name}", value) for name, value in LABELS.items()))
    assert points(collector, "crisplens.monitor.rows") == {labels: 70}
    verdicts = {
        dict(key)["crisplens.verdict"]: value
        for key, value in points(collector, "crisplens.monitor.verdict").items()
    }
    assert (verdicts["drift"], verdicts["no-drift"]) == (1, 0)
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
    from prometheus_client.parser import text_string_to_metric_families

    told = {
        family.name: {sample.value for sample in family.samples}
        for family in text_string_to_metric_families(prometheus_text(found))
    }

    def translated(metric: Metric) -> str:
        return metric.name.replace(".", "_") + ("_seconds" if metric.unit == "s" else "")

    received = {
        translated(metric): {point.as_double for point in metric.gauge.data_points}
        for metric in collector.metrics.values()
    }
    assert received == told


def test_units_times_and_help_are_told(collector: Collector) -> None:
    push_metrics([Reading(ROWS, LABELS, 70)], now=NOW)
    metric = collector.metrics["crisplens.monitor.rows"]
    assert (metric.unit, metric.description) == ("{row}", ROWS.help)
    (point,) = metric.gauge.data_points
    assert point.time_unix_nano == int(NOW.timestamp()) * 10**9


def test_the_service_is_crisplens_unless_the_variables_say_another(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_metrics([Reading(ROWS, LABELS, 1)], now=NOW)
    assert collector.resource["service.name"] == "crisplens"
    collector.requests.clear()
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ml-watch")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=live")
    push_metrics([Reading(ROWS, LABELS, 1)], now=NOW)
    assert collector.resource["service.name"] == "ml-watch"
    assert collector.resource["deployment.environment.name"] == "live"


def test_headers_and_compression_come_from_the_variables(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    push_metrics([Reading(ROWS, LABELS, 1)], now=NOW)
    assert collector.headers[0]["api-key"] == "k1"
    assert collector.headers[0]["content-encoding"] == "gzip"


def test_many_columns_go_in_several_requests_and_none_is_lost(collector: Collector) -> None:
    count = 2 * BATCH + 1
    wide = [Reading(EFFECT, {**LABELS, "column": f"c{at}"}, at / count) for at in range(count)]
    assert push_metrics(wide, now=NOW) == count
    sent = [
        point
        for request in collector.requests
        for metric in request.resource_metrics[0].scope_metrics[0].metrics
        for point in metric.gauge.data_points
    ]
    assert len(collector.requests) == 3
    assert len({point.attributes[-1].value.string_value for point in sent}) == count


def test_nothing_found_is_nothing_sent(collector: Collector) -> None:
    assert push_metrics([], now=NOW) == 0
    assert collector.requests == []


@pytest.mark.parametrize("answer", [400, 401, 404])
def test_a_collector_that_refuses_is_told(collector: Collector, answer: int) -> None:
    collector.answer = answer
    with pytest.raises(RegistryError, match="not sent") as caught:
        push_metrics([Reading(ROWS, LABELS, 1)], now=NOW)
    assert (caught.value.slug, caught.value.exit_code) == ("telemetry-not-sent", 3)


def test_a_collector_that_is_not_there_is_told_in_time_and_without_its_key(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://me:secret@127.0.0.1:{free}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    began = datetime.now(UTC)
    with pytest.raises(RegistryError, match="not sent") as caught:
        push_metrics([Reading(ROWS, LABELS, 1)], now=NOW)
    assert (datetime.now(UTC) - began).total_seconds() < 5
    assert f"http://127.0.0.1:{free}" in caught.value.message
    assert "secret" not in caught.value.message + caught.value.hint
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("endpoint", ["ftp://127.0.0.1", "not a url", "http://"])
def test_an_endpoint_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with pytest.raises(RegistryError) as caught:
        push_metrics([Reading(ROWS, LABELS, 1)], now=NOW)
    assert caught.value.slug == "telemetry-not-sent"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "'grpc'"), ("OTEL_SDK_DISABLED", "true", "nothing is sent")],
)
def test_variables_that_ask_for_something_else_are_minded(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=words):
        push_metrics([Reading(ROWS, LABELS, 1)], now=NOW)
    assert collector.requests == []


def gauges() -> list[Gauge]:
    """Every gauge that there is."""
    from crisplens.monitors import metrics

    return [one for one in vars(metrics).values() if isinstance(one, Gauge)]


def test_names_are_as_opentelemetry_and_prometheus_want_them() -> None:
    found = gauges()
    assert len(found) > 10
    for gauge in found:
        assert all(part.isidentifier() and part.islower() for part in gauge.name.split("."))
        assert gauge.name.startswith("crisplens.")
        assert gauge.prometheus.replace("_", "").isalnum()
    names = sorted(gauge.name for gauge in found)
    # No name is the name space of another.
    pairs = [(a, b) for a in names for b in names if b.startswith(f"{a}.")]
    assert pairs == []


def test_without_the_libraries_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    with pytest.raises(RegistryError, match="not installed") as caught:
        push_metrics([Reading(ROWS, LABELS, 1)], now=NOW)
    assert (caught.value.slug, "crisplens[otel]" in caught.value.hint) == ("library-missing", True)
