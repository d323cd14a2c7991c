"""Bundles as they are written: what is in them, and what is not."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from crisplens.api import Registry
from crisplens.core.errors import InputError, RegistryError
from crisplens.ledger import merkle
from crisplens.ledger.kept_heads import read_kept_head
from crisplens.ledger.notes import open_note, parse_key
from crisplens.ledger.proofs import read_note_head
from tests.conftest import ANA, Files

pytestmark = pytest.mark.stored


def members(file: Path) -> dict[str, bytes]:
    """A bundle's members by name."""
    with zipfile.ZipFile(file) as bundle:
        assert len(set(bundle.namelist())) == len(bundle.namelist())
        return {name: bundle.read(name) for name in bundle.namelist()}


def lines(content: bytes) -> list[bytes]:
    """The lines of a member."""
    return content.splitlines()


def root_of(events: list[bytes], tree: list[bytes]) -> bytes:
    """The root that a bundle's events and subtree hashes lead to."""
    items = [(json.loads(line)["seq"], 0, merkle.leaf_hash(line)) for line in events]
    for line in tree:
        node = json.loads(line)
        items.append((node["index"] << node["level"], node["level"], bytes.fromhex(node["hash"])))
    stack: list[tuple[int, bytes]] = []
    place = 0
    for start, level, hash in sorted(items):
        assert start == place
        place += 1 << level
        while stack and stack[-1][0] == level and (place >> level) % 2 == 0:
            hash, level = merkle.node_hash(stack.pop()[1], hash), level + 1
        stack.append((level, hash))
    return merkle.root_hash([hash for _, hash in stack])


def test_a_whole_registry_s_bundle_holds_its_log_byte_for_byte(story: Registry, tmp_path: Path) -> None:
    file = tmp_path / "bundle.zip"
    exported = story.audit.export(file, whole=True)
    inside = members(file)
    head = story.audit.head()
    assert (exported.size, exported.root, exported.project) == (head.size, head.root, None)
    assert exported.events == len(lines(inside["events.jsonl"])) == head.size
    assert root_of(lines(inside["events.jsonl"]), []).hex() == head.root
    assert "tree.jsonl" not in inside
    assert b"<!doctype html>" in inside["report-churn.html"].lower()


def test_the_manifest_names_every_file_and_is_signed_with_the_head(story: Registry, tmp_path: Path) -> None:
    file = tmp_path / "bundle.zip"
    exported = story.audit.export(file)
    inside = members(file)
    manifest = json.loads(inside["manifest.json"])
    said = {name: (one["sha256"], one["bytes"]) for name, one in manifest["files"].items()}
    assert said == {
        name: (hashlib.sha256(content).hexdigest(), len(content))
        for name, content in inside.items()
        if not name.startswith("manifest.")
    }
    assert exported.signed
    keys = [parse_key(one.public_key) for one in story.key.list() if one.purpose == "log"]
    note = open_note(inside["manifest.note"].decode(), keys)
    assert note.signed_by
    assert note.text == f"crisplens bundle\n{hashlib.sha256(inside['manifest.json']).hexdigest()}\n"
    assert open_note(inside["head.txt"].decode(), keys).signed_by == note.signed_by


def test_a_project_s_bundle_shows_nothing_of_another(registry: Registry, tmp_path: Path) -> None:
    registry.key.generate("example.org/log")
    with registry.transaction() as together:
        for number in range(40):
            name = f"project-{number % 3}"
            if number < 3:
                together.project.add(name, title=f"Title {number}")
            else:
                together.on_project(name).kpi.set(f"kpi-of-{name}", target=number)
    head = registry.audit.head()
    for name in ("churn", "project-0", "project-1", "project-2"):
        file = tmp_path / f"{name}.zip"
        registry.on_project(name).audit.export(file)
        inside = members(file)
        events = [json.loads(line) for line in lines(inside["events.jsonl"])]
        assert {event["project"] for event in events} == {name, None}
        assert root_of(lines(inside["events.jsonl"]), lines(inside["tree.jsonl"])).hex() == head.root
        others = {"project-0", "project-1", "project-2"} - {name}
        assert not any(
            f"kpi-of-{other}".encode() in content for other in others for content in inside.values()
        )


