"""The law of governance: whatever is commanded by whomever, what the record shows as approved was approved.

Each law is read from the log's events alone; no gate is asked to vouch for itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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
from crisplens.lifecycle.queries import load_record
from crisplens.lifecycle.status import ProjectStatus, tell_status
from tests.conftest import ANA, BO, LOG_NAME, Files, SshPerson, Story, log_of, retold

pytestmark = pytest.mark.stored

CY, DEE = "cy@example.org", "dee@example.org"
PEOPLE = (ANA, BO, CY, DEE)
PHASES = [phase.id for phase in list_phases()]
OF_A_VERSION = ("model-training", "evaluation")
OF_DATA = ("data-collection", "data-preparation", "data-analysis", "feature-engineering")
# What an approval of a phase rests on, whatever the policy: events that leave it stale.
RESTS_ON = {
    "business-goal": ("goal.set", "kpi.set"),
    "problem-framing": ("kpi.set",),
    "evaluation": ("kpi.set",),
}
HOUSE = """
policy: house
version: 1
title: Two approvals, no overrides, and whoever wrote or approved does not deploy
extends: standard@1
overrides: {allowed: false}
doors: {deployment: [evaluation, model-training], cycle: [business-goal, evaluation]}
separation: [[author, deployer], [approver, deployer]]
phases:
  evaluation: {approvals: {count: 2, expires-days: 30}}
  business-goal: {approvals: {roles: [approver], requested: true}}
"""
SOLO = """
policy: solo
version: 1
title: Authors approve, contributors override, and a cycle ends with its goal
extends: light@1
overrides: {roles: [contributor, administrator], most-days: 30}
doors: {deployment: [evaluation, business-goal], cycle: [business-goal]}
phases:
  business-goal: {approvals: {author-excluded: false, expires-days: 10}}
