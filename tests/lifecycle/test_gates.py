"""Gates, rule by rule: what opens them, what closes them, and when an approval no longer stands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace as altered

from crisplens.api import Registry
from crisplens.lifecycle.gates import check_gate
from crisplens.lifecycle.model import ControlAnswer
from crisplens.lifecycle.phases import list_phases
from crisplens.lifecycle.record import ProjectRecord, load_record
from crisplens.lifecycle.rules import PHASE_RULES
from crisplens.registry.model import VersionRef
from tests.conftest import ANA, BO, Files, Story, pass_phase, retold, unmet

COMMON = ["checkpoint-recorded", "no-control-not-met", "approved"]
Change = Callable[[ProjectRecord], ProjectRecord]


@pytest.fixture(scope="module")
def record(
    told_first_cycle: Story, databases: Any, tmp_path_factory: pytest.TempPathFactory
) -> ProjectRecord:
    """A record in which every gate is open."""
    url = databases.copy(told_first_cycle.url)
    with (
        retold(url, told_first_cycle, tmp_path_factory.mktemp("record")) as registry,
        registry.reading() as session,
    ):
        return load_record(session, "churn")


pytestmark = [pytest.mark.stored, pytest.mark.parametrize("databases", ["sqlite"], indirect=True)]


def each(name: str, /, **values: Any) -> Change:
    """A change of every one of the record's `name`."""
    return lambda r: replace(r, **{name: [altered(one, **values) for one in getattr(r, name)]})


def none(name: str) -> Change:
    """The record without any `name`."""
    return lambda r: replace(r, **{name: []})


def goal(**values: Any) -> Change:
    """A change of the goal."""
    return lambda r: replace(r, goal=altered(r.goal, **values))


def evaluated(**metrics: float) -> Change:
    """The record with other metrics in its evaluations."""
    return lambda r: replace(
        r, evaluations=[altered(one, metrics={**one.metrics, **metrics}) for one in r.evaluations]
    )


def one_missing(name: str, attribute: str, value: str) -> Change:
    """The record without the `name` whose attribute has that value."""
    return lambda r: replace(
        r, **{name: [one for one in getattr(r, name) if getattr(one, attribute) != value]}
    )


def same_content(r: ProjectRecord) -> ProjectRecord:
    """The holdout holds what the model was trained on, under its own name."""
    trained = next(one.digest for one in r.dataset_versions if one.dataset == "train")
    changed = [
        altered(one, digest=trained) if one.dataset == "holdout" else one for one in r.dataset_versions
    ]
    return replace(r, dataset_versions=changed)


def unrecorded_preparation(r: ProjectRecord) -> ProjectRecord:
    """Derived datasets name no run."""
    return each("dataset_versions", run=None)(r)


def answer(text: str) -> Change:
    """Every control of every checkpoint answered so."""
    return lambda r: replace(
        r,
        checkpoints=[altered(one, answers=(ControlAnswer("X-1", text, "why"),)) for one in r.checkpoints],  # type: ignore[arg-type]
    )


def test_every_phase_has_rules_of_its_own_and_the_common_ones(record: ProjectRecord) -> None:
    assert list(PHASE_RULES) == [phase.id for phase in list_phases()]
    for phase, rules in PHASE_RULES.items():
        assert [rule.rule for rule in check_gate(record, phase).rules] == [
            *(rule.id for rule in rules),
            *COMMON,
        ]
    ids = [rule.id for rules in PHASE_RULES.values() for rule in rules]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("phase", PHASE_RULES)
def test_a_phase_in_order_has_an_open_gate(record: ProjectRecord, phase: str) -> None:
    gate = check_gate(record, phase)
    assert gate.open
    assert gate.unmet == ()
    assert [rule.remedy for rule in gate.rules if rule.remedy] == []


