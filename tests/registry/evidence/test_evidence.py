"""Evidence: kept by content, once, and whole."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from crisplens.api import Registry
from crisplens.core.canonical import digest_bytes
from crisplens.core.errors import InputError, RegistryError
from crisplens.registry.evidence import service
from tests.conftest import ANA, Files, assert_refused

CONTENT = b"notes"
DIGEST = digest_bytes(CONTENT)

pytestmark = pytest.mark.stored


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


def test_what_cannot_be_kept_is_refused(
    registry: Registry, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_refused(registry, lambda: registry.evidence.add(files.folder / "none"), "unreadable-file", "none")
    assert_refused(registry, lambda: registry.evidence.add(files.folder), "not-a-file")
    monkeypatch.setattr(service, "MOST_BYTES", 4)
    assert_refused(registry, lambda: registry.evidence.add(files.text("notes")), "too-large", "digest")
    unknown = registry.acting_as(ANA, project="chrun")
    assert_refused(registry, lambda: unknown.evidence.add(files.text("n")), "unknown-name", "churn")


def test_a_full_disk_records_nothing(
    registry: Registry, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    file = files.text("notes")
    assert_refused(registry, lambda: registry.evidence.add(file), "evidence-store", "No space left")
    assert_refused(
        registry,
        lambda: registry.checkpoint.record("evaluation", evidence=[file]),
        "evidence-store",
    )


def test_a_store_in_memory_serves_as_well(registry: Registry, files: Files, tmp_path: Path) -> None:
    url = f"memory://{tmp_path.name}/{registry.engine.dialect.name}"
    team = in_store(registry, url)
    kept = team.evidence.add(files.text("notes", "notes.md"))
    assert (team.evidence.get("notes.md"), team.audit.verify().passed) == (CONTENT, True)
    assert not (registry.configuration.folder / ".crisplens" / "evidence").exists()
    assert team.configuration.open_evidence().remove(kept.digest)
    assert [one.name for one in team.audit.verify().verdicts if not one.passed] == ["evidence"]


def in_store(registry: Registry, location: str) -> Registry:
    """The same registry, with its evidence elsewhere."""
    configuration = replace(registry.configuration, evidence=location)
    return Registry(configuration, registry.engine, ANA)


def test_evidence_is_found_by_its_name_or_the_beginning_of_its_digest(
    registry: Registry, files: Files
) -> None:
    kept = registry.evidence.add(files.text("notes", "notes.md"))
    for which in ("notes.md", DIGEST, DIGEST[7:], DIGEST[7:15], DIGEST[:20], DIGEST[7:17].upper()):
        assert registry.evidence.show(which) == kept, which
        assert registry.evidence.get(which) == CONTENT


def test_what_is_not_found_is_answered_with_the_nearest(registry: Registry, files: Files) -> None:
    def refused(which: str, slug: str, *words: str) -> None:
        assert_refused(registry, lambda: registry.evidence.show(which), slug, *words, kind=InputError)

    refused("notes.md", "unknown-name", "There is no evidence yet")
    registry.evidence.add(files.text("notes", "notes.md"))
    refused("note.md", "unknown-name", "notes.md")
    refused(DIGEST[7:14], "unknown-name")
    refused(DIGEST[7:20] + "000", "unknown-name", DIGEST)
    for hostile in ("../../etc/passwd", "%", "________", "sha256:________", "", "x" * 5000):
        refused(hostile, "unknown-name")
    registry.evidence.add(files.text("other notes", "notes.md"))
    refused("notes.md", "ambiguous-evidence", DIGEST[:23], "more of its digest")
    assert registry.evidence.show(DIGEST).digest == DIGEST


def test_content_is_saved_whole_or_not_at_all(registry: Registry, files: Files, tmp_path: Path) -> None:
    kept = registry.evidence.add(files.text("notes", "notes.md"))
    out = tmp_path / "out"
    out.mkdir()
    assert registry.evidence.save("notes.md", out / "got.md") == kept
    assert (out / "got.md").read_bytes() == CONTENT
    again = "--force"
    assert_refused(registry, lambda: registry.evidence.save("notes.md", out / "got.md"), "exists", again)
    assert_refused(registry, lambda: registry.evidence.save("notes.md", out), "not-a-file")
    assert_refused(registry, lambda: registry.evidence.save("notes.md", out / "no" / "x"), "unwritable")
    (out / "got.md").write_text("older")
    registry.evidence.save("notes.md", out / "got.md", overwrite=True)
    assert (out / "got.md").read_bytes() == CONTENT

    damaged = registry.configuration.folder / registry.configuration.evidence / "sha256" / DIGEST[7:9]
    (damaged / DIGEST[7:]).write_bytes(b"forged")
    for save in (
        lambda: registry.evidence.save("notes.md", out / "new.md"),
        lambda: registry.evidence.save("notes.md", out / "got.md", overwrite=True),
    ):
        assert_refused(registry, save, "evidence-store", "not the content", kind=RegistryError)
    assert (out / "got.md").read_bytes() == CONTENT
    assert [path.name for path in out.iterdir()] == ["got.md"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
def test_a_pipe_is_never_written_over(registry: Registry, files: Files, tmp_path: Path) -> None:
    registry.evidence.add(files.text("notes", "notes.md"))
    os.mkfifo(pipe := tmp_path / "pipe")
    assert_refused(registry, lambda: registry.evidence.save("notes.md", pipe, overwrite=True), "not-a-file")
    assert pipe.is_fifo()
