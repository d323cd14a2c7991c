"""Proofs and signed heads of a real log: whatever is changed in them, they prove nothing any more."""

from __future__ import annotations

import base64
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.api import Registry
from crisplens.core.errors import InputError, RegistryError
from crisplens.ledger import merkle
from crisplens.ledger.notes import Checkpoint, NoteError, NoteSigner, open_note, parse_checkpoint, sign_note
from crisplens.ledger.proofs import (
    Proof,
    check_proof,
    head_at,
    parse_proof,
    prove_inclusion,
    read_note_head,
    sign_head,
)
from crisplens.ledger.queries import TreeHead
from tests.conftest import assert_refused

SIGNER, OTHER = NoteSigner("example.org/log", b"1" * 32), NoteSigner("example.org/log", b"2" * 32)


@pytest.fixture
def log(registry: Registry) -> Registry:
    """A log of eleven events."""
    for number in range(10):
        registry.kpi.set(f"kpi-{number}", target=number)
    return registry


def signed(registry: Registry, *signers: NoteSigner) -> str:
    """The newest head as a signed note."""
    with registry.reading_log() as session:
        return sign_head(session, signers or [SIGNER])


@pytest.mark.stored
def test_every_event_is_proven_against_every_later_head(log: Registry) -> None:
    with log.reading_log() as session:
        texts = [one.envelope for one in (prove_inclusion(session, seq, signed(log)) for seq in range(11))]
        for size in range(1, 12):
            note = sign_note(
                str(Checkpoint(SIGNER.name, size, bytes.fromhex(head_at(session, size).root))), [SIGNER]
            )
            for seq in range(size):
                proof = prove_inclusion(session, seq, note)
                assert check_proof(parse_proof(str(proof)), [SIGNER.key]) == (SIGNER.key,)
                assert proof.envelope == texts[seq]


@pytest.mark.stored
def test_heads_of_all_sizes_are_those_that_the_log_had(registry: Registry) -> None:
    heads = [registry.audit.head()]
    for number in range(9):
        registry.kpi.set(f"kpi-{number}", target=number)
        heads.append(registry.audit.head())
    assert [registry.audit.head(head.size) for head in heads] == heads
    assert registry.audit.head(0) == TreeHead(0, merkle.EMPTY_ROOT.hex())
    for size in (-1, 11):
        assert_refused(registry, partial(registry.audit.head, size), "unknown-name", "has 10 events")


@pytest.mark.stored
def test_a_signed_head_is_a_note_that_any_tool_can_open(log: Registry) -> None:
    note = signed(log, SIGNER, OTHER)
    opened = open_note(note, [OTHER.key, SIGNER.key])
    assert opened.signed_by == (SIGNER.key, OTHER.key)
    head = parse_checkpoint(opened.text)
    assert (head.origin, TreeHead(head.size, head.root.hex())) == (SIGNER.name, log.audit.head())


@pytest.mark.stored
def test_an_empty_log_has_a_head_that_can_be_signed(bare: Registry) -> None:
    head = read_note_head(signed(bare))
    assert (head.size, head.root) == (0, merkle.EMPTY_ROOT)
    assert_refused(bare, lambda: bare.audit.prove("0", head=signed(bare)), "unknown-name", "has no event 0")


@pytest.mark.stored
def test_a_log_that_only_grew_is_signed_again(log: Registry) -> None:
    with log.reading_log() as session:
        for size in range(12):
            last = Checkpoint("log", size, bytes.fromhex(head_at(session, size).root))
            assert sign_head(session, [SIGNER], last=last)


@pytest.mark.stored
@pytest.mark.parametrize(("size", "root"), [(11, bytes(32)), (3, bytes(32)), (12, bytes(32)), (10**19, b"")])
def test_a_log_that_does_not_continue_what_was_signed_is_not_signed(
    log: Registry, size: int, root: bytes
) -> None:
    with log.reading_log() as session, pytest.raises(RegistryError, match="not the continuation") as caught:
        sign_head(session, [SIGNER], last=Checkpoint("log", size, root))
    assert caught.value.slug == "rewritten"


