"""A policy as a value: what it demands of each phase, and of what passes a gate. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from crisplens.core.canonical import digest_json
from crisplens.lifecycle.model import Answer
from crisplens.lifecycle.roles.model import Role


class PolicyPart(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """Base of a policy's parts: fields are written with dashes, and none is ignored."""


class ControlDemand(PolicyPart, frozen=True, kw_only=True):
    """A control that the phase's checkpoint answers in one of these ways."""

    id: str
    answers: tuple[Answer, ...] = (Answer.MET,)


class EvidenceDemand(PolicyPart, frozen=True, kw_only=True):
    """Files of a kind that the phase's checkpoint carries at least `count` of."""

    kind: str
    count: int = 1


class MetricDemand(PolicyPart, frozen=True, kw_only=True):
    """A metric that the evaluation reports, overall and, where `every-slice`, in each slice, within bounds."""

    name: str
    at_least: float | None = None
    at_most: float | None = None
    every_slice: bool = False


class ApprovalDemand(PolicyPart, frozen=True, kw_only=True):
    """Whose decisions open the gate: how many different people's, in which roles, and how long they last.

    Without `roles` anyone may approve. `signed` takes approvals that the approver's own key signed, `requested` those
    that were asked for.
    """

    count: int = 1
    roles: tuple[Role, ...] = ()
    signed: bool = False
    author_excluded: bool = True
    requested: bool = False
    expires_days: int | None = None


class Condition(PolicyPart, frozen=True, kw_only=True):
    """A rule in CEL over the view of the record: it is met when `expression` is true, or `when` is not."""

    id: str
    title: str
    expression: str
    when: str = ""
    remedy: str = ""


class PhasePolicy(PolicyPart, frozen=True, kw_only=True):
    """What a policy demands of one phase. `rules` names built-in rules; None means all of the phase.

    With `reasons` every answer of a checkpoint says why, also where it carries evidence.
    """

    required: bool = True
    rules: tuple[str, ...] | None = None
    reasons: bool = False
    controls: tuple[ControlDemand, ...] = ()
    evidence: tuple[EvidenceDemand, ...] = ()
    metrics: tuple[MetricDemand, ...] = ()
    approvals: ApprovalDemand = ApprovalDemand()
    conditions: tuple[Condition, ...] = ()

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of what it demands."""
        return digest_json(msgspec.to_builtins(self))


class Overrides(PolicyPart, frozen=True, kw_only=True):
    """Whether a blocked gate may be overridden in an emergency, by whom and for how long."""

    allowed: bool = True
    roles: tuple[Role, ...] = (Role.ADMINISTRATOR,)
    most_days: int = 7


class Duty(StrEnum):
    """What a person does for a model version."""

    AUTHOR = "author"
    APPROVER = "approver"
    DEPLOYER = "deployer"


class Doors(PolicyPart, frozen=True, kw_only=True):
    """The phases whose gates are asked before something passes; a cycle's are all that are required, unless named."""

    promotion: tuple[str, ...] = ("evaluation",)
    deployment: tuple[str, ...] = ("evaluation",)
    cycle: tuple[str, ...] | None = None


class Example(PolicyPart, frozen=True, kw_only=True):
    """A test that stands in the policy: with these values in the view, these conditions of the phase are not met."""

    name: str
    phase: str
    given: dict[str, object] = {}
    unmet: tuple[str, ...] = ()


class Policy(PolicyPart, frozen=True, kw_only=True):
    """A named, versioned set of demands. `separation` lists duties that one person may not unite."""

    policy: str
    version: int
    title: str
    description: str = ""
    phases: dict[str, PhasePolicy] = {}
    separation: tuple[tuple[Duty, Duty], ...] = ()
    overrides: Overrides = Overrides()
    doors: Doors = Doors()
    examples: tuple[Example, ...] = ()

    @property
    def ref(self) -> str:
        """`name@version`."""
        return f"{self.policy}@{self.version}"

    def demands(self, phase: str) -> PhasePolicy:
        """What it demands of a phase: where it says nothing, all built-in rules and one approval."""
        return self.phases.get(phase, _DEFAULT)

    def separates(self, one: Duty, other: Duty) -> bool:
        """Whether two duties must lie with different people."""
        return any({*pair} == {one, other} for pair in self.separation)


_DEFAULT = PhasePolicy()


class PolicyInForce(msgspec.Struct, frozen=True, kw_only=True):
    """The policy that a project is judged by, and since when each phase's demands are what they are.

    `seqs` maps a phase to the event since which its demands have not changed; phases whose demands are those that the
    project began with are missing. `adopted` are all that it took on (`name@version`), with their events.
    """

    policy: Policy
    seq: int
    seqs: Mapping[str, int]
    adopted: tuple[tuple[str, int], ...] = ()


class Adoption(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that a project took on in event `seq`."""

    policy: Policy
    seq: int


def in_force(first: Policy, began: int, adoptions: list[Adoption]) -> PolicyInForce:
    """The last of a project's policies, with the events since which each phase's demands hold unchanged."""
    current, seq = first, began
    seqs: dict[str, int] = {}
    for adoption in adoptions:
        phases = {*current.phases, *adoption.policy.phases}
        for phase in phases:
            if adoption.policy.demands(phase).digest != current.demands(phase).digest:
                seqs[phase] = adoption.seq
        current, seq = adoption.policy, adoption.seq
    adopted = tuple((one.policy.ref, one.seq) for one in adoptions)
    return PolicyInForce(policy=current, seq=seq, seqs=seqs, adopted=adopted)
