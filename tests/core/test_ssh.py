"""SSH signatures: what ssh-keygen makes is taken, what we record it takes, and nothing else passes."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.core.errors import InputError, RegistryError
from crisplens.core.ssh import (
    SshError,
    SshKey,
    armour,
    check_signature,
    parse_public_key,
    parse_signature,
    sign_with_ssh_keygen,
)
from tests.conftest import SshPerson, ssh_armour, ssh_strings

SPACE = "crisplens-approval"
MESSAGE = b'{"decision":"approved"}\n'
PERSON = SshPerson("bo@example.org")
with_openssh = pytest.mark.skipif(
    not all(map(shutil.which, ("ssh-keygen", "ssh-agent", "ssh-add"))), reason="OpenSSH is not installed here"
)
anything = st.text(st.characters(), max_size=120) | st.binary(max_size=120).map(ssh_armour)


def keygen(*arguments: str, message: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run ssh-keygen."""
    command = ["ssh-keygen", *arguments]
    return subprocess.run(
        command, input=message, capture_output=True, check=False, env={**os.environ, **variables}, timeout=60
    )


def made(folder: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A new key pair of ssh-keygen's: the private file."""
    file = folder / f"id_{kind}"
    done = keygen("-q", "-t", kind, "-N", passphrase, "-C", "bo@example.org", "-f", str(file))
    assert done.returncode == 0, done.stderr
    return file


def verified(folder: Path, public: str, signature: str, message: bytes, *, namespace: str = SPACE) -> bool:
    """Whether `ssh-keygen -Y verify` takes a signature for that of the key's owner."""
    (folder / "allowed").write_text(f"bo@example.org {public}\n", encoding="utf-8")
    (folder / "signature").write_text(signature, encoding="utf-8")
    names = ("-f", str(folder / "allowed"), "-I", "bo@example.org", "-n", namespace)
    done = keygen("-Y", "verify", *names, "-s", str(folder / "signature"), message=message)
    return done.returncode == 0


@with_openssh
@pytest.mark.parametrize("hash", ["sha256", "sha512"])
def test_what_ssh_keygen_signs_is_taken(tmp_path: Path, hash: str) -> None:
    key = made(tmp_path)
    (tmp_path / "message").write_bytes(MESSAGE)
    done = keygen(
        "-Y", "sign", "-n", SPACE, "-O", f"hashalg={hash}", "-f", str(key), str(tmp_path / "message")
    )
    assert done.returncode == 0, done.stderr
    signature = (tmp_path / "message.sig").read_text(encoding="utf-8")
    public = parse_public_key(key.with_suffix(".pub").read_text(encoding="utf-8"))
    assert check_signature(signature, MESSAGE, namespace=SPACE) == public
    assert armour(signature) == signature
    with pytest.raises(SshError, match="of another text"):
        check_signature(signature, MESSAGE + b"\n", namespace=SPACE)
    with pytest.raises(SshError, match=f"was made for '{SPACE}', not for 'file'"):
        check_signature(signature, MESSAGE, namespace="file")


@with_openssh
@pytest.mark.parametrize("hash", ["sha256", "sha512"])
def test_ssh_keygen_takes_what_the_tests_sign(tmp_path: Path, hash: str) -> None:
    signature = PERSON.sign(MESSAGE, hash=hash)
    assert check_signature(signature, MESSAGE, namespace=SPACE) == parse_public_key(PERSON.public)
    assert verified(tmp_path, PERSON.public, signature, MESSAGE)
    assert not verified(tmp_path, PERSON.public, signature, MESSAGE + b" ")
    assert not verified(tmp_path, PERSON.public, signature, MESSAGE, namespace="file")


@with_openssh
def test_ssh_keygen_prints_the_same_fingerprint(tmp_path: Path) -> None:
    key = made(tmp_path).with_suffix(".pub")
    assert (
        parse_public_key(key.read_text(encoding="utf-8")).fingerprint
        in keygen("-l", "-f", str(key)).stdout.decode()
    )
    assert parse_public_key(PERSON.public).fingerprint == PERSON.fingerprint


@with_openssh
def test_ssh_keygen_signs_with_a_key_file(tmp_path: Path) -> None:
    key = made(tmp_path)
    signature = sign_with_ssh_keygen(key, MESSAGE, namespace=SPACE)
    public = key.with_suffix(".pub").read_text(encoding="utf-8")
    assert check_signature(signature, MESSAGE, namespace=SPACE) == parse_public_key(public)
    assert verified(tmp_path, public, signature, MESSAGE)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A real ssh-agent, without any key."""
    socket = tmp_path / "agent"
    process = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    try:
        assert process.stdout
        process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.communicate(timeout=10)


@with_openssh
@pytest.mark.usefixtures("agent")
def test_ssh_keygen_signs_with_a_key_that_only_an_agent_holds(tmp_path: Path) -> None:
    key = made(tmp_path)
    public = key.with_suffix(".pub")
    key.rename(tmp_path / "aside")
    with pytest.raises(InputError, match="cannot sign with") as caught:
        sign_with_ssh_keygen(public, MESSAGE, namespace=SPACE)
    assert caught.value.slug == "bad-key"
    (tmp_path / "aside").rename(key)
    done = subprocess.run(["ssh-add", "-q", str(key)], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    key.unlink()
    signature = sign_with_ssh_keygen(public, MESSAGE, namespace=SPACE)
    expected = parse_public_key(public.read_text(encoding="utf-8"))
    assert check_signature(signature, MESSAGE, namespace=SPACE) == expected


@with_openssh
def test_a_passphrase_that_nobody_can_be_asked_for_is_our_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_ASKPASS", "/bin/false")
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(InputError, match="ssh-keygen cannot sign with") as caught:
        sign_with_ssh_keygen(made(tmp_path, passphrase="a long one"), MESSAGE, namespace=SPACE)
    assert caught.value.slug == "bad-key"


@with_openssh
@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_keys_of_other_kinds_are_refused(tmp_path: Path, kind: str) -> None:
    key = made(tmp_path, kind)
    with pytest.raises(SshError, match="only Ed25519 keys are taken"):
        parse_public_key(key.with_suffix(".pub").read_text(encoding="utf-8"))
    with pytest.raises(SshError, match="no Ed25519"):
        check_signature(sign_with_ssh_keygen(key, MESSAGE, namespace=SPACE), MESSAGE, namespace=SPACE)


def test_a_file_that_is_not_there_or_no_key_cannot_sign(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no key file") as caught:
        sign_with_ssh_keygen(tmp_path / "nothing", MESSAGE, namespace=SPACE)
    assert caught.value.slug == "bad-key"
    with pytest.raises(InputError, match="there is no key file"):
        sign_with_ssh_keygen(tmp_path, MESSAGE, namespace=SPACE)


@with_openssh
def test_a_file_that_holds_no_key_cannot_sign(tmp_path: Path) -> None:
    file = tmp_path / "-n"
    file.write_text("no key", encoding="utf-8")
    file.chmod(0o600)
    with pytest.raises(InputError, match="cannot sign with"):
        sign_with_ssh_keygen(file, MESSAGE, namespace=SPACE)


def test_no_ssh_keygen_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key"
    key.touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RegistryError, match="no ssh-keygen") as caught:
        sign_with_ssh_keygen(key, MESSAGE, namespace=SPACE)
    assert caught.value.slug == "no-ssh-keygen"


def test_an_agent_that_does_not_answer_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "ssh-keygen"
    slow.write_text("#!/bin/sh\nexec /bin/sleep 60\n", encoding="utf-8")
    slow.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("crisplens.core.ssh.SIGN_SECONDS", 0.2)
    with pytest.raises(InputError, match="did not sign within"):
        sign_with_ssh_keygen(slow, MESSAGE, namespace=SPACE)


def blob(**parts: bytes) -> bytes:
    """A signature's bytes, right but for what is given instead."""
    whole = {
        "magic": b"SSHSIG",
        "version": (1).to_bytes(4, "big"),
        "key": PERSON.blob,
        "namespace": SPACE.encode(),
        "reserved": b"",
        "hash": b"sha512",
        "signature": ssh_strings(b"ssh-ed25519", bytes(64)),
        "end": b"",
    } | parts
    strings = ssh_strings(*(whole[name] for name in ("key", "namespace", "reserved", "hash", "signature")))
    return whole["magic"] + whole["version"] + strings + whole["end"]


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({}, "of another text"),
        ({"magic": b"SSHSIC"}, "no SSH signature of version 1"),
        ({"version": bytes(4)}, "no SSH signature of version 1"),
        ({"version": (2).to_bytes(4, "big")}, "no SSH signature of version 1"),
        ({"namespace": b"file"}, "was made for 'file'"),
        ({"namespace": b"\xff\xfe"}, "was made for"),
        ({"namespace": b"crisplens-approval\0"}, "was made for"),
        ({"hash": b"sha1"}, "neither sha256 nor sha512"),
        ({"hash": b"\xff"}, "neither sha256 nor sha512"),
        ({"hash": b""}, "neither sha256 nor sha512"),
        ({"end": b"\0"}, "longer than it says"),
        ({"key": b""}, "cut off"),
        ({"key": ssh_strings(b"ssh-rsa", bytes(32))}, "no Ed25519 key"),
        ({"key": ssh_strings(b"ssh-ed25519", bytes(31))}, "no Ed25519 key"),
        ({"key": PERSON.blob + b"\0"}, "longer than it says"),
        ({"key": b"\xff\xff\xff\xff"}, "cut off"),
        ({"signature": b""}, "cut off"),
        ({"signature": ssh_strings(b"ssh-ed25519", bytes(63))}, "no Ed25519 signature"),
        ({"signature": ssh_strings(b"ssh-ed448", bytes(64))}, "no Ed25519 signature"),
        ({"signature": ssh_strings(b"ssh-ed25519", bytes(64)) + b"\0"}, "longer than it says"),
    ],
)
def test_what_is_no_signature(parts: dict[str, bytes], why: str) -> None:
    with pytest.raises(SshError, match=why):
        check_signature(ssh_armour(blob(**parts)), MESSAGE, namespace=SPACE)