@pytest.mark.stored
@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("", "no signed tree head"),
        ("no note", "no signed tree head"),
        ("11 events\n" + "0" * 64, "no signed tree head"),
        (str(Checkpoint("log", 11, bytes(32))), "no signed tree head"),
        (sign_note("a text\n", [SIGNER]), "no signed tree head"),
        (sign_note(str(Checkpoint("log", 12, bytes(32))), [SIGNER]), "the log has 11"),
        (sign_note(str(Checkpoint("log", 10**19, bytes(32))), [SIGNER]), "the log has 11"),
    ],
)
def test_nothing_is_proven_against_what_is_no_head_of_the_log(log: Registry, note: str, words: str) -> None:
    assert_refused(log, lambda: log.audit.prove("3", head=note), "bad-head", words, kind=InputError)


@pytest.mark.stored
def test_nothing_is_proven_against_the_head_of_another_log(log: Registry) -> None:
    note = sign_note(str(Checkpoint("log", 11, bytes(32))), [SIGNER])
    assert_refused(
        log, lambda: log.audit.prove("3", head=note), "ledger-damaged", "event 3 is not in the log"
    )


@pytest.mark.stored
@pytest.mark.parametrize("thing", ["11", "9" * 18, "nothing", "-1", "f" * 32])
def test_what_is_not_in_the_log_is_not_proven(log: Registry, thing: str) -> None:
    assert_refused(log, lambda: log.audit.prove(thing, head=signed(log)), "unknown-name", kind=InputError)


@pytest.mark.stored
def test_an_event_is_named_by_its_number_or_its_id(log: Registry) -> None:
    note = signed(log)
    event = log.audit.log()[4]
    assert log.audit.prove("4", head=note) == log.audit.prove(event.id, head=note)


@pytest.mark.stored
def test_a_long_number_is_not_cut_off(log: Registry) -> None:
    assert log.audit.prove("0" * 18 + "5", head=signed(log)).index == 5


def proof_of(seq: int, leaves: list[str]) -> Proof:
    """A proof made by hand: of one of these envelopes, in a log of them that SIGNER signed."""
    nodes: dict[merkle.Place, bytes] = {}
    frontier: tuple[bytes, ...] = ()
    for at, leaf in enumerate(leaves):
        frontier, grown = merkle.grow(frontier, at, merkle.leaf_hash(leaf.encode()))
        nodes |= {(node.level, node.index): node.hash for node in grown}
    note = sign_note(str(Checkpoint(SIGNER.name, len(leaves), merkle.root_hash(frontier))), [SIGNER])
    spans = merkle.inclusion_spans(seq, len(leaves))
    return Proof(leaves[seq], seq, tuple(merkle.span_hash(span, nodes.__getitem__) for span in spans), note)


envelopes = st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=20)


@given(envelopes, st.data())
def test_proofs_are_read_back_and_prove(leaves: list[str], data: st.DataObject) -> None:
    proof = proof_of(data.draw(st.integers(0, len(leaves) - 1)), leaves)
    assert parse_proof(str(proof)) == proof
    assert check_proof(proof, [SIGNER.key]) == (SIGNER.key,)
    assert check_proof(proof, [OTHER.key]) == ()


@given(envelopes, st.data())
def test_no_changed_character_of_a_proof_proves(leaves: list[str], data: st.DataObject) -> None:
    text = str(
        proof_of(
            data.draw(st.integers(0, len(leaves) - 1)), [f"{at}{leaf}" for at, leaf in enumerate(leaves)]
        )
    )
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda one: one != text[at]))
    for changed in (text[:at] + other + text[at + 1 :], text[:at] + text[at + 1 :], text[:at]):
        if changed != text:
            assert signed_by_of(changed) == ()


def signed_by_of(text: str) -> tuple[object, ...]:
    """Which keys vouch for a proof; none when it proves nothing."""
    try:
        return check_proof(parse_proof(text), [SIGNER.key])
    except NoteError:
        return ()


