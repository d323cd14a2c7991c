"""`crisplens evidence`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crisplens.cli.files import check_place
from crisplens.cli.options import command
from crisplens.cli.output import Output, emit, mark
from crisplens.cli.progress import progress_line
from crisplens.cli.text import day
from crisplens.core.errors import InputError
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = "There is no evidence yet: crisplens evidence add FILE"


@click.group()
def group() -> None:
    """Evidence files, kept by their content's SHA-256."""


@group.command()
@click.argument("file")
@command(acts=True)
def add(registry: Registry, file: str) -> Output:
    """Keep FILE as evidence of the project."""
    kept = registry.evidence.add(file)
    return Output(kept, f"{kept.name}: {kept.size:,} bytes, {kept.digest}")


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's evidence."""
    kept = registry.evidence.list()
    rows: list[tuple[str, ...]] = [
        (
            one.name,
            f"{one.size:,}",
            one.digest,
            one.recorded_by,
            day(one.recorded_at),
            "redacted" if one.redaction else one.fault or "",
        )
        for one in kept
    ]
    columns: tuple[str, ...] = ("File", "Bytes", "Digest", "By", "Recorded", "")
    if not any(one.redaction or one.fault for one in kept):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return Output.table(kept, columns, rows, empty=NONE_YET)


@group.command()
@click.argument("which")
@command()
def show(registry: Registry, which: str) -> Output:
    """Show what is recorded of evidence WHICH: its name, or 8 or more digits of its digest."""
    one = registry.evidence.show(which)
    lines = [
        f"{one.name}, {one.media_type}, {one.size:,} bytes",
        one.digest,
        f"Recorded by {one.recorded_by} on {day(one.recorded_at)}.",
    ]
    if one.redaction:
        lines.append(f"Content {one.redaction}")
    if one.fault:
        lines.append(f"When it was last checked: {one.fault}")
    return Output(one, "\n".join(lines))


@group.command()
@click.argument("which")
@click.option("--output", metavar="FILE", help="Where to write it; else standard output.")
@click.option("--force", is_flag=True, help="Write over FILE if it is there.")
@click.option("--json", "as_json", is_flag=True, help="With --output: print JSON for programs.")
@command(as_json=False, as_of=False)
def get(registry: Registry, which: str, output: str | None, force: bool, as_json: bool) -> None:
    """Write the content of evidence WHICH, checked: its name, or 8 or more digits of its digest."""
    from crisplens.cli.output import show as print_output

    if output is None:
        if as_json:
            said = "--json needs --output: the content itself is no JSON"
            raise InputError(said, slug="bad-choice", hint="`crisplens evidence show` describes it as JSON.")
        emit(registry.evidence.get(which), newline=False)
        return
    check_place(Path(output))
    kept = registry.evidence.save(which, output, overwrite=force)
    text = f"{kept.name} is in {output} ({kept.size:,} bytes, {kept.digest})."
    print_output(Output({"output": output, "evidence": kept}, text), as_json=as_json)


@group.command()
@command(acts=True)
def check(registry: Registry) -> Output:
    """Read all of the project's evidence and record what is damaged or gone, and what is back.

    What was approved on it is stale until it is back. Exits 1 when something is damaged or gone.
    """
    faults, known = registry.evidence.check(), registry.evidence.list()
    if faults:
        lines = [f"{len(faults)} of {count(len(known), 'evidence file')} not as recorded:"]
        lines += [f"  {mark(False)}  {one.name}: {one.fault} ({one.digest})" for one in faults]
    else:
        lines = [f"{count(len(known), 'evidence file')}, as recorded."]
    value = {"checked": len(known), "faults": faults}
    return Output(value, "\n".join(lines), exit_code=1 if faults else 0)


@group.command()
@click.argument("which")
@click.option("--reason", required=True, metavar="TEXT", help="Why its content must be forgotten.")
@command(acts=True)
def redact(registry: Registry, which: str, reason: str) -> Output:
    """Remove the content of evidence WHICH for good: its name, or 8 or more digits of its digest.

    The digest and the reason stay in the record, and every project that has the same content is concerned.
    Backups, copies and versions that the store keeps by itself are not reached.
    """
    done = registry.evidence.redact(which, reason=reason)
    where = f"in {count(len(done.projects), 'project')}" if done.projects else "before"
    gone = "its content is removed" if done.removed else "its content was gone already"
    return Output(done, f"{done.evidence.name} was redacted {where}, and {gone}: {done.evidence.digest}")


@group.command()
@click.argument("to")
@command(on_project=False)
def copy(registry: Registry, to: str) -> Output:
    """Copy the evidence of every project to the store TO (a folder or URL), and check all of it there.

    What is there already is not copied again, so an interrupted copy goes on where it was.
    """
    with progress_line() as progress:
        done = registry.evidence.copy(to, progress)
    redacted = f", {done.redacted} redacted and left out" if done.redacted else ""
    said = f"{done.to}: {done.copied} copied, {done.present} there before{redacted}; all of them checked."
    return Output(done, f"{said}\nTo keep evidence there from now on, set evidence in crisplens.toml to it.")
