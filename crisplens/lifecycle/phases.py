"""The ten phases and their practices, read from the catalogue that the package ships."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

import msgspec

from crisplens.core.decoding import convert
from crisplens.core.errors import InputError
from crisplens.core.names import nearest, unknown_name

# Phases whose checkpoint is a statement about one model version.
SUBJECT_PHASES = frozenset({"model-training", "evaluation"})
# Phases whose checkpoint is a statement about the data in use.
DATA_PHASES = frozenset({"data-collection", "data-preparation", "data-analysis", "feature-engineering"})


class Control(msgspec.Struct, frozen=True):
    """One practice that a checkpoint of its phase can answer."""

    id: str
    title: str


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """One phase: its places in CRISP-DM 1.0 and the current ML Lens, and its practices.

    `note` tells what the sources leave in doubt.
    """

    id: str
    title: str
    description: str
    crisp_dm: tuple[str, ...]
    lens_phase: str
    source: str
    practices: tuple[Control, ...]
    note: str = ""


@cache
def list_phases() -> tuple[Phase, ...]:
    """The phases, in their order."""
    text = files("crisplens.lifecycle").joinpath("catalogues/data/phases.toml").read_text(encoding="utf-8")
    return convert(tomllib.loads(text)["phases"], tuple[Phase, ...])


def get_phase(id: str) -> Phase:
    """One phase. Raises `InputError` with the nearest ids when there is none."""
    for phase in list_phases():
        if phase.id == id:
            return phase
    raise unknown_name("phase", id, [phase.id for phase in list_phases()])


def phase_order(id: str) -> int:
    """The place of a phase in the order, from 0."""
    return list_phases().index(get_phase(id))


def get_control(phase: Phase, id: str) -> Control:
    """A practice of `phase`. Raises `InputError` naming where the id belongs, or the nearest ids."""
    wanted = id.upper()
    for control in phase.practices:
        if control.id == wanted:
            return control
    for other in list_phases():
        if wanted in {control.id for control in other.practices}:
            raise InputError(
                f"{wanted} is a control of phase {other.id}, not of {phase.id}",
                slug="unknown-name",
                hint=f"Controls of {phase.id}: {', '.join(control.id for control in phase.practices)}.",
            )
    known = [control.id for control in phase.practices]
    close = nearest(wanted, known)
    raise InputError(
        f"phase {phase.id} has no control {id!r}",
        slug="unknown-name",
        hint=f"Did you mean {' or '.join(close)}?"
        if close
        else f"Controls of {phase.id}: {', '.join(known)}.",
    )
