"""Signed notes and tree heads: the published examples, round trips, and what is none."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crisplens.ledger.notes import (
    MOST_SIGNATURES,
    Checkpoint,
    NoteError,
    NoteKey,
    NoteSigner,
    check_key_name,
    open_note,
    parse_checkpoint,
    parse_key,
    parse_signer,
    sign_note,
    split_note,
)

# The key pairs and the note of the examples in golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
SAYING = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
BY_PETER = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
BY_ENOCH = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ="
)
# The examples of signed-note.md and tlog-checkpoint.md in github.com/C2SP/C2SP
# at 5ba5ee830903e91240fc6f9f3a7a9293d49e69c9.
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""
POEM = """Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
"""  # noqa: E501
SOFA = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""  # noqa: E501

KEYS = [NoteSigner(f"example.org/{at}", bytes([at]) * 32) for at in range(3)]
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
texts = st.text(st.characters(codec="utf-8", min_codepoint=32) | st.just("\n"), max_size=60).map(
    "{}\n".format
)
# Anything a file or an argument can hold, surrogates and control characters too, and almost notes.
anything = st.text(st.characters(), max_size=80) | st.lists(
    st.sampled_from(
        ["a", "+", "—", " ", "\n", "\n\n", "— a ", "AAAA", "=", "0", "-", "PRIVATE+KEY+", "\ud800", "\r"]
    )
).map("".join)


def test_the_key_of_the_examples_makes_their_signature() -> None:
    signer = parse_signer(PETER_PRIVATE)
    assert str(signer.key) == PETER
    assert signer.secret() == PETER_PRIVATE
    assert sign_note(SAYING, [signer]) == f"{SAYING}\n{BY_PETER}\n"


def test_the_examples_are_opened() -> None:
    peter, enoch = parse_key(PETER), parse_key(ENOCH)
    note = f"{SAYING}\n{BY_PETER}\n{BY_ENOCH}\n"
    assert open_note(note, [peter, enoch]).signed_by == (peter, enoch)
    assert open_note(note, [enoch]).signed_by == (enoch,)
    assert open_note(note, []).signed_by == ()
    assert open_note(note, [peter]).text == SAYING
    example = parse_key(EXAMPLE_KEY)
    assert open_note(EXAMPLE, [example]).signed_by == (example,)
    assert open_note(EXAMPLE, [example]).text == "This is an example message.\n"


def test_a_note_s_text_ends_at_its_last_blank_line() -> None:
    text, signatures = split_note(POEM)
    assert text.endswith("\n\ned è subito sera.\n")
    assert [(name, len(signature)) for name, _, signature in signatures] == [
        ("quasimodo.example/salvatore", 64)
    ]


def test_the_example_of_a_tree_head_is_read() -> None:
    text, _ = split_note(SOFA)
    head = parse_checkpoint(text)
    assert (head.origin, head.size, len(head.root)) == ("example.com/behind-the-sofa", 20852163, 32)
    assert str(head) == text


def test_extension_lines_of_a_tree_head_are_passed_over() -> None:
    text = SOFA.partition("\n\n")[0]
    assert parse_checkpoint(f"{text}\nmore\nand more\n").size == 20852163


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "origin",
        "origin\n1\n",
        "origin\n1\nAAAA\n",
        SOFA.partition("\n\n")[0],
        SOFA.replace("20852163", "020852163").partition("— ")[0].removesuffix("\n"),
        SOFA.replace("20852163", "-1").partition("\n\n")[0] + "\n",
        SOFA.replace("20852163", "+1").partition("\n\n")[0] + "\n",
        SOFA.replace("20852163", "1 ").partition("\n\n")[0] + "\n",
        SOFA.replace("20852163", "\u0661").partition("\n\n")[0] + "\n",
        SOFA.replace("20852163", "1_0").partition("\n\n")[0] + "\n",
        SOFA.replace("20852163", "9" * 5000).partition("\n\n")[0] + "\n",
        SOFA.replace("20852163", "").partition("— ")[0],
        SOFA.replace("q2I=", "q2J=").partition("\n\n")[0] + "\n",
        SOFA.replace("q2I=", "q2I").partition("\n\n")[0] + "\n",
        SOFA.partition("\n\n")[0] + "\n\nmore\n",
        SOFA.removeprefix("example.com/behind-the-sofa").partition("\n\n")[0] + "\n",
    ],
)
def test_what_is_no_tree_head(text: str) -> None:
    with pytest.raises(NoteError):
        parse_checkpoint(text)


@given(names, st.integers(0, 10**19), st.binary(min_size=32, max_size=32))
def test_a_tree_head_is_read_back(origin: str, size: int, root: bytes) -> None:
    assume("\n" not in origin)
    head = Checkpoint(origin, size, root)
    assert parse_checkpoint(str(head)) == head


@given(texts, st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
def test_a_note_is_opened_as_it_was_signed(text: str, signers: list[NoteSigner]) -> None:
    note = sign_note(text, signers)
    opened = open_note(note, [one.key for one in KEYS])
    assert opened.text == text
    assert opened.signed_by == tuple(one.key for one in signers)


@given(texts, st.data())
def test_no_changed_character_of_a_note_passes(text: str, data: st.DataObject) -> None:
    note = sign_note(text, KEYS[:1])
    at = data.draw(st.integers(0, len(note) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda one: one != note[at]))
    changed = data.draw(
        st.sampled_from([note[:at] + other + note[at + 1 :], note[:at] + note[at + 1 :], note[:at]])
    )
    assume(changed != note)
    try:
        opened = open_note(changed, [KEYS[0].key])
    except NoteError:
        return
    # The name or the hash of the key was changed: it is another's signature, which nobody knows.
    assert opened.signed_by == ()


@given(names.filter(lambda name: name.isprintable() and "+" not in name and not any(map(str.isspace, name))))
def test_keys_are_read_back(name: str) -> None:
    signer = NoteSigner(name, b"x" * 32)
    assert parse_key(str(signer.key)) == signer.key
    assert parse_key(f" {signer.key}\n") == signer.key
    assert parse_signer(signer.secret()) == signer


@pytest.mark.parametrize(("text", "parse"), [(PETER, parse_key), (PETER_PRIVATE, parse_signer)])
@given(st.data())
def test_no_changed_character_of_a_key_passes(
    text: str, parse: Callable[[str], object], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda one: one != text[at]))
    for changed in (
        text[:at],
        text[:at] + other + text[at + 1 :] + ".",
        f".{text[:at]}{other}{text[at + 1 :]}.",
    ):
        with pytest.raises(NoteError):
            parse(changed)


@given(anything)
def test_arbitrary_text_is_a_note_or_a_note_error(text: str) -> None:
    for parse in (parse_key, parse_signer, parse_checkpoint, split_note, check_key_name):
        try:
            parse(text)
        except NoteError:
            continue
    for keys in ([], [KEYS[0].key]):
        try:
            open_note(text, keys)
        except NoteError:
            continue
    try:
        sign_note(text, KEYS[:1])
    except NoteError:
        return


@given(anything)
def test_arbitrary_text_around_a_genuine_signature_is_a_note_error(text: str) -> None:
    assume(text != "a\n")
    signature = sign_note("a\n", KEYS[:1]).rpartition("\n\n")[2]
    with pytest.raises(NoteError):
        open_note(f"{text}\n\n{signature}" if text != "a" else f"b\n\n{signature}", [KEYS[0].key])


def test_a_signature_that_stands_twice_counts_once() -> None:
    note = sign_note("a\n", [KEYS[0], KEYS[0], KEYS[1]])
    assert open_note(note, [one.key for one in KEYS]).signed_by == (KEYS[0].key, KEYS[1].key)


def test_a_wrong_signature_of_a_known_key_spoils_the_note_even_beside_a_right_one() -> None:
    right, other = sign_note("a\n", KEYS[:2]), sign_note("b\n", KEYS[1:2])
    wrong = right.splitlines()[-1], other.splitlines()[-1]
    note = right.replace(*wrong)
    assert open_note(note, [KEYS[0].key]).signed_by == (KEYS[0].key,)
    with pytest.raises(NoteError, match=r"the signature of example\.org/1\+"):
        open_note(note, [one.key for one in KEYS])


def test_a_signature_is_its_key_s_by_name_and_hash() -> None:
    note = sign_note("a\n", KEYS[:1])
    other_name = NoteKey("example.org/9", KEYS[0].key.public)
    other_key = NoteKey(KEYS[0].name, KEYS[1].key.public)
    assert open_note(note, [other_name, other_key]).signed_by == ()


@pytest.mark.parametrize("count", [16, MOST_SIGNATURES])
def test_as_many_signatures_as_the_format_asks_for_are_taken(count: int) -> None:
    line = f"— other {base64.b64encode(bytes(68)).decode()}\n"
    note = sign_note("a\n", KEYS[:1]) + line * (count - 1)
    assert open_note(note, [KEYS[0].key]).signed_by == (KEYS[0].key,)
    with pytest.raises(NoteError, match="too many"):
        open_note(note + line * MOST_SIGNATURES, [KEYS[0].key])


def test_a_text_without_bounds_is_not_read() -> None:
    with pytest.raises(NoteError, match="too long"):
        split_note("a\n" * 1_000_000)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "a",
        "a\n",
        "a\n\n",
        "a\n\nb\n",
        "a\n\n— b\n",
        "a\n\n— b \n",
        "a\n\n—  AAAAAAA=\n",
        "a\n\n— b AAAA\n",
        "a\n\n- b AAAAAAA=\n",
        "a\n\n— b AAAAAAA=",
        "a\n\n— b AAAAAAB=\n",
        "a\n\n— b AAAAAAA=\n\n",
        "a\n\n— b AAAAAAA=\r\n",
        "a\r\n\n— b AAAAAAA=\n",
        "a\t\n\n— b AAAAAAA=\n",
        "a\n\n— \x01 AAAAAAA=\n",
        "\ud800\n\n— b AAAAAAA=\n",
    ],
)
def test_what_is_no_note(note: str) -> None:
    with pytest.raises(NoteError):
        open_note(note, [])


@pytest.mark.parametrize("text", ["", "no newline", "a\x00\n", "a\r\n", "\ud800\n"])
def test_what_no_note_holds_is_not_signed(text: str) -> None:
    with pytest.raises(NoteError):
        sign_note(text, KEYS)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "\u2003", "a\u00a0b", "\x00", "\ud800", "n" * 201])
def test_what_cannot_name_a_key(name: str) -> None:
    with pytest.raises(NoteError):
        check_key_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a+b",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        PETER.replace("+c74f", "+C74F"),
        PETER.replace("+A", "+B"),
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER[:-4],
        f"{PETER}+",
        PETER_PRIVATE,
        ENOCH.replace("EnochRoot", "PeterNeumann"),
    ],
)
def test_what_is_no_verifier_key(text: str) -> None:
    with pytest.raises(NoteError):
        parse_key(text)


@pytest.mark.parametrize("at", range(len("PRIVATE+KEY+"), len(PETER_PRIVATE)))
def test_errors_about_a_damaged_private_key_do_not_show_it(at: int) -> None:
    secret = PETER_PRIVATE.rpartition("+A")[2]
    for damaged in (
        PETER_PRIVATE[:at] + "!" + PETER_PRIVATE[at + 1 :],
        PETER_PRIVATE[:at],
        PETER_PRIVATE[at:],
        PETER_PRIVATE[:at] + " " + PETER_PRIVATE[at:],
    ):
        with pytest.raises(NoteError) as caught:
            parse_signer(damaged)
        said = str(caught.value)
        assert not any(secret[start : start + 8] in said for start in range(len(secret) - 8)), said


def test_a_signer_does_not_show_its_seed() -> None:
    signer = parse_signer(PETER_PRIVATE)
    assert repr(signer) == "NoteSigner(name='PeterNeumann')"
    assert "AYEK" not in f"{signer} {signer!r} {[signer]}"
