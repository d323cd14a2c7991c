"""The law of governance: whatever is commanded by whomever, only what was approved is shown and passes as approved.

The law is read from the log's events alone: no gate is asked to vouch for itself.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from crisplens.api import Registry
from crisplens.core import clock
from crisplens.core.clock import parse_time
from crisplens.core.content_store import LocalStore
from crisplens.core.errors import CrisplensError
from crisplens.lifecycle.gates import check_gate
from crisplens.lifecycle.phases import get_phase, list_phases
from crisplens.lifecycle.policies.model import Policy
from crisplens.lifecycle.policies.shipped import shipped_policy
from crisplens.lifecycle.record import load_record
from crisplens.lifecycle.status import ProjectStatus, tell_status
from tests.conftest import ANA, BO, LOG_NAME, SqliteDatabases, SshPerson, Story, log_of, retold

pytestmark = pytest.mark.stored

CY, DEE = "cy@example.org", "dee@example.org"
PHASES = [phase.id for phase in list_phases()]
OF_A_VERSION = ("model-training", "evaluation")
# The events that leave an approval of a phase stale, whatever the policy.
RESTS_ON = {
    "business-goal": ("goal.set", "kpi.set"),
    "problem-framing": ("kpi.set",),
    "evaluation": ("kpi.set", "evaluation.recorded"),
    "deployment": ("deployment.recorded",),
}
HOUSE = """{policy: house, version: 1, title: Two approve and nobody overrides, extends: standard@1,
overrides: {allowed: false}, separation: [[author, deployer], [approver, deployer]],
doors: {deployment: [evaluation, model-training], cycle: [business-goal, evaluation]},
phases: {evaluation: {approvals: {count: 2, expires-days: 30}},
         business-goal: {approvals: {roles: [approver], requested: true}}}}"""
SOLO = """{policy: solo, version: 1, title: Authors approve and contributors override, extends: light@1,
overrides: {roles: [contributor, administrator], most-days: 30}, doors: {cycle: [business-goal]},
phases: {business-goal: {approvals: {author-excluded: false, expires-days: 10}}}}"""
Event = dict[str, Any]


def who(event: Event) -> str:
    """Who recorded an event, as people are compared."""
    return str(event["actor"]["id"]).casefold()


def later(day: str, days: int) -> str:
    """The day that is `days` after another."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def ref(version: Event) -> str:
    """A version, or what refers to one, in one word."""
    return f"{version.get('name') or version.get('dataset') or version['model']}@{version['version']}"


def adopted(event: Event) -> Policy:
    """The policy that is in force from an event on."""
    said = event["payload"]
    return msgspec.convert(said["content"], Policy) if "content" in said else shipped_policy(said["policy"])


