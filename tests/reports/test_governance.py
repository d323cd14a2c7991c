"""Overrides, stale approvals, roles, risks, requests, replaced data and lost evidence in the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from crisplens.lifecycle import approvals
from crisplens.lifecycle import service as lifecycle
from crisplens.lifecycle.model import ApprovalState
from crisplens.reports.content import AuditReport, ProjectState
from crisplens.reports.rendering import render_html
from crisplens.reports.story_content import CheckpointEntry, PhaseStory, RequestState
from tests.reports.governed import SOON, review, tell_governed
from tests.reports.pages import Page
from tests.reports.stories import ANA, BEN, EVE, Registry, new_registry, tell_in_order


def phase(report: AuditReport, id: str) -> PhaseStory:
    return next(one for one in report.phases if one.id == id)


def newest(report: AuditReport, id: str) -> CheckpointEntry:
    return phase(report, id).cycles[0].checkpoints[0]


def classes(html: str) -> list[set[str]]:
    return [set(value.split()) for value in Page(html).attributes("class")]


def test_an_unreviewed_override_is_red_at_the_top_and_with_its_phase(governed: AuditReport) -> None:
    (entry,) = governed.unreviewed
    assert (entry.override.recorded_by, entry.override.role, entry.override.until) == (
        ANA,
        "administrator",
        SOON,
    )
    assert not entry.in_force  # the report is of long after its last day
    assert governed.verdict.state is ProjectState.NOT_IN_ORDER
    assert "1 override is not reviewed" in governed.verdict.sentence
    html = render_html(governed)
    assert sum({"override", "unreviewed"} <= one for one in classes(html)) == 2
    alert = html[html.index('id="unreviewed-overrides"') : html.index('id="overdue-reviews"')]
    assert all(word in alert for word in ("The regulator waits.", ANA, "administrator", SOON, "not reviewed"))
    assert phase(governed, "evaluation").overrides == (entry,)


def test_a_reviewed_override_is_told_and_no_longer_red(tmp_path: Path) -> None:
    registry = new_registry(tmp_path)
    tell_governed(registry)
    review(registry)
    report = registry.report()
    assert report.unreviewed == ()
    assert "override" not in report.verdict.sentence
    html = render_html(report)
    assert 'id="unreviewed-overrides"' not in html
    assert not any("unreviewed" in one for one in classes(html))
    (told,) = phase(report, "evaluation").overrides
    assert (told.override.outcome, told.override.reviewed_by) == ("justified", EVE)
    assert "It did wait." in Page(html).text


def test_an_override_in_force_is_said_to_be(tmp_path: Path) -> None:
    registry = new_registry(tmp_path)
    tell_governed(registry)
    report = registry.report(now=registry.moment)
    assert [one.in_force for one in report.unreviewed] == [True]
    assert phase(report, "evaluation").override == "override-1"
    assert "(in force)" in Page(render_html(report)).text


def test_red_on_red_is_read_in_both_themes() -> None:
    """The browser tests measure the contrast; here it is only that the alert has a colour of its own."""
    templates = Path(__file__).parents[2] / "crisplens" / "reports" / "templates"
    css = (templates / "audit_report.css").read_text(encoding="utf-8")
    assert ".unreviewed, .unreviewed .small { color: var(--bad); }" in css
    assert css.count("--bad-wash:") == 3


def test_stale_approvals_are_listed_with_the_path_from_the_cause(governed: AuditReport) -> None:
    stale = {one.phase: one for one in governed.stale}
    cause = next(one for one in stale["evaluation"].causes if "raw@1" in one.said)
    assert cause.said == "raw@1 was replaced by raw@2: the export lacked a week"
    assert cause.path == ("raw@1", "train@1", "churn@1", f"{stale['evaluation'].checkpoint} (evaluation)")
    text = Page(render_html(governed)).text
    assert " → ".join(cause.path) in text
    assert f"{len(governed.stale)} approvals are stale" in governed.verdict.sentence


def test_a_decision_has_its_standing_with_its_phase(governed: AuditReport) -> None:
    (approval,) = newest(governed, "data-collection").approvals
    assert approval.standing
    assert approval.standing.state is ApprovalState.STALE
    assert "approved, now stale" in Page(render_html(governed)).text
    story = phase(governed, "evaluation")
    assert (story.policy, story.demanded, story.standing) == ("standard@1", 1, 0)
    assert "The gate is judged by standard@1: 0 of 1 approval stands." in Page(render_html(governed)).text


def test_requests_are_told_with_their_checkpoint(governed: AuditReport) -> None:
    (entry,) = newest(governed, "problem-framing").requests
    assert (entry.request.recorded_by, entry.request.approvers) == (ANA, (BEN,))
    assert entry.state is RequestState.WAITING
    assert "approval asked for, waiting" in Page(render_html(governed)).text


def test_the_risk_register_marks_what_is_overdue(governed: AuditReport) -> None:
    assert [(one.risk.id, one.level, one.overdue) for one in governed.risks] == [
        ("risk-1", "high", True),
        ("risk-2", "low", False),
        ("risk-3", "low", False),
    ]
    html = render_html(governed)
    register = html[html.index('<section id="risks"') : html.index('<section id="frameworks"')]
    assert register.count("overdue") == 1
    for word in ("A monitor watches the plan.", BEN, "2026-01-31", "nist-ai-rmf:MAP 1.4", "1 closed risk"):
        assert word in register
    assert "1 risk review is overdue" in governed.verdict.sentence


def test_roles_and_delegations_are_told(governed: AuditReport) -> None:
    assert [(one.person, one.role) for one in governed.roles.roles] == [
        (ANA, "administrator"),
        (BEN, "approver"),
        (EVE, "auditor"),
        ("dee@example.org", "viewer"),
    ]
    assert [(one.recorded_by, one.to) for one in governed.roles.delegations] == [(BEN, EVE)]
    assert "left" in Page(render_html(governed)).text


def test_promotions_replaced_data_and_lost_evidence_are_marked(governed: AuditReport) -> None:
    promotions = governed.record.promotions
    assert [(one.alias, str(one.ref), one.gates[0].override) for one in promotions] == [
        ("champion", "churn@1", ""),
        ("hotfix", "churn@1", "override-1"),
    ]
    assert governed.record.replaced == {"raw@1": "raw@2"}
    assert newest(governed, "data-analysis").faults
    html = render_html(governed)
    assert "overridden by override-1" in html
    # The dataset itself, the run that used it and both datasets that came from it.
    assert html.count("replaced by raw@2</span>") == 4
    # With its checkpoint and in the list of evidence.
    assert html.count('bad wrap">is damaged</span>') == 2


@pytest.mark.parametrize("name", ["in_order", "empty"])
def test_what_is_absent_stays_absent(name: str, request: pytest.FixtureRequest) -> None:
    html = render_html(request.getfixturevalue(name))
    for id in ("unreviewed-overrides", "overdue-reviews", "stale-approvals"):
        assert f'id="{id}"' not in html
    text = Page(html).text
    for line in (
        "No risk is registered.",
        "No role is assigned: everyone may do everything.",
        "No KPI has been observed in production.",
        "No version was promoted.",
    ):
        assert text.count(line) == 1


def test_expired_requests_say_so(fresh: Registry) -> None:
    tell_in_order(fresh)
    fresh.do(lifecycle.record_checkpoint, "problem-framing", controls={"PF-1": ("met", "again")})
    fresh.do(approvals.request_approval, "problem-framing", until="2026-02-01")
    assert newest(fresh.report(), "problem-framing").requests[0].state is RequestState.EXPIRED
