"""Which format a catalogue document is in, and the catalogue that it holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from crisplens.core.documents import Document, Place
from crisplens.core.names import NAME_PATTERN, unknown_name
from crisplens.lifecycle.catalogues.custom_lens import UNSAFE, is_web_link, place_custom_lens
from crisplens.lifecycle.catalogues.model import Catalogue, Control, folded_id
from crisplens.lifecycle.catalogues.oscal import place_oscal
from crisplens.lifecycle.phases import list_phases

MOST_CONTROLS = 5_000
MOST_DESCRIPTION = 4_000
MOST_TITLE = 1_000
MOST_ID = 100
MOST_LISTED = 100  # outputs of a control, doubts of a catalogue

ACCEPTED = (
    "Accepted are a catalogue of crisplens (with `catalogue`, its id), an AWS custom lens (with `schemaVersion` "
    "and `pillars`) and an OSCAL catalog (with `catalog`)."
)

_SURROGATE = re.compile(r"\\[uU](?:0000)?[dD][89a-fA-F]")

_Read = Callable[[Document], tuple[Catalogue, list[Place]]]


def read_catalogue(document: Document) -> tuple[Catalogue, str]:
    """The catalogue that a document holds and its format: `crisplens`, `custom-lens` or `oscal`.

    Raises `InputError` with file, line and reason for a document that is none, or whose catalogue cannot be used.
    """
    _check_characters(document)
    format, read = _format(document)
    catalogue, places = read(document)
    _check_catalogue(document, catalogue, format)
    seen: dict[str, str] = {}
    for control, place in zip(catalogue.controls, places, strict=True):
        _check_control(document, control, place)
        folded = folded_id(control.id)
        if folded in seen:
            same = "given twice" if seen[folded] == control.id else f"the same as {seen[folded]!r} above"
            raise document.fault(f"the control id {control.id!r} is {same}", *place, "id")
        seen[folded] = control.id
    return catalogue, format


def _format(document: Document) -> tuple[str, _Read]:
    keys = document.value if isinstance(document.value, dict) else {}
    if "catalogue" in keys:
        return "crisplens", _place_own
    if "schemaVersion" in keys and "pillars" in keys:
        return "custom-lens", place_custom_lens
    if isinstance(keys.get("catalog"), dict):
        return "oscal", place_oscal
    if isinstance(keys.get("profile"), dict):
        raise document.fault(
            "is an OSCAL profile", "profile", hint="Resolve it; its resolved catalog can be read."
        )
    raise document.fault("is no catalogue of controls", hint=ACCEPTED)


def _place_own(document: Document) -> tuple[Catalogue, list[Place]]:
    catalogue = document.convert(Catalogue)
    return catalogue, [("controls", index) for index in range(len(catalogue.controls))]


def _check_catalogue(document: Document, catalogue: Catalogue, format: str) -> None:
    top = {"crisplens": (), "custom-lens": (), "oscal": ("catalog", "metadata")}[format]
    title = "name" if format == "custom-lens" else "title"
    if not NAME_PATTERN.fullmatch(catalogue.catalogue):
        reason = f"{catalogue.catalogue[:100]!r} cannot name a catalogue"
        hint = "Use 1 to 100 letters, digits, dots, dashes or underscores, starting with a letter or digit."
        raise document.fault(reason, "catalogue", hint=hint)
    _check_text(document, catalogue.title, MOST_TITLE, *top, title)
    _check_text(document, catalogue.version, MOST_ID, *top, "version")
    for field in ("licence", "superseded_by"):
        _check_text(document, getattr(catalogue, field), MOST_TITLE, field, least=0)
    _check_list(document, catalogue.doubts, "doubts")
    _check_link(document, catalogue.source, *top, "source")
    if not 1 <= len(catalogue.controls) <= MOST_CONTROLS:
        reason = f"holds {len(catalogue.controls) or 'no'} controls; 1 to {MOST_CONTROLS:,} are accepted"
        raise document.fault(
            reason, {"crisplens": "controls", "custom-lens": "pillars", "oscal": "catalog"}[format]
        )


def _check_control(document: Document, control: Control, place: Place) -> None:
    _check_text(document, control.id, MOST_ID, *place, "id")
    if "=" in control.id:
        raise document.fault("an id holds no =, behind which its answer stands", *place, "id")
    _check_text(document, control.title, MOST_TITLE, *place, "title")
    _check_text(document, control.group, MOST_TITLE, *place, "group", least=0)
    for field in ("description", "doubt"):
        _check_text(document, getattr(control, field), MOST_DESCRIPTION, *place, field, least=0, lines=True)
    _check_list(document, control.outputs, *place, "outputs")
    _check_link(document, control.source, *place, "source")
    known = [phase.id for phase in list_phases()]
    if len(control.phases) > len(set(control.phases)):
        raise document.fault("a phase is given twice", *place, "phases")
    for index, phase in enumerate(control.phases):
        if phase not in known:
            error = unknown_name("phase", phase[:100], known)
            raise document.fault(error.message, *place, "phases", index, hint=error.hint)


def _check_text(
    document: Document, text: str, most: int, *place: str | int, least: int = 1, lines: bool = False
) -> None:
    what = f"text in {place[-2]}" if isinstance(place[-1], int) else f"{place[-1]}"
    if len(text.strip()) < least:
        raise document.fault(f"the {what} is empty", *place)
    if len(text) > most:
        raise document.fault(f"the {what} has {len(text):,} characters; at most {most:,} are kept", *place)
    if UNSAFE.search(text) or (not lines and any(one in text for one in "\t\n\u2028\u2029")):
        raise document.fault(f"the {what} holds control characters", *place)


def _check_list(document: Document, texts: tuple[str, ...], *place: str | int) -> None:
    if len(texts) > MOST_LISTED:
        raise document.fault(f"{len(texts):,} {place[-1]} are given; at most {MOST_LISTED} are kept", *place)
    for index, text in enumerate(texts):
        _check_text(document, text, MOST_DESCRIPTION, *place, index, lines=True)


def _check_link(document: Document, link: str, *place: str | int) -> None:
    if link and not is_web_link(link):
        raise document.fault(f"the source {link[:100]!r} is no http(s) link", *place)


def _check_characters(document: Document) -> None:
    """Refuse halves of characters, which JSON can escape and no file or database can hold."""
    waiting: list[tuple[Place, Any]] = [((), document.value)] if _SURROGATE.search(document.text) else []
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [((*place, key), part) for key, part in value.items()]
            waiting += [(place, key) for key in value]
        elif isinstance(value, list):
            waiting += [((*place, index), part) for index, part in enumerate(value)]
        elif isinstance(value, str) and any("\ud800" <= one <= "\udfff" for one in value):
            raise document.fault("holds half a character (a lone surrogate)", *place)