@dataclass(frozen=True)
class Told:
    """What a log tells, read without the tables and the gates of the package."""

    events: list[Event]

    def of(self, *types: str, since: int = -1) -> list[Event]:
        """The events of these types after event `since`."""
        return [one for one in self.events[since + 1 :] if one["type"] in types]

    def said(self, *types: str, since: int = -1) -> list[Event]:
        """What these events say."""
        return [one["payload"] for one in self.of(*types, since=since)]

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return adopted(self.of("project.added", "policy.adopted")[-1])

    @property
    def cycle(self) -> Event:
        """The current cycle."""
        return [{"number": 1, "from_phase": PHASES[0]}, *self.said("cycle.opened")][-1]

    def checkpoint(self, phase: str, version: str = "") -> Event | None:
        """The newest checkpoint on a phase that counts in this cycle; on `version` in any cycle."""
        cycle, newest = self.cycle, ref(self.said("model-version.registered")[-1])
        anyway = version or PHASES.index(phase) < PHASES.index(cycle["from_phase"])
        found = [
            one
            for one in self.of("checkpoint.recorded")
            if one["payload"]["phase"] == phase
            and (anyway or one["payload"]["cycle"] == cycle["number"])
            and (phase not in OF_A_VERSION or one["payload"]["subject"] == (version or newest))
        ]
        return found[-1] if found else None

    def moved(self, checkpoint: Event, since: int) -> bool:
        """Whether something that an approval in event `since` rested on has changed after it."""
        said, phase = checkpoint["payload"], checkpoint["payload"]["phase"]
        policies = [Told(self.events[:since]).policy, *map(adopted, self.of("policy.adopted", since=since))]
        if any(one.demands(phase) != policies[0].demands(phase) for one in policies):
            return True
        for one in self.said(*RESTS_ON.get(phase, ()), since=since):
            aside = (
                one.get("environment") == "staging"
                or one.get("dataset", {"name": "holdout"})["name"] != "holdout"
            )
            if not aside and ("metrics" not in one or ref(one["model"]) == said["subject"]):
                return True
        checks = self.of("evidence.failed", "evidence.restored", since=since)
        last = {one["payload"]["digest"]: one["type"] for one in checks}
        return any(last.get(one["digest"]) == "evidence.failed" for one in said["evidence"])

    def decisions(self, checkpoint: Event) -> list[Event]:
        """Each person's last decision on a checkpoint, unless it was withdrawn."""
        id, gone = checkpoint["payload"]["id"], [one["id"] for one in self.said("approval.withdrawn")]
        mine = {who(one): one for one in self.of("approval.decided") if one["payload"]["checkpoint"] == id}
        return [one for one in mine.values() if one["payload"]["id"] not in gone]

    def counting(self, checkpoint: Event, today: str) -> dict[str, Event]:
        """The approvals of a checkpoint that may count today, each by its id."""
        said = checkpoint["payload"]
        demand = self.policy.demands(said["phase"]).approvals
        return {
            one["payload"]["id"]: one
            for one in self.decisions(checkpoint)
            if one["payload"]["decision"] == "approved"
            and one["payload"]["checkpoint_digest"] == said["digest"]
            and not (demand.author_excluded and who(one) == who(checkpoint))
            and (one["payload"]["signature"] or not demand.signed)
            and today <= later(one["occurred_at"][:10], demand.expires_days or 9999)
            and not self.moved(checkpoint, one["seq"])
        }

    def assert_approved(self, phase: str, checkpoint: Event | None, today: str) -> None:
        """Enough people approve a phase as it stands, and none is against it."""
        if (demands := self.policy.demands(phase)).required:
            assert checkpoint, f"nothing is recorded on {phase}"
            against = [one for one in self.decisions(checkpoint) if one["payload"]["decision"] != "approved"]
            assert not against, f"somebody decided against {phase}"
            assert len(self.counting(checkpoint, today)) >= demands.approvals.count, (
                f"too few approve {phase}"
            )


def judge_approval(told: Told, event: Event) -> Iterator[str]:
    """No author approves where the policy forbids it."""
    said = event["payload"]
    if said["decision"] == "approved":
        yield "approval granted"
        author = next(one for one in told.events if one["payload"].get("id") == said["checkpoint"])
        excluded = told.policy.demands(said["phase"]).approvals.author_excluded
        assert not (excluded and who(event) == who(author)), "its author approved it"


def judge_deployment(told: Told, event: Event) -> Iterator[str]:
    """What went to production had, for each version and gate, an approval that counts or an override in force."""
    said, policy, today = event["payload"], told.policy, event["occurred_at"][:10]
    if said["environment"] == "staging":
        return
    yield "deployed to production"
    for version in (ref(one["model"]) for one in said["variants"]):
        for phase in policy.doors.deployment:
            gate = next(one for one in said["gates"] if (one["phase"], one["subject"]) == (phase, version))
            checkpoint = told.checkpoint(phase, version)
            if gate["open"]:
                told.assert_approved(phase, checkpoint, today)
            else:
                yield "deployed by an override"
                judge_override(told, gate["override"], phase, version, today)
            if checkpoint and {"author", "deployer"} in [{*pair} for pair in policy.separation]:
                assert who(event) != who(checkpoint), "its author deployed it"


def judge_override(told: Told, id: str, phase: str, version: str, today: str) -> None:
    """An override was made for what it let pass, is in force and was not found unjustified."""
    event = next(one for one in told.of("gate.overridden") if one["payload"]["id"] == id)
    said, then = event["payload"], Told(told.events[: event["seq"]]).policy.overrides
    assert (said["phase"], said["subject"]) == (phase, version if phase in OF_A_VERSION else None)
    # One that is about no model version is about its cycle.
    assert said["subject"] or said["cycle"] == told.cycle["number"]
    assert told.policy.overrides.allowed
    assert said["role"] in then.roles
    assert today <= said["until"] <= later(event["occurred_at"][:10], then.most_days)
    reviews = told.said("gate.override-reviewed")
    assert (id, "not-justified") not in [(one["id"], one["outcome"]) for one in reviews]


JUDGES = {"approval.decided": judge_approval, "deployment.recorded": judge_deployment}


