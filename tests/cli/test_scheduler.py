"""The scheduler's command: what it checks and tells, what waits, and what it refuses."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crisplens.api import connect
from crisplens.core import clock
from crisplens.core.errors import RegistryError
from crisplens.monitors import checking
from crisplens.monitors.planning import Planner
from crisplens.nouns.scheduling import Checked, News, Said, Stop
from tests.cli.conftest import Ran, Run, write_table
from tests.cli.test_monitoring import read, refuse, tell

pytestmark = [pytest.mark.end_to_end, pytest.mark.usefixtures("story")]

SCHEMAS = Path(__file__).parents[1] / "schemas"
DAILY = (
    "monitor add daily --model churn-gbm --reference train.csv --current 'new/*.csv' --column age "
    "--window file --schedule @hourly"
)
WHOLE = "monitor add whole --model churn-gbm --reference train.csv --current train.csv --schedule @hourly"


@pytest.fixture(autouse=True)
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets hours pass for every command in this process."""
    ahead = timedelta()

    def pass_hours(hours: float) -> None:
        nonlocal ahead
        ahead += timedelta(hours=hours)

    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + ahead)
    return pass_hours


def write_windows(*names: str, shift: float = 0) -> None:
    """Files for `daily` to check."""
    for seed, name in enumerate(names):
        write_table(Path("new", name), seed=seed + 20, shift=shift)


def once(run: Run, *options: str, code: int = 0) -> Ran:
    """One turn."""
    ran = run("scheduler", "run", "--once", *options)
    assert ran.code == code, ran
    return ran


def test_a_turn_checks_what_is_due_and_tells_line_by_line(run: Run, later: Callable[[float], None]) -> None:
    write_windows("a.csv", "b.csv")
    tell(run, DAILY, WHOLE)
    assert once(run) == Ran(0, "", "")
    later(1)
    told = once(run)
    lines = told.err.splitlines()
    assert told.out == ""
    assert [line.split(": ")[0:2] for line in lines] == [
        ["churn", f"check-2 of daily {Path('new/a.csv').absolute()}"],
        ["churn", f"check-3 of daily {Path('new/b.csv').absolute()}"],
        ["churn", "check-4 of whole"],
    ]
    assert once(run) == Ran(0, "", "")
    assert once(run, "--verbose").err.endswith("0 due, 0 held or waiting.\n")
    assert tell(run, "audit verify")


def test_json_is_a_line_for_each_monitor_and_nothing_else(run: Run, later: Callable[[float], None]) -> None:
    write_windows("a.csv", "b.csv")
    tell(run, DAILY, WHOLE)
    later(1)
    told = once(run, "--json")
    found = [json.loads(line) for line in told.out.splitlines()]
    assert told.err == ""
    assert [(one["project"], one["run"]["monitor"], len(one["run"]["checks"])) for one in found] == [
        ("churn", "daily", 2),
        ("churn", "whole", 1),
    ]


def test_windows_beyond_the_most_are_gone_on_with_at_the_next_turn(
    run: Run, later: Callable[[float], None]
) -> None:
    write_windows("a.csv", "b.csv", "c.csv", "d.csv", "e.csv")
    tell(run, DAILY)
    later(1)
    assert once(run, "--most", "2").err.endswith("churn: daily: 3 windows more.\n")
    (waiting,) = read(run, "scheduler status")["due"]
    assert (waiting["monitor"], waiting["holder"]) == ("daily", "")
    assert once(run, "--most", "2").err.endswith("churn: daily: 1 window more.\n")
    assert "check-6 of daily" in once(run, "--most", "2").err
    assert once(run, "--most", "2") == Ran(0, "", "")
    assert read(run, "scheduler status")["due"] == []


