"""Verdicts: what one kind of check found, in words that name the place."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

STREAM_ROWS = 2000
MOST_FINDINGS = 20
Progress = Callable[[str, int], None]


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it was recorded: `where` names the event, table row or file."""

    where: str
    what: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one kind of check; verdicts are never blended. `found` counts beyond those listed.

    `notes` are things to know that are no faults.
    """

    name: str
    passed: bool
    checked: str
    found: int = 0
    findings: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()


class Findings:
    """Collects findings up to a bound and counts the rest."""

    def __init__(self) -> None:
        self.listed: list[Finding] = []
        self.count = 0

    def add(self, where: str, what: str) -> None:
        """Note that something at `where` is wrong."""
        self.count += 1
        if len(self.listed) < MOST_FINDINGS:
            self.listed.append(Finding(where, what))

    def verdict(self, name: str, checked: str, *, notes: Iterable[Finding] = ()) -> Verdict:
        """The verdict: passed when nothing was found."""
        return Verdict(
            name=name,
            passed=not self.count,
            checked=checked,
            found=self.count,
            findings=tuple(self.listed),
            notes=tuple(notes),
        )
