"""The report says what was recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from crisplens.core.database import read_session
from crisplens.core.errors import InputError
from crisplens.ledger.queries import tree_head
from crisplens.lifecycle.gates import check_gate
from crisplens.lifecycle.model import ApprovalState
from crisplens.lifecycle.phases import list_phases
from crisplens.lifecycle.record import ProjectRecord, load_record
from crisplens.monitors.model import Verdict
from crisplens.reports.content import AuditReport
from crisplens.reports.story_content import PhaseState
from tests.reports.stories import BEN, Registry


@pytest.fixture(scope="module")
def record(story: Registry) -> ProjectRecord:
    with read_session(story.engine) as session:
        return load_record(session, "churn")


def test_the_facts_are_those_of_the_record(
    report: AuditReport, record: ProjectRecord, story: Registry
) -> None:
    assert report.project == record.project
    assert report.generated_at == "2026-11-21T03:24:59.000000Z"
    with read_session(story.engine) as session:
        assert report.head == tree_head(session)
    assert [str(variant.model) for variant in report.in_production] == ["churn@2", "churn@1"]
    assert report.goal == record.goal


def test_an_unknown_project_is_an_error(story: Registry) -> None:
    with pytest.raises(InputError, match="no project named 'chrun'"):
        story.report("chrun")


def test_the_report_writes_nothing(story: Registry) -> None:
    before = (story.folder / "registry.db").read_bytes()
    story.report()
    assert (story.folder / "registry.db").read_bytes() == before


def test_every_version_is_held_against_every_kpi(report: AuditReport) -> None:
    found = {
        (one.kpi.name, result.model): (result.value, result.met, result.unseen, result.in_production)
        for one in report.kpis
        for result in one.results
    }
    assert found == {
        ("auc", "churn@1"): (0.8312, True, True, True),
        ("auc", "churn@2"): (0.7951, True, True, True),
        ("latency_ms", "churn@1"): (96.5, True, True, True),
        ("latency_ms", "churn@2"): (101.25, False, True, True),
    }


def test_a_result_on_training_data_is_marked(wide: AuditReport) -> None:
    ((result,),) = [one.results for one in wide.kpis]
    assert result.value == 987654.3
    assert not result.unseen


def test_phases_stand_as_their_gates_say(report: AuditReport, record: ProjectRecord) -> None:
    assert [phase.id for phase in report.phases] == [phase.id for phase in list_phases()]
    for phase in report.phases:
        gate = check_gate(record, phase.id)
        assert phase.rules == gate.rules
        assert (phase.state is PhaseState.IN_ORDER) == gate.open


def test_every_checkpoint_and_decision_is_in_the_story(report: AuditReport, record: ProjectRecord) -> None:
    entries = [entry for phase in report.phases for cycle in phase.cycles for entry in cycle.checkpoints]
    told = {entry.checkpoint.id for entry in entries}
    assert told == {checkpoint.id for checkpoint in record.checkpoints}
    decisions = {one.approval.id for entry in entries for one in entry.approvals}
    assert decisions == {approval.id for approval in record.approvals}


def test_a_moved_target_makes_approvals_stale_and_names_it(report: AuditReport) -> None:
    goal = report.phases[0].cycles[0].checkpoints[0]
    (approval,) = goal.approvals
    assert approval.standing
    assert approval.standing.state is ApprovalState.STALE
    (cause,) = approval.standing.causes
    assert (cause.said, cause.path) == (
        "KPI latency_ms has changed since",
        ("KPI latency_ms", "checkpoint-1 (business-goal)"),
    )
    assert report.stale[0].causes == (cause,)
    assert approval.approval.recorded_by == BEN
    assert [(one.id, one.answer, one.reason) for one in goal.controls] == [
        ("BG-1", "met", "Interviews kept."),
        ("BG-4", "met", "Costed with finance."),
    ]
    assert [control.id for control in goal.unanswered] == ["BG-2", "BG-3", "BG-5", "BG-6", "BG-7", "BG-8"]


def test_a_later_checkpoint_supersedes_the_one_before(report: AuditReport) -> None:
    deployment = next(phase for phase in report.phases if phase.id == "deployment")
    newest, first = [cycle.checkpoints[0] for cycle in deployment.cycles]
    assert (newest.counts, first.counts) == (True, False)
    standings = [entry.approvals[0].standing for entry in (newest, first)]
    assert [one.state for one in standings if one] == [ApprovalState.STANDS, ApprovalState.SUPERSEDED]


def test_a_rejection_stays_in_the_story(hostile: AuditReport) -> None:
    (entry,) = hostile.phases[0].cycles[0].checkpoints
    assert [one.standing.state for one in entry.approvals if one.standing] == [ApprovalState.REJECTED]


def test_gaps_are_the_rules_that_are_not_met(report: AuditReport, record: ProjectRecord) -> None:
    gaps = {(gap.phase, rule.rule) for gap in report.gaps for rule in gap.rules}
    assert gaps == {
        (phase.id, rule.rule) for phase in list_phases() for rule in check_gate(record, phase.id).unmet
    }
    assert all(rule.remedy for gap in report.gaps for rule in gap.rules)


def test_the_record_is_whole_and_in_order(report: AuditReport, record: ProjectRecord) -> None:
    kept = report.record
    assert [str(entry.dataset.ref) for entry in kept.datasets] == [
        *("raw@1", "train@1", "holdout@1"),
        *("raw@2", "train@2", "holdout@2"),
    ]
    assert [entry.columns_as for entry in kept.datasets] == [None, *["raw@1"] * 5]
    assert [run.name for run in kept.runs] == ["prepare-1", "train-1", "prepare-2", "train-2"]
    assert kept.models == tuple(record.model_versions)
    assert [entry.deployment.id for entry in kept.deployments if entry.in_force] == ["deployment-2"]
    assert [gate.open for gate in kept.deployments[-1].deployment.gates] == [True, True]
    assert not any(gate.open for gate in kept.deployments[-1].gates_today)
    assert {"profile-1.html", "profile-2.html"} <= {one.name for one in kept.evidence}


def test_evaluations_are_arranged_by_part(report: AuditReport, wide: AuditReport) -> None:
    overall, classes = report.record.evaluations[0].tables
    assert dict(zip(overall.metrics, overall.rows[0].values, strict=True)) == {
        "auc": 0.8312,
        "brier": 0.1174,
        "latency_ms": 96.5,
    }
    assert [row.name for row in overall.rows] == ["holdout@1", "plan=free", "plan=paid"]
    assert overall.rows[2].values[list(overall.metrics).index("latency_ms")] is None
    leaves = dict(zip(classes.metrics, classes.rows[1].values, strict=True))
    assert (classes.rows[1].name, leaves) == ("leaves", {"precision": 0.52, "recall": 0.64})
    tables = wide.record.evaluations[0].tables
    assert [len(table.metrics) for table in tables] == [8, 3]


def test_the_lineage_holds_every_relation(report: AuditReport, record: ProjectRecord) -> None:
    assert report.lineage.picture == record.lineage
    assert report.lineage.holes == ()
    told = sum(
        len(e.used) + len(e.was_generated_by) + len(e.was_derived_from) for e in report.lineage.entries
    )
    assert told == len(set(record.lineage.edges))


def test_drift_is_told_check_by_check(report: AuditReport) -> None:
    (story,) = report.monitors
    assert [check.id for check in story.checks] == [f"check-{number}" for number in range(1, 7)]
    assert [check.share for check in story.checks] == [0, 0, 1 / 3, 0, 2 / 3, 2 / 3]
    assert [check.incident for check in story.checks] == [None] * 3 + [
        "incident-1",
        "incident-2",
        "incident-3",
    ]
    history = {column.name: column.verdicts for column in story.history}
    assert history["plan"][3:] == (Verdict.MISSING_COLUMN, Verdict.NO_DRIFT, Verdict.DRIFT)
    assert [(column.column, column.score) for column in story.latest] == [
        ("tenure", 0.4),
        ("plan", 0.2),
        ("spend", 0.01),
    ]


def test_checks_name_their_windows(report: AuditReport) -> None:
    (story,) = report.monitors
    assert {(check.window, check.start) for check in story.checks} == {("windows/*.parquet", None)}


def test_incidents_and_triggers_say_who_answered(report: AuditReport) -> None:
    assert [(one.id, one.state, one.closed_by) for one in report.incidents] == [
        ("incident-1", "resolved", "eve@example.org"),
        ("incident-2", "resolved", "eve@example.org"),
        ("incident-3", "acknowledged", None),
    ]
    assert [(one.id, one.state, str(one.resolved_by)) for one in report.triggers] == [
        ("trigger-1", "resolved", "churn@2"),
        ("trigger-2", "open", "None"),
    ]


def test_cycles_say_what_they_changed_and_how_long_their_phases_took(report: AuditReport) -> None:
    first, second = report.cycles
    assert [(one.story.state, one.current) for one in report.cycles] == [
        ("superseded", False),
        ("open", True),
    ]
    assert {"3 dataset versions", "model churn@1", "deployment-1 to production: churn@1, churn@1"} <= {
        *first.story.changes
    }
    assert "model churn@2" in second.story.changes
    assert second.story.trigger == "trigger-1"
    assert first.checkpoints + second.checkpoints == 18
    # A checkpoint is approved one command, 2 h 7 min, after it was recorded.
    assert {one.days for one in first.phases} == {0.088}
    assert second.phases[0].title == "Data collection"
    assert second.inherited == ("Business goal identification", "ML problem framing")
    assert second.not_begun == ()


def test_commands_to_verify_are_given(report: AuditReport) -> None:
    assert [step.command for step in report.verify_steps] == [
        "crisplens audit verify",
        "crisplens audit head",
    ]
    assert any("Keep tree heads elsewhere" in limit for limit in report.limits)


def test_long_histories_are_cut_and_say_so(wide: AuditReport) -> None:
    (story,) = wide.monitors
    assert (len(story.checks), story.earlier) == (30, 2)
    assert (len(story.history), story.more_columns) == (60, 0)
    assert wide.record.more_evidence == 2
    listed = [one.name for one in wide.record.evidence if one.name.startswith("check-")]
    assert listed == [f"check-{number}-profile.json" for number in range(3, 33)]


def test_reports_read_no_other_files(report: AuditReport) -> None:
    package = Path(__file__).parents[2] / "crisplens" / "reports"
    assert not [
        path for path in package.rglob("*.py") if "ledger.service" in path.read_text(encoding="utf-8")
    ]