@given(st.text(st.characters(), max_size=80), st.sampled_from(["", "c2sp.org/tlog-proof@v1\n", "extra "]))
def test_arbitrary_text_is_a_proof_or_a_note_error(text: str, start: str) -> None:
    for parse in (parse_proof, read_note_head):
        for given_text in (start + text, f"c2sp.org/tlog-proof@v1\nextra {text}", f"{text}\n\n{text}"):
            try:
                parse(given_text)
            except NoteError:
                continue


PROOF = proof_of(2, ["a", "b", "c", "d", "e"])


@pytest.mark.parametrize(
    "changed",
    [
        replace(PROOF, index=1),
        replace(PROOF, index=5),
        replace(PROOF, index=10**17),
        replace(PROOF, envelope="d"),
        replace(PROOF, path=PROOF.path[:-1]),
        replace(PROOF, path=PROOF.path[1:]),
        replace(PROOF, path=(*PROOF.path, bytes(32))),
        replace(PROOF, path=PROOF.path[::-1]),
        replace(PROOF, path=()),
        replace(PROOF, path=(PROOF.path[0][:31], *PROOF.path[1:])),
        replace(PROOF, path=(PROOF.path[0] + b"\0", *PROOF.path[1:])),
        replace(PROOF, note=PROOF.note.replace("\n5\n", "\n6\n")),
        replace(PROOF, note=PROOF.note.replace("\n5\n", "\n0\n")),
        replace(PROOF, note=PROOF.note.replace("example.org/log\n5", "example.org/other\n5")),
        replace(PROOF, note=PROOF.note.partition("\n\n")[0] + "\n"),
        replace(PROOF, note=""),
        replace(PROOF, note=sign_note(str(Checkpoint(SIGNER.name, 5, bytes(32))), [SIGNER])),
        replace(PROOF, note=proof_of(2, ["a", "b", "x", "d", "e"]).note),
    ],
)
def test_a_proof_of_which_something_was_changed_proves_nothing(changed: Proof) -> None:
    assert signed_by_of(str(PROOF)) == (SIGNER.key,)
    with pytest.raises(NoteError):
        check_proof(parse_proof(str(changed)), [SIGNER.key])


def test_a_proof_with_the_head_of_an_unknown_key_proves_nothing() -> None:
    note = sign_note(str(read_note_head(PROOF.note)), [OTHER])
    assert check_proof(replace(PROOF, note=note), [SIGNER.key]) == ()
    assert check_proof(replace(PROOF, note=note), [SIGNER.key, OTHER.key]) == (OTHER.key,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v1",
        "c2sp.org/tlog-proof@v2" + str(PROOF)[22:],
        str(PROOF).replace("extra ", "extra  "),
        str(PROOF).replace("index 2", "index 02"),
        str(PROOF).replace("index 2", "index -2"),
        str(PROOF).replace("index 2", "index \u0662"),
        str(PROOF).replace("index 2", "index " + "9" * 30),
        str(PROOF).replace("index 2\n", ""),
        str(PROOF).replace(f"extra {base64.b64encode(b'c').decode()}\n", ""),
        str(PROOF).replace(f"extra {base64.b64encode(b'c').decode()}", "extra /w=="),
        str(PROOF).replace(f"extra {base64.b64encode(b'c').decode()}", "extra Yz"),
        str(PROOF).replace(f"extra {base64.b64encode(b'c').decode()}", "extra Yx=="),
        str(PROOF).replace("\n\n", "\nAAAA\n\n"),
        str(PROOF).replace("\n", "\r\n"),
        f" {PROOF}",
    ],
)
def test_what_is_no_proof(text: str) -> None:
    with pytest.raises(NoteError):
        parse_proof(text)


def test_a_proof_without_bounds_is_not_read() -> None:
    with pytest.raises(NoteError, match="too long"):
        parse_proof("c2sp.org/tlog-proof@v1\n" * 500_000)


def test_a_head_is_read_from_what_its_signature_covers() -> None:
    # An empty line ends the head, whatever is signed after it.
    text = f"{Checkpoint('log', 5, bytes(32))}\nmore\n"
    note = sign_note(text, [SIGNER])
    assert open_note(note, [SIGNER.key]).text.startswith(str(read_note_head(note)))
