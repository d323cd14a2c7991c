"""`crisplens role`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command, many
from crisplens.cli.output import Output
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = "Nobody has a role yet, so everyone may do everything: crisplens role grant WHO administrator"
IN_USE = "From now on what is recorded in this project needs a role: see `crisplens role list`."


@click.group()
def group() -> None:
    """Roles: who may record, decide and review in a project."""


@group.command()
@click.argument("who")
@click.argument("role")
@many("--phase", "phases", metavar="PHASE", help="A phase that an approver decides on; else all.")
@click.option("--reason", default="", help="Why, if there is something to say.")
@command(acts=True)
def grant(registry: Registry, who: str, role: str, phases: tuple[str, ...], reason: str) -> Output:
    """Give WHO a ROLE: viewer, contributor, approver, auditor or administrator.

    The first one of a project makes an administrator; from then on what is recorded needs a role.
    """
    held = registry.role.grant(who, role, phases=phases, reason=reason)
    where = f" for {', '.join(held.phases)}" if held.phases else ""
    text = f"{held.id}: {held.person} holds the role {held.role}{where}."
    return Output(held, f"{text}\n{IN_USE}" if len(registry.role.list()) == 1 else text)


@group.command()
@click.argument("role", metavar="ID")
@click.option("--reason", required=True, help="Why.")
@command(acts=True)
def withdraw(registry: Registry, role: str, reason: str) -> Output:
    """Take back the role that was granted as ID. What was decided by it stands."""
    taken = registry.role.withdraw(role, reason=reason)
    return Output(taken, f"{taken.id} is withdrawn: {taken.person} is no {taken.role} any more.")


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's roles, withdrawn ones too."""
    roles = registry.role.list()
    rows = [
        (
            one.id,
            one.person,
            one.role,
            ", ".join(one.phases) or "all",
            f"withdrawn by {one.withdrawn_by}: {one.withdrawn_reason}" if one.withdrawn_at else "in force",
            one.reason,
            one.recorded_by,
            day(one.recorded_at),
        )
        for one in roles
    ]
    columns = ("Id", "Who", "Role", "Phases", "State", "Reason", "By", "Granted")
    return Output.table(roles, columns, rows, empty=NONE_YET)
