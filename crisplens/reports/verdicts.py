"""The verdict on the project: whether it is in order, and each reason why not."""

from __future__ import annotations

from collections.abc import Sequence

from crisplens.core.text import count
from crisplens.lifecycle.gates import APPROVED, decide_version
from crisplens.lifecycle.model import RuleResult
from crisplens.lifecycle.record import ProjectRecord
from crisplens.lifecycle.status import StaleApproval
from crisplens.registry.projects.model import Direction
from crisplens.reports.content import (
    KpiResults,
    ProjectState,
    ProjectVerdict,
    Reason,
)
from crisplens.reports.goals import deployment_in_production, versions_in_production
from crisplens.reports.governance_content import OverrideEntry
from crisplens.reports.numbers import join_words
from crisplens.reports.story_content import PhaseState, PhaseStory


def project_verdict(
    record: ProjectRecord,
    phases: tuple[PhaseStory, ...],
    kpis: tuple[KpiResults, ...],
    *,
    unreviewed: Sequence[OverrideEntry],
    stale: Sequence[StaleApproval],
) -> ProjectVerdict:
    """Whether the project is in order, and each reason why not."""
    asked = [phase for phase in phases if phase.state is not PhaseState.NOT_REQUIRED]
    blocked = [phase for phase in phases if phase.state is PhaseState.BLOCKED]
    waiting = [phase for phase in phases if phase.state is PhaseState.NOT_STARTED]
    alarms = _open_alarms(record)
    missed = [*_missed_kpis(kpis), *_missed_in_production(record)]
    ungated = _ungated(record)
    standing_out = _standing_out(record, unreviewed, stale)
    summary = [
        *([_are(len(blocked), f"of {len(asked)} phases", "blocked")] if blocked else []),
        *standing_out[0],
        *alarms[0],
        *([_are(len({kpi for kpi, _ in missed}), f"of {len(kpis)} KPIs", "missed")] if missed else []),
        *(
            [count(len(ungated), "model version") + " in production would not pass the gate today"]
            if ungated
            else []
        ),
    ]
    reasons = [
        *(
            Reason(subject=phase.title, text=_blocked(phase), section=f"phase-{phase.id}")
            for phase in blocked
        ),
        *standing_out[1],
        *alarms[1],
        *(reason for _, reason in missed),
        *ungated,
    ]
    if waiting:
        names = ", ".join(phase.title for phase in waiting)
        reasons.append(Reason(subject="Not started", text=f": {names}.", section="phases"))
    if summary:
        return ProjectVerdict(
            state=ProjectState.NOT_IN_ORDER, sentence=f"{join_words(summary)}.", reasons=tuple(reasons)
        )
    if len(waiting) == len(asked):
        return ProjectVerdict(
            state=ProjectState.NOT_STARTED,
            sentence="The project is under the record, and nothing else has been recorded of it yet.",
            reasons=(),
        )
    if waiting:
        share = _are(len(waiting), f"of {len(asked)} phases", "not started")
        sentence = f"Nothing that was begun is blocked; {share}."
        return ProjectVerdict(state=ProjectState.UNDER_WAY, sentence=sentence, reasons=tuple(reasons))
    return ProjectVerdict(
        state=ProjectState.IN_ORDER,
        sentence="Every gate that the policy asks for is open, the evaluations meet every KPI, and no incident or "
        "trigger is open.",
        reasons=(),
    )


def _be(number: int) -> str:
    return " is " if number == 1 else " are "


def _are(number: int, of: str, what: str) -> str:
    return f"{number} {of}{_be(number)}{what}"


def _blocked(phase: PhaseStory) -> str:
    unmet = [rule for rule in phase.rules if not rule.met]
    rest = f" (and {count(len(unmet) - 1, 'more rule')})" if len(unmet) > 1 else ""
    return f" is blocked: {_unmet(unmet[0])}{rest}."


def _unmet(rule: RuleResult) -> str:
    """A rule that is not met in words that read on from a colon."""
    if rule.rule == APPROVED:
        return f"no approval holds; {rule.found}"
    return f"not met is “{rule.title}”; {rule.found}"