def test_every_length_of_log_with_a_project_in_it_leads_to_the_root(
    registry: Registry, tmp_path: Path
) -> None:
    registry.project.add("other", title="Other")
    for number in range(34):
        registry.on_project("other" if number % 5 < 3 else "churn").kpi.set("auc", target=number)
        file = tmp_path / "one.zip"
        registry.audit.export(file, force=True, evidence="digests")
        inside = members(file)
        assert (
            root_of(lines(inside["events.jsonl"]), lines(inside["tree.jsonl"]))
            == read_note_head(inside["head.txt"].decode()).root
        )


def test_evidence_is_under_its_digest_and_redacted_content_is_not_there(
    story: Registry, tmp_path: Path
) -> None:
    file = tmp_path / "bundle.zip"
    exported = story.audit.export(file)
    kept = {one.digest.removeprefix("sha256:") for one in story.evidence.list() if not one.redaction}
    found = {name.split("/")[-1]: content for name, content in members(file).items() if "evidence/" in name}
    assert kept
    assert found.keys() == kept
    assert all(hashlib.sha256(content).hexdigest() == name for name, content in found.items())
    assert exported.evidence == len(kept)
    story.audit.export(file, evidence="digests", force=True)
    assert not any("evidence/" in name for name in members(file))


def test_lost_evidence_is_told_and_does_not_stop_the_export(
    registry: Registry, files: Files, tmp_path: Path
) -> None:
    kept = registry.evidence.add(files.text("one"))
    lost = registry.evidence.add(files.text("two"))
    digest = lost.digest.removeprefix("sha256:")
    (registry.configuration.folder / ".crisplens/evidence/sha256" / digest[:2] / digest).write_text("tow")
    exported = registry.audit.export(tmp_path / "bundle.zip")
    assert (exported.lost, exported.evidence) == ((lost.digest,), 1)
    assert any(kept.digest.removeprefix("sha256:") in name for name in members(tmp_path / "bundle.zip"))


def test_without_a_signing_key_nothing_is_signed(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "bundle.zip"
    assert not registry.audit.export(file).signed
    inside = members(file)
    assert "manifest.note" not in inside
    assert inside["head.txt"].decode().count("\n") == 3
    assert read_kept_head(file).root.hex() == registry.audit.head().root


def test_a_bundle_of_the_past_ends_there(story: Registry, tmp_path: Path) -> None:
    file = tmp_path / "bundle.zip"
    size = story.audit.head().size // 2
    with story.as_of(size - 1) as then:
        exported = then.audit.export(file)
    inside = members(file)
    assert (exported.size, exported.root) == (size, story.audit.head(size).root)
    assert json.loads(lines(inside["events.jsonl"])[-1])["seq"] < size
    assert story.audit.verify(against=[file]).passed


def test_the_same_record_gives_the_same_bundle(registry: Registry, tmp_path: Path) -> None:
    first, second = tmp_path / "1.zip", tmp_path / "2.zip"
    registry.audit.export(first)
    registry.audit.export(second)
    changing = {"report.html", "manifest.json"}  # They say when they were made.
    one, two = members(first), members(second)
    assert list(one) == list(two)
    assert {name for name in one if one[name] != two[name]} <= changing


def test_what_is_there_is_kept_unless_forced(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "bundle.zip"
    file.write_text("mine")
    with pytest.raises(InputError) as caught:
        registry.audit.export(file)
    assert (caught.value.slug, file.read_text()) == ("exists", "mine")
    registry.audit.export(file, force=True)
    assert zipfile.is_zipfile(file)


def test_a_failed_export_leaves_nothing(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RegistryError("gone", slug="ledger-damaged")

    monkeypatch.setattr("crisplens.bundles.export.node_hashes", fail)
    registry.project.add("other", title="Other")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(RegistryError):
        registry.audit.export(tmp_path / "bundle.zip")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("where", ["nowhere/bundle.zip", "."])
def test_a_place_that_cannot_be_written_is_refused(registry: Registry, tmp_path: Path, where: str) -> None:
    with pytest.raises(InputError):
        registry.acting_as(ANA).audit.export(tmp_path / where)


def test_an_unknown_way_of_evidence_is_refused(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        registry.audit.export(tmp_path / "bundle.zip", evidence="some")
    assert caught.value.slug == "bad-choice"
