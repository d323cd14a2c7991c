"""`crisplens monitor`: running monitors, listing them and what they found, muting and retiring them."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

import click

from crisplens.cli import monitor_pushing as pushing
from crisplens.cli import monitor_settings as settings
from crisplens.cli import monitor_tuning as tuning
from crisplens.cli.monitor_checks import NOT_JUDGED, check_text, due_text, exit_code, zones_of
from crisplens.cli.notification import told_text
from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.cli.text import day
from crisplens.core.errors import CrisplensError, HalfDone

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = (
    "There is no monitor yet: crisplens monitor add NAME --model MODEL --reference FILES --current FILES"
)


@click.group()
def group() -> None:
    """Monitors: production data against its reference."""


for _command in (
    *(settings.add, settings.add_performance, settings.add_variants, settings.add_kpi),
    *(settings.change, settings.renew, pushing.push, pushing.close, tuning.backtest, tuning.tune),
):
    group.add_command(_command)


@group.command()
@click.argument("name", required=False)
@click.option(
    "--due", is_flag=True, help="Check every monitor whose schedule says so, or the windows of NAME."
)
@click.option(
    "--most", type=click.IntRange(1), default=50, show_default=True, help="Windows of a monitor at once."
)
@click.option("--engine", help="What compares: duckdb, evidently or ibis; else the monitor's.")
@click.option("--current", metavar="FILES", help="Check these files; else the monitor's.")
@click.option("--fail-on", type=click.Choice(["drift"]), help="Exit 1 when the verdict is drift or degraded.")
@command(acts=True)
def run(
    registry: Registry,
    name: str | None,
    due: bool,
    most: int,
    engine: str | None,
    current: str | None,
    fail_on: str | None,
) -> Output:
    """Check monitor NAME's current data now, and record what was found.

    With --due, check what schedules ask for, each window once, those that were missed in order. Exits 2 when data
    could not be judged: that is recorded too, as bad-data or insufficient-data, and is never taken for `no drift`.
    """
    from crisplens.registry.data.tabular import open_ahead

    if name is not None:
        # While what monitors need is loaded. It comes after the registry's libraries: see `options.open_registry`.
        Thread(target=open_ahead).start()
    if due:
        if engine or current:
            raise click.UsageError("--due checks each monitor's own data with its own engine.")
        runs = registry.monitor.run_due(name, most=most)
        handed_up = registry.incident.escalate_overdue() if name is None else ()
        checks = [one for each in runs for one in each.checks]
        failure = _tell(registry) if checks or handed_up else None
        zones = zones_of(registry, checks)
        return Output(
            {"runs": runs, "escalated": handed_up},
            lambda: due_text(runs, handed_up, zones),
            exit_code=max(
                [exit_code(one, fail_on) for one in checks] + [one.exit_code for one in runs], default=0
            ),
            failure=failure,
        )
    if name is None:
        raise click.UsageError("Name a monitor, or check all that are due with --due.")
    done = registry.monitor.run(name, engine=engine, current=current)
    verdict = done.check.result.verdict
    if verdict in NOT_JUDGED:
        click.echo(
            f"The data could not be judged; {done.check.id} is recorded with the verdict {verdict}.", err=True
        )
    zones = zones_of(registry, [done])
    return Output(done, lambda: check_text(done, zones), exit_code=exit_code(done, fail_on))


def _tell(registry: Registry) -> HalfDone | None:
    """Deliver notices; what keeps them from it comes after checks that are recorded, and is returned."""
    try:
        told = registry.notification.deliver()
    except CrisplensError as error:
        return HalfDone(error.message, slug=error.slug, hint=error.hint)
    if said := told_text(told):
        click.echo(said, err=True)
    return None


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's monitors, and what each found last."""
    standings = registry.monitor.standings()
    rows = [
        (
            one.monitor.name,
            one.monitor.model,
            one.monitor.reference.location,
            one.monitor.current,
            one.monitor.engine,
            "retired" if one.monitor.retired_at else one.verdict or "not checked yet",
            "yes" if one.muted else "",
            one.monitor.recorded_by,
        )
        for one in standings
    ]
    columns = ("Monitor", "Model", "Reference", "Current", "Engine", "Last verdict", "Muted", "Added by")
    return Output.table([one.monitor for one in standings], columns, rows, empty=NONE_YET)


