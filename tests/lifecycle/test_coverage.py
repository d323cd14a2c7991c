"""Coverage: what of the record answers a framework's controls, and what would close each gap."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from typing import Any

import click
import pytest

from crisplens.api import Registry
from crisplens.cli.main import COMMANDS
from crisplens.cli.parsing import answers
from crisplens.core.errors import InputError
from crisplens.lifecycle.catalogues.crosswalk import load_crosswalk, topics_of
from crisplens.lifecycle.catalogues.shipped import SHIPPED, shipped_catalogue
from crisplens.lifecycle.coverage import ControlCoverage, Coverage, Covered
from tests.conftest import Files, assert_refused, state_goal

pytestmark = [
    pytest.mark.stored,
    pytest.mark.usefixtures("databases"),
    pytest.mark.parametrize("databases", ["sqlite"], indirect=True),
]

# A control in one topic with PF-3, one in two topics (with PF-3 and with PF-1).
ONE, TWO = "nist-ai-rmf:MAP 2.1", "crisp-dm:CRISP-1.3"


def covered(registry: Registry, control: str) -> ControlCoverage:
    """How far the record answers one control."""
    framework, _, id = control.partition(":")
    (found,) = (one for one in registry.coverage.show(framework).controls if one.id == id)
    return found


def answer(registry: Registry, **controls: str) -> None:
    """Answer practices of problem framing."""
    given = {id.replace("_", "-"): (said, "why not") for id, said in controls.items()}
    registry.checkpoint.record("problem-framing", controls=given)


@pytest.mark.parametrize("said", ["met", "partial", "not-met", "not-applicable"])
def test_a_control_s_own_answer_is_what_counts(registry: Registry, files: Files, said: str) -> None:
    answer(registry, PF_3="met")
    registry.checkpoint.record(
        "problem-framing", controls={ONE: (said, "looked at")}, evidence=[files.text("x", "minutes.md")]
    )
    found = covered(registry, ONE)
    assert found.state is Covered(said)
    (shown,) = found.shown_by
    assert (shown.kind, shown.name) == ("answer", f"{ONE} at checkpoint-2 (problem-framing)")
    assert (shown.found, shown.evidence) == (f"{said}: looked at", ("minutes.md",))
    assert found.close == ()
    assert bool(found.answer) == (said in ("partial", "not-met"))


def test_the_newest_answer_counts(registry: Registry) -> None:
    for said in ("not-met", "met"):
        answer(registry, PF_3=said)
    assert covered(registry, "crisplens:PF-3").state is Covered.MET
    registry.cycle.open(reason="yearly", from_phase="business-goal")
    answer(registry, PF_3="partial")
    assert covered(registry, "crisplens:PF-3").state is Covered.PARTIAL


@pytest.mark.parametrize("said", ["met", "partial", "not-met", "not-applicable"])
def test_an_answer_to_another_control_of_the_topic_counts_too(registry: Registry, said: str) -> None:
    assert len(topics_of(ONE)) == 1
    answer(registry, PF_3=said)
    found = covered(registry, ONE)
    assert found.state is Covered(said)
    (shown,) = found.shown_by
    assert (shown.kind, shown.name) == ("mapped answer", "PF-3 at checkpoint-1 (problem-framing)")
    assert shown.found == f"{said}: why not"
    assert bool(found.close) == bool(found.answer) == (said in ("partial", "not-met"))


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({}, Covered.GAP),
        ({"PF_3": "met"}, Covered.PARTIAL),
        ({"PF_3": "met", "PF_1": "met"}, Covered.MET),
        ({"PF_3": "met", "PF_1": "partial"}, Covered.PARTIAL),
        ({"PF_3": "met", "PF_1": "not-met"}, Covered.NOT_MET),
        ({"PF_1": "not-met"}, Covered.NOT_MET),
        ({"PF_3": "not-applicable", "PF_1": "not-applicable"}, Covered.NOT_APPLICABLE),
        ({"PF_3": "not-applicable", "PF_1": "met"}, Covered.MET),
        ({"PF_3": "not-applicable"}, Covered.PARTIAL),
    ],
)
def test_a_control_of_several_topics_is_met_when_all_of_them_are(
    registry: Registry, given: dict[str, str], state: Covered
) -> None:
    if given:
        answer(registry, **given)
    found = covered(registry, TWO)
    assert found.state is state
    assert len(found.shown_by) == len(given)
    closes = {topic.close for topic in topics_of(TWO)}
    assert set(found.close) <= closes
    assert (found.close == ()) == (state in (Covered.MET, Covered.NOT_APPLICABLE))
    if state is Covered.GAP:
        assert set(found.close) == closes


def test_what_the_record_shows_by_itself_counts(registry: Registry) -> None:
    assert covered(registry, "crisplens:BG-1").state is Covered.GAP
    state_goal(registry)
    found = covered(registry, "crisplens:BG-1")
    assert (found.state, found.close, found.answer) == (Covered.MET, (), "")
    assert [one.kind for one in found.shown_by] == ["fact"]
    # An answer says more than a fact.
    registry.checkpoint.record("business-goal", controls={"BG-1": ("partial", "half of it")})
    assert covered(registry, "crisplens:BG-1").state is Covered.PARTIAL


def test_some_of_several_facts_are_a_part(registry: Registry) -> None:
    registry.kpi.set("auc", target="0.7", baseline="0.8")
    found = covered(registry, "crisplens:PF-1")
    assert found.state is Covered.PARTIAL
    assert [one.kind for one in found.shown_by] == ["fact"]
    assert found.close == (topics_of("crisplens:PF-1")[0].close,)


@pytest.mark.parametrize("framework", SHIPPED)
def test_every_control_of_a_framework_is_told_in_its_order(story: Registry, framework: str) -> None:
    catalogue, told = shipped_catalogue(framework), story.coverage.show(framework)
    assert [one.id for one in told.controls] == [control.id for control in catalogue.controls]
    assert (told.framework, told.title, told.version) == (framework, catalogue.title, catalogue.version)
    assert (told.total, sum(told.counts.values())) == (len(catalogue.controls), len(catalogue.controls))
    assert list(told.counts) == [state.value for state in Covered]
    assert told.doubts == catalogue.doubts
    assert told.judgement == load_crosswalk().status
    for one, control in zip(told.controls, catalogue.controls, strict=True):
        assert (one.title, one.source, one.doubt) == (control.title, control.source, control.doubt)
        # Whatever is not answered says how it would be; what is says by what.
        assert bool(one.answer) == (one.state not in (Covered.MET, Covered.NOT_APPLICABLE))
        assert bool(one.shown_by) == (one.state is not Covered.GAP)


def test_annex_iv_is_told_whole(story: Registry) -> None:
    annex = [one for one in story.coverage.show("eu-ai-act").controls if one.group.startswith("Annex IV")]
    assert len(annex) == 23
    assert annex[0].id == "AIV-1(a)"
    assert annex[-1].id == "AIV-9"


def test_a_superseded_framework_says_so(registry: Registry) -> None:
    told = registry.coverage.show("sr-11-7")
    assert (told.standing, told.superseded_by) == ("superseded", "sr-26-2")
    assert registry.coverage.show("sr-26-2").standing == "current"


def test_an_unknown_framework_is_told_with_the_nearest(registry: Registry) -> None:
    assert_refused(
        registry, lambda: registry.coverage.show("iso-4201"), "unknown-name", "iso-42001", kind=InputError
    )


HOUSE = """\
catalogue: house
version: "2026"
title: House rules
controls:
  - {id: HR-1, title: First, phases: [evaluation]}
  - {id: HR-2, title: Second}
  - {id: "HR 3 (a)", title: Third}
