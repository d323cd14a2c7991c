"""The commands of governance: what people and programs read, what bad input gets, and what is refused."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

pytestmark = [pytest.mark.end_to_end, pytest.mark.usefixtures("papers")]

FAR_AWAY = "2099-12-31"
HOUSE = """\
policy: house
version: 1
title: What the house asks for
extends: standard@1
separation: [[author, deployer]]
doors: {cycle: [problem-framing]}
phases:
  problem-framing:
    rules: [kpi-baseline]
    reasons: true
    controls: [{id: PF-1, answers: [met, partial]}]
    evidence: [{kind: memo}]
    metrics: [{name: roc_auc, at-least: 0.8}]
    approvals: {count: 2, signed: true, requested: true, expires-days: 30}
    conditions:
      - id: a-budget
        title: The training is paid for
        expression: "'training' in goal.costs"
        when: size(kpis.baselines) > 0
  monitoring: {required: false}
examples:
  - name: without a budget nothing begins
    phase: problem-framing
    given:
      checkpoint.answers: {PF-1: met}
      checkpoint.evidence: [memo]
      evaluation.metrics: {roc_auc: 0.9}
      kpis.baselines: {roc_auc: 0.7}
    unmet: [a-budget]
"""
RULES = """\
catalogue: house-rules
version: "2026"
title: House rules
doubts: [Nobody has read them twice.]
controls:
  - {id: HR-1, title: Somebody answers for it, phases: [business-goal], risk: high, pillar: security}
  - {id: HR-2, title: It can be switched off, description: Within the hour., doubt: By whom is not said.}
