"""Registries to report on, told through the services: a full story, a wide one, a hostile one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Engine

import crisplens.areas  # noqa: F401  (every table and projection)
from crisplens.core.actor import Actor
from crisplens.core.content_store import LocalStore
from crisplens.core.database import open_engine, read_session, write_session
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import flush
from crisplens.lifecycle import approvals, cycles, doors, projects
from crisplens.lifecycle import service as lifecycle
from crisplens.lifecycle.phases import get_phase
from crisplens.migrations import upgrade
from crisplens.monitors import checking, recording
from crisplens.monitors import service as monitors
from crisplens.monitors.engines.interface import EngineResult
from crisplens.monitors.incidents import service as answers
from crisplens.monitors.model import CheckResult, ColumnCheck, ColumnKind, Profile, Verdict
from crisplens.monitors.queries import get_monitor
from crisplens.monitors.states import Window
from crisplens.registry.data import service as data
from crisplens.registry.lineage import service as runs
from crisplens.registry.models import service as models
from crisplens.registry.projects import service as goals
from crisplens.reports.audit_report import build_audit_report
from crisplens.reports.content import AuditReport

ANA, BEN, EVE = "ana@example.org", "ben@example.org", "eve@example.org"
GENERATED = datetime(2026, 11, 21, 3, 24, 59, tzinfo=UTC)
WIDE = "a-name-that-somebody-thought-would-say-everything-that-there-is-to-say-about-it"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"


@dataclass
class Registry:
    """A registry in a folder, and a clock that moves on with every command."""

    folder: Path
    engine: Engine
    moment: datetime = field(default=datetime(2026, 1, 5, 9, 0, tzinfo=UTC))

    @property
    def evidence(self) -> Path:
        """Where evidence files are kept."""
        return self.folder / "evidence"

    def do(
        self, command: Callable[..., Any], *given: Any, project: str = "churn", by: str = ANA, **options: Any
    ) -> Any:
        """Carry out one command, two hours after the last."""
        self.moment += timedelta(hours=2, minutes=7)
        with write_session(self.engine, finish=flush) as session:
            work = UnitOfWork(session, Actor(by), self.moment, LocalStore(self.evidence), project)
            return command(work, *given, **options)

    def file(self, name: str, text: str) -> Path:
        """A file with this content."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def report(self, project: str = "churn", *, now: datetime = GENERATED) -> AuditReport:
        """The project's report, at a fixed time."""
        with read_session(self.engine) as session:
            return build_audit_report(session, project, store=LocalStore(self.evidence), now=now)

    def pass_phase(
        self, phase: str, *, summary: str = "", evidence: Sequence[Path] = (), **answers: str
    ) -> None:
        """Record a phase's checkpoint as Ana, and approve it as Ben."""
        given = {id.replace("_", "-"): ("met", reason) for id, reason in answers.items()}
        if not given:
            given = {get_phase(phase).practices[0].id: ("met", "Reviewed with the retention team.")}
        self.do(lifecycle.record_checkpoint, phase, controls=given, summary=summary, evidence=evidence)
        self.do(approvals.grant_approval, phase, by=BEN, reason="Read and agreed.")


def new_registry(folder: Path) -> Registry:
    """An empty registry."""
    engine = open_engine(f"sqlite:///{folder / 'registry.db'}", create=True)
    upgrade(engine)
    return Registry(folder, engine)


def column(name: str, score: float | None, verdict: Verdict | None = None) -> ColumnCheck:
    """What a check found in a numeric column; drift above 0.1."""
    found = verdict or (Verdict.DRIFT if score is not None and score >= 0.1 else Verdict.NO_DRIFT)
    return ColumnCheck(
        column=name,
        kind=ColumnKind.NUMERIC,
        method=None if score is None else "wasserstein",
        score=score,
        threshold=None if score is None else 0.1,
        verdict=found,
        reason=f"The distance {score:.3g} against 0.1." if score is not None else "It cannot be compared.",
        approximate=True,
    )


