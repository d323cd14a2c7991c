"""Cycles: opening the next pass through the phases, and what each one changed and how long its phases took."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy.orm import Session

from crisplens.core.clock import parse_time
from crisplens.core.text import check_text, count
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.lifecycle.events import CycleOpened
from crisplens.lifecycle.model import Decision
from crisplens.lifecycle.phases import get_phase, list_phases, phase_order
from crisplens.lifecycle.queries import Checkpoint, Cycle, list_cycles
from crisplens.lifecycle.record import ProjectRecord, load_record
from crisplens.lifecycle.tables import CycleRow
from crisplens.monitors.incidents.queries import get_trigger
from crisplens.registry.views import View, get_view


class PhaseOfCycle(msgspec.Struct, frozen=True, kw_only=True):
    """A phase in a cycle: from its first checkpoint to its last approval there.

    `days` is how long that took, None while it is not approved; an inherited phase took place in an earlier cycle.
    """

    phase: str
    inherited: bool
    checkpoints: int
    started_at: str | None
    approved_at: str | None
    days: float | None


class CycleStory(msgspec.Struct, frozen=True, kw_only=True):
    """One cycle: why it was opened, what it changed, phase by phase how long it took, and how it ended.

    `state` is `open`, `closed`, or `superseded` by a cycle that was opened before it was closed.
    """

    number: int
    from_phase: str
    reason: str
    trigger: str | None
    state: str
    opened_by: str
    opened_at: str
    ended_at: str | None
    closed_by: str | None
    note: str
    changes: tuple[str, ...]
    phases: tuple[PhaseOfCycle, ...]


def open_cycle(
    work: UnitOfWork, *, from_phase: str = "data-collection", reason: str = "", trigger: str | None = None
) -> Cycle:
    """Begin another pass at `from_phase`; the phases before it keep their checkpoints.

    Raises `InputError` for an unknown phase or trigger, and when neither reason nor trigger is given.
    """
    phase = get_phase(from_phase)
    cycles = list_cycles(work.session, work.project)
    if trigger is not None:
        reason = reason or get_trigger(work.session, work.project, trigger).reason
    event = CycleOpened(
        number=cycles[-1].number + 1,
        from_phase=phase.id,
        reason=check_text("the reason for a new cycle", reason),
        trigger=trigger,
    )
    append(work, event)
    return get_view(work.session, CycleRow, (work.project, event.number), Cycle)


def list_cycle_stories(session: Session, project: str) -> list[CycleStory]:
    """The project's cycles with what each changed and how long its phases took."""
    return cycle_stories(load_record(session, project))


def cycle_stories(record: ProjectRecord) -> list[CycleStory]:
    """The record's cycles, in their order."""
    ends = {one.number: one for one in record.cycle_ends}
    stories = []
    for place, cycle in enumerate(record.cycles):
        following = record.cycles[place + 1] if place + 1 < len(record.cycles) else None
        end = ends.get(cycle.number)
        stories.append(
            CycleStory(
                number=cycle.number,
                from_phase=cycle.from_phase,
                reason=cycle.reason,
                trigger=cycle.trigger,
                state="closed" if end else "superseded" if following else "open",
                opened_by=cycle.recorded_by,
                opened_at=cycle.recorded_at,
                ended_at=end.recorded_at if end else following.recorded_at if following else None,
                closed_by=end.recorded_by if end else None,
                note=end.note if end else "",
                changes=_changes(record, cycle.seq, following.seq if following else None),
                phases=tuple(_phase(record, cycle, phase.id) for phase in list_phases()),
            )
        )
    return stories


def _phase(record: ProjectRecord, cycle: Cycle, phase: str) -> PhaseOfCycle:
    checkpoints = [one for one in record.checkpoints if one.phase == phase and one.cycle == cycle.number]
    started = min((one.recorded_at for one in checkpoints), default=None)
    approved = max(_approvals(record, checkpoints), default=None)
    return PhaseOfCycle(
        phase=phase,
        inherited=phase_order(phase) < phase_order(cycle.from_phase) and not checkpoints,
        checkpoints=len(checkpoints),
        started_at=started,
        approved_at=approved,
        days=_days(started, approved) if started and approved else None,
    )


def _approvals(record: ProjectRecord, checkpoints: Iterable[Checkpoint]) -> list[str]:
    """When checkpoints were approved; what someone took back, or decided otherwise since, does not count."""
    found = []
    for checkpoint in checkpoints:
        last = {one.recorded_by.casefold(): one for one in record.decisions.get(checkpoint.id, [])}
        found += [
            one.recorded_at
            for one in last.values()
            if one.decision == Decision.APPROVED and one.withdrawn_seq is None
        ]
    return found


def _days(start: str, end: str) -> float:
    return round((parse_time(end) - parse_time(start)).total_seconds() / 86_400, 3)


def _changes(record: ProjectRecord, start: int, end: int | None) -> tuple[str, ...]:
    """What was recorded in a cycle, in the order of the phases; the first cycle's beginning is the project's."""

    def within(seq: int) -> bool:
        return seq >= start and (end is None or seq < end)

    def of(items: Iterable[View]) -> int:
        return sum(within(one.seq) for one in items)

    named = [
        *(f"model {one.ref}" for one in record.model_versions if within(one.seq)),
        *(f"{one.alias} is {one.ref}" for one in record.promotions if within(one.seq)),
        *(
            f"{one.id} to {one.environment}: {', '.join(str(variant.model) for variant in one.variants)}"
            for one in record.deployments
            if within(one.seq)
        ),
        *(f"policy {ref}" for ref, seq in record.policy.adopted if within(seq)),
    ]
    counted = [
        (of([record.goal] if record.goal else []), "goal last set", "goals last set"),
        (of(record.kpis), "KPI last set", "KPIs last set"),
        (of(record.dataset_versions), "dataset version", "dataset versions"),
        (of(record.evaluations), "evaluation", "evaluations"),
        (of(record.incidents), "incident", "incidents"),
    ]
    return (*(count(number, one, many) for number, one, many in counted if number), *named)
