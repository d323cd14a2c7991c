"""An AWS Well-Architected custom lens (JSON, schema 2021-11-01) as a catalogue: each choice is a control."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from crisplens.core.documents import Document, Place
from crisplens.lifecycle.catalogues.model import Catalogue, Control, ControlRisk, Pillar

SCHEMA = "2021-11-01"
MOST_IMPORTED = 1_000  # characters of a description that another format brings
MOST_READ = 20_000  # characters of any text, before it is cut or refused
MOST_LINK = 2_000
# A question of AWS has far fewer; beyond it no risk is worked out.
MOST_CHOICES = 100

# Control characters, lone surrogates and what reverses the reading direction; line breaks and tabs are none.
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_LINK = re.compile(r"https?://[^\s/\"<>\\]+[^\s\"<>\\]*", re.IGNORECASE)
_NONE = re.compile(r"(no|none|none of (these|the above|above))\W*", re.IGNORECASE)
_YES = re.compile(r"yes\W*", re.IGNORECASE)
_ATOM = re.compile(r"\( ?(!? ?\w+) ?\)")
_RISKS = {"HIGH_RISK": ControlRisk.HIGH, "MEDIUM_RISK": ControlRisk.MEDIUM, "NO_RISK": None}
_PILLARS = {pillar.value.replace("-", ""): pillar for pillar in Pillar} | {
    "costoptimization": Pillar.COST_OPTIMISATION,
    "performance": Pillar.PERFORMANCE_EFFICIENCY,
}

_Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_]{1,128}\Z")]


class _Resource(msgspec.Struct, rename={"text": "displayText"}):
    text: str | None = None
    url: str | None = None


class _Choice(msgspec.Struct, rename="camel"):
    id: _Id
    title: str
    description: str | None = None
    helpful_resource: _Resource | None = None
    improvement_plan: _Resource | None = None


class _Rule(msgspec.Struct):
    condition: str
    risk: str


class _Question(msgspec.Struct, rename="camel"):
    id: _Id
    title: str
    choices: Annotated[tuple[_Choice, ...], msgspec.Meta(min_length=1)]
    description: str | None = None
    risk_rules: tuple[_Rule, ...] = ()


class _Pillar(msgspec.Struct):
    id: _Id
    name: str
    questions: Annotated[tuple[_Question, ...], msgspec.Meta(min_length=1)]


class _Lens(msgspec.Struct, rename={"schema": "schemaVersion", "version": "_version"}):
    schema: str
    name: str
    pillars: Annotated[tuple[_Pillar, ...], msgspec.Meta(min_length=1)]
    version: Any = None  # no part of the format, but public lenses give it


def from_custom_lens(document: Document) -> Catalogue:
    """The lens as a catalogue. Raises `InputError` with file, line and reason when it is none."""
    return place_custom_lens(document)[0]


def place_custom_lens(document: Document) -> tuple[Catalogue, list[Place]]:
    """The lens as a catalogue, and where each of its controls stands in the document."""
    lens = document.convert(_Lens)
    if lens.schema != SCHEMA:
        raise document.fault(
            f"lenses of schema {lens.schema[:100]!r} are not read; {SCHEMA} is", "schemaVersion"
        )
    placed = list(_controls(document, lens))
    catalogue = Catalogue(
        catalogue=slug(lens.name, otherwise="custom-lens"),
        version=tidy(str(lens.version)) if isinstance(lens.version, str | int | float) else "1",
        title=tidy(lens.name),
        controls=tuple(control for _, control in placed),
    )
    return catalogue, [place for place, _ in placed]


def slug(title: str, *, otherwise: str) -> str:
    """A catalogue's id made of its title; `otherwise` for a title without letters or digits of ASCII."""
    plain = unicodedata.normalize("NFKD", title[:1_000]).encode("ascii", "ignore").decode().lower()
    id = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return (id if len(id) <= 60 else id[:61].rpartition("-")[0] or id[:60]) or otherwise


def tidy(text: str) -> str:
    """Text of a foreign format on one line, without what is not safe to print and without end."""
    return " ".join(UNSAFE.sub(" ", text[:MOST_READ]).split())


