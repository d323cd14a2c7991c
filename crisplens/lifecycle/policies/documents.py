"""Policies that users write: read from YAML, with every mistake told by line and column."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from crisplens.core.documents import Document
from crisplens.core.errors import InputError
from crisplens.core.names import NAME_PATTERN, nearest
from crisplens.lifecycle.phases import list_phases
from crisplens.lifecycle.policies.conditions import check_expression
from crisplens.lifecycle.policies.demands import fits
from crisplens.lifecycle.policies.model import ControlDemand, PhasePolicy, Policy
from crisplens.lifecycle.policies.shipped import shipped_names, shipped_policy
from crisplens.lifecycle.policies.view import VIEW
from crisplens.lifecycle.rules import PHASE_RULES

MOST_APPROVALS = 20
MOST_DAYS = 3660
MOST_PARTS = 200

# Rules that every gate adds by itself.
GATE_RULES = ("checkpoint-recorded", "no-control-not-met", "evidence-intact", "approved")

_ODD_BREAKS = re.compile("[\x85\u2028\u2029]")

# Gives the id by which checkpoints of a phase keep a control; raises `InputError` with the nearest ids.
ControlFinder = Callable[[str, str], str]


def read_policy(document: Document, find_control: ControlFinder) -> Policy:
    """The policy that a document holds, with what it `extends` filled in and controls by the ids that checkpoints keep.

    Raises `InputError` with file, line, column and reason for the first thing that cannot be.
    """
    if not isinstance(document.value, dict):
        raise document.fault("a policy is a mapping with policy, version, title and phases")
    value = dict(document.value)
    base = value.pop("extends", None)
    if base is not None:
        value = _extended(document, base, value)
    policy = Document(document.name, document.text, value).convert(Policy)
    _check_head(document, policy)
    phases = {
        phase: _checked_phase(document, phase, demands, find_control)
        for phase, demands in policy.phases.items()
    }
    _check_doors(document, policy)
    _check_examples(document, policy)
    return msgspec.structs.replace(policy, phases=phases)


def write_policy(policy: Policy) -> str:
    """A policy as the YAML that `read_policy` reads; what it leaves at its default is left out."""
    import yaml

    plain = _without_defaults(policy)
    # PyYAML writes odd line breaks so that they are not read as they were, unless it writes ASCII.
    plainly = not _ODD_BREAKS.search(msgspec.json.encode(plain).decode())
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=plainly, width=100))


def _without_defaults(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        named = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
        defaults = dict(
            zip(reversed(value.__struct_fields__), reversed(value.__struct_defaults__), strict=False)
        )
        given = ((name, written, getattr(value, name)) for name, written in named)
        return {
            written: _without_defaults(one)
            for name, written, one in given
            if name not in defaults or one != _made(defaults[name])
        }
    if isinstance(value, dict):
        return {str(name): _without_defaults(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_without_defaults(one) for one in value]
    return msgspec.to_builtins(value)


def _made(default: Any) -> Any:
    """A field's default: msgspec keeps an empty dict as what makes one."""
    return default.factory() if hasattr(default, "factory") else default


