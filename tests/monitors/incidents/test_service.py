"""Incidents and triggers: taken on, closed, and by what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core.errors import InputError, Refused
from crisplens.monitors.incidents.service import resolve_trigger
from crisplens.registry.model import GateDecision, VersionRef
from tests.conftest import ANA, BO, Files, assert_refused, doing, pass_phase, train, unmet

pytestmark = pytest.mark.stored


@pytest.fixture
def alarmed(first_cycle: Registry, files: Files) -> Registry:
    """Production drifts: incident-1 and trigger-1 are open."""
    first_cycle.monitor.run("nightly", current=str(files.table("drifted.csv", shift=50)))
    return first_cycle


def test_an_open_alarm_closes_the_monitoring_gate(alarmed: Registry) -> None:
    assert unmet(alarmed, "monitoring") == {"alarms-answered": "open: incident-1, trigger-1"}


def test_taking_on_says_who_and_when_and_does_not_close(alarmed: Registry) -> None:
    other = alarmed.acting_as(BO)
    for taken in (
        other.incident.acknowledge("incident-1", note="n"),
        other.trigger.acknowledge("trigger-1", note="n"),
    ):
        assert (taken.state, taken.acknowledged_by, taken.note, taken.closed_by) == (
            "acknowledged",
            BO,
            "n",
            None,
        )
        assert taken.acknowledged_at
        assert taken.is_open


def test_dismissing_a_trigger_closes_its_incident(alarmed: Registry) -> None:
    trigger = alarmed.acting_as(BO).trigger.dismiss("trigger-1", reason="a test load")
    assert (trigger.state, trigger.closed_by, trigger.note) == ("dismissed", BO, "a test load")
    incident = alarmed.incident.list()[0]
    assert (incident.state, incident.closed_by) == ("resolved", BO)
    assert "trigger-1 was dismissed: a test load" in incident.note
    assert unmet(alarmed, "monitoring") == {}


def test_a_newer_approved_version_resolves_the_trigger_and_its_incident(
    alarmed: Registry, files: Files
) -> None:
    train(alarmed, files, 2)
    pass_phase(alarmed, "evaluation")
    trigger = alarmed.trigger.resolve("trigger-1", model="churn-gbm@2", note="retrained")
    assert (trigger.state, trigger.resolved_by, trigger.note) == (
        "resolved",
        VersionRef("churn-gbm", 2),
        "retrained",
    )
    assert alarmed.incident.list()[0].state == "resolved"
    assert alarmed.audit.verify().passed


def test_a_version_from_before_the_trigger_does_not_answer_it(alarmed: Registry) -> None:
    call = lambda: alarmed.trigger.resolve("trigger-1", model="churn-gbm@1")  # noqa: E731
    assert_refused(alarmed, call, "trigger-open", "before", "dismiss", kind=Refused)


def test_a_version_that_is_not_approved_does_not_answer_it(alarmed: Registry, files: Files) -> None:
    train(alarmed, files, 2)
    call = lambda: alarmed.trigger.resolve("trigger-1", model="churn-gbm@2")  # noqa: E731
    assert_refused(alarmed, call, "gate-blocked", "churn-gbm@2", "evaluation", kind=Refused)


def test_a_version_of_another_model_does_not_answer_it(alarmed: Registry, files: Files) -> None:
    alarmed.model.register("other", files.text("w"), run="train-1")
    call = lambda: alarmed.trigger.resolve("trigger-1", model="other@1")  # noqa: E731
    assert_refused(alarmed, call, "trigger-open", "churn-gbm", "other", kind=Refused)


@pytest.mark.parametrize(("subject", "open"), [("churn-gbm@1", True), ("churn-gbm@2", False)])
def test_no_door_resolves_a_trigger_without_an_open_gate_on_that_version(
    alarmed: Registry, files: Files, subject: str, open: bool
) -> None:
    train(alarmed, files, 2)
    gate = GateDecision(phase="evaluation", subject=subject, open=open)
    call = lambda: doing(alarmed, resolve_trigger, "trigger-1", model="churn-gbm@2", gate=gate)  # noqa: E731
    assert_refused(alarmed, call, "gate-blocked", kind=Refused)


@pytest.mark.parametrize(
    ("call", "slug", "words", "kind"),
    [
        (
            lambda r: r.incident.resolve("incident-1", note="n"),
            "trigger-open",
            ["trigger-1", "dismiss"],
            Refused,
        ),
        (lambda r: r.incident.acknowledge("incident-9"), "unknown-name", ["incident-1"], InputError),
        (lambda r: r.incident.resolve("incident-9", note="n"), "unknown-name", ["incident-1"], InputError),
        (lambda r: r.trigger.acknowledge("trigger-9"), "unknown-name", ["trigger-1"], InputError),
        (lambda r: r.trigger.dismiss("trigger-9", reason="r"), "unknown-name", ["trigger-1"], InputError),
        (lambda r: r.trigger.dismiss("trigger-1", reason=" "), "empty-text", ["reason"], InputError),
        (
            lambda r: r.trigger.resolve("trigger-1", model="churn-gbm@9"),
            "unknown-name",
            ["churn-gbm@1"],
            InputError,
        ),
        (
            lambda r: r.trigger.resolve("trigger-1", model="churn-gbm"),
            "bad-reference",
            ["churn-gbm@1"],
            InputError,
        ),
    ],
)
def test_what_cannot_be_answered_is_refused(
    alarmed: Registry, call: Callable[[Registry], Any], slug: str, words: list[str], kind: Any
) -> None:
    assert_refused(alarmed, lambda: call(alarmed), slug, *words, kind=kind)


@pytest.mark.parametrize(
    "call",
    [
        lambda r: r.incident.acknowledge("incident-1"),
        lambda r: r.incident.resolve("incident-1", note="n"),
        lambda r: r.trigger.acknowledge("trigger-1"),
        lambda r: r.trigger.dismiss("trigger-1", reason="r"),
    ],
)
def test_what_is_closed_stays_closed(alarmed: Registry, call: Callable[[Registry], Any]) -> None:
    alarmed.acting_as(BO).trigger.dismiss("trigger-1", reason="r")
    assert_refused(alarmed, lambda: call(alarmed), "not-open", BO, kind=InputError)


def test_taking_on_twice_names_who_has_it(alarmed: Registry) -> None:
    alarmed.acting_as(BO).incident.acknowledge("incident-1")
    assert_refused(
        alarmed, lambda: alarmed.incident.acknowledge("incident-1"), "not-open", BO, "acknowledged"
    )


def test_an_incident_of_bad_data_is_resolved_with_a_note(alarmed: Registry, files: Files) -> None:
    alarmed.monitor.run("nightly", current=str(files.table("broken.csv", columns="tenure,plan")))
    assert_refused(alarmed, lambda: alarmed.incident.resolve("incident-2", note=" "), "empty-text", "note")
    resolved = alarmed.incident.resolve("incident-2", note="sent again")
    assert (resolved.state, resolved.note, resolved.closed_by) == ("resolved", "sent again", ANA)
