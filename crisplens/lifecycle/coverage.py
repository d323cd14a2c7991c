"""Coverage: how far the record answers a framework, control by control, and what would close each gap."""

from __future__ import annotations

import shlex
from collections import Counter
from enum import StrEnum

import msgspec
from sqlalchemy.orm import Session

from crisplens.lifecycle.catalogues.crosswalk import (
    OWN,
    Topic,
    answered_in,
    load_crosswalk,
    qualified,
    topics_of,
)
from crisplens.lifecycle.catalogues.model import Catalogue, Control
from crisplens.lifecycle.catalogues.queries import get_catalogue
from crisplens.lifecycle.facts import Fact, list_facts
from crisplens.lifecycle.model import ControlAnswer
from crisplens.lifecycle.phases import list_phases
from crisplens.lifecycle.queries import Checkpoint
from crisplens.lifecycle.record import ProjectRecord, load_record


class Covered(StrEnum):
    """How far the record answers a control."""

    MET = "met"
    PARTIAL = "partial"
    NOT_MET = "not-met"
    NOT_APPLICABLE = "not-applicable"
    GAP = "gap"


class ShownBy(msgspec.Struct, frozen=True, kw_only=True):
    """What answers a control: `kind` is `answer` (its own), `mapped answer` or `fact`; `found` is what it says."""

    kind: str
    name: str
    found: str
    evidence: tuple[str, ...] = ()


class ControlCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """How far one control is answered, by what, and what would close the gap (commands).

    All of `close` together would, or `answer` alone: the control's own answer.
    """

    id: str
    title: str
    group: str
    state: Covered
    shown_by: tuple[ShownBy, ...]
    close: tuple[str, ...]
    answer: str
    source: str
    doubt: str


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How far a framework is answered; `judgement` says whose the mapping between frameworks is."""

    framework: str
    title: str
    version: str
    standing: str
    superseded_by: str
    doubts: tuple[str, ...]
    judgement: str
    total: int
    counts: dict[str, int]
    controls: tuple[ControlCoverage, ...]


def query_coverage(session: Session, project: str, framework: str) -> Coverage:
    """How far a project's record answers a framework. Raises `InputError` for an unknown framework."""
    catalogue = get_catalogue(session, framework)
    return cover(load_record(session, project), catalogue)


def cover(record: ProjectRecord, catalogue: Catalogue, facts: dict[str, Fact] | None = None) -> Coverage:
    """How far a record answers a catalogue. `facts` are those of the record, if they are known already."""
    known = facts if facts is not None else list_facts(record)
    answers = newest_answers(record)
    controls = tuple(_cover(catalogue.catalogue, control, answers, known) for control in catalogue.controls)
    states = Counter(one.state.value for one in controls)
    return Coverage(
        framework=catalogue.catalogue,
        title=catalogue.title,
        version=catalogue.version,
        standing=catalogue.standing,
        superseded_by=catalogue.superseded_by,
        doubts=catalogue.doubts,
        judgement=load_crosswalk().status,
        total=len(controls),
        counts={state.value: states[state.value] for state in Covered},
        controls=controls,
    )


def newest_answers(record: ProjectRecord) -> dict[str, tuple[Checkpoint, ControlAnswer]]:
    """The newest answer to each control (qualified id), with the checkpoint that gave it."""
    return {
        qualified(answer.control): (checkpoint, answer)
        for checkpoint in record.checkpoints
        for answer in checkpoint.answers
    }


def _cover(
    catalogue: str,
    control: Control,
    answers: dict[str, tuple[Checkpoint, ControlAnswer]],
    facts: dict[str, Fact],
) -> ControlCoverage:
    wanted = f"{catalogue}:{control.id}"
    own = answers.get(wanted)
    shown: list[ShownBy] = []
    gaps: list[str] = []
    if own is not None:
        state = Covered(own[1].answer.value)
        shown.append(_by_answer("answer", *own))
    else:
        topics = topics_of(wanted)
        states = [_by_topic(topic, answers, facts, shown) for topic in topics]
        gaps = [topic.close for topic, one in zip(topics, states, strict=True) if one not in _ENOUGH]
        state = _together(states)
    return ControlCoverage(
        id=control.id,
        title=control.title,
        group=control.group,
        state=state,
        shown_by=tuple(shown),
        close=tuple(dict.fromkeys(filter(None, gaps))),
        answer="" if state in _ENOUGH else _answer_it(catalogue, control),
        source=control.source,
        doubt=control.doubt,
    )


_ENOUGH = (Covered.MET, Covered.NOT_APPLICABLE)


def _together(states: list[Covered]) -> Covered:
    """A control stands in each of its topics with a part: it is met when all of them are."""
    if not states or all(one is Covered.GAP for one in states):
        return Covered.GAP
    for worst in (Covered.NOT_MET, Covered.PARTIAL):
        if worst in states:
            return worst
    if Covered.GAP in states:
        return Covered.PARTIAL
    return Covered.MET if Covered.MET in states else Covered.NOT_APPLICABLE


def _by_topic(
    topic: Topic,
    answers: dict[str, tuple[Checkpoint, ControlAnswer]],
    facts: dict[str, Fact],
    shown: list[ShownBy],
) -> Covered:
    """How far a topic is covered, by an answer to one of its controls or by all of its facts together."""
    plain = {id: answer.answer.value for id, (_, answer) in answers.items()}
    if other := answered_in(topic, plain):
        shown.append(_by_answer("mapped answer", *answers[other]))
        return Covered(plain[other])
    known = [facts[name] for name in topic.facts]
    holding = [one for one in known if one.holds]
    shown += [ShownBy(kind="fact", name=one.title, found=one.found) for one in holding]
    if not holding:
        return Covered.GAP
    return Covered.MET if len(holding) == len(known) else Covered.PARTIAL


def _by_answer(kind: str, checkpoint: Checkpoint, answer: ControlAnswer) -> ShownBy:
    said = f"{answer.answer}: {answer.reason}" if answer.reason.strip() else str(answer.answer)
    return ShownBy(
        kind=kind,
        name=f"{answer.control} at {checkpoint.id} ({checkpoint.phase})",
        found=said,
        evidence=tuple(one.name for one in checkpoint.evidence),
    )


def _answer_it(catalogue: str, control: Control) -> str:
    phase = control.phases[0] if control.phases else list_phases()[0].id
    id = control.id if catalogue == OWN else f"{catalogue}:{control.id}"
    return f"crisplens checkpoint record {phase} --control {shlex.quote(f'{id}=met:REASON')}"
