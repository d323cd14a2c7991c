"""What changed between two points, in words: every kind of thing, and the gates."""

from __future__ import annotations

from typing import Any

import pytest

import crisplens.areas  # noqa: F401  (every table)
from crisplens.api import Registry
from crisplens.changes.content import Change, ChangeKind, FieldChange
from crisplens.changes.nouns import NOUNS, tell_removed
from crisplens.changes.values import show_value
from crisplens.ledger.model import EVENT_TYPES
from crisplens.ledger.replay import projected_tables
from tests.conftest import BO, CI, Files, assert_refused, pass_phase, train

stored = pytest.mark.stored


def newest(registry: Registry) -> int:
    """The last event's number."""
    return registry.audit.head().size - 1


def changed(registry: Registry, since: int, what: str | None = None) -> list[Change]:
    """What has changed since an event, or what of one kind."""
    return [one for one in registry.audit.diff(since).changes if what in (None, one.what)]


def test_every_projected_table_has_a_noun() -> None:
    assert set(NOUNS) == {table.name for table in projected_tables()}
    assert len({noun.what for noun in NOUNS.values()}) == len(NOUNS)


@pytest.mark.parametrize("table", projected_tables(), ids=lambda table: table.name)
def test_nouns_speak_of_columns_and_events_that_exist(table: Any) -> None:
    noun, columns = NOUNS[table.name], {column.name for column in table.columns}
    assert noun.silent <= columns
    assert set(noun.labels or {}) <= columns
    for event in noun.events:
        assert set(noun.named_by) <= {*EVENT_TYPES[event].__struct_fields__}
        assert set(noun.named_by) <= columns


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        ("", "nothing"),
        ([], "nothing"),
        ({}, "nothing"),
        (0, "0"),
        (False, "false"),
        (0.5, "0.5"),
        ("0.80", "0.80"),
        ("two words", "“two words”"),
        ({"name": "train", "version": 2}, "train@2"),
        ({"auc": 0.5, "f1": None}, "auc 0.5, f1 nothing"),
        ([{"name": "a", "version": 1}, "x"], "a@1, x"),
        ("x" * 200, "x" * 119 + "…"),
    ],
)
def test_values_in_words(value: Any, words: str) -> None:
    assert show_value(value) == words


@stored
@pytest.mark.parametrize("point", [0, 20, 60])
def test_nothing_changes_between_a_point_and_itself(story: Registry, point: int) -> None:
    assert story.audit.diff(point, point).changes == ()


@stored
def test_points_are_given_in_order(story: Registry) -> None:
    assert_refused(story, lambda: story.audit.diff(9, 3), "bad-point", "event 9", "earlier point first")
    assert_refused(story, lambda: story.audit.diff(0, 10_000), "bad-point", "no event 10000")
    assert_refused(story, lambda: story.audit.diff("x"), "bad-point")
    assert_refused(story, lambda: story.audit.diff(0, project="nobody"), "unknown-name", "nobody")


@stored
def test_the_whole_story_mentions_every_thing_that_events_made(story: Registry) -> None:
    changes = story.audit.diff(0).changes
    tables = {table.name: table for table in projected_tables()}
    with story.reading() as session:
        counts = {name: len(session.execute(table.select()).all()) for name, table in tables.items()}
    for name, count in counts.items():
        added = [one for one in changes if one.what == NOUNS[name].what and one.kind is ChangeKind.ADDED]
        assert len(added) == count - (name == "project"), name
    assert all(
        one.by and one.by in one.words and one.seq is not None for one in changes if one.what != "gate"
    )
    assert {one.kind for one in changes} == {ChangeKind.ADDED}


# On one kind of database: nothing but the log's texts is read from it, and all else is made of them on the side.
@stored
@pytest.mark.slow
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_every_event_of_the_story_has_an_effect_of_its_own(story: Registry) -> None:
    for envelope in story.audit.log()[1:]:
        found = story.audit.diff(envelope.seq - 1, envelope.seq).changes
        own = [one for one in found if one.kind is not ChangeKind.GATE]
        assert [(one.seq, one.by, one.project) for one in own] == [
            (envelope.seq, envelope.actor.id, envelope.project)
        ], envelope.type
        assert envelope.actor.id in own[0].words
        assert own[0].fields


@stored
def test_the_gates_are_those_that_differ(story: Registry) -> None:
    for first, second in [(0, 30), (30, 60), (60, newest(story)), (20, 21)]:
        with story.as_of(first) as then, story.as_of(second) as later:
            before = {gate.phase: gate.open for gate in then.gate.list()}
            after = {gate.phase: gate.open for gate in later.gate.list()}
        told = [one for one in story.audit.diff(first, second).changes if one.what == "gate"]
        assert {one.key: one.fields[0].after for one in told} == {
            phase: open for phase, open in after.items() if open != before[phase]
        }
        for one in told:
            assert f"the {one.key} gate" in one.words
            assert ("opened" in one.words) == one.fields[0].after