"""


Event = dict[str, Any]


def ref(one: Any) -> str:
    """A reference to a version, as events write it, in one word."""
    return f"{one['name']}@{one['version']}"


@dataclass(frozen=True)
class Told:
    """What a log tells, read without the tables, the gates and the roles of the package."""

    events: list[Event]

    def of(self, *types: str, since: int = -1) -> list[Event]:
        """The events of these types after event `since`."""
        return [one for one in self.events[since + 1 :] if one["type"] in types]

    def before(self, event: Event) -> Told:
        """The log as it was when `event` was recorded."""
        return Told(self.events[: event["seq"]])

    @property
    def policy(self) -> Policy:
        adopted = self.of("policy.adopted")
        if adopted:
            return msgspec.convert(adopted[-1]["payload"]["content"], Policy)
        return shipped_policy(self.of("project.added")[0]["payload"]["policy"])

    @property
    def cycle(self) -> tuple[int, str]:
        opened = self.of("cycle.opened")
        return (opened[-1]["payload"]["number"], opened[-1]["payload"]["from_phase"]) if opened else (1, PHASES[0])

    @property
    def newest_version(self) -> str:
        payload = self.of("model-version.registered")[-1]["payload"]
        return f"{payload['model']}@{payload['version']}"

    def named(self, id: str) -> Event | None:
        """The event that made what has this id."""
        return next((one for one in self.events if one["payload"].get("id") == id), None)

    def taken_back(self, *types: str) -> set[str]:
        return {one["payload"]["id"] for one in self.of(*types)}

    def checkpoint(self, phase: str, version: str, *, any_cycle: bool) -> Event | None:
        """The newest checkpoint on a phase that counts, of this version where it is about one."""
        number, start = self.cycle
        inherited = any_cycle or PHASES.index(phase) < PHASES.index(start)
        found = [
            one
            for one in self.of("checkpoint.recorded")
            if one["payload"]["phase"] == phase
            and (inherited or one["payload"]["cycle"] == number)
            and (phase not in OF_A_VERSION or one["payload"]["subject"] == version)
        ]
        return found[-1] if found else None

    def holds(self, person: str, roles: tuple[str, ...], phase: str, day: str) -> bool:
        """Whether someone has one of these roles for a phase, or may approve in the place of one who has."""

        def own(who: str) -> bool:
            gone = self.taken_back("role.withdrawn")
            return any(
                one["role"] in roles
                and one["person"].casefold() == who.casefold()
                and one["id"] not in gone
                and phase in (one["phases"] or [phase])
                for one in (event["payload"] for event in self.of("role.granted"))
            )

        ended = self.taken_back("approval.delegation-ended")
        return own(person) or any(
            one["payload"]["to"].casefold() == person.casefold()
            and one["payload"]["id"] not in ended
            and day <= one["payload"]["until"]
            and phase in (one["payload"]["phases"] or [phase])
            and own(one["actor"]["id"])
            for one in self.of("approval.delegated")
        )

    def behind(self, version: str) -> set[str]:
        """The dataset versions that a model version and its evaluations came from, in the end."""
        made: dict[str, list[str]] = {}
        for one in self.of("dataset-version.added", "model-version.registered", "run.recorded"):
            said = one["payload"]
            refs = said.get("derived_from") or said.get("datasets") or said.get("used_datasets") or []
            name = said.get("dataset") or said.get("model")
            made[f"{name}@{said['version']}" if name else said["name"]] = [
                *map(ref, refs),
                *([said["run"]] if said.get("run") else []),
            ]
        evaluated = (one["payload"] for one in self.of("evaluation.recorded"))
        waiting = [version, *(ref(one["dataset"]) for one in evaluated if ref(one["model"]) == version)]
        found: set[str] = set()
        while waiting:
            if (name := waiting.pop()) not in found:
                found.add(name)
                waiting += made.get(name, [])
        return found

    def moved(self, checkpoint: Event, decided: int) -> str:
        """What an approval in event `decided` rested on and has changed since; empty when nothing has."""
        said, before = checkpoint["payload"], Told(self.events[:decided])
        phase, changes = said["phase"], self.of(*RESTS_ON.get(said["phase"], ()), since=decided)
        demands = [before.policy.demands(phase)]
        demands += [
            msgspec.convert(one["payload"]["content"], Policy).demands(phase)
            for one in self.of("policy.adopted", since=decided)
        ]
        if any(one != demands[0] for one in demands):
            return "the policy"
        version = said["subject"] if phase in OF_A_VERSION else self.newest_version
        if phase == "evaluation":
            changes += [
                one
                for one in self.of("evaluation.recorded", since=decided)
                if ref(one["payload"]["model"]) == version and one["payload"]["dataset"]["name"] == "holdout"
            ]
        if phase == "deployment":
            changes += [one for one in self.of("deployment.recorded", since=decided) if in_production(one)]
        if phase in OF_A_VERSION + OF_DATA:
            replaced = self.of("dataset-version.replaced", since=decided)
            gone = {f"{one['payload']['dataset']}@{one['payload']['version']}" for one in replaced}
            if gone & self.behind(version):
                return "replaced data"
        for link in said["evidence"]:
            checks = self.of("evidence.failed", "evidence.restored", since=decided)
            mine = [one["type"] for one in checks if one["payload"]["digest"] == link["digest"]]
            if mine[-1:] == ["evidence.failed"]:
                return "lost evidence"
        return str(changes[-1]["type"]) if changes else ""

    def decisions(self, checkpoint: Event) -> dict[str, Event]:
        """Each person's last decision on a checkpoint, unless it was withdrawn."""
        mine = [
            one for one in self.of("approval.decided") if one["payload"]["checkpoint"] == checkpoint["payload"]["id"]
        ]
        last, gone = {person(one): one for one in mine}, self.taken_back("approval.withdrawn")
        return {who: one for who, one in last.items() if one["payload"]["id"] not in gone}

    def counting(self, checkpoint: Event, today: str) -> dict[str, Event]:
        """The approvals of a checkpoint that may count today, each by its id."""
        phase = checkpoint["payload"]["phase"]
        demand = self.policy.demands(phase).approvals
        found = {}
        for who, one in self.decisions(checkpoint).items():
            said, day = one["payload"], one["occurred_at"][:10]
            if (
                said["decision"] == "approved"
                and said["checkpoint_digest"] == checkpoint["payload"]["digest"]
                and not (demand.author_excluded and who == person(checkpoint))
                and not (demand.signed and said["signature"] is None)
                and (not demand.roles or self.before(one).holds(who, demand.roles, phase, day))
                and (demand.expires_days is None or today <= later(day, demand.expires_days))
                and not self.moved(checkpoint, one["seq"])
            ):
                found[said["id"]] = one
        return found

    def unsound(self, phase: str, checkpoint: Event | None, today: str) -> str:
        """Why a phase with this checkpoint is not approved; empty when it is."""
        demands = self.policy.demands(phase)
        if not demands.required:
            return ""
        if checkpoint is None:
            return f"nothing is recorded on {phase}"
        decided = self.decisions(checkpoint).items()
        if against := [who for who, one in decided if one["payload"]["decision"] != "approved"]:
            return f"{against} decided against it"
        counting = self.counting(checkpoint, today)
        enough = len({person(one) for one in counting.values()}) >= demands.approvals.count
        return "" if enough else f"{len(counting)} of {demands.approvals.count} approvals of {phase} count"


