"""`crisplens audit`."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from crisplens.cli import proofs
from crisplens.cli.options import command, refuse_past
from crisplens.cli.output import Output, emit, mark
from crisplens.cli.progress import progress_line
from crisplens.cli.text import day, printable
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.audit import Verification
    from crisplens.changes.content import Difference
    from crisplens.ledger.model import Envelope
    from crisplens.ledger.queries import EventFilter

MOST_EVENTS = 2**53


@click.group()
def group() -> None:
    """The ledger: verify it, read it, take its head."""


for _command in (proofs.head, proofs.timestamp, proofs.prove, proofs.check_proof, proofs.export):
    group.add_command(_command)


@group.command()
@click.option(
    "--against",
    multiple=True,
    metavar="HEAD",
    help="A tree head, proof or bundle that was kept elsewhere: the log must be its continuation. Repeatable.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="KEY",
    help="A log key you were given; only these are roots. Repeatable.",
)
@click.option(
    "--authority",
    metavar="PEM",
    help="Root certificates: each kept HEAD must have a time stamp by them in HEAD.tsr.",
)
@command(on_project=False)
def verify(
    registry: Registry, against: tuple[str, ...], keys: tuple[str, ...], authority: str | None
) -> Output:
    """Check that nothing was altered. Exits 1 when something was, and names it.

    integrity: the events are those that were recorded; consistency: they continue the log whose head was kept;
    projection: the tables are what the events say; evidence: the kept files are those that were recorded;
    signatures: keys and approvals are vouched for; timestamps: the kept heads existed when they say so.
    """
    with progress_line() as progress:
        verification = registry.audit.verify(progress, against=against, keys=keys, authority=authority)
    return Output(
        {"passed": verification.passed, "head": verification.head, "verdicts": verification.verdicts},
        _verdicts(verification),
        exit_code=0 if verification.passed else 1,
    )


@group.command("correct-clock")
@click.option("--reason", required=True, help="What went wrong.")
@command(acts=True, on_project=False)
def correct_clock(registry: Registry, reason: str) -> Output:
    """Say that the log's last time is wrong and the clock is right, so that recording can go on."""
    recorded = registry.audit.correct_clock(reason)
    return Output(
        recorded.envelope, f"Event {recorded.seq}: recording goes on from {recorded.envelope.recorded_at}."
    )


@group.command()
@click.option("--type", "type_", metavar="TYPE", help="Only events of this type, such as approval.decided.")
@click.option("--actor", "by", metavar="WHO", help="Only events that this actor recorded.")
@click.option("--since", metavar="TIME", help="Only events recorded from then on (ISO 8601).")
@click.option("--until", metavar="TIME", help="Only events recorded up to then.")
@click.option("--project", metavar="NAME", help="Only events of this project; else of all.")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the last N of these.")
@click.option("--follow", is_flag=True, help="Go on with new events as they come, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@command(on_project=False, as_json=False, as_of=True)
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
    if follow:
        refuse_past(registry, "--follow", "Nothing new comes in the past.")
    wanted = _filter(registry, type_, by, since, until, project)
    found = registry.audit.log(wanted, last=None if last is None else min(last, MOST_EVENTS))
    for envelope in found:
        if not emit(_line(envelope, as_json=as_json)):
            return
    if follow:
        _follow(registry, wanted, after=found[-1].seq if found else -1, as_json=as_json)
    elif not found:
        click.echo("No event matches.", err=True)


@group.command()
@click.argument("a")
@click.argument("b", required=False)
@click.option("--project", metavar="NAME", help="Only what is this project's; else everything.")
@command(on_project=False)
def diff(registry: Registry, a: str, b: str | None, project: str | None) -> Output:
    """Tell what changed in the record between points A and B, in words; without B, until now.

    A point is an event's number, as `audit log` lists them, or a time (ISO 8601); the earlier comes first.
    """
    with progress_line() as progress:
        found = registry.audit.diff(a, b, project=project, progress=progress)
    return Output(found.changes, lambda: _changes(found))


def _changes(found: Difference) -> str:
    lines = [f"From {found.first} to {found.second}: {count(len(found.changes), 'change')}."]
    for project, of_project in groupby(found.changes, key=lambda one: one.project):
        lines += ["", f"Project {project}" if project else "The registry"]
        for what, of_kind in groupby(of_project, key=lambda one: one.what):
            lines.append(f"  {what}")
            lines += [f"    {' '.join(change.words.split())}" for change in of_kind]
    return "\n".join(lines)


def _filter(
    registry: Registry,
    type_: str | None,
    by: str | None,
    since: str | None,
    until: str | None,
    project: str | None,
) -> EventFilter:
    """What the options ask for. Raises `InputError` for a type or project that no event can have."""
    import crisplens.areas  # noqa: F401  (registers every event)
    from crisplens.core.clock import parse_time, to_text
    from crisplens.core.names import unknown_name
    from crisplens.ledger.model import EVENT_TYPES
    from crisplens.ledger.queries import EventFilter

    types = set(EVENT_TYPES)
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

    from crisplens.core.decoding import decode_json

    if as_json:
        return msgspec.json.encode(envelope)
    payload = decode_json(envelope.payload, dict[str, Any])
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
        lines += [f"      ({note.where}: {note.what})" for note in verdict.notes]
        if verdict.found > len(verdict.findings):
            lines.append(f"      and {verdict.found - len(verdict.findings):,} more")
    if verification.head:
        lines.append(f"Tree head: {verification.head.size} events, root {verification.head.root}")
    return "\n".join(lines)
