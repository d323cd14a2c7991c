"""`crisplens project`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command
from crisplens.cli.output import Output
from crisplens.cli.text import day
from crisplens.core.errors import CrisplensError

if TYPE_CHECKING:
    from crisplens.api import Registry

NONE_YET = "There is no project yet: crisplens project add NAME"


@click.group()
def group() -> None:
    """Projects: one ML use case each, with an owner and a risk tier."""


@group.command()
@click.argument("name")
@click.option("--title", default="", help="What people call it; else its name.")
@click.option("--owner", help="Who answers for it; else the actor.")
@click.option("--risk", default="medium", show_default=True, help="Risk tier: low, medium or high.")
@click.option("--policy", metavar="NAME", help="The shipped policy it is judged by; else by its risk tier.")
@click.option("--description", default="", help="What it is, in a few sentences.")
@command(acts=True, on_project=False)
def add(
    registry: Registry,
    name: str,
    title: str,
    owner: str | None,
    risk: str,
    policy: str | None,
    description: str,
) -> Output:
    """Bring project NAME under the record.

    It becomes the default project of this folder's crisplens.toml, if that names none.
    """
    added = registry.project.add(
        name, title=title, owner=owner, risk=risk, description=description, policy=policy
    )
    facts = f"owner {added.owner}, risk {added.risk}, policy {added.policy}"
    text = f"Project {name} is under the record ({facts})."
    return Output(added, f"{text}\n{_make_default(registry, name)}")


@group.command("list")
@command(on_project=False, as_of=True)
def list_(registry: Registry) -> Output:
    """List every project."""
    projects = registry.project.list()
    rows = [(one.project, one.title, one.risk, one.owner, day(one.recorded_at)) for one in projects]
    return Output.table(projects, ("Project", "Title", "Risk", "Owner", "Added"), rows, empty=NONE_YET)


@group.command()
@click.argument("name")
@command(on_project=False, as_of=True)
def show(registry: Registry, name: str) -> Output:
    """Show one project."""
    one = registry.project.show(name)
    lines = [
        f"{one.project}: {one.title}",
        f"Owner {one.owner}, risk {one.risk}, added {day(one.recorded_at)} by {one.recorded_by}",
        *([one.description] if one.description else []),
    ]
    return Output(one, "\n".join(lines))


def _make_default(registry: Registry, name: str) -> str:
    """Name the project in the configuration file, if that names none; what commands mean from now on."""
    from crisplens.core.configuration import set_default_project

    configuration = registry.configuration
    if configuration.project is not None:
        return f"The default project is still {configuration.project}; for this one: --project {name}."
    if configuration.file is None:
        return f"No crisplens.toml names a default project; for this one: --project {name}."
    try:
        set_default_project(configuration.file, name)
    except CrisplensError as error:
        return f"{error.message}; for this project: --project {name}."
    return f"{configuration.file} now names it as the default project."
