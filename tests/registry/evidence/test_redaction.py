"""Redaction: the content goes, its digest and the reason stay, and verification says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crisplens.api import Registry
from crisplens.core.canonical import digest_bytes
from crisplens.core.content_store import ContentStore, LocalStore
from crisplens.core.errors import HalfDone, InputError, Refused, RegistryError
from crisplens.ledger.verdict import MOST_FINDINGS, Verdict
from crisplens.registry.evidence import service
from tests.conftest import ANA, BO, Files, assert_refused, doing

CONTENT = b"Ms Example, born 1980"
DIGEST = digest_bytes(CONTENT)
WHY = "it names a customer"

pytestmark = pytest.mark.stored


@pytest.fixture
def kept(registry: Registry, files: Files) -> Registry:
    """A registry whose project has one file that must be forgotten and one that need not be."""
    registry.evidence.add(files.text(CONTENT.decode(), "personal.txt"))
    registry.evidence.add(files.text("harmless", "harmless.txt"))
    return registry


def evidence_verdict(registry: Registry) -> Verdict:
    """What verification says of the evidence; everything else passes."""
    verdicts = {verdict.name: verdict for verdict in registry.audit.verify().verdicts}
    evidence = verdicts.pop("evidence")
    assert all(verdict.passed for verdict in verdicts.values())
    return evidence


def store_of(registry: Registry) -> ContentStore:
    """Where the registry keeps evidence."""
    return registry.configuration.open_evidence()


def test_the_content_goes_and_the_digest_and_the_reason_stay(kept: Registry) -> None:
    before = kept.evidence.show("personal.txt")
    done = kept.acting_as(BO).evidence.redact("personal.txt", reason=WHY)
    assert (done.projects, done.removed) == (("churn",), True)
    after = kept.evidence.show(DIGEST)
    assert done.evidence == after
    assert (after.digest, after.size, after.name) == (before.digest, before.size, before.name)
    assert (after.recorded_by, after.recorded_at) == (before.recorded_by, before.recorded_at)
    assert (after.redacted_reason, after.redacted_by) == (WHY, BO)
    assert not store_of(kept).exists(DIGEST)
    (event,) = [one for one in kept.audit.log() if one.type == "evidence.redacted"]
    assert (event.actor.id, event.project, event.recorded_at) == (BO, "churn", after.redacted_at)


def test_verification_says_who_redacted_instead_of_failing(kept: Registry) -> None:
    kept.acting_as(BO).evidence.redact("personal.txt", reason=WHY)
    verdict = evidence_verdict(kept)
    assert (verdict.passed, verdict.found, verdict.findings) == (True, 0, ())
    assert verdict.checked == "2 files against their digests, 1 redacted"
    (note,) = verdict.notes
    day = str(kept.evidence.show(DIGEST).redacted_at)[:10]
    assert "personal.txt" in note.where
    assert note.what == f"redacted by {BO} on {day}: {WHY}"


def test_redacted_content_that_is_still_there_is_found_and_removed_by_redacting_again(kept: Registry) -> None:
    # The process died between the commit and the removal.
    doing(kept, service.redact_evidence, "personal.txt", reason=WHY)
    assert store_of(kept).exists(DIGEST)
    verdict = evidence_verdict(kept)
    assert not verdict.passed
    assert "still in the store" in verdict.findings[0].what
    head = kept.audit.head()
    done = kept.evidence.redact("personal.txt", reason="again")
    assert (done.projects, done.removed) == ((), True)
    assert done.evidence.redacted_reason == WHY
    assert kept.audit.head() == head
    assert evidence_verdict(kept).passed


def test_redacting_twice_is_refused(kept: Registry) -> None:
    kept.evidence.redact("personal.txt", reason=WHY)
    assert_refused(
        kept,
        lambda: kept.evidence.redact(DIGEST[:20], reason="again"),
        "redacted",
        f"redacted by {ANA}",
        WHY,
        kind=Refused,
    )


def test_every_project_that_has_the_content_is_concerned(kept: Registry, files: Files) -> None:
    for name in ("also", "without"):
        kept.project.add(name)
    also = kept.acting_as(BO, project="also")
    also.evidence.add(files.text(CONTENT.decode(), "same.txt"))
    kept.acting_as(ANA, project="without").evidence.add(files.text("harmless"))
    done = also.evidence.redact("same.txt", reason=WHY)
    assert done.projects == ("also", "churn")
    assert kept.evidence.show("personal.txt").redacted_reason == WHY
    verdict = evidence_verdict(kept)
    assert (verdict.passed, verdict.checked) == (True, "2 files against their digests, 1 redacted")


def test_what_was_redacted_is_not_kept_again_by_anyone(kept: Registry, files: Files) -> None:
    kept.evidence.redact("personal.txt", reason=WHY)
    kept.project.add("other")
    file = files.text(CONTENT.decode(), "again.txt")
    for one in (kept, kept.acting_as(BO, project="other")):
        assert_refused(one, lambda one=one: one.evidence.add(file), "redacted", WHY, kind=Refused)
        assert_refused(
            one,
            lambda one=one: one.checkpoint.record("evaluation", evidence=[file]),
            "redacted",
            kind=Refused,
        )
    assert not store_of(kept).exists(DIGEST)
    folder = store_of(kept)
    assert isinstance(folder, LocalStore)
    assert [path for path in folder.folder.rglob("*") if path.is_file()] == [
        folder.path(digest_bytes(b"harmless"))
    ]


def test_redacted_content_is_not_handed_out(kept: Registry, tmp_path: Path) -> None:
    kept.evidence.redact("personal.txt", reason=WHY)
    for ask in (
        lambda: kept.evidence.get("personal.txt"),
        lambda: kept.evidence.save("personal.txt", tmp_path / "out"),
    ):
        assert_refused(kept, ask, "redacted", f"redacted by {ANA}", WHY, DIGEST, kind=Refused)
    assert not (tmp_path / "out").exists()


def test_content_that_was_lost_before_can_still_be_redacted(kept: Registry) -> None:
    assert store_of(kept).remove(DIGEST)
    assert not evidence_verdict(kept).passed
    done = kept.evidence.redact("personal.txt", reason=WHY)
    assert (done.projects, done.removed) == (("churn",), False)
    assert evidence_verdict(kept).passed


def test_what_cannot_be_redacted_is_refused(kept: Registry) -> None:
    def refused(slug: str, which: str, reason: str = WHY, *words: str) -> None:
        assert_refused(
            kept, lambda: kept.evidence.redact(which, reason=reason), slug, *words, kind=InputError
        )

    refused("empty-text", "personal.txt", " ")
    refused("text-too-long", "personal.txt", "x" * 2001)
    refused("unknown-name", "personel.txt", WHY, "personal.txt")
    refused("unknown-name", "00000000")
    assert store_of(kept).exists(DIGEST)


def test_a_removal_that_fails_is_told_and_can_be_done_again(
    kept: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", fail)
        patched.setattr(Path, "unlink", fail)
        store = store_of(kept)
        decided = doing(kept, service.redact_evidence, "personal.txt", reason=WHY)
        with pytest.raises(HalfDone) as caught:
            service.forget_content(store, decided)
    assert (caught.value.slug, caught.value.nothing_changed) == ("evidence-store", False)
    assert "the redaction is recorded" in caught.value.message
    assert kept.evidence.redact("personal.txt", reason=WHY).removed


def test_notes_are_bounded(registry: Registry, files: Files) -> None:
    for number in range(MOST_FINDINGS + 3):
        registry.evidence.add(files.text(f"text {number}", f"{number}.txt"))
        registry.evidence.redact(f"{number}.txt", reason=WHY)
    verdict = evidence_verdict(registry)
    assert f"{MOST_FINDINGS + 3} redacted" in verdict.checked
    assert len(verdict.notes) == MOST_FINDINGS + 1
    assert verdict.notes[-1].what == "3 more that were redacted"


def test_a_redaction_changes_no_approval(first_cycle: Registry) -> None:
    before = {gate.phase: gate.open for gate in first_cycle.gate.list()}
    done = first_cycle.evidence.redact("evaluation.md", reason=WHY)
    assert done.removed
    assert {gate.phase: gate.open for gate in first_cycle.gate.list()} == before


def test_a_monitor_whose_reference_was_redacted_says_so(first_cycle: Registry) -> None:
    digest = first_cycle.monitor.list()[0].reference_profile
    first_cycle.evidence.redact(digest, reason=WHY)
    assert_refused(
        first_cycle,
        lambda: first_cycle.monitor.run("nightly"),
        "evidence-store",
        "is gone from",
        "redacted",
        kind=RegistryError,
    )


def test_a_transaction_that_may_fail_redacts_nothing(kept: Registry) -> None:
    def redact() -> None:
        with kept.transaction() as together:
            together.evidence.redact("personal.txt", reason=WHY)

    assert_refused(kept, redact, "stands-alone", kind=InputError)
    assert kept.evidence.get("personal.txt") == CONTENT


def test_the_past_hands_out_nothing_that_was_redacted_since(kept: Registry) -> None:
    size = kept.audit.head().size
    kept.evidence.redact("personal.txt", reason=WHY)
    with kept.as_of(size - 1) as past:
        assert past.evidence.show("personal.txt").redacted_at is None
        assert past.evidence.get("harmless.txt") == b"harmless"
        with pytest.raises(Refused, match=WHY):
            past.evidence.get("personal.txt")
        with pytest.raises(InputError) as caught:
            past.evidence.redact("harmless.txt", reason=WHY)
    assert caught.value.slug == "as-of"
