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


class EvidenceLink(msgspec.Struct, frozen=True, omit_defaults=True):
    """An evidence file that a checkpoint rests on; policies ask for kinds of it, such as `test-report`."""

    digest: str
    name: str
    kind: str = ""


class Decision(StrEnum):
    """What an approver decided."""

    APPROVED = "approved"
    REJECTED = "rejected"
    CHANGES_REQUESTED = "changes-requested"


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


class ApprovalState(StrEnum):
    """What a decision on a checkpoint is worth now; only what stands opens a gate."""

    STANDS = "stands"
    STALE = "stale"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"
    CHANGES_REQUESTED = "changes-requested"
    SUPERSEDED = "superseded"
    INVALID = "invalid"


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Something that an approved checkpoint rested on and that has changed since, in event `seq`.

    `path` leads from what changed to the checkpoint, through the lineage.
    """

    what: str
    seq: int
    said: str
    path: tuple[str, ...] = ()


class ApprovalStanding(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision is worth now, and why; `causes` are what made it stale.

    `on_behalf_of` is the approver who had delegated to `by`, or `by`: their two approvals are one person's.
    """

    approval: str
    checkpoint: str
    by: str
    on_behalf_of: str
    state: ApprovalState
    reason: str
    signed: bool = False
    causes: tuple[Cause, ...] = ()


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate says of a phase, rule by rule, judged by a `policy` (`name@version`).

    `basis` maps everything that the rules rested on to the event that last changed it; an approval
    is bound to the basis it was given on. `subject` is the model version judged, where there is one. `approvals` are
    the decisions on the checkpoint that counts, `override` the id of one that lets pass what the gate stops.
    """

    phase: str
    cycle: int
    subject: str | None
    open: bool
    rules: tuple[RuleResult, ...]
    basis: dict[str, int]
    policy: str = ""
    checkpoint: str | None = None
    approvals: tuple[ApprovalStanding, ...] = ()
    override: str = ""

    @property
    def unmet(self) -> tuple[RuleResult, ...]:
        """The rules that are not met."""
        return tuple(rule for rule in self.rules if not rule.met)


class OverrideOutcome(StrEnum):
    """What the review of an override found."""

    JUSTIFIED = "justified"
    NOT_JUSTIFIED = "not-justified"


def changed_since(approved: Mapping[str, int], basis: Mapping[str, int]) -> dict[str, bool]:
    """What `basis` rests on that `approved` did not, or that has changed since; empty means it still stands.

    The values say whether `approved` rested on it too.
    """
    return {name: name in approved for name, seq in basis.items() if approved.get(name) != seq}
