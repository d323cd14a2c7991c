"""What a policy demands of a phase beyond the built-in rules (controls, evidence, metrics, conditions).

Pure, and asked of the view alone: so the examples in a policy are judged by what judges the record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crisplens.core.clock import parse_time
from crisplens.core.errors import InputError
from crisplens.lifecycle.catalogues.crosswalk import counted_answer
from crisplens.lifecycle.policies.conditions import evaluate, names_in
from crisplens.lifecycle.policies.model import (
    Condition,
    ControlDemand,
    EvidenceDemand,
    Example,
    MetricDemand,
    PhasePolicy,
    Policy,
)
from crisplens.lifecycle.policies.view import VIEW
from crisplens.lifecycle.rules.situation import Situation

_EMPTY: dict[str, Callable[[], Any]] = {"string": str, "int": int, "bool": bool, "double": float}


@dataclass(frozen=True)
class Demanded:
    """A demand's answer: whether it is met, what was found, what would meet it, and the names that it looked at."""

    id: str
    title: str
    met: bool
    found: str
    remedy: str
    names: frozenset[str]


class Values(Mapping[str, Any]):
    """The view's values in a situation, each worked out when it is first asked for."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._known: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = VIEW[name].value(self._situation)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(VIEW)

    def __len__(self) -> int:
        return len(VIEW)


def judge(demands: PhasePolicy, phase: str, values: Mapping[str, Any]) -> list[Demanded]:
    """Ask every demand of a phase but its approvals of the view's values."""
    return [
        *(_control(one, phase, values) for one in demands.controls),
        *(_evidence(one, phase, values) for one in demands.evidence),
        *(_metric(one, values) for one in demands.metrics),
        *(_condition(one, values) for one in demands.conditions),
    ]


@dataclass(frozen=True)
class ExampleResult:
    """An example of a policy: the demands that it expects to be unmet, and those that are."""

    name: str
    phase: str
    expected: tuple[str, ...]
    unmet: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the policy does what its author expects."""
        return sorted(self.expected) == sorted(self.unmet)


def run_example(policy: Policy, example: Example) -> ExampleResult:
    """Judge an example's values by the policy; names that it does not give are empty."""
    values = {name: _empty(one.type) for name, one in VIEW.items()} | _typed(example.given)
    unmet = [one for one in judge(policy.demands(example.phase), example.phase, values) if not one.met]
    return ExampleResult(
        example.name,
        example.phase,
        example.unmet,
        tuple(one.id for one in unmet),
        tuple(f"{one.id}: {one.found}" for one in unmet),
    )


def _control(demand: ControlDemand, phase: str, values: Mapping[str, Any]) -> Demanded:
    answer, via = counted_answer(demand.id, values["checkpoint.answers"])
    wanted = [one.value for one in demand.answers]
    short = demand.id.removeprefix("crisplens:")
    found = f"{answer}" + (f", by the answer to {via}" if via else "") if answer else "not answered"
    return Demanded(
        f"control:{short}",
        f"{short} is answered {' or '.join(wanted)}",
        answer in wanted,
        found,
        f"crisplens checkpoint record {phase} --control {short}={wanted[0]}:REASON",
        frozenset({"checkpoint.answers"}),
    )


def _evidence(demand: EvidenceDemand, phase: str, values: Mapping[str, Any]) -> Demanded:
    count = Counter(values["checkpoint.evidence"])[demand.kind]
    return Demanded(
        f"evidence:{demand.kind}",
        f"The checkpoint carries {demand.count if demand.count > 1 else 'a'} {demand.kind}",
        count >= demand.count,
        f"{count or 'none'}",
        f"crisplens checkpoint record {phase} --evidence {demand.kind}=FILE",
        frozenset({"checkpoint.evidence"}),
    )


def _metric(demand: MetricDemand, values: Mapping[str, Any]) -> Demanded:
    parts = {"overall": values["evaluation.metrics"]}
    if demand.every_slice:
        parts |= values["evaluation.slices"]
    faults = [f"{part}: {said}" for part, metrics in parts.items() if (said := _out(demand, metrics))]
    if demand.every_slice and len(parts) == 1:
        faults.append("no slice was evaluated")
    bounds = [f"at least {demand.at_least:g}"] if demand.at_least is not None else []
    bounds += [f"at most {demand.at_most:g}"] if demand.at_most is not None else []
    where = " in every slice" if demand.every_slice else ""
    value = parts["overall"].get(demand.name)
    return Demanded(
        f"metric:{demand.name}",
        f"{demand.name} is {' and '.join(bounds) or 'measured'}{where}",
        not faults,
        "; ".join(faults) or f"{value:.6g}{where}",
        "train a version that reaches it, or adopt a policy that asks for less",
        frozenset(
            {"evaluation.metrics", "evaluation.slices"} if demand.every_slice else {"evaluation.metrics"}
        ),
    )


def _out(demand: MetricDemand, metrics: Mapping[str, float]) -> str:
    value = metrics.get(demand.name)
    if value is None:
        return "not measured"
    low = demand.at_least is not None and value < demand.at_least
    high = demand.at_most is not None and value > demand.at_most
    return f"{value:.12g}" if low or high else ""


def _condition(condition: Condition, values: Mapping[str, Any]) -> Demanded:
    names = names_in(condition.expression) | names_in(condition.when)
    applies = evaluate(condition.when, values) if condition.when else None
    if applies is not None and not applies.met and not applies.reason:
        met, found = True, "does not apply"
    else:
        answered = evaluate(condition.expression, values)
        met = answered.met
        found = answered.reason or (
            "it holds" if met else f"it does not hold: {condition.expression.strip()}"
        )
    return Demanded(condition.id, condition.title, met, found, condition.remedy or "see the policy", names)


_MOST_INT = 2**63 - 1


def fits(kind: str, value: Any) -> bool:
    """Whether an example's value, as YAML gives it, is of a type of the view."""
    if kind.startswith("list("):
        return isinstance(value, list) and all(fits(kind[5:-1], one) for one in value)
    if kind.startswith("map("):
        inner = kind[4:-1].partition(", ")[2]
        return isinstance(value, dict) and all(fits(inner, one) for one in value.values())
    if kind == "timestamp":
        return isinstance(value, str) and _is_time(value)
    if isinstance(value, bool):
        return kind == "bool"
    if kind == "int":
        return isinstance(value, int) and abs(value) <= _MOST_INT
    return isinstance(value, str if kind == "string" else int | float) and kind != "bool"


def _is_time(text: str) -> bool:
    try:
        parse_time(text)
    except InputError:
        return False
    return True


def _empty(kind: str) -> Any:
    from datetime import UTC, datetime

    if kind == "timestamp":
        return datetime(2026, 1, 1, tzinfo=UTC)
    return [] if kind.startswith("list") else {} if kind.startswith("map") else _EMPTY[kind]()


def _typed(given: Mapping[str, Any]) -> dict[str, Any]:
    """An example's values as the view's types: YAML writes a double of 1 as 1, and a time as text."""
    return {name: _as_type(VIEW[name].type, value) for name, value in given.items()}


def _as_type(kind: str, value: Any) -> Any:
    if kind.startswith("list(") and isinstance(value, list):
        return [_as_type(kind[5:-1], one) for one in value]
    if kind.startswith("map(") and isinstance(value, dict):
        inner = kind[4:-1].partition(", ")[2]
        return {str(name): _as_type(inner, one) for name, one in value.items()}
    if kind == "double" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind == "timestamp" and isinstance(value, str):
        return parse_time(value)
    return value
