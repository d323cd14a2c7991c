"""Adding monitors, running checks, and what a check opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from crisplens.api import Registry
from crisplens.core.errors import InputError
from crisplens.monitors.model import Profile
from tests.conftest import CI, Files, assert_refused

pytestmark = pytest.mark.stored


@pytest.fixture
def watched(registry: Registry, files: Files) -> Registry:
    """A model with a monitor on two of its columns."""
    registry.model.register("churn-gbm", files.text("weights"))
    add(registry, files, "nightly", columns=["tenure", "spend"])
    return registry


def add(registry: Registry, files: Files, name: str, **options: Any) -> Any:
    """Add a monitor."""
    given = {
        "model": "churn-gbm",
        "reference": files.table("reference.csv"),
        "current": str(files.folder / "live-*.csv"),
    }
    return registry.monitor.add(name, **(given | options))


def check(registry: Registry, files: Files, **table: Any) -> Any:
    """Run the monitor on a table made for it."""
    return registry.monitor.run("nightly", current=str(files.table("window.csv", **table)))


def test_a_monitor_profiles_its_reference_once_and_keeps_it_as_evidence(
    watched: Registry, files: Files
) -> None:
    (monitor,) = watched.monitor.list()
    assert (monitor.name, monitor.model, monitor.engine) == ("nightly", "churn-gbm", "duckdb")
    assert (monitor.reference.rows, monitor.reference.files) == (60, 1)
    assert monitor.settings.columns == ("tenure", "spend")
    content = watched.evidence.get(monitor.reference_profile)
    profile = msgspec.json.decode(content, type=Profile)
    assert [column.name for column in profile.columns] == ["tenure", "spend"]
    assert profile.rows == 60
    files.folder.joinpath("reference.csv").unlink()
    assert check(watched, files).check.result.verdict == "no-drift"


def test_a_check_records_its_window_its_result_and_its_profile(watched: Registry, files: Files) -> None:
    recorded = check(watched.acting_as(CI), files, rows=50)
    assert (recorded.incident, recorded.trigger) == (None, None)
    one = recorded.check
    assert (one.id, one.monitor, one.window.rows, one.recorded_by) == ("check-1", "nightly", 50, CI)
    assert [column.column for column in one.result.columns] == ["tenure", "spend"]
    names = {kept.digest: kept.name for kept in watched.evidence.list()}
    assert [names[digest] for digest in one.attachments] == ["check-1-profile.json"]
    assert watched.monitor.history("nightly") == [one]
    assert watched.monitor.history() == [one]


def test_drift_opens_an_incident_and_asks_for_retraining_once(watched: Registry, files: Files) -> None:
    first = check(watched, files, shift=50)
    assert (first.incident.id, first.incident.kind, first.incident.state) == ("incident-1", "drift", "open")
    assert (first.trigger.id, first.trigger.incident, first.trigger.model) == (
        "trigger-1",
        "incident-1",
        "churn-gbm",
    )
    assert first.incident.check_id == first.check.id
    again = check(watched, files, shift=60)
    assert (again.incident.id, again.trigger, again.check.incident) == ("incident-1", None, "incident-1")
    assert (len(watched.incident.list()), len(watched.trigger.list())) == (1, 1)


def test_bad_data_opens_an_incident_of_its_own_and_asks_for_no_retraining(
    watched: Registry, files: Files
) -> None:
    check(watched, files, shift=50)
    bad = check(watched, files, columns="tenure,plan")
    assert (bad.check.result.verdict, bad.incident.kind, bad.trigger) == ("bad-data", "bad-data", None)
    assert bad.incident.id == "incident-2"
    assert len(watched.trigger.list()) == 1


def test_an_acknowledged_incident_takes_in_further_checks_and_a_closed_one_does_not(
    watched: Registry, files: Files
) -> None:
    check(watched, files, shift=50)
    watched.incident.acknowledge("incident-1")
    assert check(watched, files, shift=50).check.incident == "incident-1"
    watched.trigger.dismiss("trigger-1", reason="known")
    assert check(watched, files, shift=50).check.incident == "incident-2"
    assert check(watched, files).check.incident is None


def test_monitors_have_incidents_of_their_own(watched: Registry, files: Files) -> None:
    add(watched, files, "hourly")
    drifted = str(files.table("drifted.csv", shift=50))
    for name in ("nightly", "hourly"):
        watched.monitor.run(name, current=drifted)
    assert [one.monitor for one in watched.incident.list()] == ["nightly", "hourly"]


def test_the_window_is_the_monitor_s_own_unless_another_is_named(watched: Registry, files: Files) -> None:
    files.table("live-1.csv", rows=40)
    files.table("live-2.csv", rows=40)
    recorded = watched.monitor.run("nightly")
    assert (recorded.check.window.files, recorded.check.window.rows) == (2, 80)
    assert recorded.check.window.location.endswith("live-*.csv")


@pytest.mark.parametrize(
    ("call", "slug", "words"),
    [
        (lambda r, f: add(r, f, "nightly"), "exists", ["nightly"]),
        (lambda r, f: add(r, f, "a b"), "bad-name", ["monitor"]),
        (lambda r, f: add(r, f, "x", model="churn"), "unknown-name", ["churn-gbm"]),
        (lambda r, f: add(r, f, "x", engine="spark"), "unknown-name", ["duckdb", "evidently"]),
        (lambda r, f: add(r, f, "x", columns=["tenur"]), "unknown-name", ["tenur", "tenure"]),
        (lambda r, f: add(r, f, "x", thresholds={"tenur": 1}), "unknown-name", ["tenur", "tenure"]),
        (lambda r, f: add(r, f, "x", thresholds={"tenure": "high"}), "not-a-number", ["tenure", "high"]),
        (lambda r, f: add(r, f, "x", methods={"tenur": "psi"}), "unknown-name", ["tenur", "tenure"]),
        (lambda r, f: add(r, f, "x", drift_share=0), ("bad-choice", "bad-setting"), ["0"]),
        (lambda r, f: add(r, f, "x", drift_share=1.1), ("bad-choice", "bad-setting"), ["1.1"]),
        (lambda r, f: add(r, f, "x", drift_share="half"), "not-a-number", ["half"]),
        (lambda r, f: add(r, f, "x", minimum_rows=0), ("bad-choice", "bad-setting"), ["0"]),
        (
            lambda r, f: add(r, f, "x", reference=f.folder / "none.csv"),
            ("no-such-file", "unreadable-file"),
            ["none.csv"],
        ),
        (
            lambda r, f: add(r, f, "x", reference=f.text("a,b\n", "e.csv")),
            ("empty-data", "no-rows"),
            ["e.csv"],
        ),
        (lambda r, f: r.monitor.run("nigthly"), "unknown-name", ["nightly"]),
        (lambda r, f: r.monitor.run("nightly"), "no-such-file", ["live-*.csv"]),
        (
            lambda r, f: r.monitor.run("nightly", engine="spark", current=str(f.table("w.csv"))),
            "unknown-name",
            ["duckdb"],
        ),
        (
            lambda r, f: r.monitor.run("nightly", current=str(f.text("a,b\n1,2\n3\n", "r.csv"))),
            "ragged-csv",
            ["r.csv"],
        ),
    ],
)
def test_what_cannot_be_done_is_refused(
    watched: Registry, files: Files, call: Callable[[Registry, Files], Any], slug: Any, words: list[str]
) -> None:
    assert_refused(watched, lambda: call(watched, files), slug, *words, kind=InputError)


def test_an_unknown_method_is_refused_when_the_monitor_is_added(watched: Registry, files: Files) -> None:
    slugs = ("unknown-name", "bad-setting", "wrong-method", "bad-choice")
    assert_refused(watched, lambda: add(watched, files, "x", methods={"tenure": "magic"}), slugs, "magic")


def test_an_engine_that_reads_the_reference_s_rows_minds_that_they_changed(
    watched: Registry, files: Files
) -> None:
    files.table("reference.csv", shift=1)
    window = str(files.table("w.csv"))
    run = watched.monitor.run
    assert_refused(
        watched, lambda: run("nightly", engine="evidently", current=window), "reference-changed", "duckdb"
    )


def test_a_profile_that_was_lost_is_our_error(watched: Registry, files: Files) -> None:
    digest = watched.monitor.list()[0].reference_profile
    assert watched.configuration.open_evidence().remove(digest)
    assert_refused(watched, lambda: check(watched, files), "evidence-store", "audit verify")


def test_a_renewed_monitor_goes_on_with_another_reference_and_looks_at_no_window_twice(
    registry: Registry, files: Files
) -> None:
    registry.model.register("churn-gbm", files.text("weights"))
    add(registry, files, "first", columns=["tenure"], window="file", schedule="@daily", tolerance=0.3)
    files.table("live-1.csv", shift=9)
    (run,) = registry.monitor.run_due("first")
    assert [one.check.result.verdict for one in run.checks] == ["drift"]
    shifted = files.table("retrained.csv", shift=9)
    renewed = registry.monitor.renew("first", to="second", reference=shifted, reason="retrained")
    assert (renewed.succeeds, renewed.settings.tolerance, renewed.settings.columns) == (
        "first",
        0.3,
        ("tenure",),
    )
    assert registry.monitor.get("first").retired_reason == "retrained"
    files.table("live-2.csv", shift=9)
    (run,) = registry.monitor.run_due("second")
    assert [(one.check.window.name, one.check.result.verdict) for one in run.checks] == [
        ("live-2.csv", "no-drift")
    ]
    third = registry.monitor.renew("second", to="third", reference=shifted, reason="again")
    assert registry.monitor.run_due(third.name)[0].checks == ()
    assert_refused(
        registry,
        lambda: registry.monitor.renew("first", to="other", reference=shifted, reason="x"),
        "not-open",
        "retired",
    )
    assert_refused(
        registry,
        lambda: registry.monitor.renew("third", to="first", reference=shifted, reason="x"),
        "exists",
    )
    assert registry.audit.verify().passed
