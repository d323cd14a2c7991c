"""`crisplens approval`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crisplens.cli.files import read_text, write_file
from crisplens.cli.options import command, many
from crisplens.cli.output import Output, emit
from crisplens.cli.text import day
from crisplens.core.errors import InputError

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.lifecycle.inbox import InboxItem

NONE_YET = "Nothing is decided yet: crisplens approval grant PHASE"
NONE_ASKED = "Nobody has asked for an approval yet: crisplens approval request PHASE"
NONE_DELEGATED = "Nothing is delegated: crisplens approval delegate WHO --until DAY --reason WHY"


@click.group()
def group() -> None:
    """Approvals: decisions on checkpoints by someone else."""


_model_option = click.option(
    "--model", metavar="MODEL@VERSION", help="The version whose checkpoint is meant; else the newest."
)


def _signed(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a decision: the version that is meant, and how it is signed."""
    options = (
        _model_option,
        click.option(
            "--sign",
            "key",
            metavar="KEY",
            help="Sign it with this SSH key file (the .pub file: by your agent).",
        ),
        click.option(
            "--signature",
            metavar="FILE",
            help="The signature that ssh-keygen made of `approval statement`.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@group.command()
@click.argument("phase")
@many("--to", "approvers", metavar="WHO", help="Who is asked; else everyone who may approve.")
@click.option("--until", metavar="DAY", help="The last day to answer, such as 2026-03-01.")
@click.option("--note", default="", help="What is to be said to them.")
@_model_option
@command(acts=True)
def request(
    registry: Registry,
    phase: str,
    approvers: tuple[str, ...],
    until: str | None,
    note: str,
    model: str | None,
) -> Output:
    """Ask for PHASE's checkpoint to be approved, exactly as it and what it rests on stand now."""
    asked = registry.approval.request(phase, approvers=approvers, until=until, note=note, model=model)
    whom = f" of {', '.join(asked.approvers)}" if asked.approvers else ""
    until_day = f", until {asked.until}" if asked.until else ""
    text = f"{asked.id}: the approval of {asked.checkpoint} ({asked.phase}) is asked for{whom}{until_day}."
    return Output(asked, f"{text}\nIt waits in their `crisplens approval inbox`.")


@group.command()
@click.argument("phase")
@click.option("--reason", default="", help="Why, if there is something to say.")
@_signed
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
@_signed
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


@group.command("request-changes")
@click.argument("phase")
@click.option("--reason", required=True, help="What has to change.")
@_signed
@command(acts=True)
def request_changes(
    registry: Registry, phase: str, reason: str, model: str | None, key: str | None, signature: str | None
) -> Output:
    """Say what has to change before PHASE's checkpoint can be approved."""
    made = _signature(registry, phase, "changes-requested", reason, model, key, signature)
    approval = registry.approval.request_changes(phase, reason=reason, model=model, signature=made)
    what = f"{approval.checkpoint} ({approval.phase})"
    signed = " and signed it" if approval.signature else ""
    return Output(approval, f"{approval.id}: {approval.recorded_by} asked for changes to {what}{signed}.")


@group.command()
@click.argument("approval", metavar="ID")
@click.option("--reason", required=True, help="Why.")
@command(acts=True)
def withdraw(registry: Registry, approval: str, reason: str) -> Output:
    """Take back a decision or a request of your own: ID is the approval's or the request's."""
    taken = registry.approval.withdraw(approval, reason=reason)
    return Output(taken, f"{taken.id} is withdrawn: {taken.withdrawn_reason}")


@group.command()
@click.argument("phase")
@click.option("--decision", default="approved", help="approved (the default), rejected or changes-requested.")
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
    if one.withdrawn_at:
        lines.append(f"Withdrawn by {one.withdrawn_by}, {day(one.withdrawn_at)}: {one.withdrawn_reason}")
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
            f"{one.decision} (withdrawn)" if one.withdrawn_at else one.decision,
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


@group.command()
@click.argument("who")
@click.option("--until", required=True, metavar="DAY", help="The last day, such as 2026-03-01.")
@click.option("--reason", required=True, help="Why.")
@many("--phase", "phases", metavar="PHASE", help="A phase that they decide on; else all of yours.")
@command(acts=True)
def delegate(registry: Registry, who: str, until: str, reason: str, phases: tuple[str, ...]) -> Output:
    """Let WHO decide on checkpoints in your place until the end of a day. You are an approver yourself."""
    made = registry.approval.delegate(who, until=until, reason=reason, phases=phases)
    where = f" on {', '.join(made.phases)}" if made.phases else ""
    return Output(made, f"{made.id}: {made.to} decides{where} for {made.recorded_by} until {made.until}.")


@group.command("end-delegation")
@click.argument("delegation", metavar="ID")
@click.option("--reason", required=True, help="Why.")
@command(acts=True)
def end_delegation(registry: Registry, delegation: str, reason: str) -> Output:
    """Take back delegation ID before its end."""
    ended = registry.approval.end_delegation(delegation, reason=reason)
    return Output(ended, f"{ended.id} is ended: {ended.to} decides no more for {ended.recorded_by}.")


@group.command()
@click.option("--actor", metavar="WHO", help="Whose; else that of whom the configuration names.")
@click.option("--project", metavar="NAME", help="What waits in this project; else in all.")
@click.option("--of", hidden=True, metavar="NAME", help="The older name of --project.")
@command(on_project=False)
def inbox(registry: Registry, actor: str | None, project: str | None, of: str | None) -> Output:
    """Show what waits for a person's decision, in every project."""
    whose = registry.acting_as(actor) if actor is not None else registry
    items = whose.approval.inbox(project=project or of)
    empty = f"Nothing waits for {whose.actor.id}."
    default = registry.configuration.project
    return Output(items, lambda: "\n".join(_waiting(one, default) for one in items) or empty)


@group.command()
@command()
def requests(registry: Registry) -> Output:
    """List the project's requests for approval; those that wait can still be answered."""
    asked = registry.approval.requests()
    waiting = registry.status.show().requests if asked else ()
    rows = [
        (
            one.id,
            "withdrawn" if one.withdrawn_at else "waits" if one.id in waiting else "closed",
            one.checkpoint,
            one.phase,
            one.subject,
            ", ".join(one.approvers),
            one.until,
            one.note,
            one.recorded_by,
            day(one.recorded_at),
        )
        for one in asked
    ]
    columns = ("Request", "State", "Checkpoint", "Phase", "About", "Of", "Until", "Note", "By", "Asked")
    return Output.table(asked, columns, rows, empty=NONE_ASKED)


@group.command()
@command()
def delegations(registry: Registry) -> Output:
    """List who decides on checkpoints for whom, and until when."""
    found = registry.approval.delegations()
    rows = [
        (
            one.id,
            one.recorded_by,
            one.to,
            ", ".join(one.phases) or "all",
            f"ended {day(one.withdrawn_at)}: {one.withdrawn_reason}" if one.withdrawn_at else one.until,
            one.reason,
            day(one.recorded_at),
        )
        for one in found
    ]
    columns = ("Delegation", "Of", "To", "Phases", "Until", "Reason", "Made")
    return Output.table(found, columns, rows, empty=NONE_DELEGATED)


def _waiting(item: InboxItem, default: str | None) -> str:
    """A request in an inbox, what is to be known before it is answered, and the command that answers it."""
    request = item.request
    about = f" for {request.subject}" if request.subject else ""
    until = f", until {request.until}" if request.until else ""
    note = f": {request.note}" if request.note else ""
    lines = [
        f"{item.project}  {request.id}  {request.phase}{about}: {request.checkpoint}",
        f"    asked by {request.recorded_by}, {day(request.recorded_at)}{until}{note}",
    ]
    lines += [f"    changed since: {', '.join(item.outdated)}"] if item.outdated else []
    lines += [f"    not met yet: {'; '.join(item.unmet)}"] if item.unmet else []
    elsewhere = f" --project {item.project}" if item.project != default else ""
    return "\n".join([*lines, f"    {item.command}{elsewhere}"])


def _signature(
    registry: Registry,
    phase: str,
    decision: str,
    reason: str,
    model: str | None,
    key: str | None,
    file: str | None,
) -> str | None:
    """The signature to record, if any: made now, or read from a file."""
    if key is not None:
        return registry.approval.sign(phase, key, decision=decision, reason=reason, model=model)
    return None if file is None else read_text(Path(file))