def _standing_out(
    record: ProjectRecord, unreviewed: Sequence[OverrideEntry], stale: Sequence[StaleApproval]
) -> tuple[list[str], list[Reason]]:
    """What governance leaves open; the overrides and stale approvals themselves are listed beside the verdict."""
    overdue = [one for one in record.risks if one.is_overdue(record.today)]
    summary = []
    if unreviewed:
        summary.append(count(len(unreviewed), "override") + _be(len(unreviewed)) + "not reviewed")
    if stale:
        summary.append(count(len(stale), "approval") + _be(len(stale)) + "stale")
    if overdue:
        summary.append(count(len(overdue), "risk review") + _be(len(overdue)) + "overdue")
    reasons = [
        Reason(
            subject=one.override.id,
            text=f" of the gate of {one.title} is not reviewed.",
            section="unreviewed-overrides",
        )
        for one in unreviewed
    ]
    if stale:
        said = f" no longer {'stands' if len(stale) == 1 else 'stand'}."
        reasons.append(Reason(subject=count(len(stale), "approval"), text=said, section="stale-approvals"))
    reasons += [
        Reason(subject=one.id, text=f" was to be reviewed by {one.review_by}: {one.title}", section="risks")
        for one in overdue
    ]
    return summary, reasons


def _open_alarms(record: ProjectRecord) -> tuple[list[str], list[Reason]]:
    incidents = [one for one in record.incidents if one.is_open]
    triggers = [one for one in record.triggers if one.is_open]
    words = [count(len(incidents), "incident")] if incidents else []
    words += [count(len(triggers), "trigger")] if triggers else []
    summary = [join_words(words) + _be(len(incidents) + len(triggers)) + "open"] if words else []
    reasons = [
        Reason(subject=one.id, text=f" is {one.state}: {one.summary}", section="incidents")
        for one in incidents
    ]
    reasons += [
        Reason(
            subject=one.id, text=f" is {one.state}: a request to retrain {one.model}.", section="incidents"
        )
        for one in triggers
    ]
    return summary, reasons


def _missed_kpis(kpis: tuple[KpiResults, ...]) -> list[tuple[str, Reason]]:
    """KPIs that the newest version, or one in production, was measured on and does not meet."""
    missed = []
    for one in kpis:
        kpi = one.kpi
        sign = "≥" if kpi.direction == Direction.HIGHER else "≤"
        within = f" ± {kpi.acceptable_error}" if kpi.acceptable_error else ""
        for result in one.results:
            matters = result.in_production or result is one.results[-1]
            if matters and result.met is False:
                served = ", in production," if result.in_production else ""
                target = f"the target is {sign} {kpi.target}{within} {kpi.unit}"
                text = f" is missed by {result.model}{served} with {result.shown}: {target}"
                missed.append(
                    (kpi.name, Reason(subject=f"KPI {kpi.name}", text=text.rstrip() + ".", section="goals"))
                )
    return missed


def _missed_in_production(record: ProjectRecord) -> list[tuple[str, Reason]]:
    """KPIs whose newest observation since the last deployment to production misses the target."""
    deployed = deployment_in_production(record)
    missed = []
    for kpi in record.kpis if deployed else ():
        own = [
            one for one in record.observations if one.kpi == kpi.name and deployed and one.seq > deployed.seq
        ]
        newest = max(own, key=lambda one: (one.end, one.seq), default=None)
        if newest is not None and not kpi.goal_line.is_met_by(float(newest.value)):
            text = (
                f" was observed in production as {newest.value} {kpi.unit}".rstrip()
                + ": the target is missed."
            )
            missed.append((kpi.name, Reason(subject=f"KPI {kpi.name}", text=text, section="observed")))
    return missed


def _ungated(record: ProjectRecord) -> list[Reason]:
    decisions = [decide_version(record, version) for version in versions_in_production(record)]
    return [
        Reason(
            subject=one.subject,
            text=f" is in production, and its {one.phase} gate is blocked today.",
            section="record-deployments",
        )
        for one in decisions
        if not one.open
    ]
