"""`crisplens monitor backtest` and `tune`: settings weighed by the windows that a monitor has checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output, table
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry


@click.command()
@click.argument("name")
@click.option("--tolerance", type=float, help="The effect, Cohen's w, that is borne; else the monitor's.")
@click.option("--level", type=float, help="The false discovery rate over columns; else the monitor's.")
@click.option("--persistence", metavar="K/N", help="K of N windows; else the monitor's.")
@command()
def backtest(
    registry: Registry, name: str, tolerance: float | None, level: float | None, persistence: str | None
) -> Output:
    """Show what other settings would have said over the windows that NAME has checked; no data is read."""
    from crisplens.monitors.window_names import key_name, window_zone

    found = registry.monitor.backtest(name, tolerance=tolerance, level=level, persistence=persistence)
    zone = window_zone(registry.monitor.get(name).windows)
    settings = found.settings
    rows = [
        (
            one.check,
            key_name(one.window, zone),
            one.verdict,
            "yes" if one.alarmed else "",
            ", ".join(one.drifting),
            ", ".join(one.excused),
            ", ".join(one.alarming),
        )
        for one in found.windows
    ]
    columns = ("Check", "Window", "Verdict then", "Alarm then", "Would drift", "Excused", "Would alarm")
    said = (
        f"{count(found.alarms, 'alarm')} would have begun in {count(len(rows), 'window')}, with the tolerance "
        f"{settings.tolerance:g}, the level {settings.level:g} and {settings.needed} of {settings.of} windows."
    )
    return Output(found, lambda: f"{table(columns, rows)}\n\n{said}")


@click.command()
@click.argument("name")
@click.option("--alarms", type=float, default=1, show_default=True, help="So many false alarms are borne …")
@click.option(
    "--windows", type=click.IntRange(1), default=90, show_default=True, help="… in so many windows."
)
@click.option(
    "--effect", type=float, default=0.2, show_default=True, help="The drift, Cohen's w, to be found."
)
@command()
def tune(registry: Registry, name: str, alarms: float, windows: int, effect: float) -> Output:
    """Propose settings for NAME from its past windows: false alarms against the time until drift is found."""
    found = registry.monitor.tune(name, alarms=alarms, windows=windows, effect=effect)
    rows = [
        (
            f"{one.tolerance:g}",
            f"{one.needed}/{one.of}",
            f"{one.false_alarms} of {one.windows}",
            f"{one.rate_at_most:.1%}",
            "" if one.found is None else f"{one.found:.0%}",
            "" if one.delay is None else str(one.delay),
            "" if one.late_delay is None else str(one.late_delay),
        )
        for one in found.weighed
    ]
    columns = ("Tolerance", "Windows", "False alarms", "At most", "Found", "Windows until, median", "9 of 10")
    best = found.chosen
    said = "No setting keeps to that rate: allow more alarms, or check more windows first."
    if best is not None:
        how = f"--tolerance {best.tolerance:g} --persistence {best.needed}/{best.of}"
        said = f"Proposed: crisplens monitor change {name} {how} --reason 'tuned'"
    return Output(found, lambda: f"{table(columns, rows)}\n\n{said}")
