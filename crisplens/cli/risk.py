"""`crisplens risk`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crisplens.cli.options import command, many
from crisplens.cli.output import Output
from crisplens.cli.text import day

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.lifecycle.risks.queries import Risk

NONE_YET = "There is no risk yet: crisplens risk add TITLE --likelihood … --impact … --review-by DAY"
NONE_OPEN = "No risk is open."


@click.group()
def group() -> None:
    """Risks: what could go wrong, how bad, who answers, when it is reviewed."""


@group.command()
@click.argument("title")
@click.option(
    "--likelihood", required=True, help="How likely: rare, unlikely, possible, likely or almost-certain."
)
@click.option("--impact", required=True, help="How bad: negligible, minor, moderate, major or severe.")
@click.option("--review-by", required=True, metavar="DAY", help="When to look at it again: 2026-03-01.")
@click.option("--description", default="", help="What could happen, and why.")
@click.option("--owner", help="Who answers for it; else the actor.")
@click.option("--mitigation", default="", help="What is done about it.")
@many("--control", "controls", metavar="ID", help="A control that lowers it.")
@command(acts=True)
def add(
    registry: Registry,
    title: str,
    likelihood: str,
    impact: str,
    review_by: str,
    description: str,
    owner: str | None,
    mitigation: str,
    controls: tuple[str, ...],
) -> Output:
    """Bring a risk into the register."""
    risk = registry.risk.add(
        title,
        likelihood=likelihood,
        impact=impact,
        review_by=review_by,
        description=description,
        owner=owner,
        mitigation=mitigation,
        controls=controls,
    )
    said = f"{risk.id} is recorded: {_level(risk)}, owner {risk.owner}, to be reviewed by {risk.review_by}."
    return Output(_facts(registry, risk), said)


@group.command()
@click.argument("risk", metavar="ID")
@click.option("--title", help="What it is called.")
@click.option("--description", help="What could happen, and why.")
@click.option("--likelihood", help="How likely it is.")
@click.option("--impact", help="How bad it would be.")
@click.option("--owner", help="Who answers for it.")
@click.option("--mitigation", help="What is done about it.")
@click.option("--review-by", metavar="DAY", help="When to look at it again.")
@many("--control", "controls", metavar="ID", help="The controls that lower it, all of them.")
@click.option("--no-controls", is_flag=True, help="No control lowers it any more.")
@command(acts=True)
def update(
    registry: Registry,
    risk: str,
    title: str | None,
    description: str | None,
    likelihood: str | None,
    impact: str | None,
    owner: str | None,
    mitigation: str | None,
    review_by: str | None,
    controls: tuple[str, ...],
    no_controls: bool,
) -> Output:
    """Change what is given about open risk ID; the rest stays."""
    updated = registry.risk.update(
        risk,
        title=title,
        description=description,
        likelihood=likelihood,
        impact=impact,
        owner=owner,
        mitigation=mitigation,
        review_by=review_by,
        controls=controls if controls or no_controls else None,
    )
    return Output(_facts(registry, updated), f"{updated.id} is changed.\n{_text(registry, updated)}")


@group.command()
@click.argument("risk", metavar="ID")
@click.option("--note", required=True, help="What was found.")
@click.option("--review-by", required=True, metavar="DAY", help="When to look at it next.")
@click.option("--likelihood", help="How likely it is now; else as before.")
@click.option("--impact", help="How bad it would be now; else as before.")
@command(acts=True)
def review(
    registry: Registry, risk: str, note: str, review_by: str, likelihood: str | None, impact: str | None
) -> Output:
    """Record that open risk ID was looked at again."""
    reviewed = registry.risk.review(
        risk, note=note, review_by=review_by, likelihood=likelihood, impact=impact
    )
    said = f"{reviewed.id} is reviewed: {_level(reviewed)}, next by {reviewed.review_by}."
    return Output(_facts(registry, reviewed), said)


@group.command()
@click.argument("risk", metavar="ID")
@click.option("--reason", required=True, help="Why it is a risk no more, or is borne.")
@command(acts=True)
def close(registry: Registry, risk: str, reason: str) -> Output:
    """Close risk ID."""
    closed = registry.risk.close(risk, reason=reason)
    return Output(_facts(registry, closed), f"{closed.id} is closed.")


@group.command("list")
@click.option("--open", "open_only", is_flag=True, help="Only those that are not closed.")
@command()
def list_(registry: Registry, open_only: bool) -> Output:
    """List the project's risks."""
    risks = registry.risk.list(open_only=open_only)
    rows = [
        (one.id, one.state, _level(one), one.title, one.owner, _review(registry, one), one.recorded_by)
        for one in risks
    ]
    columns = ("Risk", "State", "Level", "Title", "Owner", "Review by", "Recorded by")
    value = [_facts(registry, one) for one in risks]
    return Output.table(value, columns, rows, empty=NONE_OPEN if open_only else NONE_YET)


@group.command()
@click.argument("risk", metavar="ID")
@command()
def show(registry: Registry, risk: str) -> Output:
    """Show one risk."""
    one = registry.risk.show(risk)
    return Output(_facts(registry, one), _text(registry, one))


def _text(registry: Registry, risk: Risk) -> str:
    facts = {
        "Level": f"{_level(risk)}: {risk.likelihood}, {risk.impact}",
        "State": risk.state,
        "Owner": risk.owner,
        "About": risk.description,
        "Mitigation": risk.mitigation,
        "Controls": ", ".join(risk.controls),
        "Review by": _review(registry, risk),
        "Recorded": f"{day(risk.recorded_at)} by {risk.recorded_by}",
        "Reviewed": risk.reviewed_at and f"{day(risk.reviewed_at)} by {risk.reviewed_by}: {risk.review_note}",
        "Closed": risk.closed_at and f"{day(risk.closed_at)} by {risk.closed_by}: {risk.close_reason}",
    }
    lines = [f"{name:<10}  {said}" for name, said in facts.items() if said]
    return "\n".join([f"{risk.id}: {risk.title}", *lines])


def _facts(registry: Registry, risk: Risk) -> dict[str, Any]:
    """A risk for programs, with what follows from it."""
    from msgspec.structs import asdict

    overdue = risk.is_overdue(_today(registry))
    return {**asdict(risk), "score": risk.score, "level": risk.level, "overdue": overdue}


def _level(risk: Risk) -> str:
    return f"{risk.level} ({risk.score})"


def _review(registry: Registry, risk: Risk) -> str:
    if not risk.is_open:
        return ""
    return f"{risk.review_by} (overdue)" if risk.is_overdue(_today(registry)) else risk.review_by


def _today(registry: Registry) -> str:
    """Today, or the day of the point that the record is read as of."""
    from crisplens.core import clock
    from crisplens.core.dates import day_of

    return registry.point.at[:10] if registry.point else day_of(clock.now())