@pytest.mark.parametrize(
    ("phase", "rule", "change", "found"),
    [
        ("business-goal", "goal-stated", lambda r: replace(r, goal=None), "no goal"),
        ("business-goal", "kpi-measurable", none("kpis"), "none"),
        ("business-goal", "options-considered", goal(options=()), "none"),
        ("business-goal", "options-considered", lambda r: replace(r, goal=None), "none"),
        (
            "business-goal",
            "costs-estimated",
            goal(costs={"data": "1"}),
            "missing: training, inference, wrong-predictions",
        ),
        ("problem-framing", "kpi-baseline", each("kpis", baseline=None), "without one: auc, latency_ms"),
        ("problem-framing", "kpi-baseline", none("kpis"), "there is no KPI"),
        (
            "problem-framing",
            "target-beats-baseline",
            each("kpis", target="150", direction="higher"),
            "latency_ms",
        ),
        (
            "problem-framing",
            "target-beats-baseline",
            each("kpis", baseline="120", target="120"),
            "auc, latency_ms",
        ),
        ("data-collection", "data-recorded", none("dataset_versions"), "none"),
        (
            "data-collection",
            "sources-governed",
            each("data_sources", permitted_use="", access=""),
            "crm lacks access, permitted use",
        ),
        ("data-collection", "sources-governed", none("data_sources"), "no data source"),
        (
            "data-collection",
            "data-traced",
            each("dataset_versions", source=None),
            "names neither a data source nor what it was derived from",
        ),
        ("data-preparation", "preparation-recorded", unrecorded_preparation, "without:"),
        ("data-preparation", "preparation-recorded", each("runs", code_version=""), "without:"),
        ("data-preparation", "holdout-apart", each("dataset_versions", digest="sha256:same"), "none"),
        ("data-analysis", "data-profiled", each("dataset_versions", rows=None), "unknown:"),
        ("data-analysis", "findings-kept", each("checkpoints", evidence=()), "none"),
        ("feature-engineering", "training-data-derivable", each("runs", code_version=""), "train@1"),
        (
            "feature-engineering",
            "training-data-derivable",
            each("model_versions", datasets=()),
            "no data is named",
        ),
        (
            "feature-engineering",
            "same-feature-code",
            lambda r: replace(
                r,
                dataset_versions=[
                    altered(one, run="train-1" if one.dataset == "holdout" else one.run)
                    for one in r.dataset_versions
                ],
                runs=[altered(run, code_version=run.name) for run in r.runs],
            ),
            "prepare-1, train-1",
        ),
        ("model-training", "model-registered", none("model_versions"), "no model version"),
        ("model-training", "training-reproducible", each("model_versions", run=None), "no run"),
        ("model-training", "training-reproducible", each("runs", environment={}), "lacks environment"),
        (
            "model-training",
            "training-reproducible",
            each("runs", parameters={}, code_version=""),
            "lacks parameters, code version",
        ),
        ("model-training", "training-data-named", each("model_versions", datasets=()), "no training data"),
        ("evaluation", "evaluated-on-unseen-data", none("evaluations"), "churn-gbm@1 has none"),
        ("evaluation", "evaluated-on-unseen-data", same_content, "churn-gbm@1 has none"),
        ("evaluation", "evaluated-on-unseen-data", none("model_versions"), "no model version"),
        ("evaluation", "kpis-met", evaluated(auc=0.7899), "auc 0.7899 (target ≥ 0.80 ± 0.01: missed)"),
        ("evaluation", "kpis-met", evaluated(latency_ms=120.5), "latency_ms 120.5 (target ≤ 120: missed)"),
        ("evaluation", "kpis-met", each("kpis", name="recall"), "recall not measured"),
        ("evaluation", "kpis-met", none("kpis"), "no KPI"),
        ("deployment", "in-production", none("deployments"), "nothing is in production"),
        (
            "deployment",
            "in-production",
            each("deployments", environment="staging"),
            "nothing is in production",
        ),
        ("deployment", "deployed-through-gate", each("deployments", gates=()), "not: churn-gbm@1"),
        ("deployment", "deployment-traced", each("deployments", variants=()), "deployment-1 names no data"),
        ("monitoring", "model-watched", each("monitors", model="other"), "without: churn-gbm"),
        ("monitoring", "monitor-ran", lambda r: replace(r, check_counts={}), "never ran: nightly"),
        ("monitoring", "monitor-ran", none("monitors"), "there is no monitor"),
        ("business-goal", "checkpoint-recorded", none("checkpoints"), "none in cycle 1"),
        (
            "evaluation",
            "checkpoint-recorded",
            each("checkpoints", subject="churn-gbm@9"),
            "none on churn-gbm@1 in cycle 1",
        ),
        ("business-goal", "no-control-not-met", answer("not-met"), "X-1"),
        ("business-goal", "approved", none("approvals"), "nobody has decided on"),
        ("business-goal", "approved", none("checkpoints"), "there is nothing to approve"),
        ("business-goal", "approved", each("approvals", decision="rejected", reason="no"), "rejected"),
        ("business-goal", "approved", each("approvals", recorded_by=ANA), "cannot approve it"),
        ("business-goal", "approved", each("approvals", recorded_by=ANA.upper()), "cannot approve it"),
        (
            "business-goal",
            "approved",
            each("checkpoints", digest="sha256:other"),
            "not the content that was approved",
        ),
    ],
)
def test_a_rule_that_is_not_met_says_what_was_found(
    record: ProjectRecord, phase: str, rule: str, change: Change, found: str
) -> None:
    gate = check_gate(change(record), phase)
    results = {one.rule: one for one in gate.rules}
    assert not gate.open
    assert not results[rule].met
    assert found in results[rule].found
    assert results[rule].remedy


