"""Answers, gate results and approvals as values, and what it means that an approval still stands."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

FIRST_CYCLE = 1


class Answer(StrEnum):
    """How a control stands."""

    MET = "met"
    PARTIAL = "partial"
    NOT_MET = "not-met"
    NOT_APPLICABLE = "not-applicable"


class ControlAnswer(msgspec.Struct, frozen=True):
    """A control's answer at a checkpoint, and why."""

    control: str
    answer: Answer
    reason: str


class EvidenceLink(msgspec.Struct, frozen=True):
    """An evidence file that a checkpoint rests on."""

    digest: str
    name: str


class Decision(StrEnum):
    """What an approver decided."""

    APPROVED = "approved"
    REJECTED = "rejected"


class ApprovalSignature(msgspec.Struct, frozen=True, kw_only=True):
    """An approver's SSH signature (armoured, as `ssh-keygen -Y sign` makes it) on an approval's statement.

    `basis_digest` is `sha256:<hex>` of the ledger's leaf hashes of what the approval rests on.
    """

    basis_digest: str
    signature: str


class Signatures(StrEnum):
    """Whether a phase's gate takes unsigned approvals."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class RuleResult(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of a gate: whether it is met, what was found, and what would meet it."""

    rule: str
    title: str
    met: bool
    found: str
    remedy: str


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate says of a phase, rule by rule.

    `basis` maps everything that the rules rested on to the event that last changed it; an approval
    is bound to the basis it was given on. `subject` is the model version judged, where there is one.
    """

    phase: str
    cycle: int
    subject: str | None
    open: bool
    rules: tuple[RuleResult, ...]
    basis: dict[str, int]

    @property
    def unmet(self) -> tuple[RuleResult, ...]:
        """The rules that are not met."""
        return tuple(rule for rule in self.rules if not rule.met)


def changes_since(approved: Mapping[str, int], basis: Mapping[str, int]) -> list[str]:
    """What `basis` rests on that `approved` did not, or that has changed since: empty means it still stands."""
    return [
        f"{name} was recorded since" if name not in approved else f"{name} has changed since"
        for name, seq in basis.items()
        if approved.get(name) != seq
    ]