def test_a_monitor_whose_engine_fails_waits_and_the_others_are_checked(
    run: Run, later: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_windows("a.csv")
    tell(run, DAILY, WHOLE)
    later(1)
    carry_out, tried = checking.carry_out_check, []

    def failing(monitor: Any, **given: Any) -> Any:
        if monitor.name == "daily":
            tried.append(monitor.name)
            raise RegistryError("the engine is broken", slug="evidently-failed")
        return carry_out(monitor, **given)

    with monkeypatch.context() as patch:
        patch.setattr(checking, "carry_out_check", failing)
        told = once(run, code=3)
        assert "churn: daily: the engine is broken\n" in told.err
        assert "check-2 of whole: " in told.err
        once(run)
        assert tried == ["daily"]
        (waiting,) = read(run, "scheduler status")["due"]
        assert waiting["until"] > clock.to_text(clock.now())
        assert "waits until" in tell(run, "scheduler status")
    later(0.1)
    assert "check-3 of daily" in once(run).err


def test_data_that_is_due_and_not_there_is_bad_data_once(run: Run, later: Callable[[float], None]) -> None:
    tell(run, DAILY)
    later(1)
    told = once(run, code=2)
    assert "churn: check-2 of daily: bad-data. The data could not be read" in told.err
    assert once(run) == Ran(0, "", "")


def test_overdue_incidents_are_handed_up_and_told_of(run: Run, later: Callable[[float], None]) -> None:
    with Path("crisplens.toml").open("a", encoding="utf-8") as file:
        file.write('[notifications.log]\nkind = "file"\npath = "notices.jsonl"\n')
    tell(
        run,
        "monitor change nightly --escalate-to bo@example.org --escalate-after 2 --reason 'someone must look'",
    )
    later(1)
    once(run)
    later(2)
    assert "churn: incident-1 is handed up to bo@example.org: nobody took it on.\n" in once(run).err
    later(1)
    assert once(run) == Ran(0, "", "")
    kinds = [
        json.loads(line)["type"] for line in Path("notices.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert sorted(kinds) == ["incident.escalated", "incident.opened", "trigger.raised"]
    assert read(run, "scheduler status")["leases"] == []


def test_only_a_named_project_is_looked_at(run: Run, later: Callable[[float], None]) -> None:
    tell(run, WHOLE, "project add other --title Other")
    later(1)
    assert once(run, "--project", "other") == Ran(0, "", "")
    assert read(run, "scheduler status --project other")["due"] == []
    assert "whole" in tell(run, "scheduler status")
    assert "check-2 of whole" in once(run, "--project", "churn").err
    refuse(run, "scheduler run --once --project chrun", "chrun", "churn")
    refuse(run, "scheduler status --project chrun", "chrun", "churn")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--every 0", "Give 0.1 to 86400 seconds"),
        ("--every nan", "Give 0.1 to 86400 seconds"),
        ("--every soon", "'soon' is not a valid float"),
        ("--most 0", "Give 1 to 100000 windows"),
        ("--workers 0", "Give 1 to 32 monitors"),
        ("--workers 1000", "Give 1 to 32 monitors"),
        ("--grace -1", "Give 0 to 86400 seconds"),
    ],
)
def test_options_that_cannot_be_are_refused_with_what_can(run: Run, option: str, words: str) -> None:
    refuse(run, f"scheduler run --once {option}", words)


def test_nobody_schedules_without_a_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRISPLENS_ACTOR")
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    refuse(run, "scheduler run --once", "--actor")


def test_a_registry_without_leases_is_to_be_upgraded(run: Run) -> None:
    shutil.copyfile(SCHEMAS / "0004.db", ".crisplens/registry.db")
    for words in ("run --once", "status"):
        ran = run("scheduler", *words.split())
        assert ran.code == 3
        assert "crisplens db upgrade" in ran.err


def test_a_registry_that_does_not_answer_is_told_once_and_waited_for(
    run: Run, later: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(run, WHOLE)
    later(1)
    read_plan, tries, stop = Planner.read, [], Stop()
    told: list[News] = []

    def failing(planner: Planner, session: Any) -> Any:
        tries.append(session)
        if len(tries) <= 2:
            raise RegistryError("the registry's database refused: gone", slug="registry-failed")
        return read_plan(planner, session)

    def listen(news: News) -> None:
        told.append(news)
        if isinstance(news, Checked):
            stop.ask()

    monkeypatch.setattr(Planner, "read", failing)
    monkeypatch.setattr("crisplens.nouns.scheduling_loop.FIRST_OUTAGE", 0.05)
    with connect() as registry:
        giving_up = threading.Timer(20, stop.ask)
        giving_up.start()
        assert registry.scheduler.run(every=0.2, stop=stop, tell=listen)
        giving_up.cancel()
    said = [one.text for one in told if isinstance(one, Said) and one.important]
    assert said == [
        "the registry's database refused: gone. It is tried again until it answers.",
        "The registry answers again.",
    ]
    assert [one.run.monitor for one in told if isinstance(one, Checked)] == ["whole"]
