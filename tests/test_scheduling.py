"""The scheduler in Python: what is left by others, who may record, and how slow checks and others get along."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core import clock
from crisplens.core.database import write_session
from crisplens.monitors import checking, leases
from crisplens.monitors.leases import Lease
from crisplens.monitors.planning import Planner
from crisplens.nouns import scheduling_leases
from crisplens.nouns.scheduling import Checked, News, Stop
from tests.conftest import Files, assert_refused

pytestmark = pytest.mark.stored

LENGTH = timedelta(seconds=10)


def take(registry: Registry, name: str, now: datetime) -> Lease | None:
    """Take a lease as another process would."""
    with write_session(registry.engine) as session:
        return leases.take(session, "churn", name, "another", now, LENGTH)


def stored(registry: Registry, name: str) -> Lease | None:
    """The lease as the database has it, if it is not free."""
    with registry.reading_log() as session:
        return leases.unfinished(session, "churn").get(("churn", name))


def watch(registry: Registry, files: Files) -> None:
    """A monitor of two files, which is due every hour."""
    registry.model.register("churn-gbm", files.text("weights"))
    for name in ("reference.csv", "live-0.csv", "live-1.csv"):
        files.table(name)
    registry.monitor.add(
        "daily",
        model="churn-gbm",
        reference=files.folder / "reference.csv",
        current=str(files.folder / "live-*.csv"),
        window="file",
        schedule="every 1h",
    )


def pass_hours(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    """Let every command be so much later; PostgreSQL's clock, by which its leases go, stays."""
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(hours=hours))


def checked(registry: Registry) -> list[str | None]:
    """The windows that were checked."""
    return [one.window.name for one in registry.monitor.history("daily")]


def test_what_a_dead_process_left_is_gone_on_with_before_its_next_time(
    registry: Registry, files: Files
) -> None:
    watch(registry, files)
    registry.scheduler.run(once=True)
    assert checked(registry) == []
    assert take(registry, "check/daily", datetime.now(UTC) - 2 * LENGTH) is not None
    assert [(one.monitor, one.holder) for one in registry.scheduler.status().due] == [("daily", "")]
    registry.scheduler.run(once=True)
    assert checked(registry) == ["live-0.csv", "live-1.csv"]
    assert stored(registry, "check/daily") is None


def test_what_another_left_since_the_look_is_not_taken_for_done(
    registry: Registry, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(registry, files)
    pass_hours(monkeypatch, 2)
    with registry.reading_log() as session:
        looked = Planner().read(session)
    registry.scheduler.run(once=True, most=1)
    assert checked(registry) == ["live-0.csv"]
    monkeypatch.setattr(Planner, "read", lambda *_: looked)
    registry.scheduler.run(once=True, most=1)
    assert checked(registry) == ["live-0.csv", "live-1.csv"]
    assert stored(registry, "check/daily") is None


def test_nothing_is_recorded_under_a_lease_that_another_has_taken(
    registry: Registry, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(registry, files)
    pass_hours(monkeypatch, 2)
    carry_out, told = checking.carry_out_check, list[News]()

    def slow(*given: Any, **named: Any) -> Any:
        if not named["rows"].name.startswith("live-0"):
            assert take(registry, "check/daily", clock.now() + timedelta(days=1)) is not None
        return carry_out(*given, **named)

    monkeypatch.setattr(checking, "carry_out_check", slow)
    registry.scheduler.run(once=True, tell=told.append)
    assert checked(registry) == ["live-0.csv"]
    (news,) = [one for one in told if isinstance(one, Checked)]
    assert "lease on check/daily was lost" in news.run.failure
    kept = stored(registry, "check/daily")
    assert kept is not None
    assert kept.holder == "another"
    assert registry.audit.verify().passed


def test_a_monitor_that_another_checks_is_left_to_it(
    registry: Registry, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(registry, files)
    pass_hours(monkeypatch, 2)
    with write_session(registry.engine) as session:
        now = leases.read_clock(session.connection())
    assert take(registry, "check/daily", now) is not None
    registry.scheduler.run(once=True)
    assert checked(registry) == []


def test_a_lease_is_kept_for_as_long_as_a_check_takes(
    registry: Registry, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(registry, files)
    pass_hours(monkeypatch, 2)
    monkeypatch.setattr(scheduling_leases, "SHORTEST_LEASE", 0.6)
    carry_out, begun, stops = checking.carry_out_check, [], (Stop(), Stop())

    def slow(*given: Any, **named: Any) -> Any:
        begun.append(named["rows"].name)
        threading.Event().wait(1.5)
        return carry_out(*given, **named)

    def stop_all(news: News) -> None:
        if isinstance(news, Checked):
            for one in stops:
                one.ask()

    def schedule(stop: Stop) -> bool:
        return registry.scheduler.run(every=0.2, most=1, stop=stop, tell=stop_all)

    monkeypatch.setattr(checking, "carry_out_check", slow)
    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(schedule, stops))
    assert begun == ["live-0.csv"]
    assert checked(registry) == ["live-0.csv"]


def test_a_slow_monitor_keeps_one_worker_busy_and_no_other(
    registry: Registry, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(registry, files)
    reference = files.folder / "reference.csv"
    registry.monitor.add(
        "quick", model="churn-gbm", reference=reference, current=str(reference), schedule="every 1h"
    )
    pass_hours(monkeypatch, 2)
    carry_out, quick_is_done, waited = checking.carry_out_check, threading.Event(), []

    def slow(monitor: Any, **named: Any) -> Any:
        if monitor.name == "daily":
            waited.append(quick_is_done.wait(20))
        return carry_out(monitor, **named)

    def listen(news: News) -> None:
        if isinstance(news, Checked) and news.run.monitor == "quick":
            quick_is_done.set()

    monkeypatch.setattr(checking, "carry_out_check", slow)
    registry.scheduler.run(once=True, workers=2, tell=listen)
    assert waited == [True, True]
    assert len(checked(registry)) == 2


def test_a_defect_in_one_check_is_told_and_ends_nothing(
    registry: Registry, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(registry, files)
    pass_hours(monkeypatch, 2)
    told: list[News] = []

    def broken(*given: Any, **named: Any) -> Any:
        raise ZeroDivisionError("division by zero")

    with monkeypatch.context() as patch:
        patch.setattr(checking, "carry_out_check", broken)
        registry.scheduler.run(once=True, tell=told.append)
    (news,) = [one for one in told if isinstance(one, Checked)]
    assert (news.run.failure, news.run.exit_code) == (
        "crisplens failed: ZeroDivisionError: division by zero",
        3,
    )
    left = stored(registry, "check/daily")
    assert left is not None
    assert left.holder == ""


def test_what_listens_and_fails_ends_nothing(
    registry: Registry, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(registry, files)
    pass_hours(monkeypatch, 2)

    def deaf(news: News) -> None:
        raise BrokenPipeError

    registry.scheduler.run(once=True, tell=deaf)
    assert len(checked(registry)) == 2


def test_within_a_transaction_nothing_is_scheduled(
    registry: Registry, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(registry, files)
    pass_hours(monkeypatch, 2)

    def command() -> None:
        with registry.transaction() as together:
            together.scheduler.run(once=True)

    assert_refused(registry, command, "stands-alone", "scheduler")
    assert checked(registry) == []
