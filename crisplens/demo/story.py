"""One project from its business goal to a drift alarm and its answer, told through the Python API.

Every number comes out of the data, and every step is the call that a user would make.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import crisplens
from crisplens.core.configuration import set_default_project
from crisplens.core.errors import Refused
from crisplens.demo import data, model
from crisplens.monitors.recording import CheckRecorded

PROJECT = "outpatient-visits"
MODEL = "visits"
ENGINEER = "ana@example.org"
OWNER = "bo@example.org"
REVIEWER = "chen@example.org"
OPERATOR = "dee@example.org"
AUDITOR = "eve@example.org"

Say = Callable[[str], None]


@dataclass
class Story:
    """The demonstration's people, files and registry. `say` tells each step as it is done."""

    folder: Path
    say: Say
    files: dict[str, Path] = field(default_factory=dict)
    # How far the forecast of all visits may be off, in percent, at first and after it was tightened.
    target: str = "12"
    target_later: str = "10"

    def __post_init__(self) -> None:
        self.registry = crisplens.init(self.folder)
        if self.registry.configuration.file:
            set_default_project(self.registry.configuration.file, PROJECT)
        self.engineer, self.owner, self.reviewer, self.operator = (
            self.registry.acting_as(actor, project=PROJECT) for actor in (ENGINEER, OWNER, REVIEWER, OPERATOR)
        )

    def note(self, name: str, text: str) -> Path:
        """Write a note to attach as evidence."""
        file = self.folder / "notes" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def pass_phase(
        self,
        phase: str,
        controls: dict[str, str],
        *,
        evidence: Path | tuple[str, Path] | None = None,
        by_owner: bool = False,
        ask: bool = False,
    ) -> None:
        """Record a phase's checkpoint (every control met, with its reason) and have the reviewer approve it.

        With `ask`, the author asks for that first.
        """
        author = self.owner if by_owner else self.engineer
        answers = {id: ("met", reason) for id, reason in controls.items()}
        author.checkpoint.record(phase, controls=answers, evidence=[evidence] if evidence else [])
        if ask:
            author.approval.request(phase, approvers=[REVIEWER])
        self.reviewer.approval.grant(phase)


def run_story(folder: Path, say: Say) -> Path:
    """Tell the whole story in `folder` (new or empty) and return the audit report's file."""
    story = Story(folder, say)
    prepare_files(story)
    set_goal(story)
    collect_data(story)
    first = train_and_evaluate(story, version=1)
    deploy(story, version=1)
    monitor(story, "visits-inputs", reference="train", window="window-1")
    tighten_target(story)
    close_cycle(story, "The first forecast is in use.")
    raise_alarm(story, first)
    answer_alarm(story)
    close_cycle(story, "All plans are served by one model.")
    return write_report(story)


def prepare_files(story: Story) -> None:
    """Write the raw data and the parts that are made of it."""
    story.say("The RAND Health Insurance Experiment: 20,190 person-years, from raw file to prepared parts")
    folder = story.folder / "data"
    folder.mkdir(parents=True, exist_ok=True)
    raw = folder / "rand-hie.csv"
    data.write_raw(raw)
    story.files = {"raw": raw, **data.prepare(raw, folder)}


def set_goal(story: Story) -> None:
    """Project, business goal and KPIs; the baselines are measured, not made up."""
    story.say(
        "Business goal: forecast yearly outpatient visits, so that clinics are staffed for the people who come"
    )
    story.engineer.project.add(
        PROJECT,
        title="Outpatient visits per member and year",
        owner=OWNER,
        risk="medium",
        description="Forecasts how often a member of a health plan will see a doctor in a year, to staff the "
        "plan's clinics. A demonstration: the costs of the goal, in USD a year, are assumed.",
    )
    govern(story)
    story.owner.goal.set(
        problem="Clinics are staffed for the average member of last year. When members with other "
        "insurance plans join, the number of visits is missed by far.",
        value="Staff is where the patients are: no overtime for clinics that are planned too small, "
        "no idle hours for those planned too large.",
        options={
            "last year's average": "What is done today, and the baseline. It cannot follow a change of members.",
            "table by plan and health": "Transparent, but its cells get small quickly, and nobody keeps it current.",
            "Poisson regression": "Chosen: few parameters, explains each forecast, retrained in seconds.",
        },
        costs={"data": "0", "training": "40", "inference": "15", "wrong-predictions": "52000"},
        currency="USD",
    )
    average = model.evaluate_average(story.files["train"], story.files["window-2"])
    story.owner.kpi.set(
        "total_error",
        unit="% of all visits",
        direction="lower",
        baseline=f"{average['total_error']:.1f}",
        target=story.target,
    )
    story.owner.kpi.set(
        "deviance_explained",
        unit="share",
        direction="higher",
        baseline="0",
        target="0.05",
        acceptable_error="0.005",
    )
    story.pass_phase(
        "business-goal",
        {
            "BG-1": "Agreed with the clinics' planners.",
            "BG-4": "Costed with the goal; a wrong forecast costs most by far.",
            "nist-ai-rmf:MAP 1.1": "Planners of two clinics described how forecasts are used.",
            "BG-6": f"Today's practice misses the visits of people from other plans by {average['total_error']:.0f} %.",
        },
        by_owner=True,
    )
    story.pass_phase(
        "problem-framing",
        {
            "PF-2": "Error of the total is what staffing feels; deviance explained is what a model adds.",
            "PF-3": "From plan and health to a count of visits per person and year.",
            "PF-6": "A Poisson regression first.",
        },
        by_owner=True,
    )


