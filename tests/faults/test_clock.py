"""A clock that goes backwards: a little is put up with, more is refused, and what was wrong can be said."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from crisplens.api import Registry
from crisplens.core import clock
from crisplens.core.clock import to_text
from crisplens.core.errors import InputError, RegistryError
from crisplens.ledger.service import MOST_BEHIND
from tests.conftest import BO, assert_refused

pytestmark = pytest.mark.stored

NOON = datetime(2040, 5, 1, 12, tzinfo=UTC)
SetClock = Callable[[datetime], None]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Sets the clock."""
    return lambda moment: monkeypatch.setattr(clock, "now", lambda: moment)


@pytest.fixture
def at_noon(registry: Registry, set_clock: SetClock) -> Registry:
    """A registry whose last event was recorded at noon of a day in 2040, which it still is."""
    set_clock(NOON)
    registry.kpi.set("auc", target=1)
    return registry


def times(registry: Registry) -> list[tuple[str, str]]:
    """When each event was recorded, and when it happened by its writer's clock."""
    return [(one.recorded_at, one.occurred_at) for one in registry.audit.log()]


@pytest.mark.parametrize(
    "behind", [timedelta(microseconds=1), timedelta(seconds=2), MOST_BEHIND], ids=["a bit", "2 s", "5 min"]
)
def test_a_clock_a_little_behind_is_recorded_at_the_time_of_the_event_before(
    at_noon: Registry, set_clock: SetClock, behind: timedelta
) -> None:
    set_clock(NOON - behind)
    at_noon.kpi.set("f1", target=1)
    assert times(at_noon)[-1] == (to_text(NOON), to_text(NOON - behind))
    set_clock(NOON + behind)
    at_noon.kpi.set("f2", target=1)
    assert times(at_noon)[-1] == (to_text(NOON + behind), to_text(NOON + behind))
    recorded = [at for at, _ in times(at_noon)]
    assert recorded == sorted(recorded)
    assert at_noon.audit.verify().passed


@pytest.mark.parametrize("behind", [MOST_BEHIND + timedelta(microseconds=1), timedelta(days=4000)])
def test_a_clock_far_behind_is_refused_until_it_is_set_right(
    at_noon: Registry, set_clock: SetClock, behind: timedelta
) -> None:
    set_clock(NOON - behind)
    for command in (
        lambda: at_noon.kpi.set("f1", target=1),
        lambda: at_noon.acting_as(BO).project.add("other"),
        lambda: several(at_noon),
    ):
        said = (to_text(NOON), to_text(NOON - behind), "audit correct-clock")
        assert_refused(at_noon, command, "clock", *said, kind=RegistryError)
    assert [kpi.name for kpi in at_noon.kpi.list()] == ["auc"]
    assert at_noon.audit.verify().passed
    set_clock(NOON + timedelta(seconds=1))
    several(at_noon)
    assert len(at_noon.kpi.list()) == 3
    assert at_noon.audit.verify().passed


def several(registry: Registry) -> None:
    """Two commands in one transaction."""
    with registry.transaction() as together:
        together.kpi.set("f1", target=1)
        together.kpi.set("f2", target=1)


def test_after_a_clock_that_was_years_ahead_recording_goes_on_from_the_right_time(
    at_noon: Registry, set_clock: SetClock
) -> None:
    right = NOON - timedelta(days=3650)
    set_clock(right)
    corrected = at_noon.audit.correct_clock("the battery was empty")
    assert corrected.envelope.recorded_at == corrected.envelope.occurred_at == to_text(right)
    assert corrected.event.last_recorded_at == to_text(NOON)
    set_clock(right + timedelta(seconds=1))
    at_noon.kpi.set("f1", target=1)
    assert times(at_noon)[-1] == (to_text(right + timedelta(seconds=1)),) * 2
    assert_refused(
        at_noon, lambda: at_noon.audit.correct_clock("again"), "clock", "not behind", kind=InputError
    )
    assert at_noon.audit.verify().passed


def test_a_clock_that_is_not_behind_has_nothing_to_correct(at_noon: Registry, set_clock: SetClock) -> None:
    for moment in (NOON, NOON + timedelta(days=1)):
        set_clock(moment)
        assert_refused(at_noon, lambda: at_noon.audit.correct_clock("why"), "clock", "nothing to correct")


def test_a_correction_needs_a_reason(at_noon: Registry, set_clock: SetClock) -> None:
    set_clock(NOON - timedelta(days=1))
    assert_refused(at_noon, lambda: at_noon.audit.correct_clock(" "), "empty-text", kind=InputError)


def test_the_command_line_refuses_a_clock_that_is_behind_and_corrects_it(
    at_noon: Registry, set_clock: SetClock, capfd: pytest.CaptureFixture[str]
) -> None:
    right = NOON - timedelta(days=3650)
    set_clock(right)
    size = at_noon.audit.head().size
    assert run(at_noon, capfd, "kpi", "set", "f1", "--target", "1", "--project", "churn")[0] == 3
    code, out, err = run(at_noon, capfd, "audit", "correct-clock", "--reason", " ")
    assert (code, out, at_noon.audit.head().size) == (2, "", size)
    code, out, err = run(at_noon, capfd, "audit", "correct-clock", "--reason", "the battery was empty")
    assert (code, err) == (0, "")
    assert out == f"Event {size}: recording goes on from {to_text(right)}.\n"
    assert run(at_noon, capfd, "kpi", "set", "f1", "--target", "1", "--project", "churn")[0] == 0
    assert run(at_noon, capfd, "audit", "verify")[0] == 0


def run(registry: Registry, capfd: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """The exit code, output and errors of a command on a registry, given in this process, whose clock is set."""
    url = registry.engine.url.render_as_string(hide_password=False)
    acts = [] if args[-1] == "verify" else ["--actor", BO]
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module("crisplens.cli.main").main([*args, "--registry", url, *acts])
    code = stopped.value.code
    assert isinstance(code, int)
    return code, *capfd.readouterr()
