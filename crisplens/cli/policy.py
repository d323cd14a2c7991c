"""`crisplens policy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command, directory_option, open_registry, registry_option, showing
from crisplens.cli.output import Output, mark
from crisplens.cli.text import day
from crisplens.core.errors import RegistryError
from crisplens.core.text import count

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.lifecycle.policies.model import ApprovalDemand, MetricDemand, PhasePolicy, Policy
    from crisplens.lifecycle.policies.service import PolicyTested

NO_REGISTRY = "There is no registry here, so its controls are those of the shipped catalogues."


@click.group()
def group() -> None:
    """Policies: what a project's gates demand, phase by phase."""


@group.command("list")
@command()
def list_(registry: Registry) -> Output:
    """List the policies that are shipped, and those that the project adopted; one is in force."""
    policies = registry.policy.list()
    rows = [
        (
            one.policy,
            "yes" if one.in_force else "",
            one.title,
            one.origin,
            f"{one.adopted_by}, {day(one.adopted_at)}" if one.adopted_by else "",
        )
        for one in policies
    ]
    return Output.table(policies, ("Policy", "In force", "Title", "Origin", "Adopted"), rows)


@group.command()
@click.argument("name", required=False)
@click.option("--yaml", "as_yaml", is_flag=True, help="Print the document, to copy and change.")
@command()
def show(registry: Registry, name: str | None, as_yaml: bool) -> Output:
    """Show what the policy in force demands of each phase, or policy NAME (or NAME@VERSION)."""
    policy = registry.policy.show(name)
    if not as_yaml:
        return Output(policy, lambda: _text(policy))
    return Output(policy, lambda: registry.policy.to_yaml(policy).rstrip())


@group.command()
@click.argument("file")
@registry_option
@directory_option
@showing
def check(file: str, registry: str | None, directory: str | None) -> Output:
    """Check the policy in FILE: its form, names, types and expressions. Nothing is recorded.

    It may name controls of the registry's own catalogues; without a registry, of the shipped ones.
    """
    opened = _find_registry(registry, directory)
    if opened is None:
        from crisplens.lifecycle.policies.service import check_policy

        policy = check_policy(None, file)
    else:
        with opened:
            policy = opened.policy.check(file)
    said = f"{policy.ref} is a policy: {policy.title}"
    examples = f"\nIts {count(len(policy.examples), 'example')}: crisplens policy test {file}"
    return Output(policy, said + (examples if policy.examples else "") + _about_registry(opened))


@group.command()
@click.argument("file")
@registry_option
@directory_option
@showing
def test(file: str, registry: str | None, directory: str | None) -> Output:
    """Run the examples that stand in the policy in FILE. Exits 1 when one fails."""
    opened = _find_registry(registry, directory)
    if opened is None:
        from crisplens.lifecycle.policies.service import test_policy

        tested = test_policy(None, file)
    else:
        with opened:
            tested = opened.policy.test(file)
    value = {
        "policy": tested.policy,
        "passed": tested.passed,
        "examples": [{**vars(one), "passed": one.passed} for one in tested.examples],
    }
    return Output(value, _results(tested) + _about_registry(opened), exit_code=0 if tested.passed else 1)


@group.command()
@click.argument("policy", metavar="NAME|FILE")
@click.option("--reason", default="", help="Why, if there is something to say.")
@command(acts=True)
def adopt(registry: Registry, policy: str, reason: str) -> Output:
    """Judge the project by a policy from here on: a shipped one by its NAME, or the one in FILE.

    What was approved under demands that are others now is stale.
    """
    adopted = registry.policy.adopt(policy, reason=reason)
    text = f"{adopted.id}: {adopted.ref} is in force from here on.\nNext: crisplens status"
    return Output(adopted, text)


@group.command()
@showing
def view() -> Output:
    """List the names that conditions can ask about, with their types and what they mean."""
    from crisplens.lifecycle.policies.view import VIEW

    value = [{"name": name, "type": one.type, "about": one.about} for name, one in VIEW.items()]
    rows = [(name, one.type, one.about) for name, one in VIEW.items()]
    return Output.table(value, ("Name", "Type", "What it is"), rows)


def _find_registry(url: str | None, directory: str | None) -> Registry | None:
    """The registry that is named or configured; None where none is named by an option and there is none."""
    try:
        return open_registry(url, directory=directory)
    except RegistryError as error:
        if url is None and isinstance(error.__context__, FileNotFoundError):
            return None
        raise


def _about_registry(registry: Registry | None) -> str:
    return f"\n{NO_REGISTRY}" if registry is None else ""