def govern(story: Story) -> None:
    """Who may do what, what must be true, and what could go wrong."""
    policy = Path(__file__).with_name("policy.yaml")
    roles = {
        OWNER: ["administrator"],
        ENGINEER: ["contributor"],
        REVIEWER: ["approver"],
        OPERATOR: ["contributor"],
        AUDITOR: ["auditor"],
    }
    for person, held in roles.items():
        for role in held:
            story.owner.role.grant(person, role)
    adopted = story.owner.policy.adopt(policy, reason="Agreed with the clinics.")
    story.say(f"Policy {adopted.ref}: {adopted.content.title.lower()}")
    story.owner.risk.add(
        "Members of a plan that the training data does not hold",
        description="The model knows only the plans that it was trained on.",
        likelihood="likely",
        impact="moderate",
        mitigation="The inputs are monitored; results are reported for every plan.",
        review_by="2099-06-30",
        controls=["EV-4", "MO-1"],
    )
    story.owner.risk.add(
        "Small plans are forecast badly",
        likelihood="possible",
        impact="minor",
        mitigation="Staffed by hand below 50 members.",
        review_by="2099-06-30",
    )


def collect_data(story: Story) -> None:
    """Source, raw data, the preparation run and what it made; then the four phases on data."""
    story.say("Data: source, lineage, a holdout that no model learns from")
    engineer, files = story.engineer, story.files
    engineer.source.set(
        "rand-hie",
        owner="RAND Corporation",
        access="Public; bundled in statsmodels.",
        permitted_use="Research and teaching.",
        retention="Kept with this demonstration; no person can be identified.",
        description="RAND Health Insurance Experiment, 1974 to 1982.",
    )
    engineer.data.add("rand-hie", files["raw"], source="rand-hie")
    engineer.run.record(
        "prepare-1",
        activity="preparation",
        used=["rand-hie@1"],
        parameters={"block_rows": data.BLOCK_ROWS, "seed": data.SEED},
        code_version=code_version(),
        environment=model.environment(),
    )
    for name in ("train", "holdout"):
        engineer.data.add(name, files[name], derived_from=["rand-hie@1"], run="prepare-1")
    summary = data.load(files["train"]).describe().round(3).to_csv()
    story.pass_phase(
        "data-collection",
        {
            "DC-1": "One public file, read as statsmodels ships it.",
            "DC-4": "Described with the source.",
            "DC-5": "Every part names the raw file and the run that made it.",
        },
    )
    story.pass_phase(
        "data-preparation",
        {
            "DP-4": "Whole blocks of rows are set aside, so that no family is in both parts.",
            "DP-6": "Training and forecasts read the same prepared columns.",
        },
    )
    story.pass_phase(
        "data-analysis",
        {
            "DA-1": "Counts, means and quartiles of every column are attached.",
            "DA-4": "Visits are counts with a long tail: Poisson, not least squares.",
        },
        evidence=story.note("training-data-summary.csv", summary),
    )


