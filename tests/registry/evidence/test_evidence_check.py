"""Checking evidence: what is damaged, gone or back is recorded once, and said of whoever rests on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from crisplens.api import Registry
from crisplens.core.content_store import LocalStore
from crisplens.core.errors import RegistryError
from tests.conftest import ANA, BO, CI, Files, assert_refused, log_of

pytestmark = pytest.mark.stored


@pytest.fixture
def kept(registry: Registry, files: Files) -> Registry:
    """Two evidence files: `notes.md` and `bill.txt`."""
    registry.evidence.add(files.text("notes", "notes.md"))
    registry.evidence.add(files.text("a bill", "bill.txt"))
    return registry


def place(registry: Registry, name: str) -> Path:
    """Where the content of an evidence file is kept."""
    store = registry.configuration.open_evidence()
    assert isinstance(store, LocalStore)
    return store.path(registry.evidence.show(name).digest)


def spoil(registry: Registry, name: str, content: bytes = b"another") -> bytes:
    """Put other content where that of an evidence file is kept; returns what was there."""
    file = place(registry, name)
    before = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(content)
    return before


def types(registry: Registry, count: int) -> list[str]:
    """The types of the newest events."""
    return [one.type for one in registry.audit.log()][-count:]


def faults(registry: Registry) -> dict[str, str | None]:
    """What the last check found, by name."""
    return {one.name: one.fault for one in registry.evidence.list()}


def test_evidence_that_is_as_recorded_records_nothing(kept: Registry) -> None:
    head = kept.audit.head()
    assert kept.evidence.check() == []
    assert kept.audit.head() == head
    assert faults(kept) == {"notes.md": None, "bill.txt": None}


def test_a_registry_without_evidence_has_nothing_to_check(registry: Registry) -> None:
    head = registry.audit.head()
    assert registry.evidence.check() == []
    assert registry.audit.head() == head


@pytest.mark.parametrize("content", [b"another", b"", b"notes\n"])
def test_damaged_content_is_recorded_once(kept: Registry, content: bytes) -> None:
    before = spoil(kept, "notes.md", content)
    (fault,) = kept.acting_as(BO).evidence.check()
    assert (fault.name, fault.fault) == ("notes.md", "is damaged")
    entry = kept.audit.log()[-1]
    assert (entry.type, entry.actor.id, fault.fault_seq) == ("evidence.failed", BO, entry.seq)
    head = kept.audit.head()
    assert kept.evidence.check() == [fault]
    assert kept.audit.head() == head
    spoil(kept, "notes.md", before)
    assert kept.evidence.check() == []
    assert types(kept, 1) == ["evidence.restored"]
    assert faults(kept) == {"notes.md": None, "bill.txt": None}
    assert kept.audit.verify().passed


def test_what_is_gone_and_then_damaged_is_two_findings(kept: Registry) -> None:
    file = place(kept, "notes.md")
    before = file.read_bytes()
    file.unlink()
    assert [(one.name, one.fault) for one in kept.evidence.check()] == [("notes.md", "is gone")]
    file.write_bytes(b"another")
    assert [(one.name, one.fault) for one in kept.evidence.check()] == [("notes.md", "is damaged")]
    assert types(kept, 2) == ["evidence.failed", "evidence.failed"]
    file.write_bytes(before)
    assert kept.evidence.check() == []
    assert kept.audit.verify().passed


def test_every_file_is_checked_in_one_go(kept: Registry) -> None:
    size = kept.audit.head().size
    for name in ("notes.md", "bill.txt"):
        place(kept, name).unlink()
    assert [one.name for one in kept.evidence.check()] == ["notes.md", "bill.txt"]
    assert kept.audit.head().size == size + 2


def test_content_that_is_added_again_is_back_with_the_next_check(kept: Registry, files: Files) -> None:
    place(kept, "notes.md").unlink()
    kept.evidence.check()
    kept.evidence.add(files.text("notes", "copy.md"))
    assert faults(kept)["notes.md"] == "is gone"
    assert kept.evidence.check() == []
    assert types(kept, 1) == ["evidence.restored"]


def test_what_was_redacted_is_gone_rightly(kept: Registry) -> None:
    kept.evidence.redact("notes.md", reason="names a customer")
    head = kept.audit.head()
    assert kept.evidence.check() == []
    assert kept.audit.head() == head


def test_a_fault_of_what_is_redacted_later_is_none_any_more(kept: Registry) -> None:
    spoil(kept, "notes.md")
    kept.evidence.check()
    kept.evidence.redact("notes.md", reason="names a customer")
    assert kept.evidence.check() == []
    assert faults(kept)["notes.md"] is None
    assert kept.audit.verify().passed


def test_each_project_checks_its_own(kept: Registry, files: Files) -> None:
    other = kept.on_project("other")
    other.project.add("other")
    other.evidence.add(files.text("notes", "same.md"))
    place(kept, "notes.md").unlink()
    assert [one.name for one in other.evidence.check()] == ["same.md"]
    assert faults(kept) == {"notes.md": None, "bill.txt": None}
    assert [one.name for one in kept.evidence.check()] == ["notes.md"]
    unknown = kept.on_project("none")
    assert_refused(kept, unknown.evidence.check, "unknown-name")


def test_who_may_not_record_records_no_finding(kept: Registry) -> None:
    kept.role.grant(ANA, "administrator")
    kept.role.grant(CI, "viewer")
    ci = kept.acting_as(CI)
    assert ci.evidence.check() == []
    place(kept, "notes.md").unlink()
    assert_refused(ci, ci.evidence.check, "no-role", "evidence.failed")
    assert faults(kept)["notes.md"] is None


def test_the_past_had_no_fault(kept: Registry) -> None:
    place(kept, "notes.md").unlink()
    point = kept.audit.head().size - 1
    kept.evidence.check()
    with kept.as_of(point) as then:
        assert faults(then)["notes.md"] is None
        assert_refused(kept, then.evidence.check, "as-of")


def test_a_log_that_is_taken_over_has_the_same_findings(kept: Registry, relogged) -> None:
    place(kept, "notes.md").unlink()
    kept.evidence.check()
    moved = relogged(kept, log_of(kept))
    assert faults(moved) == faults(kept) == {"notes.md": "is gone", "bill.txt": None}


def test_a_store_that_cannot_be_read_is_no_finding(kept: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RegistryError("the store does not answer", slug="evidence-store")

    monkeypatch.setattr(LocalStore, "check", fail)
    assert_refused(kept, kept.evidence.check, "evidence-store", kind=RegistryError)
    assert faults(kept) == {"notes.md": None, "bill.txt": None}