def person(event: Event) -> str:
    """Who recorded an event, as people are compared."""
    return str(event["actor"]["id"]).casefold()


def later(day: str, days: int) -> str:
    """The day that is `days` after another."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def in_production(event: Event) -> bool:
    """Whether a deployment is one to production."""
    return event["payload"]["environment"] in ("production", "live")


def check_decision(told: Told, event: Event) -> Iterator[str]:
    """An approval is by none whom the policy excludes, and by one who may approve."""
    said, day = event["payload"], event["occurred_at"][:10]
    checkpoint, demand = told.named(said["checkpoint"]), told.policy.demands(said["phase"]).approvals
    assert checkpoint is not None
    if said["decision"] != "approved":
        return
    yield "approval granted"
    assert not (demand.author_excluded and person(event) == person(checkpoint)), "its author approved it"
    roles = demand.roles or (("approver",) if told.of("role.granted") else ())
    assert not roles or told.holds(person(event), roles, said["phase"], day), "who approved held no role for it"


def check_passage(told: Told, event: Event) -> Iterator[str]:
    """What passed a door had, for every gate before it, an approval that counts or an override in force."""
    said, doors = event["payload"], told.policy.doors
    any_cycle, number = event["type"] != "cycle.closed", told.cycle[0]
    if event["type"] == "deployment.recorded":
        if not in_production(event):
            return
        phases, subjects = doors.deployment, [ref(one["model"]) for one in said["variants"]]
    elif any_cycle:
        phases, subjects = doors.promotion, [f"{said['model']}@{said['version']}"]
    else:
        required = tuple(phase for phase in PHASES if told.policy.demands(phase).required)
        phases, subjects = required if doors.cycle is None else doors.cycle, [f"cycle {number}"]
    yield f"{event['type']} passed"
    for subject in subjects:
        for phase in phases:
            gates = [one for one in said["gates"] if (one["phase"], one["subject"]) == (phase, subject)]
            assert gates, f"no gate of {phase} was asked for {subject}"
            version = subject if any_cycle else told.newest_version
            checkpoint = told.checkpoint(phase, version, any_cycle=any_cycle)
            if all(one["open"] for one in gates):
                assert not (why := told.unsound(phase, checkpoint, event["occurred_at"][:10])), why
            else:
                check_override(told, event, phase, version, {one.get("override", "") for one in gates})
                yield f"{event['type']} overridden"
            if event["type"] == "deployment.recorded" and checkpoint is not None:
                check_duties(told, event, checkpoint)


def check_override(told: Told, event: Event, phase: str, version: str, ids: set[str]) -> None:
    """The override that let something pass was made for it, allowed, in force, and not found unjustified."""
    (id,), rules = ids, told.policy.overrides
    override = told.named(id)
    assert override is not None, f"there is no override {id!r}"
    said = override["payload"]
    assert (said["phase"], said["cycle"]) == (phase, told.cycle[0])
    assert said["subject"] == (version if phase in OF_A_VERSION else None)
    assert rules.allowed and event["occurred_at"][:10] <= said["until"], "the override was in force no more"
    reviews = [one["payload"] for one in told.of("gate.override-reviewed")]
    assert [one for one in reviews if one["id"] == id and one["outcome"] == "not-justified"] == []
    assert said["role"] in told.before(override).policy.overrides.roles


def check_duties(told: Told, event: Event, checkpoint: Event) -> None:
    """Who deploys neither wrote nor approved, where the policy keeps these apart."""
    apart = {frozenset(pair) for pair in told.policy.separation}
    if frozenset(("author", "deployer")) in apart:
        assert person(event) != person(checkpoint), "its author deployed it"
    if frozenset(("approver", "deployer")) in apart:
        counting = told.counting(checkpoint, event["occurred_at"][:10]).values()
        assert person(event) not in {person(one) for one in counting}, "its approver deployed it"


CHECKS: dict[str, Callable[[Told, Event], Iterator[str]]] = {
    "approval.decided": check_decision,
    "deployment.recorded": check_passage,
    "model-version.promoted": check_passage,
    "cycle.closed": check_passage,
}


@dataclass(frozen=True)
class Newest:
    """The id of what was made `back` before the newest of its kind."""

    kind: str
    back: int = 0


@dataclass(frozen=True)
class InDays:
    """A day from today on."""

    days: int


@dataclass
class Trial:
    """A registry that is given commands, and whose every event and status is held against the law."""

    registry: Registry
    files: Files
    moment: datetime = field(default_factory=lambda: datetime.now(UTC))
    told: Told = field(default_factory=lambda: Told([]))
    seen: Counter[str] = field(default_factory=Counter)
    remembered: dict[int, ProjectStatus] = field(default_factory=dict)
    lost: dict[Path, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.files.table("table.csv")
        self.files.text(HOUSE, "house.yaml")
        self.files.text(SOLO, "solo.yaml")
        self.observe()

    def give(self, actor: str, name: str, *given: Any, **options: Any) -> bool:
        """Give a command; one that is refused leaves the log as it was."""
        self.moment += timedelta(seconds=1)
        registry, before = self.registry.acting_as(actor), self.registry.audit.head()
        noun, verb = name.split(".")
        command = getattr(getattr(registry, noun), verb)
        if name == "approval.grant" and options.pop("sign", False):
            command = lambda *args, **kwargs: SshPerson(actor.lower()).approve(registry, *args, **kwargs)  # noqa: E731
        try:
            command(*map(self.made, given), **{key: self.made(value) for key, value in options.items()})
        except CrisplensError as error:
            assert self.registry.audit.head() == before, f"{name} was refused and recorded something"
            self.seen[f"{name} refused: {error.slug}"] += 1
            return False
        self.observe()
        self.check()
        return True

    def made(self, value: Any) -> Any:
        """A command's argument as it is meant now."""
        if isinstance(value, Newest):
            ids = [one["payload"].get("id", "") for one in self.told.events]
            mine = list(dict.fromkeys(one for one in ids if str(one).startswith(f"{value.kind}-")))
            return mine[max(-len(mine), -1 - value.back)] if mine else f"{value.kind}-1"
        if isinstance(value, InDays):
            return later(self.moment.date().isoformat(), value.days)
        if isinstance(value, tuple):
            return tuple(self.made(one) for one in value)
        if isinstance(value, Path):
            return self.files.folder / value
        return value

    def observe(self) -> None:
        """Read what the log says more, and hold it against the law."""
        for text in log_of(self.registry)[len(self.told.events) :]:
            event = json.loads(text)
            for what in CHECKS.get(event["type"], lambda told, event: iter(()))(self.told, event):
                self.seen[what] += 1
            self.told.events.append(event)

    def status_then(self) -> ProjectStatus:
        """The status at the time of the log's last event."""
        at = parse_time(self.told.events[-1]["recorded_at"])
        with self.registry.reading() as session:
            return tell_status(load_record(session, "churn", now=at))

    def check(self) -> None:
        """Nothing is shown as approved that the log does not tell as approved."""
        with self.registry.reading() as session:
            record = load_record(session, "churn", now=self.moment)
        status, today = tell_status(record), self.moment.date().isoformat()
        stands: set[str] = set()
        for phase in status.phases:
            gate = check_gate(record, phase.phase)
            checkpoint = self.told.checkpoint(phase.phase, self.told.newest_version, any_cycle=False)
            if self.told.policy.demands(phase.phase).required:
                assert phase.checkpoint == (checkpoint["payload"]["id"] if checkpoint else None)
            counting = self.told.counting(checkpoint, today) if checkpoint else {}
            mine = {one.approval for one in gate.approvals if one.state == "stands"}
            assert mine <= set(counting), f"{mine - set(counting)} counts for {phase.phase}"
            stands |= mine
            if phase.state == "approved":
                assert not (why := self.told.unsound(phase.phase, checkpoint, today)), why
                for one in mine:
                    basis = counting[one]["payload"]["basis"]
                    assert {name: basis.get(name) for name in gate.basis} == gate.basis
        stale = {one.approval for one in status.stale}
        self.seen["stale approval"] += bool(stale)
        assert not stale & stands
        for id in stale:
            event = self.told.named(id)
            assert event is not None and event["payload"]["decision"] == "approved", f"{id} is no approval"
            assert id not in self.told.taken_back("approval.withdrawn")

    def wait(self, days: int) -> None:
        """Let days pass."""
        self.moment += timedelta(days=days)
        self.check()

    def remember(self) -> None:
        """Keep the status, to ask the past for it at the end."""
        self.remembered[len(self.told.events) - 1] = self.status_then()

    def lose(self, phase: str) -> None:
        """Let a check find the evidence of a phase's newest checkpoint gone."""
        store = self.registry.configuration.open_evidence()
        assert isinstance(store, LocalStore)
        found = [one for one in self.told.of("checkpoint.recorded") if one["payload"]["phase"] == phase]
        for link in found[-1]["payload"]["evidence"] if found else []:
            place = store.path(link["digest"])
            if place.exists():
                self.lost[place] = place.rename(place.with_suffix(".aside"))
        self.give(ANA, "evidence.check")

    def find(self) -> None:
        """Let a check find what was lost."""
        for place, aside in self.lost.items():
            aside.rename(place)
        self.lost.clear()
        self.give(ANA, "evidence.check")

    def finish(self) -> None:
        """The log replays to the same status, now and then, and verifies."""
        self.remember()
        for seq, status in self.remembered.items():
            with self.registry.as_of(seq) as then:
                assert msgspec.to_builtins(then.status.show()) == msgspec.to_builtins(status)
        verification = self.registry.audit.verify()
        assert verification.passed or self.lost, verification


