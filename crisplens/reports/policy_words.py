"""The policy in force, and what it demands in words."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from crisplens.core.text import count
from crisplens.lifecycle.model import Signatures
from crisplens.lifecycle.phases import Phase, get_phase, list_phases
from crisplens.lifecycle.policies.model import ApprovalDemand, MetricDemand, PhasePolicy, Policy
from crisplens.lifecycle.policies.queries import list_adoptions
from crisplens.lifecycle.record import ProjectRecord
from crisplens.reports.governance_content import PhaseDemands, PolicySection
from crisplens.reports.numbers import join_words


def policy_section(session: Session, record: ProjectRecord) -> PolicySection:
    """The policy that the project is judged by, since when, and what it demands of each phase."""
    adopted = next(
        (one for one in list_adoptions(session, record.project.project) if one.seq == record.policy.seq), None
    )
    policy = record.policy.policy
    return PolicySection(
        policy=policy,
        since=adopted.recorded_at if adopted else record.project.recorded_at,
        seq=record.policy.seq,
        by=adopted.recorded_by if adopted else "",
        reason=adopted.reason if adopted else "",
        phases=tuple(_demands(record, phase, policy.demands(phase.id)) for phase in list_phases()),
        general=tuple(_general(policy)),
    )


def _demands(record: ProjectRecord, phase: Phase, demands: PhasePolicy) -> PhaseDemands:
    demand = record.gate_demands.get(phase.id)
    signed = demand is not None and demand.signatures == Signatures.REQUIRED
    return PhaseDemands(
        phase=phase.id,
        title=phase.title,
        required=demands.required,
        rules="all" if demands.rules is None else ", ".join(demands.rules) or "none",
        more=tuple(_more(demands)),
        approvals=approval_words(demands.approvals, demanded=signed),
    )


def _more(demands: PhasePolicy) -> Iterator[str]:
    if demands.reasons:
        yield "every answer has a reason"
    for control in demands.controls:
        short = control.id.removeprefix("crisplens:")
        yield f"{short} is answered {' or '.join(one.value for one in control.answers)}"
    for evidence in demands.evidence:
        many = f"{evidence.count} files" if evidence.count > 1 else "a file"
        yield f"{many} of the kind {evidence.kind}"
    yield from map(_metric, demands.metrics)
    for condition in demands.conditions:
        yield condition.title


def _metric(demand: MetricDemand) -> str:
    bounds = [f"at least {demand.at_least:g}"] if demand.at_least is not None else []
    bounds += [f"at most {demand.at_most:g}"] if demand.at_most is not None else []
    where = " in every slice" if demand.every_slice else ""
    return f"{demand.name} is {' and '.join(bounds) or 'measured'}{where}"


def approval_words(demand: ApprovalDemand, *, demanded: bool = False) -> str:
    """How many approvals by whom; `demanded` when signatures were demanded of the gate by themselves."""
    if demand.count == 0:
        return "none"
    who = f" by {'' if len(demand.roles) > 1 else 'an '}{' or '.join(demand.roles)}" if demand.roles else ""
    if len(demand.roles) == 1 and demand.count > 1:
        who = f" by {demand.roles[0]}s"
    said = [f"{demand.count}{who}"]
    said += ["signed"] if demand.signed else ["signed, as was demanded of this gate"] if demanded else []
    said += ["on request"] if demand.requested else []
    said += [f"lasting {count(demand.expires_days, 'day')}"] if demand.expires_days is not None else []
    said += [] if demand.author_excluded else ["the author's own too"]
    return ", ".join(said)


def _general(policy: Policy) -> Iterator[str]:
    for one, other in policy.separation:
        yield f"Nobody is both {one} and {other} of a model version."
    if policy.overrides.allowed:
        roles, days = " or ".join(policy.overrides.roles), count(policy.overrides.most_days, "day")
        yield f"In an emergency a blocked gate may be overridden by the role {roles}, for {days} at most."
    else:
        yield "No gate may be overridden."
    doors = policy.doors
    for what, phases in (("Promotion", doors.promotion), ("Deployment to production", doors.deployment)):
        yield f"{what} asks {_gates(phases)}."
    yield f"Closing a cycle asks {'the gates of all phases above' if doors.cycle is None else _gates(doors.cycle)}."


def _gates(phases: tuple[str, ...]) -> str:
    titles = [get_phase(phase).title.lower() for phase in phases]
    return f"the {'gate' if len(titles) == 1 else 'gates'} of {join_words(titles)}" if titles else "no gate"
