"""`crisplens deployment`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command, many
from crisplens.cli.output import Output
from crisplens.cli.parsing import variants as parse_variants
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.registry.deployments.queries import Deployment

NONE_YET = "Nothing serves yet: crisplens deployment record MODEL@VERSION --environment NAME --kind batch"


@click.group()
def group() -> None:
    """Deployments: what serves where."""


@group.command()
@click.argument("model", metavar="MODEL@VERSION")
@click.option("--environment", required=True, help="Where it serves; `production` asks the gate.")
@click.option("--kind", required=True, help="How: batch or real-time.")
@many(
    "--variant",
    "variants",
    metavar="NAME=MODEL@VERSION:PERCENT",
    help="Another version, and its share of the traffic.",
)
@many(
    "--answers",
    "answers",
    metavar="TRIGGER",
    help="A trigger that this answers in production: it is resolved, and its incidents.",
)
@click.option("--note", default="", help="What is to be said about it.")
@command(acts=True)
def record(
    registry: Registry,
    model: str,
    environment: str,
    kind: str,
    variants: tuple[str, ...],
    answers: tuple[str, ...],
    note: str,
) -> Output:
    """Record that MODEL@VERSION went into service; to production only through its open evaluation gate."""
    deployed = registry.deployment.record(
        model,
        environment=environment,
        kind=kind,
        variants=parse_variants(variants),
        answers=answers,
        note=note,
    )
    return Output(deployed, "\n".join(_told(registry, deployed, answers)))


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the project's deployments."""
    deployments = registry.deployment.list()
    rows = [
        (one.id, one.environment, one.kind, _served(one), one.recorded_by, day(one.recorded_at))
        for one in deployments
    ]
    columns = ("Deployment", "Environment", "Kind", "Serves", "By", "Recorded")
    return Output.table(deployments, columns, rows, empty=NONE_YET)


def _told(registry: Registry, deployed: Deployment, answers: tuple[str, ...]) -> Iterator[str]:
    """What was recorded; of a deployment to production, also what it answers or leaves open."""
    from crisplens.registry.deployments.model import is_production

    yield f"{deployed.id}: {_served(deployed)} in {deployed.environment}, {deployed.kind}."
    if not is_production(deployed.environment):
        return
    for one in registry.trigger.list():
        if one.id in answers:
            yield f"{one.id} is resolved by {one.resolved_by}; {one.incident} is resolved with it."
        serving = next((each.model for each in deployed.variants if each.model.name == one.model), None)
        if one.is_open and serving and not answers:
            yield f"{one.id} still asks for {one.model} to be retrained."
            if registry.model.show(serving).seq > one.seq:
                yield f"If {serving} answers it: crisplens trigger resolve {one.id} --model {serving}"


def _served(deployed: Deployment) -> str:
    return ", ".join(f"{one.model} {one.traffic} %" for one in deployed.variants)
