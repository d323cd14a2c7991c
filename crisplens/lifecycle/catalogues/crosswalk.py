"""The crosswalk: which controls of different frameworks one answer, or one recorded fact, counts for. Pure.

It is our judgement, and says so wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec

from crisplens.core.decoding import decode_json

OWN = "crisplens"


class Topic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Controls (qualified ids) that ask for the same thing, the facts that show it, and what would close a gap."""

    topic: str
    title: str
    controls: tuple[str, ...]
    facts: tuple[str, ...] = ()
    evidence: str = ""
    close: str = ""


class Crosswalk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Topics, and whose judgement they are."""

    crosswalk: str
    version: str
    status: str
    topics: tuple[Topic, ...]


@cache
def load_crosswalk() -> Crosswalk:
    """The crosswalk that the package ships."""
    data = files("crisplens.lifecycle.catalogues").joinpath("data/crosswalk.json").read_bytes()
    return decode_json(data, Crosswalk)


@cache
def topics_of(control: str) -> tuple[Topic, ...]:
    """The topics that a control (qualified id) stands in."""
    return tuple(topic for topic in load_crosswalk().topics if control in topic.controls)


def qualified(control: str) -> str:
    """A control's id with its catalogue's: answers to the project's own practices are kept without it."""
    return control if ":" in control else f"{OWN}:{control}"


# From the best to the worst; what is made of several answers is as good as the worst of them.
_ORDER = ("met", "not-applicable", "partial", "not-met")


def counted_answer(control: str, answers: Mapping[str, str]) -> tuple[str, str]:
    """The answer that counts for a control, and through which other controls it does (empty for its own answer).

    `answers` are by id as checkpoints keep them. A control of several topics counts as answered when each of them is,
    and as the worst of those answers. Without an answer both are empty.
    """
    known = {qualified(id): answer for id, answer in answers.items()}
    wanted = qualified(control)
    if wanted in known:
        return known[wanted], ""
    found = [answered_in(topic, known) for topic in topics_of(wanted)]
    if not found or "" in found:
        return "", ""
    via = ", ".join(dict.fromkeys(other.removeprefix(f"{OWN}:") for other in found))
    return max((known[other] for other in found), key=_ORDER.index), via


def answered_in(topic: Topic, answers: Mapping[str, str]) -> str:
    """The control of a topic that was answered: of several the one that was answered worst; empty without one."""
    given = [other for other in topic.controls if other in answers]
    return max(given, key=lambda other: _ORDER.index(answers[other]), default="")
