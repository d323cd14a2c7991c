"""Evidence: kept by content, once, and whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crisplens.api import Registry
from crisplens.core.canonical import digest_bytes
from crisplens.core.errors import RegistryError
from crisplens.registry.evidence import service
from crisplens.registry.evidence.store import evidence_path, keep_bytes, read_bytes
from tests.conftest import ANA, Files, assert_refused

CONTENT = b"notes"
DIGEST = digest_bytes(CONTENT)


def test_keeps_content_under_its_digest(tmp_path: Path) -> None:
    assert keep_bytes(tmp_path, CONTENT) == (DIGEST, 5)
    assert evidence_path(tmp_path, DIGEST) == tmp_path / "sha256" / DIGEST[7:9] / DIGEST[7:]
    assert read_bytes(tmp_path, DIGEST) == CONTENT


def test_keeping_again_writes_nothing_but_heals_what_was_damaged(tmp_path: Path) -> None:
    keep_bytes(tmp_path, CONTENT)
    path = evidence_path(tmp_path, DIGEST)
    written = path.stat().st_mtime_ns
    keep_bytes(tmp_path, CONTENT)
    assert path.stat().st_mtime_ns == written
    path.write_bytes(b"other")
    keep_bytes(tmp_path, CONTENT)
    assert path.read_bytes() == CONTENT


def test_an_interruption_leaves_nothing_under_the_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(RegistryError) as caught:
        keep_bytes(tmp_path, CONTENT)
    assert caught.value.slug == "evidence-store"
    assert "No space left" in caught.value.message
    assert not evidence_path(tmp_path, DIGEST).exists()


def test_content_that_is_gone_or_changed_is_not_handed_out(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="cannot be read"):
        read_bytes(tmp_path, DIGEST)
    keep_bytes(tmp_path, CONTENT)
    evidence_path(tmp_path, DIGEST).write_bytes(b"other")
    with pytest.raises(RegistryError, match="not the content") as caught:
        read_bytes(tmp_path, DIGEST)
    assert caught.value.slug == "evidence-store"


@pytest.mark.stored
def test_a_file_is_recorded_once_in_each_project(registry: Registry, files: Files) -> None:
    file = files.text("notes", "notes.md")
    added = registry.evidence.add(file)
    assert (added.digest, added.name, added.media_type, added.size) == (
        DIGEST,
        "notes.md",
        "text/markdown",
        5,
    )
    head = registry.audit.head()
    assert registry.evidence.add(files.text("notes", "copy.bin")) == added
    assert registry.audit.head() == head
    registry.project.add("other")
    other = registry.acting_as(ANA, project="other")
    assert other.evidence.add(file).project == "other"
    assert [len(one.evidence.list()) for one in (registry, other)] == [1, 1]
    assert registry.audit.verify().passed


@pytest.mark.stored
def test_what_cannot_be_kept_is_refused(
    registry: Registry, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_refused(registry, lambda: registry.evidence.add(files.folder / "none"), "unreadable-file", "none")
    assert_refused(registry, lambda: registry.evidence.add(files.folder), "not-a-file")
    monkeypatch.setattr(service, "MOST_BYTES", 4)
    assert_refused(registry, lambda: registry.evidence.add(files.text("notes")), "too-large", "digest")
    unknown = registry.acting_as(ANA, project="chrun")
    assert_refused(registry, lambda: unknown.evidence.add(files.text("n")), "unknown-name", "churn")