@group.command()
@click.argument("name")
@command()
def show(registry: Registry, name: str) -> Output:
    """Show what monitor NAME watches, how it decides, when it is run and what follows."""
    from crisplens.cli.monitor_shown import monitor_text

    one = registry.monitor.get(name)
    return Output(one, lambda: monitor_text(one))


@group.command()
@click.argument("name", required=False)
@command()
def history(registry: Registry, name: str | None) -> Output:
    """List the checks of monitor NAME, or of all."""
    from crisplens.monitors.window_names import window_name, window_zone

    checks = registry.monitor.history(name)
    timed = any(one.window.end for one in checks)
    zones = {one.name: window_zone(one.windows) for one in registry.monitor.list()} if timed else {}
    rows = [
        (
            one.id,
            one.monitor,
            one.result.verdict,
            f"{one.result.drifted} of {one.result.checked}",
            window_name(one.window, zones.get(one.monitor, "UTC")),
            one.incident,
            day(one.recorded_at),
        )
        for one in checks
    ]
    columns = ("Check", "Monitor", "Verdict", "Drifting", "Window", "Incident", "Checked")
    return Output.table(checks, columns, rows, empty="There is no check yet: crisplens monitor run NAME")


@group.command()
@click.option(
    "--otlp", is_flag=True, help="Send them to an OpenTelemetry collector, as OTEL_* variables say."
)
@command(as_json=False)
def metrics(registry: Registry, otlp: bool) -> None:
    """Print what monitors found last as gauges in Prometheus' text format."""
    if otlp:
        click.echo(f"{registry.monitor.push_metrics()} metrics are sent.", err=True)
        return
    click.echo(registry.monitor.metrics(), nl=False)


@group.command()
@click.argument("name")
@click.option("--until", required=True, metavar="TIME", help="When it ends (ISO 8601).")
@click.option("--from", "start", metavar="TIME", help="When it starts, for maintenance to come; else now.")
@click.option("--reason", required=True, help="Why nothing is to be an alarm.")
@command(acts=True)
def mute(registry: Registry, name: str, until: str, start: str | None, reason: str) -> Output:
    """Take nothing that monitor NAME finds for an alarm until then; all of it is recorded."""
    one = registry.monitor.mute(name, until=until, start=start, reason=reason)
    return Output(one, f"{one.id}: {name} is muted from {day(one.start)} until {day(one.end)}.")


@group.command()
@click.argument("mute", metavar="ID")
@click.option("--reason", required=True, help="Why it ends early.")
@command(acts=True)
def unmute(registry: Registry, mute: str, reason: str) -> Output:
    """End mute ID before its time."""
    one = registry.monitor.unmute(mute, reason=reason)
    return Output(one, f"{one.id} is over: {one.monitor} can alarm again.")


@group.command()
@click.argument("name", required=False)
@command()
def mutes(registry: Registry, name: str | None) -> Output:
    """List the mutes of monitor NAME, or of all."""
    found = registry.monitor.mutes(name)
    rows = [
        (one.id, one.monitor, day(one.start), day(one.ended_at or one.end), one.reason, one.recorded_by)
        for one in found
    ]
    columns = ("Mute", "Monitor", "From", "Until", "Reason", "By")
    return Output.table(found, columns, rows, empty="No monitor has been muted.")


@group.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why it is run no more.")
@command(acts=True)
def retire(registry: Registry, name: str, reason: str) -> Output:
    """Run monitor NAME no more; what it found stays."""
    return Output(registry.monitor.retire(name, reason=reason), f"Monitor {name} is retired.")
