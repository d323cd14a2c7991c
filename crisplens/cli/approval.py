"""`crisplens approval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crisplens.cli.files import read_text, write_file
from crisplens.cli.options import command
from crisplens.cli.output import Output, emit
from crisplens.cli.text import day
from crisplens.core.errors import InputError

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = "Nothing is decided yet: crisplens approval grant PHASE"


@click.group()
def group() -> None:
    """Approvals: decisions on checkpoints by someone else."""


_model_option = click.option(
    "--model", metavar="MODEL@VERSION", help="The version whose checkpoint is meant; else the newest."
)
_sign_option = click.option(
    "--sign", "key", metavar="KEY", help="Sign it with this SSH key file (the .pub file: by your agent)."
)
_signature_option = click.option(
    "--signature", metavar="FILE", help="The signature that ssh-keygen made of `approval statement`."
)


@group.command()
@click.argument("phase")
@click.option("--reason", default="", help="Why, if there is something to say.")
@_model_option
@_sign_option
@_signature_option
@command(acts=True)
def grant(
    registry: Registry, phase: str, reason: str, model: str | None, key: str | None, signature: str | None
) -> Output:
    """Approve PHASE's checkpoint, exactly as it and what it rests on stand now.

    The author of a checkpoint cannot; the gate's other rules must be met.
    """
    made = _signature(registry, phase, "approved", reason, model, key, signature)
    approval = registry.approval.grant(phase, reason=reason, model=model, signature=made)
    what = f"{approval.checkpoint} ({approval.phase}, {approval.checkpoint_digest[:19]}…)"
    signed = " and signed it" if approval.signature else ""
    return Output(approval, f"{approval.id}: {approval.recorded_by} approved {what}{signed}.")


@group.command()
@click.argument("phase")
@click.option("--reason", required=True, help="Why.")
@_model_option
@_sign_option
@_signature_option
@command(acts=True)
def reject(
    registry: Registry, phase: str, reason: str, model: str | None, key: str | None, signature: str | None
) -> Output:
    """Refuse to approve PHASE's checkpoint, and say why."""
    made = _signature(registry, phase, "rejected", reason, model, key, signature)
    approval = registry.approval.reject(phase, reason=reason, model=model, signature=made)
    what = f"{approval.checkpoint} ({approval.phase})"
    signed = " and signed it" if approval.signature else ""
    return Output(approval, f"{approval.id}: {approval.recorded_by} rejected {what}{signed}.")


@group.command()
@click.argument("phase")
@click.option("--decision", default="approved", help="approved (the default) or rejected.")
@click.option("--reason", default="", help="The reason that will be given with the decision.")
@_model_option
@command(acts=True, as_json=False)
def statement(registry: Registry, phase: str, decision: str, reason: str, model: str | None) -> None:
    """Print what is signed when the actor decides on PHASE's checkpoint as it stands now.

    Sign it elsewhere with: ssh-keygen -Y sign -n crisplens-approval -f KEY FILE, and pass FILE.sig as --signature
    with the same decision, reason and actor.
    """
    emit(registry.approval.statement(phase, decision=decision, reason=reason, model=model).message().rstrip())


@group.command()
@click.argument("approval")
@click.option(
    "--message-to", metavar="FILE", help="Write the text that was signed, for ssh-keygen -Y verify."
)
@click.option("--signature-to", metavar="FILE", help="Write the signature.")
@command()
def show(registry: Registry, approval: str, message_to: str | None, signature_to: str | None) -> Output:
    """Show a decision, and what its approver signed."""
    shown = registry.approval.show(approval)
    if shown.message is None and (message_to or signature_to):
        raise InputError(
            f"{approval} is not signed", slug="not-signed", hint="See `crisplens approval list`."
        )
    for file, text in ((message_to, shown.message), (signature_to, shown.signature)):
        if file is not None and text is not None:
            write_file(Path(file), text)
    one = shown.approval
    lines = [
        f"{one.id}: {one.recorded_by} {one.decision} {one.checkpoint} ({one.phase}), {day(one.recorded_at)}"
    ]
    lines += [f"Reason: {one.reason}"] if one.reason else []
    lines += (
        [shown.message.rstrip(), shown.signature.rstrip()]
        if shown.message and shown.signature
        else ["Unsigned."]
    )
    return Output(shown, "\n".join(lines))


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's decisions on checkpoints."""
    approvals = registry.approval.list()
    rows = [
        (
            one.id,
            one.decision,
            one.checkpoint,
            one.phase,
            one.cycle,
            f"{one.recorded_by} (signed)" if one.signature else one.recorded_by,
            one.reason,
            day(one.recorded_at),
        )
        for one in approvals
    ]
    columns = ("Approval", "Decision", "Checkpoint", "Phase", "Cycle", "By", "Reason", "Decided")
    return Output.table(approvals, columns, rows, empty=NONE_YET)


def _signature(
    registry: Registry,
    phase: str,
    decision: str,
    reason: str,
    model: str | None,
    key: str | None,
    file: str | None,
) -> str | None:
    """The signature to record, if any: made now, or read from a file. Raises `InputError`."""
    if key is not None and file is not None:
        raise InputError(
            "--sign and --signature exclude each other", slug="bad-choice", hint="Give one of them."
        )
    if key is not None:
        return registry.approval.sign(phase, key, decision=decision, reason=reason, model=model)
    return None if file is None else read_text(Path(file))
