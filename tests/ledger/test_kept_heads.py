"""What an auditor kept is read in every form in which the tool gave it; anything else is one clear error."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.ledger import merkle
from crisplens.ledger.kept_heads import parse_kept_head, read_kept_head, read_pinned_key
from crisplens.ledger.notes import Checkpoint, NoteSigner, sign_note
from crisplens.ledger.proofs import Proof

SIGNER = NoteSigner("example.org/log", b"1" * 32)
LINES = ['{"seq":0,"a":"ä"}', '{"a":1,"seq":1}', '{"seq":2}']
LEAVES = {seq: merkle.leaf_hash(line.encode()) for seq, line in enumerate(LINES)}
ROOT = merkle.node_hash(merkle.node_hash(LEAVES[0], LEAVES[1]), LEAVES[2])
HEAD = Checkpoint("example.org/log", 3, ROOT)
NOTE = sign_note(str(HEAD), [SIGNER])
PROOF = str(Proof(LINES[2], 2, (merkle.node_hash(LEAVES[0], LEAVES[1]),), NOTE))


@pytest.mark.parametrize(
    ("text", "note", "leaves"),
    [
        (f"3 events\n{ROOT.hex()}\n", None, {}),
        (f"  3 events {ROOT.hex()}", None, {}),
        (json.dumps({"size": 3, "root": ROOT.hex()}), None, {}),
        (json.dumps({"note": NOTE}), NOTE, {}),
        (str(HEAD), None, {}),
        (NOTE, NOTE, {}),
        (PROOF, NOTE, {2: LEAVES[2]}),
    ],
)
def test_every_form_of_a_head_is_read(
    tmp_path: Path, text: str, note: str | None, leaves: dict[int, bytes]
) -> None:
    file = tmp_path / "kept"
    file.write_text(text, encoding="utf-8")
    head = read_kept_head(file)
    assert (head.name, head.size, head.root) == ("kept", 3, ROOT)
    assert (head.note, head.leaves) == (note, leaves)


def bundle(file: Path, head: str = NOTE, events: str | None = None, *, also: str = "evidence/x") -> Path:
    """A bundle of these members."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("head.txt", head)
        archive.writestr("events.jsonl", "".join(f"{line}\n" for line in LINES) if events is None else events)
        archive.writestr(also, "more")
    return file


def test_a_bundle_is_read_with_its_events(tmp_path: Path) -> None:
    for head in (NOTE, f"3 events\n{ROOT.hex()}\n"):
        read = read_kept_head(bundle(tmp_path / "kept.zip", head))
        assert (read.name, read.size, read.root, dict(read.leaves)) == ("kept.zip", 3, ROOT, LEAVES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "3",
        "3 events",
        f"3 events {ROOT.hex()} more",
        f"-3 events {ROOT.hex()}",
        f"\u0663 events {ROOT.hex()}",
        f"1_0 events {ROOT.hex()}",
        f"{'9' * 5000} events {ROOT.hex()}",
        f"3 events {ROOT.hex()[:-1]}",
        f"3 events {ROOT.hex()[:-1]}g",
        f"3 events {ROOT.hex().upper()}",
        "{",
        "{}",
        "[]",
        "null",
        '{"size": 3}',
        '{"size": null, "root": ""}',
        json.dumps({"size": 3, "root": " ".join([ROOT.hex()[:31], ROOT.hex()[31:63]])}),
        json.dumps({"size": -1, "root": ROOT.hex()}),
        json.dumps({"size": "3", "root": ROOT.hex()}),
        json.dumps({"size": 3.5, "root": ROOT.hex()}),
        json.dumps({"note": "no note"}),
        str(HEAD).replace("\n3\n", "\n03\n"),
        NOTE.replace("\n3\n", "\nthree\n"),
        PROOF.replace("index 2", "index two"),
        PROOF.partition("\n\n")[0],
        "c2sp.org/tlog-proof@v1",
        "\ufeff3 events",
    ],
)
def test_what_holds_no_head_is_our_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "kept"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="holds no tree head") as caught:
        read_kept_head(file)
    assert caught.value.slug == "bad-head"


@given(st.text(st.characters(), max_size=60) | st.text('{}[]":,0123456789events \nroot', max_size=60))
def test_arbitrary_text_is_a_head_or_a_value_error(text: str) -> None:
    for start in ("", "{", "c2sp.org/tlog-proof@v1\n", "log\n3\n"):
        try:
            parse_kept_head(start + text, "kept")
        except ValueError:
            continue


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_our_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "arbitrary"
    for start in (b"", b"PK\x03\x04"):
        file.write_bytes(start + content)
        with pytest.raises(InputError):
            read_kept_head(file)


@given(st.data())
def test_a_damaged_bundle_is_read_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    file = bundle(tmp_path_factory.getbasetemp() / "damaged.zip")
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    try:
        head = read_kept_head(file)
    except InputError:
        return
    assert (head.size, head.root) == (3, ROOT)


@pytest.mark.parametrize(
    ("head", "events"),
    [
        ("", ""),
        ("no head", ""),
        (NOTE, "no JSON\n"),
        (NOTE, "\n"),
        (NOTE, '{"seq":"x"}\n'),
        (NOTE, '{"other":1}\n'),
        (NOTE, '{"seq":0,"a":"' + "x" * (5 << 20) + '"}\n'),
    ],
)
def test_a_bundle_that_holds_something_else_is_our_error(tmp_path: Path, head: str, events: str) -> None:
    with pytest.raises(InputError, match="holds no tree head"):
        read_kept_head(bundle(tmp_path / "kept.zip", head, events))


def test_an_archive_that_is_no_bundle_or_locked_is_our_error(tmp_path: Path) -> None:
    file = tmp_path / "other.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(InputError, match="holds no tree head"):
        read_kept_head(file)
    content = bytearray(bundle(file).read_bytes())
    # The flag of an encrypted member, in its own header and in the directory.
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="encrypted"):
        read_kept_head(file)


def test_what_is_no_file_is_our_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing", tmp_path / ("n" * 300), Path("/dev/zero")):
        with pytest.raises(InputError):
            read_kept_head(path)


def test_a_pinned_key_is_read_or_our_error() -> None:
    assert read_pinned_key(f"{SIGNER.key}\n") == SIGNER.key
    for text in ("", "key", SIGNER.secret(), str(SIGNER.key)[:-1]):
        with pytest.raises(InputError) as caught:
            read_pinned_key(text)
        assert caught.value.slug == "bad-key"
        assert SIGNER.secret()[-20:] not in f"{caught.value.message} {caught.value.hint}"
