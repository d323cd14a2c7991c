"""`crisplens registry`: whole registries moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import check_directory, directory_option, registry_option, showing
from crisplens.cli.output import Output
from crisplens.cli.progress import progress_line
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.ledger.queries import TreeHead
    from crisplens.transfer import Backup, Copied, Restored


@click.group()
def group() -> None:
    """The whole registry: copy it, back it up, restore it."""


@group.command()
@click.argument("from_", metavar="FROM")
@click.argument("to")
@click.option("--no-verify", is_flag=True, help="Compare the tree heads at the end, and verify nothing more.")
@showing
def copy(from_: str, to: str, no_verify: bool) -> Output:
    """Copy the registry at URL FROM into the database at URL TO, and verify it there.

    The events are replayed byte for byte, so that both have the same tree head. TO is empty, or holds an earlier
    copy: an interrupted copy goes on where it was. Evidence files stay where they are.
    """
    from crisplens.transfer import copy_registry

    with progress_line() as progress:
        done = copy_registry(from_, to, verify=not no_verify, progress=progress)
    return Output(done, _copied(done))


@group.command()
@click.argument("file")
@click.option("--force", is_flag=True, help="Write over FILE if it is there.")
@registry_option
@directory_option
@showing
def backup(file: str, force: bool, registry: str | None, directory: str | None) -> Output:
    """Write the registry, which is on SQLite, to FILE, and verify what was written. Others may write meanwhile.

    FILE is all there is to keep of the database; evidence files and keys are elsewhere.
    """
    from crisplens.transfer import backup_registry

    check_directory(directory)
    with progress_line() as progress:
        done = backup_registry(file, registry=registry, folder=directory, overwrite=force, progress=progress)
    return Output(done, _backed_up(done))


@group.command()
@click.argument("file")
@click.option("--replace", is_flag=True, help="Move the registry that is there aside; it is kept.")
@registry_option
@directory_option
@showing
def restore(file: str, replace: bool, registry: str | None, directory: str | None) -> Output:
    """Put the backup FILE where the registry belongs, once it is verified.

    Exits 1 when the backup fails verification.
    """
    from crisplens.transfer import restore_registry

    check_directory(directory)
    with progress_line() as progress:
        done = restore_registry(file, registry=registry, folder=directory, replace=replace, progress=progress)
    return Output(done, _restored(done))


def _copied(done: Copied) -> str:
    before = f" ({done.present:,} were there before)" if done.present else ""
    lines = [f"{done.target}: {count(done.copied, 'event')} copied{before}."]
    if done.appended:
        came = f"{count(done.appended, 'event')} came to {done.source} meanwhile"
        lines.append(f"{came}: the same command copies what is new.")
    checked = "verified" if done.verified else "not verified"
    lines.append(f"{_head(done.head)}, the same in both; {checked}.")
    lines.append("Evidence files stay where they are: crisplens evidence copy TO copies them.")
    return "\n".join(lines)


def _backed_up(done: Backup) -> str:
    return f"{done.file}: {done.size:,} bytes, schema {done.revision}, verified.\n{_head(done.head)}."


def _restored(done: Restored) -> str:
    lines = [f"{done.file} is restored. {_head(done.head)}."]
    if old := done.replaced:
        lines.append(f"The registry that was there is kept: {old.kept}")
        if old.head is None:
            lines.append("It could not be read, so nobody can say what the backup lacks.")
        elif old.lost is None:
            lines.append(
                f"Its log of {count(old.head.size, 'event')} was another one, not the backup's continued."
            )
        elif old.lost:
            lines.append(f"The backup lacks {count(old.lost, 'event')} that it had.")
    if not done.current:
        lines.append(f"Its schema is {done.revision}. Next: crisplens db upgrade")
    return "\n".join(lines)


def _head(head: TreeHead) -> str:
    return f"Tree head: {count(head.size, 'event')}, root {head.root}"