def answered(phase: str, answer: str = "met") -> dict[str, Any]:
    """What a checkpoint on a phase says: everything is answered and shown."""
    controls = {one.id: ("met", "reviewed") for one in get_phase(phase).practices}
    first = next(iter(controls))
    return {"controls": {**controls, first: (answer, "reviewed")}, "evidence": [("test-report", Path(__file__))]}


phases = st.sampled_from([*PHASES, *["evaluation", "business-goal"] * 4])
people = st.sampled_from([*PEOPLE, ANA.upper()])
versions = st.sampled_from(["churn-gbm@1", "churn-gbm@2"])
backs = st.integers(0, 3)
TABLE = Path("table.csv")
GOAL = {
    "options": {"rules": "too coarse"},
    "costs": {"data": 1, "training": 1, "inference": 1, "wrong-predictions": 1},
}


def command(name: str, *given: Any, **options: Any) -> st.SearchStrategy[Any]:
    """Commands of this name; what is no strategy is given as it is."""

    def drawn(value: Any) -> st.SearchStrategy[Any]:
        return value if isinstance(value, st.SearchStrategy) else st.just(value)

    return st.tuples(
        st.just(name),
        st.tuples(*map(drawn, given)),
        st.fixed_dictionaries({key: drawn(value) for key, value in options.items()}),
    )


