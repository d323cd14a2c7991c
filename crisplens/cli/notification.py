"""`crisplens notification`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.cli.text import day
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.nouns.notifications import Told

NO_CHANNEL = "There is no channel: write a table [notifications.NAME] into crisplens.toml."


@click.group()
def group() -> None:
    """Notifications: who is told of incidents and triggers."""


@group.command()
@command(on_project=False)
def channels(registry: Registry) -> Output:
    """List the channels of crisplens.toml."""
    found = registry.notification.channels()
    rows = [(one.name, one.kind, one.target, ", ".join(one.notices) or "all") for one in found]
    return Output.table(found, ("Channel", "Kind", "Goes to", "Notices"), rows, empty=NO_CHANNEL)


@group.command()
@command(on_project=False)
def deliver(registry: Registry) -> Output:
    """Tell what happened since the last time, and try again what could not be told.

    Exits 3 when something could not be sent; it is tried again, and kept when it is given up.
    """
    told = registry.notification.deliver()
    failed = any(one.state != "delivered" for one in told.deliveries)
    return Output(told, lambda: told_text(told) or "Nothing is to be told.", exit_code=3 if failed else 0)


@group.command("list")
@click.option("--dead", is_flag=True, help="Only those that were given up.")
@command(on_project=False)
def list_(registry: Registry, dead: bool) -> Output:
    """List deliveries: what was told, what waits, what was given up."""
    found = registry.notification.list(dead=dead)
    rows = [
        (
            one.id,
            one.channel,
            one.state,
            str(one.attempts),
            one.last_error,
            day(one.next_attempt or one.closed_at),
        )
        for one in found
    ]
    columns = ("Delivery", "Channel", "State", "Attempts", "Last error", "Next or closed")
    return Output.table(found, columns, rows, empty="Nothing has been told.")


@group.command()
@click.argument("delivery", metavar="ID")
@command(on_project=False)
def retry(registry: Registry, delivery: str) -> Output:
    """Give delivery ID, which was given up, all its attempts again."""
    one = registry.notification.retry(delivery)
    return Output(one, f"{one.id} is tried again by the next `crisplens notification deliver`.")


@group.command()
@click.argument("channel")
@command(on_project=False)
def test(registry: Registry, channel: str) -> Output:
    """Send a test through CHANNEL now."""
    one = registry.notification.test(channel)
    return Output(one, f"{one.name} took it.")


def told_text(told: Told) -> str:
    """What a run told, a line for each delivery that failed; empty when there was nothing to tell."""
    lines = [f"{one.channel}: {one.state}. {one.last_error}" for one in told.deliveries if one.last_error]
    sent = sum(one.state == "delivered" for one in told.deliveries)
    return "\n".join([*lines, f"{count(sent, 'notice')} delivered."]) if told.deliveries else ""
