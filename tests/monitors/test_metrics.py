"""What monitors found last, as Prometheus reads it."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from crisplens.api import Registry
from tests.conftest import Files

pytestmark = pytest.mark.stored


def gauges(registry: Registry) -> dict[tuple[str, ...], float]:
    """The gauges, by name and by the labels beyond project and model."""
    families = text_string_to_metric_families(registry.monitor.metrics())
    return {
        (
            sample.name,
            *(value for name, value in sorted(sample.labels.items()) if name not in ("project", "model")),
        ): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_last_check_is_told_and_not_those_before(first_cycle: Registry, files: Files) -> None:
    before = gauges(first_cycle)
    assert before["crisplens_monitor_verdict", "nightly", "no-drift"] == 1
    assert before["crisplens_monitor_verdict", "nightly", "drift"] == 0
    assert not any(key[0] == "crisplens_incidents_open" for key in before)
    first_cycle.monitor.run("nightly", current=str(files.table("w.csv", shift=50, rows=70)))
    after = gauges(first_cycle)
    assert after["crisplens_monitor_verdict", "nightly", "drift"] == 1
    assert after["crisplens_monitor_verdict", "nightly", "no-drift"] == 0
    assert after["crisplens_monitor_rows", "nightly"] == 70
    assert after["crisplens_monitor_alarm", "nightly"] == 1
    assert after["crisplens_column_effect", "spend", "nightly"] > 1
    assert after["crisplens_incidents_open", "drift", "nightly"] == 1
    assert after["crisplens_triggers_open", "nightly"] == 1
    first_cycle.monitor.mute("nightly", until="2099-01-01", reason="a migration")
    assert gauges(first_cycle)["crisplens_monitor_muted", "nightly"] == 1


def test_a_retired_monitor_is_not_told_and_none_is_an_empty_page(first_cycle: Registry) -> None:
    first_cycle.monitor.retire("nightly", reason="done")
    assert gauges(first_cycle) == {}


def test_names_that_prometheus_has_to_escape_come_back(first_cycle: Registry, files: Files) -> None:
    hostile = 'a"b\\c'
    lines = [f'"{hostile.replace(chr(34), chr(34) * 2)}"', *(str(at % 7) for at in range(60)), ""]
    file = files.text("\n".join(lines), "odd.csv")
    first_cycle.monitor.add("odd", model="churn-gbm", reference=file, current=str(file))
    first_cycle.monitor.run("odd")
    assert ("crisplens_column_effect", hostile, "odd") in gauges(first_cycle)
