"""Dataset versions that are not to be relied on any more, and what takes their place."""

from __future__ import annotations

from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core.errors import InputError, Refused
from crisplens.registry.model import VersionRef
from tests.conftest import ANA, BO, Files, assert_refused, log_of, unmet

pytestmark = pytest.mark.stored


@pytest.fixture
def versions(registry: Registry, files: Files) -> Registry:
    """Three versions of `raw`, and `other@1`."""
    for number in range(3):
        registry.data.add("raw", files.table(f"raw-{number}.csv", shift=number))
    registry.data.add("other", files.table("other.csv", shift=9))
    return registry


def test_a_replaced_version_says_by_which_and_why(versions: Registry) -> None:
    before = versions.data.show("raw@1")
    assert (before.replaced_by, before.replaced_reason, before.replaced_seq) == (None, None, None)
    replaced = versions.acting_as(BO).data.replace("raw@1", by="raw@3", reason="a week was missing")
    assert replaced == versions.data.show("raw@1")
    assert replaced.replaced_by == VersionRef("raw", 3)
    assert replaced.replaced_reason == "a week was missing"
    entry = versions.audit.log()[-1]
    assert (replaced.replaced_seq, entry.type, entry.actor.id) == (entry.seq, "dataset-version.replaced", BO)
    # What it was stays as it was.
    assert (replaced.digest, replaced.seq, replaced.recorded_by) == (before.digest, before.seq, ANA)
    assert [one.replaced_by for one in versions.data.list("raw")] == [replaced.replaced_by, None, None]
    assert versions.audit.verify().passed


def test_another_dataset_may_take_its_place(versions: Registry) -> None:
    assert versions.data.replace("raw@2", by="other@1", reason="moved").replaced_by == VersionRef("other", 1)
    assert versions.data.replace(VersionRef("raw", 1), by=VersionRef("raw", 3), reason="x").replaced_by


def test_what_replaced_one_may_be_replaced_in_its_turn(versions: Registry) -> None:
    versions.data.replace("raw@1", by="raw@2", reason="x")
    versions.data.replace("raw@2", by="raw@3", reason="y")
    assert [str(one.replaced_by or "") for one in versions.data.list("raw")] == ["raw@2", "raw@3", ""]
    assert versions.audit.verify().passed


@pytest.mark.parametrize(
    ("version", "by", "reason", "slug", "words"),
    [
        ("raw@9", "raw@2", "x", "unknown-name", []),
        ("raw@1", "raw@9", "x", "unknown-name", []),
        ("rwa@1", "raw@2", "x", "unknown-name", ["raw"]),
        ("raw@0", "raw@2", "x", ("bad-reference", "unknown-name"), []),
        ("raw@1", "raw@1", "x", "bad-choice", ["raw@1 cannot take the place of raw@1"]),
        ("raw@2", "raw@3", "x", "not-open", ["raw@2 is replaced by other@1 already"]),
        ("raw@1", "raw@2", "x", "bad-choice", ["raw@2 cannot", "it is replaced by other@1 itself"]),
        ("raw@1", "raw@3", " ", "empty-text", ["the reason"]),
        ("raw@1", "raw@3", "x" * 20_001, "text-too-long", []),
    ],
)
def test_replacements_that_cannot_be(
    versions: Registry, version: str, by: str, reason: str, slug: Any, words: list[str]
) -> None:
    versions.data.replace("raw@2", by="other@1", reason="moved")
    assert_refused(
        versions,
        lambda: versions.data.replace(version, by=by, reason=reason),
        slug,
        *words,
        kind=InputError,
    )


def test_versions_never_replace_each_other_in_a_circle(versions: Registry) -> None:
    versions.data.replace("raw@1", by="raw@2", reason="x")
    assert_refused(
        versions,
        lambda: versions.data.replace("raw@2", by="raw@1", reason="y"),
        "bad-choice",
        kind=InputError,
    )


def test_another_project_s_data_stays_as_it_is(versions: Registry, files: Files) -> None:
    other = versions.on_project("other")
    other.project.add("other")
    other.data.add("raw", files.table("raw-of-another.csv"))
    versions.data.replace("raw@1", by="raw@2", reason="x")
    assert other.data.show("raw@1").replaced_by is None
    assert_refused(other, lambda: other.data.replace("raw@1", by="raw@2", reason="x"), "unknown-name")


def test_who_may_not_record_replaces_nothing(versions: Registry) -> None:
    versions.role.grant(ANA, "administrator")
    versions.role.grant(BO, "approver")
    bo = versions.acting_as(BO)
    assert_refused(bo, lambda: bo.data.replace("raw@1", by="raw@2", reason="x"), "no-role", kind=Refused)


def test_the_past_knows_no_replacement(versions: Registry) -> None:
    point = versions.audit.head().size - 1
    versions.data.replace("raw@1", by="raw@2", reason="x")
    with versions.as_of(point) as then:
        assert then.data.show("raw@1").replaced_by is None
    with versions.as_of(point + 1) as now:
        assert now.data.show("raw@1") == versions.data.show("raw@1")


def test_a_log_that_is_taken_over_has_the_same_replacements(versions: Registry, relogged: Any) -> None:
    versions.data.replace("raw@1", by="raw@2", reason="x")
    moved = relogged(versions, log_of(versions))
    assert moved.data.list() == versions.data.list()


def test_a_model_trained_on_replaced_data_does_not_pass_on_its_approval(
    first_cycle: Registry, files: Files
) -> None:
    first_cycle.data.add("train", files.table("train-new.csv", shift=3), derived_from=["raw@1"])
    first_cycle.data.replace("train@1", by="train@2", reason="labels were wrong")
    said = "train@1 was replaced by train@2: labels were wrong"
    assert unmet(first_cycle, "evaluation", model="churn-gbm@1") == {"approved": f"stale: {said}"}
    assert_refused(
        first_cycle,
        lambda: first_cycle.deployment.record("churn-gbm@1", environment="production", kind="batch"),
        "gate-blocked",
        said,
        kind=Refused,
    )
    first_cycle.acting_as(BO).approval.grant("evaluation", reason="It serves until tomorrow.")
    first_cycle.deployment.record("churn-gbm@1", environment="production", kind="batch")
    assert first_cycle.audit.verify().passed