def _results(tested: PolicyTested) -> str:
    failing = sum(not one.passed for one in tested.examples)
    if not tested.examples:
        return f"{tested.policy} holds no example."
    verdict = f"{failing} not as expected" if failing else "all as expected"
    lines = [f"{tested.policy}: {count(len(tested.examples), 'example')}, {verdict}."]
    for one in tested.examples:
        lines.append(f"  {mark(one.passed)}  {one.name} ({one.phase})")
        if not one.passed:
            lines.append(f"        expected to be unmet: {', '.join(one.expected) or 'nothing'}")
            lines.append(f"        found to be unmet:    {', '.join(one.unmet) or 'nothing'}")
            lines += [f"          {reason}" for reason in one.reasons]
    return "\n".join(lines)


def _text(policy: Policy) -> str:
    from crisplens.lifecycle.phases import list_phases

    lines = [f"{policy.ref}: {policy.title}"]
    lines += [policy.description] if policy.description else []
    phases: dict[str, list[str]] = {}
    for phase in list_phases():
        phases.setdefault("\n".join(_demands(phase.id, policy.demands(phase.id))), []).append(phase.id)
    for demands, names in phases.items():
        lines += ["", ", ".join(names), demands]
    lines += ["", *_around(policy)]
    return "\n".join(lines)


def _demands(phase: str, demands: PhasePolicy) -> list[str]:
    """What is asked of one phase, a line each."""
    if not demands.required:
        return ["  not asked for"]
    if demands.rules is None:
        said = [("rules", "all that are built in: crisplens phase show PHASE")]
    else:
        said = [("rules", _rules(phase, demands.rules))]
    said += [("answers", "each with its reason")] if demands.reasons else []
    said += [("control", f"{one.id} answered {' or '.join(one.answers)}") for one in demands.controls]
    said += [
        ("evidence", f"{one.count} of the kind {one.kind}" if one.count > 1 else f"of the kind {one.kind}")
        for one in demands.evidence
    ]
    said += [("metric", _metric(one)) for one in demands.metrics]
    said.append(("approval", _approval(demands.approvals)))
    lines = [f"  {name:<10} {text}" for name, text in said]
    for condition in demands.conditions:
        lines.append(f"  condition  {condition.id}: {condition.title}")
        lines.append(f"             {' '.join(condition.expression.split())}")
        lines += [f"             when {' '.join(condition.when.split())}"] if condition.when else []
    return lines


def _rules(phase: str, rules: tuple[str, ...]) -> str:
    from crisplens.lifecycle.rules import PHASE_RULES

    titles = {rule.id: rule.title for rule in PHASE_RULES[phase]}
    return "; ".join(f"{titles[rule]} ({rule})" for rule in rules) or "none that are built in"


def _metric(demand: MetricDemand) -> str:
    bounds = [f"at least {demand.at_least:g}"] if demand.at_least is not None else []
    bounds += [f"at most {demand.at_most:g}"] if demand.at_most is not None else []
    where = " overall and in every slice" if demand.every_slice else ""
    return f"{demand.name} {' and '.join(bounds) or 'reported'}{where}"


def _approval(demand: ApprovalDemand) -> str:
    if demand.count == 0:
        return "none needed; one that is against it blocks"
    parts = [count(demand.count, "person", "people")]
    parts += [f"with the role {' or '.join(demand.roles)}"] if demand.roles else []
    parts += ["other than the author"] if demand.author_excluded else []
    said = [" ".join(parts)]
    said += ["signed"] if demand.signed else []
    said += ["asked for first"] if demand.requested else []
    said += [f"good for {count(demand.expires_days, 'day')}"] if demand.expires_days is not None else []
    return ", ".join(said)


def _around(policy: Policy) -> list[str]:
    """What is asked around the phases: doors, overrides, duties, examples."""
    doors = policy.doors
    end = "all that are asked for" if doors.cycle is None else ", ".join(doors.cycle) or "none"
    overrides = "forbidden"
    if policy.overrides.allowed:
        days = count(policy.overrides.most_days, "day")
        overrides = f"by the role {' or '.join(policy.overrides.roles)}, for {days} at most"
    facts = {
        "promotion": f"asks {', '.join(doors.promotion) or 'no gate'}",
        "production": f"asks {', '.join(doors.deployment) or 'no gate'}",
        "cycle's end": f"asks {end}",
        "overrides": overrides,
        "apart": "; ".join(" and ".join(pair) for pair in policy.separation),
        "examples": str(len(policy.examples) or ""),
    }
    return [f"{name:<12} {said}" for name, said in facts.items() if said]
