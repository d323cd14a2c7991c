"""Reading the log: filters, the last ones, and following it."""

from __future__ import annotations

from itertools import islice

import pytest
from sqlalchemy import text

from crisplens.api import Registry
from crisplens.core.errors import RegistryError
from crisplens.ledger.model import Envelope
from crisplens.ledger.queries import EventFilter, TreeHead, follow_events
from crisplens.ledger.triggers import present_triggers
from tests.conftest import ANA, BO

pytestmark = pytest.mark.stored


@pytest.fixture
def log(registry: Registry) -> Registry:
    """Two projects and two actors: 0 and 3 are Ana's, 1 and 2 Bo's; 2 and 3 are about `other`."""
    registry.acting_as(BO).kpi.set("auc", target=1)
    other = registry.acting_as(BO, project="other")
    other.project.add("other")
    registry.acting_as(ANA, project="other").kpi.set("f1", target=1)
    return registry


def numbers(envelopes: list[Envelope]) -> list[int]:
    """Their places in the log."""
    return [envelope.seq for envelope in envelopes]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (EventFilter(), [0, 1, 2, 3]),
        (EventFilter(project="churn"), [0, 1]),
        (EventFilter(project="none"), []),
        (EventFilter(type="kpi.set"), [1, 3]),
        (EventFilter(actor=BO), [1, 2]),
        (EventFilter(project="other", type="kpi.set", actor=ANA), [3]),
        (EventFilter(actor=ANA.upper()), []),
        (EventFilter(since="2000-01-01T00:00:00.000000Z"), [0, 1, 2, 3]),
        (EventFilter(since="2999-01-01T00:00:00.000000Z"), []),
        (EventFilter(until="2999-01-01T00:00:00.000000Z"), [0, 1, 2, 3]),
        (EventFilter(until="2000-01-01T00:00:00.000000Z"), []),
    ],
)
def test_filters_by_project_type_actor_and_time(log: Registry, wanted: EventFilter, found: list[int]) -> None:
    assert numbers(log.audit.log(wanted)) == found


def test_the_ends_of_a_period_belong_to_it(log: Registry) -> None:
    second, third = (envelope.recorded_at for envelope in log.audit.log()[1:3])
    assert numbers(log.audit.log(EventFilter(since=second, until=third))) == [1, 2]


def test_gives_what_came_after_and_the_last_ones_in_order(log: Registry) -> None:
    assert numbers(log.audit.log(after=1)) == [2, 3]
    assert numbers(log.audit.log(last=2)) == [2, 3]
    assert numbers(log.audit.log(EventFilter(project="churn"), last=1)) == [1]
    assert numbers(log.audit.log(last=99)) == [0, 1, 2, 3]
    assert numbers(log.audit.log(after=2, last=5)) == [3]
    assert numbers(log.audit.log(last=0)) == []


def test_the_head_grows_with_the_log(bare: Registry) -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert bare.audit.head() == TreeHead(0, empty)
    bare.project.add("churn")
    assert bare.audit.head().size == 1
    assert bare.audit.head().root != empty


def test_an_entry_that_cannot_be_read_is_our_error(log: Registry) -> None:
    with log.engine.begin() as connection:
        on = "" if connection.dialect.name == "sqlite" else " ON ledger_event"
        assert "ledger_event_no_update" in present_triggers(connection)
        connection.execute(text(f"DROP TRIGGER ledger_event_no_update{on}"))
        connection.execute(text("UPDATE ledger_event SET envelope = 'torn' WHERE seq = 2"))
    with pytest.raises(RegistryError) as caught:
        log.audit.log()
    assert caught.value.slug == "ledger-damaged"


def test_following_gives_each_new_entry_once(log: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        log.kpi.set(f"kpi-{len(naps)}", target=1)

    monkeypatch.setattr("crisplens.ledger.queries.time.sleep", sleep)
    followed = follow_events(lambda after: log.audit.log(after=after), after=1, seconds=0.25)
    assert numbers(list(islice(followed, 4))) == [2, 3, 4, 5]
    assert naps == [0.25, 0.25]
