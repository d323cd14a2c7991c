"""A monitor that also looks at earlier windows: a season is accepted once, and what is more than that alarms."""

from __future__ import annotations

import random

import pytest

from crisplens.api import Registry
from crisplens.core.errors import InputError
from tests.conftest import Files

pytestmark = pytest.mark.stored


def write(registry: Registry, day: int, *, more: float = 0.0, name: str = "") -> None:
    chance = random.Random(day)
    weekend = 10 if day % 7 > 4 else 0
    lines = [f"{chance.gauss(40 + weekend + more, 8):.2f}" for _ in range(500)]
    folder = registry.configuration.folder / "days"
    folder.mkdir(exist_ok=True)
    (folder / (name or f"day-{day:03}.csv")).write_text("\n".join(["age", *lines, ""]), encoding="utf-8")


def verdicts(registry: Registry) -> list[tuple[str, str]]:
    return [(str(one.result.verdict), str(one.deciding_verdict)) for one in registry.monitor.history("daily")]


def test_a_season_is_accepted_once_and_more_than_it_alarms(first_cycle: Registry) -> None:
    registry = first_cycle
    chance = random.Random(99)
    training = "\n".join(["age", *(f"{chance.gauss(40, 8):.2f}" for _ in range(3000)), ""])
    (registry.configuration.folder / "ages.csv").write_text(training)
    registry.monitor.add(
        "daily",
        model="churn-gbm",
        reference=str(registry.configuration.folder / "ages.csv"),
        current=str(registry.configuration.folder / "days" / "*.csv"),
        window="file",
        reference_also="seasonal 4 of 7 windows",
    )
    for day in range(7):
        write(registry, day)
    registry.monitor.run_due("daily")
    assert verdicts(registry) == [("no-drift", "no-drift")] * 5 + [("drift", "drift")] * 2
    (trigger,) = (one for one in registry.trigger.list() if one.is_open)
    registry.trigger.dismiss(trigger.id, reason="weekends are like that")
    for day in range(7, 21):
        write(registry, day)
    registry.monitor.run_due("daily")
    assert verdicts(registry)[7:] == ([("no-drift", "no-drift")] * 5 + [("drift", "no-drift")] * 2) * 2
    assert [one for one in registry.trigger.list() if one.is_open] == []
    newest = registry.monitor.history("daily")[-1]
    assert newest.decision.moving is not None
    assert newest.decision.moving.windows == ("day-006.csv",)
    assert "but not from the window" in newest.decision.reason
    for day in range(21, 28):
        write(registry, day, more=8 if day > 25 else 0)
    registry.monitor.run_due("daily")
    assert verdicts(registry)[-2:] == [("drift", "drift")] * 2
    assert [one.is_open for one in registry.trigger.list()][-1]
    registry.monitor.change("daily", tolerance=0.12, reason="a little more")
    settings = registry.monitor.get("daily").settings
    assert settings.also is not None
    assert settings.also.season == "7 windows"
    assert registry.audit.verify().passed


def test_windows_that_never_repeat_are_refused(first_cycle: Registry, files: Files) -> None:
    table = str(files.table("t.csv"))
    with pytest.raises(InputError, match="no earlier windows"):
        first_cycle.monitor.add(
            "x", model="churn-gbm", reference=table, current=table, reference_also="rolling 3"
        )