def record_check(
    registry: Registry, monitor: str, columns: Sequence[ColumnCheck], verdict: Verdict, **where: str
) -> Any:
    """Record a check with these findings."""
    drifted = sum(one.verdict is Verdict.DRIFT for one in columns)
    checked = sum(one.score is not None for one in columns)
    result = CheckResult(
        engine="duckdb",
        verdict=verdict,
        reason=f"{drifted} of {checked} compared columns drift.",
        columns=tuple(columns),
        reference_rows=4,
        current_rows=12_500,
        drifted=drifted,
        checked=checked,
        drift_share=0.5,
    )

    # Each window has a profile of its own, so that each is kept as evidence.
    profile = Profile(rows=registry.moment.toordinal() * 24 + registry.moment.hour, columns=())

    def command(work: UnitOfWork) -> Any:
        window = Window(
            location="windows/*.parquet", digest="sha256:" + "ab" * 32, size=990_000, files=2, rows=12_500
        )
        found = checking.CheckFindings(
            get_monitor(work.session, work.project, monitor), window, EngineResult(result, profile)
        )
        return recording.record_check(work, found)

    return registry.do(command, by="ci@example.org", **where)


def tell_in_order(registry: Registry) -> None:
    """One model version, from its goal to production and monitoring, with everything in order."""
    do = registry.do
    do(
        projects.add_project,
        "churn",
        title="Churn prediction",
        risk="high",
        policy="standard",
        description="Who will leave within 90 days?",
    )
    goal = {
        "problem": "4.1% of customers leave each quarter.",
        "value": "Keeping 400 a quarter is worth 1.2 M EUR a year.",
    }
    goal |= {
        "options": {"rules": "Too coarse: precision 0.31.", "gradient boosting": "Chosen."},
        "currency": "EUR",
    }
    costs = {"data": "12000", "training": "800.50", "inference": "2400", "wrong-predictions": "90000"}
    do(goals.set_goal, **goal, costs=costs)
    do(goals.set_kpi, "auc", target="0.80", baseline="0.71", acceptable_error="0.01")
    do(goals.set_kpi, "latency_ms", target="120", baseline="200", direction="lower", unit="ms")
    registry.pass_phase(
        "business-goal", BG_1="Interviews kept.", BG_4="Costed with finance.", summary="Goal agreed."
    )
    registry.pass_phase("problem-framing")
    crm = {
        "access": "retention team",
        "permitted_use": "retention only",
        "retention": "24 months",
        "owner": "crm@example.org",
    }
    do(data.set_data_source, "crm", **crm, description="Customer master data.")
    cycle_of_a_model(registry, 1, auc=0.8312, latency=96.5)
    do(
        monitors.add_monitor,
        "inputs",
        model="churn",
        reference=registry.folder / "train-1.csv",
        current="windows/*.parquet",
        minimum_rows=4,
    )
    for scores in ((0.02, 0.01, 0.03), (0.04, 0.02, 0.08), (0.12, 0.03, 0.07)):
        record_check(
            registry, "inputs", [*map(column, ("tenure", "plan", "spend"), scores)], Verdict.NO_DRIFT
        )
    registry.pass_phase("monitoring", MO_1="Watched daily.")


