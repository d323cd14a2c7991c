"""Deployments that answer retraining triggers, through Python and the command line, on both databases."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core import clock
from crisplens.core.clock import to_text
from crisplens.core.errors import CrisplensError, InputError, Refused
from crisplens.registry.model import VersionRef
from tests.conftest import ANA, BO, Databases, Files, Story, assert_refused, pass_phase, retold, train

pytestmark = pytest.mark.stored


@pytest.fixture(scope="module")
def told_retrained(
    databases: Databases, told_first_cycle: Story, tmp_path_factory: pytest.TempPathFactory
) -> Story:
    """Production drifted, and a second version was trained since and passed its gate; to copy from."""
    story = Story(databases.copy(told_first_cycle.url), tmp_path_factory.mktemp("retrained"))
    with retold(story.url, told_first_cycle, story.folder) as registry:
        files = Files(story.folder)
        registry.monitor.run("nightly", current=str(files.table("drifted.csv", shift=50)))
        train(registry, files, 2)
        pass_phase(registry, "evaluation")
    return story


@pytest.fixture
def retrained(told_retrained: Story, copied: Callable[[str], str], tmp_path: Path) -> Iterator[Registry]:
    """incident-1 and trigger-1 are open, and churn-gbm@2 may go to production."""
    with retold(copied(told_retrained.url), told_retrained, tmp_path) as registry:
        yield registry


def deploy(registry: Registry, model: str = "churn-gbm@2", **options: Any) -> Any:
    """Record a deployment, to production unless told otherwise."""
    return registry.deployment.record(model, **({"environment": "production", "kind": "batch"} | options))


def run(registry: Registry, capfd: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """The exit code, output and errors of a command on a registry, as Ana."""
    url = registry.engine.url.render_as_string(hide_password=False)
    given = [*args, "--registry", url, "--actor", ANA, "--project", "churn"]
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module("crisplens.cli.main").main(given)
    code = stopped.value.code
    assert isinstance(code, int)
    return code, *capfd.readouterr()


def test_a_deployment_answers_a_trigger_and_what_belongs_with_it(retrained: Registry) -> None:
    before = retrained.audit.head().size
    deployed = deploy(retrained, answers=("trigger-1",), note="Since June.")
    assert (deployed.id, deployed.note) == ("deployment-2", "Since June.")
    (trigger,), (incident,) = retrained.trigger.list(), retrained.incident.list()
    assert (trigger.state, trigger.closed_by) == ("resolved", ANA)
    assert (trigger.resolved_by, trigger.note) == (
        VersionRef("churn-gbm", 2),
        "It went to production with deployment-2.",
    )
    assert (incident.state, incident.note) == ("resolved", "trigger-1 was resolved by churn-gbm@2")
    kinds = [one.type for one in retrained.audit.log()][before:]
    assert kinds == ["deployment.recorded", "trigger.resolved", "incident.resolved"]
    assert retrained.audit.verify().passed


def test_other_incidents_are_closed_as_by_resolving_the_trigger(retrained: Registry, files: Files) -> None:
    def states(registry: Registry) -> list[tuple[str, str, str]]:
        return [(one.id, one.state, one.note) for one in registry.incident.list()]

    # Two more of another cause: one is linked to the trigger, the other is not.
    for name in ("second", "third"):
        retrained.monitor.add(name, model="churn-gbm", reference=files.table("r.csv"), current="none.csv")
        retrained.monitor.run(name, current=str(files.table(f"{name}.csv", columns="plan")))
    retrained.incident.link("incident-2", "trigger-1")
    closed: list[tuple[str, str, str]] = []
    with suppress(ZeroDivisionError), retrained.transaction() as tried:
        tried.trigger.resolve("trigger-1", model="churn-gbm@2")
        closed += states(tried)
        raise ZeroDivisionError  # it was only to be seen what it closes
    assert [state for _, state, _ in closed] == ["resolved", "resolved", "open"]
    deploy(retrained, answers=["trigger-1"])
    assert states(retrained) == closed


def test_triggers_of_two_models_are_answered_by_what_serves_of_each(
    retrained: Registry, files: Files
) -> None:
    retrained.model.register("other", files.text("w"), run="train-1")
    retrained.monitor.add(
        "second", model="other", reference=files.table("r.csv"), current=str(files.folder / "none.csv")
    )
    retrained.monitor.run("second", current=str(files.table("far.csv", shift=50)))
    assert [one.model for one in retrained.trigger.list()] == ["churn-gbm", "other"]
    retrained.model.register("other", files.text("w2"), run="train-2")
    retrained.evaluation.record("other@2", dataset="holdout@2", metrics={"auc": 0.83, "latency_ms": 96.5})
    pass_phase(retrained, "evaluation", model="other@2")
    deploy(retrained, variants={"second": ("other@2", 20)}, answers=["trigger-1", "trigger-2", "trigger-1"])
    assert [str(one.resolved_by) for one in retrained.trigger.list()] == ["churn-gbm@2", "other@2"]
    assert {one.state for one in retrained.incident.list()} == {"resolved"}


@pytest.mark.parametrize(
    ("options", "slug", "words", "kind"),
    [
        ({"answers": ["trigger-9"]}, "unknown-name", ["trigger-1"], InputError),
        ({"answers": ["trigger-1", "trigger-9"]}, "unknown-name", ["trigger-1"], InputError),
        ({"answers": ["trigger-1"], "model": "churn-gbm@1"}, "trigger-open", ["before", "dismiss"], Refused),
        (
            {
                "answers": ["trigger-1"],
                "model": "churn-gbm@1",
                "variants": {"canary": ("churn-gbm@2", 10)},
            },
            "trigger-open",
            ["churn-gbm@1 was registered before"],
            Refused,
        ),
        (
            {"answers": ["trigger-1"], "environment": "staging"},
            "bad-choice",
            ["staging", "production"],
            InputError,
        ),
        ({"answers": "trigger-1"}, "bad-choice", ["answers=['trigger-1']"], InputError),
        ({"answers": [""]}, "unknown-name", ["trigger-1"], InputError),
    ],
)
def test_what_does_not_answer_a_trigger_is_not_recorded_as_deployed(
    retrained: Registry, options: dict[str, Any], slug: str, words: list[str], kind: type[CrisplensError]
) -> None:
    model = options.get("model", "churn-gbm@2")
    given = {name: value for name, value in options.items() if name != "model"}
    assert_refused(retrained, lambda: deploy(retrained, model, **given), slug, *words, kind=kind)
    assert [one.id for one in retrained.deployment.list()] == ["deployment-1"]
    assert [one.state for one in retrained.trigger.list()] == ["open"]


def test_a_trigger_that_is_closed_or_of_another_model_is_not_answered(
    retrained: Registry, files: Files
) -> None:
    retrained.model.register("other", files.text("w"), run="train-2")
    retrained.evaluation.record("other@1", dataset="holdout@2", metrics={"auc": 0.83, "latency_ms": 96.5})
    pass_phase(retrained, "evaluation", model="other@1")
    other = lambda: deploy(retrained, "other@1", answers=["trigger-1"])  # noqa: E731
    assert_refused(retrained, other, "trigger-open", "a version of churn-gbm, not of other", kind=Refused)
    retrained.acting_as(BO).trigger.dismiss("trigger-1", reason="a test load")
    closed = lambda: deploy(retrained, answers=["trigger-1"])  # noqa: E731
    assert_refused(retrained, closed, "not-open", "dismissed", BO, kind=InputError)


def test_a_version_that_is_deployed_by_an_override_answers_nothing(retrained: Registry) -> None:
    retrained.role.grant(ANA, "administrator")
    retrained.checkpoint.record("evaluation", controls={"EV-1": ("not-met", "no time")})
    until = to_text(clock.now() + timedelta(days=2))[:10]
    retrained.override.grant("evaluation", reason="a fire", role="administrator", until=until)
    call = lambda: deploy(retrained, answers=["trigger-1"])  # noqa: E731
    assert_refused(retrained, call, "gate-blocked", "churn-gbm@2 is not approved", kind=Refused)
    assert deploy(retrained).id == "deployment-2"


def test_the_command_line_answers_triggers_and_says_so(
    retrained: Registry, capfd: pytest.CaptureFixture[str]
) -> None:
    line = ("deployment", "record", "churn-gbm@2", "--kind", "batch", "--answers", "trigger-1")
    head = retrained.audit.head()
    code, out, err = run(retrained, capfd, *line, "--environment", "staging")
    assert (code, out, retrained.audit.head()) == (2, "", head)
    assert "a deployment to staging answers no trigger" in err
    code, out, err = run(retrained, capfd, *line, "--answers", "trigger-7", "--environment", "production")
    assert (code, out, retrained.audit.head()) == (2, "", head)
    assert "trigger-7" in err
    code, out, err = run(retrained, capfd, *line, "--environment", "production")
    assert (code, err) == (0, "")
    assert out == (
        "deployment-2: churn-gbm@2 100 % in production, batch.\n"
        "trigger-1 is resolved by churn-gbm@2; incident-1 is resolved with it.\n"
    )
    assert retrained.audit.verify().passed


@pytest.mark.parametrize(
    ("model", "options", "hint"),
    [
        (
            "churn-gbm@2",
            ["--environment", "production"],
            "trigger-1 still asks for churn-gbm to be retrained.\n"
            "If churn-gbm@2 answers it: crisplens trigger resolve trigger-1 --model churn-gbm@2\n",
        ),
        # It is older than the trigger, and cannot answer it.
        (
            "churn-gbm@1",
            ["--environment", "production"],
            "trigger-1 still asks for churn-gbm to be retrained.\n",
        ),
        ("churn-gbm@2", ["--environment", "staging"], ""),
    ],
)
def test_an_open_trigger_that_nobody_named_is_told(
    retrained: Registry, capfd: pytest.CaptureFixture[str], model: str, options: list[str], hint: str
) -> None:
    line = ["deployment", "record", model, "--kind", "batch", *options]
    code, out, _ = run(retrained, capfd, *line)
    assert (code, out) == (0, f"deployment-2: {model} 100 % in {options[1]}, batch.\n{hint}")
    code, out, _ = run(retrained, capfd, *line, "--json")
    assert (code, "trigger" in out, json.loads(out)["id"]) == (0, False, "deployment-3")
    retrained.acting_as(BO).trigger.dismiss("trigger-1", reason="a test load")
    code, out, _ = run(retrained, capfd, *line)
    assert (code, out) == (0, f"deployment-4: {model} 100 % in {options[1]}, batch.\n")