@pytest.mark.parametrize(
    ("phase", "change"),
    [
        ("evaluation", evaluated(auc=0.79)),
        ("evaluation", evaluated(latency_ms=120.0)),
        ("business-goal", answer("partial")),
        ("business-goal", answer("not-applicable")),
        ("business-goal", none("model_versions")),
        ("monitoring", none("incidents")),
        ("feature-engineering", none("evaluations")),
        ("model-training", evaluated(auc=0.1)),
    ],
)
def test_what_a_phase_does_not_ask_for_keeps_it_open(
    record: ProjectRecord, phase: str, change: Change
) -> None:
    assert [rule.rule for rule in check_gate(change(record), phase).unmet] in ([], ["approved"])


def grown(r: ProjectRecord, size: int) -> ProjectRecord:
    """The record with `size` more KPIs, runs, holdouts (each made of the one before) and evaluations on them."""
    kpi, run, evaluation = r.kpis[0], r.runs[0], r.evaluations[0]
    holdout = next(one for one in r.dataset_versions if one.dataset == "holdout")
    holdouts = [VersionRef("holdout", number) for number in range(1, size + 2)]
    return replace(
        r,
        kpis=[*r.kpis, *(altered(kpi, name=f"kpi-{number}") for number in range(size))],
        runs=[*r.runs, *(altered(run, name=f"run-{number}") for number in range(size))],
        dataset_versions=[
            *r.dataset_versions,
            *(
                altered(holdout, version=ref.version, derived_from=(before,), run=f"run-{before.version - 1}")
                for before, ref in pairwise(holdouts)
            ),
        ],
        evaluations=[
            *r.evaluations,
            *(altered(evaluation, id=f"evaluation-{ref.version}", dataset=ref) for ref in holdouts[1:]),
        ],
    )


