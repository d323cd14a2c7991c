"""`crisplens key`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crisplens.cli.files import read_text
from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.cli.text import day
from crisplens.core.errors import InputError

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = "There is no key yet: crisplens key generate NAME"


@click.group()
def group() -> None:
    """Keys: whose signatures on tree heads and approvals count."""


@group.command()
@click.argument("name")
@click.option(
    "--key-file", metavar="FILE", help="Where to write the private key; else where signing_key says."
)
@command(acts=True, on_project=False)
def generate(registry: Registry, name: str, key_file: str | None) -> Output:
    """Make the private key that signs this log's tree heads, in a new file with mode 0600.

    NAME says which log it is, such as example.org/registry. To rotate, name a new file: the key in use endorses
    the new one.
    """
    key = registry.key.generate(name, key_file=key_file)
    file = key_file or registry.configuration.signing_key
    lines = [f"{key.id} is trusted from event {key.seq} on; its private half is in {file}.", key.public_key]
    root = next(one for one in registry.key.list() if one.purpose == key.purpose)
    if root.id == key.id:
        lines.append("Give the line above to auditors by another way than this registry, for --key.")
    else:
        lines.append(f"Auditors go on with the first key, {root.id}, which vouches for this one.")
    if key_file and key_file != registry.configuration.signing_key:
        lines.append(
            f"To sign with it: signing_key = {key_file!r} in crisplens.toml, or CRISPLENS_SIGNING_KEY."
        )
    return Output(key, "\n".join(lines))


@group.command()
@click.argument("key")
@click.option("--for", "owner", metavar="WHO", help="Whose SSH key it is: the identity that approvals carry.")
@command(acts=True, on_project=False)
def trust(registry: Registry, key: str, owner: str | None) -> Output:
    """Let signatures of a public key count.

    KEY is an OpenSSH public key (Ed25519) or its .pub file, with --for; or another log key (NAME+HASH+KEY). The
    log's signing key endorses it.
    """
    text = _text_of(key)
    # A log's key is one word, and its name is the owner; an SSH key is several.
    if owner is not None and len(text.split()) == 1 and "+" in text:
        raise InputError(
            "--for does nothing with the key of a log, which names its log itself",
            slug="bad-choice",
            hint="Leave --for out, or give an SSH key.",
        )
    trusted = registry.key.trust(text, owner=owner)
    return Output(trusted, f"{trusted.id} of {trusted.owner} is trusted from event {trusted.seq} on.")


@group.command()
@click.argument("key")
@click.option("--reason", required=True, help="Why: rotated, lost, left.")
@command(acts=True, on_project=False)
def revoke(registry: Registry, key: str, reason: str) -> Output:
    """Let signatures of a key count no more. KEY is its id or the beginning of it.

    What it signed before stays signed.
    """
    revoked = registry.key.revoke(key, reason=reason)
    return Output(
        revoked, f"{revoked.id} of {revoked.owner} counts no more from event {revoked.revoked_seq} on."
    )


@group.command("list")
@command(on_project=False, as_of=True)
def list_(registry: Registry) -> Output:
    """List the keys, revoked ones too."""
    keys = registry.key.list()
    rows = [
        (
            one.id,
            one.purpose,
            one.owner,
            one.public_key,
            day(one.recorded_at),
            f"{day(one.revoked_at)}: {one.revoked_reason}" if one.revoked_at else "",
        )
        for one in keys
    ]
    columns = ("Key", "For", "Of", "Public key", "Trusted", "Revoked")
    return Output.table(keys, columns, rows, empty=NONE_YET)


def _text_of(key: str) -> str:
    """A public key's text, from itself or from the file that holds it. Raises `InputError`."""
    if " " in key or "+" in key:
        return key
    try:
        path = Path(key).expanduser()
        return read_text(path) if path.exists() else key
    # A text that no file can be named by, or a home that nobody has.
    except (OSError, RuntimeError):
        return key
