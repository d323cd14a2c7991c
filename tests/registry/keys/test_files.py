"""Private keys stay where only their owner reads them, and show nowhere else."""

from __future__ import annotations

import stat
import traceback
from pathlib import Path

import pytest

from crisplens.core.errors import CrisplensError, InputError
from crisplens.ledger.notes import Checkpoint, NoteSigner, sign_note
from crisplens.registry.keys.files import (
    SignedLast,
    default_key_file,
    is_private,
    load_signer,
    make_signer,
    write_signer,
)

SIGNER = NoteSigner("example.org/log", bytes(range(32)))
SECRET = SIGNER.secret()


def seed_shows(text: str) -> bool:
    """Whether a text holds a good part of the secret."""
    encoded = SECRET.rpartition("+A")[2]
    return any(encoded[start : start + 8] in text for start in range(len(encoded) - 8))


def refused(location: str, folder: Path) -> CrisplensError:
    """The error for a location that gives no key; it does not show the secret, nor do its causes."""
    with pytest.raises(InputError) as caught:
        load_signer(location, folder)
    error = caught.value
    assert not seed_shows(f"{error.message}{error.hint}{error!r}")
    assert not seed_shows("".join(traceback.format_exception(error)))
    return error


def test_a_key_is_written_for_its_owner_alone_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "signing.key"
    write_signer(SIGNER, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text(encoding="utf-8") == f"{SECRET}\n"
    assert load_signer("new/folder/signing.key", tmp_path) == SIGNER
    assert load_signer(str(file), Path("/")) == SIGNER


def test_two_keys_are_never_alike() -> None:
    assert make_signer("example.org/log").seed != make_signer("example.org/log").seed


@pytest.mark.parametrize("there", ["file", "folder", "dangling link", "link"])
def test_what_is_there_is_never_overwritten(tmp_path: Path, there: str) -> None:
    file, target = tmp_path / "signing.key", tmp_path / "target"
    if there == "file":
        file.write_text("mine", encoding="utf-8")
    elif there == "folder":
        file.mkdir()
    else:
        file.symlink_to(target)
        if there == "link":
            target.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        write_signer(SIGNER, file)
    assert caught.value.slug == "exists"
    assert not seed_shows(f"{caught.value.message}{caught.value.hint}")
    assert [
        one for one in (file, target) if one.is_file() and one.read_text(encoding="utf-8") != "mine"
    ] == []


def test_a_full_disk_leaves_no_half_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crisplens.registry.keys.files.os.fsync", full)
    with pytest.raises(InputError, match="No space left") as caught:
        write_signer(SIGNER, tmp_path / "signing.key")
    assert caught.value.slug == "unwritable"
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for file in (tmp_path / "file" / "signing.key", tmp_path / ("n" * 300)):
        with pytest.raises(InputError) as caught:
            write_signer(SIGNER, file)
        assert caught.value.slug == "unwritable"


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "n" * 201])
def test_names_that_no_key_has_are_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        make_signer(name)
    assert caught.value.slug == "bad-name"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o620, 0o601, 0o777])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "signing.key"
    write_signer(SIGNER, file)
    file.chmod(mode)
    error = refused("signing.key", tmp_path)
    assert error.slug == "open-key"
    assert f"mode {mode:04o}" in error.message
    assert "rotate" in error.hint


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_that_only_its_owner_reads_is_taken(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "signing.key"
    write_signer(SIGNER, file)
    file.chmod(mode)
    assert load_signer("signing.key", tmp_path) == SIGNER


@pytest.mark.parametrize(
    "content", [b"", b"no key", b"\xff", SECRET[:-5].encode(), SECRET[12:].encode(), b"x" * 20_000]
)
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "signing.key"
    file.write_bytes(content)
    file.chmod(0o600)
    assert refused("signing.key", tmp_path).slug in ("bad-key", "no-signing-key")


def test_a_file_that_is_not_there_is_told_how_to_be_made(tmp_path: Path) -> None:
    for location in ("nothing", ".", "n" * 300):
        error = refused(location, tmp_path)
        assert error.slug == "no-signing-key"
        assert "crisplens key generate NAME" in error.hint


def test_a_key_from_the_environment_is_taken(tmp_path: Path) -> None:
    for location in (SECRET, f"{SECRET}\n", f" {SECRET}", f"\n{SECRET}\n"):
        assert load_signer(location, tmp_path) == SIGNER
        assert SignedLast(location, tmp_path).read() is None


@pytest.mark.parametrize(
    "location",
    [
        SECRET[:-1],
        f'"{SECRET}"',
        f"'{SECRET}'",
        f"{SECRET} # the key",
        f"export {SECRET}",
        SECRET.replace("PRIVATE+KEY+", "private+key+"),
        SECRET.replace("PRIVATE+KEY+", "PRIVATE+KEY"),
        SECRET.replace("example.org/log", "a b"),
        f"file:{SECRET}",
    ],
)
def test_a_damaged_key_from_the_environment_is_not_shown_nor_made_a_file_s_name(
    tmp_path: Path, location: str
) -> None:
    assert is_private(location)
    assert refused(location, tmp_path).slug == "bad-key"
    with pytest.raises(InputError) as caught:
        default_key_file(location)
    assert not seed_shows(f"{caught.value.message}{caught.value.hint}")
    last = SignedLast(location, tmp_path)
    last.write("note")
    assert last.read() is None
    assert list(tmp_path.iterdir()) == []


def test_a_new_key_goes_where_the_old_one_would_be() -> None:
    assert default_key_file(".crisplens/signing.key") == ".crisplens/signing.key"


NOTE = sign_note(str(Checkpoint("example.org/log", 3, bytes(32))), [SIGNER])


def test_the_head_that_was_signed_last_is_remembered_beside_the_key(tmp_path: Path) -> None:
    last = SignedLast("signing.key", tmp_path)
    assert last.read() is None
    last.write(NOTE)
    assert last.read() == Checkpoint("example.org/log", 3, bytes(32))
    assert [one.name for one in tmp_path.iterdir()] == ["signing.key.last-head"]


@pytest.mark.parametrize("content", [b"", b"damaged", b"\xff", NOTE.encode()[:30], b"log\nthree\nAAAA\n"])
def test_a_memory_that_was_damaged_is_an_error_and_not_no_memory(tmp_path: Path, content: bytes) -> None:
    last = SignedLast("signing.key", tmp_path)
    (tmp_path / "signing.key.last-head").write_bytes(content)
    with pytest.raises(InputError) as caught:
        last.read()
    assert caught.value.slug == "bad-head"


def test_a_memory_that_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "signing.key.last-head").mkdir()
    last = SignedLast("signing.key", tmp_path)
    with pytest.raises(InputError) as caught:
        last.read()
    assert caught.value.slug == "bad-head"
    with pytest.raises(InputError) as caught:
        last.write(NOTE)
    assert caught.value.slug == "not-a-file"
