"""Copying evidence to another store: all of it, once, checked, and going on where it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crisplens.api import Registry
from crisplens.core.content_store import LocalStore, open_store
from crisplens.core.errors import HalfDone, RegistryError
from tests.conftest import ANA, Files, assert_refused

pytestmark = pytest.mark.stored


@pytest.fixture(params=["folder", "memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where to copy to."""
    return str(tmp_path / "team") if request.param == "folder" else f"memory://{tmp_path}/team"


def moved(registry: Registry, location: str) -> Registry:
    """The same registry, with its evidence elsewhere."""
    return Registry(replace(registry.configuration, evidence=location), registry.engine, ANA)


def kept_digests(registry: Registry) -> set[str]:
    """Digests of evidence that was not redacted."""
    return {one.digest for one in registry.evidence.list() if not one.redaction}


def test_a_registry_moves_to_another_store(story: Registry, target: str) -> None:
    wanted = kept_digests(story)
    redacted = len({one.digest for one in story.evidence.list()} - wanted)
    said: list[tuple[str, int]] = []
    head = story.audit.head()
    done = story.evidence.copy(target, lambda what, count: said.append((what, count)))
    assert (done.copied, done.present, done.redacted) == (len(wanted), 0, redacted)
    assert said[-1] == ("Copying evidence", len(wanted) + redacted)
    assert story.audit.head() == head
    assert moved(story, target).audit.verify().passed
    again = story.evidence.copy(target)
    assert (again.copied, again.present) == (0, len(wanted))


def test_an_interrupted_copy_goes_on_where_it_was(story: Registry, tmp_path: Path) -> None:
    def interrupt(_: str, count: int) -> None:
        if count == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        story.evidence.copy(tmp_path / "team", interrupt)
    done = story.evidence.copy(tmp_path / "team")
    assert done.present in (1, 2)
    assert done.copied + done.present == len(kept_digests(story))


@pytest.mark.parametrize("damage", [b"", b"half"])
def test_what_is_wrong_in_the_target_is_copied_again(story: Registry, target: str, damage: bytes) -> None:
    story.evidence.copy(target)
    digest = min(kept_digests(story))
    store = open_store(target, Path())
    content = store.read(digest)
    damage = damage or content[:-1] + bytes([content[-1] ^ 1])
    if isinstance(store, LocalStore):
        store.path(digest).write_bytes(damage)
    else:
        store._files.pipe_file(store._path(f"sha256/{digest[7:9]}/{digest[7:]}"), damage)  # type: ignore[attr-defined]
    assert story.evidence.copy(target).copied == 1
    assert store.read(digest) == content


def test_what_is_lost_in_the_source_is_named_when_the_rest_is_copied(
    registry: Registry, files: Files, tmp_path: Path
) -> None:
    for name in ("one", "two", "three"):
        registry.evidence.add(files.text(name, f"{name}.txt"))
    source = registry.configuration.open_evidence()
    assert isinstance(source, LocalStore)
    source.remove(registry.evidence.show("one.txt").digest)
    source.path(registry.evidence.show("two.txt").digest).write_text("forged")
    error = assert_refused(
        registry,
        lambda: registry.evidence.copy(tmp_path / "team"),
        "evidence-store",
        "2 files",
        "one.txt",
        "two.txt",
        "1 were copied",
        kind=HalfDone,
    )
    assert not error.nothing_changed
    files_there = [path for path in (tmp_path / "team").rglob("*") if path.is_file()]
    assert [path.read_text() for path in files_there] == ["three"]


def test_content_of_several_projects_is_copied_once(registry: Registry, files: Files, tmp_path: Path) -> None:
    registry.evidence.add(files.text("shared"))
    registry.project.add("other")
    registry.acting_as(ANA, project="other").evidence.add(files.text("shared"))
    assert registry.evidence.copy(tmp_path / "team").copied == 1


def test_a_target_that_cannot_be_used_is_our_error(registry: Registry, files: Files, tmp_path: Path) -> None:
    registry.evidence.add(files.text("notes"))

    def places() -> Iterator[str]:
        yield str(files.text("a file"))
        yield "s4://bucket"
        yield "s3://key:hushed@bucket"

    for place in places():
        error = assert_refused(
            registry, lambda place=place: registry.evidence.copy(place), "evidence-store", kind=RegistryError
        )
        assert "hushed" not in f"{error.message}{error.hint}"
