"""`crisplens scheduler`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from crisplens.cli.monitor_checks import check_line
from crisplens.cli.notification import told_text
from crisplens.cli.options import command
from crisplens.cli.output import Output, emit, table
from crisplens.cli.text import printable
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.nouns.scheduling import News, SchedulerStatus, Stop, Waiting

_project = click.option("--project", metavar="NAME", help="Only this project; else all of the registry.")


@click.group()
def group() -> None:
    """Scheduler: a process that checks monitors when they are due."""


@group.command()
@click.option(
    "--every", type=float, default=30, show_default=True, metavar="SECONDS", help="How often it looks."
)
@click.option("--most", type=int, default=10, show_default=True, help="Windows of a monitor at a turn.")
@click.option(
    "--workers", type=int, default=1, show_default=True, help="Monitors that are checked at a time."
)
@click.option(
    "--grace",
    type=float,
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="How long it waits, when it is stopped, for the windows at hand.",
)
@click.option("--once", is_flag=True, help="Check what is due now, and end.")
@click.option("--verbose", is_flag=True, help="Also say when it looks and finds nothing due.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a line of JSON for each monitor that was checked."
)
@_project
@command(acts=True, on_project=False, as_json=False)
def run(registry: Registry, project: str | None, verbose: bool, as_json: bool, **given: Any) -> None:
    """Check monitors when they are due, until it is stopped.

    Several may run on one registry, on one machine or on many: each window is checked once. SIGTERM or Ctrl-C lets
    it finish the window at hand; a second one stops it at once. What it had begun, another goes on with. With --once it
    exits 2 when data could not be read, 3 when an engine or the registry failed.
    """
    teller = _Teller(as_json=as_json, verbose=verbose)
    with _stopped_by_signals() as stop:
        ended = registry.scheduler.run(project, stop=stop, tell=teller, **given)
        if not ended:
            # Threads that still read data would keep the process; they can record nothing any more.
            _leave(0)
    if given["once"] and teller.exit_code:
        raise click.exceptions.Exit(teller.exit_code)


@group.command()
@_project
@command(on_project=False, as_of=False)
def status(registry: Registry, project: str | None) -> Output:
    """Show who is at work on what, what is due, and when the next check is."""
    found = registry.scheduler.status(project)
    return Output(found, lambda: _status_text(found))


class _Teller:
    """Prints what a scheduler did: lines for people to standard error, or lines of JSON to standard output."""

    def __init__(self, *, as_json: bool, verbose: bool) -> None:
        self._as_json, self._verbose = as_json, verbose
        self.exit_code = 0
        self._lock = threading.Lock()

    def __call__(self, news: News) -> None:
        from crisplens.nouns.notifications import Told
        from crisplens.nouns.scheduling import Checked, HandedUp

        with self._lock:
            if isinstance(news, Checked):
                self.exit_code = max(self.exit_code, news.run.exit_code)
            if isinstance(news, Checked | HandedUp) and self._as_json:
                import msgspec

                emit(msgspec.json.encode(news, enc_hook=str))
            elif isinstance(news, Checked):
                for line in _lines(news):
                    _say(line)
            elif isinstance(news, HandedUp):
                for one in news.escalated:
                    _say(
                        f"{news.project}: {one.id} is handed up to {one.escalations[-1].to}: nobody took it on."
                    )
            elif isinstance(news, Told):
                _say(told_text(news))
            elif news.important or self._verbose:
                _say(news.text)


def _say(text: str) -> None:
    click.echo(printable(text), err=True)


def _lines(news: Any) -> Iterator[str]:
    run = news.run
    for done in run.checks:
        yield f"{news.project}: {check_line(done, {})}"
    if run.failure:
        yield f"{news.project}: {run.monitor}: {run.failure}"
    elif run.waiting:
        yield f"{news.project}: {run.monitor}: {count(run.waiting, 'window')} more. {run.awaited}".rstrip()


@contextmanager
def _stopped_by_signals() -> Iterator[Stop]:
    """What SIGTERM and SIGINT ask to stop; the second one ends the process."""
    from crisplens.nouns.scheduling import Stop

    stop = Stop()

    def on_signal(number: int, _frame: object) -> None:
        if stop.asked:
            _leave(128 + number)
        stop.ask()

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, on_signal) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _leave(code: int) -> None:
    """End the process now; transactions that are open are rolled back."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, RuntimeError, ValueError):
            continue
    os._exit(code)


def _status_text(found: SchedulerStatus) -> str:
    parts = []
    if found.leases:
        rows = [(one.project, one.name, one.holder, _time(one.until), one.token) for one in found.leases]
        parts.append(table(("Project", "Lease", "Held by", "Until", "Token"), rows))
    else:
        parts.append("No scheduler holds a lease.")
    if found.due:
        due = [(one.project, one.monitor, _time(one.since), _state(one)) for one in found.due]
        parts.append(table(("Project", "Monitor", "Due since", "State"), due))
    else:
        parts.append("Nothing is due.")
    if found.next:
        parts.append(f"{count(len(found.due), 'monitor')} due; next due or free: {_time(found.next)}.")
    return "\n\n".join(parts)


def _state(one: Waiting) -> str:
    if one.holder:
        return f"checked by {one.holder} until {_time(one.until)}"
    return f"waits until {_time(one.until)}" if one.until else "waits for a scheduler"


def _time(time: str) -> str:
    return f"{time[:19].replace('T', ' ')} UTC" if time else ""
