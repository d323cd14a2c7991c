"""The policy in words."""

from __future__ import annotations

import pytest

from crisplens.lifecycle.policies import service as policies
from crisplens.lifecycle.policies.model import ApprovalDemand
from crisplens.lifecycle.roles.model import Role
from crisplens.reports.content import AuditReport
from crisplens.reports.policy_words import approval_words
from crisplens.reports.rendering import render_html
from crisplens.reports.story_content import PhaseState
from tests.reports.pages import Page
from tests.reports.stories import Registry, tell_in_order


@pytest.mark.parametrize(
    ("demand", "said"),
    [
        (ApprovalDemand(count=0), "none"),
        (ApprovalDemand(), "1"),
        (ApprovalDemand(roles=(Role.APPROVER,), expires_days=1), "1 by an approver, lasting 1 day"),
        (
            ApprovalDemand(count=2, roles=(Role.APPROVER,), signed=True, requested=True),
            "2 by approvers, signed, on request",
        ),
        (
            ApprovalDemand(roles=(Role.APPROVER, Role.AUDITOR), author_excluded=False),
            "1 by approver or auditor, the author's own too",
        ),
    ],
)
def test_approvals_in_words(demand: ApprovalDemand, said: str) -> None:
    assert approval_words(demand) == said


def test_a_signature_demanded_of_the_gate_is_told() -> None:
    assert approval_words(ApprovalDemand(), demanded=True) == "1, signed, as was demanded of this gate"


def test_the_policy_that_the_project_began_with(in_order: AuditReport) -> None:
    section = in_order.policy
    assert (section.policy.ref, section.by) == ("standard@1", "")
    assert section.since == in_order.project.recorded_at
    text = Page(render_html(in_order)).text
    assert "Every gate is judged by standard@1" in text
    assert "when the project began" in text
    assert {phase.policy for phase in in_order.phases} == {"standard@1"}


def test_an_adopted_policy_says_by_whom_why_and_what_it_demands(fresh: Registry) -> None:
    tell_in_order(fresh)
    fresh.do(policies.adopt_policy, "high-risk", reason="agreed with risk management")
    report = fresh.report()
    section = report.policy
    assert (section.policy.ref, section.by, section.reason) == (
        "high-risk@1",
        "ana@example.org",
        "agreed with risk management",
    )
    evaluation = next(one for one in section.phases if one.phase == "evaluation")
    assert "EV-2 is answered met" in evaluation.more
    assert evaluation.approvals == "2 by approvers, signed, on request, lasting 365 days"
    assert "Nobody is both author and deployer of a model version." in section.general
    text = Page(render_html(report)).text
    assert "adopted by ana@example.org: agreed with risk management" in text
    assert "The gate is judged by high-risk@1: 0 of 2 approvals stand." in text


def test_phases_that_the_policy_does_not_ask_for_are_neither_in_order_nor_blocked(fresh: Registry) -> None:
    tell_in_order(fresh)
    fresh.do(policies.adopt_policy, "light")
    report = fresh.report()
    unasked = {one.phase for one in report.policy.phases if not one.required}
    assert unasked
    assert {one.id for one in report.phases if one.state is PhaseState.NOT_REQUIRED} == unasked
    text = Page(render_html(report)).text
    assert "which does not ask for this phase" in text
    assert "not asked for" in text
