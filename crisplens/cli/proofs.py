"""`crisplens audit head`, `timestamp`, `prove` and `check-proof`: what is kept elsewhere, and what is checked by it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crisplens.cli.files import check_place, read_bytes, read_text, write_file
from crisplens.cli.options import command, refuse_past, showing
from crisplens.cli.output import Output, emit
from crisplens.cli.progress import progress_line
from crisplens.cli.text import printable
from crisplens.core.errors import InputError
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry


@click.command()
@click.option("--sign", is_flag=True, help="Sign it with the log's key, as a C2SP tlog-checkpoint.")
@click.option("--output", metavar="FILE", help="Where to write it; else standard output.")
@command(on_project=False, as_of=True)
def head(registry: Registry, sign: bool, output: str | None) -> Output | None:
    """Show the tree head: the number of events and the RFC 6962 root hash over them.

    Keep it where the registry's operator cannot change it: `audit verify --against` finds by it whether a later
    log is its continuation.
    """
    if output is not None:
        check_place(Path(output))
    if sign:
        refuse_past(registry, "--sign", "Only the newest head is signed.")
        text = registry.audit.sign_head()
        found: object = {"note": text}
    else:
        found = registry.audit.head()
        text = f"{found.size} events\n{found.root}\n"
    if output is None:
        return Output(found, text.rstrip("\n"))
    write_file(Path(output), text)
    return Output(found, f"The tree head is in {output}.")


@click.command()
@click.option("--output", required=True, metavar="FILE", help="Where to write it, such as bundle.zip.")
@click.option("--all", "whole", is_flag=True, help="The whole registry, and not the project alone.")
@click.option(
    "--evidence", default="full", help="full (the default), or digests: without the files themselves."
)
@click.option("--force", is_flag=True, help="Write over FILE.")
@command(as_of=True)
def export(registry: Registry, output: str, whole: bool, evidence: str, force: bool) -> Output:
    """Write a bundle that anyone can check without crisplens: events, signed head, evidence, reports, verifier.

    With --as-of it holds the log up to that point. Check it: python verify_bundle.py FILE --key KEY
    """
    check_place(Path(output))
    with progress_line() as progress:
        made = registry.audit.export(output, whole=whole, evidence=evidence, force=force, progress=progress)
    of = f"project {made.project}" if made.project else "the whole registry"
    files = count(made.evidence, "evidence file")
    lines = [f"{output}: {of}, {count(made.events, 'event')} of a log of {made.size:,}, {files}."]
    if not made.signed:
        lines.append("Nothing in it is signed: there is no signing key here (crisplens key generate NAME).")
    lines += [f"Not in it, because the store does not have it: evidence {digest}" for digest in made.lost]
    return Output(made, "\n".join(lines))


@click.command()
@click.argument("thing")
@click.option(
    "--head", metavar="FILE", help="Prove it against this signed head; else against the newest, signed now."
)
@click.option("--output", metavar="FILE", help="Where to write it; else standard output.")
@command(as_json=False, as_of=False)
def prove(registry: Registry, thing: str, head: str | None, output: str | None) -> None:
    """Write a proof that an event is in the log, which anyone can check without the registry.

    THING is an event's number or id, or a checkpoint or approval of the project. The proof is a C2SP tlog-proof
    that holds the event, its audit path and the signed head.
    """
    if output is not None:
        check_place(Path(output))
    proof = registry.audit.prove(thing, head=read_text(Path(head)) if head else None)
    if output is None:
        emit(str(proof).encode().rstrip(b"\n"))
        return
    write_file(Path(output), str(proof))
    click.echo(printable(f"The proof of event {proof.index} is in {output}."), err=True)


@click.command("check-proof")
@click.argument("proof")
@click.option(
    "--key",
    "keys",
    multiple=True,
    required=True,
    metavar="KEY",
    help="The log's key, got elsewhere. Repeatable.",
)
@showing
def check_proof(proof: str, keys: tuple[str, ...]) -> Output:
    """Check a proof by its log's key alone, without any registry. Exits 1 when it proves nothing."""
    from crisplens.ledger.kept_heads import read_pinned_key
    from crisplens.ledger.notes import NoteError
    from crisplens.ledger.proofs import check_proof, parse_proof, read_note_head

    known = [read_pinned_key(key) for key in keys]
    text = read_text(Path(proof))
    try:
        read = parse_proof(text)
        signed_by = check_proof(read, known)
        head = read_note_head(read.note)
    except NoteError as error:
        return Output({"proven": False, "why": str(error)}, f"NO  {error}", exit_code=1)
    if not signed_by:
        why = "its head is signed by none of these keys"
        return Output({"proven": False, "why": why}, f"NO  {why}", exit_code=1)
    by = [key.id for key in signed_by]
    value = {"proven": True, "index": read.index, "size": head.size, "signed_by": by, "event": read.envelope}
    said = f"Event {read.index} is in the log of {head.size} events, signed by {' and '.join(by)}:\n{read.envelope}"
    return Output(value, printable(said))


@click.command()
@click.argument("head")
@click.option("--authority", metavar="URL", help="The time-stamp authority to ask, over HTTP.")
@click.option("--query-to", metavar="FILE", help="Write the request (.tsq), to be answered another way.")
@click.option("--response", metavar="FILE", help="Keep this answer (.tsr) to that request.")
@showing
def timestamp(head: str, authority: str | None, query_to: str | None, response: str | None) -> Output:
    """Have an RFC 3161 authority say that the tree head in the file HEAD existed by now, and keep it in HEAD.tsr.

    Check it with: crisplens audit verify --against HEAD --authority PEM
    """
    from crisplens.ledger.kept_heads import read_kept_head
    from crisplens.ledger.timestamps import SUFFIX, ask_authority, make_query, read_timestamp

    if [authority, query_to, response].count(None) != 2:
        hint = "Give one of --authority URL, --query-to FILE and --response FILE."
        raise InputError("it is not said how to get the time stamp", slug="bad-choice", hint=hint)
    read_kept_head(Path(head))
    content, kept = read_bytes(Path(head)), Path(f"{head}{SUFFIX}")
    if query_to is not None:
        write_file(Path(query_to), make_query(content))
        return Output({"query": query_to}, f"The request is in {query_to}; its answer: --response FILE.")
    answer = ask_authority(authority, content) if authority else read_bytes(Path(response or ""))
    stamp = read_timestamp(answer, content)
    write_file(kept, answer)
    value = {"file": str(kept), "time": stamp.time, "serial_number": str(stamp.serial_number)}
    return Output(
        value, f"{head} existed at {stamp.time:%Y-%m-%d %H:%M:%S} UTC, says the time stamp in {kept}."
    )
