"""`crisplens schedule`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.cli.text import day
from crisplens.core.errors import InputError

if TYPE_CHECKING:
    from crisplens.api import Registry

# What is exported there names a container image.
IMAGED = "kubernetes"
NONE_YET = "No monitor has a schedule: crisplens monitor change NAME --schedule '0 6 * * *' --reason WHY"


@click.group()
def group() -> None:
    """Schedules: when monitors are checked, and who calls them."""


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the monitors that have a schedule: when they were checked, and when they are due."""
    plans = registry.schedule.list()
    rows = [
        (one.monitor, one.schedule, one.zone, day(one.last_check), day(one.due or one.next)) for one in plans
    ]
    columns = ("Monitor", "Schedule", "Zone", "Last check", "Due")
    return Output.table(plans, columns, rows, empty=NONE_YET)


@group.command()
@click.argument("monitor")
@click.option("--to", "target", required=True, help="cron, systemd, kubernetes, airflow or github.")
@click.option("--image", default="", help="The container image, for kubernetes.")
@click.option("--output", metavar="FOLDER", help="Write the files there; else they are printed.")
@command()
def export(registry: Registry, monitor: str, target: str, image: str, output: str | None) -> Output:
    """Write what makes another scheduler run MONITOR when it is due."""
    if image and target != IMAGED:
        raise InputError(
            f"--image does nothing with --to {target[:60]}",
            slug="bad-choice",
            hint=f"It is for --to {IMAGED}. Leave it out.",
        )
    files = registry.schedule.export(monitor, to=target, image=image)
    if output is None:
        return Output(files, "\n".join(text.rstrip("\n") for text in files.values()))
    from crisplens.core.files import write_whole

    for name, text in files.items():
        write_whole(Path(output, name), text)
    return Output(files, "\n".join(f"{Path(output, name)} is written." for name in files))
