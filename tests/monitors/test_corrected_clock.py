"""A clock that was ahead when monitors were checked: once it is corrected, their schedules go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from crisplens.api import Registry
from crisplens.core.clock import to_text
from crisplens.monitors.planning import Planner
from crisplens.monitors.queries import last_check, last_checks
from tests.conftest import Files
from tests.monitors.conftest import Clock

pytestmark = pytest.mark.stored

YEARS_AHEAD = 3650


@pytest.fixture
def served(registry: Registry, files: Files) -> Registry:
    """A registry with a model."""
    registry.model.register("churn-gbm", files.text("weights"))
    return registry


def watch(registry: Registry, files: Files, name: str = "hourly", **options: Any) -> None:
    """A monitor of all data of a file, every hour."""
    given = {"reference": files.table("r.csv"), "current": str(files.table("l.csv")), "schedule": "every 1h"}
    registry.monitor.add(name, model="churn-gbm", **(given | options))


def correct(registry: Registry, time: Clock) -> None:
    """The clock is set right, and it is said so."""
    time.move(days=-YEARS_AHEAD)
    registry.audit.correct_clock("the battery was empty")


def by_command(registry: Registry) -> None:
    """What cron calls."""
    registry.monitor.run_due()


def by_scheduler(registry: Registry) -> None:
    """One turn of the process that checks."""
    registry.scheduler.run(once=True)


def checked(registry: Registry, name: str = "hourly") -> list[str]:
    """When a monitor was checked, in the order of recording."""
    return [one.recorded_at for one in registry.monitor.history(name)]


@pytest.mark.parametrize("turn", [by_command, by_scheduler])
def test_a_schedule_goes_on_from_the_right_time(
    served: Registry, files: Files, time: Clock, turn: Callable[[Registry], None]
) -> None:
    watch(served, files)
    time.move(days=YEARS_AHEAD, minutes=90)
    turn(served)
    ahead = to_text(time())
    assert checked(served) == [ahead]
    correct(served, time)
    # It counts as checked when recording went on: nothing is due before the next hour.
    turn(served)
    assert checked(served) == [ahead]
    times = [ahead]
    for _ in range(2):
        time.move(hours=1)
        for _ in range(2):
            turn(served)
        times.append(to_text(time()))
        assert checked(served) == times
    assert served.audit.verify().passed


def test_the_newest_check_is_the_one_that_was_recorded_last(
    served: Registry, files: Files, time: Clock
) -> None:
    watch(served, files)
    time.move(days=YEARS_AHEAD)
    served.monitor.run("hourly")
    correct(served, time)
    (plan,) = served.schedule.list()
    assert plan.last_check == to_text(time())
    time.move(minutes=20)
    served.monitor.run("hourly")
    time.move(minutes=20)
    (plan,) = served.schedule.list()
    assert (plan.last_check, plan.due) == (checked(served)[1], None)
    time.move(minutes=20)
    (plan,) = served.schedule.list()
    assert plan.due == to_text(time())


def test_a_process_that_ran_on_while_the_clock_was_corrected_goes_on_too(
    served: Registry, files: Files, time: Clock
) -> None:
    watch(served, files)
    planner = Planner()

    def due() -> list[str]:
        with served.reading_log() as session:
            return [one.since for one in planner.read(session).open]

    time.move(days=YEARS_AHEAD)
    served.monitor.run("hourly")
    assert due() == []
    correct(served, time)
    assert due() == []
    time.move(hours=1)
    assert due() == [to_text(time())]
    served.monitor.run("hourly")
    assert due() == []


@pytest.mark.parametrize("turn", [by_command, by_scheduler])
def test_a_monitor_that_was_added_while_the_clock_was_ahead_is_due_at_once(
    served: Registry, files: Files, time: Clock, turn: Callable[[Registry], None]
) -> None:
    time.move(days=YEARS_AHEAD)
    watch(served, files)
    correct(served, time)
    turn(served)
    turn(served)
    assert checked(served) == [to_text(time())]
    time.move(hours=1)
    turn(served)
    assert len(checked(served)) == 2


def test_each_monitor_of_each_project_has_its_own_last_check_by_one_statement(
    served: Registry, files: Files, time: Clock
) -> None:
    other = served.on_project("other")
    served.project.add("other")
    other.model.register("churn-gbm", files.text("weights"))
    expected: dict[str, dict[str, str]] = {"churn": {}, "other": {}}
    for registry in (served, other):
        for name in ("a", "b", "never"):
            watch(registry, files, name)
    for registry, project, name in (
        (served, "churn", "a"),
        (other, "other", "a"),
        (served, "churn", "b"),
        (served, "churn", "a"),
    ):
        time.move(minutes=1)
        registry.monitor.run(name)
        expected[project][name] = to_text(time())
    statements: list[str] = []
    event.listen(served.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    with served.reading_log() as session:
        session.connection()
        statements.clear()
        assert {project: last_checks(session, project) for project in expected} == expected
        assert len(statements) == 2
        assert last_check(session, "churn", "a") == expected["churn"]["a"]
        assert len(statements) == 3
        assert last_check(session, "churn", "never") is None


def test_the_past_is_shown_as_it_was_recorded(served: Registry, files: Files, time: Clock) -> None:
    watch(served, files)
    time.move(days=YEARS_AHEAD)
    served.monitor.run("hourly")
    ahead = to_text(time())
    correct(served, time)
    with served.as_of(served.audit.head().size - 1) as then:
        assert [one.last_check for one in then.schedule.list()] == [ahead]
