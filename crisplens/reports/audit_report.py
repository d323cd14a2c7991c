"""The audit report of a project, built from the areas' queries."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from crisplens.audit import verify_registry
from crisplens.core.clock import to_text
from crisplens.core.content_store import ContentStore
from crisplens.core.errors import RegistryError
from crisplens.ledger.points import Point
from crisplens.ledger.proofs import head_at
from crisplens.ledger.queries import TreeHead
from crisplens.lifecycle.catalogues.crosswalk import OWN
from crisplens.lifecycle.catalogues.model import Catalogue
from crisplens.lifecycle.catalogues.queries import load_catalogues
from crisplens.lifecycle.gates import check_gate
from crisplens.lifecycle.phases import list_phases
from crisplens.lifecycle.record import load_record
from crisplens.lifecycle.status import tell_status
from crisplens.reports.content import AsOf, AuditReport, VerifyStep
from crisplens.reports.cycles import cycle_entries
from crisplens.reports.drift import monitor_stories
from crisplens.reports.frameworks import framework_section
from crisplens.reports.goals import kpi_results, variants_in_production
from crisplens.reports.governance import override_entries, risk_entries, role_section
from crisplens.reports.policy_words import policy_section
from crisplens.reports.record_verdicts import registry_verdicts
from crisplens.reports.recorded import lineage_section, record_section
from crisplens.reports.story import open_gaps, phase_stories
from crisplens.reports.value import value_section
from crisplens.reports.verdicts import project_verdict

VERIFY = VerifyStep(
    command="crisplens audit verify",
    what="Checks the log, the tables and the evidence files again, and gives each verdict on its own.",
)
HEAD_NOW = VerifyStep(
    command="crisplens audit head",
    what="Prints the tree head in force: how many events the log holds, and the root hash over them.",
)
LIMITS = (
    "Whoever holds the database can rewrite everything after the last tree head that someone else kept, and"
    " make a log that verifies. Keep tree heads elsewhere: with the auditor, in a ticket, in print.",
    "The record says what was stated, by whom and when. It cannot show that a statement is true, nor what was"
    " never recorded.",
)
METHOD = (
    "The report was computed from the record when it was generated; nothing in it was entered by hand.",
    "A gate is judged by the policy in force: the built-in rules of its phase that the policy takes over, what the"
    " policy demands beyond them, and the approvals it asks for. It is open when all of that is met by the record as"
    " it stands.",
    "An approval is bound to the checkpoint it was given on and to everything that checkpoint's gate rested on. When"
    " any of that is recorded anew, changed or replaced, when evidence beneath it is found damaged or gone, or when"
    " the policy demands something else of the phase, the approval is stale. The path that is shown leads from what"
    " changed, through the lineage, to the checkpoint; of several ways it is a shortest one. An approval has expired"
    " when it is older than the policy lets approvals be.",
    "An override lets pass what a gate stops, and does not open the gate. It stays in red until somebody other than"
    " the one who made it has reviewed it; one that the review does not justify lets nothing pass any more.",
    "A phase is blocked when something of it has been recorded in the current cycle and its gate is not open,"
    " not started when nothing has, and not required when the policy does not ask for it.",
    "A control of a framework counts as answered by a checkpoint's answer to it; without one, by answers to controls"
    " that ask for the same and by facts that the record shows itself. It is met when all of that is, partial when"
    " some of it is, and a gap when none is. Which controls ask for the same, and which facts show it, is our"
    " judgement.",
    "A risk's level follows from its likelihood times its impact. Its review is overdue after the day by which it was"
    " to be looked at again. Actual costs are all that were ever recorded, as a goal states its costs for no period.",
    "A phase's duration in a cycle is the time from its first checkpoint there to its last approval there that was"
    " not withdrawn.",
    "A model version is judged by its newest evaluation on data whose content did not train it, against the"
    " KPIs as they stand today. A KPI is met at its target or within the acceptable error of it.",
    "Drift is judged column by column against a reference profile; a window drifts when the share of drifting"
    " columns reaches the monitor's share. Scores marked ≈ are computed from binned profiles.",
    "Lineage relations are those of W3C PROV and point from the later thing to the earlier one.",
    "The phases map to CRISP-DM 1.0 (Chapman et al., 2000) and to the current AWS Well-Architected Machine"
    " Learning Lens, https://docs.aws.amazon.com/wellarchitected/latest/machine-learning-lens/.",
    "Times are UTC, and digests are SHA-256.",
)


def build_audit_report(
    session: Session,
    project: str,
    *,
    store: ContentStore,
    now: datetime,
    log: Session | None = None,
    point: Point | None = None,
) -> AuditReport:
    """Everything an auditor is shown of a project, with the record verified on the way.

    A report as of a `point` shows the tables of `session`, those of that point, and verifies the database of `log`,
    which is as it is now.

    Raises `InputError` when there is no such project, `RegistryError` when the database is no registry.
    """
    # As of a point, its session knows what time it was then.
    record = load_record(session, project, now=None if point else now, whole=True)
    log = log or session
    verification = verify_registry(log, store)
    catalogues = load_catalogues(session)
    gates = {phase.id: check_gate(record, phase.id) for phase in list_phases()}
    overrides, stale = override_entries(record), tell_status(record).stale
    unreviewed = tuple(one for one in overrides if not one.reviewed)
    phases = phase_stories(record, gates, overrides, _titles(catalogues))
    kpis = kpi_results(record)
    return AuditReport(
        generated_at=to_text(now),
        as_of=_as_of(point, verification.head) if point else None,
        project=record.project,
        verdict=project_verdict(record, phases, kpis, unreviewed=unreviewed, stale=stale),
        unreviewed=unreviewed,
        stale=stale,
        verification=registry_verdicts(verification),
        head=_head_at(log, point) if point else verification.head,
        in_production=variants_in_production(record),
        goal=record.goal,
        kpis=kpis,
        value=value_section(session, record),
        policy=policy_section(session, record),
        roles=role_section(session, record),
        phases=phases,
        risks=risk_entries(record),
        frameworks=framework_section(record, catalogues, gates.values()),
        record=record_section(session, record),
        lineage=lineage_section(record),
        monitors=monitor_stories(record),
        incidents=tuple(record.incidents),
        triggers=tuple(record.triggers),
        gaps=open_gaps(phases),
        cycles=cycle_entries(record),
        verify_steps=_verify_steps(point),
        limits=LIMITS,
        method=METHOD,
    )


def _titles(catalogues: dict[str, Catalogue]) -> dict[str, str]:
    """The titles of all controls, by the ids that checkpoints keep."""
    return {
        control.id if name == OWN else f"{name}:{control.id}": control.title
        for name, catalogue in catalogues.items()
        for control in catalogue.controls
    }


def _as_of(point: Point, head: TreeHead | None) -> AsOf:
    since = None if head is None else head.size - point.size
    return AsOf(seq=point.seq, recorded_at=point.at, events_since=since)


def _head_at(log: Session, point: Point) -> TreeHead | None:
    try:
        return head_at(log, point.size)
    except RegistryError:
        # The verdict on integrity names what is missing.
        return None


def _verify_steps(point: Point | None) -> tuple[VerifyStep, ...]:
    if point is None:
        return (VERIFY, HEAD_NOW)
    then = VerifyStep(
        command=f"crisplens audit head --as-of {point.seq}",
        what="Prints the tree head of that point: it is the one above, as long as the log was not rewritten.",
    )
    since = VerifyStep(
        command=f"crisplens audit diff {point.seq}", what="Tells what has changed in the record since."
    )
    return (VERIFY, then, since)