why = {"reason": "so"}
grant = command("approval.grant", phases, sign=st.booleans())
statement = st.builds(
    lambda phase, answer: ("checkpoint.record", (phase,), answered(phase, answer)),
    phases,
    st.sampled_from(["met", "met", "partial", "not-met"]),
)
commands = st.one_of(
    command("kpi.set", "auc", target=st.sampled_from(["0.80", "0.86"]), baseline="0.71"),
    command("goal.set", problem="churn", value="less", **GOAL),
    command("data.add", st.sampled_from(["raw", "train", "holdout"]), TABLE, source="crm"),
    command(
        "data.replace", st.sampled_from(["raw@1", "train@1"]), by=st.sampled_from(["raw@2", "train@2"]), **why
    ),
    command("run.record", st.sampled_from(["train-2", "train-3"]), used=("train@1",), code_version="git:1"),
    command("model.register", "churn-gbm", TABLE, run=st.sampled_from(["train-1", "train-2"])),
    command(
        "evaluation.record",
        versions,
        dataset="holdout@1",
        metrics=st.builds(lambda auc: {"auc": auc, "latency_ms": 9}, st.sampled_from([0.9, 0.9, 0.5])),
        slices={"plan=free": {"auc": 0.8}},
    ),
    statement,
    statement,
    command("approval.request", phases),
    grant,
    grant,
    command("approval.grant", st.sampled_from(OF_A_VERSION), model=versions),
    command("approval.reject", phases, **why),
    command("approval.request_changes", phases, **why),
    command("approval.withdraw", st.builds(Newest, st.sampled_from(["approval", "request"]), backs), **why),
    command("approval.delegate", people, until=st.builds(InDays, st.integers(0, 20)), **why),
    command("approval.end_delegation", st.builds(Newest, st.just("delegation"), backs), **why),
    command("role.grant", people, st.sampled_from(["approver", "contributor", "administrator", "auditor"])),
    command("role.withdraw", st.builds(Newest, st.just("role"), backs), **why),
    command(
        "policy.adopt",
        st.sampled_from(["light", "standard", "high-risk", Path("house.yaml"), Path("solo.yaml")]),
    ),
    command(
        "override.grant",
        phases,
        role=st.sampled_from(["administrator", "contributor"]),
        until=st.builds(InDays, st.integers(0, 8)),
        **why,
    ),
    command(
        "override.review",
        st.builds(Newest, st.just("override"), st.integers(0, 1)),
        outcome=st.sampled_from(["justified", "not-justified"]),
        note="so",
    ),
    command("model.promote", versions),
    command(
        "deployment.record",
        versions,
        environment=st.sampled_from(["production", "live", "staging"]),
        kind="batch",
        variants=st.sampled_from([{}, {}, {"canary": ("churn-gbm@1", 10)}]),
    ),
    command("deployment.record", versions, environment="production", kind="batch"),
    command("cycle.open", from_phase=phases, **why),
    command("cycle.close"),
    command(
        "risk.add", "drift", likelihood="rare", impact="minor", mitigation="watched", review_by=InDays(9)
    ),
    command("risk.review", Newest("risk"), note="so", review_by=InDays(20)),
    command("risk.close", Newest("risk"), **why),
)