def train_and_evaluate(story: Story, *, version: int) -> object:
    """Train a version, register it, evaluate it on data it never saw, and have both approved."""
    part, holdout = ("train", "holdout") if version == 1 else ("train-all-plans", "holdout-all-plans")
    story.say(f"Model version {version}: trained, registered, evaluated on people it never saw")
    engineer = story.engineer
    pipeline = model.train(story.files[part], plans_as_categories=version > 1)
    artefact = story.folder / "models" / f"visits-{version}.json"
    artefact.parent.mkdir(exist_ok=True)
    model.save(pipeline, artefact)
    parameters: dict[str, str | int | float | bool] = {
        "alpha": model.ALPHA,
        "plans_as_categories": version > 1,
    }
    engineer.run.record(
        f"train-{version}",
        used=[f"train@{version}"],
        parameters=parameters,
        metrics=model.evaluate(pipeline, story.files[part])[0],
        code_version=code_version(),
        environment=model.environment(),
    )
    engineer.model.register(
        MODEL, artefact, datasets=[f"train@{version}"], parameters=parameters, run=f"train-{version}"
    )
    metrics, by_plan = model.evaluate(pipeline, story.files[holdout])
    engineer.evaluation.record(
        f"{MODEL}@{version}", dataset=f"holdout@{version}", metrics=metrics, slices=by_plan
    )
    story.pass_phase(
        "feature-engineering",
        {
            "FE-1": "Columns are renamed and taken back from logarithms; nothing is invented.",
            "FE-2": "One function prepares both.",
        },
    )
    story.pass_phase(
        "model-training",
        {
            "MT-2": "A count needs a Poisson model.",
            "MT-3": "Trained on the people who are served at the time.",
        },
    )
    if version > 1:
        show_refusal(story, version)
    show_blocked_gate(story)
    worst = max(by_plan, key=lambda plan: by_plan[plan]["total_error"])
    story.pass_phase(
        "evaluation",
        {
            "EV-2": f"Misses the visits of unseen people by {metrics['total_error']:.1f} %, where {story.target} % is"
            " the target.",
            "EV-3": "The holdout is made of other families.",
            "EV-4": f"By plan: worst for {worst}, {by_plan[worst]['total_error']:.0f} %, on few people.",
        },
        evidence=("test-report", story.note(f"test-report-{version}.csv", test_report(metrics, by_plan))),
        ask=True,
    )
    return pipeline


def test_report(metrics: dict[str, float], by_plan: dict[str, dict[str, float]]) -> str:
    """An evaluation's numbers as a table, the whole first."""
    rows = {"all": metrics, **by_plan}
    lines = [",".join(["part", *metrics])]
    lines += [",".join([part, *(f"{one[name]:.6g}" for name in metrics)]) for part, one in rows.items()]
    return "\n".join([*lines, ""])


def show_blocked_gate(story: Story) -> None:
    """A gate asks for what the policy demands, and says what is missing."""
    gate = story.engineer.gate.check("evaluation")
    if gate.open:
        raise AssertionError("an evaluation without a checkpoint passed its gate")
    missing = ", ".join(rule.rule for rule in gate.unmet)
    story.say(f"The evaluation gate is blocked by {gate.policy}: {missing}")


def show_refusal(story: Story, version: int) -> None:
    """What nobody else has approved does not get into production."""
    try:
        story.operator.deployment.record(f"{MODEL}@{version}", environment="production", kind="batch")
    except Refused as refusal:
        story.say(f"Refused, as it should be: {refusal.message.splitlines()[0]}")
    else:
        raise AssertionError("an unapproved version went to production")


def deploy(story: Story, *, version: int) -> None:
    """Put an approved version into production."""
    story.say(f"Deployment of version {version}, through the evaluation gate")
    story.operator.deployment.record(
        f"{MODEL}@{version}", environment="production", kind="batch", note="Yearly forecast for every member."
    )
    story.operator.model.promote(f"{MODEL}@{version}", note="In use from the next planning round.")
    story.pass_phase(
        "deployment",
        {"DE-1": "Scored once a year for all members.", "DE-3": "Batch: nobody waits for a forecast."},
    )


def monitor(story: Story, name: str, *, reference: str, window: str) -> CheckRecorded:
    """Watch the model's inputs, check a first window and have the phase approved."""
    story.operator.monitor.add(
        name,
        model=MODEL,
        reference=story.files[reference],
        current=str(story.files[window]),
        columns=data.INPUTS,
        drift_share=0.25,
    )
    checked = story.operator.monitor.run(name)
    story.say(f"Monitor {name}: {checked.check.result.verdict}. {checked.check.result.reason}")
    if any(one.is_open for one in story.registry.acting_as(OPERATOR, project=PROJECT).incident.list()):
        raise AssertionError(
            f"{name} found drift where the people are the same: {checked.check.result.reason}"
        )
    story.pass_phase(
        "monitoring",
        {
            "MO-1": "The inputs of every window are compared with the training data.",
            "MO-3": "Drift raises a trigger by itself.",
        },
    )
    return checked


def tighten_target(story: Story) -> None:
    """The owner asks for more: what was approved for less is stale, and is approved anew."""
    before = {one.approval for one in story.owner.status.show().stale}
    story.owner.kpi.set(
        "total_error",
        unit="% of all visits",
        direction="lower",
        baseline=next(one.baseline for one in story.owner.kpi.list() if one.name == "total_error"),
        target=story.target_later,
    )
    story.target = story.target_later
    stale = [one for one in story.owner.status.show().stale if one.approval not in before]
    for one in stale:
        path = " → ".join(one.causes[0].path)
        story.say(f"Stale: {one.approval} on {one.phase}, because {one.causes[0].said} ({path})")
    if {one.phase for one in stale} != {"business-goal", "problem-framing", "evaluation"}:
        raise AssertionError(f"a changed target made other approvals stale than those on it: {stale}")
    story.engineer.approval.request("evaluation", approvers=[REVIEWER], note="For the target of today.")
    for one in stale:
        story.reviewer.approval.grant(one.phase, reason=f"Still good enough at {story.target} %.")


