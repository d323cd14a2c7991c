"""Coverage: an answer, a mapped answer or a fact answers a control; a gap says what would close it."""

from __future__ import annotations

import shlex

import pytest

from crisplens.api import Registry
from crisplens.cli.main import cli
from crisplens.lifecycle.catalogues.crosswalk import load_crosswalk
from crisplens.lifecycle.catalogues.shipped import SHIPPED, shipped_catalogue
from crisplens.lifecycle.coverage import ControlCoverage
from tests.conftest import OWN_CATALOGUE, Files, assert_refused

pytestmark = [pytest.mark.stored, pytest.mark.parametrize("databases", ["sqlite"], indirect=True)]


def covered(registry: Registry, control: str) -> ControlCoverage:
    """How far one control is answered."""
    framework, _, id = control.partition(":")
    return next(one for one in registry.coverage.show(framework).controls if one.id == id)


def test_every_annex_iv_item_is_there_with_evidence_or_a_gap(first_cycle: Registry) -> None:
    coverage = first_cycle.coverage.show("eu-ai-act")
    items = [one for one in coverage.controls if one.id.startswith("AIV-")]
    assert len(items) == 23
    for one in coverage.controls:
        assert one.shown_by or one.answer, one
        assert bool(one.answer) == (one.state not in ("met", "not-applicable"))
    assert sum(coverage.counts.values()) == coverage.total == 41
    assert "judgement" in coverage.judgement


def test_its_own_answer_goes_before_everything(registry: Registry) -> None:
    control = "nist-ai-rmf:MAP 1.1"
    for answer in ("met", "not-met", "partial", "not-applicable"):
        registry.checkpoint.record("business-goal", controls={control: (answer, "so it is")})
        one = covered(registry, control)
        assert (one.state, one.shown_by[0].kind) == (answer, "answer")
        assert one.shown_by[0].found == f"{answer}: so it is"


def test_one_answer_counts_for_every_framework_of_its_topic(registry: Registry, files: Files) -> None:
    topic = next(topic for topic in load_crosswalk().topics if "crisplens:BG-4" in topic.controls)
    alone = [
        control
        for control in topic.controls
        if sum(control in other.controls for other in load_crosswalk().topics) == 1
    ]
    assert len({control.partition(":")[0] for control in alone}) > 1
    for answer in ("partial", "met"):
        registry.checkpoint.record(
            "business-goal", controls={"BG-4": (answer, "costed")}, evidence=[files.text(answer, "costs.txt")]
        )
        for control in alone:
            assert covered(registry, control).state == answer
    other = next(control for control in alone if control != "crisplens:BG-4")
    (shown,) = covered(registry, other).shown_by
    assert (shown.kind, shown.evidence) == ("mapped answer", ("costs.txt",))


def test_a_control_of_several_topics_is_met_when_each_is(registry: Registry) -> None:
    topics = load_crosswalk().topics
    control = "eu-ai-act:Art.9"
    parts = [topic for topic in topics if control in topic.controls]
    assert len(parts) > 1
    assert covered(registry, control).state == "gap"
    only = next(
        one
        for one in parts[0].controls
        if one != control and sum(one in topic.controls for topic in topics) == 1
    )
    phase = next(
        (item.phases or ("business-goal",))[0]
        for item in shipped_catalogue(only.partition(":")[0]).controls
        if item.id == only.partition(":")[2]
    )
    registry.checkpoint.record(phase, controls={only: ("met", "done")})
    assert covered(registry, control).state == "partial"


def test_facts_of_a_topic_count_together(registry: Registry, first_cycle: Registry) -> None:
    assert covered(registry, "eu-ai-act:AIV-2(a)").state == "gap"
    one = covered(first_cycle, "eu-ai-act:AIV-2(a)")
    assert (one.state, {shown.kind for shown in one.shown_by}) == ("met", {"fact"})


@pytest.mark.parametrize("framework", SHIPPED)
def test_what_closes_a_gap_is_a_command(registry: Registry, framework: str) -> None:
    coverage = registry.coverage.show(framework)
    assert coverage.counts["gap"] > 0
    for one in coverage.controls:
        for command in (*one.close, *filter(None, [one.answer])):
            words = shlex.split(command.split(" or ")[0].split(", ")[0])
            assert words[0] == "crisplens", command
            group = cli.commands.get(words[1]) or cli.get_command(None, words[1])  # type: ignore[arg-type]
            assert group is not None, command
            assert words[2] in group.commands, command  # type: ignore[attr-defined]


@pytest.mark.parametrize("framework", SHIPPED)
def test_an_answer_as_it_is_proposed_closes_the_gap(registry: Registry, framework: str) -> None:
    before = registry.coverage.show(framework)
    for one in before.controls[:6]:
        if not one.answer:
            continue
        words = shlex.split(one.answer)
        control, _, answer = words[-1].partition("=")
        registry.checkpoint.record(words[3], controls={control: (answer.partition(":")[0], "done")})
        assert covered(registry, f"{framework}:{one.id}").state == "met"


def test_our_own_catalogue_is_covered_too(registry: Registry, files: Files) -> None:
    registry.control.import_(files.text(OWN_CATALOGUE, "house-rules.yaml"))
    assert registry.coverage.show("house-rules").counts["gap"] == 1
    registry.checkpoint.record("business-goal", controls={"HR-1": ("met", "Bo")})
    assert registry.coverage.show("house-rules").counts["met"] == 1


def test_a_superseded_catalogue_says_by_what(registry: Registry) -> None:
    coverage = registry.coverage.show("sr-11-7")
    assert (coverage.standing, coverage.superseded_by) == ("superseded", "sr-26-2")


def test_an_unknown_framework_is_told_with_the_nearest(registry: Registry) -> None:
    assert_refused(registry, lambda: registry.coverage.show("eu-ai"), "unknown-name", "eu-ai-act")
