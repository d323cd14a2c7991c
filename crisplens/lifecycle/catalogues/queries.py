"""Reads of catalogues and controls: those that are shipped, and the registry's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.core.errors import InputError
from crisplens.core.names import nearest, unknown_name
from crisplens.lifecycle.catalogues.crosswalk import OWN, load_crosswalk, topics_of
from crisplens.lifecycle.catalogues.model import Catalogue, Control, ControlRisk, Pillar, folded_id
from crisplens.lifecycle.catalogues.shipped import SHIPPED, shipped_catalogue
from crisplens.lifecycle.catalogues.tables import CatalogueRow
from crisplens.lifecycle.phases import get_phase
from crisplens.registry.projects.model import choose


class CatalogueListed(msgspec.Struct, frozen=True, kw_only=True):
    """A catalogue at a glance; `origin` is `shipped`, or the format that it was imported from."""

    catalogue: str
    version: str
    title: str
    standing: str
    superseded_by: str
    controls: int
    origin: str
    source: str
    doubts: tuple[str, ...]
    imported_by: str | None = None
    imported_at: str | None = None


class ControlListed(msgspec.Struct, frozen=True, kw_only=True):
    """A control with the catalogue that it stands in."""

    catalogue: str
    control: Control

    @property
    def qualified(self) -> str:
        """`catalogue:id`."""
        return f"{self.catalogue}:{self.control.id}"

    @property
    def kept_id(self) -> str:
        """The id as checkpoints keep it: the project's own practices without their catalogue's."""
        return self.control.id if self.catalogue == OWN else self.qualified


class MappedControl(msgspec.Struct, frozen=True, kw_only=True):
    """A control that asks for the same as another one, and the topic that says so."""

    control: str
    topic: str


class ControlShown(msgspec.Struct, frozen=True, kw_only=True):
    """A control, its catalogue, and what it maps to: `judgement` says whose that is."""

    catalogue: CatalogueListed
    control: Control
    mapped: tuple[MappedControl, ...]
    judgement: str


def load_catalogues(session: Session | None) -> dict[str, Catalogue]:
    """Every catalogue by its id: the shipped ones, and with a `session` the registry's own."""
    own = _imported(session)
    return {name: shipped_catalogue(name) for name in SHIPPED} | {row.name: row.content for row in own}


def list_catalogues(session: Session) -> list[CatalogueListed]:
    """Every catalogue at a glance: the shipped ones, then the registry's own."""
    shipped = [_listed(shipped_catalogue(name), origin="shipped") for name in SHIPPED]
    own = [
        _listed(row.content, origin=row.format, by=row.recorded_by, at=row.recorded_at)
        for row in _imported(session)
    ]
    return [*shipped, *own]


def list_controls(
    session: Session,
    *,
    framework: str | None = None,
    phase: str | None = None,
    pillar: str | None = None,
    risk: str | None = None,
    search: str | None = None,
) -> list[ControlListed]:
    """Controls of every catalogue in their order, or those that fit; `search` is words that all occur in one.

    Raises `InputError` for an unknown catalogue, phase, pillar or risk.
    """
    catalogues = load_catalogues(session)
    if framework is not None:
        catalogues = {framework: _get(catalogues, framework)}
    wanted_phase = get_phase(phase).id if phase else None
    wanted_pillar = choose(Pillar, "the pillar", pillar) if pillar else None
    wanted_risk = choose(ControlRisk, "the risk", risk) if risk else None
    words = (search or "").casefold().split()
    return [
        one
        for one in _all(catalogues)
        if (wanted_phase is None or wanted_phase in one.control.phases)
        and (wanted_pillar is None or one.control.pillar == wanted_pillar)
        and (wanted_risk is None or one.control.risk == wanted_risk)
        and all(word in _text(one) for word in words)
    ]


