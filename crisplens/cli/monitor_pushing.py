"""`crisplens monitor push` and `close`: rows that are pushed, and the windows that they are counted in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.monitor_checks import FOUND, check_line, exit_code, zones_of
from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.nouns.streaming import Pushed


@click.command()
@click.argument("name")
@click.argument("file", default="-", metavar="[FILE]")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["csv", "jsonl", "json", "parquet", "arrow"]),
    help="What it holds; else by its name, and JSON lines from standard input.",
)
@click.option("--batch", metavar="ID", help="The same ID again changes nothing.")
@click.option("--close", "close_", is_flag=True, help="Check the open windows afterwards, complete or not.")
@click.option("--fail-on", type=click.Choice(["drift"]), help="Exit 1 when a window that closes has drifted.")
@command(acts=True)
def push(
    registry: Registry,
    name: str,
    file: str,
    format_: str | None,
    batch: str | None,
    close_: bool,
    fail_on: str | None,
) -> Output:
    """Count the rows of FILE, or of standard input, in the open windows of monitor NAME.

    A window that is complete with them is checked. Rows that lack a watched column, or have another type in it, are
    refused, all of the file's, with exit code 2. With exit code 3 and a text that says so they are taken in, and only
    a check is left to be made.
    """
    from crisplens.monitors.window_names import window_zone

    content, found = _read_batch(file, format_)
    done = registry.monitor.push(name, content, format=found, batch=batch or "", close=close_)
    drifted = any(one.check.result.verdict in FOUND for one in done.checks)
    if done.failure:
        click.echo(done.failure, err=True)
    zone = window_zone(registry.monitor.get(name).windows)
    return Output(
        done,
        lambda: _pushed_text(done, zone),
        exit_code=3 if done.failure else 1 if drifted and fail_on else 0,
    )


@click.command()
@click.argument("name")
@click.option("--fail-on", type=click.Choice(["drift"]), help="Exit 1 when the verdict is drift.")
@command(acts=True)
def close(registry: Registry, name: str, fail_on: str | None) -> Output:
    """Check what was pushed to monitor NAME, complete or not, and begin another window.

    Exits 2 when data could not be judged, as `monitor run` does.
    """
    done = registry.monitor.close(name)
    zones = zones_of(registry, done.checks)
    return Output(
        done,
        lambda: "\n".join(check_line(one, zones) for one in done.checks),
        exit_code=max(exit_code(one, fail_on) for one in done.checks),
    )


def _read_batch(file: str, format_: str | None) -> tuple[bytes, str]:
    import sys

    from crisplens.core.canonical import unreadable
    from crisplens.monitors.streaming.reading import format_of_batch, read_bounded

    if file == "-":
        return read_bounded(sys.stdin.buffer), format_ or "jsonl"
    found = format_ or format_of_batch(file)
    try:
        with open(file, "rb") as opened:
            return read_bounded(opened, gzipped=file.casefold().endswith(".gz")), found
    except OSError as error:
        raise unreadable(file, error) from None


def _pushed_text(done: Pushed, zone: str) -> str:
    from crisplens.monitors.window_names import key_name

    if done.repeated:
        return f"Batch {done.batch} was pushed to {done.monitor} before: nothing was changed."
    windows = ", ".join(f"{key_name(one.key, zone)} has {count(one.rows, 'row')} now" for one in done.windows)
    lines = [f"{count(done.rows, 'row')} pushed to {done.monitor}{': ' if windows else ''}{windows}."]
    if done.too_late:
        lines.append(f"{count(done.too_late, 'row')} came too late: their windows were checked.")
    if done.without_time:
        lines.append(f"{count(done.without_time, 'row')} without a time in no window.")
    lines += [check_line(one, {done.monitor: zone}) for one in done.checks]
    if done.waiting:
        lines.append(
            f"{count(done.waiting, 'window')} more to check: crisplens monitor run --due {done.monitor}"
        )
    return "\n".join(lines)
