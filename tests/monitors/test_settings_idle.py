"""Settings that would do nothing are refused through the Python API, too, at adding and at changing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core.errors import InputError
from crisplens.monitors.incidents.model import Response
from crisplens.monitors.settings import changed, changed_response, check_response, check_settings
from tests.conftest import Files, assert_refused

Add = Callable[..., Any]


@pytest.fixture
def add(registry: Registry, files: Files) -> Add:
    """Adds a monitor of the model's data."""
    registry.model.register("churn-gbm", files.text("model", "model.bin"))
    table = files.table("reference.csv", columns="age,tenure")

    def add(name: str = "watched", **given: Any) -> Any:
        return registry.monitor.add(
            name, **{"model": "churn-gbm", "reference": table, "current": str(table)} | given
        )

    return add


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"drift_share": 0.3, "tolerance": 0.1}, ["--tolerance", "--drift-share"]),
        ({"drift_share": 0.3, "level": 0.05, "weights": {"age": 0}}, ["--level and --weight do nothing"]),
        ({"weights": {"age": 0}, "thresholds": {"age": 0.2}}, ["--weight", "--threshold", "age"]),
        ({"columns": ["age"], "weights": {"tenure": 0}}, ["--weight", "--column", "tenure"]),
        ({"trigger": "never", "cool_down": 1}, ["--cool-down", "--trigger"]),
        ({"escalate_after": 24}, ["--escalate-after", "--escalate-to"]),
        ({"zone": "Asia/Tokyo"}, ["--zone", "--schedule"]),
        ({"window": "day", "time_column": "agee"}, ["agee", "age"]),
    ],
)
def test_what_would_do_nothing_is_not_recorded(
    registry: Registry, add: Add, given: dict[str, Any], words: list[str]
) -> None:
    assert_refused(registry, lambda: add(**given), ("bad-setting", "unknown-name"), *words, kind=InputError)


def test_a_change_is_refused_by_what_the_monitor_has(registry: Registry, add: Add) -> None:
    add(drift_share=0.5)
    for given, words in (
        ({"tolerance": 0.2}, ["--tolerance", "--drift-share"]),
        ({"escalate_after": 3}, ["--escalate-after", "--escalate-to"]),
        ({"zone": "Asia/Tokyo", "minimum_rows": 31}, ["--zone", "--schedule"]),
    ):
        assert_refused(
            registry,
            lambda given=given: registry.monitor.change("watched", reason="x", **given),
            "bad-setting",
            *words,
        )


def test_a_column_of_a_set_that_is_watched_may_be_named() -> None:
    given: dict[str, Any] = {"columns": ["text"], "segments": [["plan"]]}
    for name in ("text", "text (length)", "plan", "text (plan = a)"):
        assert check_settings(**given, thresholds={name: 0.2}).thresholds == {name: 0.2}
    with pytest.raises(InputError, match="texts"):
        check_settings(**given, thresholds={"texts (length)": 0.2})


def test_changing_to_a_drift_share_keeps_the_effects_settings_for_later_readers() -> None:
    before = check_settings(tolerance=0.2, level=0.01, weights={"x": 2}, reference_also="rolling 3")
    after = changed(before, drift_share=0.5)
    assert (after.tolerance, after.level, after.weights, after.drift_share) == (0.2, 0.01, {"x": 2}, 0.5)
    assert changed(after, exact=True, thresholds={"x": 0.1}).also == before.also
    with pytest.raises(InputError, match="--level does nothing beside --drift-share"):
        changed(after, level=0.05)


def test_changing_the_response_is_refused_by_what_it_is() -> None:
    asked = check_response(trigger="ask", escalate_to="bo", escalate_after=2)
    assert asked.escalate_after == 2
    assert changed_response(asked, escalate_to="cy").escalate_after == 2
    with pytest.raises(InputError, match="--cool-down does nothing unless --trigger is automatic"):
        changed_response(asked, cool_down=3)
    assert changed_response(asked, cool_down=3, trigger="automatic").cool_down == 3
    kept = changed_response(Response(cool_down=3), trigger="never")
    assert (kept.cool_down, kept.trigger) == (3, "never")


def test_an_incident_is_resolved_with_a_reason_or_a_note(registry: Registry, add: Add, files: Files) -> None:
    add()
    for name, given in (("one", {"reason": "sent again"}), ("two", {"note": "sent again"})):
        add(name)
        incident = registry.monitor.run(name, current=files.text("age,tenure\n", "none.csv")).incident
        assert incident is not None
        id = incident.id
        assert_refused(registry, lambda id=id: registry.incident.resolve(id), "empty-text", "reason")
        assert_refused(
            registry,
            lambda id=id: registry.incident.resolve(id, reason="a", note="b"),
            "bad-choice",
            "reason",
        )
        assert registry.incident.resolve(id, **given).note == "sent again"
