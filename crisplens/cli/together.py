"""Options that do nothing beside others, or without them: by command, and refused before anything is done."""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.core import ParameterSource

from crisplens.core.errors import InputError

# Command, option, an option that it excludes, and what to do.
EXCLUDES = (
    *(
        (f"approval {decision}", "--sign", "--signature", "Give one of them.")
        for decision in ("grant", "reject", "request-changes")
    ),
    ("approval inbox", "--project", "--of", "They are one: give the project."),
    ("audit export", "--all", "--project", "The whole registry holds every project: give one of them."),
    ("audit log", "--follow", "--until", "What is recorded from now on comes after it: give one of them."),
    ("incident resolve", "--reason", "--note", "They are one: give the reason."),
    ("monitor metrics", "--otlp", "--as-of", "A collector takes what is measured for the present."),
    ("policy show", "--yaml", "--json", "Give one of them."),
    ("risk update", "--control", "--no-controls", "Give one of them."),
)
# Command, option, the option without which it does nothing, and what to do.
NEEDS = (
    ("audit verify", "--authority", "--against", "Time stamps are those of kept heads: --against HEAD."),
    ("data add", "--owner", "--source", "It is the owner of a new data source: name that, or leave it out."),
    ("evidence get", "--force", "--output", "Without it no file is written, and none is written over."),
    (
        "monitor run",
        "--most",
        "--due",
        "Without it the oldest window is checked, or all that is in --current.",
    ),
)


def check_together(context: click.Context) -> None:
    """Raise `InputError` when the options on the command line do not go together."""
    # Without the program's name, such as `monitor run`.
    command, given = context.command_path.partition(" ")[2], {*_given(context)}
    for of, option, other, hint in EXCLUDES:
        if of == command and {option, other} <= given:
            raise InputError(f"{option} and {other} exclude each other", slug="bad-choice", hint=hint)
    for of, option, other, hint in NEEDS:
        if of == command and option in given and other not in given:
            raise InputError(f"{option} does nothing without {other}", slug="bad-choice", hint=hint)


def _given(context: click.Context) -> Iterable[str]:
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if isinstance(option, click.Option) and source is ParameterSource.COMMANDLINE:
            yield from option.opts
