"""Logs made line by line, as no release would write them: the verifier takes nothing that the registry would not."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crisplens.api import Registry
from crisplens.bundles import verify_bundle
from crisplens.core.canonical import canonical_json
from crisplens.core.errors import InputError
from crisplens.ledger import merkle
from crisplens.ledger.notes import Checkpoint, NoteSigner, sign_note
from crisplens.ledger.proofs import Proof
from crisplens.registry.keys.model import endorse
from tests.bundles.verifying import passed, verdicts_on
from tests.conftest import BO, SshPerson

LOG, FORGED = NoteSigner("example.org/log", b"1" * 32), NoteSigner("example.org/log", b"2" * 32)
PERSON = SshPerson(BO)
PUBLIC = PERSON.public.rsplit(" ", 1)[0]
TIME = "2026-01-01T00:00:00.000000Z"
DIGEST = hashlib.sha256(b"content").hexdigest()
PLACE = f"evidence/sha256/{DIGEST[:2]}/{DIGEST}"
Entry = dict[str, Any]


def entry(seq: int, type: str = "kpi.set", payload: Entry | None = None, **fields: Any) -> Entry:
    """A ledger entry by Bo, in project `p`."""
    return {
        "actor": {"id": BO, "source": "python"}, "id": f"id-{seq}", "occurred_at": TIME, "payload": payload or {},
        "project": "p", "recorded_at": TIME, "seq": seq, "type": type, "version": 1, **fields,
    }  # fmt: skip


def trusted(seq: int, facts: Entry, by: NoteSigner | None = None, **more: Any) -> Entry:
    """The entry that a key is trusted, endorsed by a log key if one is given."""
    endorsement = None
    if by is not None:
        made = endorse(by, seq, None, {"type": "key.trusted", **facts})
        endorsement = {"key": made.key, "signature": made.signature}
    return entry(seq, "key.trusted", {**facts, "endorsement": endorsement, **more}, project=None)


def log_key(**changed: str) -> Entry:
    """What the log's key is trusted as."""
    return {
        "id": LOG.key.id,
        "purpose": "log",
        "owner": LOG.name,
        "public_key": str(LOG.key),
        **changed,
    }


def persons_key(**changed: str) -> Entry:
    """What Bo's key is trusted as."""
    facts = {"id": PERSON.fingerprint, "purpose": "approver", "owner": BO, "public_key": PUBLIC}
    return {**facts, **changed}


def approval(seq: int, *, project: str | None = "p", **changed: Any) -> Entry:
    """An approval by Bo, which rests on event 0."""
    payload = {
        "id": "approval-1", "checkpoint": "checkpoint-1", "checkpoint_digest": "sha256:0", "phase": "evaluation",
        "cycle": 1, "decision": "approved", "reason": "", "basis": {"goal": 0}, "signature": None,
    }  # fmt: skip
    return entry(seq, "approval.decided", {**payload, **changed}, project=project, version=2)


def evidence(seq: int, **changed: Any) -> Entry:
    """The entry of an evidence file."""
    payload = {"digest": f"sha256:{DIGEST}", "name": "имя.txt", "media_type": "text/plain", "size": 7}
    return entry(seq, "evidence.added", {**payload, **changed})


def lines_of(*entries: Entry) -> list[bytes]:
    """Entries as they are hashed."""
    return [canonical_json(one).encode() for one in entries]


ROOT = trusted(0, log_key())


def root_of(lines: Sequence[bytes]) -> bytes:
    """The root over these lines."""
    frontier: tuple[bytes, ...] = ()
    for place, line in enumerate(lines):
        frontier, _ = merkle.grow(frontier, place, merkle.leaf_hash(line))
    return merkle.root_hash(frontier)


def head_of(lines: Sequence[bytes], signer: NoteSigner = LOG) -> str:
    """The signed head over these lines."""
    return sign_note(str(Checkpoint(signer.name, len(lines), root_of(lines))), [signer])


