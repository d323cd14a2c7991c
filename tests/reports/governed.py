"""A governed project to report on: risks, money, roles, an override, replaced data, lost evidence, requests."""

from __future__ import annotations

from functools import partial
from typing import Any

from crisplens.core.work import UnitOfWork
from crisplens.lifecycle import approvals, doors, overrides
from crisplens.lifecycle import service as lifecycle
from crisplens.lifecycle.risks import service as risks
from crisplens.lifecycle.roles import service as roles
from crisplens.registry.data import service as data
from crisplens.registry.evidence import service as evidence
from crisplens.registry.evidence.queries import get_evidence
from crisplens.registry.value import service as value
from tests.reports.stories import BEN, EVE, Registry, tell_in_order

FAR_AWAY = "2099-12-31"
# The day after that on which the story is told, and long before that of the report.
SOON = "2026-01-14"


def tell_governed(registry: Registry, text: str = "") -> None:
    """A project that was in order, and what governs it; `text` is written into every free text."""
    do = registry.do
    tell_in_order(registry)
    told = [("0.78", "20000"), ("0.82", "31000"), ("0.79", "-1200")]
    for month, (auc, worth) in enumerate(told, start=1):
        day = f"2025-0{month}-28"
        do(value.observe_kpi, "auc", auc, end=day, worth=worth, note=text or f"month {month}")
    do(value.record_cost, "training", "812.40", start="2026-01-05", note=text)
    do(value.record_cost, "inference", "100", start="2026-01-05", currency="GBP")
    do(
        risks.add_risk,
        text or "Members of a new plan",
        description=text or "Nobody like them was in the training data.",
        likelihood="likely",
        impact="major",
        owner=BEN,
        mitigation=text or "A monitor watches the plan.",
        review_by="2026-01-31",
        controls=["EV-2", "nist-ai-rmf:MAP 1.4"],
    )
    do(risks.add_risk, "Labels come late", likelihood="rare", impact="minor", review_by=FAR_AWAY)
    do(risks.review_risk, "risk-2", note=text or "still so", review_by=FAR_AWAY, by=BEN)
    do(risks.add_risk, "An old format", likelihood="rare", impact="minor", review_by=FAR_AWAY)
    do(risks.close_risk, "risk-3", reason=text or "gone")
    do(doors.promote_model, "churn@1", note=text or "from now on")
    do(roles.grant_role, "ana@example.org", "administrator", reason=text or "began it")
    for person, role in ((BEN, "approver"), (EVE, "auditor"), ("dee@example.org", "viewer")):
        do(roles.grant_role, person, role)
    do(roles.withdraw_role, "role-4", reason=text or "left")
    do(roles.delegate_approval, EVE, until=FAR_AWAY, reason=text or "on leave", phases=["evaluation"], by=BEN)
    registry.file("raw-again.csv", "tenure,plan,spend\n" + "5,1,2.5\n" * 9)
    do(data.add_data, "raw", registry.folder / "raw-again.csv", source="crm")
    do(partial(data.replace_data, by="raw@2"), "raw@1", reason=text or "the export lacked a week")
    lose(registry, "profile-1.html", text or "is damaged")
    do(
        overrides.override_gate,
        "evaluation",
        reason=text or "The regulator waits.",
        role="administrator",
        until=SOON,
    )
    do(doors.promote_model, "churn@1", alias="hotfix")
    sheet = registry.file("datasheet.md", "What it is for.")
    purpose = {"eu-ai-act:AIV-1(a)": ("met", text or "Stated in the datasheet.")}
    do(lifecycle.record_checkpoint, "business-goal", controls=purpose, evidence=[sheet])
    do(lifecycle.record_checkpoint, "problem-framing", controls={"PF-1": ("met", "as before")})
    do(approvals.request_approval, "problem-framing", until=FAR_AWAY, approvers=[BEN], note=text or "Look")


def review(registry: Registry, text: str = "") -> None:
    """Have Eve look at the override."""
    registry.do(
        overrides.review_override, "override-1", outcome="justified", note=text or "It did wait.", by=EVE
    )


def lose(registry: Registry, name: str, fault: str) -> None:
    """Let a check have found an evidence file damaged."""

    def command(work: UnitOfWork) -> Any:
        return evidence.record_faults(work, {get_evidence(work.session, work.project, name).digest: fault})

    registry.do(command)