def cut(text: str, most: int) -> str:
    """The first words of a text of one line, with an ellipsis where something is left out."""
    if len(text) <= most:
        return text
    head = text[: most - 1]
    return (head.rpartition(" ")[0] or head) + "…"


def web_link(*urls: str | None) -> str:
    """The first that is an http(s) link, or nothing."""
    return next((url for url in urls if url and is_web_link(url)), "")


def is_web_link(url: str) -> bool:
    """Whether a text is an http(s) link that can be shown and followed."""
    return len(url) <= MOST_LINK and url.isprintable() and _LINK.fullmatch(url) is not None


def _controls(document: Document, lens: _Lens) -> Iterator[tuple[Place, Control]]:
    questions: set[str] = set()
    for p, pillar in enumerate(lens.pillars):
        served = _PILLARS.get(_letters(pillar.id)) or _PILLARS.get(_letters(pillar.name))
        group = cut(tidy(pillar.name), 300)
        for q, question in enumerate(pillar.questions):
            place: Place = ("pillars", p, "questions", q)
            if question.id in questions:
                raise document.fault(f"the question id {question.id!r} is given twice", *place, "id")
            questions.add(question.id)
            asked, about = tidy(question.title), cut(tidy(question.description or ""), MOST_IMPORTED)
            risks = _risks(question)
            for c, choice in enumerate(question.choices):
                if _is_none(choice):
                    continue
                helpful, plan = choice.helpful_resource or _Resource(), choice.improvement_plan or _Resource()
                control = Control(
                    id=f"{question.id}.{choice.id}",
                    # "Yes" says nothing without its question.
                    title=asked if _YES.fullmatch(choice.title.strip()) else tidy(choice.title),
                    description=cut(tidy(helpful.text or choice.description or ""), MOST_IMPORTED) or about,
                    pillar=served,
                    risk=risks.get(choice.id),
                    group=group,
                    source=web_link(helpful.url, plan.url),
                )
                yield (*place, "choices", c), control


def _is_none(choice: _Choice) -> bool:
    """Whether the choice says that no practice is followed; AWS marks it by the end of its id."""
    return choice.id.endswith("_no") or _NONE.fullmatch(choice.title.strip()) is not None


def _letters(text: str) -> str:
    return re.sub("[^a-z]", "", text.casefold())


def _risks(question: _Question) -> dict[str, ControlRisk | None]:
    """The question's risk where one choice alone is not selected, by choice; empty where its rules are not understood.

    All cases are worked out at once: bit i of a number stands for the case that the i-th choice is missing. Where
    rules of different risks hold, the choice has none.
    """
    practices = [choice.id for choice in question.choices if not _is_none(choice)]
    if len(practices) > MOST_CHOICES:
        return {}
    every = (1 << len(practices)) - 1
    values = {choice.id: 0 for choice in question.choices}
    values |= {id: every ^ 1 << i for i, id in enumerate(practices)}
    held, default = dict.fromkeys(_RISKS, 0), ""
    for rule in question.risk_rules:
        cases = 0 if rule.condition == "default" else _cases(rule.condition, values, every)
        if cases is None or rule.risk not in _RISKS:
            return {}
        default = rule.risk if rule.condition == "default" else default
        held[rule.risk] |= cases
    risks: dict[str, ControlRisk | None] = {}
    for i, id in enumerate(practices):
        found = [risk for risk in _RISKS if held[risk] >> i & 1] or [default]
        risks[id] = _RISKS.get(found[0]) if len(found) == 1 else None
    return risks


def _cases(condition: str, values: dict[str, int], every: int) -> int | None:
    """The cases in which a condition (ids, `!`, `&&`, `||`) holds; None for one that nests or names what is unknown."""
    if len(condition) > MOST_READ:
        return None
    found = 0
    for either in _ATOM.sub(r" \1 ", tidy(condition)).split("||"):
        both = every
        for atom in either.split("&&"):
            id = atom.strip()
            value = values.get(id.removeprefix("!").strip())
            if value is None:
                return None
            both &= value ^ every if id.startswith("!") else value
        found |= both
    return found
