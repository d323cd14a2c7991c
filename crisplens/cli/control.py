"""`crisplens control`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.cli.text import day
from crisplens.core.errors import InputError
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.lifecycle.catalogues.queries import CatalogueListed, ControlListed, ControlShown

NONE_FITS = "No control fits."


@click.group()
def group() -> None:
    """Controls: what catalogues of practices and requirements ask for."""


def _filters(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options by which controls are chosen."""
    options = (
        click.option("--framework", metavar="ID", help="Only those of this catalogue."),
        click.option("--phase", metavar="PHASE", help="Only those that are answered in this phase."),
        click.option("--pillar", metavar="PILLAR", help="Only those of this Well-Architected pillar."),
        click.option("--risk", metavar="RISK", help="Only those of this risk: high, medium or low."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@group.command("list")
@_filters
@command(on_project=False, as_of=True)
def list_(
    registry: Registry, framework: str | None, phase: str | None, pillar: str | None, risk: str | None
) -> Output:
    """List the controls of every catalogue, or those that fit."""
    return _table(registry.control.list(framework=framework, phase=phase, pillar=pillar, risk=risk))


@group.command()
@click.argument("words", nargs=-1, required=True)
@_filters
@command(on_project=False, as_of=True)
def search(
    registry: Registry,
    words: tuple[str, ...],
    framework: str | None,
    phase: str | None,
    pillar: str | None,
    risk: str | None,
) -> Output:
    """List the controls whose id, title, description or group holds all of the WORDS."""
    wanted = " ".join(words).strip()
    if not wanted:
        raise InputError("the words to look for are empty", slug="empty-text", hint="Such as: drift")
    return _table(
        registry.control.list(framework=framework, phase=phase, pillar=pillar, risk=risk, search=wanted)
    )


@group.command()
@click.argument("control", metavar="ID")
@command(on_project=False, as_of=True)
def show(registry: Registry, control: str) -> Output:
    """Show control ID, and what it maps to. Write CATALOGUE:ID where several catalogues have it."""
    shown = registry.control.show(control)
    return Output(shown, _text(shown))


@group.command()
@command(on_project=False, as_of=True)
def catalogues(registry: Registry) -> Output:
    """List the catalogues: those that are shipped, and the registry's own."""
    known = registry.control.catalogues()
    rows = [
        (
            one.catalogue,
            one.version,
            one.title,
            one.controls,
            _standing(one),
            len(one.doubts) or "",
            f"{one.origin}, by {one.imported_by}, {day(one.imported_at)}" if one.imported_by else one.origin,
        )
        for one in known
    ]
    columns = ("Catalogue", "Version", "Title", "Controls", "Standing", "Doubts", "Origin")
    return Output.table(known, columns, rows)


@group.command("import")
@click.argument("file")
@click.option("--name", metavar="ID", help="Its id in this registry; else the one that the file gives.")
@command(acts=True, on_project=False)
def import_(registry: Registry, file: str, name: str | None) -> Output:
    """Make a team's own catalogue known: YAML or JSON of ours, an AWS custom lens, or an OSCAL catalog.

    Imported again, it takes the place of its edition before.
    """
    known = registry.control.import_(file, name=name)
    what = f"{known.catalogue} {known.version} is known from here on"
    text = f"{what}: {count(known.controls, 'control')}, read as {known.origin}."
    return Output(known, f"{text}\nNext: crisplens control list --framework {known.catalogue}")


def _table(controls: list[ControlListed]) -> Output:
    rows = [
        (
            one.catalogue,
            one.control.id,
            one.control.title,
            ", ".join(one.control.phases),
            one.control.pillar,
            one.control.risk,
        )
        for one in controls
    ]
    columns = ("Catalogue", "Control", "Title", "Phases", "Pillar", "Risk")
    return Output.table(controls, columns, rows, empty=NONE_FITS)


def _standing(catalogue: CatalogueListed) -> str:
    by = f" by {catalogue.superseded_by}" if catalogue.superseded_by else ""
    return f"{catalogue.standing}{by}"


def _text(shown: ControlShown) -> str:
    control, catalogue = shown.control, shown.catalogue
    edition = f"{catalogue.catalogue} {catalogue.version}"
    facts = {
        "Catalogue": f"{edition}: {catalogue.title}",
        "Standing": _standing(catalogue) if catalogue.superseded_by else "",
        "Group": control.group,
        "Phases": ", ".join(control.phases) or "any",
        "Pillar": control.pillar,
        "Risk": control.risk,
        "Wants": "; ".join(control.outputs),
        "Source": control.source or catalogue.source,
    }
    lines = [f"{control.id}: {control.title}"]
    lines += [control.description] if control.description else []
    lines += ["", *(f"{name:<10} {said}" for name, said in facts.items() if said)]
    if shown.mapped:
        longest = max(len(one.control) for one in shown.mapped)
        lines += ["", "Maps to"]
        lines += [f"  {one.control:<{longest}}  {one.topic}" for one in shown.mapped]
        lines += [f"  {shown.judgement}"]
    doubts = ([control.doubt] if control.doubt else []) + [f"{edition}: {one}" for one in catalogue.doubts]
    lines += ["", "In doubt", *(f"  - {one}" for one in doubts)] if doubts else []
    return "\n".join(lines)
