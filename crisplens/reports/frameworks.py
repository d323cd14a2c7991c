"""How far the record answers the frameworks: the EU AI Act in full, every other at a glance."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from crisplens.lifecycle.catalogues.model import Catalogue, Standing
from crisplens.lifecycle.coverage import Coverage, ShownBy, cover
from crisplens.lifecycle.facts import list_facts
from crisplens.lifecycle.model import GateResult
from crisplens.lifecycle.record import ProjectRecord
from crisplens.reports.governance_content import FrameworkRow, FrameworkSection

FULL = "eu-ai-act"
# A reason may be long and count for many controls; it stands in full with its checkpoint.
MOST_FOUND = 240


def framework_section(
    record: ProjectRecord, catalogues: dict[str, Catalogue], gates: Iterable[GateResult]
) -> FrameworkSection:
    """The coverage of every catalogue; the facts of the record are worked out once."""
    facts = list_facts(record, gates)
    told = {name: cover(record, catalogue, facts) for name, catalogue in catalogues.items()}
    full = told.pop(FULL)
    return FrameworkSection(
        judgement=full.judgement,
        full=_shortened(full),
        others=tuple(_row(one) for one in told.values()),
    )


def _row(coverage: Coverage) -> FrameworkRow:
    return FrameworkRow(
        framework=coverage.framework,
        title=coverage.title,
        version=coverage.version,
        superseded=coverage.standing == Standing.SUPERSEDED,
        superseded_by=coverage.superseded_by,
        total=coverage.total,
        counts=coverage.counts,
        doubts=coverage.doubts,
    )


def _shortened(coverage: Coverage) -> Coverage:
    return msgspec.structs.replace(
        coverage,
        controls=tuple(
            msgspec.structs.replace(one, shown_by=tuple(map(_short, one.shown_by)))
            for one in coverage.controls
        ),
    )


def _short(shown: ShownBy) -> ShownBy:
    if len(shown.found) <= MOST_FOUND:
        return shown
    return msgspec.structs.replace(shown, found=f"{shown.found[: MOST_FOUND - 1]}…")