class Governance(RuleBasedStateMachine):
    """Random commands by random people, and days that pass."""

    def __init__(self, start: Callable[[ExitStack], Trial]) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.trial = start(self.stack)

    @initialize(
        policy=st.sampled_from(["", "light", "high-risk", Path("house.yaml"), Path("solo.yaml")]),
        roles=st.booleans(),
    )
    def begin(self, policy: str | Path, roles: bool) -> None:
        """The project chooses a policy, and may assign roles."""
        if roles:
            assign_roles(self.trial)
        if policy:
            assert self.trial.give(ANA, "policy.adopt", policy)

    @rule(actor=people, given=commands)
    def give(self, actor: str, given: tuple[str, tuple[Any, ...], dict[str, Any]]) -> None:
        """Somebody gives a command."""
        name, positional, options = given
        self.trial.give(actor, name, *positional, **options)

    @rule(phase=phases, author=people, approvers=st.lists(people, min_size=1, max_size=3), sign=st.booleans())
    def pass_phase(self, phase: str, author: str, approvers: list[str], sign: bool) -> None:
        """A phase is stated, asked for and approved."""
        self.trial.give(author, "checkpoint.record", phase, **answered(phase))
        self.trial.give(author, "approval.request", phase)
        for one in approvers:
            self.trial.give(one, "approval.grant", phase, sign=sign)

    @rule(days=st.sampled_from([1, 5, 12, 40]))
    def wait(self, days: int) -> None:
        """Days pass."""
        self.trial.wait(days)

    @rule()
    def remember(self) -> None:
        """Somebody notes the status."""
        self.trial.remember()

    @rule(phase=phases, back=st.booleans())
    def check_evidence(self, phase: str, back: bool) -> None:
        """Evidence is lost, or turns up again."""
        self.trial.find() if back else self.trial.lose(phase)

    def teardown(self) -> None:
        """The end of an example."""
        with self.stack:
            self.trial.finish()