def make(
    file: Path,
    lines: Sequence[bytes],
    *,
    head: str = "",
    more: dict[str, bytes] | None = None,
    method: int = zipfile.ZIP_DEFLATED,
    **manifest: Any,
) -> Path:
    """A bundle of these lines that is consistent in itself."""
    inside = {
        "events.jsonl": b"".join(line + b"\n" for line in lines),
        "head.txt": (head or head_of(lines)).encode(),
        **(more or {}),
    }
    listed = {
        name: {"sha256": hashlib.sha256(one).hexdigest(), "bytes": len(one)} for name, one in inside.items()
    }
    said = {"format": "crisplens-bundle@1", "project": None, "size": len(lines), "created_at": TIME}
    inside["manifest.json"] = json.dumps({**said, "evidence": "full", "files": listed, **manifest}).encode()
    with zipfile.ZipFile(file, "w", method) as opened:
        for name, content in inside.items():
            opened.writestr(name, content)
    return file


def failing(file: Path, **options: Any) -> set[str]:
    """The verdicts that fail."""
    return {one.name for one in verdicts_on(file, **options).values() if one.passed is False}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a bundle can be written."""
    return tmp_path / "bundle.zip"


def test_such_a_log_passes_where_nothing_is_wrong(file: Path) -> None:
    lines = lines_of(ROOT, trusted(1, persons_key(), LOG), approval(2), evidence(3))
    assert failing(make(file, lines, more={PLACE: b"content"}), keys=[str(LOG.key)], required=False) == set()


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(entry(1)).encode(),
        lines_of(entry(1))[0][:-1] + b',"version":1}',
        lines_of(entry(1))[0].replace(b'"seq":1', b'"seq":true'),
        lines_of(entry(1))[0].replace(b'"seq":1', b'"seq":1.0'),
        lines_of(entry(1))[0].replace(b"kpi.set", b"kpi\\u002eset"),
        lines_of(entry(1, payload={"a": 1}))[0].replace(b'"a":1', b'"a":NaN'),
        lines_of(entry(1, payload={"a": 1}))[0].replace(b'"a":1', b'"a":1e2'),
        lines_of(entry(1, payload={"a": 1}))[0].replace(b'"a":1', b'"a":9007199254740993'),
        lines_of(entry(1)) [0].decode().encode("utf-16"),
        *lines_of(
            entry(1, actor="x"), entry(1, actor={}), entry(1, version="1"), entry(1, type=[]),
            entry(1, project=5), entry(1, id=3), entry(1) | {"payload": []}, entry(1, more=1),
        ),
    ],
)  # fmt: skip
def test_a_line_that_is_no_canonical_event_is_found_under_a_fitting_root(file: Path, line: bytes) -> None:
    assert failing(make(file, [*lines_of(ROOT), line])) == {"integrity"}


@pytest.mark.parametrize(
    "last",
    [
        trusted(1, persons_key(public_key=PERSON.public), LOG),
        trusted(1, persons_key(public_key=PUBLIC.replace("ssh-ed25519", "ssh-rsa")), LOG),
        trusted(1, persons_key(purpose="auditor"), LOG),
        trusted(1, persons_key(owner=""), LOG),
        trusted(1, persons_key(), LOG, more=1),
        trusted(1, persons_key(), LOG) | {"version": 2},
        approval(1, project=None),
        approval(1, decision="Approved"),
        approval(1, basis={"goal": "0"}),
        approval(1) | {"version": 3},
        entry(1, "gate.demanded", {"phase": "x", "signatures": "sometimes", "reason": "", "endorsement": None}),
    ],
)  # fmt: skip
def test_what_a_registry_would_not_read_vouches_for_nothing(file: Path, last: Entry) -> None:
    assert failing(make(file, lines_of(ROOT, last))) == {"signatures"}


def test_a_log_key_is_taken_as_it_is_written_only(file: Path) -> None:
    altered = trusted(0, log_key(public_key=f"{LOG.key}\n"))
    assert "signatures" in failing(make(file, lines_of(altered)))


def test_a_signature_is_taken_as_it_is_written_only(file: Path) -> None:
    before = lines_of(ROOT, trusted(1, persons_key(), LOG))
    digest = f"0 {merkle.leaf_hash(before[0]).hex()}\n".encode()
    basis = f"sha256:{hashlib.sha256(digest).hexdigest()}"
    stated = {name: one for name, one in approval(2)["payload"].items() if name not in ("id", "signature")}
    message = f"{canonical_json({**stated, 'project': 'p', 'actor': BO, 'basis_digest': basis})}\n".encode()
    armoured = PERSON.sign(message)

    def with_signature(text: str) -> set[str]:
        signed = approval(2, signature={"basis_digest": basis, "signature": text})
        return failing(make(file, [*before, *lines_of(signed)]))

    assert with_signature(armoured) == set()
    assert with_signature(armoured.replace("-----BEGIN", "x BEGIN")) == {"signatures"}
    assert with_signature(armoured.replace("-----BEGIN", "-----BEGIN SSH-----BEGIN")) == {"signatures"}
    assert with_signature(PERSON.sign(message, namespace="file")) == {"signatures"}


def test_one_content_has_one_base64() -> None:
    assert verify_bundle.from_base64("QQ==") == b"A"
    for other in ("QR==", "QQ=", "QQ", "QQ==\n", " QQ==", "Q\u0410=="):
        with pytest.raises(verify_bundle.Wrong):
            verify_bundle.from_base64(other)


def test_the_signature_of_a_kept_head_is_checked(file: Path, tmp_path: Path) -> None:
    lines = lines_of(ROOT)
    kept, genuine = tmp_path / "head.note", head_of(lines)
    make(file, lines)
    kept.write_text(genuine)
    assert failing(file, against=[str(kept)]) == set()
    at = genuine.rindex(" ") + 20
    changed = genuine[:at] + ("A" if genuine[at] != "A" else "B") + genuine[at + 1 :]
    for text in (head_of(lines, FORGED), changed):
        kept.write_text(text)
        assert failing(file, against=[str(kept)]) == {"consistency"}


def test_a_proof_is_not_compared_and_says_so(tmp_path: Path) -> None:
    lines, file = lines_of(ROOT), tmp_path / "one.tlog-proof"
    file.write_text(str(Proof(lines[0].decode(), 0, (), head_of(lines))))
    assert passed(file, keys=[str(LOG.key)], required=True)
    assert failing(file, keys=[str(FORGED.key)]) == {"signatures"}
    with pytest.raises(verify_bundle.NotABundle):
        verdicts_on(file, keys=[str(LOG.key)], against=[str(file)])


def test_a_proof_of_an_event_that_is_none_or_calls_itself_another(tmp_path: Path) -> None:
    file = tmp_path / "one.tlog-proof"
    for line in (canonical_json(entry(5)), "hello"):
        file.write_text(str(Proof(line, 0, (), head_of([line.encode()]))))
        assert failing(file, keys=[str(LOG.key)]) == {"integrity"}


@pytest.mark.parametrize("size", ["000000000000000001999", "\N{ARABIC-INDIC DIGIT ONE}", "+1", "01", "-1"])
def test_a_head_whose_size_is_written_otherwise_is_none(file: Path, size: str) -> None:
    lines = lines_of(ROOT)
    root = base64.b64encode(root_of(lines)).decode()
    assert not passed(make(file, lines, head=f"log\n{size}\n{root}\n"))
    assert passed(make(file, lines, head=f"log\n1\n{root}\n"))


def test_a_note_with_something_behind_a_signature_is_wrong(file: Path) -> None:
    lines = lines_of(ROOT)
    assert failing(make(file, lines, head=f"{head_of(lines)[:-1]} more\n")) == {"signatures"}


def test_a_second_file_under_a_digest_is_found(file: Path) -> None:
    more = {PLACE: b"content", f"evidence/aaa/{DIGEST}": b"smuggled"}
    assert failing(make(file, lines_of(ROOT, evidence(1)), more=more)) == {"evidence"}


def test_an_evidence_event_that_is_none_is_found(file: Path) -> None:
    assert failing(make(file, lines_of(ROOT, evidence(1, digest=[])))) == {"evidence"}


@pytest.mark.parametrize("changed", [{"evidence": "some"}, {"project": 5}, {"files": []}, {"format": "x@1"}])
def test_a_manifest_that_says_something_else_is_refused(file: Path, changed: dict[str, Any]) -> None:
    assert not passed(make(file, lines_of(ROOT, evidence(1)), **changed))


def test_findings_are_bounded_and_counted(file: Path) -> None:
    verdict = verdicts_on(make(file, [*lines_of(ROOT), *[b""] * 50_000]))["integrity"]
    assert len(verdict.findings) == verify_bundle.MOST_LISTED
    assert verdict.found > 50_000


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_unusual_compression_is_refused(file: Path, method: int) -> None:
    with pytest.raises(verify_bundle.NotABundle):
        verdicts_on(make(file, lines_of(ROOT), method=method))


def test_a_member_that_is_there_twice_is_refused_among_many(file: Path) -> None:
    make(file, lines_of(ROOT))
    with zipfile.ZipFile(file, "a") as opened:
        for number in range(3000):
            opened.writestr(f"more/{number}", b"")
        with pytest.warns(UserWarning, match="Duplicate name"):
            opened.writestr("more/7", b"")
    with pytest.raises(verify_bundle.NotABundle, match="more than once"):
        verdicts_on(file)


def test_an_encrypted_member_is_refused(file: Path) -> None:
    content = bytearray(make(file, lines_of(ROOT)).read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    file.write_bytes(content)
    with pytest.raises(verify_bundle.NotABundle, match="encrypted"):
        verdicts_on(file)


@pytest.mark.end_to_end
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    command = [sys.executable, "-I", str(verify_bundle.__file__), "pipe"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=20, check=False)
    assert done.returncode == 2


@pytest.mark.end_to_end
def test_names_that_the_terminal_cannot_show_give_no_traceback(file: Path) -> None:
    make(file, lines_of(ROOT, evidence(1)))
    program = (
        "import runpy, sys; sys.stdout.reconfigure(encoding='cp1252'); sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-I", "-c", program, str(verify_bundle.__file__), str(file)]
    done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"it is missing" in done.stdout


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=600, deadline=None)
@given(value=JSON)
def test_canonical_json_is_that_of_the_package(value: Any) -> None:
    def text(make: Any) -> bytes | None:
        try:
            return str(make(value)).encode()
        except (InputError, verify_bundle.Wrong, UnicodeError):
            return None

    assert text(verify_bundle.canonical) == text(canonical_json)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300), keep=st.integers(0, 400))
def test_garbage_gives_no_traceback(file: Path, content: bytes, keep: int) -> None:
    whole = make(file, lines_of(ROOT)).read_bytes()
    file.write_bytes(whole[:keep] + content + whole[keep + len(content) :])
    arguments, sys.argv = sys.argv, ["verify_bundle.py", "--json", str(file)]
    try:
        assert verify_bundle.main() in (0, 1, 2)
    finally:
        sys.argv = arguments


@pytest.mark.stored
def test_projects_bundles_of_every_size_verify(registry: Registry, tmp_path: Path) -> None:
    registry.key.generate("example.org/log")
    key = registry.signer.key
    for name in ("one", "two"):
        registry.project.add(name, title=name)
    start = registry.audit.head().size
    with registry.transaction() as together:
        for number in range(41 - start):
            together.on_project(("churn", "one", "two")[number * number % 3]).kpi.set("auc", target=number)
    whole, part = tmp_path / "whole.zip", tmp_path / "part.zip"
    registry.audit.export(whole, whole=True, evidence="digests")
    names = ("churn", "one", "two")
    for size in range(start, 41):
        with registry.as_of(size - 1) as then:
            for name in names if size in (16, 31, 37) else names[size % 3 :][:1]:
                then.on_project(name).audit.export(part, evidence="digests", force=True)
                assert passed(part, keys=[str(key)], required=True), (size, name)
                if size == 37:
                    assert passed(part, against=[str(part)])
                    assert failing(part, against=[str(whole)]) == {"consistency"}