@dataclass
class Trial:
    """A registry that is given commands; every event and status of it is held against the law."""

    registry: Registry
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    told: Told = field(default_factory=lambda: Told([]))
    seen: Counter[str] = field(default_factory=Counter)
    remembered: dict[int, ProjectStatus] = field(default_factory=dict)

    def give(self, actor: str, name: str, *given: Any, sign: bool = False, **options: Any) -> bool:
        """Give a command and judge what it did; when it is refused, the log stays as it was.

        `approval-~1` means the newest one, ~2 the one before; `until` and `review_by` are so many days from today.
        """
        self.now += timedelta(seconds=1)
        registry, before = self.registry.acting_as(actor), self.registry.audit.head()
        noun, verb = name.split(".")
        command = getattr(getattr(registry, noun), verb)
        for one in {"until", "review_by"} & {*options}:
            options[one] = later(self.now.date().isoformat(), options[one])
        if answer := options.pop("answer", ""):
            controls = {one.id: ("met", "seen") for one in get_phase(given[0]).practices}
            options["controls"] = {**controls, next(iter(controls)): (answer, "seen")}
            options["evidence"] = [("test-report", Path(__file__))]
        try:
            if sign:
                SshPerson(actor.lower()).approve(registry, *given, **options)
            else:
                command(*map(self._meant, given), **options)
        except CrisplensError as error:
            assert self.registry.audit.head() == before, f"{name} was refused, and recorded something"
            self.seen.update([f"{name} refused", error.slug])
            return False
        self.judge()
        return True

    def _meant(self, given: Any) -> Any:
        if "-~" not in str(given):
            return given
        kind, back = given.split("~")
        ids = [str(one["payload"].get("id")) for one in self.told.events]
        made = [f"{kind}1", *dict.fromkeys(one for one in ids if one.startswith(kind))]
        return made[-min(int(back), len(made))]

    def judge(self) -> None:
        """Hold what the log says more, and what is shown as approved now, against the law."""
        for text in log_of(self.registry)[len(self.told.events) :]:
            event = json.loads(text)
            judge = JUDGES.get(event["type"], lambda told, event: iter([event["type"]]))
            self.seen.update(judge(self.told, event))
            self.told.events.append(event)
        with self.registry.reading() as session:
            record = load_record(session, "churn", now=self.now)
        status, today, standing = tell_status(record), self.now.date().isoformat(), set[str]()
        for shown in status.phases:
            gate, checkpoint = check_gate(record, shown.phase), self.told.checkpoint(shown.phase)
            counting = self.told.counting(checkpoint, today) if checkpoint else {}
            mine = {one.approval for one in gate.approvals if one.state == "stands"}
            assert mine <= {*counting}, f"what counts for {shown.phase} must not"
            for one in mine:
                assert gate.basis.items() <= counting[one]["payload"]["basis"].items()
            if shown.state == "approved":
                self.told.assert_approved(shown.phase, checkpoint, today)
            standing |= mine
        self.seen["something is stale"] += bool(status.stale)
        assert not standing & {one.approval for one in status.stale}

    def check_evidence(self, lose: int) -> None:
        """Let a check find so many of the newest evidence files gone, and the others back."""
        store = self.registry.configuration.open_evidence()
        assert isinstance(store, LocalStore)
        for aside in store.folder.rglob("*.aside"):
            aside.rename(aside.with_suffix(""))
        for one in self.told.said("evidence.added")[: -lose - 1 : -1]:
            (place := store.path(one["digest"])).rename(place.with_suffix(".aside"))
        self.give(ANA, "evidence.check")

    def remember(self) -> None:
        """Keep the status at the time of the last event, to ask the past for it at the end."""
        at = parse_time(self.told.events[-1]["recorded_at"])
        with self.registry.reading() as session:
            self.remembered[len(self.told.events) - 1] = tell_status(load_record(session, "churn", now=at))

    def finish(self) -> None:
        """The log replays to the same status, now and then, and everything verifies."""
        self.remember()
        for seq, status in self.remembered.items():
            with self.registry.as_of(seq) as then:
                assert msgspec.to_builtins(then.status.show()) == msgspec.to_builtins(status)
        self.check_evidence(lose=0)
        verification = self.registry.audit.verify()
        assert verification.passed, verification


def command(name: str, *given: Any, **options: Any) -> st.SearchStrategy[Any]:
    """Commands of this name, with one of those values where a list is given."""

    def drawn(value: Any) -> st.SearchStrategy[Any]:
        return st.sampled_from(value) if isinstance(value, list) else st.just(value)

    arguments = {key: drawn(value) for key, value in options.items()}
    return st.tuples(st.just(name), st.tuples(*map(drawn, given)), st.fixed_dictionaries(arguments))