def assign_roles(trial: Trial) -> None:
    """Ana administers, Bo and Cy approve, Cy and Dee contribute, Bo audits."""
    for who, role in [
        (ANA, "administrator"),
        (BO, "approver"),
        (CY, "approver"),
        (CY, "contributor"),
        (DEE, "contributor"),
        (BO, "auditor"),
    ]:
        assert trial.give(ANA, "role.grant", who, role)


@pytest.fixture
def start(
    databases: Any, told_first_cycle: Story, tmp_path: Path
) -> Iterator[Callable[[ExitStack], Trial]]:
    """Begins trials, each with a copy of a first cycle in which every gate is open and people have keys."""
    base = Story(databases.copy(told_first_cycle.url), tmp_path / "base")
    base.folder.mkdir()
    with retold(base.url, told_first_cycle, base.folder) as registry:
        registry.key.generate(LOG_NAME)
        for one in PEOPLE:
            registry.key.trust(SshPerson(one).public, owner=one)
    number = 0

    def begin(stack: ExitStack) -> Trial:
        nonlocal number
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        url = databases.copy(base.url)
        stack.callback(databases.drop, url)
        trial = Trial(stack.enter_context(retold(url, base, folder)), Files(folder), seen=SEEN)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(clock, "now", lambda: trial.moment)
        return trial

    yield begin
    databases.drop(base.url)


SEEN: Counter[str] = Counter()


@pytest.mark.slow
def test_whatever_is_commanded_keeps_the_law(start: Callable[[ExitStack], Trial], databases: Any) -> None:
    import os
    quick = settings(
        max_examples=int(os.environ.get("LAW", "10")),
        stateful_step_count=int(os.environ.get("STEPS", "25")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: Governance(start), settings=quick)
    for one in SEEN.most_common(): print(one)
