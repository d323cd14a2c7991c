"""`crisplens status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.gate import cause_lines
from crisplens.cli.options import command
from crisplens.cli.output import Output, mark

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.lifecycle.status import PhaseStatus, ProjectStatus

IN_ORDER = ("approved", "not-required")


@click.command()
@command()
def status(registry: Registry) -> Output:
    """Where the project stands, and what to do next.

    Phase by phase; then what is stale and why, and what waits for whom.
    """
    from msgspec.structs import asdict

    found = registry.status.show()
    return Output({**asdict(found), "in_order": found.in_order}, lambda: _text(found))


def _text(status: ProjectStatus) -> str:
    cycle = f"cycle {status.cycle} ({status.cycle_state}, from {status.from_phase})"
    lines = [
        f"{status.project}: {status.title} (owner {status.owner})",
        f"Risk {status.risk}, policy {status.policy}, {cycle}.",
        "",
        *map(_phase, status.phases),
    ]
    for title, found in _sections(status).items():
        lines += ["", title, *found] if found else []
    if status.next_steps:
        lines += ["", "Next"]
        for one in status.next_steps:
            lines += [f"  {one.what} ({one.who})", f"    {one.command}"]
    elif status.in_order:
        lines += ["", "Everything is in order."]
    return "\n".join(lines)


def _phase(one: PhaseStatus) -> str:
    said = [
        *([one.subject] if one.subject else []),
        *(
            [f"{one.checkpoint}, of an earlier cycle" if one.inherited else one.checkpoint]
            if one.checkpoint
            else []
        ),
        *([f"passed by {one.override}"] if one.override else []),
        *one.unmet[:1],
    ]
    more = f" (and {len(one.unmet) - 1} more)" if len(one.unmet) > 1 else ""
    line = f"  {mark(one.state in IN_ORDER)}  {one.phase:<19}  {one.state:<20}  {'; '.join(said)}{more}"
    return line.rstrip()


def _sections(status: ProjectStatus) -> dict[str, list[str]]:
    """What waits for someone, each part under its title."""
    stale = []
    for approval in status.stale:
        about = f"{approval.checkpoint}, {approval.phase}{_about(approval.subject)}"
        stale += [f"  {approval.approval} by {approval.by} ({about}): {approval.reason}"]
        stale += cause_lines(approval.causes, indent=4)
    overrides = [
        f"  {one.override} of {one.phase}{_about(one.subject)} by {one.by}, until {one.until}: "
        + ("in force, " if one.in_force else "")
        + ("reviewed" if one.reviewed else "not reviewed")
        for one in status.overrides
    ]
    return {
        "Approvals that stand no more": stale,
        "Overrides": overrides,
        "Risks whose review is overdue": _names(status.overdue_risks),
        "Open incidents": _names(status.open_incidents),
        "Open triggers": _names(status.open_triggers),
        "Requests for approval that wait": _names(status.requests),
    }


def _about(subject: str | None) -> str:
    return f" for {subject}" if subject else ""


def _names(names: tuple[str, ...]) -> list[str]:
    return [f"  {', '.join(names)}"] if names else []
