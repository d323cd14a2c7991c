"""The record as of a point is what the same reads answered then, and nothing is recorded in it."""

from __future__ import annotations

import contextlib
import gc
import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core.errors import CrisplensError, InputError, RegistryError
from tests.conftest import BO, Files, assert_refused, doing, tell_first_cycle, tell_second_cycle

pytestmark = pytest.mark.stored

READS: dict[str, Callable[[Registry], Any]] = {
    "project.list": lambda registry: registry.project.list(),
    "project.show": lambda registry: registry.project.show("churn"),
    "goal.show": lambda registry: registry.goal.show(),
    "kpi.list": lambda registry: registry.kpi.list(),
    "source.list": lambda registry: registry.source.list(),
    "data.list": lambda registry: registry.data.list(),
    "run.list": lambda registry: registry.run.list(),
    "model.list": lambda registry: registry.model.list(),
    "evaluation.list": lambda registry: registry.evaluation.list(),
    "evidence.list": lambda registry: registry.evidence.list(),
    "key.list": lambda registry: registry.key.list(),
    "lineage.show": lambda registry: registry.lineage.show("churn-gbm@1"),
    "checkpoint.list": lambda registry: registry.checkpoint.list(),
    "gate.list": lambda registry: registry.gate.list(),
    "gate.check": lambda registry: registry.gate.check("evaluation", model="churn-gbm@1"),
    "gate.demands": lambda registry: registry.gate.demands(),
    "approval.list": lambda registry: registry.approval.list(),
    "cycle.list": lambda registry: registry.cycle.list(),
    "deployment.list": lambda registry: registry.deployment.list(),
    "monitor.list": lambda registry: registry.monitor.list(),
    "monitor.history": lambda registry: registry.monitor.history(),
    "incident.list": lambda registry: registry.incident.list(),
    "trigger.list": lambda registry: registry.trigger.list(),
    "audit.head": lambda registry: registry.audit.head(),
    "audit.log": lambda registry: registry.audit.log(last=3),
}


def answers(registry: Registry) -> dict[str, Any]:
    """What every read says; of one that has nothing to say, its error's slug."""
    found: dict[str, Any] = {}
    for name, read in READS.items():
        try:
            found[name] = read(registry)
        except CrisplensError as error:
            found[name] = error.slug
    return found


@contextlib.contextmanager
def remembering(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> Iterator[dict[int, dict[str, Any]]]:
    """Ask everything after every command that is given, and keep the answers by the last event's number."""
    told: dict[int, dict[str, Any]] = {}
    writing = Registry.writing

    @contextlib.contextmanager
    def writing_and_asking(self: Registry) -> Iterator[Any]:
        with writing(self) as work:
            yield work
        told[registry.audit.head().size - 1] = answers(registry)

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "writing", writing_and_asking)
        yield told


