"""Kept heads against a log: what fits, what does not, and how closely the difference is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from crisplens.api import Registry
from crisplens.ledger import merkle
from crisplens.ledger.notes import Checkpoint, NoteKey, NoteSigner, sign_note
from crisplens.ledger.verdict import Verdict
from crisplens.ledger.verify_consistency import KeptHead, events, verify_consistency
from tests.conftest import log_of

pytestmark = pytest.mark.stored

SIGNER = NoteSigner("example.org/log", b"1" * 32)
SIZE = 6


@pytest.fixture
def log(registry: Registry) -> Registry:
    """A log of six events."""
    for number in range(SIZE - 1):
        registry.kpi.set(f"kpi-{number}", target=number)
    return registry


def leaves_of(registry: Registry) -> dict[int, bytes]:
    """The leaf hashes of its events."""
    return {seq: merkle.leaf_hash(text.encode()) for seq, text in enumerate(log_of(registry))}


def kept(
    registry: Registry,
    size: int,
    name: str = "kept",
    *,
    leaves: Mapping[int, bytes] | None = None,
    **other: bytes,
) -> KeptHead:
    """The head of the first events, or with another `root`, and leaves known beside it."""
    root = other.get("root", bytes.fromhex(registry.audit.head(min(size, SIZE)).root))
    return KeptHead(name, size, root, None, leaves or {})


def verdict(registry: Registry, *heads: KeptHead, keys: Sequence[NoteKey] = ()) -> Verdict:
    """What the check says of these heads."""
    with registry.reading_log() as session:
        return verify_consistency(session, heads, keys)


def listed(registry: Registry, *heads: KeptHead) -> list[str]:
    """What it finds, and where."""
    return [f"{one.where}: {one.what}" for one in verdict(registry, *heads).findings]


WRONG = bytes(32)


def test_heads_of_every_size_fit(log: Registry) -> None:
    found = verdict(log, *(kept(log, size, leaves=leaves_of(log)) for size in range(SIZE + 1)))
    assert (found.passed, found.name) == (True, "consistency")
    assert found.checked == "7 kept heads against the log of 6 events"
    assert [note.what.split(" events")[0] for note in found.notes] == list("0123456")


@pytest.mark.parametrize("size", range(SIZE + 1))
def test_a_head_with_another_root_never_fits(log: Registry, size: int) -> None:
    assert not verdict(log, kept(log, size, root=WRONG)).passed
    assert not verdict(log, kept(log, size), kept(log, size, "other", root=WRONG)).passed
    assert not verdict(log, kept(log, size, "other", root=WRONG), kept(log, size)).passed
    every = {seq: leaf for seq, leaf in leaves_of(log).items() if seq < size}
    found = listed(log, kept(log, size, root=WRONG, leaves=every))
    assert "its root is not that of its" in found[0]
    assert found[0].startswith("kept: ")


def test_two_heads_of_one_size_that_differ_are_told_apart(log: Registry) -> None:
    found = listed(log, kept(log, 4, "mine"), kept(log, 4, "theirs", root=WRONG))
    assert found == ["theirs: its root is not that of its 4 events, which are the log's: it was changed"]


def test_a_difference_lies_after_the_last_head_that_fits(log: Registry) -> None:
    heads = [kept(log, 5, "five", root=WRONG), kept(log, 2), kept(log, 3), kept(log, 6, "six", root=WRONG)]
    assert listed(log, *heads) == [
        "some of events 3 to 4: are not those under the head that was kept (five)",
        "some of events 3 to 5: are not those under the head that was kept (six)",
    ]
    assert listed(log, kept(log, 4), kept(log, 5, root=WRONG)) == [
        "some of event 4: are not those under the head that was kept (kept)"
    ]


def test_a_head_that_fits_after_one_that_does_not_narrows_nothing_wrongly(log: Registry) -> None:
    found = listed(log, kept(log, 3, "three", root=WRONG), kept(log, 5))
    assert found == ["some of events 0 to 2: are not those under the head that was kept (three)"]


def test_leaves_tell_the_first_event_that_differs(log: Registry) -> None:
    leaves = leaves_of(log) | {2: WRONG, 4: WRONG}
    assert listed(log, kept(log, 6, root=WRONG, leaves=leaves))[0].startswith("event 2: ")
    known = {seq: leaves[seq] for seq in (1, 4)}
    assert listed(log, kept(log, 6, root=WRONG, leaves=known))[0].startswith("event 4: ")
    assert listed(log, kept(log, 6, root=WRONG, leaves={1: leaves[1]}))[0].startswith(
        "some of events 0 to 5: "
    )


def test_leaves_beyond_a_head_are_not_asked_for(log: Registry) -> None:
    leaves = {-1: WRONG, 5: WRONG, 10**30: WRONG}
    assert listed(log, kept(log, 4, root=WRONG, leaves=leaves))[0].startswith("some of events 0 to 3: ")
    assert verdict(log, kept(log, 4, leaves=leaves)).passed


def test_many_leaves_are_asked_for_in_parts(log: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crisplens.ledger.verify_consistency._LEAVES", 2)
    leaves = leaves_of(log) | {5: WRONG}
    assert listed(log, kept(log, 6, root=WRONG, leaves=leaves))[0].startswith("event 5: ")


@pytest.mark.parametrize("size", [7, 8, 10**19])
def test_a_head_of_more_events_says_which_are_gone(log: Registry, size: int) -> None:
    (found,) = listed(log, kept(log, size, root=WRONG))
    last = "event 6" if size == 7 else f"events 6 to {size - 1}"
    assert found == f"{last}: are gone: kept is of {size} events, and the log has 6"
    both = listed(log, kept(log, size, root=WRONG, leaves={3: WRONG}))
    assert [line.split(":")[0] for line in both] == [last, "event 3"]


def note_of(registry: Registry, *signers: NoteSigner, size: int = SIZE) -> str:
    """A signed head of the log."""
    root = bytes.fromhex(registry.audit.head(size).root)
    return sign_note(str(Checkpoint("log", size, root)), signers)


def test_who_signed_a_head_is_said(log: Registry) -> None:
    root = bytes.fromhex(log.audit.head().root)
    note = note_of(log, SIGNER)
    found = verdict(log, KeptHead("kept", SIZE, root, note), keys=[SIGNER.key])
    assert found.passed
    assert found.notes[0].what == f"6 events, root {root.hex()}, signed by {SIGNER.key.id}"
    unknown = verdict(log, KeptHead("kept", SIZE, root, note))
    assert [one.what for one in unknown.findings] == ["is signed by no log key that this registry trusts"]
    forged = note.replace("log\n6", "lag\n6")
    wrong = verdict(log, KeptHead("kept", SIZE, root, forged), keys=[SIGNER.key])
    assert [one.what for one in wrong.findings] == [f"the signature of {SIGNER.key.id} is wrong"]
    assert verdict(log, kept(log, SIZE)).notes[0].what.endswith("not signed")


@pytest.mark.parametrize(("start", "end", "words"), [(3, 4, "event 3"), (0, 2, "events 0 to 1")])
def test_events_in_words(start: int, end: int, words: str) -> None:
    assert events(start, end) == words
