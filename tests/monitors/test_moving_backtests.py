"""Other settings on past windows of a monitor with a moving reference: what is accepted is excused there too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, text

from crisplens.api import Registry
from crisplens.core.database import disposing
from crisplens.core.errors import InputError
from crisplens.monitors import history, tuning
from crisplens.monitors.alarms import AlarmSettings
from crisplens.monitors.history import Backtest, Tuning
from crisplens.monitors.model import Profile
from crisplens.monitors.moving import deciding_columns, merge_windows
from crisplens.monitors.settings import changed
from tests.conftest import Files, PostgresqlDatabases
from tests.monitors.test_tuning import a_table, quiet_history

# Every other day spends more, and from day 9 on these days spend more still. `age` never changes.
DAYS = """
CREATE TABLE live AS
SELECT (i * 37 % 101) / 10.0::float
    + CASE WHEN i / 288 % 2 = 0 THEN 0 WHEN i / 288 > 8 THEN 9 ELSE 4 END AS spend,
  (i * 61 % 97) AS age, TIMESTAMP '2026-03-01' + INTERVAL '5 minutes' * i AS at
FROM generate_series(0, 3167) AS series(i)
"""
TRAIN = """
CREATE TABLE train AS
SELECT (i * 37 % 101) / 10.0::float AS spend, (i * 61 % 97) AS age FROM generate_series(0, 2000) AS series(i)
"""


@dataclass(frozen=True)
class Watched:
    """A registry whose monitor `daily` has looked at all days; the trigger of day 1 was dismissed after day 3."""

    registry: Registry

    def backtest(self, *, knows: bool = True, **options: Any) -> Backtest:
        """What other settings would have said, with or without the windows before."""
        monitor, evidence = self._given
        checks = self.registry.monitor.history("daily")
        return history.backtest(
            monitor,
            checks,
            changed(monitor.settings, **options),
            evidence,
            earlier=self._earlier if knows else (),
        )

    def tune(self, *, knows: bool = True) -> Tuning:
        """Settings that are proposed, with or without the windows before."""
        monitor, evidence = self._given
        checks = self.registry.monitor.history("daily")
        earlier = self._earlier if knows else ()
        return history.tune(monitor, checks, evidence, most_alarms=0, period=30, effect=0.5, earlier=earlier)

    @property
    def _given(self) -> tuple[Any, Any]:
        return self.registry.monitor.get("daily"), self.registry.configuration.open_evidence()

    @property
    def _earlier(self) -> Any:
        return self.registry.monitor._past_windows("daily")


@pytest.fixture(scope="module")
def tables(postgresql_server: Engine) -> Iterator[str]:
    """The URL of a database with the tables `train` and `live`."""
    databases = PostgresqlDatabases(postgresql_server)
    url = databases.empty()
    with disposing(create_engine(url)) as engine, engine.begin() as connection:
        for table in (DAYS, TRAIN):
            connection.execute(text(table))
    yield url.replace("postgresql+psycopg:", "postgresql:")
    databases.drop(url)


@pytest.fixture(params=["duckdb", "ibis"])
def watched(registry: Registry, files: Files, tables: str, request: pytest.FixtureRequest) -> Watched:
    """The same data, read by DuckDB or profiled where it is."""
    if request.param == "ibis":
        pytest.importorskip("ibis")
    registry.model.register("churn-gbm", files.text("weights"))
    registry.monitor.add(
        "daily",
        model="churn-gbm",
        reference=f"{tables}#train",
        current=f"{tables}#live",
        columns=["spend", "age"],
        window="day",
        time_column="at",
        persistence="1/1",
        reference_also="seasonal 2 of 2d",
        engine=request.param,
    )
    registry.monitor.run_due("daily", most=4)
    (trigger,) = registry.trigger.list()
    registry.trigger.dismiss(trigger.id, reason="every other day is like that")
    registry.monitor.run_due("daily", most=7)
    return Watched(registry)


@pytest.mark.stored
def test_a_backtest_with_the_same_settings_says_what_was_decided(watched: Watched) -> None:
    checks = watched.registry.monitor.history("daily")
    found = watched.backtest()
    assert [set(one.drifting) for one in found.windows] == [
        deciding_columns(one.result.columns, one.decision.moving) for one in checks
    ]
    assert [one.drifting for one in found.windows] == [
        *((), ("spend",), (), ("spend",)),
        *((), (), (), (), (), ("spend",), ()),
    ]
    # What was accepted after day 3 was no excuse before.
    assert [at for at, one in enumerate(found.windows) if one.excused == ("spend",)] == [5, 7]
    assert [one.alarming != () for one in found.windows] == [one.decision.alarm for one in checks]
    assert found.alarms == 3


@pytest.mark.stored
def test_other_settings_are_weighed_with_what_is_excused(watched: Watched) -> None:
    assert watched.backtest(persistence="2/3").alarms == 1
    most = watched.backtest(tolerance=1.9)
    assert [(one.drifting, one.excused) for one in most.windows] == [((), ())] * 11
    # Without the windows before, every other day would drift.
    assert watched.backtest(knows=False).alarms == 5
    assert watched.backtest(knows=False, persistence="2/3").alarms == 4
    tuned, untold = watched.tune(), watched.tune(knows=False)
    assert [one.false_alarms for one in untold.weighed if (one.needed, one.of) == (1, 1)][:5] == [2] * 5
    assert [one.false_alarms for one in tuned.weighed if (one.needed, one.of) == (1, 1)][:5] == [0] * 5
    assert tuned.chosen is not None
    assert (tuned.chosen.needed, tuned.chosen.false_alarms) == (1, 0)


@pytest.mark.stored
def test_a_monitor_without_a_moving_reference_excuses_nothing(watched: Watched) -> None:
    monitor, evidence = watched._given
    checks = watched.registry.monitor.history("daily")
    settings = msgspec.structs.replace(monitor.settings, also=None)
    found = history.backtest(monitor, checks, settings, evidence, earlier=watched._earlier)
    assert found.windows == watched.backtest(knows=False).windows


EACH_WINDOW = AlarmSettings(together=False, level=0.05, needed=1, of=1)


@cache
def seasons() -> tuple[Profile, list[Profile], list[Profile | None]]:
    """A reference; quiet windows, but for every other one, which is far from it; and the accepted ones before each."""
    reference, quiet = quiet_history()
    rng = np.random.default_rng(3)
    edges = reference.columns[0].edges
    history = [a_table(rng, 2000, edges, shift=0.8) if at % 2 else one for at, one in enumerate(quiet)]
    before = [merge_windows(reference, history[1:at:2]) if at % 2 and at > 1 else None for at in range(16)]
    return reference, history, before


def test_what_is_like_the_accepted_windows_is_excused() -> None:
    reference, seasonal, before = seasons()
    found = tuning.backtest(reference, seasonal, EACH_WINDOW, before=before)
    assert [(one.window, one.alarming) for one in found if one.alarming] == [(1, ("x",))]
    assert [one.window for one in found if one.excused] == [3, 5, 7, 9, 11, 13, 15]


def test_windows_that_are_borne_themselves_excuse_nothing() -> None:
    # So a slow trend does not hide behind the windows before it, each within the tolerance of the next.
    reference, _ = quiet_history()
    rng, edges = np.random.default_rng(4), reference.columns[0].edges
    window, halfway, alike = (a_table(rng, 2000, edges, shift=shift) for shift in (0.6, 0.3, 0.6))
    settings = msgspec.structs.replace(EACH_WINDOW, tolerance=0.4)
    for before, excused in ((halfway, ()), (alike, ("x",)), (reference, ())):
        (found,) = tuning.backtest(reference, [window], settings, before=[before])
        assert found.excused == excused


@hypothesis_settings(deadline=None, max_examples=25)
@given(st.floats(0.0, 1.0), st.sampled_from([(1, 1), (2, 3), (3, 5)]))
def test_excuses_take_flags_away_and_nothing_else(tolerance: float, pattern: tuple[int, int]) -> None:
    reference, seasonal, before = seasons()
    settings = msgspec.structs.replace(EACH_WINDOW, tolerance=tolerance, needed=pattern[0], of=pattern[1])
    plain = tuning.backtest(reference, seasonal, settings)
    for one, other in zip(plain, tuning.backtest(reference, seasonal, settings, before=before), strict=True):
        assert {*one.flagged} == {*other.flagged, *other.excused}
        assert not {*other.flagged} & {*other.excused}
        assert {*other.alarming} <= {*one.alarming}
    assert tuning.backtest(reference, seasonal, settings, before=[None] * 16) == plain


def test_an_injected_drift_is_found_although_the_season_is_excused() -> None:
    reference, seasonal, before = seasons()
    options = {"tolerances": [0.1], "w": 0.5, "drifting": [(1, 2)], "repeats": 10}
    (told,) = tuning.trade_off(reference, seasonal, EACH_WINDOW, before=before, **options)
    (untold,) = tuning.trade_off(reference, seasonal, EACH_WINDOW, **options)
    assert (told.false_alarms, untold.false_alarms) == (0, 7)
    assert (told.found, told.delay) == (1.0, 1)


def test_a_drift_into_the_accepted_season_is_found_only_where_it_is_none() -> None:
    # The whole history is like the accepted windows: what the drift adds to them is what must be seen.
    reference, seasonal, _ = seasons()
    far = [one for at, one in enumerate(seasonal) if at % 2] * 2
    before = [merge_windows(reference, far[:4])] * len(far)
    (told,) = tuning.trade_off(
        reference, far, EACH_WINDOW, tolerances=[0.1], w=0.5, before=before, repeats=10
    )
    assert (told.false_alarms, told.found) == (0, 1.0)


def test_windows_together_cannot_be_excused() -> None:
    reference, seasonal, before = seasons()
    with pytest.raises(InputError) as refused:
        tuning.backtest(reference, seasonal, AlarmSettings(), before=before)
    assert refused.value.slug == "bad-setting"