def tell_churn(registry: Registry) -> None:
    """The first version drifts and the second replaces it; then drift comes back and a target moves."""
    tell_in_order(registry)
    do = registry.do
    broken = [column("tenure", 0.05), column("plan", None, Verdict.MISSING_COLUMN), column("spend", 0.06)]
    record_check(registry, "inputs", broken, Verdict.BAD_DATA)
    do(
        answers.resolve_incident,
        "incident-1",
        by=EVE,
        note="The export left a column out; it was sent again.",
    )
    drifting = [*map(column, ("tenure", "plan", "spend"), (0.31, 0.02, 0.22))]
    record_check(registry, "inputs", drifting, Verdict.DRIFT)
    do(answers.acknowledge_trigger, "trigger-1", by=EVE, note="Retraining on the autumn data.")
    do(cycles.open_cycle, trigger="trigger-1", by=EVE)
    cycle_of_a_model(registry, 2, auc=0.7951, latency=101.25)
    do(doors.resolve_trigger, "trigger-1", model="churn@2", by=EVE)
    registry.pass_phase("monitoring", MO_3="Retrained on drift.")
    record_check(
        registry, "inputs", [column("tenure", 0.4), column("plan", 0.2), column("spend", 0.01)], Verdict.DRIFT
    )
    do(answers.acknowledge_incident, "incident-3", by=EVE, note="Looking at it.")
    do(goals.set_kpi, "latency_ms", target="100", baseline="200", direction="lower", unit="ms")


def cycle_of_a_model(registry: Registry, number: int, *, auc: float, latency: float) -> None:
    """From data to production, every phase approved."""
    do, rows = registry.do, "\n".join(f"{i},{i % 3},{i * number}.5" for i in range(1, 5))
    for name in ("raw", "train", "holdout"):
        registry.file(f"{name}-{number}.csv", f"tenure,plan,spend\n{rows}\n{len(name)},1,{number}.25\n")
    do(data.add_data, "raw", registry.folder / f"raw-{number}.csv", source="crm")
    code, env = f"git:{number}f3c9ab", {"python": "3.12.4"}
    do(
        runs.record_run,
        f"prepare-{number}",
        activity="preparation",
        used=[f"raw@{number}"],
        code_version=code,
        environment=env,
    )
    for name in ("train", "holdout"):
        file = registry.folder / f"{name}-{number}.csv"
        do(data.add_data, name, file, derived_from=[f"raw@{number}"], run=f"prepare-{number}")
    registry.pass_phase("data-collection", DC_1="Nightly export.")
    registry.pass_phase("data-preparation")
    findings = registry.file(f"profile-{number}.html", f"<p>profile {number}</p>")
    registry.pass_phase("data-analysis", DA_1="No surprise.", evidence=[findings])
    do(
        runs.record_run,
        f"train-{number}",
        used=[f"train@{number}"],
        parameters={"depth": 6, "rate": 0.05},
        code_version=code,
        environment=env,
        metrics={"logloss": 0.3127},
        started_at="2026-02-01T03:00:00Z",
        ended_at="2026-02-01T03:24:00Z",
    )
    artefact = registry.file(f"model-{number}.bin", f"weights {number}")
    do(models.register_model, "churn", artefact, run=f"train-{number}")
    parts = {"plan=free": {"auc": auc - 0.05, "latency_ms": latency}, "plan=paid": {"auc": auc + 0.02}}
    classes = {"stays": {"recall": 0.91, "precision": 0.95}, "leaves": {"recall": 0.64, "precision": 0.52}}
    metrics = {"auc": auc, "latency_ms": latency, "brier": 0.1174}
    do(
        models.record_evaluation,
        f"churn@{number}",
        dataset=f"holdout@{number}",
        metrics=metrics,
        slices=parts,
        classes=classes,
    )
    registry.pass_phase("feature-engineering")
    registry.pass_phase("model-training", MT_1="Plan kept.", MT_6="Stopped after 80 rounds.")
    registry.pass_phase(
        "evaluation", EV_3="Holdout drawn before training.", EV_4="Recall of leavers judged enough."
    )
    second = {"control": ("churn@1", "12.5")}
    do(
        doors.record_deployment,
        f"churn@{number}",
        environment="production",
        kind="batch",
        variants=second,
        note="Nightly.",
    )
    registry.pass_phase("deployment")