"""
REQUEST = f"approval request problem-framing --to bo@example.org --until {FAR_AWAY} --note please"
FRAMED = "checkpoint record problem-framing --control PF-1=met:measured --evidence memo=notes.md"
OVERRIDE = "override grant deployment --reason 'a fire' --role administrator"
SIGNING = "--sign key --signature key.sig"


@pytest.fixture
def papers(story: Path) -> Path:
    """The story, and beside it a policy, spoilt in two ways, and a catalogue."""
    papers = {
        "house.yaml": HOUSE,
        "failing.yaml": HOUSE.replace("unmet: [a-budget]", "unmet: []"),
        "wrong.yaml": HOUSE.replace("goal.costs", "goal.cost"),
        "rules.yaml": RULES,
    }
    for name, text in papers.items():
        (story / name).write_text(text, encoding="utf-8")
    return story


def tell(run: Run, *lines: str, code: int = 0) -> str:
    """Run commands, which must succeed (the last one with `code`) and be silent on standard error; what it printed."""
    for line in lines:
        ran = run(*shlex.split(line))
        assert (ran.code, ran.err) == (code if line == lines[-1] else 0, ""), (line, ran)
    return ran.out


def read(run: Run, line: str, code: int = 0) -> Any:
    """What a command prints for programs."""
    return json.loads(tell(run, f"{line} --json", code=code))


def refuse(run: Run, line: str, code: int, *words: str) -> None:
    """The command is refused with these words, and prints nothing else."""
    ran = run(*shlex.split(line))
    assert (ran.code, ran.out) == (code, ""), ran
    assert [word for word in words if word not in ran.err] == [], ran
    assert "Traceback" not in ran.err


WRONG = [
    ("control show", 2, "Missing argument 'ID'"),
    ("control show EV-99", 2, "no control named 'EV-99'"),
    ("control show nist-ai-rmf:EV-1", 2, "in nist-ai-rmf"),
    ("control list --framework nist", 2, "Did you mean nist-ai-rmf"),
    ("control list --phase evalution", 2, "Did you mean evaluation"),
    ("control list --pillar safety", 2, "operational-excellence, security"),
    ("control list --risk severe", 2, "high, medium, low"),
    ("control list --framework ''", 2, "--framework is empty"),
    ("control search", 2, "Missing argument 'WORDS...'"),
    ("control search ' '", 2, "[empty-text]: the words to look for"),
    ("control search drift --framework nist", 2, "Did you mean nist-ai-rmf"),
    ("control import gone.yaml", 2, "cannot read gone.yaml"),
    ("control import live", 2, "cannot read live"),
    ("control import notes.md", 2, "notes.md, line 1, column 1: is no catalogue"),
    ("control import house.yaml", 2, "house.yaml, line 1, column 1: is no catalogue"),
    ("control import rules.yaml --name 'a b'", 2, "cannot name a catalogue"),
    ("control import rules.yaml --name crisp-dm", 1, "is shipped with crisplens"),
    ("coverage", 2, "Missing option '--framework'"),
    ("coverage --framework nist", 2, "Did you mean nist-ai-rmf"),
    ("coverage --framework nist-ai-rmf --project chrun", 2, "no project named 'chrun'"),
    ("policy show standrd", 2, "Did you mean standard"),
    ("policy show standard@9", 2, "no policy named 'standard@9'"),
    ("policy show --yaml --json", 2, "--yaml and --json exclude each other"),
    ("policy check", 2, "Missing argument 'FILE'"),
    ("policy check gone.yaml", 2, "cannot read gone.yaml"),
    ("policy check notes.md", 2, "notes.md, line 1, column 1: a policy is a mapping"),
    (
        "policy check wrong.yaml",
        2,
        "wrong.yaml, line 18, column 9: a-budget: 'goal.cost' is unknown; did you mean goal.costs",
    ),
    ("policy check house.yaml --registry sqlite:///gone.db", 3, "there is no registry at"),
    ("policy check house.yaml --directory nowhere", 2, "--directory 'nowhere' is not a folder"),
    ("policy test wrong.yaml", 2, "crisplens policy view"),
    ("policy adopt", 2, "Missing argument 'NAME|FILE'"),
    ("policy adopt standrd", 2, "no policy named 'standrd'"),
    ("policy adopt gone.yaml", 2, "cannot read gone.yaml"),
    ("policy adopt standard", 2, "standard@1 is in force already"),
    ("policy adopt failing.yaml", 1, "house@1 fails its own example"),
    ("policy view evaluation", 2, "unexpected extra argument"),
    ("role grant cy@example.org", 2, "Missing argument 'ROLE'"),
    ("role grant cy@example.org boss", 2, "viewer, contributor, approver, auditor, administrator"),
    ("role grant '' administrator", 2, "[bad-actor]"),
    ("role grant cy@example.org approver", 2, "[no-administrator]"),
    ("role grant ana@example.org administrator --phase evaluation", 2, "held for every phase"),
    ("role grant ana@example.org approver --phase evalution", 2, "Did you mean evaluation"),
    ("role withdraw role-1", 2, "Missing option '--reason'"),
    ("role withdraw role-1 --reason left", 2, "Nobody has a role yet"),
    (OVERRIDE, 2, "Missing option '--until'"),
    (f"{OVERRIDE} --until soon", 2, "[bad-time]"),
    (f"{OVERRIDE} --until {FAR_AWAY}", 1, "[no-role]: ana@example.org does not hold the role administrator"),
    (f"{OVERRIDE} --until {FAR_AWAY} --role boss", 2, "viewer, contributor, approver"),
    (f"{OVERRIDE} --until {FAR_AWAY} --role viewer", 1, "[override-forbidden]"),
    (f"{OVERRIDE} --until {FAR_AWAY} --model churn-gbm@9", 2, "Did you mean churn-gbm@1"),
    (f"override grant deploy --reason r --role viewer --until {FAR_AWAY}", 2, "Did you mean deployment"),
    ("override review override-1 --outcome justified", 2, "Missing option '--note'"),
    ("override review override-1 --outcome justified --note n", 2, "No gate was overridden."),
    ("approval request evalution", 2, "Did you mean evaluation"),
    ("approval request deployment", 2, "[nothing-to-approve]"),
    ("approval request evaluation", 2, "approved already"),
    ("approval request evaluation --model churn-gbm@9", 2, "Did you mean churn-gbm@1"),
    ("approval request-changes evaluation", 2, "Missing option '--reason'"),
    ("approval request-changes evaluation --reason r", 1, "ana@example.org wrote checkpoint-1"),
    (f"approval request-changes evaluation --reason r {SIGNING}", 2, "--sign and --signature exclude each"),
    ("approval request-changes evaluation --reason r --signature gone.sig", 2, "gone.sig"),
    ("approval statement evaluation --decision maybe", 2, "approved, rejected, changes-requested"),
    ("approval withdraw approval-1", 2, "Missing option '--reason'"),
    ("approval withdraw approval-9 --reason r", 2, "Did you mean approval-1"),
    ("approval withdraw approval-1 --reason r", 1, "approval-1 is bo@example.org's to withdraw"),
    ("approval delegate bo@example.org --reason r", 2, "Missing option '--until'"),
    ("approval delegate bo@example.org --reason r --until 2020-01-01", 2, "has passed"),
    (f"approval delegate ana@example.org --reason r --until {FAR_AWAY}", 2, "nobody delegates to themselves"),
    (f"approval delegate bo@example.org --reason r --until {FAR_AWAY}", 1, "is no approver"),
    (f"approval delegate b --reason r --until {FAR_AWAY} --phase x", 2, "no phase named 'x'"),
    ("approval end-delegation delegation-1 --reason r", 2, "Nothing is delegated."),
    ("approval inbox --of chrun", 2, "no project named 'chrun'"),
    ("approval inbox --actor ''", 2, "--actor is empty"),
    ("cycle close", 1, "cycle 1 cannot be closed"),
    ("model promote", 2, "Missing argument 'MODEL@VERSION'"),
    ("model promote churn-gbm@9", 2, "Did you mean churn-gbm@1"),
    ("model promote churn-gbm", 2, "does not name a model version"),
    ("model promote churn-gbm@1 --alias 'a b'", 2, "[bad-name]"),
    ("model promote churn-gbm@1 --alias ''", 2, "--alias is empty"),
    ("model promotions churn-gmb", 2, "Did you mean churn-gbm"),
    ("data replace customers@1 --reason r", 2, "Missing option '--by'"),
    ("data replace customers@1 --by holdout@1", 2, "Missing option '--reason'"),
    ("data replace customers@1 --by customers@2 --reason r", 2, "Did you mean customers@1"),
    ("data replace customers@1 --by customers@1 --reason r", 2, "cannot take the place of customers@1"),
    ("project add other --policy strict", 2, "no shipped policy named 'strict'"),
    ("checkpoint record evaluation --evidence memo=gone.md", 2, "gone.md"),
    ("status --project chrun", 2, "no project named 'chrun'"),
]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(("line", "code", "words"), WRONG)
def test_wrong_input_is_told_and_changes_nothing(run: Run, line: str, code: int, words: str) -> None:
    refuse(run, line, code, words, "Nothing was changed.")


@pytest.mark.usefixtures("unchanged")
def test_controls_are_found_and_shown_with_their_doubts(run: Run) -> None:
    assert "nist-ai-rmf" in tell(run, "control catalogues")
    listed = read(run, "control list --framework aws-ml-lens --phase evaluation --pillar security")
    assert {(one["catalogue"], one["control"]["pillar"]) for one in listed} == {("aws-ml-lens", "security")}
    assert all("evaluation" in one["control"]["phases"] for one in listed)
    assert tell(run, "control search xyzzy") == "No control fits.\n"
    found = read(run, "control search RISK context --framework nist-ai-rmf")
    assert 0 < len(found) < len(read(run, "control list --framework nist-ai-rmf"))
    shown = tell(run, "control show 'map 1.1'")
    assert shown.startswith("MAP 1.1: Intended purposes")
    assert shown.index("Maps to") < shown.index("Our judgement") < shown.index("In doubt")
    assert "superseded by sr-26-2" in tell(run, "control show SR11-7.VAL")
    assert read(run, "control show EV-1")["catalogue"]["catalogue"] == "crisplens"


def test_a_catalogue_of_our_own_is_imported_answered_and_covered(run: Run) -> None:
    said = tell(run, "control import rules.yaml")
    assert "house-rules 2026 is known from here on: 2 controls, read as crisplens." in said
    assert "ana@example.org" in tell(run, "control catalogues")
    refuse(run, "control import rules.yaml", 2, "[exists]")
    assert read(run, "control import rules.yaml --name copied")["catalogue"] == "copied"
    shown = tell(run, "control show copied:HR-2")
    assert ("Within the hour." in shown, "- By whom is not said." in shown) == (True, True)
    assert "- copied 2026: Nobody has read them twice." in shown
    refuse(run, "control show HR-2", 2, "house-rules:HR-2")
    tell(run, "checkpoint record business-goal --control house-rules:HR-1=met:'Bo does' --evidence notes.md")

    covered = tell(run, "coverage --framework house-rules")
    assert "2 controls: 1 met, 1 gap." in covered
    assert "  ok  HR-1  met " in covered
    assert (
        "        answer: house-rules:HR-1 at checkpoint-2 (business-goal): met: Bo does [notes.md]" in covered
    )
    assert "  NO  HR-2  gap " in covered
    assert (
        "to close it: crisplens checkpoint record business-goal --control house-rules:HR-2=met:REASON"
        in covered
    )
    assert "- HR-2: By whom is not said." in covered
    assert covered.rstrip().splitlines()[-1].startswith("Which control counts for which: Our judgement")
    gaps = tell(run, "coverage --framework house-rules --gaps")
    assert ("HR-2  gap" in gaps, "HR-1  met" in gaps, "1 met, 1 gap" in gaps) == (True, False, True)
    value = read(run, "coverage --framework house-rules --gaps")
    assert ([one["id"] for one in value["controls"]], value["total"]) == (["HR-2"], 2)
    tell(run, "checkpoint record monitoring --control house-rules:HR-2=not-applicable:'No switch.'")
    assert "No control is left open." in tell(run, "coverage --framework house-rules --gaps")
    assert "It is superseded by sr-26-2." in tell(run, "coverage --framework sr-11-7")


@pytest.mark.usefixtures("unchanged")
def test_policies_are_listed_shown_and_copied(run: Run) -> None:
    in_force = [one["policy"] for one in read(run, "policy list") if one["in_force"]]
    assert in_force == ["standard@1"]
    shown = tell(run, "policy show high-risk")
    for words in (
        "approval   2 people with the role approver other than the author, signed, asked for first",
        "control    EV-2 answered met",
        "evidence   of the kind test-report",
        "condition  results-by-slice: ",
        "apart        author and deployer; approver and deployer",
    ):
        assert words in shown
    assert "The business goal is stated (goal-stated)" in tell(run, "policy show light@1")
    assert read(run, "policy show")["policy"] == "standard"
    Path("copy.yaml").write_text(tell(run, "policy show high-risk --yaml"), encoding="utf-8")
    assert "high-risk@1: 3 examples, all as expected." in tell(run, "policy test copy.yaml")
    names = {one["name"]: one["type"] for one in read(run, "policy view")}
    assert names["evaluation.metrics"] == "map(string, double)"
    assert "whether there is a business goal" in tell(run, "policy view")


@pytest.mark.usefixtures("unchanged")
def test_policies_are_checked_with_and_without_a_registry(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert "house@1 is a policy: What the house asks for" in tell(run, "policy check house.yaml")
    assert tell(run, "policy test house.yaml").startswith("house@1: 1 example, all as expected.\n  ok  ")
    failed = tell(run, "policy test failing.yaml", code=1)
    assert "  NO  without a budget nothing begins (problem-framing)" in failed
    assert "expected to be unmet: nothing" in failed
    assert "found to be unmet:    a-budget" in failed
    (example,) = read(run, "policy test failing.yaml", code=1)["examples"]
    assert (example["passed"], example["expected"], example["unmet"]) == (False, [], ["a-budget"])

    house, elsewhere = Path("house.yaml").resolve(), tmp_path_factory.mktemp("elsewhere")
    with monkeypatch.context() as there:
        there.chdir(elsewhere)
        alone = "There is no registry here, so its controls are those of the shipped catalogues."
        for line in (f"policy check '{house}'", f"policy test '{house}'"):
            assert alone in tell(run, line)
        assert read(run, f"policy check '{house}'")["policy"] == "house"
        assert "kpis.targets" in tell(run, "policy view")
        refuse(run, "policy list", 3, "crisplens init")
    assert list(elsewhere.iterdir()) == []
    # A registry that is there and cannot be used is not passed over.
    Path(".crisplens/text.db").write_text("hello", encoding="utf-8")
    refuse(run, "policy check house.yaml --registry sqlite:///.crisplens/text.db", 3, "not a registry")


def test_a_policy_is_adopted_and_judges(run: Run) -> None:
    assert "policy standard@1)" in tell(run, "gate check evaluation")
    assert "policy-1: house@1 is in force" in tell(run, "policy adopt house.yaml --reason agreed")
    assert "house@1" in tell(run, "status").splitlines()[1]
    shown = tell(run, "policy show")
    for words in (
        "rules      Every KPI has a baseline to beat (kpi-baseline)",
        "answers    each with its reason",
        "control    PF-1 answered met or partial",
        "metric     roc_auc at least 0.8",
        "2 people other than the author, signed, asked for first, good for 30 days",
        "'training' in goal.costs",
        "when size(kpis.baselines) > 0",
        "\nmonitoring\n  not asked for",
        "cycle's end  asks problem-framing",
    ):
        assert words in shown, shown
    gate = tell(run, "gate check problem-framing", code=1)
    assert "policy house@1)" in gate
    assert "NO  The checkpoint carries a memo: none" in gate
    assert "NO  The training is paid for" in gate
    kept = read(run, FRAMED)
    assert [(one["kind"], one["name"]) for one in kept["evidence"]] == [("memo", "notes.md")]
    assert "ok  The checkpoint carries a memo" in tell(run, "gate check problem-framing", code=1)
    tell(run, "policy adopt light")
    assert read(run, "gate check problem-framing")["policy"] == "light@1"
    assert "ok  problem-framing      not-required" in tell(run, "status")


def test_a_project_begins_with_the_policy_that_is_named(run: Run) -> None:
    assert "risk medium, policy light@1" in tell(run, "project add other --policy light")
    assert read(run, "project add high --risk high")["policy"] == "high-risk@1"
    assert read(run, "status --project other")["policy"] == "light@1"


def test_roles_are_granted_and_withdrawn(run: Run) -> None:
    assert tell(run, "role list").startswith("Nobody has a role yet")
    said = tell(run, "role grant ana@example.org administrator --reason 'started it'")
    assert "role-1: ana@example.org holds the role administrator.\nFrom now on" in said
    said = tell(run, "role grant bo@example.org approver --phase evaluation --phase deployment")
    assert said == "role-2: bo@example.org holds the role approver for evaluation, deployment.\n"
    refuse(run, "kpi set k --target 1 --actor cy@example.org", 1, "[no-role]")
    refuse(run, "role grant bo@example.org approver --phase evaluation --phase deployment", 2, "[exists]")
    assert tell(run, "role withdraw role-2 --reason left") == (
        "role-2 is withdrawn: bo@example.org is no approver any more.\n"
    )
    assert "withdrawn by ana@example.org: left" in tell(run, "role list")
    assert [one["withdrawn_reason"] for one in read(run, "role list")] == [None, "left"]
    refuse(run, "role withdraw role-1 --reason r", 1, "is the only administrator")


def test_a_request_waits_in_the_inboxes_of_every_project(run: Run) -> None:
    assert tell(run, "approval requests").startswith("Nobody has asked for an approval yet")
    assert tell(run, "approval inbox") == "Nothing waits for ana@example.org.\n"
    refuse(run, "approval request problem-framing", 2, "has no checkpoint")
    tell(run, FRAMED)
    refuse(run, f"{REQUEST} --to ana@example.org", 2, "cannot be asked to approve it")
    refuse(run, "approval request problem-framing --until 2020-01-01", 2, "has passed")
    said = tell(run, REQUEST)
    assert f"is asked for of bo@example.org, until {FAR_AWAY}." in said
    refuse(run, REQUEST, 2, "request-1 asks for it already")
    tell(
        run,
        "project add other --policy standard",
        "kpi set k --target 2 --baseline 1 --project other",
        "goal set --problem p --value v --project other",
        "checkpoint record problem-framing --control PF-1=met:x --project other",
        "approval request problem-framing --project other",
    )
    inbox = tell(run, "approval inbox --actor bo@example.org")
    assert "churn  request-1  problem-framing: checkpoint-2" in inbox
    assert f", until {FAR_AWAY}: please" in inbox
    assert "\n    crisplens approval grant problem-framing\n" in inbox
    assert "\n    crisplens approval grant problem-framing --project other\n" in inbox
    (item,) = read(run, "approval inbox --actor bo@example.org --of churn")
    assert (item["project"], item["request"]["id"], item["outdated"]) == ("churn", "request-1", [])
    assert [one["project"] for one in read(run, "approval inbox --actor cy@example.org")] == ["other"]
    status = tell(run, "status")
    assert "waiting-for-approval" in status
    assert "Requests for approval that wait\n  request-1" in status
    assert "  waits " in tell(run, "approval requests")

    tell(run, "kpi set roc_auc --target 0.81 --baseline 0.7")
    assert "    changed since: KPI" in tell(run, "approval inbox --actor bo@example.org")
    refuse(run, "approval grant problem-framing --actor bo@example.org", 1, "[changed-since-requested]")
    tell(run, "approval withdraw request-1 --reason 'The target moved.'", f"{REQUEST} --note again")
    assert "withdrawn" in tell(run, "approval requests")
    changes = "approval request-changes problem-framing --reason 'Which metric?' --actor bo@example.org"
    assert "bo@example.org asked for changes to checkpoint-2 (problem-framing)." in tell(run, changes)
    gate = tell(run, "gate check problem-framing", code=1)
    assert "Decisions on checkpoint-2:\n  NO  approval-2 by bo@example.org: changes-requested: " in gate
    assert "is withdrawn: said elsewhere" in tell(
        run, "approval withdraw approval-2 --reason 'said elsewhere' --actor bo@example.org"
    )
    assert "changes-requested (withdrawn)" in tell(run, "approval list")
    assert "Withdrawn by bo@example.org" in tell(run, "approval show approval-2")
    tell(run, "approval grant problem-framing --actor bo@example.org")
    gate = tell(run, "gate check problem-framing")
    assert "  --  approval-2 by bo@example.org: superseded: " in gate
    assert "  ok  approval-3 by bo@example.org: stands: " in gate
    assert [one["project"] for one in read(run, "approval inbox --actor bo@example.org")] == ["other"]


def test_an_approver_delegates(run: Run) -> None:
    assert tell(run, "approval delegations").startswith("Nothing is delegated")
    tell(run, "role grant ana@example.org administrator", "role grant bo@example.org approver")
    delegate = f"approval delegate dee@example.org --until {FAR_AWAY} --reason leave --phase evaluation"
    assert tell(run, f"{delegate} --actor bo@example.org") == (
        f"delegation-1: dee@example.org decides on evaluation for bo@example.org until {FAR_AWAY}.\n"
    )
    assert "leave" in tell(run, "approval delegations")
    tell(run, "checkpoint record evaluation --control EV-1=met:again", "approval request evaluation")
    (item,) = read(run, "approval inbox --actor dee@example.org")
    assert item["request"]["phase"] == "evaluation"
    assert "delegation-1 is ended" in tell(run, "approval end-delegation delegation-1 --reason back")
    assert ": back" in tell(run, "approval delegations")
    assert read(run, "approval inbox --actor dee@example.org") == []
    refuse(run, "approval end-delegation delegation-1 --reason again", 2, "[unknown-name]")


def test_an_override_passes_and_is_reviewed(run: Run) -> None:
    assert tell(run, "override list") == "No gate was overridden.\n"
    today = datetime.now(UTC).date().isoformat()
    tell(run, "role grant ana@example.org administrator", "role grant cy@example.org auditor")
    refuse(run, f"{OVERRIDE} --until {FAR_AWAY}", 2, "an override lasts from today to")
    refuse(run, OVERRIDE.replace("deployment", "evaluation") + f" --until {today}", 2, "[not-open]")
    said = tell(run, f"{OVERRIDE} --until {today}")
    assert f"override-1: what asks the deployment gate may pass until {today}, although\n  - " in said
    assert "override-1 is in force" in tell(run, "gate check deployment", code=1)
    assert "blocked (override-1)" in tell(run, "gate list")
    assert f"override-1 of deployment by ana@example.org, until {today}: in force, not reviewed" in tell(
        run, "status"
    )
    review = "override review override-1 --note 'It burnt.' --outcome"
    refuse(run, f"{review} justified", 1, "[own-checkpoint]")
    refuse(run, f"{review} fine --actor cy@example.org", 2, "justified, not-justified")
    said = tell(run, f"{review} not-justified --actor cy@example.org")
    assert said == "override-1 of deployment is reviewed by cy@example.org: not-justified.\n"
    assert "not-justified (cy@example.org): It burnt." in tell(run, "override list")
    assert "override-1" not in tell(run, "gate check deployment", code=1)
    refuse(run, f"{review} justified --actor cy@example.org", 2, "[not-open]")


def test_models_are_promoted_through_the_gate(run: Run) -> None:
    assert tell(run, "model promotions").startswith("There is no promotion yet")
    assert tell(run, "model promote churn-gbm@1") == "promotion-1: churn-gbm@1 is the champion now.\n"
    refuse(run, "model promote churn-gbm@1", 2, "is the champion already")
    tell(run, "model promote churn-gbm@1 --alias shadow --note 'beside it'")
    assert "evaluation open" in tell(run, "model promotions churn-gbm")
    assert [one["alias"] for one in read(run, "model promotions")] == ["champion", "shadow"]
    tell(run, "model register churn-gbm model2.bin --dataset customers@1")
    refuse(run, "model promote churn-gbm@2", 1, "churn-gbm@2", "evaluation")


def test_replaced_data_makes_approvals_stale_along_their_path(run: Run) -> None:
    tell(run, "data add customers train2.csv --source crm")
    assert "Replaced by" not in tell(run, "data list")
    said = tell(run, "data replace customers@1 --by customers@2 --reason 'the export was late'")
    assert said.startswith("customers@1 is replaced by customers@2: the export was late\n")
    assert "customers@2" in tell(run, "data list").split("Replaced by")[1]
    assert "Replaced by customers@2: the export was late" in tell(run, "data show customers@1")
    refuse(run, "data replace customers@1 --by customers@2 --reason again", 2, "[not-open]")
    path = "customers@1 -> churn-gbm@1 -> checkpoint-1 (evaluation) (event "
    gate = tell(run, "gate check evaluation", code=1)
    assert "approval-1 by bo@example.org: stale: customers@1 was replaced by customers@2" in gate
    assert path in gate
    status = tell(run, "status")
    assert (
        "Approvals that stand no more\n  approval-1 by bo@example.org (checkpoint-1, evaluation for" in status
    )
    assert path in status
    assert [one["approval"] for one in read(run, "status")["stale"]] == ["approval-1"]


def test_evidence_is_checked(run: Run) -> None:
    assert tell(run, "evidence check") == "3 evidence files, as recorded.\n"
    shown = read(run, "evidence show notes.md")
    kept = Path(".crisplens/evidence/sha256") / shown["digest"][7:9] / shown["digest"][7:]
    content = kept.read_bytes()
    kept.unlink()
    assert "1 of 3 evidence files not as recorded:\n  NO  notes.md: " in tell(run, "evidence check", code=1)
    found = read(run, "evidence check", code=1)
    assert (found["checked"], [one["name"] for one in found["faults"]]) == (3, ["notes.md"])
    assert "gone" in tell(run, "evidence list")
    assert "When it was last checked: " in tell(run, "evidence show notes.md")
    assert "stale: " in tell(run, "gate check evaluation", code=1)
    kept.write_bytes(content)
    assert read(run, "evidence check") == {"checked": 3, "faults": []}
    assert "gone" not in tell(run, "evidence list")


def test_cycles_are_closed_and_told(run: Run) -> None:
    tell(run, "policy adopt house.yaml")
    refuse(run, "cycle close", 1, "problem-framing: The checkpoint carries a memo")
    loose = HOUSE.replace("doors: {cycle: [problem-framing]}", "doors: {cycle: [evaluation]}")
    Path("loose.yaml").write_text(loose.replace("policy: house", "policy: loose"), encoding="utf-8")
    tell(run, "policy adopt loose.yaml")
    closed = tell(run, "cycle close --note 'done for now'")
    assert "Cycle 1 is closed.\nCycle 1, closed\n" in closed
    refuse(run, "cycle close", 2, "cycle 1 is closed already")
    tell(run, "cycle open --trigger trigger-1", "checkpoint record data-collection --summary begun")
    history = tell(run, "cycle history")
    assert "by ana@example.org: done for now" in history
    assert (
        "  Changed   1 goal last set, 1 KPI last set, 2 dataset versions, 1 evaluation, 1 incident, "
        "model churn-gbm@1, deployment-1 to production: churn-gbm@1" in history
    )
    assert "    evaluation           1 checkpoint from" in history
    assert "(trigger-1)" in history
    assert "  Kept      business-goal, problem-framing" in history
    assert "    data-collection      1 checkpoint from" in history
    assert "not approved" in history
    assert [one["state"] for one in read(run, "cycle history")] == ["closed", "open"]
    assert run("audit", "verify").code == 0


@pytest.mark.usefixtures("unchanged")
def test_the_status_says_what_waits_and_what_comes_next(run: Run) -> None:
    status = tell(run, "status")
    assert status.startswith(
        "churn: Churn (owner ana@example.org)\nRisk high, policy standard@1, cycle 1 (open"
    )
    assert "  ok  evaluation           approved              churn-gbm@1; checkpoint-1\n" in status
    assert "  NO  business-goal        " in status
    assert " more)\n" in status
    assert "Open incidents\n  incident-1\n" in status
    assert "Open triggers\n  trigger-1\n" in status
    assert "Next\n  trigger-1 asks for churn-gbm" in status
    assert "\n    crisplens cycle open --trigger trigger-1\n" in status
    value = read(run, "status")
    assert (value["in_order"], value["open_triggers"], len(value["phases"])) == (False, ["trigger-1"], 10)
    then = read(run, "status --as-of 1")
    assert {one["state"] for one in then["phases"]} == {"not-started"}


def test_overdue_risks_stand_in_the_status(run: Run) -> None:
    tell(run, "risk add late --likelihood rare --impact minor --review-by 2025-01-01")
    status = tell(run, "status")
    assert "Risks whose review is overdue\n  risk-1\n" in status
    assert "crisplens risk review risk-1" in status
