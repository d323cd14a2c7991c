"""Scheduled checks: what is due, each window once, missed ones in order."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core.errors import InputError
from crisplens.monitors import checking
from crisplens.monitors.engines import duckdb_engine
from tests.conftest import BO, Files, assert_refused
from tests.monitors.conftest import START, Clock

pytestmark = pytest.mark.stored


@pytest.fixture
def served(registry: Registry, files: Files) -> Registry:
    """A registry with a model."""
    registry.model.register("churn-gbm", files.text("weights"))
    return registry


def rows(first: datetime, count: int, *, shift: float = 0.0, minutes: int = 60) -> str:
    """CSV rows, one every so many minutes."""
    return "".join(
        f"{(first + timedelta(minutes=minutes * at)).isoformat()},{shift + (7 * at) % 23 / 2}\n"
        for at in range(count)
    )


def add(registry: Registry, files: Files, **options: Any) -> None:
    """A monitor on hourly data, in windows of a day unless told otherwise."""
    given = {
        "model": "churn-gbm",
        "reference": files.text("at,tenure\n" + rows(START - timedelta(days=40), 960), "reference.csv"),
        "current": str(files.folder / "live.csv"),
        "columns": ["tenure"],
        "minimum_rows": 20,
        "window": "day",
        "time_column": "at",
        "schedule": "0 2 * * *",
    }
    registry.monitor.add("daily", **(given | options))


def windows(registry: Registry) -> list[tuple[str | None, str, int]]:
    """Beginning, verdict and rows of each check."""
    return [
        ((one.window.start or one.window.name)[:10], str(one.result.verdict), one.window.rows)
        for one in registry.monitor.history("daily")
    ]


def test_nothing_is_due_before_its_time(served: Registry, files: Files, time: Clock) -> None:
    add(served, files)
    files.text("at,tenure\n" + rows(START, 24), "live.csv")
    time.move(hours=1)
    assert served.monitor.run_due() == ()
    assert windows(served) == []


def test_windows_are_checked_once_and_missed_ones_in_order(
    served: Registry, files: Files, time: Clock
) -> None:
    add(served, files)
    files.text("at,tenure\n" + rows(START, 80), "live.csv")
    time.move(days=3, hours=3)
    (run,) = served.monitor.run_due()
    assert (run.monitor, run.waiting, run.failure) == ("daily", 0, "")
    whole = [("2031-03-01", "no-drift", 24), ("2031-03-02", "no-drift", 24), ("2031-03-03", "no-drift", 24)]
    assert windows(served) == whole
    assert served.monitor.run_due() == ()
    # The fourth day is not over; asked for by name, there is nothing to check yet.
    (again,) = served.monitor.run_due("daily")
    assert (again.checks, again.failure) == ((), "")
    assert_refused(served, lambda: served.monitor.run("daily"), "nothing-due", "daily", kind=InputError)


def test_so_many_windows_at_once_and_the_rest_next_time(served: Registry, files: Files, time: Clock) -> None:
    add(served, files)
    files.text("at,tenure\n" + rows(START, 24 * 5), "live.csv")
    time.move(days=5, hours=3)
    (run,) = served.monitor.run_due(most=2)
    assert (len(run.checks), run.waiting) == (2, 3)
    (run,) = served.monitor.run_due("daily", most=50)
    assert (len(run.checks), run.waiting) == (3, 0)
    assert [start for start, *_ in windows(served)] == [f"2031-03-0{day}" for day in range(1, 6)]


def test_rows_may_come_late(served: Registry, files: Files, time: Clock) -> None:
    add(served, files, lateness="6h", schedule="every 1h")
    files.text("at,tenure\n" + rows(START, 24), "live.csv")
    time.move(days=1, hours=5)
    assert [run.checks for run in served.monitor.run_due()] == [()]
    time.move(hours=2)
    (run,) = served.monitor.run_due("daily")
    assert len(run.checks) == 1


def test_drift_needs_a_second_window_and_says_since_when(served: Registry, files: Files, time: Clock) -> None:
    add(served, files, window="day", owner=BO)
    later = START + timedelta(days=1)
    files.text("at,tenure\n" + rows(START, 24) + rows(later, 48, shift=40), "live.csv")
    time.move(days=3, hours=3)
    (run,) = served.monitor.run_due()
    assert [one.check.result.verdict for one in run.checks] == ["no-drift", "drift", "drift"]
    alarms = [one.check.decision.alarm for one in run.checks]
    assert alarms == [False, False, True]
    incident = run.checks[-1].incident
    assert incident is not None
    assert (incident.owner, incident.since) == (BO, "2031-03-02T00:00:00.000000Z")
    assert incident.hours_to_detect == 51
    assert run.checks[1].incident is None
    assert len(served.trigger.list()) == 1


def test_each_new_file_is_a_window(served: Registry, files: Files, time: Clock) -> None:
    add(served, files, window="file", time_column="", current=str(files.folder / "live-*.csv"))
    for name in ("live-b.csv", "live-a.csv"):
        files.text("at,tenure\n" + rows(START, 40), name)
    time.move(hours=3)
    served.monitor.run_due()
    assert windows(served) == [("live-a.csv", "no-drift", 40), ("live-b.csv", "no-drift", 40)]
    files.text("at,tenure\n" + rows(START, 50), "live-c.csv")
    time.move(days=1)
    served.monitor.run_due()
    assert windows(served)[2:] == [("live-c.csv", "no-drift", 50)]


def test_every_so_many_rows_are_a_window(served: Registry, files: Files, time: Clock) -> None:
    add(served, files, window="40 rows", time_column="")
    files.text("at,tenure\n" + rows(START, 90), "live.csv")
    time.move(hours=3)
    (run,) = served.monitor.run_due()
    assert [one.check.window.name for one in run.checks] == [
        "rows-000000000000000-000000000000040",
        "rows-000000000000040-000000000000080",
    ]
    assert [one.check.window.rows for one in run.checks] == [40, 40]


def test_data_that_is_not_there_when_it_is_due_is_an_alarm_and_keeps_no_other_from_its_check(
    served: Registry, files: Files, time: Clock
) -> None:
    add(served, files)
    files.table("ready.csv")
    other = {"reference": files.folder / "ready.csv", "current": str(files.folder / "ready.csv")}
    served.monitor.add("other", model="churn-gbm", schedule="@daily", **other)
    time.move(days=1, hours=3)
    runs = {run.monitor: run for run in served.monitor.run_due()}
    assert "live.csv" in runs["daily"].failure
    (found,) = runs["daily"].checks
    assert (found.check.result.verdict, found.incident is not None) == ("bad-data", True)
    assert "could not be read" in found.check.result.reason
    assert [one.check.result.verdict for one in runs["other"].checks] == ["no-drift"]
    assert served.monitor.run_due() == ()


def test_a_file_that_is_still_written_stays_open_and_is_no_alarm(
    served: Registry, files: Files, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(served, files, window="file", time_column="", current=str(files.folder / "part-*.csv"))
    file = files.text("at,tenure\n" + rows(START, 100), "part-1.csv")
    profile = duckdb_engine.profile_rows

    def slow(*given: Any, **options: Any) -> Any:
        found = profile(*given, **options)
        with file.open("a") as stream:
            stream.write(rows(START + timedelta(days=5), 1))
        return found

    time.move(days=1, hours=3)
    with monkeypatch.context() as patched:
        patched.setattr(duckdb_engine, "profile_rows", slow)
        (run,) = served.monitor.run_due()
    assert (run.checks, run.failure, run.waiting) == ((), "", 1)
    assert "changed while it was read" in run.awaited
    (run,) = served.monitor.run_due()
    assert [(one.check.window.rows, one.check.result.verdict) for one in run.checks] == [(101, "no-drift")]


def test_a_window_that_another_process_checks_meanwhile_is_recorded_once(
    served: Registry, files: Files, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(served, files)
    files.text("at,tenure\n" + rows(START, 24), "live.csv")
    time.move(days=1, hours=3)
    look = checking.carry_out_check

    def slow(*given: Any, **options: Any) -> Any:
        found = look(*given, **options)
        with monkeypatch.context() as patched:
            patched.setattr(checking, "carry_out_check", look)
            served.monitor.run_due()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(checking, "carry_out_check", slow)
        with pytest.raises(InputError, match="another process has just checked") as caught:
            served.monitor.run("daily")
    assert caught.value.slug == "nothing-due"
    assert len(windows(served)) == 1


def test_local_days_begin_at_local_midnight(served: Registry, files: Files, time: Clock) -> None:
    add(served, files, zone="America/New_York")
    files.text("at,tenure\n" + rows(START, 80), "live.csv")
    time.move(days=3, hours=8)
    (run,) = served.monitor.run_due()
    starts = [one.check.window.start for one in run.checks]
    assert starts == [f"2031-0{'2-28' if day == 0 else f'3-0{day}'}T05:00:00.000000Z" for day in range(4)]


def test_a_retired_monitor_is_never_due(served: Registry, files: Files, time: Clock) -> None:
    add(served, files)
    served.monitor.retire("daily", reason="replaced")
    time.move(days=9)
    assert served.monitor.run_due() == ()
    assert_refused(served, lambda: served.monitor.run("daily"), "not-open", "replaced", kind=InputError)


@pytest.mark.parametrize(
    ("options", "slug", "words"),
    [
        ({"schedule": "0 25 * * *"}, "bad-schedule", ["hour"]),
        ({"schedule": "every 5s"}, "bad-schedule", ["5s"]),
        ({"zone": "Europe/Berln"}, ("bad-schedule", "bad-zone", "unknown-name"), ["Berln"]),
        ({"window": "fortnight"}, "bad-window", ["fortnight"]),
        ({"time_column": ""}, "bad-window", ["time column"]),
        ({"window": "file"}, "bad-window", ["file"]),
    ],
)
def test_schedules_and_windows_that_cannot_be_are_refused(
    served: Registry, files: Files, options: dict[str, Any], slug: Any, words: list[str]
) -> None:
    assert_refused(served, lambda: add(served, files, **options), slug, *words, kind=InputError)


@pytest.mark.parametrize(("column", "words"), [("att", ["att", "at"]), ("tenure", ["tenure", "not times"])])
def test_a_time_column_that_holds_no_times_is_told(
    served: Registry, files: Files, time: Clock, column: str, words: list[str]
) -> None:
    add(served, files, time_column=column)
    files.text("at,tenure\n" + rows(START, 80), "live.csv")
    time.move(days=3)
    (run,) = served.monitor.run_due("daily")
    assert all(word in run.failure for word in words)
    assert run.checks == ()