@given(st.data())
def test_no_changed_byte_of_a_signature_passes(data: st.DataObject) -> None:
    whole = base64.b64decode("".join(PERSON.sign(MESSAGE).splitlines()[1:-1]))
    at, other = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))
    for changed in (
        whole[:at] + bytes([whole[at] ^ other]) + whole[at + 1 :],
        whole[:at],
        whole[:at] + b"\0" + whole[at:],
        whole + whole[: at + 1],
    ):
        with pytest.raises(SshError):
            check_signature(ssh_armour(changed), MESSAGE, namespace=SPACE)


@given(st.data())
def test_no_changed_character_of_the_armour_passes_but_white_space(data: st.DataObject) -> None:
    text = PERSON.sign(MESSAGE)
    at = data.draw(st.integers(0, len(text) - 2).filter(lambda place: not text[place].isspace()))
    other = data.draw(st.characters().filter(lambda one: one != text[at]))
    with pytest.raises(SshError):
        check_signature(text[:at] + other + text[at + 1 :], MESSAGE, namespace=SPACE)


@given(anything)
def test_arbitrary_text_is_a_signature_or_an_ssh_error(text: str) -> None:
    for parse in (
        parse_public_key,
        armour,
        lambda text: parse_signature(text, namespace=SPACE),
        lambda text: check_signature(text, MESSAGE, namespace=SPACE),
        lambda text: parse_public_key(f"ssh-ed25519 {text}"),
    ):
        try:
            parse(text)
        except SshError:
            continue