@pytest.mark.slow
def test_the_record_as_of_every_event_is_what_it_said_then(
    bare: Registry, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remembering(monkeypatch, bare) as told:
        tell_first_cycle(bare, files)
        tell_second_cycle(bare, files)
    assert len(told) > 40
    for seq, said in told.items():
        with bare.as_of(seq) as then:
            assert answers(then) == said, f"as of event {seq}"


def test_as_of_the_last_event_is_now(story: Registry) -> None:
    last = story.audit.log(last=1)[0]
    for point in (last.seq, str(last.seq), last.recorded_at, "9999-01-01"):
        with story.as_of(point) as then:
            assert answers(then) == answers(story)
    assert story.point is None


def test_what_is_recorded_later_does_not_show(registry: Registry) -> None:
    registry.kpi.set("auc", target="0.80")
    with registry.as_of(1) as then:
        assert [kpi.target for kpi in then.kpi.list()] == ["0.80"]
        registry.kpi.set("auc", target="0.85")
        assert [kpi.target for kpi in then.kpi.list()] == ["0.80"]
        assert (then.audit.head(), len(then.audit.log())) == (registry.audit.head(2), 2)
    assert [kpi.target for kpi in registry.kpi.list()] == ["0.85"]


def test_names_that_came_later_are_said_to_be_unknown_then(registry: Registry) -> None:
    registry.acting_as(BO, project="later").project.add("later")
    registry.kpi.set("auc", target=1)
    with registry.as_of(0) as then:
        error = assert_refused(
            registry, lambda: then.project.show("later"), "unknown-name", "later", "event 0"
        )
        assert isinstance(error, InputError)
        assert_refused(
            registry, lambda: then.acting_as(BO, project="later").kpi.list(), "unknown-name", "as of"
        )


COMMANDS: list[Callable[[Registry], Any]] = [
    lambda r: r.kpi.set("auc", target=1),
    lambda r: r.project.add("other"),
    lambda r: r.checkpoint.record("evaluation", summary="x"),
    lambda r: r.acting_as(BO).approval.grant("evaluation"),
    lambda r: r.approval.statement("evaluation"),
    lambda r: r.gate.demand("evaluation", "required", reason="x"),
    lambda r: r.monitor.run("nightly"),
    lambda r: r.key.generate("example.org/log"),
    lambda r: r.audit.correct_clock("x"),
    lambda r: doing(r, lambda work: None),
]


@pytest.mark.parametrize("command", range(len(COMMANDS)))
def test_commands_are_refused_in_the_past(story: Registry, command: int) -> None:
    before = sorted(story.configuration.folder.rglob("*"))
    with story.as_of(9) as then:
        assert_refused(story, lambda: COMMANDS[command](then), "as-of", "event 9")
    assert sorted(story.configuration.folder.rglob("*")) == before


def test_what_is_about_the_log_itself_is_of_the_whole_log(story: Registry) -> None:
    with story.as_of(9) as then:
        assert then.audit.verify() == story.audit.verify()
        assert then.audit.head(20) == story.audit.head(20)
        assert then.audit.diff(0) == story.audit.diff(0, 9)


def test_a_past_of_a_past_and_another_actor(story: Registry) -> None:
    with story.as_of(9) as then, then.as_of(4) as before:
        assert before.point is not None
        assert before.point.seq == 4
        other = then.acting_as(BO)
        assert other.point == then.point
        assert other.run.list() == then.run.list() != story.run.list()


def test_a_closed_past_can_be_read_again_and_a_forgotten_one_closes_itself(story: Registry) -> None:
    then = story.as_of(9)
    before = then.kpi.list()
    then.close()
    then.close()
    assert then.kpi.list() == before
    del then
    gc.collect()
    with story:
        pass
    assert story.kpi.list()


def test_threads_read_one_past_in_turn(story: Registry) -> None:
    found: list[Any] = []
    with story.as_of(20) as then:
        threads = [threading.Thread(target=lambda: found.append(then.gate.list())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [then.gate.list()] * 4


def test_a_log_that_cannot_be_replayed_has_no_past(story: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise ValueError("unknown event")

    monkeypatch.setattr("crisplens.ledger.replay.decode", refuse)
    with story.as_of(9) as then:
        error = assert_refused(story, then.kpi.list, "ledger-damaged", "event 0", kind=RegistryError)
        monkeypatch.undo()
        assert then.kpi.list()
    assert "audit verify" in error.hint


def test_the_report_as_of_a_point(story: Registry) -> None:
    with story.as_of(40) as then:
        said = json.loads(then.report.audit(format="json"))
        page = then.report.audit()
        gates = {gate.phase: gate.open for gate in then.gate.list()}
    point = story.audit.log()[40]
    size = story.audit.head().size
    assert said["as_of"] == {"seq": 40, "recorded_at": point.recorded_at, "events_since": size - 41}
    assert said["head"] == {"size": 41, "root": story.audit.head(41).root}
    assert {phase["id"]: all(rule["met"] for rule in phase["rules"]) for phase in said["phases"]} == gates
    assert said["triggers"] == []
    integrity = next(one for one in said["verification"] if one["name"] == "integrity")
    assert str(size) in integrity["checked"].replace(",", "")
    top = page[: page.index('id="facts"')]
    for words in ("As of event 40", "verdicts on the whole log", f"grown by {size - 41} events"):
        assert words in top, words
    assert "crisplens audit head --as-of 40" in re.sub("<[^>]+>", "", page)


def test_the_report_of_now_says_nothing_of_points(story: Registry) -> None:
    said, page = json.loads(story.report.audit(format="json")), story.report.audit()
    assert said["as_of"] is None
    assert "As of" not in page
    assert "--as-of" not in page