ANYONE, WHY = st.sampled_from([ANA, ANA, BO, CY, DEE, ANA.upper()]), {"reason": "so"}
PHASE = [*PHASES, *["evaluation", "business-goal"] * 4]
VERSION = ["churn-gbm@1", "churn-gbm@2"]
PRODUCTION = {"environment": "production", "kind": "batch"}
POLICIES = ["light", "standard", "high-risk", "house.yaml", "solo.yaml"]
GOAL = {"problem": "churn", "value": "less", "options": {"rules": "too coarse"}}
COSTS = dict.fromkeys(("data", "training", "inference", "wrong-predictions"), 1)
RISK = {"likelihood": "rare", "impact": "minor", "mitigation": "watched", "review_by": 9}
METRICS = [{"auc": auc, "latency_ms": 9} for auc in (0.9, 0.9, 0.5)]
changes = st.one_of(
    command("kpi.set", "auc", target=["0.80", "0.86"], baseline="0.71"),
    command("goal.set", **GOAL, costs=COSTS),
    command("data.add", ["raw", "train", "holdout"], __file__, source="crm"),
    command("data.replace", ["raw@1", "train@1"], by=["raw@2", "train@2"], **WHY),
    command("run.record", ["train-2", "train-3"], used=("train@1",), code_version="git:1"),
    command("model.register", "churn-gbm", __file__, run=["train-1", "train-2"]),
    command("evaluation.record", VERSION, dataset=["holdout@1", "train@1"], metrics=METRICS),
    command("risk.add", "drift", **RISK),
    command("risk.review", ["risk-~1", "risk-~2"], note="so", review_by=20),
    command("risk.close", "risk-~1", **WHY),
)
decisions = st.one_of(
    command("checkpoint.record", PHASE, answer=["met", "met", "partial", "not-met"]),
    command("approval.request", PHASE),
    command("approval.grant", PHASE, sign=[False, True]),
    command("approval.grant", [*OF_A_VERSION], model=VERSION),
    command("approval.reject", PHASE, **WHY),
    command("approval.request_changes", PHASE, **WHY),
    command("approval.withdraw", ["approval-~1", "approval-~2", "request-~1"], **WHY),
)
governance = st.one_of(
    command("approval.delegate", [CY, DEE], until=[0, 9], **WHY),
    command("role.grant", [ANA, BO, CY, DEE], ["approver", "contributor", "administrator", "auditor"]),
    command("role.withdraw", ["role-~1", "role-~3"], **WHY),
    command("policy.adopt", POLICIES),
    command("override.grant", PHASE, role=["administrator", "contributor"], until=[0, 2, 8], **WHY),
    command(
        "override.review", ["override-~1", "override-~2"], outcome=["justified", "not-justified"], note="so"
    ),
    command("cycle.open", from_phase=PHASE, **WHY),
)
doors = st.one_of(
    command("deployment.record", VERSION, **PRODUCTION),
    command("deployment.record", VERSION, **PRODUCTION, variants={"canary": ("churn-gbm@1", 10)}),
    command("deployment.record", VERSION, environment=["live", "staging"], kind="batch"),
    command("model.promote", VERSION),
    command("cycle.close"),
)
Given = tuple[str, tuple[Any, ...], dict[str, Any]]
Start = Callable[[ExitStack], Trial]


class Governance(RuleBasedStateMachine):
    """Random commands by random people, and days that pass."""

    def __init__(self, start: Start) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.trial = start(self.stack)

    @initialize(policy=st.sampled_from(["standard", *POLICIES]), roles=st.booleans())
    def begin(self, policy: str, roles: bool) -> None:
        if roles:
            assign_roles(self.trial)
        self.trial.give(ANA, "policy.adopt", policy)

    @rule(actor=ANYONE, given=st.one_of(decisions, decisions, changes, doors))
    def give(self, actor: str, given: Given) -> None:
        self.trial.give(actor, given[0], *given[1], **given[2])

    @rule(actor=st.sampled_from([ANA, ANA, ANA, BO, CY]), given=governance)
    def govern(self, actor: str, given: Given) -> None:
        self.give(actor, given)

    @rule(
        phase=st.sampled_from(PHASE),
        author=ANYONE,
        approvers=st.lists(ANYONE, max_size=3),
        sign=st.booleans(),
    )
    def pass_phase(self, phase: str, author: str, approvers: list[str], sign: bool) -> None:
        self.trial.give(author, "checkpoint.record", phase, answer="met")
        self.trial.give(author, "approval.request", phase)
        for one in approvers:
            self.trial.give(one, "approval.grant", phase, sign=sign)

    @rule(
        deployer=ANYONE,
        phase=st.sampled_from(["evaluation", "evaluation", "model-training"]),
        bad=st.booleans(),
    )
    def override(self, deployer: str, phase: str, bad: bool) -> None:
        if bad:
            self.trial.give(ANA, "checkpoint.record", phase, answer="not-met")
        self.trial.give(ANA, "override.grant", phase, role="administrator", until=2, **WHY)
        self.trial.give(deployer, "deployment.record", "churn-gbm@1", **PRODUCTION)

    @rule(days=st.sampled_from([1, 5, 12, 40]), lose=st.integers(0, 3))
    def wait(self, days: int, lose: int) -> None:
        self.trial.now += timedelta(days=days)
        self.trial.judge()
        self.trial.check_evidence(lose)
        self.trial.remember()

    def teardown(self) -> None:
        with self.stack:
            self.trial.finish()


