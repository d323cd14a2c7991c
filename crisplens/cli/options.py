"""Options that commands share, and the registry that they open."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from crisplens.cli.output import Output, show
from crisplens.cli.together import check_together
from crisplens.core.errors import InputError

if TYPE_CHECKING:
    from crisplens.api import Registry

Function = Callable[..., Any]

registry_option = click.option(
    "--registry", metavar="URL", help="The registry's database; else from the configuration."
)
directory_option = click.option(
    "--directory", metavar="DIR", help="Where to look for crisplens.toml, there or above; else here."
)
_project_option = click.option("--project", metavar="NAME", help="The project; else from the configuration.")
_actor_option = click.option(
    "--actor", metavar="WHO", help="Who records this; else from the environment, the configuration or git."
)
_as_of_option = click.option(
    "--as-of", metavar="TIME|SEQ", help="Read the record as it was then: a time, or an event's number."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
_debug_option = click.option("--debug", is_flag=True, help="On a failure, show the traceback.")


def many(*names: str, metavar: str, help: str) -> Callable[[Function], Function]:
    """An option that may be given more than once."""
    return click.option(*names, multiple=True, metavar=metavar, help=f"{help} Repeatable.")


def command(
    *, acts: bool = False, on_project: bool = True, as_json: bool = True, as_of: bool | None = None
) -> Callable[[Function], Function]:
    """Decorator: give the function an open `Registry` first, show the `Output` that it returns, and add
    the shared options. `acts` is for commands that record (they need an actor); without `as_json` there
    is no --json, and the function prints by itself. --as-of is for commands that read a project, and
    where `as_of` says so."""
    reads_past = (on_project and not acts) if as_of is None else as_of

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def run(*args: Any, registry: str | None, directory: str | None, **given: Any) -> Any:
            who = given.pop("actor") if acts else None
            project = given.pop("project") if on_project else None
            point = given.pop("as_of") if reads_past else None
            with open_registry(registry, directory=directory, project=project, actor=who) as opened:
                if point is None:
                    return function(opened, *args, **given)
                with opened.as_of(point) as then:
                    return function(then, *args, **given)

        shown = directory_option(showing(run, as_json=as_json))
        shown = registry_option(shown)
        shown = _actor_option(shown) if acts else shown
        shown = _as_of_option(shown) if reads_past else shown
        return _project_option(shown) if on_project else shown

    return decorate


def showing(function: Function, *, as_json: bool = True) -> Function:
    """Decorator: show the `Output` that the function returns, and add --json and --debug."""

    @functools.wraps(function)
    def run(*args: Any, debug: bool, **given: Any) -> None:
        wants_json = given.pop("as_json") if as_json else False
        _refuse_empty_options(click.get_current_context())
        check_together(click.get_current_context())
        result = function(*args, **given)
        if isinstance(result, Output):
            show(result, as_json=wants_json)

    shown = _debug_option(run)
    return _json_option(shown) if as_json else shown


def open_registry(
    url: str | None, *, directory: str | None = None, project: str | None = None, actor: str | None = None
) -> Registry:
    """The registry that the options, the environment and the configuration name."""
    check_directory(directory)
    with _imports():
        from crisplens.api import connect
    return connect(url, project=project, actor=actor, folder=directory)


@contextmanager
def _imports() -> Iterator[None]:
    # Imports make many objects and no garbage: to look for some meanwhile takes a twelfth of a short command.
    first = "crisplens.api" not in sys.modules
    if first and gc.isenabled():
        gc.disable()
        try:
            yield
        finally:
            gc.freeze()
            gc.enable()
    else:
        yield


def check_directory(directory: str | None) -> None:
    """Raise `InputError` when --directory names no folder."""
    if directory is not None and not os.path.isdir(directory):
        raise InputError(
            f"--directory {directory[:200]!r} is not a folder",
            slug="unreadable-file",
            hint="Name the folder of a crisplens.toml, or one below it.",
        )


def _refuse_empty_options(context: click.Context) -> None:
    # `--current "$WINDOW"` with nothing in WINDOW must not mean the default.
    options = (one for one in context.command.params if isinstance(one, click.Option) and one.default != "")
    for option in options:
        value = context.params.get(option.name or "")
        if isinstance(value, str) and not value.strip():
            hint = "Give it a value, or leave it out."
            raise InputError(f"{option.opts[0]} is empty", slug="empty-text", hint=hint)


def only_given(values: dict[str, Any]) -> dict[str, Any]:
    """Those of a command's values that stand on the command line; the others have the defaults that it shows."""
    context = click.get_current_context()
    return {
        name: value
        for name, value in values.items()
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }


def refuse_past(registry: Registry, option: str, why: str) -> None:
    """Raise `InputError` when an option that is about the present is given with --as-of."""
    if registry.point is not None:
        raise InputError(f"{option} and --as-of exclude each other", slug="bad-choice", hint=why)
