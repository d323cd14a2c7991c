"""Catalogues and their controls as values, and how a control's id is looked up. Pure."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec


class Pillar(StrEnum):
    """The Well-Architected pillar that a practice serves."""

    OPERATIONAL_EXCELLENCE = "operational-excellence"
    SECURITY = "security"
    RELIABILITY = "reliability"
    PERFORMANCE_EFFICIENCY = "performance-efficiency"
    COST_OPTIMISATION = "cost-optimisation"
    SUSTAINABILITY = "sustainability"


class ControlRisk(StrEnum):
    """How much is at risk where a control is not met, as its catalogue states it."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Standing(StrEnum):
    """Whether a catalogue is in force."""

    CURRENT = "current"
    SUPERSEDED = "superseded"


class Control(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One practice or requirement. `id` and `title` are the source's; the description is in our words.

    `phases` are those at whose checkpoints it is answered; none means any. `group` is the part of the catalogue that
    it stands in, `outputs` are what the source wants produced, `doubt` is what about it could not be verified.
    """

    id: str
    title: str
    description: str = ""
    phases: tuple[str, ...] = ()
    pillar: Pillar | None = None
    risk: ControlRisk | None = None
    group: str = ""
    outputs: tuple[str, ...] = ()
    source: str = ""
    doubt: str = ""


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A framework's controls, in its order. `doubts` are what about the whole could not be verified.

    `version` is the edition of the framework as its publisher names it, or the team's own.
    """

    catalogue: str
    version: str
    title: str
    source: str = ""
    licence: str = ""
    standing: Standing = Standing.CURRENT
    superseded_by: str = ""
    doubts: tuple[str, ...] = ()
    controls: tuple[Control, ...]


_SPACE = re.compile(r"[\s_-]+")


def folded_id(id: str) -> str:
    """An id as it is looked up: `map 1.1` and `MAP-1.1` are the same."""
    return _SPACE.sub("-", id.strip()).casefold()
