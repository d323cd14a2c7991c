"""A monitor's quality constraints: read or suggested, kept as evidence, and held against a window."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from crisplens.core.content_store import ContentStore
from crisplens.core.documents import read_document, read_document_file
from crisplens.core.work import UnitOfWork
from crisplens.monitors.engines.interface import Rows, TimeSlice
from crisplens.monitors.model import Profile
from crisplens.monitors.quality.documents import read_constraints, write_constraints
from crisplens.monitors.quality.judge import judge
from crisplens.monitors.quality.model import Constraints, Violation
from crisplens.monitors.quality.suggest import suggest
from crisplens.registry.evidence.service import add_evidence_bytes

SUGGEST = "suggest"
MEDIA_TYPE = "application/vnd.crisplens.constraints+yaml"


def load_constraints(given: str | os.PathLike[str], reference: Profile) -> Constraints:
    """The constraints of a file, or for `suggest` those that the reference itself would keep.

    Raises `InputError` with line and column for a file that cannot be used.
    """
    if given == SUGGEST:
        return suggest(reference)
    return read_constraints(read_document_file(Path(given)))


def keep_constraints(work: UnitOfWork, monitor: str, constraints: Constraints) -> str:
    """Keep constraints as evidence; returns the digest."""
    text = write_constraints(constraints).encode()
    return add_evidence_bytes(work, text, name=f"{monitor}-constraints.yaml", media_type=MEDIA_TYPE).digest


def read_kept(evidence: ContentStore, digest: str) -> Constraints:
    """Constraints that were kept as evidence."""
    return read_constraints(read_document(evidence.read(digest), name="constraints.yaml"))


def judge_window(
    constraints: Constraints, window: Profile, rows: Rows, *, reference_rows: int, now: datetime
) -> tuple[Violation, ...]:
    """What a window breaks; its rows are read again only for freshness and duplicates, where these are demanded.

    Freshness is judged against `now`, or the window's end where it has one.
    """
    from crisplens.monitors.engines import extents

    fresh, repeated = constraints.freshness, constraints.duplicates
    present = {column.name for column in window.columns} | set(window.other_columns)
    newest = duplicates = None
    if fresh and fresh.column in present:
        newest = extents.newest_time(rows, fresh.column)
    if repeated and present.issuperset(repeated.columns):
        duplicates = extents.count_duplicates(rows, repeated.columns)
    end = rows.only.end if isinstance(rows.only, TimeSlice) else now
    return judge(
        constraints,
        window,
        reference_rows=reference_rows,
        now=min(now, end),
        newest=newest,
        duplicates=duplicates,
    )
