"""`crisplens audit`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output, emit, is_terminal, mark
from crisplens.cli.text import day, printable

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.audit import Verification
    from crisplens.ledger.model import Envelope
    from crisplens.ledger.queries import EventFilter
    from crisplens.ledger.verdict import Progress

MOST_EVENTS = 2**53


@click.group()
def group() -> None:
    """The ledger: verify it, read it, take its head."""


@group.command()
@command(on_project=False)
def verify(registry: Registry) -> Output:
    """Check that nothing was altered. Exits 1 when something was, and names it.

    integrity: the events are those that were recorded; projection: the tables are what the events say;
    evidence: the kept files are those that were recorded.
    """
    with _progress() as progress:
        verification = registry.audit.verify(progress)
    return Output(
        {"passed": verification.passed, "head": verification.head, "verdicts": verification.verdicts},
        _verdicts(verification),
        exit_code=0 if verification.passed else 1,
    )


@group.command()
@command(on_project=False)
def head(registry: Registry) -> Output:
    """Show the tree head: the number of events and the RFC 6962 root hash over them.

    Keep it where the registry's operator cannot change it: a later log that is not its continuation is
    found by it.
    """
    found = registry.audit.head()
    return Output(found, f"{found.size} events\n{found.root}")


@group.command()
@click.option("--type", "type_", metavar="TYPE", help="Only events of this type, such as approval.decided.")
@click.option("--actor", "by", metavar="WHO", help="Only events that this actor recorded.")
@click.option("--since", metavar="TIME", help="Only events recorded from then on (ISO 8601).")
@click.option("--until", metavar="TIME", help="Only events recorded up to then.")
@click.option("--project", metavar="NAME", help="Only events of this project; else of all.")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the last N of these.")
@click.option("--follow", is_flag=True, help="Go on with new events as they come, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@command(on_project=False, as_json=False)
def log(
    registry: Registry,
    type_: str | None,
    by: str | None,
    since: str | None,
    until: str | None,
    project: str | None,
    last: int | None,
    follow: bool,
    as_json: bool,
) -> None:
    """List the events, oldest first."""
    wanted = _filter(registry, type_, by, since, until, project)
    found = registry.audit.log(wanted, last=None if last is None else min(last, MOST_EVENTS))
    for envelope in found:
        if not emit(_line(envelope, as_json=as_json)):
            return
    if follow:
        _follow(registry, wanted, after=found[-1].seq if found else -1, as_json=as_json)
    elif not found:
        click.echo("No event matches.", err=True)


def _filter(
    registry: Registry,
    type_: str | None,
    by: str | None,
    since: str | None,
    until: str | None,
    project: str | None,
) -> EventFilter:
    """What the options ask for. Raises `InputError` for a type or project that no event can have."""
    from crisplens.core.clock import parse_time, to_text
    from crisplens.core.names import unknown_name
    from crisplens.ledger.model import EVENT_TYPES
    from crisplens.ledger.queries import EventFilter

    types = {name for name, _ in EVENT_TYPES}
    if type_ is not None and type_ not in types:
        raise unknown_name("type of event", type_, types)
    if project is not None:
        registry.project.show(project)
    return EventFilter(
        project=project,
        type=type_,
        actor=by,
        since=to_text(parse_time(since)) if since else None,
        until=to_text(parse_time(until)) if until else None,
    )


def _follow(registry: Registry, wanted: EventFilter, *, after: int, as_json: bool) -> None:
    from crisplens.ledger.queries import follow_events

    try:
        for envelope in follow_events(lambda seq: registry.audit.log(wanted, after=seq), after=after):
            if not emit(_line(envelope, as_json=as_json)):
                return
    except KeyboardInterrupt:
        # The way to end it.
        return


def _line(envelope: Envelope, *, as_json: bool) -> str | bytes:
    import msgspec

    if as_json:
        return msgspec.json.encode(envelope)
    payload = msgspec.json.decode(envelope.payload)
    named = next((str(payload[key]) for key in ("id", "name", "phase", "digest") if payload.get(key)), "")
    if "version" in payload:
        named = f"{payload.get('dataset') or payload.get('model')}@{payload['version']}"
    columns = (
        f"{envelope.seq:>6}",
        day(envelope.recorded_at),
        f"{envelope.type:<24}",
        f"{envelope.project or '':<16}",
        f"{envelope.actor.id:<28}",
        " ".join(named.split()),
    )
    return printable("  ".join(columns)).rstrip()


def _verdicts(verification: Verification) -> str:
    lines = []
    for verdict in verification.verdicts:
        lines.append(f"{mark(verdict.passed)}  {verdict.name:<11} {verdict.checked}")
        lines += [f"      {finding.where}: {finding.what}" for finding in verdict.findings]
        if verdict.found > len(verdict.findings):
            lines.append(f"      and {verdict.found - len(verdict.findings):,} more")
    if verification.head:
        lines.append(f"Tree head: {verification.head.size} events, root {verification.head.root}")
    return "\n".join(lines)


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """A line on a terminal's standard error that counts and goes away; nothing in a pipe."""
    if not is_terminal(sys.stderr):
        yield None
        return
    try:
        yield lambda doing, count: click.echo(f"\r\x1b[K{doing}: {count:,}", nl=False, err=True)
    finally:
        click.echo("\r\x1b[K", nl=False, err=True)
