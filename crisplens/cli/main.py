"""The entry point: commands by name, loaded when they are used, and errors as text and exit codes."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence

import click

from crisplens import __version__
from crisplens.core.errors import CrisplensError, InputError

# Name -> (module, attribute, one-line help): `--help` shows these and imports none.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "init": ("setup", "init", "Make this folder the home of a registry."),
    "demo": ("demo", "demo", "Run a whole story on real data and write its report."),
    "project": ("project", "group", "Projects: one ML use case each, with an owner and a risk tier."),
    "status": ("status", "status", "Where the project stands, and what to do next."),
    "goal": ("goal", "group", "The business goal: problem, value, options and costs."),
    "kpi": ("kpi", "group", "KPIs: what success is measured by, and its target."),
    "cost": ("cost", "group", "Costs: what was spent, beside what the goal expects."),
    "source": ("source", "group", "Data sources: owner, access, permitted use, retention."),
    "data": ("data", "group", "Datasets and their versions."),
    "run": ("run", "group", "Runs: what was used, with which code, by whom."),
    "model": ("model", "group", "Models and their versions."),
    "evaluation": ("evaluation", "group", "Evaluations of model versions."),
    "evidence": ("evidence", "group", "Evidence files, kept by their content's SHA-256."),
    "key": ("key", "group", "Keys: whose signatures on tree heads and approvals count."),
    "lineage": ("lineage", "group", "What was derived from what, by which run."),
    "phase": ("phase", "group", "The ten phases and their controls."),
    "control": ("control", "group", "Controls: what catalogues of practices and requirements ask for."),
    "policy": ("policy", "group", "Policies: what a project's gates demand, phase by phase."),
    "role": ("role", "group", "Roles: who may record, decide and review in a project."),
    "risk": ("risk", "group", "Risks: what could go wrong, how bad, who answers, when it is reviewed."),
    "checkpoint": ("checkpoint", "group", "Checkpoints: dated statements about a phase."),
    "gate": ("gate", "group", "Gates: whether a phase is in order, and what is missing."),
    "approval": ("approval", "group", "Approvals: decisions on checkpoints by someone else."),
    "override": (
        "override",
        "group",
        "Overrides: blocked gates that were passed in an emergency, and their review.",
    ),
    "cycle": ("cycle", "group", "Cycles: passes through the phases."),
    "coverage": ("coverage", "coverage", "How far the record answers a framework."),
    "deployment": ("deployment", "group", "Deployments: what serves where."),
    "monitor": ("monitor", "group", "Monitors: production data against its reference."),
    "constraint": ("constraint", "group", "Constraints: what the quality of a monitor's windows is held to."),
    "incident": ("incident", "group", "Incidents: what monitors found and who answers."),
    "trigger": ("trigger", "group", "Triggers: requests to retrain a model."),
    "schedule": ("schedule", "group", "Schedules: when monitors are checked, and who calls them."),
    "scheduler": ("scheduler", "group", "Scheduler: a process that checks monitors when they are due."),
    "server": ("server", "group", "Server: rows are pushed to monitors over HTTP."),
    "notification": ("notification", "group", "Notifications: who is told of incidents and triggers."),
    "report": ("report", "group", "Reports for people: the audit report."),
    "audit": ("audit", "group", "The ledger: verify it, read it, take its head."),
    "registry": ("registry", "group", "The whole registry: copy it, back it up, restore it."),
    "db": ("setup", "db", "The registry's database and its schema."),
}
SHARED_OPTIONS = ("--project", "--actor", "--as-of", "--registry", "--directory", "--json", "--debug")
NOTHING_CHANGED = "Nothing was changed."


class LazyGroup(click.Group):
    """A group whose commands are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the story, not of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"crisplens.cli.{module}"), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown name is answered with the nearest ones."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from crisplens.core.names import nearest

            close = nearest(args[0], COMMANDS)
            ctx.fail(
                f"No such command {args[0]!r}." + (f" Did you mean {' or '.join(close)}?" if close else "")
            )
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, but an option of the commands that stands before them is told its place."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name in SHARED_OPTIONS:
                place = f"crisplens NOUN VERB … {error.option_name}"
                ctx.fail(f"{error.option_name} comes after the command: {place}.")
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands and their one-line helps."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="crisplens")
def cli() -> None:
    """The record that a machine-learning project can be audited from.

    Start with `crisplens init`, or look at a whole story with `crisplens demo`.
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line. Exit codes: 0 done, 1 a negative finding, 2 bad input, 3 a system failed."""
    given = sys.argv[1:] if args is None else args
    debug = "--debug" in given
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character gets a question mark, not a failure.
            stream.reconfigure(errors="replace")
    try:
        _check_arguments(given)
        code = cli.main(list(given), prog_name="crisplens", standalone_mode=False, color=_color())
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        error.show()
        if isinstance(error, click.UsageError) and not isinstance(error, click.exceptions.NoArgsIsHelpError):
            _say(f"  {NOTHING_CHANGED}")
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("Interrupted; nothing was half-written.")
        code = 130
    except CrisplensError as error:
        if debug:
            raise
        _show(error)
        code = error.exit_code
    except SystemExit:
        # Click's answer to a closed pipe while it prints a help text.
        code = 0
    except Exception as error:
        if debug:
            raise
        _say(f"crisplens failed: {type(error).__name__}: {error}")
        _say("This is a defect. The same command with --debug shows where.")
        code = 3
    sys.exit(code if isinstance(code, int) else 0)


def _check_arguments(given: Sequence[str]) -> None:
    """Raise `InputError` for text that no record could hold: bytes that are not UTF-8, NUL characters."""
    named = [("the argument", text) for text in given]
    named += [(name, text) for name, text in os.environ.items() if name.startswith("CRISPLENS_")]
    for what, text in named:
        shown = what if what == "CRISPLENS_SIGNING_KEY" else f"{what} {text[:60]!a}"
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError(
                f"{shown} is not UTF-8 text",
                slug="not-utf8",
                hint="Give names, texts and paths in UTF-8.",
            ) from None
        if "\0" in text:
            raise InputError(f"{shown} holds a NUL character", slug="not-exact")


def _color() -> bool | None:
    # None: colours on a terminal only.
    return False if os.environ.get("NO_COLOR") else None


def _say(text: str) -> None:
    from crisplens.cli.text import printable

    click.echo(printable(text), err=True)


def _show(error: CrisplensError) -> None:
    from crisplens.cli.text import printable

    head = click.style("Error", fg="red", bold=True) + f" [{error.slug}]: {printable(error.message)}"
    click.echo(head, err=True, color=_color())
    for line in error.hint.splitlines():
        _say(f"  {line}")
    if error.nothing_changed and NOTHING_CHANGED not in error.hint:
        _say(f"  {NOTHING_CHANGED}")
