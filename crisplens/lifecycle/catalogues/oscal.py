"""An OSCAL catalog (JSON, as NIST publishes SP 800-53) as a catalogue, its groups and enhancements in one list."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import msgspec

from crisplens.core.documents import Document, Place
from crisplens.lifecycle.catalogues.custom_lens import MOST_IMPORTED, cut, slug, tidy, web_link
from crisplens.lifecycle.catalogues.model import Catalogue, Control, folded_id

NAMESPACES = ("", "http://csrc.nist.gov/ns/oscal")

_INSERT = re.compile(r"\{\{ ?(?:insert: ?param, ?)?([^ {},]+) ?\}\}")


class _Prop(msgspec.Struct, rename={"kind": "class"}):
    name: str
    value: str
    ns: str = ""
    kind: str = ""


class _Link(msgspec.Struct):
    href: str
    rel: str = ""


class _Part(msgspec.Struct):
    name: str
    prose: str = ""
    props: tuple[_Prop, ...] = ()
    parts: tuple[_Part, ...] = ()


class _Guideline(msgspec.Struct):
    prose: str


class _Select(msgspec.Struct, rename="kebab"):
    choice: tuple[str, ...] = ()
    how_many: str = ""


class _Parameter(msgspec.Struct):
    id: str
    label: str = ""
    values: tuple[str, ...] = ()
    select: _Select | None = None
    guidelines: tuple[_Guideline, ...] = ()


class _Control(msgspec.Struct):
    id: str
    title: str
    params: tuple[_Parameter, ...] = ()
    props: tuple[_Prop, ...] = ()
    links: tuple[_Link, ...] = ()
    parts: tuple[_Part, ...] = ()
    controls: tuple[_Control, ...] = ()


class _Group(msgspec.Struct):
    title: str = ""
    params: tuple[_Parameter, ...] = ()
    controls: tuple[_Control, ...] = ()
    groups: tuple[_Group, ...] = ()


class _Resource(msgspec.Struct):
    uuid: str
    rlinks: tuple[_Link, ...] = ()


class _BackMatter(msgspec.Struct):
    resources: tuple[_Resource, ...] = ()


class _Metadata(msgspec.Struct):
    title: str
    version: str
    links: tuple[_Link, ...] = ()


class _Catalog(_Group, rename={"back_matter": "back-matter"}, kw_only=True):
    metadata: _Metadata
    back_matter: _BackMatter = msgspec.field(default_factory=_BackMatter)


class _File(msgspec.Struct):
    catalog: _Catalog


def from_oscal(document: Document) -> Catalogue:
    """The catalog as a catalogue. Raises `InputError` with file, line and reason when it is none."""
    return place_oscal(document)[0]


def place_oscal(document: Document) -> tuple[Catalogue, list[Place]]:
    """The catalog as a catalogue, without withdrawn controls, and where each control stands in the document."""
    catalog = document.convert(_File).catalog
    walked = list(_walk(catalog, ("catalog",), ""))
    params = {one.id: one for _, _, part in walked for one in part.params}
    short = {id: _short(one) for id, one in params.items()}
    said = {id: _said(one, short) for id, one in params.items()}
    kept = [
        (place, group, one)
        for place, group, one in walked
        if isinstance(one, _Control) and not _withdrawn(one)
    ]
    labels = Counter(folded_id(_label(control)) for _, _, control in kept)
    files = {
        f"#{one.uuid}": web_link(*(link.href for link in one.rlinks)) for one in catalog.back_matter.resources
    }
    catalogue = Catalogue(
        catalogue=slug(catalog.metadata.title, otherwise="oscal-catalog"),
        version=tidy(catalog.metadata.version),
        title=tidy(catalog.metadata.title),
        source=_source(catalog.metadata.links, files),
        controls=tuple(
            Control(
                # A label that several controls share tells none of them.
                id=label if labels[folded_id(label := _label(control))] == 1 else control.id.upper(),
                title=tidy(control.title),
                description=_statement(control, said),
                group=group,
                source=_source(control.links, {}),
            )
            for _, group, control in kept
        ),
    )
    return catalogue, [place for place, _, _ in kept]


def _walk(
    part: _Group | _Control, place: Place, group: str
) -> Iterator[tuple[Place, str, _Group | _Control]]:
    """What holds controls or parameters, in document order, as deep as the document: place, titles of groups, part."""
    yield place, group, part
    for index, control in enumerate(part.controls):
        yield from _walk(control, (*place, "controls", index), group)
    if isinstance(part, _Group):
        for index, one in enumerate(part.groups):
            titles = cut(" / ".join(filter(None, (group, tidy(one.title)))), 300)
            yield from _walk(one, (*place, "groups", index), titles)


def _values(props: tuple[_Prop, ...], name: str, kinds: tuple[str, ...]) -> list[str]:
    return [p.value for p in props if p.name == name and p.ns in NAMESPACES and p.kind.casefold() in kinds]


def _withdrawn(control: _Control) -> bool:
    return any(value.casefold() == "withdrawn" for value in _values(control.props, "status", ("",)))


def _label(control: _Control) -> str:
    """What people call the control: its label, or else its id."""
    labels = _values(control.props, "label", ("",)) or _values(control.props, "label", ("sp800-53",))
    return (tidy(labels[0]) if labels else "") or control.id.upper()


def _source(links: tuple[_Link, ...], files: dict[str, str]) -> str:
    wanted = [link.href for rel in ("canonical", "reference") for link in links if link.rel == rel]
    return web_link(*(files.get(href, href) for href in wanted))


def _statement(control: _Control, said: dict[str, str]) -> str:
    words = " ".join(word for part in control.parts if part.name == "statement" for word in _prose(part))
    return cut(_INSERT.sub(lambda match: said.get(match[1], f"[{match[1]}]"), tidy(words)), MOST_IMPORTED)


def _prose(part: _Part) -> Iterator[str]:
    yield from _values(part.props, "label", ("",))[:1]
    yield part.prose
    for one in part.parts:
        yield from _prose(one)


def _short(one: _Parameter) -> str:
    """A parameter in a few words: the values it is given, its label, what it is to hold, or its id."""
    text = ", ".join(one.values) or one.label or (one.guidelines[0].prose if one.guidelines else one.id)
    return cut(_INSERT.sub(lambda match: match[1], tidy(text)), 200)


def _said(one: _Parameter, short: dict[str, str]) -> str:
    """What stands for a parameter in a statement, in brackets. What a selection inserts is not looked into further."""
    if one.values or not one.select or not one.select.choice:
        return f"[{short[one.id]}]"
    text = tidy("; ".join(map(str.strip, one.select.choice)))
    some = "one or more of: " if one.select.how_many == "one-or-more" else ""
    return f"[{cut(some + _INSERT.sub(lambda match: short.get(match[1], match[1]), text), 400)}]"