def assign_roles(trial: Trial) -> None:
    """Ana administers, Bo and Cy approve, Cy and Dee contribute, Bo audits."""
    roles = {"administrator": [ANA], "approver": [BO, CY], "contributor": [CY, DEE], "auditor": [BO]}
    for role, person in ((role, person) for role, people in roles.items() for person in people):
        assert trial.give(ANA, "role.grant", person, role)


@pytest.fixture
def start(
    databases: Any, told_first_cycle: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Start]:
    """Begins trials: each with a copy of a first cycle whose gates are all open, in which everyone has a key."""
    base = Story(databases.copy(told_first_cycle.url), tmp_path / "base")
    base.folder.mkdir()
    with retold(base.url, told_first_cycle, base.folder) as registry:
        registry.key.generate(LOG_NAME)
        for one in (ANA, BO, CY, DEE):
            registry.key.trust(SshPerson(one).public, owner=one)
    (tmp_path / "house.yaml").write_text(HOUSE)
    (tmp_path / "solo.yaml").write_text(SOLO)
    monkeypatch.chdir(tmp_path)

    def begin(stack: ExitStack) -> Trial:
        url, folder = databases.copy(base.url), Path(tempfile.mkdtemp(dir=tmp_path))
        stack.callback(databases.drop, url)
        trial = Trial(stack.enter_context(retold(url, base, folder)))
        monkeypatch.setattr(clock, "now", lambda: trial.now)
        trial.judge()
        return trial

    yield begin
    databases.drop(base.url)


@pytest.mark.slow
def test_whatever_is_commanded_keeps_the_law(start: Start, databases: Any) -> None:
    examples, steps = (16, 25) if isinstance(databases, SqliteDatabases) else (3, 15)
    given = {"max_examples": examples, "stateful_step_count": steps}
    chosen = settings(**given, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(lambda: Governance(start), settings=chosen)


def test_the_law_is_about_something(start: Start) -> None:
    with ExitStack() as stack:
        trial = start(stack)
        trial.seen.clear()
        assign_roles(trial)
        trial.give(ANA, "policy.adopt", "house.yaml")
        trial.give(ANA, "checkpoint.record", "evaluation", answer="met")
        trial.give(ANA.upper(), "approval.grant", "evaluation")
        trial.give(BO, "approval.grant", "evaluation")
        assert not trial.give(DEE, "deployment.record", "churn-gbm@1", **PRODUCTION)
        trial.give(CY, "approval.grant", "evaluation", sign=True)
        assert not trial.give(ANA, "deployment.record", "churn-gbm@1", **PRODUCTION)
        assert trial.give(DEE, "deployment.record", "churn-gbm@1", **PRODUCTION)
        trial.give(ANA, "kpi.set", "auc", target="0.81", baseline="0.71")
        trial.give(ANA, "policy.adopt", "solo.yaml")
        assert trial.give(DEE, "override.grant", "evaluation", role="contributor", until=2, **WHY)
        assert trial.give(DEE, "deployment.record", "churn-gbm@1", **PRODUCTION)
        assert trial.give(BO, "override.review", "override-~1", outcome="not-justified", note="so")
        assert not trial.give(DEE, "deployment.record", "churn-gbm@1", **PRODUCTION)
        assert trial.give(ANA, "checkpoint.record", "business-goal", answer="met")
        assert trial.give(BO, "approval.grant", "business-goal")
        assert trial.give(ANA, "cycle.close")
        trial.remember()
        trial.check_evidence(lose=2)
        trial.finish()
    wanted = (
        "approval granted",
        "deployed by an override",
        "something is stale",
        "own-checkpoint",
        "cycle.closed",
    )
    assert [
        one for one in (*wanted, "deployment.record refused", "duties-united") if not trial.seen[one]
    ] == []