@given(st.binary(min_size=32, max_size=32), st.text(st.characters(codec="utf-8"), max_size=20))
def test_keys_are_read_back(public: bytes, comment: str) -> None:
    key = SshKey(public)
    assert parse_public_key(str(key)) == key
    assert parse_public_key(f"  {key} {comment}\n") == key


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 ",
        "ssh-ed25519 AAAA",
        f"ssh-ed25519  {PERSON.public.split()[1]}",
        PERSON.public.split()[1],
        f"ssh-rsa {PERSON.public.split()[1]}",
        f"sk-ssh-ed25519@openssh.com {PERSON.public.split()[1]}",
        PERSON.public.replace("AAAAC3", "AAAAC4"),
        PERSON.public.split(" bo")[0][:-1],
        f"restrict {PERSON.public}",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n",
        "ssh-ed25519 " + "A" * 20_000,
    ],
)
def test_what_is_no_public_key(line: str) -> None:
    with pytest.raises(SshError):
        parse_public_key(line)


@pytest.mark.parametrize("shape", ["one line", "CRLF", "indented", "blank lines around"])
def test_a_signature_is_armoured_as_ssh_keygen_reads_it(tmp_path: Path, shape: str) -> None:
    whole = PERSON.sign(MESSAGE)
    begin, *lines, end = whole.splitlines()
    other = {
        "one line": begin + "".join(lines) + end,
        "CRLF": whole.replace("\n", "\r\n"),
        "indented": "\n".join([begin, *(f"  {line}" for line in lines), end]),
        "blank lines around": f"\n\n{whole}\n",
    }[shape]
    assert armour(other) == whole
    assert check_signature(other, MESSAGE, namespace=SPACE) == parse_public_key(PERSON.public)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN SSH SIGNATURE-----",
        "-----BEGIN SSH SIGNATURE-----END SSH SIGNATURE-----",
        "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----",
        "-----BEGIN SSH SIGNATURE-----\né\n-----END SSH SIGNATURE-----",
        "-----BEGIN SSH SIGNATURE-----\nAAA\n-----END SSH SIGNATURE-----",
        "-----BEGIN SSH SIGNATURE-----\n" + "A" * 20_000 + "\n-----END SSH SIGNATURE-----",
        PERSON.sign(MESSAGE).replace("BEGIN SSH", "BEGIN PGP"),
    ],
)
def test_what_is_no_armour(text: str) -> None:
    with pytest.raises(SshError):
        check_signature(text, MESSAGE, namespace=SPACE)
