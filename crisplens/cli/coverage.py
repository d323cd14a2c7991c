"""`crisplens coverage`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output, mark
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.lifecycle.coverage import ControlCoverage, Coverage

ENOUGH = ("met", "not-applicable")
MOST_NAMED = 6


@click.command()
@click.option(
    "--framework", required=True, metavar="ID", help="A catalogue; see `crisplens control catalogues`."
)
@click.option("--gaps", is_flag=True, help="Only the controls that are not met.")
@command()
def coverage(registry: Registry, framework: str, gaps: bool) -> Output:
    """How far the record answers a framework.

    Control by control: what shows it, and what would close the gap.
    """
    from msgspec.structs import replace

    covered = registry.coverage.show(framework)
    shown = covered.controls
    if gaps:
        shown = tuple(one for one in shown if one.state not in ENOUGH)
    return Output(replace(covered, controls=shown), lambda: _text(covered, shown))


def _text(covered: Coverage, shown: tuple[ControlCoverage, ...]) -> str:
    counts = ", ".join(
        f"{number} {state.replace('-', ' ')}" for state, number in covered.counts.items() if number
    )
    lines = [f"{covered.framework} {covered.version}: {covered.title}"]
    if covered.superseded_by:
        lines.append(f"It is superseded by {covered.superseded_by}.")
    lines += [f"{count(covered.total, 'control')}: {counts}.", ""]
    widest = max((len(one.id) for one in shown), default=0)
    for one in shown:
        lines += _of_control(one, widest)
    if not shown:
        lines.append("No control is left open.")
    doubts = _doubts(covered)
    lines += ["", "In doubt", *(f"  - {one}" for one in doubts)] if doubts else []
    return "\n".join([*lines, "", f"Which control counts for which: {covered.judgement}"])


def _of_control(one: ControlCoverage, widest: int) -> list[str]:
    lines = [f"  {mark(one.state in ENOUGH)}  {one.id:<{widest}}  {one.state:<14}  {one.title}"]
    for shown in one.shown_by:
        kept = f" [{', '.join(shown.evidence)}]" if shown.evidence else ""
        lines.append(f"        {shown.kind}: {shown.name}: {shown.found}{kept}")
    lines += [f"        to close it: {how}" for how in one.close]
    if one.answer and one.answer not in one.close:
        lines.append(f"        {'or' if one.close else 'to close it:'} {one.answer}")
    return lines


def _doubts(covered: Coverage) -> list[str]:
    """The doubts about the whole, then those about controls, each once with the controls that it is about."""
    about: dict[str, list[str]] = {}
    for one in covered.controls:
        if one.doubt:
            about.setdefault(one.doubt, []).append(one.id)
    told = []
    for doubt, ids in about.items():
        more = f" and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else ""
        told.append(f"{', '.join(ids[:MOST_NAMED])}{more}: {doubt}")
    return [*covered.doubts, *told]