def calls_for_all_gates(r: ProjectRecord) -> int:
    """How many Python functions are called, or generators resumed, to ask every gate."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        for phase in PHASE_RULES:
            check_gate(r, phase)
    finally:
        sys.setprofile(before)
    return calls


def test_gates_take_as_many_steps_as_the_record_has_things(record: ProjectRecord) -> None:
    few, many = (calls_for_all_gates(grown(record, size)) for size in (30, 300))
    assert many < 11 * few


def new_dataset(r: Registry, f: Files) -> None:
    """Another dataset, of which nothing is used."""
    r.data.add("unrelated", f.table("unrelated.csv", shift=7))


Step = Callable[[Registry, Files], Any]


@pytest.mark.parametrize(
    ("phase", "change", "why"),
    [
        ("evaluation", lambda r, f: r.kpi.set("auc", target="0.79", baseline="0.71"), "KPI auc has changed"),
        ("evaluation", lambda r, f: r.kpi.set("recall", target="0"), "KPI recall was recorded"),
        ("evaluation", lambda r, f: r.checkpoint.record("evaluation", summary="again"), "nobody has decided"),
        (
            "evaluation",
            lambda r, f: r.evaluation.record(
                "churn-gbm@1", dataset="holdout@1", metrics={"auc": 0.9, "latency_ms": 90}
            ),
            "evaluation-2 was recorded",
        ),
        ("business-goal", lambda r, f: r.goal.set(problem="other", value="other"), "the goal has changed"),
        (
            "data-collection",
            lambda r, f: r.source.set("crm", owner=BO, access="a", permitted_use="b", retention="c"),
            "data source crm has changed",
        ),
        (
            "deployment",
            lambda r, f: r.deployment.record("churn-gbm@1", environment="prod", kind="batch"),
            "deployment-2 was recorded",
        ),
        (
            "monitoring",
            lambda r, f: r.monitor.add("hourly", model="churn-gbm", reference=f.table("r.csv"), current="x"),
            "monitor hourly was recorded",
        ),
    ],
)
def test_an_approval_goes_stale_when_what_it_rested_on_changes(
    first_cycle: Registry, files: Files, phase: str, change: Step, why: str
) -> None:
    change(first_cycle, files)
    assert why in unmet(first_cycle, phase)["approved"]


@pytest.mark.parametrize(
    "change",
    [
        new_dataset,
        lambda r, f: r.evidence.add(f.text("a note")),
        lambda r, f: r.checkpoint.record("business-goal", summary="again"),
        lambda r, f: r.source.set("other"),
        lambda r, f: r.run.record("elsewhere"),
        lambda r, f: r.deployment.record("churn-gbm@1", environment="staging", kind="batch"),
        lambda r, f: r.monitor.run("nightly", current=str(f.table("live.csv"))),
        lambda r, f: r.project.add("other"),
    ],
)
def test_an_approval_stands_when_unrelated_things_change(
    first_cycle: Registry, files: Files, change: Step
) -> None:
    change(first_cycle, files)
    assert unmet(first_cycle, "evaluation") == {}


def test_a_kpi_set_to_the_same_numbers_was_still_set_anew(first_cycle: Registry) -> None:
    first_cycle.kpi.set("auc", target="0.80", baseline="0.71", acceptable_error="0.01")
    assert "KPI auc has changed" in unmet(first_cycle, "evaluation")["approved"]


def test_a_file_under_another_name_is_not_held_out(first_cycle: Registry, files: Files) -> None:
    first_cycle.data.add("test", files.table("renamed.csv", rows=60, shift=0.01), source="crm")
    train, test = first_cycle.data.show("train@1"), first_cycle.data.show("test@1")
    assert train.digest == test.digest
    first_cycle.model.register("fresh", files.text("w"), datasets=["train@1"])
    first_cycle.evaluation.record("fresh@1", dataset="test@1", metrics={"auc": 1, "latency_ms": 1})
    assert unmet(first_cycle, "evaluation", model="fresh@1")["evaluated-on-unseen-data"] == "fresh@1 has none"


def test_data_that_only_the_run_used_is_not_held_out(first_cycle: Registry, files: Files) -> None:
    first_cycle.run.record("sly", used=["holdout@1"], parameters={"a": 1})
    first_cycle.model.register("fresh", files.text("w"), run="sly", datasets=["train@1"])
    first_cycle.evaluation.record("fresh@1", dataset="holdout@1", metrics={"auc": 1, "latency_ms": 1})
    assert "evaluated-on-unseen-data" in unmet(first_cycle, "evaluation", model="fresh@1")


def test_the_next_cycle_inherits_earlier_phases_and_asks_for_the_others_again(first_cycle: Registry) -> None:
    first_cycle.cycle.open(from_phase="model-training", reason="yearly")
    gates = {gate.phase: gate for gate in first_cycle.gate.list()}
    phases = list(PHASE_RULES)
    start = phases.index("model-training")
    assert [gates[phase].open for phase in phases] == [True] * start + [False] * (len(phases) - start)
    assert {gate.cycle for gate in gates.values()} == {2}
    pass_phase(first_cycle, "model-training")
    assert unmet(first_cycle, "model-training") == {}
    # Asked about a version, the gate remembers in which cycle it was approved.
    assert unmet(first_cycle, "evaluation", model="churn-gbm@1") == {}
