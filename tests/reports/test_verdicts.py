from __future__ import annotations

from crisplens.lifecycle.cycles import open_cycle
from crisplens.registry.value.service import observe_kpi
from crisplens.reports.content import AuditReport, ProjectState
from crisplens.reports.story_content import PhaseState
from tests.reports.stories import Registry, tell_in_order


def test_a_project_in_order_is_said_to_be(in_order: AuditReport) -> None:
    assert in_order.verdict.state is ProjectState.IN_ORDER
    assert in_order.verdict.reasons == ()
    assert in_order.gaps == ()


def test_a_project_that_is_not_in_order_says_why(report: AuditReport) -> None:
    verdict = report.verdict
    assert verdict.state is ProjectState.NOT_IN_ORDER
    blocked = [phase for phase in report.phases if phase.state is PhaseState.BLOCKED]
    assert f"{len(blocked)} of 10 phases are blocked" in verdict.sentence
    assert "1 incident and 1 trigger are open" in verdict.sentence
    assert "1 of 2 KPIs is missed" in verdict.sentence
    subjects = [reason.subject for reason in verdict.reasons]
    assert subjects[: len(blocked)] == [phase.title for phase in blocked]
    assert {"incident-3", "trigger-2", "KPI latency_ms", "churn@2"} <= set(subjects)


def test_nothing_recorded_is_not_called_blocked(empty: AuditReport) -> None:
    assert empty.verdict.state is ProjectState.NOT_STARTED
    assert {phase.state for phase in empty.phases} == {PhaseState.NOT_STARTED}


def test_a_project_under_way_is_neither_in_order_nor_blocked(fresh: Registry) -> None:
    tell_in_order(fresh)
    fresh.do(open_cycle, from_phase="model-training", reason="A better algorithm.")
    report = fresh.report()
    assert report.verdict.state is ProjectState.UNDER_WAY
    assert report.verdict.reasons[-1].subject == "Not started"
    assert "Model training" in report.verdict.reasons[-1].text


def test_tampering_fails_its_own_verdict_and_leaves_the_others(fresh: Registry) -> None:
    tell_in_order(fresh)
    with fresh.engine.begin() as connection:
        connection.exec_driver_sql("update kpi set target = '0.5' where name = 'auc'")
    evidence = next(path for path in fresh.evidence.rglob("*") if path.is_file())
    evidence.write_bytes(b"something else")
    report = fresh.report()
    verdicts = {verdict.name: verdict for verdict in report.verification}
    assert verdicts["integrity"].passed
    assert not verdicts["projection"].passed
    assert "kpi churn/auc" in verdicts["projection"].findings[0].where
    assert not verdicts["evidence"].passed
    # The project's verdict is computed from what the tables say and is never blended with these.
    assert report.verdict.state is ProjectState.NOT_IN_ORDER
    assert all(verdict.shows and verdict.does_not_show for verdict in report.verification)


def test_a_kpi_that_is_missed_in_production_is_told_until_it_is_met(fresh: Registry) -> None:
    tell_in_order(fresh)
    fresh.do(observe_kpi, "auc", "0.5", end="2025-12-01")
    verdict = fresh.report().verdict
    assert verdict.state is ProjectState.NOT_IN_ORDER
    assert "1 of 2 KPIs is missed" in verdict.sentence
    assert [(one.subject, one.section) for one in verdict.reasons] == [("KPI auc", "observed")]
    assert "observed in production as 0.5" in verdict.reasons[0].text
    fresh.do(observe_kpi, "auc", "0.9", end="2025-12-31")
    assert fresh.report().verdict.state is ProjectState.IN_ORDER