def close_cycle(story: Story, note: str) -> None:
    """Bring the cycle to its end, through every gate."""
    closed = story.owner.cycle.close(note=note)
    story.say(f"Cycle {closed.number} is closed: {'; '.join(closed.changes[:3])}")


def raise_alarm(story: Story, pipeline: object) -> None:
    """People from the other plans come; the monitor notices before the labels tell how wrong the model is."""
    story.say("People from other insurance plans are served now")
    checked = story.operator.monitor.run("visits-inputs", current=str(story.files["window-2"]))
    story.say(f"Monitor visits-inputs: {checked.check.result.verdict}. {checked.check.result.reason}")
    if checked.incident is None or checked.trigger is None:
        raise AssertionError("the shift of the population was not noticed")
    story.operator.incident.acknowledge(checked.incident.id, note="Members of three more plans joined.")
    story.engineer.trigger.acknowledge(checked.trigger.id, note="Retraining with the new members.")
    story.engineer.data.add("served", story.files["window-2"], derived_from=["rand-hie@1"], run="prepare-1")
    metrics, by_plan = model.evaluate(pipeline, story.files["window-2"])
    story.engineer.evaluation.record(f"{MODEL}@1", dataset="served@1", metrics=metrics, slices=by_plan)
    story.owner.kpi.observe("total_error", f"{metrics['total_error']:.1f}", note="Version 1, all plans.")
    story.owner.cost.record(
        "wrong-predictions", "18400", start="2026-01-01", note="Overtime, as assumed here."
    )
    story.say(
        f"Their visits, once counted: version 1 missed them by {metrics['total_error']:.0f} % "
        f"(target {story.target} %)"
    )


def answer_alarm(story: Story) -> None:
    """The next cycle: data of all plans, a second version, approved, deployed; the trigger closes."""
    trigger = story.operator.trigger.list()[-1].id
    story.engineer.cycle.open(from_phase="data-collection", trigger=trigger)
    story.say(f"Cycle 2, opened by {trigger}: data of all plans")
    engineer, files = story.engineer, story.files
    engineer.data.add(
        "train", files["train-all-plans"], derived_from=["train@1", "served@1"], run="prepare-1"
    )
    engineer.data.add("holdout", files["holdout-all-plans"], derived_from=["rand-hie@1"], run="prepare-1")
    story.pass_phase(
        "data-collection",
        {
            "DC-2": "The visits of the new members are known now.",
            "DC-5": "Made of the first training data and the people served since.",
        },
    )
    story.pass_phase(
        "data-preparation",
        {
            "DP-4": "The holdout is made of other families, of all plans.",
            "DP-6": "The same preparation as before.",
        },
    )
    summary = data.load(files["train-all-plans"]).describe().round(3).to_csv()
    story.pass_phase(
        "data-analysis",
        {"DA-4": "Visits fall with coinsurance, but not along a line: each plan gets an effect of its own."},
        evidence=story.note("training-data-summary-2.csv", summary),
    )
    train_and_evaluate(story, version=2)
    deploy(story, version=2)
    resolved = story.operator.trigger.resolve(trigger, model=f"{MODEL}@2", note="Version 2 knows all plans.")
    story.say(
        f"{trigger} is {resolved.state} by {resolved.resolved_by}; {resolved.incident} is closed with it"
    )
    monitor(story, "visits-inputs-all-plans", reference="train-all-plans", window="window-3")


def write_report(story: Story) -> Path:
    """Verify the record and write the audit report."""
    verification = story.registry.audit.verify()
    if not verification.passed:
        raise AssertionError(f"the registry does not verify: {verification.verdicts}")
    coverage = story.registry.acting_as(AUDITOR, project=PROJECT).coverage.show("eu-ai-act")
    answered = coverage.total - coverage.counts["gap"]
    story.say(
        f"EU AI Act: {answered} of {coverage.total} items answered or shown in part; the report lists the gaps"
    )
    file = story.folder / "audit.html"
    file.write_text(story.engineer.report.audit(), encoding="utf-8")
    story.say(f"The record verifies; the audit report is written ({len(story.registry.audit.log())} events)")
    return file


def code_version() -> str:
    """The demonstration's code, by its digest: it has no repository of its own."""
    hasher = hashlib.sha256()
    for module in (data, model):
        hasher.update(Path(str(module.__file__)).read_bytes())
    return f"crisplens {crisplens.__version__} demo, sha256:{hasher.hexdigest()[:16]}"