@stored
def test_a_number_that_changed_is_told_from_what_to_what(registry: Registry, files: Files) -> None:
    registry.kpi.set("auc", target="0.80")
    since = newest(registry)
    registry.acting_as(BO).kpi.set("auc", target="0.85")
    (one,) = changed(registry, since)
    assert one.words.startswith(f"the target of KPI auc changed from 0.80 to 0.85 (by {BO} on ")
    assert one.fields == (FieldChange("target", "0.80", "0.85"),)
    assert (one.project, one.what, one.key, one.kind, one.by, one.seq) == (
        "churn", "KPI", "auc", ChangeKind.CHANGED, BO, since + 1,
    )  # fmt: skip
    registry.kpi.set("auc", target="0.85", unit="share", baseline="0.7")
    registry.kpi.set("auc", target="0.85", unit="share", baseline="0.7")
    (one,) = changed(registry, since + 1)
    assert "KPI auc changed: unit from nothing to share, baseline from nothing to 0.7" in one.words
    (one,) = changed(registry, since + 2)
    assert "KPI auc was stated again as it was" in one.words
    assert (one.kind, one.fields) == (ChangeKind.CHANGED, ())


@stored
def test_new_things_are_told_as_a_reader_names_them(registry: Registry, files: Files) -> None:
    registry.goal.set(problem="they leave", value="less")
    registry.source.set("crm", owner=BO)
    train(registry, files, 1)
    registry.checkpoint.record("evaluation", summary="fine")
    registry.acting_as(BO).approval.reject("evaluation", reason="say why")
    words = "\n".join(one.words for one in changed(registry, 0))
    for said in (
        "the goal was stated by ana@example.org on 20",
        ": they leave",
        "data source crm was described by",
        "dataset version raw@1 was added by",
        "90 rows",
        "run train-1 was recorded by",
        "model version churn-gbm@1 was registered by ana@example.org on",
        "evaluation-1 was recorded by",
        "churn-gbm@1 on holdout@1, auc 0.83",
        "checkpoint-1 on evaluation was recorded by",
        f"approval-1: {BO} rejected checkpoint-1 on evaluation on",
        ": say why",
    ):
        assert said in words, said


@stored
def test_incidents_and_triggers_are_told_by_their_states(first_cycle: Registry, files: Files) -> None:
    registry, other = first_cycle, first_cycle.acting_as(BO)
    files.table("train-1.csv")
    since = newest(registry)
    registry.acting_as(CI).monitor.run("nightly", current=str(files.table("live.csv", shift=40)))
    raised = newest(registry)
    other.incident.acknowledge("incident-1", note="looking")
    other.trigger.acknowledge("trigger-1", note="on it")
    taken = newest(registry)
    registry.trigger.dismiss("trigger-1", reason="a test load")
    trigger = changed(registry, raised, "trigger")[0]
    assert trigger.words.startswith(
        "trigger-1 went from open to dismissed: a test load (by ana@example.org on"
    )
    assert (trigger.by, trigger.seq) == ("ana@example.org", taken + 1)
    (incident,) = registry.audit.diff(raised, taken - 1).changes
    assert incident.words.startswith(f"incident-1 went from open to acknowledged: looking (by {BO}")
    whole = changed(registry, since, "trigger")[0]
    assert (whole.kind, whole.by) == (ChangeKind.ADDED, CI)
    assert "asked for churn-gbm to be retrained" in whole.words
    assert "It is dismissed now: a test load" in whole.words


@stored
def test_redaction_demands_and_revoked_keys_are_told(registry: Registry, files: Files) -> None:
    key = registry.key.generate("example.org/log")
    registry.evidence.add(files.text("secret", "secret.txt"))
    registry.gate.demand("evaluation", "required", reason="audit")
    since = newest(registry)
    registry.evidence.redact("secret.txt", reason="names a person")
    registry.gate.demand("evaluation", "optional", reason="too slow")
    found = {one.what: one for one in changed(registry, since)}
    assert found["evidence"].words.startswith("evidence secret.txt was redacted: names a person (by ana@")
    assert found["gate demand"].words.startswith(
        "signatures on the evaluation gate went from required to optional: too slow (by ana@"
    )
    of_key = changed(registry, 0, "key")[0]
    assert of_key.project is None
    assert f"key {key.id} was trusted by ana@example.org" in of_key.words
    demanded = registry.audit.diff(0, since).changes
    assert any("signatures on the evaluation gate became required, by ana@" in one.words for one in demanded)


@stored
def test_a_signed_approval_and_what_it_opens(first_cycle: Registry) -> None:
    registry = first_cycle
    since = newest(registry)
    registry.kpi.set("f1", target="0.4", baseline="0.1")
    stale = [one for one in changed(registry, since) if one.what == "gate"]
    closed = next(one for one in stale if one.key == "business-goal")
    assert closed.words == "the business-goal gate closed: stale: KPI f1 was recorded since"
    assert (closed.kind, closed.seq, closed.by) == (ChangeKind.GATE, None, None)
    since = newest(registry)
    pass_phase(registry, "business-goal")
    assert "the business-goal gate opened" in [one.words for one in changed(registry, since)]


@stored
def test_one_project_can_be_asked_for(registry: Registry) -> None:
    registry.acting_as(BO, project="other").project.add("other")
    registry.kpi.set("auc", target=1)
    registry.acting_as(BO, project="other").kpi.set("auc", target=2)
    everything = registry.audit.diff(0).changes
    assert [one.project for one in everything] == ["churn", "other", "other"]
    only = registry.audit.diff(0, project="churn").changes
    assert [one.words for one in only] == [one.words for one in everything if one.project == "churn"]


def test_a_row_that_is_gone_is_told() -> None:
    row = {"model": "m", "version": 2}
    assert tell_removed(NOUNS["model_version"], row) == "model version m@2 is no longer there"