"""


def test_an_imported_catalogue_is_covered_like_the_others(registry: Registry, files: Files) -> None:
    registry.control.import_(files.text(HOUSE, "house.yaml"))
    told = registry.coverage.show("house")
    assert told.counts == {"met": 0, "partial": 0, "not-met": 0, "not-applicable": 0, "gap": 3}
    assert [one.answer for one in told.controls] == [
        "crisplens checkpoint record evaluation --control house:HR-1=met:REASON",
        "crisplens checkpoint record business-goal --control house:HR-2=met:REASON",
        "crisplens checkpoint record business-goal --control 'house:HR 3 (a)=met:REASON'",
    ]
    for one in told.controls:
        carry_out(registry, one.answer)
    assert registry.coverage.show("house").counts["met"] == 3


@pytest.mark.parametrize("id", ["it's", "a;b"])
def test_the_command_for_any_imported_control_answers_it(registry: Registry, files: Files, id: str) -> None:
    catalogue = f'catalogue: odd\nversion: "1"\ntitle: Odd\ncontrols:\n  - {{id: "{id}", title: One}}\n'
    registry.control.import_(files.text(catalogue, "odd.yaml"))
    (one,) = registry.coverage.show("odd").controls
    carry_out(registry, one.answer)
    assert covered(registry, f"odd:{id}").state is Covered.MET


def test_an_id_that_no_command_could_answer_is_not_imported(registry: Registry, files: Files) -> None:
    file = files.text(
        'catalogue: odd\nversion: "1"\ntitle: Odd\ncontrols: [{id: a=b, title: One}]\n', "odd.yaml"
    )
    assert_refused(registry, lambda: registry.control.import_(file), "bad-document", "line 4")


def carry_out(registry: Registry, command: str) -> None:
    """Record the checkpoint that a command would."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)
    assert not {";", "&", "|"} & set(words), "the shell would take it for several commands"
    found, rest = command_of(words[1:])
    context = found.make_context("x", rest)
    registry.checkpoint.record(context.params["phase"], controls=answers(context.params["controls"]))


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that these words begin with, and the words that follow it."""
    module, attribute, _ = COMMANDS[words[0]]
    found: Any = getattr(importlib.import_module(f"crisplens.cli.{module}"), attribute)
    rest = words[1:]
    while isinstance(found, click.Group):
        found, rest = found.commands[rest[0]], rest[1:]
    return found, rest


def test_every_answer_that_is_proposed_is_a_command_that_answers(registry: Registry) -> None:
    proposed = [one.answer for name in SHIPPED for one in registry.coverage.show(name).controls]
    assert proposed.count("") < 20
    with registry.transaction() as together:
        for command in filter(None, proposed):
            carry_out(together, command)
    for framework in SHIPPED:
        told = registry.coverage.show(framework)
        assert told.counts["met"] == told.total


def test_nothing_but_the_log_is_covered_where_nothing_is_recorded(registry: Registry) -> None:
    shown = {
        shown.name
        for name in SHIPPED
        for one in registry.coverage.show(name).controls
        for shown in one.shown_by
    }
    assert shown == {"Every change is in the log"}


def commands_in(text: str) -> Iterator[click.Command]:
    """The commands that a text names: a noun and, where it has any, a verb."""
    words = re.findall(r"--[\w-]+=?\S*|'[^']*'|[\w-]+", text)
    for place, word in enumerate(words):
        if word in COMMANDS and (place == 0 or words[place - 1] in ("crisplens", "then", "before")):
            yield command_of(words[place : place + 2])[0]


def test_what_closes_a_gap_names_commands_and_options_that_there_are() -> None:
    for topic in load_crosswalk().topics:
        found = list(commands_in(topic.close))
        assert found, topic.close
        assert topic.close.count("crisplens ") <= len(found), topic.close
        known = {option for one in found for parameter in one.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z][a-z-]*", topic.close)) <= known, topic.close


def test_coverage_of_the_past_is_that_of_the_record_then(registry: Registry) -> None:
    answer(registry, PF_3="met")
    with registry.as_of(0) as then:
        assert covered(then, "crisplens:PF-3").state is Covered.GAP
    assert isinstance(registry.coverage.show("crisplens"), Coverage)