def tell_wide(registry: Registry) -> None:
    """Very long names, 60 columns, 32 checks."""
    long = WIDE
    names = [f"{long}_{number:02}" for number in range(60)]
    table = registry.file(
        "wide.csv", ",".join(names) + "\n" + "\n".join(",".join(["1.5"] * 60) for _ in range(40))
    )
    artefact = registry.file("wide.bin", "weights")

    def do(command: Callable[..., Any], *given: Any, **options: Any) -> Any:
        return registry.do(command, *given, project=long, **options)

    do(
        projects.add_project,
        long,
        title="An unusually long title " * 7,
        owner="o" * 300,
        description="A long text. " * 60,
    )
    do(
        goals.set_kpi,
        f"kpi-{long}",
        target="1234567.890123",
        baseline="1000000",
        unit="customers per fortnight",
    )
    do(data.add_data, long, table, source=f"source-{long}", owner="x" * 200)
    do(
        models.register_model,
        long,
        artefact,
        datasets=[f"{long}@1"],
        parameters=dict.fromkeys(names, 1.5),
    )
    slices = {f"segment={name}, another={name}": {"auc": 0.5} for name in names[:12]}
    metrics = {f"kpi-{long}": 987654.3, **{f"m-{name}": 0.123456 for name in names[:9]}}
    do(models.record_evaluation, f"{long}@1", dataset=f"{long}@1", metrics=metrics, slices=slices)
    do(monitors.add_monitor, long, model=long, reference=table, current="x" * 300)
    for number in range(32):
        checks = [column(name, ((7 * i + number * i) % 23) / 180) for i, name in enumerate(names)]
        record_check(registry, long, checks, Verdict.NO_DRIFT, project=long)


def tell_hostile(registry: Registry) -> None:
    """Markup and quotes in every text that is free."""
    do, bad, by = registry.do, HOSTILE, f"mallory {HOSTILE}"

    def work(command: Callable[..., Any], *given: Any, **options: Any) -> Any:
        return do(command, *given, project="hostile", by=options.pop("by", by), **options)

    work(projects.add_project, "hostile", title=bad, owner=bad, description=bad)
    work(
        goals.set_goal,
        problem=bad,
        value=bad,
        owner=bad,
        options={bad: bad},
        costs={"data": "1"},
        currency=bad[:20],
    )
    work(goals.set_kpi, "auc", target="0.8", unit=bad)
    governance = {"owner": bad, "access": bad, "permitted_use": bad, "retention": bad, "description": bad}
    work(data.set_data_source, "crm", **governance)
    quoted = bad.replace('"', '""')
    table = registry.file("<b onclick=alert(1)>.csv", f'"{quoted}",plain\n' + "1.5,x\n" * 40)
    work(data.add_data, "raw", table, source="crm")
    texts = {bad: bad}
    work(
        runs.record_run,
        "run",
        activity=bad,
        used=["raw@1"],
        parameters=texts,
        environment=texts,
        code_version=bad,
    )
    work(models.register_model, "model", table, run="run", parameters=texts)
    parts = {bad: {"auc": 0.5}}
    work(
        models.record_evaluation,
        "model@1",
        dataset="raw@1",
        metrics={"auc": 0.7},
        slices=parts,
        classes=parts,
    )
    second = {"b": ("model@1", "1")}
    work(doors.record_deployment, "model@1", environment="test", kind="batch", variants=second, note=bad)
    work(monitors.add_monitor, "watch", model="model", reference=table, current=bad)
    found = msgspec.structs.replace(column(bad, 0.5), reason=bad, method=bad)
    record_check(registry, "watch", [found], Verdict.DRIFT, project="hostile")
    work(answers.acknowledge_incident, "incident-1", note=bad)
    work(answers.dismiss_trigger, "trigger-1", reason=bad)
    work(cycles.open_cycle, from_phase="business-goal", reason=bad)
    given = {"controls": {"BG-1": ("met", bad)}, "evidence": [table], "summary": bad, "links": ["raw@1"]}
    work(lifecycle.record_checkpoint, "business-goal", **given)
    work(approvals.reject_approval, "business-goal", reason=bad, by=f"eve {bad}")
