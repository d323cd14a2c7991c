"""The story by phase and by cycle, as values arranged for reading."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from crisplens.lifecycle.cycles import CycleStory
from crisplens.lifecycle.model import ApprovalStanding, RuleResult
from crisplens.lifecycle.phases import Control
from crisplens.lifecycle.queries import Approval, ApprovalRequest, Checkpoint
from crisplens.reports.governance_content import OverrideEntry


class PhaseState(StrEnum):
    """How a phase stands in the current cycle."""

    IN_ORDER = "in order"
    BLOCKED = "blocked"
    NOT_STARTED = "not started"
    NOT_REQUIRED = "not required"


class ControlEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A control's answer, with its title."""

    id: str
    title: str
    answer: str
    reason: str


class ApprovalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A decision on a checkpoint and what it is worth today; None where the policy does not ask for the phase."""

    approval: Approval
    standing: ApprovalStanding | None


class RequestState(StrEnum):
    """What became of a request for approval."""

    WAITING = "waiting"
    ANSWERED = "answered"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"


class RequestEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A request for approval and what became of it."""

    request: ApprovalRequest
    state: RequestState


class CheckpointEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint with its answers spelt out. `counts`: the gate rests on this one.

    `faults` says, by digest, which of its evidence a check found damaged or gone.
    """

    checkpoint: Checkpoint
    counts: bool
    controls: tuple[ControlEntry, ...]
    unanswered: tuple[Control, ...]
    requests: tuple[RequestEntry, ...]
    approvals: tuple[ApprovalEntry, ...]
    faults: dict[str, str]


class CycleOfPhase(msgspec.Struct, frozen=True, kw_only=True):
    """A phase's checkpoints in one cycle."""

    number: int
    checkpoints: tuple[CheckpointEntry, ...]


class PhaseStory(msgspec.Struct, frozen=True, kw_only=True):
    """A phase: its places in the frameworks, how it stands, and what was stated and decided.

    Its gate is judged by `policy` (`name@version`), which demands so many approvals (`demanded`) of which so many stand
    (`standing`); `override` is the id of the one that lets pass what the gate stops, and `overrides` are all of them.
    """

    number: int
    id: str
    title: str
    description: str
    crisp_dm: tuple[str, ...]
    lens_phase: str
    source: str
    note: str
    state: PhaseState
    before_cycle: bool
    subject: str | None
    rules: tuple[RuleResult, ...]
    policy: str
    demanded: int
    standing: int
    override: str
    overrides: tuple[OverrideEntry, ...]
    cycles: tuple[CycleOfPhase, ...]


class PhaseGaps(msgspec.Struct, frozen=True, kw_only=True):
    """A phase's rules that are not met, each with what would meet it."""

    phase: str
    title: str
    state: PhaseState
    rules: tuple[RuleResult, ...]


class PhaseTime(msgspec.Struct, frozen=True, kw_only=True):
    """A phase in a cycle: from its first checkpoint to its last approval there; `days` is None while there is none."""

    title: str
    checkpoints: int
    started_at: str | None
    approved_at: str | None
    days: float | None


class CycleEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A cycle: what it changed, how long its phases took, which it took over and which it has not begun."""

    story: CycleStory
    from_title: str
    current: bool
    checkpoints: int
    decisions: int
    phases: tuple[PhaseTime, ...]
    inherited: tuple[str, ...]
    not_begun: tuple[str, ...]
