"""How monitors stand: the newest verdict and whether one is muted, in few statements."""

from __future__ import annotations

import pytest

from crisplens.api import Registry
from crisplens.monitors.model import Verdict
from tests.conftest import Files, statements
from tests.monitors.conftest import Clock

pytestmark = pytest.mark.stored


@pytest.fixture
def watched(registry: Registry, files: Files, time: Clock) -> Registry:
    """A registry with the monitors `a`, `b` and `c`; the first two are checked."""
    registry.model.register("churn-gbm", files.text("weights"))
    same, other = files.table("r.csv"), files.table("l.csv", shift=40)
    for name, current in (("a", same), ("b", other), ("c", same)):
        registry.monitor.add(name, model="churn-gbm", reference=same, current=str(current))
    registry.monitor.run("a")
    registry.monitor.run("b", current=str(same))
    time.move(hours=1)
    registry.monitor.run("b")
    return registry


def test_the_newest_verdict_counts(watched: Registry) -> None:
    found = {one.monitor.name: one.verdict for one in watched.monitor.standings()}
    assert found == {"a": Verdict.NO_DRIFT, "b": Verdict.DRIFT, "c": None}


def test_a_mute_counts_from_its_start_to_its_end(watched: Registry, time: Clock) -> None:
    def muted() -> list[str]:
        return [one.monitor.name for one in watched.monitor.standings() if one.muted]

    watched.monitor.mute("a", start="2031-03-01T03:00", until="2031-03-01T05:00", reason="a migration")
    ended = watched.monitor.mute("b", until="2031-03-02", reason="a migration")
    seen = [muted()]
    for _ in range(2):
        time.move(hours=2)
        seen.append(muted())
    watched.monitor.unmute(ended.id, reason="done")
    assert [*seen, muted()] == [["b"], ["a", "b"], ["b"], []]


def test_it_takes_one_statement_more_than_the_list(watched: Registry) -> None:
    listed = statements(watched, watched.monitor.list)
    assert statements(watched, watched.monitor.standings) == listed + 1