def find_control(session: Session | None, id: str) -> ControlListed:
    """A control by its id, or by `catalogue:id` where several catalogues have it.

    Raises `InputError` with the nearest ids when there is none, or naming the catalogues when there are several.
    """
    catalogue, colon, rest = id.partition(":")
    if not colon or catalogue not in {*SHIPPED, *(row.name for row in _imported(session))}:
        catalogue, rest = "", id
    catalogues = load_catalogues(session)
    if catalogue:
        catalogues = {catalogue: catalogues[catalogue]}
    folded = folded_id(rest)
    found = [one for one in _all(catalogues) if folded_id(one.control.id) == folded]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(one.qualified for one in found)
        raise InputError(
            f"{id!r} is a control of several catalogues", slug="unknown-name", hint=f"Write one of: {names}."
        )
    close = nearest(rest, [one.control.id for one in _all(catalogues)])
    raise InputError(
        f"there is no control named {id[:100]!r}" + (f" in {catalogue}" if catalogue else ""),
        slug="unknown-name",
        hint=f"Did you mean {' or '.join(close)}?" if close else "See `crisplens control list`.",
    )


def answerable(found: ControlListed, phase: str) -> ControlListed:
    """A control, if checkpoints of `phase` can answer it. Raises `InputError` naming where it belongs."""
    phases = found.control.phases
    if phases and phase not in phases:
        practices = ", ".join(control.id for control in get_phase(phase).practices)
        raise InputError(
            f"{found.control.id} is a control of phase {' and '.join(phases)}, not of {phase}",
            slug="unknown-name",
            hint=f"Controls of {phase}: {practices}.",
        )
    return found


def resolve_controls(session: Session, ids: Sequence[str]) -> tuple[str, ...]:
    """Controls' qualified ids, each once. Raises `InputError` as `find_control` does."""
    return tuple(dict.fromkeys(find_control(session, id).qualified for id in ids))


def show_control(session: Session, id: str) -> ControlShown:
    """A control with its catalogue and what it maps to. Raises `InputError` as `find_control` does."""
    found = find_control(session, id)
    listed = next(one for one in list_catalogues(session) if one.catalogue == found.catalogue)
    mapped = {
        other: topic.title
        for topic in topics_of(found.qualified)
        for other in topic.controls
        if other != found.qualified
    }
    return ControlShown(
        catalogue=listed,
        control=found.control,
        mapped=tuple(MappedControl(control=name, topic=topic) for name, topic in mapped.items()),
        judgement=load_crosswalk().status if mapped else "",
    )


def _get(catalogues: dict[str, Catalogue], name: str) -> Catalogue:
    if name not in catalogues:
        raise unknown_name("catalogue", name, catalogues)
    return catalogues[name]


def get_catalogue(session: Session, name: str) -> Catalogue:
    """A catalogue by its id. Raises `InputError` with the nearest ids when there is none."""
    return _get(load_catalogues(session), name)


def _imported(session: Session | None) -> list[CatalogueRow]:
    if session is None:
        return []
    return list(session.scalars(select(CatalogueRow).order_by(CatalogueRow.name)))


def _all(catalogues: dict[str, Catalogue]) -> Iterator[ControlListed]:
    for name, catalogue in catalogues.items():
        for control in catalogue.controls:
            yield ControlListed(catalogue=name, control=control)


def _text(one: ControlListed) -> str:
    control = one.control
    parts: Iterable[str] = (one.qualified, control.title, control.description, control.group)
    return " ".join(parts).casefold()


def _listed(
    catalogue: Catalogue, *, origin: str, by: str | None = None, at: str | None = None
) -> CatalogueListed:
    return CatalogueListed(
        catalogue=catalogue.catalogue,
        version=catalogue.version,
        title=catalogue.title,
        standing=catalogue.standing,
        superseded_by=catalogue.superseded_by,
        controls=len(catalogue.controls),
        origin=origin,
        source=catalogue.source,
        doubts=catalogue.doubts,
        imported_by=by,
        imported_at=at,
    )