def _extended(document: Document, base: Any, value: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(base, str) or base not in shipped_names():
        close = f"Shipped: {', '.join(shipped_names())}."
        raise document.fault(
            f"a policy extends a shipped one, not {str(base)[:100]!r}", "extends", hint=close
        )
    merged = msgspec.to_builtins(shipped_policy(base))
    # What the base's examples say is about the base.
    del merged["examples"], merged["description"]
    phases = value.get("phases", {})
    if not isinstance(phases, dict):
        raise document.fault("phases is a mapping of phases", "phases")
    for phase, given in phases.items():
        if not isinstance(given, dict):
            raise document.fault("a phase is a mapping of demands", "phases", phase)
        before = merged["phases"].get(phase, {})
        merged["phases"][phase] = {**before, **given}
    return {**merged, **value, "phases": merged["phases"]}


def _check_head(document: Document, policy: Policy) -> None:
    if not NAME_PATTERN.fullmatch(policy.policy):
        raise document.fault(f"{policy.policy[:100]!r} cannot name a policy", "policy")
    if not 1 <= policy.version <= 1_000_000:
        raise document.fault(f"{policy.version} is no version; they count from 1", "version")
    if not policy.title.strip():
        raise document.fault("the title is empty", "title")
    for name in policy.phases:
        _known(document, "phase", name, [phase.id for phase in list_phases()], "phases", name)
    for index, pair in enumerate(policy.separation):
        if pair[0] == pair[1]:
            raise document.fault(f"{pair[0]} cannot be kept apart from itself", "separation", index)
    if not 1 <= policy.overrides.most_days <= MOST_DAYS:
        raise document.fault("most-days is 1 or more", "overrides", "most-days")
    if policy.overrides.allowed and not policy.overrides.roles:
        raise document.fault("name the roles that may override, or say allowed: false", "overrides", "roles")


def _checked_phase(
    document: Document, phase: str, demands: PhasePolicy, find_control: ControlFinder
) -> PhasePolicy:
    at = ("phases", phase)
    rules = [rule.id for rule in PHASE_RULES[phase]]
    for index, rule in enumerate(demands.rules or ()):
        _known(document, f"rule of {phase}", rule, rules, *at, "rules", index)
    controls: list[ControlDemand] = []
    for index, control in enumerate(demands.controls):
        if not control.answers:
            raise document.fault("no answer would do", *at, "controls", index, "answers")
        try:
            kept = find_control(phase, control.id)
        except InputError as error:
            raise document.fault(error.message, *at, "controls", index, "id", hint=error.hint) from None
        if kept in {one.id for one in controls}:
            raise document.fault(f"{kept} is demanded twice", *at, "controls", index, "id")
        controls.append(msgspec.structs.replace(control, id=kept))
    for index, evidence in enumerate(demands.evidence):
        if not NAME_PATTERN.fullmatch(evidence.kind):
            raise document.fault(
                f"{evidence.kind[:60]!r} cannot name a kind of evidence", *at, "evidence", index, "kind"
            )
        if not 1 <= evidence.count <= MOST_PARTS:
            raise document.fault(f"count is 1 to {MOST_PARTS}", *at, "evidence", index, "count")
    for index, metric in enumerate(demands.metrics):
        if not NAME_PATTERN.fullmatch(metric.name):
            raise document.fault(f"{metric.name[:60]!r} cannot name a metric", *at, "metrics", index, "name")
        if None not in (metric.at_least, metric.at_most) and metric.at_least > metric.at_most:  # type: ignore[operator]
            raise document.fault("at-least is above at-most", *at, "metrics", index)
    approvals = demands.approvals
    if not 0 <= approvals.count <= MOST_APPROVALS:
        raise document.fault(f"count is 0 to {MOST_APPROVALS}", *at, "approvals", "count")
    if approvals.expires_days is not None and not 1 <= approvals.expires_days <= MOST_DAYS:
        raise document.fault(f"expires-days is 1 to {MOST_DAYS}", *at, "approvals", "expires-days")
    _check_conditions(document, phase, demands, rules)
    return msgspec.structs.replace(demands, controls=tuple(controls))


def _check_conditions(document: Document, phase: str, demands: PhasePolicy, rules: Iterable[str]) -> None:
    taken = {*rules, *GATE_RULES}
    for index, condition in enumerate(demands.conditions):
        at = ("phases", phase, "conditions", index)
        if not NAME_PATTERN.fullmatch(condition.id):
            raise document.fault(f"{condition.id[:60]!r} cannot name a condition", *at, "id")
        if condition.id in taken:
            raise document.fault(f"{condition.id} is the id of another rule of this phase", *at, "id")
        taken.add(condition.id)
        if not condition.title.strip():
            raise document.fault("the title is empty", *at, "title")
        for name in ("when", "expression"):
            text = getattr(condition, name)
            if name == "when" and not text:
                continue
            if fault := check_expression(text):
                where = f"line {fault.line}, column {fault.column} of the expression"
                hint = "Names and types: `crisplens policy view`."
                raise document.fault(f"{condition.id}: {fault.reason} ({where})", *at, name, hint=hint)


def _check_doors(document: Document, policy: Policy) -> None:
    phases = [phase.id for phase in list_phases()]
    for door in ("promotion", "deployment", "cycle"):
        if door != "cycle" and not getattr(policy.doors, door):
            raise document.fault(f"{door} asks at least one gate", "doors", door)
        for index, phase in enumerate(getattr(policy.doors, door) or ()):
            _known(document, "phase", phase, phases, "doors", door, index)


def _check_examples(document: Document, policy: Policy) -> None:
    phases = [phase.id for phase in list_phases()]
    for index, example in enumerate(policy.examples):
        at = ("examples", index)
        _known(document, "phase", example.phase, phases, *at, "phase")
        for name, value in example.given.items():
            _known(document, "name of the view", name, VIEW, *at, "given", name)
            if not fits(VIEW[name].type, value):
                raise document.fault(f"{name} is a {VIEW[name].type}", *at, "given", name)


def _known(document: Document, kind: str, name: str, known: Iterable[str], *place: str | int) -> None:
    choices = list(known)
    if name in choices:
        return
    close = nearest(name, choices)
    hint = f"Did you mean {' or '.join(close)}?" if close else f"Known: {', '.join(choices)}."
    raise document.fault(f"there is no {kind} named {name[:100]!r}", *place, hint=hint)
