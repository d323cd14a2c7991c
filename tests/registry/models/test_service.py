"""Runs, model versions and evaluations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core.canonical import digest_bytes
from crisplens.registry.model import VersionRef
from crisplens.registry.models.model import Part
from tests.conftest import ANA, Files, assert_refused

pytestmark = pytest.mark.stored


@pytest.fixture
def trained(registry: Registry, files: Files) -> Registry:
    """A run on raw@1, and the model that it made."""
    registry.data.add("raw", files.table("raw.csv"))
    registry.run.record("fit", used=["raw@1"])
    registry.model.register("churn-gbm", files.text("weights", "model.bin"), run="fit")
    return registry


def test_a_run_says_what_it_used_and_how_it_went(trained: Registry) -> None:
    run = trained.run.record(
        "refit",
        activity="training",
        used=["raw@1"],
        used_models=["churn-gbm@1"],
        parameters={"depth": 3, "rate": 0.5, "loss": "log", "early": True},
        metrics={"loss": "0.25"},
        code_version="git:1",
        environment={"python": "3.12"},
        started_at="2026-01-01T02:00:00+01:00",
        ended_at="2026-01-01T01:00:00Z",
    )
    assert (run.used_datasets, run.used_models) == ((VersionRef("raw", 1),), (VersionRef("churn-gbm", 1),))
    assert run.parameters == {"depth": 3, "rate": 0.5, "loss": "log", "early": True}
    assert run.metrics == {"loss": 0.25}
    assert run.started_at == run.ended_at == "2026-01-01T01:00:00.000000Z"
    assert run.recorded_by == ANA
    assert trained.run.show("refit") == run
    assert [one.name for one in trained.run.list()] == ["fit", "refit"]


def test_a_model_version_is_its_artefact_and_what_trained_it(trained: Registry, files: Files) -> None:
    first = trained.model.show("churn-gbm@1")
    assert (first.digest, first.size) == (digest_bytes(b"weights"), 7)
    assert first.datasets == (VersionRef("raw", 1),)
    trained.data.add("more", files.table("more.csv"))
    artefact = files.text("other weights")
    second = trained.model.register(
        "churn-gbm", artefact, run="fit", datasets=["more@1", "raw@1"], parameters={"a": 1}
    )
    assert second.version == 2
    assert second.datasets == (VersionRef("more", 1), VersionRef("raw", 1))
    trained.model.register("other", artefact)
    assert [str(one.ref) for one in trained.model.list()] == ["churn-gbm@1", "churn-gbm@2", "other@1"]
    assert trained.model.list("churn-gbm") == [first, second]


def test_an_evaluation_has_metrics_overall_by_slice_and_by_class(trained: Registry) -> None:
    evaluation = trained.evaluation.record(
        "churn-gbm@1",
        dataset="raw@1",
        metrics={"auc": "0.8", "f1": 1},
        slices={"plan=free": {"auc": 0.7}},
        classes={"leaves": {"recall": 0.6}},
    )
    assert (evaluation.id, evaluation.metrics) == ("evaluation-1", {"auc": 0.8, "f1": 1.0})
    assert evaluation.slices == (Part("plan=free", {"auc": 0.7}),)
    assert evaluation.classes == (Part("leaves", {"recall": 0.6}),)
    assert (
        trained.evaluation.record("churn-gbm@1", dataset="raw@1", metrics={"auc": 0.9}).id == "evaluation-2"
    )


def evaluate(registry: Registry, model: str = "churn-gbm@1", dataset: str = "raw@1", **options: Any) -> Any:
    """Record an evaluation."""
    return registry.evaluation.record(model, dataset=dataset, **({"metrics": {"auc": 0.8}} | options))


@pytest.mark.parametrize(
    ("call", "slug", "words"),
    [
        (lambda r, f: r.run.record("a b"), "bad-name", ["run"]),
        (lambda r, f: r.run.record("fit"), "exists", ["fit"]),
        (lambda r, f: r.run.record("x", used=["rwa@1"]), "unknown-name", ["rwa@1", "raw@1"]),
        (lambda r, f: r.run.record("x", used=["raw"]), "bad-reference", ["raw@1"]),
        (lambda r, f: r.run.record("x", used_models=["churn-gbm@2"]), "unknown-name", ["churn-gbm@1"]),
        (lambda r, f: r.run.record("x", metrics={"auc": "good"}), "not-a-number", ["auc", "good"]),
        (lambda r, f: r.run.record("x", metrics={"a b": 1}), "bad-name", ["metric"]),
        (lambda r, f: r.run.record("x", parameters={"n": float("nan")}), "not-exact", []),
        (lambda r, f: r.run.record("x", parameters={"n": 2**60}), "not-exact", ["2**53"]),
        (lambda r, f: r.run.record("x", started_at="soon"), "bad-time", ["soon"]),
        (
            lambda r, f: r.run.record("x", started_at="2026-01-02", ended_at="2026-01-01"),
            "bad-time",
            ["before"],
        ),
        (lambda r, f: r.run.show("fti"), "unknown-name", ["fit"]),
        (lambda r, f: r.model.register("m", f.folder / "none.bin"), "unreadable-file", ["none.bin"]),
        (lambda r, f: r.model.register("m", f.folder), "not-a-file", []),
        (lambda r, f: r.model.register("m@1", f.text("w")), "bad-name", ["model"]),
        (lambda r, f: r.model.register("m", f.text("w"), run="fti"), "unknown-name", ["fit"]),
        (lambda r, f: r.model.register("m", f.text("w"), datasets=["none@1"]), "unknown-name", ["none@1"]),
        (lambda r, f: r.model.register("churn-gbm", f.text("w"), version=1), "exists", ["churn-gbm@2"]),
        (lambda r, f: r.model.show("churn@1"), "unknown-name", ["churn-gbm@1"]),
        (lambda r, f: evaluate(r, "churn-gbm@2"), "unknown-name", ["churn-gbm@1"]),
        (lambda r, f: evaluate(r, "churn-gbm"), "bad-reference", ["model", "churn-gbm@1"]),
        (lambda r, f: evaluate(r, dataset="raw@2"), "unknown-name", ["raw@1"]),
        (lambda r, f: evaluate(r, metrics={}), "no-metric", ["--metric"]),
        (lambda r, f: evaluate(r, metrics={"auc": "nan"}), "not-a-number", ["auc"]),
        (lambda r, f: evaluate(r, slices={"": {"auc": 1}}), "empty-text", ["slice"]),
        (lambda r, f: evaluate(r, classes={"a": {"auc": "x"}}), "not-a-number", ["auc"]),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    trained: Registry, files: Files, call: Callable[[Registry, Files], Any], slug: str, words: list[str]
) -> None:
    assert assert_refused(trained, lambda: call(trained, files), slug, *words).exit_code == 2
