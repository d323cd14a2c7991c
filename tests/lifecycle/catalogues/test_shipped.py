"""The catalogues and the crosswalk that the package ships: complete, unique, sourced, and about what there is."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.lifecycle.catalogues.crosswalk import (
    Topic,
    answered_in,
    counted_answer,
    load_crosswalk,
    qualified,
    topics_of,
)
from crisplens.lifecycle.catalogues.model import Pillar, Standing, folded_id
from crisplens.lifecycle.catalogues.queries import find_control, load_catalogues
from crisplens.lifecycle.catalogues.shipped import SHIPPED, shipped_catalogue
from crisplens.lifecycle.facts import list_facts
from crisplens.lifecycle.model import Answer
from crisplens.lifecycle.phases import list_phases
from crisplens.lifecycle.record import load_record
from crisplens.lifecycle.rules import PHASE_RULES
from tests.conftest import assert_refused

PHASES = {phase.id for phase in list_phases()}
COUNTS = {
    "crisplens": 52,
    "crisp-dm": 24,
    "aws-ml-lens": 105,
    "eu-ai-act": 23 + 18,
    "nist-ai-rmf": 72,
    "iso-42001": 38,
    "sr-26-2": 4,
    "sr-11-7": 11,
}
TOPICS = load_crosswalk().topics


def test_every_catalogue_has_all_its_controls() -> None:
    assert {name: len(shipped_catalogue(name).controls) for name in SHIPPED} == COUNTS


@pytest.mark.parametrize("name", SHIPPED)
def test_controls_are_unique_described_and_sourced(name: str) -> None:
    catalogue = shipped_catalogue(name)
    assert catalogue.catalogue == name
    assert catalogue.version
    assert catalogue.title.strip()
    # CRISP-DM 1.0 is a paper.
    assert catalogue.source.startswith("Chapman" if name == "crisp-dm" else "https://")
    ids = [folded_id(control.id) for control in catalogue.controls]
    assert [id for id, count in Counter(ids).items() if count > 1] == []
    for control in catalogue.controls:
        assert control.title.strip(), control.id
        assert control.description.strip(), control.id
        assert set(control.phases) <= PHASES, control.id
        assert len(set(control.phases)) == len(control.phases), control.id
        if name != "crisp-dm":
            assert control.source.startswith("https://"), control.id
        for text in (control.id, control.title, control.description, control.group):
            assert text == text.strip()
            assert text.isprintable()


@pytest.mark.parametrize("name", SHIPPED)
def test_a_control_is_found_by_its_name_however_it_is_written(name: str) -> None:
    for control in shipped_catalogue(name).controls:
        for written in (control.id, control.id.lower(), control.id.replace(" ", "_"), f" {control.id} "):
            found = find_control(None, f"{name}:{written}")
            assert (found.catalogue, found.control) == (name, control)
    assert find_control(None, "ev-1").kept_id == "EV-1"


def test_the_lens_has_practices_of_six_pillars() -> None:
    controls = shipped_catalogue("aws-ml-lens").controls
    assert {control.pillar for control in controls} == set(Pillar)
    prefixes = {
        Pillar.OPERATIONAL_EXCELLENCE: "MLOPS",
        Pillar.SECURITY: "MLSEC",
        Pillar.RELIABILITY: "MLREL",
        Pillar.PERFORMANCE_EFFICIENCY: "MLPERF",
        Pillar.COST_OPTIMISATION: "MLCOST",
        Pillar.SUSTAINABILITY: "MLSUS",
    }
    for control in controls:
        assert re.fullmatch(rf"{prefixes[Pillar(str(control.pillar))]}\d\d-BP\d\d", control.id)
        assert control.risk is not None or "no level of risk" in control.doubt
        assert control.phases


def test_annex_iv_is_there_item_by_item() -> None:
    ids = [control.id for control in shipped_catalogue("eu-ai-act").controls]
    items = [f"AIV-1({letter})" for letter in "abcdefgh"]
    items += [f"AIV-2({letter})" for letter in "abcdefgh"]
    items += [f"AIV-{number}" for number in range(3, 10)]
    assert ids[:23] == items
    assert len(items) == 23
    assert all(id.startswith("Art.") for id in ids[23:])
    assert len(ids[23:]) == 18


def test_nist_has_the_categories_of_its_four_functions() -> None:
    functions = Counter(control.id.split()[0] for control in shipped_catalogue("nist-ai-rmf").controls)
    assert functions == {"GOVERN": 19, "MAP": 18, "MEASURE": 22, "MANAGE": 13}


def test_only_what_was_superseded_says_so() -> None:
    for name in SHIPPED:
        catalogue = shipped_catalogue(name)
        superseded = name == "sr-11-7"
        assert (catalogue.standing is Standing.SUPERSEDED) == superseded
        assert catalogue.superseded_by == ("sr-26-2" if superseded else "")
    assert "sr-26-2" in SHIPPED


def test_our_practices_are_those_of_the_phases() -> None:
    ours = {control.id: control for control in shipped_catalogue("crisplens").controls}
    said = {
        practice.id: (practice.title, phase.id) for phase in list_phases() for practice in phase.practices
    }
    assert list(ours) == list(said)
    for id, (title, phase) in said.items():
        assert ours[id].title == title
        assert ours[id].phases == (phase,)


def test_the_crosswalk_names_controls_that_there_are() -> None:
    known = {
        f"{name}:{control.id}" for name, one in load_catalogues(None).items() for control in one.controls
    }
    for topic in TOPICS:
        assert [id for id in topic.controls if id not in known] == [], topic.topic
        assert len(set(topic.controls)) == len(topic.controls), topic.topic
    names = [topic.topic for topic in TOPICS]
    assert len(set(names)) == len(names)
    assert "judgement" in load_crosswalk().status


@pytest.mark.parametrize("id", [control.id for control in shipped_catalogue("crisplens").controls])
def test_each_practice_of_ours_stands_in_one_topic(id: str) -> None:
    assert len(topics_of(f"crisplens:{id}")) == 1


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.topic)
def test_a_topic_says_what_shows_it_and_what_closes_its_gap(topic: Topic) -> None:
    assert topic.title.strip()
    assert topic.controls
    assert topic.evidence.strip()
    assert topic.close.startswith("crisplens ")


@pytest.mark.stored
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_the_crosswalk_names_facts_that_there_are(story: Registry) -> None:
    with story.reading() as session:
        facts = list_facts(load_record(session, "churn"))
    assert [name for topic in TOPICS for name in topic.facts if name not in facts] == []
    for id, fact in facts.items():
        assert fact.fact == id
        assert fact.title
        assert fact.found
    # Every built-in rule is a fact too.
    assert {rule.id for rules in PHASE_RULES.values() for rule in rules} <= set(facts)


@pytest.mark.stored
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_facts_of_an_empty_record_do_not_hold(registry: Registry) -> None:
    with registry.reading() as session:
        facts = list_facts(load_record(session, "churn"))
    assert {id for id, fact in facts.items() if fact.holds} == {"changes-recorded"}


@pytest.mark.stored
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_controls_are_listed_and_shown_with_what_they_map_to(registry: Registry) -> None:
    assert len(registry.control.list()) == sum(COUNTS.values())
    assert len(registry.control.list(framework="iso-42001")) == 38
    assert {one.control.pillar for one in registry.control.list(pillar="security")} == {Pillar.SECURITY}
    assert len(registry.control.list(framework="aws-ml-lens", phase="deployment", search="cost")) < 105
    shown = registry.control.show("crisp-dm:CRISP-1.3")
    assert "crisplens:PF-3" in {one.control for one in shown.mapped}
    assert "crisp-dm:CRISP-1.3" not in {one.control for one in shown.mapped}
    assert shown.judgement == load_crosswalk().status
    assert [one.catalogue for one in registry.control.catalogues()] == list(SHIPPED)
    assert_refused(registry, lambda: registry.control.show("EV-99"), "unknown-name", "Did you mean")
    assert_refused(registry, lambda: registry.control.list(framework="iso-4201"), "unknown-name", "iso-42001")
    assert_refused(registry, lambda: registry.control.list(pillar="speed"), "bad-choice")


@pytest.mark.parametrize(
    ("answers", "counted"),
    [
        ({}, ("", "")),
        ({"crisp-dm:CRISP-1.3": "partial", "PF-1": "met", "PF-3": "met"}, ("partial", "")),
        ({"PF-1": "met"}, ("", "")),
        ({"PF-1": "met", "PF-3": "met"}, ("met", "PF-3, PF-1")),
        ({"PF-1": "not-applicable", "PF-3": "met"}, ("not-applicable", "PF-3, PF-1")),
        ({"PF-1": "not-met", "PF-3": "partial"}, ("not-met", "PF-3, PF-1")),
        # Of several controls of a topic the one that was answered worst.
        ({"PF-1": "met", "EV-1": "partial", "PF-3": "met"}, ("partial", "PF-3, EV-1")),
    ],
)
def test_a_control_of_several_topics_is_as_good_as_its_worst(
    answers: dict[str, str], counted: tuple[str, str]
) -> None:
    assert {topic.topic for topic in topics_of("crisp-dm:CRISP-1.3")} == {"ml-task", "success-criteria"}
    assert counted_answer("crisp-dm:CRISP-1.3", answers) == counted


@pytest.mark.parametrize("worst", ["partial", "not-met", "not-applicable"])
def test_the_worst_answer_of_a_topic_counts(worst: str) -> None:
    topic = Topic(topic="t", title="T", controls=("a:1", "a:2", "a:3"))
    answers: dict[str, Any] = {"a:1": "met", "a:3": worst}
    assert answered_in(topic, answers) == "a:3"
    assert answered_in(topic, {}) == ""
    assert {Answer(answer) for answer in answers.values()} <= set(Answer)


def test_our_own_controls_go_without_their_catalogue() -> None:
    assert qualified("EV-1") == "crisplens:EV-1"
    assert qualified("nist-ai-rmf:MAP 1.1") == "nist-ai-rmf:MAP 1.1"
